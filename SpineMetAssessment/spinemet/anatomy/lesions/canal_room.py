"""The room of the canal at one vertebra: what lies in it, and where round its centroid something lies.

Taken from an outlined canal where there is one; else from the ring of the arch, continued along the canal above and
below the bone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinemet.anatomy.arch.ring import arch_ring
from spinemet.anatomy.frame import VertebraFrame
from spinemet.anatomy.sampling import voxel_centers
from spinemet.anatomy.vertebra import Vertebra
from spinemet.image import Image

ROOM_MM = 1.5
"""The ring is the narrowest place of the canal; the canal reaches this far beyond it where there is no bone [D]."""
SQUARENESS = 4.0
"""Exponent of the superellipse that stands for the canal's cross-section."""
LEAST_CANAL_ML = 0.2
"""An outlined canal with less than this at the vertebra's height is not used [D]."""


@dataclass(frozen=True, eq=False)
class CanalRoom:
    """The canal in a vertebra's frame.

    :param middle: (right, anterior) of its centroid in mm at the height of the frame's origin.
    :param slope: how far the centroid moves (right, anterior) per mm upward.
    :param half: half width and half depth in mm.
    :param outlined: the canal's own mask, None where the room comes from the arch.
    :param limits: what a reader must know.
    """

    frame: VertebraFrame
    middle: tuple[float, float]
    slope: tuple[float, float]
    half: tuple[float, float]
    outlined: Image | None = None
    limits: tuple[str, ...] = ()

    def across(self, ras: ArrayLike) -> NDArray[np.float64]:
        """(…, 2) right and anterior mm from the centroid, at each point's own height."""
        local = self.frame.to_local(ras)
        return np.asarray(local[..., :2] - np.array(self.middle) - local[..., 2:] * np.array(self.slope))

    def contains(self, ras: ArrayLike) -> NDArray[np.bool_]:
        """Whether RAS points (…, 3) lie in the canal; bone is not looked at."""
        if self.outlined is not None:
            return np.asarray(self.outlined.sample(ras, order=0, outside=0.0) > 0)
        share = np.abs(self.across(ras)) / (np.array(self.half) + ROOM_MM)
        return np.asarray((share**SQUARENESS).sum(axis=-1) <= 1.0)


def canal_room(vertebra: Vertebra, canal: Image | None = None) -> CanalRoom:
    """The canal at a vertebra.

    :param canal: boolean image of the outlined canal with everything in it (sac, cord), any grid.
    :raises NotMeasurable: the body was not found, so that front and height are not known.
    """
    ring = arch_ring(vertebra)
    if canal is not None and (room := _outlined(vertebra, canal)) is not None:
        return room
    limits = () if ring.closed else ("the arch is not closed; the canal's place and size are estimates",)
    return CanalRoom(
        vertebra.frame,
        (ring.middle, (ring.front + ring.back) / 2),
        (0.0, ring.slope),
        (ring.half_width, ring.depth / 2),
        None,
        limits,
    )


def _outlined(vertebra: Vertebra, canal: Image) -> CanalRoom | None:
    points = voxel_centers(canal)
    local = vertebra.frame.to_local(points)
    bone = vertebra.frame.to_local(voxel_centers(vertebra.mask))[:, 2]
    level = local[(local[:, 2] >= bone.min()) & (local[:, 2] <= bone.max())]
    thinned = max(1.0, float(np.count_nonzero(canal.array)) / max(1, len(points)))
    if len(level) * thinned * canal.voxel_volume / 1000 < LEAST_CANAL_ML:
        return None
    design = np.stack([np.ones(len(level)), level[:, 2]], axis=1)
    (middle, slope), *_ = np.linalg.lstsq(design, level[:, :2], rcond=None)
    away = np.abs(level[:, :2] - design @ np.stack([middle, slope]))
    half = np.percentile(away, 98, axis=0)
    return CanalRoom(
        vertebra.frame,
        (float(middle[0]), float(middle[1])),
        (float(slope[0]), float(slope[1])),
        (float(half[0]), float(half[1])),
        canal,
    )
