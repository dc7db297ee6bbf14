"""Rigidity of a body, slice by slice: axial (EA) and bending (EI), from density.

Composite beam theory (Snyder 2009, Clin Orthop Relat Res 467:3077): EA = Σ E dA and EI = Σ E y² dA about the
modulus-weighted center of each slice perpendicular to the superior axis; the weakest slice governs. The density of an
uncalibrated CT is a guess, so numbers are compared with the neighbors', and no strength in newtons is given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.bone.collapse import fractured_levels
from spinemet.anatomy.sampling import LocalSamples, sample_box
from spinemet.anatomy.spine import Spine
from spinemet.anatomy.vertebra import Vertebra
from spinemet.evidence import Measurement, unknown
from spinemet.image import Image
from spinemet.levels import Level, adjacent

DENSITY_OFFSET, DENSITY_PER_HU = 0.047, 0.001122
"""Apparent density in g/cm³ = offset + slope · HU of lumbar vertebrae (Rho 1995, Med Eng Phys 17:347) [K]."""
MODULUS_MPA, MODULUS_POWER = 4730.0, 1.56
"""Axial modulus E = 4730 ρ^1.56 MPa, ρ in g/cm³, of vertebral trabecular bone (Morgan 2003, J Biomech 36:897) [K]."""
MIN_DENSITY = 0.01
"""Least density in g/cm³ that is given to a voxel of the body: fat and marrow still fill it [D]."""
SLICE_MM = 1.0
HEIGHT_SHARE = (0.15, 0.85)
"""Slices between these shares of the height count: nearer to the plates a slice is not whole [D]."""
MODULUS_ERROR = 0.04
"""95 % half-width of a ratio of rigidities in shares of it, from outlines and noise alone [D]."""
FARTHEST_NEIGHBOR = 3
METHOD = "weakest slice of the body, Σ E dA; uncalibrated"
METHOD_BENDING = "weakest slice of the body, Σ E y² dA; uncalibrated"
LIMIT = "uncalibrated CT: compare with the neighbors only; no strength follows"

Modulus = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class RigidityProfile:
    """Rigidity along a body.

    :param heights: of the slices along the superior axis, mm from the frame's origin.
    :param axial: EA in kN; `sagittal` EI of bending forward, `coronal` of bending sideward, in N·m².
    """

    heights: NDArray[np.float64]
    axial: NDArray[np.float64]
    sagittal: NDArray[np.float64]
    coronal: NDArray[np.float64]


@dataclass(frozen=True)
class Rigidity:
    """Weakest slice of a body and how it compares with the neighbors'.

    :param axial: least EA in kN; `bending` the least EI of either direction in N·m².
    :param axial_ratio: least EA in percent of the neighbors'; `bending_ratio` likewise.
    """

    axial: Measurement
    bending: Measurement
    axial_ratio: Measurement
    bending_ratio: Measurement
    neighbors: tuple[Level, ...] = ()

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return (self.axial_ratio, self.bending_ratio, self.axial, self.bending)


def modulus_of(hounsfield: NDArray[np.float64]) -> NDArray[np.float64]:
    """Axial modulus in MPa of bone of that many HU, not calibrated."""
    density = np.maximum(DENSITY_OFFSET + DENSITY_PER_HU * hounsfield, MIN_DENSITY)
    return np.asarray(MODULUS_MPA * density**MODULUS_POWER)


def rigidity(
    level: Level,
    ct: Image | None,
    spine: Spine,
    *,
    involved: Collection[Level],
    excluded: Collection[Level] = frozenset(),
    profile_of: Callable[[Vertebra], RigidityProfile | None] | None = None,
) -> Rigidity:
    """Rigidity of the body at `level` against the nearest uninvolved, unfractured neighbors.

    :param ct: HU; None without a CT.
    :param involved: levels with a lesion; `excluded` those with cement or hardware; never a reference.
    :param profile_of: `rigidity_profile` of a vertebra in `ct`, where the caller keeps them.
    """
    if ct is None:
        return _unknown("no CT: rigidity is estimated from density")
    profile_of = profile_of or partial(rigidity_profile, ct)
    if level not in spine.vertebrae or not spine[level].measured:
        return _unknown(spine[level].reason if level in spine.vertebrae else f"{level} is not outlined")
    own = _weakest(profile_of(spine[level]))
    if own is None:
        return _unknown("too few whole slices of the body")
    barred = {level, *involved, *excluded, *fractured_levels(spine, {*involved, *excluded})}
    found = [(item, _weakest(profile_of(spine[item]))) for item in _neighbors(level, spine, barred)]
    others = {item: weakest for item, weakest in found if weakest is not None}
    frame = spine[level].frame
    absolute = [
        Measurement(name, value, unit, method, _at(spine[level], height), MODULUS_ERROR * value, limits=(LIMIT,))
        for name, unit, method, (value, height) in zip(_NAMES, _UNITS, _METHODS, own, strict=True)
    ]
    ratios = []
    for n, name in enumerate(_NAMES):
        ratio_name, method = f"{name} against the neighbors", f"weakest slice / that of {_list(list(others))}"
        if not others:
            ratios.append(unknown(ratio_name, "%", "no uninvolved neighbor to compare with", "not measured"))
            continue
        values = np.array([item[n][0] for item in others.values()])
        ratio = 100 * own[n][0] / float(values.mean())
        # Half the neighbors' difference: where between them this level would have been is not known.
        apart = float(np.ptp(values)) / 2 / float(values.mean())
        limits = (LIMIT,) if len(values) > 1 else (LIMIT, f"one neighbor only ({next(iter(others))})")
        margin = ratio * float(np.hypot(MODULUS_ERROR, apart))
        ratios.append(Measurement(ratio_name, ratio, "%", method, frame.origin, margin, limits=limits))
    return Rigidity(absolute[0], absolute[1], ratios[0], ratios[1], tuple(others))


def rigidity_profile(ct: Image, vertebra: Vertebra, modulus: Modulus = modulus_of) -> RigidityProfile | None:
    """EA and EI of every slice of a body; None where it has no measured body.

    :param modulus: MPa from HU.
    """
    width, depth = vertebra.width.value, vertebra.depth.value
    plates = [plate for plate in (vertebra.superior_endplate, vertebra.inferior_endplate) if plate is not None]
    if vertebra.body is None or vertebra.reason or width is None or depth is None or len(plates) < 2:
        return None
    top, bottom = (vertebra.frame.to_local(plate.center)[2] for plate in plates)
    low, high = (bottom + share * (top - bottom) for share in HEIGHT_SHARE)
    wall = vertebra.wall[0]
    lower = (-width / 2 - 4.0, wall - 4.0, low)
    upper = (width / 2 + 4.0, wall + depth + 4.0, high)
    body = vertebra.mask.with_array(vertebra.body)
    inside = sample_box(body, vertebra.frame, lower, upper, SLICE_MM)
    return sum_slices(inside, _hounsfield(ct, vertebra, inside), modulus)


def _hounsfield(ct: Image, vertebra: Vertebra, inside: LocalSamples) -> NDArray[np.float64]:
    """HU at the samples inside the body, 0 elsewhere."""
    values = np.zeros(inside.values.shape)
    index = np.nonzero(inside.values > 0)
    local = inside.lower + inside.step * np.column_stack(index)
    values[index] = ct.sample(vertebra.frame.to_ras(local), outside=0.0, dtype=np.float64)
    return values


def sum_slices(inside: LocalSamples, values: NDArray[np.float64], modulus: Modulus = modulus_of) -> RigidityProfile:
    """EA and EI of every slice of a sampled solid.

    :param inside: the share of each sample that lies in the solid.
    :param values: HU at the samples, same shape.
    """
    stiffness = modulus(values) * inside.values * float(inside.step[0] * inside.step[1])
    r, a = inside.axis(0)[:, None, None], inside.axis(1)[None, :, None]
    axial = stiffness.sum(axis=(0, 1))
    safe = np.maximum(axial, 1e-9)
    center_r, center_a = ((stiffness * x).sum(axis=(0, 1)) / safe for x in (r, a))
    sagittal = (stiffness * (a - center_a) ** 2).sum(axis=(0, 1))
    coronal = (stiffness * (r - center_r) ** 2).sum(axis=(0, 1))
    # MPa·mm² are N, MPa·mm⁴ are N·mm².
    return RigidityProfile(inside.axis(2), axial / 1e3, sagittal / 1e6, coronal / 1e6)


def _weakest(profile: RigidityProfile | None) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Least EA and least EI with the heights at which they are found."""
    if profile is None or len(profile.heights) < 2 or profile.axial.max() <= 0:
        return None
    bending = np.minimum(profile.sagittal, profile.coronal)
    first, second = int(profile.axial.argmin()), int(bending.argmin())
    return (float(profile.axial[first]), float(profile.heights[first])), (
        float(bending[second]), float(profile.heights[second]),
    )  # fmt: skip


def _neighbors(level: Level, spine: Spine, barred: Collection[Level]) -> list[Level]:
    """Nearest usable level above and below."""
    present, found = set(spine.vertebrae), []
    for step in (-1, 1):
        item: Level | None = level
        for _ in range(FARTHEST_NEIGHBOR):
            item = adjacent(item, step, present) if item is not None else None
            if item is not None and item in present and item not in barred and spine[item].measured:
                found.append(item)
                break
    return sorted(found)


def _at(vertebra: Vertebra, height: float) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in vertebra.frame.to_ras([0.0, 0.0, height]))
    return (x, y, z)


_NAMES = ("axial rigidity", "bending rigidity")
_UNITS = ("kN", "N·m²")
_METHODS = (METHOD, METHOD_BENDING)


def _unknown(reason: str) -> Rigidity:
    axial, bending = (unknown(name, unit, reason) for name, unit in zip(_NAMES, _UNITS, strict=True))
    ratios = [unknown(f"{name} against the neighbors", "%", reason) for name in _NAMES]
    return Rigidity(axial, bending, ratios[0], ratios[1])


def _list(levels: list[Level]) -> str:
    return " and ".join(str(level) for level in levels)
