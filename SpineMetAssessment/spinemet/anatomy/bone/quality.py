"""Bone quality: trabecular density of uninvolved bodies, and what L1 says about osteoporosis.

Pickhardt 2013, Ann Intern Med 158:588: L1 trabecular attenuation ≤160 HU is sensitive, ≤110 HU specific for
osteoporosis, on unenhanced CT at 120 kVp. Values are not calibrated with a phantom.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

import numpy as np

from spinemet.anatomy.bone.collapse import fractured_levels
from spinemet.anatomy.bone.density import depth_below_surface
from spinemet.anatomy.sampling import crop_like, local_coordinates
from spinemet.anatomy.spine import Spine
from spinemet.anatomy.vertebra import Vertebra
from spinemet.evidence import Measurement, unknown
from spinemet.image import Image
from spinemet.levels import Level, Region

SENSITIVE_HU, SPECIFIC_HU = 160.0, 110.0
"""L1 trabecular HU (Pickhardt 2013)."""
REFERENCE_KVP = 120.0
ERODED_MM = 3.0
"""Bone nearer to the surface is cortex or endplate [D]."""
FRONT_SHARE = 0.35
"""The back of the body, with the basivertebral veins, is left out: this share of its depth [D]."""
MIDDLE_SHARE = 0.5
"""Share of the height that is looked at, round the middle [D]."""
MIN_ML = 0.5
"""Less trabecular bone than this gives no density [D]."""
DENSE_HU, DENSE_SHARE = 1000.0, 0.02
"""More than this share of voxels above this is metal or cement [D]."""
GRAIN_MM3 = 25.0
"""Volume over which trabecular bone and noise repeat themselves, for the ± of a mean [D]."""
METHOD = f"front of the body, {ERODED_MM:g} mm below the surface; not calibrated"


@dataclass(frozen=True)
class BoneQuality:
    """Trabecular density of every level that can tell.

    :param densities: HU by level; unknown, with the reason, for levels that are left out.
    :param category: "osteoporosis likely", "osteoporosis unlikely" or "undecided" from L1, or "" where there is none.
    :param reason: why there is no category.
    :param warnings: contrast, tube voltage.
    """

    densities: dict[Level, Measurement]
    category: str
    reason: str
    warnings: tuple[str, ...] = ()

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return tuple(self.densities.values())


def bone_quality(
    ct: Image | None,
    spine: Spine,
    *,
    involved: Collection[Level] = frozenset(),
    excluded: Collection[Level] = frozenset(),
    contrast: bool | None = None,
    kvp: float | None = None,
    density_of: Callable[[Vertebra, tuple[str, ...]], Measurement] | None = None,
) -> BoneQuality:
    """Trabecular density of uninvolved thoracic and lumbar bodies.

    :param ct: HU on the grid of the vertebra outlines; None without a CT.
    :param involved: levels with a lesion; `excluded` those with cement or hardware.
    :param contrast: whether contrast was given, None when the files do not say; `kvp` likewise.
    :param density_of: `trabecular_density` of a vertebra in `ct`, where the caller keeps them.
    :raises GridMismatch: the CT does not lie on the outlines' grid.
    """
    if ct is None:
        return BoneQuality({}, "", "no CT: density is measured in Hounsfield units only")
    density_of = density_of or partial(trabecular_density, ct)
    fractured = fractured_levels(spine, {*involved, *excluded})
    barred = {
        **dict.fromkeys(fractured, "fractured"),
        **dict.fromkeys(excluded, "cement or hardware"),
        **dict.fromkeys(involved, "a lesion"),
    }
    warnings = _warnings(contrast, kvp)
    densities = {
        level: _left_out(level, barred[level]) if level in barred else density_of(vertebra, warnings)
        for level, vertebra in spine.vertebrae.items()
        if level.region in (Region.THORACIC, Region.LUMBAR)
    }
    category, reason = _category(densities.get(Level.L1), contrast, kvp)
    return BoneQuality(densities, category, reason, warnings)


def trabecular_density(ct: Image, vertebra: Vertebra, limits: tuple[str, ...] = ()) -> Measurement:
    """Mean HU of the front of a body's trabecular bone; ± from the noise and grain of what was averaged."""
    name = _name(vertebra.level)
    depth = vertebra.depth.value
    if vertebra.body is None or depth is None or vertebra.reason:
        return unknown(name, "HU", vertebra.reason or f"{vertebra.level} has no measured body", METHOD)
    found = np.nonzero(vertebra.body)
    k, j, i = (slice(max(0, int(axis.min()) - 1), int(axis.max()) + 2) for axis in found)
    bone = vertebra.mask.crop((k, j, i))
    body = vertebra.body[k, j, i] & (depth_below_surface(bone.array, bone.grid) > ERODED_MM)
    _, anterior, superior = local_coordinates(bone.grid, vertebra.frame)
    body &= anterior > vertebra.wall[0] + FRONT_SHARE * depth
    if not body.any():
        return unknown(name, "HU", "too little trabecular bone in the outline", METHOD)
    low, high = np.percentile(superior[body], [2, 98])
    body &= np.abs(superior - (low + high) / 2) <= MIDDLE_SHARE / 2 * (high - low + 2 * ERODED_MM)
    values = crop_like(ct, bone.grid).array[body].astype(float)
    volume = values.size * bone.voxel_volume
    if volume / 1000 < MIN_ML:
        return unknown(name, "HU", "too little trabecular bone in the outline", METHOD)
    if float((values > DENSE_HU).mean()) > DENSE_SHARE:
        return unknown(name, "HU", "very dense voxels in the body: metal or cement", METHOD)
    margin = 1.96 * float(values.std()) / np.sqrt(max(volume / GRAIN_MM3, 1.0))
    return Measurement(
        name,
        float(values.mean()),
        "HU",
        METHOD,
        vertebra.frame.origin,
        float(margin),
        limits=(*limits, "uncalibrated"),
    )


def _category(l1: Measurement | None, contrast: bool | None, kvp: float | None) -> tuple[str, str]:
    """What L1 says about osteoporosis, or "" and why it says nothing."""
    if contrast is not False:
        return "", "contrast was given" if contrast else "whether contrast was given is unknown"
    if kvp != REFERENCE_KVP:
        said = "unknown" if kvp is None else f"{kvp:g} kVp"
        return "", f"the cut-offs hold at {REFERENCE_KVP:g} kVp; the tube voltage is {said}"
    if l1 is None or l1.value is None:
        return "", "L1 is not outlined" if l1 is None else f"L1: {l1.reason}"
    if l1.value <= SPECIFIC_HU:
        category = f"osteoporosis likely (L1 ≤ {SPECIFIC_HU:g} HU)"
    elif l1.value <= SENSITIVE_HU:
        category = f"undecided (L1 between {SPECIFIC_HU:g} and {SENSITIVE_HU:g} HU)"
    else:
        category = f"osteoporosis unlikely (L1 > {SENSITIVE_HU:g} HU)"
    near = any(abs(l1.value - cut) <= (l1.uncertainty or 0.0) for cut in (SPECIFIC_HU, SENSITIVE_HU))
    return f"{category}, near the threshold" if near else category, ""


def _warnings(contrast: bool | None, kvp: float | None) -> tuple[str, ...]:
    found = []
    if contrast:
        found.append("contrast raises the density of bone; no category")
    elif contrast is None:
        found.append("whether contrast was given is unknown")
    if kvp is not None and kvp != REFERENCE_KVP:
        found.append(f"taken at {kvp:g} kVp; the cut-offs hold at {REFERENCE_KVP:g} kVp")
    return tuple(found)


def _left_out(level: Level, why: str) -> Measurement:
    return unknown(_name(level), "HU", f"left out: {why}", METHOD)


def _name(level: Level) -> str:
    return f"trabecular density of {level}"
