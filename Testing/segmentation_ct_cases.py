"""CTs with known vertebrae for the segmentation from clicks, and clicks as a reader would set them."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage

from spinemet.case import Role
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.phantom import CollapseSpec, LesionSpec, PatientSpec, create
from spinemet.segmentation.clicks import Click
from spinemet.segmentation.vertebrae_ct import OutlinedVertebrae

READER_MM = 2.0
"""Standard deviation of a reader's click about the middle of what is clicked."""

SICK = PatientSpec(
    seed=41,
    levels=tuple(Level.parse(name) for name in ("T12", "L1", "L2", "L3", "L4")),
    ct_size=(112, 112),
    ct_spacing=(1.5, 1.5, 1.5),
    lesions=(LesionSpec(Level.L1, "blastic", 0.3), LesionSpec(Level.L2, "lytic", 0.5)),
    collapses=(CollapseSpec.wedge(Level.L3, 0.45),),
    modalities=(Role.CT,),
)
"""A blastic, a lytic and a collapsed vertebra among healthy ones; its seed tuned nothing."""


@cache
def phantom(spec: PatientSpec = SICK) -> tuple[Image, LabelMap]:
    """A synthetic patient's CT and its true vertebrae."""
    patient = create(spec)
    return patient.images[Role.CT], patient.vertebrae


def middle_of(mask: Image) -> np.ndarray:
    """RAS position deepest within a mask, which for a vertebra is the middle of its body."""
    padded = np.pad(mask.array.astype(bool), 1, mode="edge")
    depth = ndimage.distance_transform_edt(padded, sampling=mask.spacing[::-1])[1:-1, 1:-1, 1:-1]
    return mask.to_world(np.argwhere(depth >= 0.9 * depth.max()).mean(axis=0)[::-1])


def clicks_in(labels: LabelMap, levels: tuple[Level, ...], seed: int = 0) -> list[Click]:
    """One click near the middle of each level's mask, off by what a reader's hand is off, but on the bone."""
    rng = np.random.default_rng(seed)
    return [_click_in(labels.mask(labels.levels[level]), level, rng) for level in levels]


def _click_in(mask: Image, level: Level, rng: np.random.Generator) -> Click:
    middle = middle_of(mask)
    for _ in range(50):
        place = middle + rng.normal(0, READER_MM, 3)
        if mask.sample(place[None], order=0, outside=0)[0]:
            return Click(tuple(place.tolist()), level)
    return Click(tuple(middle.tolist()), level)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Overlap of two masks."""
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def overlaps(result: OutlinedVertebrae, truth: LabelMap) -> dict[Level, float]:
    """Dice of each outlined level with the truth on the same grid."""
    return {
        level: dice(result.labels.image.array == value, truth.image.array == truth.levels[level])
        for level, value in result.labels.levels.items()
    }
