"""Why a registration must not be used, or must be looked at, as sentences."""

from __future__ import annotations

from spinemet.registration.result import Registration
from spinemet.registration.start import LEAST_OVERLAP
from spinemet.registration.trust import HALF_IN_VIEW, LEVEL_MARGIN, SURE_LEVEL_MARGIN, Trust

MAX_TURN_DEG = 45.0
"""Larger turns of the whole patient are not believed without a person's start [D]."""
LEAST_INFORMATION = 0.01
"""Nats per point beyond chance below which images have nothing in common; the noisiest MR that can be used gives ten
times as much [D]."""
MOST_MARKED = 0.5
"""Share of the vertebrae in view that may be marked before the whole is refused [D]."""


def problems(result: Registration) -> tuple[str, ...]:
    """Why a registration must not be used, as sentences."""
    found = []
    if result.after.overlap < LEAST_OVERLAP:
        found.append(
            f"The two images share only {result.after.overlap:.0%} of the region; choose images of the same part."
        )
    if not result.kept_header and result.after.information < LEAST_INFORMATION:
        found.append(
            "The two images tell nothing of each other wherever they were laid; check that both show the spine."
        )
    if not result.kept_header and result.after.evidence < result.before.evidence:
        found.append("The alignment found fits the images less well than their headers; start it by landmarks.")
    if result.spine.angle_deg > MAX_TURN_DEG:
        found.append(f"The images would have to be turned by {result.spine.angle_deg:.0f}°; start it by landmarks.")
    margin = result.level_margin
    if not result.kept_header and margin is not None and margin < LEVEL_MARGIN:
        found.append(
            "The images do not tell which vertebra is which (one level off fits about as well) or show different "
            "patients; check the patient, or place landmarks on known levels."
        )
    own = [item for item in result.vertebrae.values() if item.in_view >= HALF_IN_VIEW and item.spread_mm is not None]
    sought = [item for item in result.vertebrae.values() if item.trust is not Trust.SPINE]
    none_sure = bool(sought) and all(item.marked for item in sought)
    most_marked = sum(item.marked for item in own) > MOST_MARKED * len(own)
    if not result.kept_header and (none_sure or most_marked):
        found.append(
            "Most vertebrae could not be aligned with certainty: the images are too poor or show different patients."
        )
    return tuple(found)


def level_note(result: Registration) -> tuple[str, ...]:
    """A sentence where the level is right but not by far."""
    margin = result.level_margin
    if result.kept_header or margin is None or not LEVEL_MARGIN <= margin < SURE_LEVEL_MARGIN:
        return ()
    return (f"One level off fits nearly as well (the chosen level gives {margin:.2f} times more): check the level.",)
