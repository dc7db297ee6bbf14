"""Which voxels lie near a solid: coarse blocks are asked first, then the voxels of the blocks that are near."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spinemet.phantom.solids import Array

Distance = Callable[[Array, Array, Array], Array]
_BLOCK_MM = 3.0


@dataclass(frozen=True)
class Near:
    """Voxels by index, and their coordinates in the solid's own frame (float32, mm)."""

    k: Array
    j: Array
    i: Array
    x: Array
    y: Array
    z: Array


def near(shape: Array, start: Array, matrix: Array, distance: Distance, margin: float) -> Near | None:
    """Voxels of a box within about `margin` mm of a solid, or None.

    :param shape: voxels of the box along (k, j, i).
    :param start: index (k, j, i) of its first voxel.
    :param matrix: 4×4 from (i, j, k) to the solid's own frame.
    """
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)[::-1]
    step = np.maximum(1, np.rint(_BLOCK_MM / spacing)).astype(int)
    blocks = -(-shape // step)
    k, j, i = (s + (np.arange(b) + 0.5) * p - 0.5 for s, b, p in zip(start, blocks, step, strict=True))
    x, y, z = _coordinates(matrix, k[:, None, None], j[None, :, None], i[None, None, :])
    # The implicit functions are distances only near the surface, hence the slack.
    reach = margin + 1.0 + 0.75 * float(np.linalg.norm(step * spacing))
    hit = distance(x, y, z) < reach
    tiled = (blocks[0], step[0], blocks[1], step[1], blocks[2], step[2])
    mask = np.broadcast_to(hit[:, None, :, None, :, None], tiled).reshape(tuple(blocks * step))
    kk, jj, ii = np.nonzero(mask[: shape[0], : shape[1], : shape[2]])
    if not len(kk):
        return None
    kk, jj, ii = kk + start[0], jj + start[1], ii + start[2]
    return Near(kk, jj, ii, *_coordinates(matrix, kk, jj, ii))


def _coordinates(matrix: Array, k: Array, j: Array, i: Array) -> tuple[Array, Array, Array]:
    m = matrix.astype(np.float32)
    i, j, k = i.astype(np.float32), j.astype(np.float32), k.astype(np.float32)
    x, y, z = (m[a, 0] * i + m[a, 1] * j + m[a, 2] * k + m[a, 3] for a in range(3))
    return x, y, z
