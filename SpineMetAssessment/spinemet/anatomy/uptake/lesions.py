"""Lesions by their uptake: what lights up, in which vertebra or outside the spine, and how widespread it is.

Key functions: `find_lesions` lists every component above a cut, `UptakeLesions.excluding` takes out what a reader
calls physiological (brain, bladder, ureters, bowel: nothing here can tell), `UptakeLesions.spread` counts the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.uptake.region import FIXED, SHARE_OF_MAX, Cut, Threshold, Uptake, UptakeMeasures, measure_uptake
from spinemet.case import Structure
from spinemet.errors import BadInput, NotMeasurable
from spinemet.evidence import Measurement, Point
from spinemet.image import Image, Region
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress, silent

MIN_VOLUME_ML = 0.3
"""Smaller components are noise or a few voxels' edge [D]."""
LEVEL_SHARE_OF_LESION = 0.1
"""A lesion lies in a level with this share of its own volume …"""
LEVEL_SHARE_OF_VERTEBRA = 0.1
"""… or when it fills this share of the vertebra: blur alone reaches a few percent from beside it [D]."""
OLIGOMETASTATIC = (3, 5)
"""Up to how many lesions are oligometastatic: both are in use (clinical rules, section 7)."""
_EVERY_NEIGHBOR = np.ones((3, 3, 3), dtype=bool)


class Spread(str, Enum):
    """How widespread disease is by the number of lesions in the images."""

    NONE = "no lesion"
    SOLITARY = "solitary"
    OLIGOMETASTATIC = "oligometastatic"
    DISSEMINATED = "disseminated"


@dataclass(frozen=True, eq=False)
class UptakeLesion:
    """One component above the cut.

    :param number: identity within the list, from 1, by falling maximum; it stays when others are excluded.
    :param mask: boolean crop of the PET's grid.
    :param levels: volume in mL in each vertebra that it lies in, from head to tail; empty outside the spine.
    :param excluded: a reader called it physiological.
    """

    number: int
    mask: Image
    measures: UptakeMeasures
    levels: dict[Level, Measurement]
    excluded: bool = False
    notes: tuple[str, ...] = ()

    @property
    def lesion_id(self) -> str:
        return f"uptake-{self.number}"

    @property
    def spinal(self) -> bool:
        return bool(self.levels)

    @property
    def position(self) -> Point | None:
        """Where its hottest voxel is, RAS."""
        return self.measures.maximum.position


@dataclass(frozen=True, eq=False)
class UptakeLesions:
    """All components of a PET above a cut, the excluded ones among them.

    :param method: how they were found and outlined.
    """

    lesions: tuple[UptakeLesion, ...]
    method: str
    notes: tuple[str, ...] = ()

    @property
    def counted(self) -> tuple[UptakeLesion, ...]:
        """What no reader excluded."""
        return tuple(lesion for lesion in self.lesions if not lesion.excluded)

    @property
    def spinal(self) -> tuple[UptakeLesion, ...]:
        return tuple(lesion for lesion in self.counted if lesion.spinal)

    @property
    def outside(self) -> tuple[UptakeLesion, ...]:
        return tuple(lesion for lesion in self.counted if not lesion.spinal)

    def excluding(self, numbers: Iterable[int]) -> UptakeLesions:
        """The same list with exactly these components taken for physiological.

        :raises BadInput: there is no component of a number.
        """
        wanted = set(numbers)
        unknown_numbers = wanted - {lesion.number for lesion in self.lesions}
        if unknown_numbers:
            raise BadInput(f"There is no uptake {min(unknown_numbers)} in the list; it has 1 to {len(self.lesions)}.")
        return replace(
            self, lesions=tuple(replace(lesion, excluded=lesion.number in wanted) for lesion in self.lesions)
        )

    def count(self) -> Measurement:
        """Number of lesions that were not excluded; spots that share a vertebra are one lesion."""
        groups: list[set[Level]] = []
        for lesion in self.spinal:
            joined = [group for group in groups if group & set(lesion.levels)]
            groups = [group for group in groups if group not in joined]
            groups.append(set(lesion.levels).union(*joined))
        limits = ["only what lies in the field of view", "physiological uptake counts unless it was excluded"]
        if len(groups) < len(self.spinal):
            limits.append("spots in the same vertebra count once")
        if any(len(group) > 1 for group in groups):
            limits.append("a lesion that reaches over several vertebrae counts once")
        number = len(groups) + len(self.outside)
        return Measurement("number of lesions", float(number), "", self.method, limits=tuple(limits))

    def spread(self, at_most: int = 5) -> Spread:
        """Solitary, oligometastatic (up to `at_most`, 3 or 5) or disseminated."""
        if at_most not in OLIGOMETASTATIC:
            raise ValueError("oligometastatic means up to 3 or up to 5 lesions")
        count = self.count().value or 0.0
        if count <= 1:
            return Spread.SOLITARY if count else Spread.NONE
        return Spread.OLIGOMETASTATIC if count <= at_most else Spread.DISSEMINATED

    def total(self) -> tuple[Measurement, Measurement]:
        """Metabolic volume and glycolysis of all lesions that were not excluded."""
        volumes = [lesion.measures.volume for lesion in self.counted]
        products = [lesion.measures.glycolysis for lesion in self.counted]
        name, unit = (products[0].name, products[0].unit) if products else ("total lesion glycolysis", "g")
        return self._sum("total metabolic tumor volume", "mL", volumes), self._sum(name, unit, products)

    def _sum(self, name: str, unit: str, parts: list[Measurement]) -> Measurement:
        values = [part.value for part in parts if part.value is not None]
        if len(values) < len(parts):
            reason = next(part.reason for part in parts if part.value is None)
            return Measurement(name, None, unit, self.method, reason=reason)
        uncertainty = float(np.sqrt(sum((part.uncertainty or 0.0) ** 2 for part in parts)))
        limits = ("physiological uptake counts unless it was excluded",)
        return Measurement(name, float(sum(values)), unit, self.method, uncertainty=uncertainty, limits=limits)


def find_lesions(
    uptake: Uptake,
    threshold: Threshold,
    vertebrae: LabelMap | None = None,
    *,
    found_at: Cut = Cut.FIXED_4_0,
    pet_to_labels: NDArray[np.float64] | None = None,
    excluded: Iterable[int] = (),
    progress: Progress | None = None,
) -> UptakeLesions:
    """Every component above the cut, measured, with the vertebrae that it lies in.

    :param threshold: outlines the lesions. With a share of the maximum, components are found at the fixed cut
        `found_at` first, and each is outlined at that share of its own maximum, together with what joins it.
    :param vertebrae: outlines of the spine, on any grid.
    :param pet_to_labels: 4×4 RAS matrix from the PET's frame of reference to that of the outlines; needed when these
        differ (the identity says that they coincide).
    :param excluded: numbers of components that are physiological.
    :raises BadInput: the frames of reference differ and there is no matrix.
    :raises NotMeasurable: the components must be found at a fixed cut, and the values are no SUV.
    """
    report = progress or silent
    _require_frame(uptake.image, vertebrae, pet_to_labels)
    cut = threshold.value
    method = threshold.text
    if cut is None:
        if not uptake.quantity:
            raise NotMeasurable(f"lesions are found at a fixed cut, which needs SUV; the values are in {uptake.unit}")
        cut = FIXED[found_at]
        method = f"found at {uptake.quantity} ≥ {cut:g}, outlined at {threshold.text}"
    report(0.0, "finding uptake")
    labels, regions = _components(uptake.image, cut)
    order, small = _by_maximum(uptake.image, labels, regions)
    levels = _Levels(vertebrae, pet_to_labels) if vertebrae is not None else None
    lesions = []
    for number, value in enumerate(order, start=1):
        report(number / (len(order) + 1), f"measuring uptake {number} of {len(order)}")
        mask = _outlined(uptake.image, labels, regions[value - 1], value, threshold)
        lesions.append(_lesion(uptake, number, mask, threshold, levels))
    notes = [f"Left out: {small} spots of less than {MIN_VOLUME_ML:g} mL."] if small else []
    if vertebrae is None:
        notes.append("No vertebrae are outlined: all uptake counts as outside the spine.")
    elif vertebrae.levels:
        names = list(vertebrae.levels)
        notes.append(f"Vertebrae are outlined from {names[0]} to {names[-1]}; all other uptake counts as outside.")
    return UptakeLesions(tuple(lesions), method, tuple(notes)).excluding(excluded)


def _require_frame(pet: Image, vertebrae: LabelMap | None, matrix: NDArray[np.float64] | None) -> None:
    if vertebrae is None or matrix is not None or vertebrae.image.frame == pet.frame:
        return
    raise BadInput(
        "The PET and the vertebrae's outlines are in different frames of reference; "
        "register the PET first, or say that they coincide."
    )


def _components(image: Image, cut: float) -> tuple[NDArray[np.int32], list[Region]]:
    labels, _ = ndimage.label(image.array >= cut, structure=_EVERY_NEIGHBOR)
    return labels, ndimage.find_objects(labels)


def _by_maximum(image: Image, labels: NDArray[np.int32], regions: list[Region]) -> tuple[list[int], int]:
    """Labels of the components by falling maximum, and the number of those that are too small."""
    voxel_ml = image.voxel_volume / 1000
    found = []
    for value, region in enumerate(regions, start=1):
        mask = labels[region] == value
        if np.count_nonzero(mask) * voxel_ml >= MIN_VOLUME_ML:
            found.append((-float(image.array[region][mask].max()), value))
    return [value for _, value in sorted(found)], len(regions) - len(found)


def _outlined(image: Image, labels: NDArray[np.int32], region: Region, value: int, threshold: Threshold) -> Image:
    """The lesion's voxels: the component itself, or what joins its hottest voxel above a share of the maximum."""
    crop = image.crop(region)
    own = labels[region] == value
    if threshold.value is not None:
        return crop.with_array(own)
    maximum = float(crop.array[own].max())
    grown = region
    while True:
        part = labels[grown]
        candidate = (image.array[grown] >= SHARE_OF_MAX * maximum) & ((part == value) | (part == 0))
        pieces, _ = ndimage.label(candidate, structure=_EVERY_NEIGHBOR)
        hottest = np.unravel_index(int(np.argmax(np.where(part == value, image.array[grown], -np.inf))), part.shape)
        mask = pieces == pieces[hottest]
        wider = _widened(mask, grown, image.shape)
        if wider == grown:
            return image.crop(grown).with_array(mask)
        grown = wider


def _widened(mask: NDArray[np.bool_], region: Region, shape: tuple[int, int, int]) -> Region:
    """The region with three more voxels on each side that the mask touches."""
    parts = []
    for axis, (part, size) in enumerate(zip(region, shape, strict=True)):
        first, last = mask.take(0, axis).any(), mask.take(-1, axis).any()
        parts.append(slice(max(0, part.start - 3 * int(first)), min(size, part.stop + 3 * int(last))))
    return (parts[0], parts[1], parts[2])


class _Levels:
    """Volumes of a lesion in each outlined vertebra."""

    def __init__(self, vertebrae: LabelMap, pet_to_labels: NDArray[np.float64] | None) -> None:
        self.image = vertebrae.image
        self.matrix = np.eye(4) if pet_to_labels is None else np.asarray(pet_to_labels, dtype=float)
        voxel_ml = vertebrae.image.voxel_volume / 1000
        self.values = {
            value: (
                outline.level,
                voxel_ml * np.count_nonzero(vertebrae.image.array[vertebrae.region(value)] == value),
            )
            for value, outline in vertebrae.present.items()
            if outline.structure in (Structure.VERTEBRA, Structure.SACRUM) and outline.level is not None
        }

    def overlaps(self, mask: Image) -> dict[Level, float]:
        """mL of the mask in each vertebra; PET voxels are divided so that their parts fit the outlines' voxels."""
        parts = np.clip(np.ceil(mask.spacing / self.image.spacing.min()), 1, 4).astype(int)
        inner = [(np.arange(n) + 0.5) / n - 0.5 for n in parts]
        offsets = np.stack(np.meshgrid(*inner, indexing="ij"), axis=-1).reshape(-1, 3)
        k, j, i = np.nonzero(mask.array)
        points = mask.to_world(np.stack([i, j, k], axis=-1)[:, None] + offsets).reshape(-1, 3)
        points = points @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        index = np.rint(self.image.to_index(points)).astype(np.int64)
        inside = np.all((index >= 0) & (index < np.array(self.image.shape[::-1])), axis=1)
        i, j, k = index[inside].T
        values, counts = np.unique(self.image.array[k, j, i], return_counts=True)
        share_ml = mask.voxel_volume / 1000 / len(offsets)
        return {
            level: float(count * share_ml)
            for value, count in zip(values.tolist(), counts.tolist(), strict=True)
            if (level := self.values.get(value, (None, 0.0))[0]) is not None
        }


def _lesion(uptake: Uptake, number: int, mask: Image, threshold: Threshold, levels: _Levels | None) -> UptakeLesion:
    measures = measure_uptake(uptake, mask, threshold)
    if levels is None:
        return UptakeLesion(number, mask, measures, {})
    volume = np.count_nonzero(mask.array) * mask.voxel_volume / 1000
    sizes = dict(levels.values.values())
    found, notes = {}, []
    overlaps = levels.overlaps(mask)
    for level in sorted(overlaps, key=lambda item: item.order):
        overlap = overlaps[level]
        enough = overlap >= LEVEL_SHARE_OF_LESION * volume or overlap >= LEVEL_SHARE_OF_VERTEBRA * sizes[level]
        if enough:
            method = f"part inside the outlined vertebra, by {threshold.text}"
            found[level] = Measurement(f"uptake in {level}", overlap, "mL", method, measures.maximum.position)
        else:
            notes.append(f"uptake-{number} reaches into {level} by {overlap:.1f} mL only; not counted there")
    return UptakeLesion(number, mask, measures, found, notes=tuple(notes))
