"""How far a lesion reaches: parts of the vertebra, canal, soft tissue beside the bone, neighbors.

What lies outside the bone is shared out among the vertebrae that the lesion involves, at planes halfway between
them. Works on points, so that outlines reach as far as they like.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from spinemet.anatomy.lesions.bone_surface import bone_surface
from spinemet.anatomy.lesions.canal_room import canal_room
from spinemet.anatomy.lesions.involvement import Involvement, lesion_mask
from spinemet.anatomy.sampling import region_of
from spinemet.anatomy.spine import Spine
from spinemet.anatomy.vertebra import Vertebra
from spinemet.errors import NotMeasurable
from spinemet.evidence import Measurement, Point, unknown
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

EPIDURAL_MM = 1.5
"""Tumor in the canal counts from this thickness (clinical rules, section 2) [D]."""
PARASPINAL_MM = 3.0
"""Tumor beside the bone counts from this thickness [D]: outlines spill over the bone by a voxel or two."""
LEAST_OUTSIDE_ML = 0.1
"""… and from this volume [D]."""
BORDER_VOXELS = 0.6
"""Half-width (95 %) of a volume in voxels for the square root of the number of its border faces; from phantoms."""
ATTACHED_MM = 0.15
"""How well the border between bone and what lies outside it is outlined, evenly shifted, mm [D]."""
STEP_PER_LEVEL = 0.12
"""Bodies grow by up to this share of their volume from one level to the next [D]."""
BETWEEN_NEIGHBORS = 0.08
"""Half-width (95 %), as a share, of a body's volume about what two neighbors let expect [D]."""


@dataclass(frozen=True, eq=False)
class LesionExtent:
    """Where the lesions of one vertebra lie.

    :param parts: share of each part that is lesion, %, by the name it was given.
    :param epidural: volume in the canal, mL; `paraspinal`: outside bone and canal.
    :param epidural_thickness: greatest distance of epidural tumor from the bone, mm; `paraspinal_thickness` likewise.
    :param in_neighbors: volume of the same lesions inside other vertebrae, mL.
    :param inside: (n, 3) RAS of the lesions' voxels in the bone; `canal_points`, `beside_points` likewise outside it.
    :param voxel_ml: volume that each of these points stands for.
    """

    level: Level
    parts: dict[str, Measurement]
    epidural: Measurement
    paraspinal: Measurement
    epidural_thickness: Measurement
    paraspinal_thickness: Measurement
    in_neighbors: dict[Level, float]
    inside: NDArray[np.float64]
    canal_points: NDArray[np.float64]
    beside_points: NDArray[np.float64]
    voxel_ml: float

    @property
    def is_epidural(self) -> bool | None:
        """Whether there is epidural tumor in the outlines; None when the canal was not found."""
        return _counts(self.epidural, self.epidural_thickness, EPIDURAL_MM)

    @property
    def is_paraspinal(self) -> bool | None:
        """Whether there is tumor beside the bone in the outlines."""
        return _counts(self.paraspinal, self.paraspinal_thickness, PARASPINAL_MM)

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return (
            *self.parts.values(), self.epidural, self.epidural_thickness, self.paraspinal, self.paraspinal_thickness,
        )  # fmt: skip


def measure_extent(
    level: Level,
    spine: Spine,
    lesions: LabelMap,
    involvement: Involvement,
    *,
    parts: Mapping[str, NDArray[np.bool_]] | None = None,
    canal: Image | None = None,
) -> LesionExtent:
    """Extent of the lesions that involve `level`.

    :param parts: masks of the vertebra's parts on the grid of `spine[level].mask`; body and arch when None.
    :param canal: boolean image of the outlined canal with all that lies in it; the arch's ring when None.
    :raises GridMismatch: the lesions do not lie on the outlines' grid.
    :raises KeyError: no lesion involves the level.
    """
    vertebra, values = spine[level], involvement.levels[level]
    inside = lesion_mask(vertebra, lesions, values)
    bone = inside.array & vertebra.mask.array
    outside: list[NDArray[np.float64]] = []
    neighbors: dict[Level, float] = {}
    voxel_ml = lesions.image.voxel_volume / 1000
    for value in values:
        points, within = _outside(value, spine, lesions)
        owners = [item for item, found in involvement.levels.items() if value in found]
        outside.append(points[_owned(points, level, owners, spine)])
        for other, count in within.items():
            if other is not level:
                neighbors[other] = neighbors.get(other, 0.0) + count * voxel_ml
    points = np.concatenate(outside)
    shares = _part_shares(vertebra, bone, parts)
    k, j, i = np.nonzero(bone)
    in_bone = inside.to_world(np.stack([i, j, k], axis=-1))
    canal_points, beside_points, reason, limits = _parted(vertebra, points, canal)
    spacing = float(np.cbrt(lesions.image.voxel_volume))
    surface = bone_surface(vertebra.mask).points if len(points) else points
    epidural, paraspinal = (
        _reach(name, found, method, surface, voxel_ml, spacing, reason, limits)
        for name, found, method in (
            ("epidural", canal_points, "lesion in the canal, outside the bone"),
            ("paraspinal", beside_points, "lesion outside bone and canal"),
        )
    )
    return LesionExtent(
        level,
        shares,
        epidural[0],
        paraspinal[0],
        epidural[1],
        paraspinal[1],
        neighbors,
        in_bone,
        canal_points,
        beside_points,
        voxel_ml,
    )


def _parted(
    vertebra: Vertebra, points: NDArray[np.float64], canal: Image | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], str, tuple[str, ...]]:
    """Points in the canal, points beside it, why they could not be parted, and limits."""
    try:
        room = canal_room(vertebra, canal)
    except NotMeasurable as error:
        return points[:0], points, str(error).rstrip("."), ()
    inside = room.contains(points)
    return points[inside], points[~inside], "", room.limits


def _reach(
    kind: str,
    points: NDArray[np.float64],
    method: str,
    surface: NDArray[np.float64],
    voxel_ml: float,
    spacing: float,
    reason: str,
    limits: tuple[str, ...],
) -> tuple[Measurement, Measurement]:
    """Volume of tumor outside the bone, and its greatest distance from it."""
    names = f"{kind} volume", f"{kind} thickness"
    if reason:
        return unknown(names[0], "mL", reason, method), unknown(names[1], "mm", reason)
    volume = _volume(names[0], points, voxel_ml, method, limits, spacing)
    return volume, _most(names[1], points, _thickness(surface, points), spacing)


def expected_body_volume(level: Level, spine: Spine, neighbors: Collection[Level]) -> Measurement:
    """Volume that a body had before it collapsed, interpolated between neighbors along the spine.

    :param neighbors: one or two sound levels, as `collapse` chose them; nearest first does not matter.
    """
    name, method = "expected body volume", "between the volumes of the neighbors"
    known = [item for item in sorted(neighbors) if spine[item].body_volume.value is not None]
    if not known:
        return unknown(name, "mL", "no sound neighbor to compare with", method)
    position = spine[level].frame.origin
    volumes = [spine[item].body_volume for item in known]
    if len(known) == 1 or not known[0] < level < known[-1]:
        only = volumes[0]
        assert only.value is not None
        margin = float(
            np.hypot(only.uncertainty or 0.0, STEP_PER_LEVEL * abs(known[0].order - level.order) * only.value)
        )
        return Measurement(
            name, only.value, "mL", f"volume of {known[0]}", position, margin,
            limits=(f"one neighbor only ({known[0]})",),
        )  # fmt: skip
    above, below = volumes[0], volumes[-1]
    assert above.value is not None and below.value is not None
    upper, lower = spine.distance(known[0], level), spine.distance(level, known[-1])
    share = upper / (upper + lower)
    value = (1 - share) * above.value + share * below.value
    margin = np.hypot((1 - share) * (above.uncertainty or 0.0), share * (below.uncertainty or 0.0))
    margin = float(np.hypot(margin, BETWEEN_NEIGHBORS * value))
    return Measurement(name, value, "mL", f"between {known[0]} and {known[-1]}", position, margin)


def expected_involvement(
    vertebra: Vertebra, lesion_in_body_ml: float, expected: Measurement
) -> tuple[Measurement, ...]:
    """Share of the uncollapsed body that is lesion, and share that is left as bone without lesion, both in %.

    A crushed body that is wholly lesion fills little of what it was; what is left of sound bone says how much is lost.
    """
    names = ("body involvement of the expected body", "sound body left of the expected body")
    method = f"against the {expected.name}, {expected.method}"
    own = vertebra.body_volume
    if own.value is None or not expected.value:
        reason = own.reason or expected.reason
        return tuple(unknown(name, "%", reason, method) for name in names)
    results = []
    for name, volume in zip(names, (lesion_in_body_ml, own.value - lesion_in_body_ml), strict=True):
        share = 100 * volume / expected.value
        margin = share * np.hypot((expected.uncertainty or 0.0) / expected.value, (own.uncertainty or 0.0) / own.value)
        results.append(
            Measurement(name, float(share), "%", method, vertebra.frame.origin, float(margin), limits=expected.limits)
        )
    return tuple(results)


def _counts(volume: Measurement, thickness: Measurement, least_mm: float) -> bool | None:
    if volume.value is None or thickness.value is None:
        return None
    return volume.value >= LEAST_OUTSIDE_ML and thickness.value >= least_mm


def _part_shares(
    vertebra: Vertebra, bone: NDArray[np.bool_], parts: Mapping[str, NDArray[np.bool_]] | None
) -> dict[str, Measurement]:
    if parts is None:
        if vertebra.body is None or vertebra.arch is None:
            return {name: unknown(f"lesion in {name}", "%", vertebra.reason) for name in ("body", "arch")}
        parts = {"body": vertebra.body, "arch": vertebra.arch}
    shares = {}
    for name, part in parts.items():
        count, filled = int(np.count_nonzero(part)), bone & part
        found = int(np.count_nonzero(filled))
        title = f"lesion in {name}"
        if count == 0:
            shares[name] = unknown(title, "%", f"no {name} was found")
            continue
        faces = sum(int(np.count_nonzero(np.diff(filled.view(np.int8), axis=axis))) for axis in range(3))
        margin = 100 * BORDER_VOXELS * np.sqrt(faces) / count
        shares[name] = Measurement(
            title,
            100 * found / count,
            "%",
            "share of the part's volume",
            _center(vertebra.mask, filled),
            float(margin),
        )
    return shares


def _outside(value: int, spine: Spine, lesions: LabelMap) -> tuple[NDArray[np.float64], dict[Level, int]]:
    """RAS of a lesion's voxels in no vertebra, and the number of its voxels in each vertebra."""
    region = lesions.region(value)
    crop = lesions.image.crop(region)
    rest = crop.array == value
    within: dict[Level, int] = {}
    for level, vertebra in spine.vertebrae.items():
        part = region_of(vertebra.mask.grid, crop.grid)
        whole = tuple(slice(max(0, s.start), max(0, min(n, s.stop))) for s, n in zip(part, crop.shape, strict=True))
        if any(s.start >= s.stop for s in whole):
            continue
        own = tuple(slice(w.start - s.start, w.stop - s.start) for w, s in zip(whole, part, strict=True))
        shared = rest[whole] & vertebra.mask.array[own]
        if shared.any():
            within[level] = int(np.count_nonzero(shared))
            rest[whole] &= ~shared
    k, j, i = np.nonzero(rest)
    return crop.to_world(np.stack([i, j, k], axis=-1)), within


def _owned(points: NDArray[np.float64], level: Level, owners: Collection[Level], spine: Spine) -> NDArray[np.bool_]:
    """Which points belong to `level`: between the planes halfway to the next owners above and below."""
    kept = np.ones(len(points), dtype=bool)
    own = spine[level].frame
    ordered = sorted(owners)
    place = ordered.index(level)
    for step in (-1, 1):
        if not 0 <= place + step < len(ordered):
            continue
        other = spine[ordered[place + step]].frame
        middle = (np.array(own.origin) + np.array(other.origin)) / 2
        upward = np.array(own.superior) + np.array(other.superior)
        # A point on the plane itself belongs to the vertebra below it.
        height = (points - middle) @ upward
        kept &= height <= 0 if step < 0 else height > 0
    return kept


def _thickness(surface: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance in mm of points outside the bone from its surface."""
    if not len(points) or not len(surface):
        return np.zeros(len(points))
    distance, _ = cKDTree(surface).query(points)
    return np.asarray(distance)


def _volume(
    name: str,
    points: NDArray[np.float64],
    voxel_ml: float,
    method: str,
    limits: tuple[str, ...],
    spacing: float,
) -> Measurement:
    value = len(points) * voxel_ml
    # The border of a blob of n voxels has about 6 n^(2/3) faces.
    faces = 6.0 * len(points) ** (2 / 3)
    margin = np.hypot(BORDER_VOXELS * np.sqrt(faces) * voxel_ml, ATTACHED_MM * faces / 2 * spacing**2 / 1000)
    return Measurement(name, value, "mL", method, _nearest_to_middle(points), float(margin), limits=limits)


def _most(name: str, points: NDArray[np.float64], thickness: NDArray[np.float64], spacing: float) -> Measurement:
    if not len(points):
        return Measurement(name, 0.0, "mm", "no such tumor in the outlines")
    farthest = int(np.argmax(thickness))
    x, y, z = points[farthest].tolist()
    return Measurement(
        name, float(thickness[farthest] + spacing / 2), "mm", "farthest from the bone's surface", (x, y, z), spacing
    )


def _nearest_to_middle(points: NDArray[np.float64]) -> Point | None:
    if not len(points):
        return None
    x, y, z = points[np.argmin(np.linalg.norm(points - points.mean(axis=0), axis=1))].tolist()
    return (x, y, z)


def _center(mask: Image, filled: NDArray[np.bool_]) -> Point | None:
    if not filled.any():
        return None
    k, j, i = np.nonzero(filled)
    return _nearest_to_middle(mask.to_world(np.stack([i, j, k], axis=-1)))
