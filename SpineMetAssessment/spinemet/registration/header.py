"""Images that share a frame of reference: the headers' alignment is kept unless the data say otherwise."""

from __future__ import annotations

import re

import numpy as np

from spinemet.image import Image
from spinemet.registration.metric import Agreement
from spinemet.registration.motion import RigidMotion

CONTRADICTION, CONTRADICTION_BLURRED = 1.04, 1.25
"""How many times more information another motion must give before the headers' alignment is given up; the second for
images as blurred as PET, whose uptake lies beside its anatomy for other reasons (breath, bladder, scatter) [D]."""
BLURRED_MM = 2.8
"""Images whose voxels are all at least this long count as blurred [D]."""
LEAST_MM = 1.5
"""A motion by less over the spine is no reason to give up the headers' alignment [D]."""
LEAST_VOXELS = 0.75
"""Nor is one by less than this share of the longer of the two images' voxels [D]."""


def same_frame(fixed: Image, moving: Image) -> bool:
    """Whether both images name the same frame of reference by its UID (a file's name says nothing)."""
    return fixed.frame == moving.frame and re.fullmatch(r"\d+(\.\d+)+", fixed.frame) is not None


def header_holds(
    fixed: Image, moving: Image, motion: RigidMotion, found: Agreement, by_header: Agreement, points: np.ndarray
) -> bool:
    """Whether the images leave the headers' alignment standing against the `motion` that fits best.

    :param points: (n, 3) RAS mm of the fixed image: where the alignment matters.
    """
    moved = motion.distance(RigidMotion.identity(), points)
    least = max(LEAST_MM, LEAST_VOXELS * float(max(fixed.spacing.max(), moving.spacing.max())))
    factor = CONTRADICTION_BLURRED if is_blurred(fixed, moving) else CONTRADICTION
    return moved < least or found.evidence < factor * by_header.evidence


def is_blurred(fixed: Image, moving: Image) -> bool:
    """Whether one of the images is too blurred for single vertebrae and for correcting a header: PET and its like."""
    return bool(max(fixed.spacing.min(), moving.spacing.min()) >= BLURRED_MM)
