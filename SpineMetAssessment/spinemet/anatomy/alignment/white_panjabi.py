"""White and Panjabi's limits of normal translation and angulation between neighbors.

White AA, Panjabi MM: Clinical Biomechanics of the Spine, 2nd ed. 1990. They were made for radiographs, flexion and
extension ones where said; a person judges what an image of a lying patient means.
"""

from __future__ import annotations

from spinemet.evidence import Measurement
from spinemet.levels import Level, Region

CERVICAL_MM, LUMBAR_MM = 3.5, 4.5
"""Translation between neighbors beyond which the limit is exceeded; none is given here for the thoracic spine."""
CERVICAL_DEG = 11.0
"""Angulation of a cervical pair beyond that of the pairs next to it."""
LUMBAR_REST_DEG = 22.0
"""Angulation of a lumbar pair at rest."""
MOTION_DEG = {"L1–L4": 15.0, "L4–L5": 20.0, "L5–S1": 25.0}
"""Change of angle between flexion and extension."""


def translation_limit(below: Level) -> float | None:
    """mm for the pair whose lower vertebra is `below`; None where no limit is given."""
    if below.region is Region.CERVICAL or below is Level.T1:
        return CERVICAL_MM
    return LUMBAR_MM if below.region is Region.LUMBAR or below is Level.S1 else None


def motion_limit(above: Level, below: Level) -> float | None:
    """Degrees between flexion and extension for a lumbar pair; None elsewhere."""
    if above.region is not Region.LUMBAR:
        return None
    if below is Level.S1:
        return MOTION_DEG["L5–S1"]
    return MOTION_DEG["L4–L5"] if above is Level.L4 or below is Level.L6 else MOTION_DEG["L1–L4"]


def translation_note(slip: Measurement, below: Level) -> str:
    """Sentence when a slip (mm) exceeds the limit of its pair, or "" ."""
    limit = translation_limit(below)
    if limit is None or slip.value is None or abs(slip.value) <= limit:
        return ""
    return f"beyond the White–Panjabi limit of {limit:g} mm{_doubt(abs(slip.value) - limit, slip)}"


def motion_note(above: Level, below: Level, flexion: Measurement, extension: Measurement) -> str:
    """Sentence when the angle of a lumbar pair changes by more than its limit between two positions, or ""."""
    limit = motion_limit(above, below)
    if limit is None or flexion.value is None or extension.value is None:
        return ""
    moved = abs(flexion.value - extension.value)
    return f"moves by {moved:.0f}°, beyond the White–Panjabi limit of {limit:g}°" if moved > limit else ""


def angulation_note(above: Level, excess: Measurement) -> str:
    """Sentence when a pair's angle exceeds that of the pairs beside it by more than the limit, or "".

    :param excess: angle of the pair beyond that of its neighbors, kyphosis positive, degrees.
    """
    limit = {Region.CERVICAL: CERVICAL_DEG, Region.LUMBAR: LUMBAR_REST_DEG}.get(above.region)
    if limit is None or excess.value is None or abs(excess.value) <= limit:
        return ""
    return f"beyond the White–Panjabi limit of {limit:g}°{_doubt(abs(excess.value) - limit, excess)}"


def _doubt(beyond: float, measured: Measurement) -> str:
    return ", within the ±" if beyond <= (measured.uncertainty or 0.0) else ""
