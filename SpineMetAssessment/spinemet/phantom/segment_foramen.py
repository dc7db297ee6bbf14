"""Foramina of a segment: nerve roots in fat, and tumor that takes the fat in the steps of Lee's grades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinemet.phantom.segment_spec import ForamenSpec
from spinemet.phantom.segment_tube import Tube
from spinemet.phantom.solids import Array

ROOT_MM = 2.0
"""Radius of a root."""

_HALF = (6.5, 4.5)
"""Half height and half depth of a foramen, mm."""
_LENGTH_MM = 9.0
_INTO_CANAL_MM = 0.5
_FLATTENED = 0.5
"""Share of the root's depth that tumor of grade 3 takes away."""
_BESIDE_MM = 0.3
"""Tumor comes this near to the root."""


@dataclass(frozen=True)
class Foramina:
    """Distances (mm, negative inside) of points to the foramina's outline, the roots and the tumor in a foramen."""

    room: Array
    root: Array
    tumor: Array


def foramina(tube: Tube, spec: ForamenSpec, s: Array, u: Array, v: Array) -> Foramina:
    """The foramina of both sides, half a level below the segment's middle."""
    middle = -(tube.size.body + tube.size.disc) / 2
    along = np.abs(u) - tube.canal_half[0]
    beyond = np.maximum(-_INTO_CANAL_MM - along, along - _LENGTH_MM)
    up, front = s - middle, v
    room = np.maximum((np.hypot(up / _HALF[0], front / _HALF[1]) - 1) * min(_HALF), beyond)
    sign = {"left": -1.0, "right": 1.0, "": 0.0}[spec.side]
    there = u * sign > 0
    flat = np.where(there & (spec.lee == 3), 1 - _FLATTENED, 1.0)
    root = (np.hypot(up, front / flat) - ROOT_MM) * flat
    root = np.maximum(root, beyond)
    return Foramina(room, root, np.where(there, _tumor(spec.lee, up, front, flat, room, root), 9.0))


def _tumor(lee: int, up: Array, front: Array, flat: Array, room: Array, root: Array) -> Array:
    """Tumor in the foramen, outside the root."""
    if lee == 0:
        return np.full_like(up, 9.0)
    before = ROOT_MM * flat + _BESIDE_MM - np.abs(front)
    above = ROOT_MM + _BESIDE_MM - np.abs(up)
    # Grade 1: in front of and behind the root; from grade 2 on above and below it, too.
    tumor = before if lee == 1 else np.minimum(before, above)
    return np.maximum(np.maximum(tumor, room + 0.2), -root)
