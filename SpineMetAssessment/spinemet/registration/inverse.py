"""Where the points of a displacement field came from: x for a given x + u(x)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from spinemet.image import Grid
from spinemet.registration.motion import Array

ENOUGH_MM = 1e-3
PLAIN_STEPS, NEWTON_STEPS = 8, 20
SLOPE_STEP = 0.02
"""In cells: u is linear within a cell, so any small step gives its slope."""


def interpolated(displacements: np.ndarray, grid: Grid, points: Array) -> Array:
    """Linear interpolation of a vector field (k, j, i, 3) at RAS points (…, 3); 0 outside the grid."""
    index = grid.to_index(points).reshape(-1, 3).T[::-1]
    found = [
        ndimage.map_coordinates(displacements[..., axis], index, order=1, mode="constant", output=float)
        for axis in range(3)
    ]
    return np.stack(found, axis=-1).reshape(np.shape(points))


def origins(displacements: np.ndarray, grid: Grid, targets: Array) -> Array:
    """The points x (n, 3) that the field carries to `targets` (n, 3), RAS mm, to about `ENOUGH_MM`."""
    found = targets - interpolated(displacements, grid, targets)
    active = np.arange(len(targets))
    for _ in range(PLAIN_STEPS):
        error = found[active] + interpolated(displacements, grid, found[active]) - targets[active]
        far = np.abs(error).max(axis=1) > ENOUGH_MM
        active, error = active[far], error[far]
        if not len(active):
            return found
        found[active] -= error
    return _by_newton(displacements, grid, targets, found, active)


def _by_newton(displacements: np.ndarray, grid: Grid, targets: Array, found: Array, active: np.ndarray) -> Array:
    """Where neighbors move so differently that plain steps creep: steps along the slope, shortened if they miss."""
    step_mm = SLOPE_STEP * float(grid.spacing.min())
    for _ in range(NEWTON_STEPS):
        here = found[active]
        moved = interpolated(displacements, grid, here)
        error = here + moved - targets[active]
        far = np.abs(error).max(axis=1) > ENOUGH_MM
        active, here, moved, error = active[far], here[far], moved[far], error[far]
        if not len(active):
            break
        slope = np.stack(
            [(interpolated(displacements, grid, here + step_mm * e) - moved) / step_mm for e in np.eye(3)], axis=-1
        )
        jacobian = slope + np.eye(3)
        # A fold has no way back; its points keep what was found.
        jacobian[np.abs(np.linalg.det(jacobian)) < 1e-2] = np.eye(3)
        step = np.linalg.solve(jacobian, error[..., None])[..., 0]
        size = np.linalg.norm(error, axis=1)
        share = np.ones(len(active))
        for _ in range(4):
            trial = here - share[:, None] * step
            missed = np.linalg.norm(trial + interpolated(displacements, grid, trial) - targets[active], axis=1) > size
            if not missed.any():
                break
            share[missed] /= 2
        found[active] = here - share[:, None] * step
    return found


def inverted(displacements: np.ndarray, grid: Grid) -> np.ndarray:
    """The field v of the way back, x = y + v(y), at the same nodes (k, j, i, 3), RAS mm float32."""
    result = np.zeros_like(displacements)
    k, j, i = np.nonzero(np.abs(displacements).max(axis=-1) > ENOUGH_MM / 10)
    targets = grid.to_world(np.stack([i, j, k], axis=-1))
    result[k, j, i] = origins(displacements, grid, targets) - targets
    return result
