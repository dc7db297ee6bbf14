"""Metal and cement in and round a vertebra, and whether their streaks reach it.

An instrumented or cemented level is no candidate for SINS, its density and cortex cannot be read, and it is never a
reference for others. What is found here is a suggestion that a person confirms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.bone.density import depth_below_surface
from spinemet.anatomy.sampling import region_of
from spinemet.anatomy.vertebra import Vertebra
from spinemet.evidence import Measurement, Point, unknown
from spinemet.image import Image, Region

METAL_HU = 2500.0
"""Only metal is denser [D]: titanium and steel reach the scanner's ceiling (3071 HU), dense cortex about 2000."""
CEMENT_HU = 1700.0
"""Inside a body, away from its cortex, only cement or metal is denser [D]; enostoses lie about 1200 HU."""
CEMENT_DEPTH_MM = 2.5
"""Cement is sought deeper below the bone's surface than this [D]."""
LEAST_METAL_ML = 0.05
LEAST_CEMENT_ML = 0.3
"""Smaller connected volumes are noise, calcification or a sclerotic grain [D]."""
UNMISTAKABLE_ML = 0.3
"""Metal of this volume deeper than `CEMENT_DEPTH_MM` in the bone is a screw or a cage [D]: a screw of 6 mm has it on
11 mm of its length."""
NEAR_MM = 12.0
"""Metal this close to the vertebra is taken for its hardware [D]: rods lie about a centimeter behind the laminae."""
STREAK_FIELD_MM = 60.0
"""Metal up to this far away in the same slices may throw streaks over the vertebra [D]."""
DARK_HU = -200.0
"""Bone is never this dark; fat is about -100 HU. Near metal it is a streak [D]; elsewhere gas in a cleft."""
LEAST_DARK_ML = 0.1
LEAST_DARK_SHARE = 0.01
"""Streaks reach a vertebra when this much of it is that dark, in mL and as a share of its volume [D]."""


class Foreign(str, Enum):
    """What was found."""

    NONE = "none"
    METAL = "metal"
    CEMENT = "cement"


@dataclass(frozen=True, eq=False)
class MetalFinding:
    """Metal and cement at one vertebra.

    :param kind: metal where there is any, else cement.
    :param volume: connected volume denser than the threshold, mL.
    :param peak: highest HU of it.
    :param streaks: volume of the vertebra that is darker than any bone, mL.
    :param within: metal that lies in the bone, well below its surface, mL.
    :param instrumented: suggestion for the level's answer; None when it cannot be told.
    :param affected: why density and cortex cannot be read here; empty when they can.
    :param voxels: metal and cement on the grid of the vertebra's mask, None where nothing was found.
    """

    kind: Foreign
    volume: Measurement
    peak: Measurement
    streaks: Measurement
    within: Measurement
    instrumented: bool | None
    affected: str = ""
    voxels: NDArray[np.bool_] | None = None

    @property
    def unmistakable(self) -> bool:
        """Whether there is so much metal within the bone that the level is instrumented whatever else is seen."""
        return self.kind is Foreign.METAL and (self.within.value or 0.0) >= UNMISTAKABLE_ML

    @property
    def position(self) -> Point | None:
        return self.volume.position

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return (self.volume, self.within, self.peak, self.streaks)


def find_metal(ct: Image | None, vertebra: Vertebra, *, others: Sequence[Image] = ()) -> MetalFinding:
    """Metal and cement at a vertebra.

    :param ct: HU, on any grid that holds the vertebra; None without a CT.
    :param others: outlines of other vertebrae on crops of that grid: screws that lie in them, and not in this one,
        are theirs.
    :raises GridMismatch: the CT's voxels do not coincide with those of the vertebra's mask.
    """
    if ct is None:
        return _blind("no CT: metal is told by its density")
    if not vertebra.mask.array.any():
        return _blind("the outline is empty")
    field, bone, own = _field(ct, vertebra.mask, STREAK_FIELD_MM)
    metal = _large_pieces(field.array >= METAL_HU, field.voxel_volume, LEAST_METAL_ML)
    streak_ml = _dark(field, bone, own) if metal.any() else 0.0
    near = _pieces_near(metal & ~_of_others(metal, bone, field, others), bone, field)
    if near.any():
        finding, kind = near, Foreign.METAL
    else:
        finding, kind = _cement(field, bone, own), Foreign.CEMENT
    found = bool(finding.any())
    # Without metal in the slices, dark bone is gas in a cleft or a lung beside a generous outline.
    volume = float(np.count_nonzero(bone)) * field.voxel_volume / 1000
    streaked = bool(metal.any()) and streak_ml >= max(LEAST_DARK_ML, LEAST_DARK_SHARE * volume)
    if not found:
        kind = Foreign.NONE
    affected = ""
    if found:
        affected = f"{kind.value} in the vertebra or beside it: density and cortex cannot be read"
    elif streaked:
        affected = "streaks of metal nearby cross the vertebra: density and cortex cannot be read"
    threshold = CEMENT_HU if kind is Foreign.CEMENT else METAL_HU
    return MetalFinding(
        kind,
        _volume(field, finding, kind, threshold),
        _peak(field, finding, threshold),
        Measurement("streaks", streak_ml, "mL", f"bone below {DARK_HU:.0f} HU with metal in its slices"),
        _within(field, finding & bone, bone, kind),
        found,
        affected,
        np.array(finding[own]) if found else None,
    )


def _dark(field: Image, bone: NDArray[np.bool_], own: Region) -> float:
    """Volume in mL of the bone, without its outermost layer, that is darker than any bone."""
    inner = ndimage.binary_erosion(bone[own])
    return float(np.count_nonzero((field.array[own] < DARK_HU) & inner)) * field.voxel_volume / 1000


def _within(field: Image, dense: NDArray[np.bool_], bone: NDArray[np.bool_], kind: Foreign) -> Measurement:
    """Volume of what was found in the bone deeper than `CEMENT_DEPTH_MM`: blooming from beside it stays out."""
    name, method = f"{'cement' if kind is Foreign.CEMENT else 'metal'} within the bone", "below its surface"
    if not dense.any():
        return Measurement(name, 0.0, "mL", method)
    deep = dense & (depth_below_surface(bone, field.grid) > CEMENT_DEPTH_MM)
    return Measurement(name, float(np.count_nonzero(deep)) * field.voxel_volume / 1000, "mL", method)


def _field(ct: Image, mask: Image, margin_mm: float) -> tuple[Image, NDArray[np.bool_], Region]:
    """The CT round a vertebra, wide across the slices and narrow along them, the bone on it, and the mask's place."""
    start = np.rint(ct.to_index(mask.to_world(np.zeros(3)))).astype(int)[::-1]
    bounds = []
    for axis, (first, count, size) in enumerate(zip(start, mask.shape, ct.shape, strict=True)):
        # Streaks run within the slices: along the axis nearest to the patient's own only as far as hardware is sought.
        reach = NEAR_MM if axis == _slice_axis(ct) else margin_mm
        margin = int(np.ceil(reach / ct.spacing[2 - axis]))
        bounds.append((max(0, int(first) - margin), min(size, int(first) + count + margin)))
    region = (slice(*bounds[0]), slice(*bounds[1]), slice(*bounds[2]))
    field = ct.crop(region)
    bone = np.zeros(field.shape, dtype=bool)
    k, j, i = (slice(int(f) - low, int(f) - low + n) for f, (low, _), n in zip(start, bounds, mask.shape, strict=True))
    bone[k, j, i] = mask.array
    return field, bone, (k, j, i)


def _slice_axis(ct: Image) -> int:
    """Array axis along which axial slices are stacked: the one nearest to the patient's long axis."""
    return 2 - int(np.argmax(np.abs(ct.grid.directions[2])))


def _large_pieces(dense: NDArray[np.bool_], voxel_mm3: float, least_ml: float) -> NDArray[np.bool_]:
    if not dense.any():
        return dense
    pieces, _ = ndimage.label(dense, structure=np.ones((3, 3, 3), dtype=bool))
    large = np.bincount(pieces.ravel()) * voxel_mm3 / 1000 >= least_ml
    large[0] = False
    return np.asarray(large[pieces])


def _pieces_near(metal: NDArray[np.bool_], bone: NDArray[np.bool_], field: Image) -> NDArray[np.bool_]:
    """The pieces of metal of which some lies within `NEAR_MM` of the bone, cut to that neighborhood."""
    if not metal.any():
        return metal
    away = ndimage.distance_transform_edt(~bone, sampling=field.spacing[::-1])
    return _large_pieces(metal & (away <= NEAR_MM), field.voxel_volume, LEAST_METAL_ML)


def _of_others(
    metal: NDArray[np.bool_], bone: NDArray[np.bool_], field: Image, others: Sequence[Image]
) -> NDArray[np.bool_]:
    """Pieces of metal that are fixed in another vertebra and not in this one."""
    held = np.zeros_like(bone)
    if not metal.any() or not others:
        return held
    for other in others:
        own = region_of(other.grid, field.grid)
        clipped = tuple(slice(max(0, s.start), max(0, min(n, s.stop))) for s, n in zip(own, field.shape, strict=True))
        if all(s.start < s.stop for s in clipped):
            inner = tuple(slice(c.start - s.start, c.stop - s.start) for c, s in zip(clipped, own, strict=True))
            held[clipped] |= other.array[inner]
    pieces, count = ndimage.label(metal, structure=np.ones((3, 3, 3), dtype=bool))
    ml = field.voxel_volume / 1000
    elsewhere, here = (
        np.bincount(pieces[region & metal], minlength=count + 1) * ml for region in (held & ~bone, bone)
    )
    theirs = (elsewhere >= UNMISTAKABLE_ML) & (here < LEAST_METAL_ML)
    theirs[0] = False
    return np.asarray(theirs[pieces])


def _cement(field: Image, bone: NDArray[np.bool_], own: Region) -> NDArray[np.bool_]:
    found = np.zeros(bone.shape, dtype=bool)
    dense = bone[own] & (field.array[own] >= CEMENT_HU)
    if np.count_nonzero(dense) * field.voxel_volume / 1000 >= LEAST_CEMENT_ML:
        # Of the bone's own crop: where it ends there the image ends, too, or the crop has a margin of background.
        dense &= depth_below_surface(bone[own], field.grid.crop(own)) > CEMENT_DEPTH_MM
        found[own] = _large_pieces(dense, field.voxel_volume, LEAST_CEMENT_ML)
    return found


def _volume(field: Image, found: NDArray[np.bool_], kind: Foreign, threshold: float) -> Measurement:
    name = "cement volume" if kind is Foreign.CEMENT else "metal volume"
    count = int(np.count_nonzero(found))
    faces = sum(int(np.count_nonzero(np.diff(found.view(np.int8), axis=axis))) for axis in range(3) if count)
    # Metal blooms: its border lies about a voxel too far out.
    margin = 0.5 * faces * field.voxel_volume / 1000
    position = None
    if count:
        k, j, i = np.nonzero(found)
        x, y, z = field.to_world([i.mean(), j.mean(), k.mean()]).tolist()
        position = (x, y, z)
    return Measurement(
        name, count * field.voxel_volume / 1000, "mL", f"connected, {threshold:.0f} HU or more", position, margin
    )


def _peak(field: Image, found: NDArray[np.bool_], threshold: float) -> Measurement:
    if not found.any():
        return unknown("highest density", "HU", f"nothing reaches {threshold:.0f} HU")
    value = float(field.array[found].max())
    limits = ("the image's range ends here; the metal may be denser",) if value >= 3071 else ()
    return Measurement("highest density", value, "HU", "of the metal or cement found", limits=limits)


def _blind(reason: str) -> MetalFinding:
    return MetalFinding(
        Foreign.NONE,
        unknown("metal volume", "mL", reason),
        unknown("highest density", "HU", reason),
        unknown("streaks", "mL", reason),
        unknown("metal within the bone", "mL", reason),
        None,
    )
