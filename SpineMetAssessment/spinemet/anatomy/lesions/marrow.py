"""Marrow on MRI: how a lesion looks beside disc, muscle and normal marrow, as measurements without a verdict.

Clinical rules, section 10: on T1, marrow as dark as disc or muscle is suspicious; a signal that drops by more than a
fifth from in to opposed phase speaks for benign marrow at 1.5 T; ADC and fat fraction have no threshold that carries
over between scanners, so only their values are given.

Key functions: `measure_marrow` for one lesion, `marrow_extent` for how far STIR or T2 shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.case import Role
from spinemet.evidence import Measurement, Point, unknown
from spinemet.image import Image

SUSPICIOUS_T1_RATIO = 1.0
"""On T1, marrow at most as bright as disc or muscle is suspicious (clinical rules, section 10)."""

BENIGN_DROP = 20.0
"""A drop (%) from in to opposed phase beyond this speaks for benign marrow, at 1.5 T (clinical rules, section 10)."""

ABNORMAL_SD = 3.0
"""Marrow brighter than the normal mean by this many SD is abnormal on STIR or T2. Ours."""

ALONE_VOXELS = 5
"""Abnormal specks of fewer voxels than this are noise. Ours."""

_FEWEST_VOXELS = 12

T1_CAVEAT = "after contrast or with fat saturated the ratio means nothing; red marrow lies near 1"
FAT_CAVEAT = "no threshold carries over between scanners; compare with the neighbors and with earlier studies"
DROP_CAVEAT = "the 20 % hold at 1.5 T; sclerotic, treated and hemorrhagic lesions mislead"
ADC_CAVEAT = "in the image's own unit; no threshold carries over between scanners; sclerotic lesions read low"
EXTENT_CAVEAT = "edema and treated marrow are bright, too: extent is no tumor volume"


@dataclass(frozen=True)
class MarrowReferences:
    """Masks of tissue to compare with, boolean, each on any grid in the lesion's space; None where not outlined."""

    disc: Image | None = None
    muscle: Image | None = None
    marrow: Image | None = None


@dataclass(frozen=True)
class _Signal:
    mean: float
    error: float


def measure_marrow(
    images: Mapping[Role, Image], lesion: Image, references: MarrowReferences | None = None
) -> tuple[Measurement, ...]:
    """Signal ratios, fat fraction, phase drop and ADC of a lesion; each is unknown with its reason where it must be.

    The ± of a mean is twice its standard error, with one independent value in eight voxels.

    :param images: by role, each on its own grid in the lesion's space; signals are read where the mask's voxels lie.
    :param lesion: boolean mask.
    """
    beside = references or MarrowReferences()
    where = _middle(lesion)

    def signal(role: Role, mask: Image | None) -> _Signal | None:
        image = images.get(role)
        return None if image is None or mask is None else _signal(image, mask)

    found = []
    for name, mask in (("disc", beside.disc), ("muscle", beside.muscle), ("normal marrow", beside.marrow)):
        title = f"T1 ratio to {name}"
        if Role.T1 not in images:
            found.append(unknown(title, "", "there is no T1 without contrast"))
            continue
        one, other = signal(Role.T1, lesion), signal(Role.T1, mask)
        if one is None or other is None or other.mean <= 0:
            missing = f"{name} is not outlined" if mask is None else "too little of it lies in the image"
            found.append(unknown(title, "", missing))
            continue
        ratio = one.mean / other.mean
        error = ratio * float(np.hypot(one.error / max(one.mean, 1e-6), other.error / other.mean))
        found.append(Measurement(title, ratio, "", "mean signals on T1", where, error, limits=(T1_CAVEAT,)))
    fat, water = signal(Role.DIXON_FAT, lesion), signal(Role.DIXON_WATER, lesion)
    found.append(_fat_fraction(fat, water, where))
    found.append(_drop(signal(Role.DIXON_IN, lesion), signal(Role.DIXON_OPPOSED, lesion), where))
    adc = signal(Role.ADC, lesion)
    if adc is None:
        found.append(unknown("ADC", "", "there is no ADC map at the lesion"))
    else:
        found.append(Measurement("ADC", adc.mean, "", "mean on the ADC map", where, adc.error, limits=(ADC_CAVEAT,)))
    return tuple(found)


def suspicious_on_t1(ratio: Measurement) -> bool | None:
    """Whether marrow is at most as bright as the reference; None while unknown or within the error."""
    if ratio.value is None or abs(ratio.value - SUSPICIOUS_T1_RATIO) <= (ratio.uncertainty or 0.0):
        return None
    return ratio.value <= SUSPICIOUS_T1_RATIO


def marrow_extent(
    image: Image, bone: Image, normal: Image, lesion: Image | None = None, *, name: str = "STIR"
) -> tuple[Measurement, Measurement]:
    """Volume of abnormally bright marrow, and how much of it lies beyond an outlined lesion, mL.

    :param bone: boolean mask of the vertebra on the image's grid.
    :param normal: boolean mask of marrow known to be normal, any grid.
    :param lesion: boolean mask of the lesion, such as on CT; any grid in this space.
    :raises GridMismatch: `bone` lies on another grid.
    """
    image.require_grid(bone)
    titles = f"abnormal marrow on {name}", f"abnormal marrow on {name} beyond the outlined lesion"
    values = image.sample(normal.to_world(np.argwhere(normal.array)[:, ::-1]))
    values = values[np.isfinite(values)]
    if len(values) < _FEWEST_VOXELS:
        reason = "too little normal marrow is outlined within the image"
        return unknown(titles[0], "mL", reason), unknown(titles[1], "mL", reason)
    limit = float(values.mean() + ABNORMAL_SD * values.std())
    inside = bone.array.astype(bool)
    bright = _without_specks(inside & (image.array > limit))
    # Half of the voxels on the rim belong to the other side.
    rim = bright & ~ndimage.binary_erosion(bright)
    error = 0.25 * float(rim.sum()) * image.voxel_volume / 1000
    volume = float(bright.sum()) * image.voxel_volume / 1000
    method = f"brighter than normal marrow by {ABNORMAL_SD:g} SD"
    where = _middle(image.with_array(bright)) if bright.any() else _middle(bone)
    whole = Measurement(titles[0], volume, "mL", method, where, error, limits=(EXTENT_CAVEAT,))
    if lesion is None:
        return whole, unknown(titles[1], "mL", "no lesion is outlined")
    places = np.argwhere(bright)
    if len(places):
        covered = lesion.with_array(lesion.array.astype(np.float32)).sample(
            image.to_world(places[:, ::-1]), outside=0.0
        )
        beyond = places[covered < 0.5]
    else:
        beyond = places
    rest = float(len(beyond)) * image.voxel_volume / 1000
    spot = _point(image.to_world(beyond[:, ::-1]).mean(axis=0)) if len(beyond) else where
    return whole, Measurement(titles[1], rest, "mL", method, spot, error, limits=(EXTENT_CAVEAT,))


def _fat_fraction(fat: _Signal | None, water: _Signal | None, where: Point | None) -> Measurement:
    if fat is None or water is None or fat.mean + water.mean <= 0:
        return unknown("fat fraction", "%", "there are no Dixon fat and water images at the lesion")
    total = fat.mean + water.mean
    error = 100 * float(np.hypot(water.mean * fat.error, fat.mean * water.error)) / total**2
    return Measurement(
        "fat fraction", 100 * fat.mean / total, "%", "Dixon fat / (fat + water)", where, error, limits=(FAT_CAVEAT,)
    )


def _drop(one: _Signal | None, other: _Signal | None, where: Point | None) -> Measurement:
    if one is None or other is None or one.mean <= 0:
        return unknown("drop in opposed phase", "%", "there are no in- and opposed-phase images at the lesion")
    share = other.mean / one.mean
    error = 100 * share * float(np.hypot(one.error / one.mean, other.error / max(other.mean, 1e-6)))
    method = "(in − opposed) / in phase"
    return Measurement("drop in opposed phase", 100 * (1 - share), "%", method, where, error, limits=(DROP_CAVEAT,))


def _signal(image: Image, mask: Image) -> _Signal | None:
    """Mean signal where a mask's core lies, and twice its standard error; None when too little lies in the image."""
    inside = mask.array.astype(bool)
    core = ndimage.binary_erosion(inside)
    chosen = core if core.sum() >= _FEWEST_VOXELS else inside
    values = image.sample(mask.to_world(np.argwhere(chosen)[:, ::-1]))
    known = values[np.isfinite(values)]
    if len(known) < _FEWEST_VOXELS:
        return None
    independent = max(len(known) * min(1.0, mask.voxel_volume / image.voxel_volume) / 8.0, 1.0)
    return _Signal(float(known.mean()), 2.0 * float(known.std()) / float(np.sqrt(independent)))


def _without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())
    keep = sizes >= ALONE_VOXELS
    keep[0] = False
    return np.asarray(keep[labels])


def _middle(mask: Image) -> Point | None:
    voxels = np.argwhere(mask.array)
    return _point(mask.to_world(voxels[:, ::-1]).mean(axis=0)) if len(voxels) else None


def _point(ras: NDArray[np.float64]) -> Point:
    return (float(ras[0]), float(ras[1]), float(ras[2]))
