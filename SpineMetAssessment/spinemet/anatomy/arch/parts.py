"""Parts of a vertebra from its mask alone: body, pedicles, laminae, articular, transverse and spinous processes.

Key function: `partition` gives every voxel of a vertebra its part. The canal is the reference: pedicles lie beside
it, laminae behind it, the processes beyond. Each part of the arch is fitted by a simple solid (`arch_model`), and a
voxel goes to the solid it lies deepest in (`part_voxels`). Between both articular processes of a side lies the pars
interarticularis: with them it makes the articular pillar, with pedicles and laminae the neural arch. Costovertebral
surfaces (T1–T12) lie within other parts and have a map of their own (`costal`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.arch.cloud import behind_wall, even_samples
from spinemet.anatomy.arch.model import ArchModel, fit_arch
from spinemet.anatomy.arch.part_names import Part
from spinemet.anatomy.arch.part_voxels import name_voxels
from spinemet.anatomy.arch.pedicle import Pedicle, Side, pedicles
from spinemet.anatomy.arch.ring import ArchRing, arch_ring
from spinemet.anatomy.arch.solids import Points
from spinemet.anatomy.sampling import local_coordinates
from spinemet.anatomy.spine_line import edge_name
from spinemet.anatomy.vertebra import Vertebra
from spinemet.evidence import Measurement, Point, unknown
from spinemet.image import Image
from spinemet.levels import Level, Region

LEAST_ARCH = 0.06
"""Less bone behind the body than this share of the body's volume is no arch [D]; an arch has about 40 %."""
LEAST_PART_ML = 0.05
"""Less bone than this is not taken for a part [D]."""
BORDER_MM = 0.6
"""How far the border between two parts may lie off (95 %), for the ± of volumes; from phantoms."""


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of one vertebra.

    :param map: uint8 image on the grid of the vertebra's mask: the `Part` of each voxel, 0 outside.
    :param reasons: why a part has no voxels, or why its voxels are not to be trusted; absent for good parts.
    :param cut: parts that end at an image edge.
    :param reason: why the vertebra was not parted; empty when it was (the map then has the body alone, or nothing).
    :param notes: sentences for the reader.
    """

    level: Level
    map: Image
    ring: ArchRing | None
    pedicles: Mapping[Side, Pedicle]
    model: ArchModel | None
    reasons: Mapping[Part, str] = field(default_factory=dict)
    cut: frozenset[Part] = frozenset()
    reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def parted(self) -> bool:
        return not self.reason

    def mask(self, *parts: Part) -> NDArray[np.bool_]:
        """Voxels (k, j, i) of one or more parts."""
        return np.asarray(self.map.array == parts[0] if len(parts) == 1 else np.isin(self.map.array, parts))

    def facet(self, side: Side) -> NDArray[np.bool_]:
        """Voxels of the articular pillar of a side."""
        return self.mask(*(part for part in Part if part.is_facet and part.side is side))

    def body_of(self, outline: Image) -> NDArray[np.bool_] | None:
        """Voxels of the body; None when another outline (boolean, the vertebra's mask) was parted than this one."""
        same = self.map.grid.matches(outline.grid) and np.array_equal(self.map.array > 0, outline.array)
        return self.mask(Part.BODY) if same else None

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Number of voxels by part value."""
        return np.bincount(self.map.array.ravel(), minlength=max(Part) + 1)

    def why_not(self, part: Part) -> str:
        """Why a part cannot be measured; empty when it can."""
        if self.reason and not (part is Part.BODY and self.counts[Part.BODY]):
            return self.reason
        if part in self.reasons:
            return self.reasons[part]
        return f"the {part.title} is cut by an image edge" if part in self.cut else ""

    def volume(self, part: Part) -> Measurement:
        """Volume of a part in mL."""
        name, method = f"{part.title} volume", "outlined voxels of the part"
        if reason := self.why_not(part):
            return unknown(name, "mL", reason, method)
        voxel_ml = self.map.voxel_volume / 1000
        return Measurement(
            name, float(self.counts[part]) * voxel_ml, "mL", method, self.position(part), self._border(part) * voxel_ml
        )

    def position(self, part: Part) -> Point | None:
        """Center of a part, RAS."""
        k, j, i = np.nonzero(self.map.array == part)
        if k.size == 0:
            return None
        x, y, z = self.map.to_world([i.mean(), j.mean(), k.mean()])
        return (float(x), float(y), float(z))

    def _border(self, part: Part) -> float:
        """Voxels that change hands when the borders to other parts move by `BORDER_MM`."""
        total = 0.0
        for axis in range(3):
            first, second = (np.moveaxis(self.map.array, axis, 0)[part_of] for part_of in (np.s_[1:], np.s_[:-1]))
            faces = np.count_nonzero(
                (first != second) & (first > 0) & (second > 0) & ((first == part) | (second == part))
            )
            total += (faces * BORDER_MM / self.map.spacing[2 - axis]) ** 2
        return float(np.sqrt(total))

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Volumes of all parts, then both pedicles."""
        volumes = tuple(self.volume(part) for part in Part)
        return volumes + tuple(item for pedicle in self.pedicles.values() for item in pedicle.measurements)


def partition(vertebra: Vertebra) -> Parts:
    """Part one vertebra. Depends on the vertebra alone; never raises for an odd mask.

    :return: parts on the grid of `vertebra.mask`; C1, C2, the sacrum, and vertebrae whose body was not found, whose
        arch is missing, are not parted and say why.
    """
    reason = _not_parted(vertebra)
    if reason or vertebra.body is None:
        return _whole(vertebra, reason or "body and arch were not parted")
    mask, body = vertebra.mask.array, vertebra.body
    rest = mask & ~body
    if np.count_nonzero(rest) < LEAST_ARCH * np.count_nonzero(body):
        return _whole(vertebra, "the outline shows no arch")
    ring = arch_ring(vertebra)
    samples = even_samples(vertebra)
    found = pedicles(vertebra, ring, samples)
    if not any(pedicle.local_center is not None for pedicle in found.values()):
        return _whole(vertebra, "no pedicle joins body and arch in the outline")
    cervical = vertebra.level.region is Region.CERVICAL
    # The solids are fitted to an even grid, which is the same for every voxel size; only then each voxel is named.
    cloud = behind_wall(samples, vertebra)
    model = fit_arch(cloud, ring, found, cervical=cervical)
    right, anterior, superior = (axis[rest] for axis in local_coordinates(vertebra.mask.grid, vertebra.frame))
    points: Points = np.stack([right, anterior, superior], axis=1)
    values = np.zeros(mask.shape, np.uint8)
    values[body] = Part.BODY
    values[rest] = name_voxels(points, cloud, vertebra, ring, model)
    notes = () if ring.closed else ("the arch is not closed; the canal's size is a guess from the body's",)
    if cervical:
        notes = (*notes, "cervical parts are less sure: their pedicles are short and oblique")
    result = Parts(vertebra.level, vertebra.mask.with_array(values), ring, found, model, {}, frozenset(), "", notes)
    return _judged(result, vertebra)


def _not_parted(vertebra: Vertebra) -> str:
    if vertebra.level in (Level.C1, Level.C2):
        return f"{vertebra.level} is not parted: its parts are its own"
    if vertebra.level.region in (Region.SACRAL, Region.OCCIPUT):
        return "the sacrum is not parted; a clinician judges"
    return vertebra.reason


def _whole(vertebra: Vertebra, reason: str) -> Parts:
    values = np.zeros(vertebra.mask.shape, np.uint8)
    if vertebra.body is not None:
        values[vertebra.body] = Part.BODY
    return Parts(vertebra.level, vertebra.mask.with_array(values), None, {}, None, {}, _cut(values, vertebra), reason)


def _judged(parts: Parts, vertebra: Vertebra) -> Parts:
    """Say which parts are missing, doubtful or cut."""
    reasons: dict[Part, str] = {}
    least = LEAST_PART_ML * 1000 / parts.map.voxel_volume
    assert parts.model is not None
    for part in Part:
        if parts.counts[part] < max(least, 1.0):
            reasons[part] = f"the outline shows no {part.title}"
    for side, own in parts.model.sides.items():
        pedicle = parts.pedicles[side]
        if pedicle.reason:
            reasons[Part.PEDICLE_LEFT.on(side)] = pedicle.reason
        if pedicle.local_center is None:
            reasons.update({part: pedicle.reason for part in Part if part.is_facet and part.side is side})
        fitted = ((Part.SUPERIOR_ARTICULAR_LEFT, own.superior), (Part.INFERIOR_ARTICULAR_LEFT, own.inferior),
                  (Part.LAMINA_LEFT, own.lamina))  # fmt: skip
        for part, solid in fitted:
            if solid is None:
                reasons.setdefault(part.on(side), f"no {part.on(side).title} is found in the outline")
    return Parts(
        parts.level, parts.map, parts.ring, parts.pedicles, parts.model, reasons,
        _cut(parts.map.array, vertebra), "", parts.notes,
    )  # fmt: skip


def _cut(values: NDArray[np.uint8], vertebra: Vertebra) -> frozenset[Part]:
    """Parts with voxels in the outermost layer at an image edge that cuts the vertebra."""
    found: set[int] = set()
    for axis in range(3):
        direction = vertebra.mask.grid.directions[:, 2 - axis]
        for index, sign in ((0, -1), (-1, 1)):
            if edge_name(sign * direction) in vertebra.cut:
                found.update(np.unique(np.take(values, index, axis=axis)).tolist())
    return frozenset(Part(value) for value in found if value)
