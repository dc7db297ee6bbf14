"""Metal and cement in and round a vertebra, and whether their streaks reach it.

An instrumented or cemented level is no candidate for SINS, its density and cortex cannot be read, and it is never a
reference for others. What is found here is a suggestion that a person confirms.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.bone.density import depth_below_surface
from spinemet.anatomy.vertebra import Vertebra
from spinemet.evidence import Measurement, Point, unknown
from spinemet.image import Image

METAL_HU = 2500.0
"""Only metal is denser [D]: titanium and steel reach the scanner's ceiling (3071 HU), dense cortex about 2000."""
CEMENT_HU = 1700.0
"""Inside a body, away from its cortex, only cement or metal is denser [D]; enostoses lie about 1200 HU."""
CEMENT_DEPTH_MM = 2.5
"""Cement is sought deeper below the bone's surface than this [D]."""
LEAST_METAL_ML = 0.05
LEAST_CEMENT_ML = 0.3
"""Smaller connected volumes are noise, calcification or a sclerotic grain [D]."""
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


@dataclass(frozen=True)
class MetalFinding:
    """Metal and cement at one vertebra.

    :param kind: metal where there is any, else cement.
    :param volume: connected volume denser than the threshold, mL.
    :param peak: highest HU of it.
    :param streaks: volume of the vertebra that is darker than any bone, mL.
    :param instrumented: suggestion for the level's answer; None when it cannot be told.
    :param affected: why density and cortex cannot be read here; empty when they can.
    """

    kind: Foreign
    volume: Measurement
    peak: Measurement
    streaks: Measurement
    instrumented: bool | None
    affected: str = ""

    @property
    def position(self) -> Point | None:
        return self.volume.position

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return (self.volume, self.peak, self.streaks)


def find_metal(ct: Image | None, vertebra: Vertebra) -> MetalFinding:
    """Metal and cement at a vertebra.

    :param ct: HU, on any grid that holds the vertebra; None without a CT.
    :raises GridMismatch: the CT's voxels do not coincide with those of the vertebra's mask.
    """
    if ct is None:
        return _blind("no CT: metal is told by its density")
    if not vertebra.mask.array.any():
        return _blind("the outline is empty")
    field, bone = _field(ct, vertebra.mask, STREAK_FIELD_MM)
    dense = field.array >= METAL_HU
    metal = _large_pieces(dense, field.voxel_volume, LEAST_METAL_ML)
    dark = int(np.count_nonzero((field.array < DARK_HU) & ndimage.binary_erosion(bone)))
    streak_ml = dark * field.voxel_volume / 1000
    near = _pieces_near(metal, bone, field)
    if near.any():
        finding, kind = near, Foreign.METAL
    else:
        finding, kind = _cement(field, bone), Foreign.CEMENT
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
        Measurement(
            "streaks", streak_ml if metal.any() else 0.0, "mL", f"bone below {DARK_HU:.0f} HU with metal in its slices"
        ),
        found,
        affected,
    )


def _field(ct: Image, mask: Image, margin_mm: float) -> tuple[Image, NDArray[np.bool_]]:
    """The CT round a vertebra, wide across the slices and narrow along them, and the bone on the same crop."""
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
    inner = [slice(int(f) - low, int(f) - low + n) for f, (low, _), n in zip(start, bounds, mask.shape, strict=True)]
    bone[inner[0], inner[1], inner[2]] = mask.array
    return field, bone


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


def _cement(field: Image, bone: NDArray[np.bool_]) -> NDArray[np.bool_]:
    dense = bone & (field.array >= CEMENT_HU)
    if np.count_nonzero(dense) * field.voxel_volume / 1000 < LEAST_CEMENT_ML:
        return np.zeros_like(bone)
    dense &= depth_below_surface(bone, field.grid) > CEMENT_DEPTH_MM
    return _large_pieces(dense, field.voxel_volume, LEAST_CEMENT_ML)


def _volume(field: Image, found: NDArray[np.bool_], kind: Foreign, threshold: float) -> Measurement:
    name = "cement volume" if kind is Foreign.CEMENT else "metal volume"
    count = int(np.count_nonzero(found))
    faces = sum(int(np.count_nonzero(np.diff(found.view(np.int8), axis=axis))) for axis in range(3))
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
        None,
    )
