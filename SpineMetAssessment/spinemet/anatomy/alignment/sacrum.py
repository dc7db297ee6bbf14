"""The superior endplate of S1, from the outline of S1 or of the whole sacrum.

The sacrum's outline tells little about where its endplate lies; the vertebra above does: the plate faces its
inferior endplate across one disc. From there the plate is followed until plane and edges agree.
"""

from __future__ import annotations

import weakref

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.endplate import (
    BEHIND_MM,
    BEYOND_MM,
    MIN_COLUMNS,
    STEP_MM,
    Endplate,
    as_plate,
    exits,
    fit_plane,
    surface,
)
from spinemet.anatomy.frame import VertebraFrame
from spinemet.anatomy.sampling import LocalSamples, sample_box
from spinemet.anatomy.spine import Spine
from spinemet.anatomy.vertebra import Vertebra
from spinemet.image import Image
from spinemet.levels import Level

BELOW_MM = 45.0
"""The sacrum is sought down to this far below the endplate above [D]."""
START_SHARE = 0.4
"""Share of the upper plate's half sizes under which the search starts: an oblique disc shifts the plates."""
ROUNDS = 3
DISC_MM = (-3.0, 30.0)
TILT_DEG = 45.0
DEPTH_MM = (20.0, 55.0)
RESIDUAL_MM = 2.5
"""Beyond these (distance to and angle against the plate above, depth, roughness) it is not taken for S1 [D]."""


NOT_MEASURED = "the endplate above the sacrum is not measured, so that of S1 is not sought"
Found = tuple[Endplate | None, str]
_KNOWN: weakref.WeakKeyDictionary[Vertebra, weakref.WeakKeyDictionary[Vertebra, Found]] = weakref.WeakKeyDictionary()


def sacral_endplate(spine: Spine) -> Found:
    """Superior endplate of S1, or None and the reason; kept as long as the sacrum and the vertebra above are."""
    sacrum, above = spine.vertebrae.get(Level.S1), _above(spine)
    if sacrum is None:
        return None, "S1 is not outlined"
    if above is None:
        return None, NOT_MEASURED
    known = _KNOWN.setdefault(sacrum, weakref.WeakKeyDictionary())
    if above not in known:
        known[above] = _sought(sacrum, above)
    return known[above]


def _sought(sacrum: Vertebra, above: Vertebra) -> Found:
    upper = above.inferior_endplate
    if upper is None or above.width.value is None:
        return None, NOT_MEASURED
    half = (above.width.value / 2, upper.depth / 2)
    indent = max(0.0, 2 * upper.half_depth - upper.depth)
    frame = VertebraFrame.from_directions(upper.center, -np.asarray(upper.normal), above.frame.anterior)
    plate = _followed(sacrum.mask, frame, half, indent)
    if plate is None:
        return None, "no endplate of S1 is found below that of the vertebra above"
    reason = _implausible(plate, upper)
    return (None, reason) if reason else (plate, "")


def _above(spine: Spine) -> Vertebra | None:
    """The lowest measured lumbar vertebra, if it is the one that stands on the sacrum."""
    lowest = [spine.vertebrae[level] for level in (Level.L6, Level.L5) if level in spine.vertebrae]
    return lowest[0] if lowest else None


def _followed(mask: Image, frame: VertebraFrame, half: tuple[float, float], indent: float) -> Endplate | None:
    """The plate below a frame's origin; frame and oval move onto it round by round.

    :param indent: how far the canal indents the plate from behind, mm: that of the plate which faces it.
    """
    middle, size = (0.0, 0.0), (START_SHARE * half[0], START_SHARE * half[1])
    plane: NDArray[np.float64] | None = None
    for _ in range(ROUNDS + 1):
        samples = _samples(mask, frame, half, -BELOW_MM if plane is None else -25.0)
        first = _first_met(samples, middle, size) if plane is None else np.zeros(3)
        if first is None:
            return None
        columns, heights, share = surface(samples, first, middle, size, 1)
        if len(columns) < MIN_COLUMNS:
            return None
        plane, residual = fit_plane(columns, heights, share)
        back, front = exits(samples, plane, middle[1], -1, 1), exits(samples, plane, middle[1], +1, 1)
        if not np.isfinite(back) or not np.isfinite(front):
            return None
        plate = as_plate(plane, (columns, heights, share), (back, front), residual, frame, mask, half, 1)
        middle, size = (0.0, -indent / 2), (half[0], (plate.depth + indent) / 2)
        frame = VertebraFrame.from_directions(plate.center, plate.normal, frame.anterior)
    return plate


def _samples(mask: Image, frame: VertebraFrame, half: tuple[float, float], low: float) -> LocalSamples:
    reach = 2.0 * half[1] + BEHIND_MM
    return sample_box(mask, frame, (-half[0], -reach, low), (half[0], reach, 2 * BEYOND_MM), STEP_MM)


def _first_met(
    samples: LocalSamples, middle: tuple[float, float], size: tuple[float, float]
) -> NDArray[np.float64] | None:
    """Rough plane of the bone that columns under the plate above meet first."""
    near = np.hypot((samples.axis(0)[:, None] - middle[0]) / size[0], (samples.axis(1)[None, :] - middle[1]) / size[1])
    lines = samples.values[near <= 1.0] >= 0.5
    columns = np.argwhere(near <= 1.0)[lines.any(axis=1)]
    lines = lines[lines.any(axis=1)]
    if len(lines) < MIN_COLUMNS:
        return None
    heights = samples.axis(2)[lines.shape[1] - 1 - lines[:, ::-1].argmax(axis=1)]
    places = np.column_stack([samples.axis(0)[columns[:, 0]], samples.axis(1)[columns[:, 1]]])
    return fit_plane(places, heights)[0]


def _implausible(plate: Endplate, upper: Endplate) -> str:
    gap = float(-np.subtract(plate.center, upper.center) @ -np.asarray(upper.normal))
    turn = float(np.degrees(np.arccos(np.clip(-np.asarray(upper.normal) @ plate.normal, -1, 1))))
    inside = (
        DISC_MM[0] <= gap <= DISC_MM[1]
        and turn <= TILT_DEG
        and DEPTH_MM[0] <= plate.depth <= DEPTH_MM[1]
        and plate.residual <= RESIDUAL_MM
    )
    if inside:
        return ""
    return (
        f"what lies below the last vertebra is no endplate of S1 ({gap:.0f} mm below it, turned by {turn:.0f}°, "
        f"{plate.depth:.0f} mm deep, rough by {plate.residual:.1f} mm)"
    )
