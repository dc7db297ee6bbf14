"""Where the ribs meet a thoracic vertebra: the bone right under the joints of head and tubercle, by construction.

A rib's head lies on the body's corner and the pedicle's root, its tubercle (down to T10) on the front of the outer
half of the transverse process. The phantom has no ribs; the joints are where its own solids would carry them.
"""

from __future__ import annotations

import numpy as np

from spinemet.levels import Level, Region
from spinemet.phantom.lesion import PART_INDEX, Samples
from spinemet.phantom.shape import VertebraShape
from spinemet.phantom.solids import Array

DEEP_MM = 3.0
"""Bone this deep under the surface belongs to the joint."""
HEAD_MM = 6.0
"""The head reaches this far before and behind the posterior wall."""
LAST_TUBERCLE = Level.T10


def rib_joint(shape: VertebraShape, samples: Samples, side: str) -> Array:
    """Which points of the bone lie under the joints of one side ("left" or "right"); none at levels without ribs."""
    if shape.level.region is not Region.THORACIC:
        return np.zeros(len(samples.x), bool)
    out = samples.x if side == "right" else -samples.x
    (x0, _), (x1, _) = shape.pedicle_axis
    root = (samples.part == PART_INDEX["body"]) | (samples.part == PART_INDEX[f"pedicle_{side}"])
    joint = root & (out > (x0 + x1) / 2) & (np.abs(samples.y - shape.posterior_wall) <= HEAD_MM)
    joint &= np.abs(samples.z - shape.pedicle_height) <= shape.size.pedicle_height / 2 + 1.0
    if shape.level <= LAST_TUBERCLE:
        start, stop = (np.array(point[:2]) for point in shape.transverse_axis)
        middle, slope = (start + stop) / 2, (stop - start)[1] / (stop - start)[0]
        front = samples.y > start[1] + slope * (out - start[0])
        joint |= (samples.part == PART_INDEX[f"transverse_{side}"]) & (out > middle[0]) & front
    depth = -shape.bone(samples.x[joint], samples.y[joint], samples.z[joint])
    joint[joint] = depth <= DEEP_MM
    return np.asarray(joint)
