"""Uptake of a tracer in a region of a PET: SUVmax, mean and peak, metabolic volume and total lesion glycolysis.

Key functions: `fixed_threshold`, `share_threshold` and `percist_threshold` name a cut, `measure_uptake` applies it to
a region. Volumes by different cuts differ by a factor of two and more: every result says which it was made with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from spinemet.errors import GridMismatch, NotMeasurable
from spinemet.evidence import Measurement, Point, unknown
from spinemet.image import Grid, Image

SHARE_OF_MAX = 0.41
"""Cut as a share of SUVmax (EANM 1.0 guideline, Boellaard 2010)."""
PERCIST_FACTOR, PERCIST_SD = 1.5, 2.0
"""PERCIST 1.0: measurable from 1.5 × mean of the liver + 2 SD (Wahl 2009)."""
PERCIST_LIVER_ML = 14.1
"""PERCIST's sphere of 3 cm in the right lobe."""
PEAK_ML = 1.0
"""Volume of the sphere for SUVpeak (PERCIST)."""
REPEATABILITY = 0.12
"""Within-subject coefficient of variation of FDG SUVmax between two scans (QIBA FDG-PET/CT profile)."""
SMALL_ML = 2.0
"""Below this volume the scanner's resolution lowers every uptake value [D]."""
_SUBDIVISION = 5
"""Points along each axis of a voxel that decide how much of it the sphere covers."""


class Cut(str, Enum):
    """The cuts by which metabolic volume is outlined."""

    SHARE_OF_MAX = "41 % of the maximum"
    FIXED_2_5 = "fixed 2.5"
    FIXED_4_0 = "fixed 4.0"
    PERCIST_LIVER = "PERCIST liver"


FIXED = {Cut.FIXED_2_5: 2.5, Cut.FIXED_4_0: 4.0}


@dataclass(frozen=True, eq=False)
class Uptake:
    """A PET image whose values are known.

    :param image: values in `unit`.
    :param quantity: "SUVbw", "SUVlbm (Janmahasatian)", "SUVbsa"; "" when the values are no SUV.
    :param unit: "g/mL", "cm²/mL", "Bq/mL".
    :param is_fdg: whether the tracer is fluorodeoxyglucose; None when unknown.
    """

    image: Image
    quantity: str = "SUVbw"
    unit: str = "g/mL"
    is_fdg: bool | None = None

    @property
    def name(self) -> str:
        return self.quantity or "activity"


@dataclass(frozen=True)
class Threshold:
    """A named cut.

    :param value: in the image's unit; None for a share of each region's maximum.
    :param text: which cut, in words.
    """

    cut: Cut
    value: float | None
    text: str
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class UptakeMeasures:
    """What was measured in one region.

    :param volume: metabolic tumor volume, mL.
    :param glycolysis: metabolic volume times its mean: total lesion glycolysis, for FDG in SUV.
    """

    maximum: Measurement
    mean: Measurement
    peak: Measurement
    volume: Measurement
    glycolysis: Measurement

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return (self.maximum, self.peak, self.mean, self.volume, self.glycolysis)


def fixed_threshold(uptake: Uptake, cut: Cut) -> Threshold:
    """The cut at 2.5 or 4.0.

    :raises NotMeasurable: the values are no SUV.
    """
    if not uptake.quantity:
        raise NotMeasurable(f"a fixed cut needs SUV, and the values are in {uptake.unit}")
    value = FIXED[cut]
    unusual = f"the cut of {value:g} is usual for SUVbw, not for {uptake.quantity}"
    limits = () if uptake.quantity == "SUVbw" else (unusual,)
    return Threshold(cut, value, f"{uptake.quantity} ≥ {value:g} (fixed)", limits)


def share_threshold(uptake: Uptake) -> Threshold:
    """The cut at 41 % of each region's maximum."""
    return Threshold(Cut.SHARE_OF_MAX, None, f"{100 * SHARE_OF_MAX:.0f} % of the region's {uptake.name}max")


def percist_threshold(uptake: Uptake, liver: Image) -> Threshold:
    """PERCIST's cut: 1.5 × the mean of healthy liver + 2 SD.

    :param liver: boolean region of healthy liver (a sphere of 3 cm in the right lobe), on the PET's grid or a crop of
        it.
    :raises NotMeasurable: the values are not SUV by lean body mass, or the tracer is not known to be FDG, or the
        region is empty.
    :raises GridMismatch: the region lies on another grid.
    """
    if not uptake.quantity.startswith("SUVlbm"):
        raise NotMeasurable(f"PERCIST is defined for SUV by lean body mass, and the values are {uptake.name}")
    if not uptake.is_fdg:
        raise NotMeasurable("PERCIST is defined for FDG, and the tracer is not known to be FDG")
    values = crop_of(uptake.image, liver.grid).array[liver.array > 0]
    if not values.size:
        raise NotMeasurable("the region of the liver is empty")
    mean, deviation = float(values.mean(dtype=float)), float(values.std(dtype=float))
    cut = PERCIST_FACTOR * mean + PERCIST_SD * deviation
    milliliters = values.size * liver.voxel_volume / 1000
    limits: tuple[str, ...] = ("the liver's region was given by the reader",)
    if milliliters < 0.5 * PERCIST_LIVER_ML:
        limits = (*limits, f"the liver's region has {milliliters:.1f} mL only; PERCIST asks for a sphere of 3 cm")
    text = f"{uptake.quantity} ≥ {cut:.2f} (PERCIST: 1.5 × liver mean {mean:.2f} + 2 × SD {deviation:.2f})"
    return Threshold(Cut.PERCIST_LIVER, cut, text, limits)


def measure_uptake(uptake: Uptake, region: Image, threshold: Threshold) -> UptakeMeasures:
    """Measure what lies above the cut inside a region.

    :param region: boolean, on the PET's grid or a crop of it.
    :raises GridMismatch: the region lies on another grid.
    """
    image = crop_of(uptake.image, region.grid)
    mask = region.array > 0
    if not mask.any():
        return _nothing(uptake, threshold, "the region is empty", None, None)
    highest = float(image.array[mask].max())
    k, j, i = np.unravel_index(int(np.argmax(np.where(mask, image.array, -np.inf))), mask.shape)
    x, y, z = image.to_world([i, j, k])
    position = (float(x), float(y), float(z))
    maximum = _maximum(uptake, highest, position)
    value = SHARE_OF_MAX * highest if threshold.value is None else threshold.value
    above = mask & (image.array >= value)
    peak = _peak(uptake, region)
    if highest <= 0 or not above.any():
        reason = f"nothing in the region reaches {threshold.text}"
        return _nothing(uptake, threshold, reason, maximum, peak)
    count = int(np.count_nonzero(above))
    voxel_ml = image.voxel_volume / 1000
    mean = float(image.array[above].mean(dtype=float))
    limits = threshold.limits
    if count * voxel_ml < SMALL_ML:
        limits = (*limits, "small for the scanner's resolution: uptake is underestimated, the volume overestimated")
    # A voxel at the border is in or out by chance; the errors of its faces are independent (uniform, 0.29 of a voxel).
    faces = sum(int(np.count_nonzero(np.diff(np.pad(above, 1).view(np.int8), axis=axis))) for axis in range(3))
    spread = 0.29 * np.sqrt(faces) * voxel_ml
    volume = Measurement(
        "metabolic tumor volume", count * voxel_ml, "mL", threshold.text, position, float(spread), limits=limits
    )
    method = f"mean within {threshold.text}"
    average = Measurement(f"{uptake.name}mean", mean, uptake.unit, method, position, limits=limits)
    return UptakeMeasures(maximum, average, peak, volume, _glycolysis(uptake, threshold, volume, mean))


def _maximum(uptake: Uptake, value: float, position: Point) -> Measurement:
    uncertainty = REPEATABILITY * value if uptake.is_fdg and uptake.quantity else None
    limits = ("a single voxel: it depends on noise and reconstruction",)
    return Measurement(f"{uptake.name}max", value, uptake.unit, "hottest voxel", position, uncertainty, limits=limits)


def _glycolysis(uptake: Uptake, threshold: Threshold, volume: Measurement, mean: float) -> Measurement:
    """Metabolic volume times mean; its name says glycolysis only for FDG."""
    name = "total lesion glycolysis" if uptake.is_fdg else "total lesion uptake"
    method = f"metabolic volume × mean, by {threshold.text}"
    if not uptake.quantity:
        return unknown(name, "g", f"it needs SUV, and the values are in {uptake.unit}", method)
    limits = volume.limits
    if uptake.is_fdg is None:
        limits = (*limits, "the tracer is not known")
    assert volume.value is not None and volume.uncertainty is not None
    value, uncertainty, unit = volume.value * mean, volume.uncertainty * mean, uptake.unit.removesuffix("/mL")
    return Measurement(name, value, unit, method, volume.position, uncertainty, limits=limits)


def _nothing(
    uptake: Uptake, threshold: Threshold, reason: str, maximum: Measurement | None, peak: Measurement | None
) -> UptakeMeasures:
    return UptakeMeasures(
        maximum or unknown(f"{uptake.name}max", uptake.unit, reason),
        unknown(f"{uptake.name}mean", uptake.unit, reason, f"mean within {threshold.text}"),
        peak or unknown(f"{uptake.name}peak", uptake.unit, reason),
        unknown("metabolic tumor volume", "mL", reason, threshold.text),
        unknown("total lesion glycolysis", uptake.unit.removesuffix("/mL"), reason, threshold.text),
    )


def _peak(uptake: Uptake, region: Image) -> Measurement:
    """The largest mean of a sphere of 1 mL whose center is a voxel of the region."""
    kernel = sphere_weights(uptake.image.grid)
    reach = np.array(kernel.shape) // 2
    start = _start(uptake.image.grid, region.grid)
    # The sphere reaches beyond the region, and at the image's border beyond the image.
    low = start - reach
    high = start + np.array(region.shape) + reach
    sides = zip(low, high, uptake.image.shape, strict=True)
    inner = tuple(slice(max(0, int(a)), min(int(b), n)) for a, b, n in sides)
    values = uptake.image.array[inner].astype(float)
    margin = [(part.start - int(a), int(b) - part.stop) for part, a, b in zip(inner, low, high, strict=True)]
    values = np.pad(values, margin, mode="edge")
    means = signal.oaconvolve(values, kernel, mode="valid")
    mask = region.array > 0
    best = np.where(mask, means, -np.inf)
    k, j, i = np.unravel_index(int(np.argmax(best)), mask.shape)
    x, y, z = region.to_world([i, j, k])
    at_border = any(
        index < side[0] or index >= size - side[1]
        for index, side, size in zip((k, j, i), margin, mask.shape, strict=True)
    )
    limits = ("its sphere reaches beyond the image",) if at_border else ()
    method = "largest mean of a sphere of 1 mL centered on a voxel of the region"
    position = (float(x), float(y), float(z))
    return Measurement(f"{uptake.name}peak", float(best[k, j, i]), uptake.unit, method, position, limits=limits)


def sphere_weights(grid: Grid, volume_ml: float = PEAK_ML) -> NDArray[np.float64]:
    """Share of each voxel (k, j, i) that a sphere centered on the middle voxel covers; the shares add up to one."""
    radius = (3000.0 * volume_ml / (4 * np.pi)) ** (1 / 3)
    reach = np.ceil(radius * np.linalg.norm(grid.ras_to_ijk[:3, :3], axis=1) - 0.5 + 1e-9).astype(int)
    inner = (np.arange(_SUBDIVISION) + 0.5) / _SUBDIVISION - 0.5
    axes = [(np.arange(-n, n + 1)[:, None] + inner).ravel() for n in reach]
    i, j, k = axes
    matrix = grid.ijk_to_ras[:3, :3]
    offset = matrix[:, 2] * k[:, None, None, None] + matrix[:, 1] * j[:, None, None] + matrix[:, 0] * i[:, None]
    covered = (np.sum(offset**2, axis=-1) <= radius**2).astype(float)
    sizes = [size for n in reach[::-1] for size in (2 * n + 1, _SUBDIVISION)]
    weights = covered.reshape(sizes).mean(axis=(1, 3, 5))
    return np.asarray(weights / weights.sum())


def crop_of(image: Image, part: Grid) -> Image:
    """The crop of a PET that a region's grid covers.

    :raises GridMismatch: the region's voxels are not those of the image.
    """
    start = _start(image.grid, part)
    stop = start + np.array(part.shape)
    if np.any(start < 0) or np.any(stop > np.array(image.shape)):
        raise GridMismatch(f"A region reaches beyond {image.name}; outline it on that image.")
    k, j, i = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    crop = image.crop((k, j, i))
    crop.require_grid(part)
    return replace(crop, name=image.name)


def _start(whole: Grid, part: Grid) -> NDArray[np.int64]:
    return np.rint(whole.to_index(part.to_world(np.zeros(3)))).astype(np.int64)[::-1]
