"""Costovertebral surfaces of T1–T12: the bone right under the joints with the ribs.

The rib's head meets the body's posterolateral corner at the pedicle's root, its tubercle the front of the transverse
process (T1–T10). Both lie within other parts, so they have a map of their own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.arch.part_names import Part
from spinemet.anatomy.arch.parts import Parts
from spinemet.anatomy.arch.pedicle import Side
from spinemet.anatomy.sampling import local_coordinates
from spinemet.anatomy.vertebra import Vertebra
from spinemet.levels import Level, Region

DEEP_MM = 3.0
"""How deep under the surface bone counts as the joint's [D]."""
HEAD_MM = 6.0
"""The rib's head covers this far before and behind the posterior wall [D]."""
OUTER_SHARE = 0.5
"""The tubercle lies on this outer share of the transverse process [D]."""
LAST_TUBERCLE = Level.T10
"""The ribs of T11 and T12 do not reach the transverse processes."""


def costovertebral(parts: Parts, vertebra: Vertebra) -> dict[Side, NDArray[np.bool_]]:
    """Voxels (k, j, i) of the costovertebral surface by side; empty for levels without ribs and unparted ones."""
    if vertebra.level.region is not Region.THORACIC or not parts.parted or parts.model is None:
        return {}
    values = parts.map.array
    right, anterior, superior = local_coordinates(parts.map.grid, vertebra.frame)
    wall = vertebra.wall[0] + vertebra.wall[1] * superior
    shallow = vertebra.mask.array & (vertebra.surface_distance <= DEEP_MM)
    found = {}
    for side, own in parts.model.sides.items():
        outward = side.sign * (right - np.float32(own.pedicle.center[0]))
        height = 2 * float(own.pedicle.radii[1])
        root = (values == Part.BODY) | (values == Part.PEDICLE_LEFT.on(side))
        head = root & (np.abs(anterior - wall) <= HEAD_MM) & (outward > 0)
        head &= np.abs(superior - np.float32(own.pillar)) <= height / 2 + 1.0
        joint = head
        if vertebra.level <= LAST_TUBERCLE and own.transverse is not None:
            axis = own.transverse
            middle = axis.root + (1 - OUTER_SHARE) * (axis.tip - axis.root)
            tip = (values == Part.TRANSVERSE_LEFT.on(side)) & (side.sign * (right - np.float32(middle[0])) > 0)
            slope = float(axis.axis[1] / axis.axis[0]) if abs(axis.axis[0]) > 0.1 else 0.0
            tip &= anterior > np.float32(axis.root[1]) + slope * (right - np.float32(axis.root[0]))
            joint = joint | tip
        found[side] = np.asarray(joint & shallow)
    return found
