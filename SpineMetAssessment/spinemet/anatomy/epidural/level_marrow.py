"""Marrow of the levels that tumor involves on MRI: signals beside other tissue, extent, and tumor beyond the CT's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.lesions.marrow import MarrowReferences, marrow_extent, measure_marrow
from spinemet.case import Role
from spinemet.errors import BadInput
from spinemet.evidence import Measurement, Point, unknown
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

LEAST_ML = 0.1
"""Less tumor than this in a vertebra is no lesion to look at. Ours."""

DEEP_MM = 3.0
"""Marrow at least this deep in the bone is free of cortex (clinical rules, section 1)."""

SHOWN_ON = (Role.STIR, Role.T2)
"""Images on which abnormal marrow is bright, the clearer one first."""

BEYOND = "tumor on MR beyond the lesion on CT"


def marrow_of_levels(
    images: Mapping[Role, Image],
    vertebrae: LabelMap,
    tumor: Image,
    *,
    beside: MarrowReferences | None = None,
    on_ct: Mapping[Level, Image] | None = None,
) -> dict[Level, tuple[Measurement, ...]]:
    """Measures of every level that tumor involves, from head to tail.

    Where no normal marrow is outlined, the deep marrow of the levels without tumor stands for it, and says so.

    :param images: MR images by role in one space, each on its own grid.
    :param vertebrae: outlined vertebrae; `tumor`, boolean, on their grid.
    :param beside: disc, muscle and normal marrow to compare with.
    :param on_ct: the CT's lesion at each level, in this space, any grid; a missing one was not outlined.
    :raises GridMismatch: tumor lies on another grid than the vertebrae.
    """
    vertebrae.image.require_grid(tumor)
    bones = {level: vertebrae.mask(value) for level, value in vertebrae.levels.items()}
    lesions = {level: _within(tumor, vertebrae, vertebrae.levels[level], bone) for level, bone in bones.items()}
    volumes = {level: float(lesion.array.sum()) * lesion.voxel_volume / 1000 for level, lesion in lesions.items()}
    beside = beside or MarrowReferences()
    note = ""
    if beside.marrow is None:
        free = [level for level, volume in volumes.items() if volume == 0.0]
        beside = replace(beside, marrow=_deep_marrow(vertebrae, free))
        note = f"normal marrow is that of {', '.join(str(level) for level in free)}" if free else ""
    found = {}
    for level in sorted(bones, key=lambda item: item.order):
        if volumes[level] >= LEAST_ML:
            items = [
                *measure_marrow(images, lesions[level], beside),
                *_extent(images, bones[level], lesions[level], beside.marrow),
                _beyond(lesions[level], None if on_ct is None else on_ct.get(level)),
            ]
            found[level] = tuple(_noted(item, note) for item in items)
    return found


def _within(tumor: Image, vertebrae: LabelMap, value: int, bone: Image) -> Image:
    """Tumor in one vertebra, on the crop of its mask."""
    crop = tumor.crop(vertebrae.region(value, margin_voxels=2))
    return bone.with_array(bone.array & crop.array.astype(bool, copy=False))


def _deep_marrow(vertebrae: LabelMap, levels: list[Level]) -> Image | None:
    """The marrow of some levels deep in their bone; None where there is none."""
    marrow = np.zeros(vertebrae.image.shape, bool)
    for level in levels:
        value = vertebrae.levels[level]
        region = vertebrae.region(value, margin_voxels=1)
        crop = vertebrae.image.array[region] == value
        depth = ndimage.distance_transform_edt(crop, sampling=vertebrae.image.spacing[::-1])
        marrow[region] |= depth >= DEEP_MM
    return vertebrae.image.with_array(marrow) if marrow.any() else None


def _extent(images: Mapping[Role, Image], bone: Image, lesion: Image, marrow: Image | None) -> tuple[Measurement, ...]:
    role = next((item for item in SHOWN_ON if item in images), None)
    titles = ("abnormal marrow", "abnormal marrow beyond the outlined lesion")
    if role is None:
        return tuple(unknown(title, "mL", "there is neither STIR nor T2") for title in titles)
    if marrow is None:
        return tuple(unknown(title, "mL", "no level without tumor is outlined to compare with") for title in titles)
    image = images[role]
    try:
        region = image.grid.region_around(bone.to_world(np.argwhere(bone.array)[:, ::-1]), 2.0)
    except BadInput:
        return tuple(unknown(title, "mL", f"the {role.value} does not show this level") for title in titles)
    crop = image.crop(region)
    places = np.stack(np.meshgrid(*(np.arange(n) for n in crop.shape), indexing="ij"), axis=-1)[..., ::-1]
    # The image stays whole, since normal marrow lies at other levels.
    inside = np.zeros(image.shape, bool)
    inside[region] = bone.with_array(bone.array.astype(np.float32)).sample(crop.to_world(places), outside=0.0) >= 0.5
    return marrow_extent(image, image.with_array(inside), marrow, lesion, name=role.value)


def _beyond(lesion: Image, on_ct: Image | None) -> Measurement:
    """Tumor that the MR shows in the bone and the CT's lesion does not cover, mL."""
    if on_ct is None:
        return unknown(BEYOND, "mL", "no lesion of a CT in this image's space is outlined at this level")
    points = lesion.to_world(np.argwhere(lesion.array)[:, ::-1])
    covered = on_ct.with_array(on_ct.array.astype(np.float32)).sample(points, outside=0.0) >= 0.5
    rest = points[~covered]
    rim = lesion.array & ~ndimage.binary_erosion(lesion.array)
    # Half of the voxels on the rim belong to the other side.
    error = 0.25 * float(rim.sum()) * lesion.voxel_volume / 1000
    method = "outlined tumor in the bone, less the CT's lesion brought here"
    return Measurement(
        BEYOND, len(rest) * lesion.voxel_volume / 1000, "mL", method, _middle(rest if len(rest) else points), error,
        limits=("the error of the registration comes on top",),
    )  # fmt: skip


def _noted(item: Measurement, note: str) -> Measurement:
    rests = item.known and ("marrow" in item.name)
    return replace(item, limits=(*item.limits, note)) if note and rests else item


def _middle(points: NDArray[np.float64]) -> Point | None:
    if not len(points):
        return None
    x, y, z = points.mean(axis=0)
    return (float(x), float(y), float(z))
