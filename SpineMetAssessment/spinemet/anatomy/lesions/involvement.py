"""Which lesion lies in which vertebra."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from spinemet.anatomy.sampling import crop_like, region_of
from spinemet.anatomy.spine import Spine
from spinemet.anatomy.vertebra import Vertebra
from spinemet.case import Structure
from spinemet.image import Image, Region
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

MIN_OVERLAP_ML = 0.05
"""A lesion with less than this inside a vertebra does not involve it [D]."""
MIN_OVERLAP_SHARE = 0.01
"""… nor with less than this share of its own volume: a large tumor that brushes past [D]."""
LEFT_OUT_MM = 2.0
"""A lesion in no vertebra is given to one whose outline comes this close: networks leave lytic bone out [D]."""
LEFT_OUT_SHARE = 0.25
"""Share of such a lesion that must lie that close [D]."""


@dataclass(frozen=True)
class Involvement:
    """Lesions by vertebra.

    :param levels: for each involved level, the lesions' label values and their volume in mL inside its outline.
    :param notes: sentences on lesions in no vertebra, and on overlaps too small to count.
    """

    levels: dict[Level, dict[int, float]]
    notes: tuple[str, ...] = ()


def involved_levels(spine: Spine, lesions: LabelMap) -> Involvement:
    """Assign every lesion to the vertebrae it lies in; only the regions of both are looked at.

    :param lesions: on the grid of the vertebra outlines.
    :raises GridMismatch: the lesions lie on another grid.
    """
    found: dict[Level, dict[int, float]] = {}
    notes: list[str] = []
    voxel_ml = lesions.image.voxel_volume / 1000
    for value in lesions.values(Structure.LESION):
        name = lesions.outlines[value].lesion_id or f"lesion {value}"
        region = lesions.region(value)
        volume = voxel_ml * np.count_nonzero(lesions.image.array[region] == value)
        overlaps = {
            level: _overlap(vertebra, lesions, value, region) * voxel_ml for level, vertebra in spine.vertebrae.items()
        }
        least = max(MIN_OVERLAP_ML, MIN_OVERLAP_SHARE * volume)
        inside = {level: overlap for level, overlap in overlaps.items() if overlap >= least}
        for level, overlap in overlaps.items():
            if 0 < overlap < least:
                notes.append(f"{name} overlaps {level} by {overlap:.2f} mL only; not counted as involved")
        if not inside:
            nearest, share = _nearest(spine, lesions, value, region, volume / voxel_ml)
            if nearest is None or share < LEFT_OUT_SHARE:
                notes.append(f"{name} lies in no outlined vertebra")
                continue
            inside = {nearest: overlaps[nearest]}
            notes.append(f"{name} lies beside the outline of {nearest}, not in it; check the outline")
        for level, overlap in inside.items():
            found.setdefault(level, {})[value] = overlap
    return Involvement(dict(sorted(found.items(), key=lambda pair: pair[0].order)), tuple(notes))


def lesion_mask(vertebra: Vertebra, lesions: LabelMap, values: Iterable[int]) -> Image:
    """Boolean crop of some lesions on the grid of a vertebra's mask.

    :raises GridMismatch: the lesions lie on another grid.
    """
    crop = crop_like(lesions.image, vertebra.mask.grid)
    return crop.with_array(np.isin(crop.array, list(values)))


def _overlap(vertebra: Vertebra, lesions: LabelMap, value: int, region: Region) -> int:
    shared = _shared(vertebra, lesions, region)
    if shared is None:
        return 0
    own, whole = shared
    return int(np.count_nonzero(vertebra.mask.array[own] & (lesions.image.array[whole] == value)))


def _shared(vertebra: Vertebra, lesions: LabelMap, region: Region) -> tuple[Region, Region] | None:
    """The part that a vertebra's crop and a region of the lesion map share: in the crop, and in the map."""
    crop = region_of(vertebra.mask.grid, lesions.image.grid)
    whole, own = [], []
    for a, b in zip(crop, region, strict=True):
        start, stop = max(a.start, b.start), min(a.stop, b.stop)
        if start >= stop:
            return None
        whole.append(slice(start, stop))
        own.append(slice(start - a.start, stop - a.start))
    return (own[0], own[1], own[2]), (whole[0], whole[1], whole[2])


def _nearest(spine: Spine, lesions: LabelMap, value: int, region: Region, count: float) -> tuple[Level | None, float]:
    """The vertebra with the largest share of the lesion within `LEFT_OUT_MM` of its outline."""
    best: tuple[Level | None, float] = (None, 0.0)
    for level, vertebra in spine.vertebrae.items():
        shared = _shared(vertebra, lesions, region)
        if shared is None:
            continue
        own, whole = shared
        away = ndimage.distance_transform_edt(~vertebra.mask.array, sampling=vertebra.mask.spacing[::-1])[own]
        share = np.count_nonzero((away <= LEFT_OUT_MM) & (lesions.image.array[whole] == value)) / count
        if share > best[1]:
            best = (level, float(share))
    return best
