"""Volume that a collapsed body had before, as its neighbors let expect: half of what is left may be little of that."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from spinemet.anatomy.bone.collapse import reference_levels, share_of_way
from spinemet.anatomy.spine import Spine
from spinemet.evidence import Measurement, unknown
from spinemet.levels import Level, Region

BETWEEN_PERCENT, ONE_SIDED_PERCENT = 6.0, 15.0
"""How well two neighbors, or one, tell a body's volume (95 %, percent of it), besides their own ± [D]: three sizes,
each known to 2 or 3 %, and growth from level to level."""
METHOD = "body volume between the neighbors'"
NAME = "expected body volume"


def expected_body_volume(
    level: Level, spine: Spine, *, involved: Collection[Level], excluded: Collection[Level] = frozenset()
) -> Measurement:
    """Volume in mL that the body at `level` had, interpolated as its height is.

    :param involved: levels with a lesion; `excluded` those with cement or hardware; never a reference.
    """
    if level < Level.C3 or level.region is Region.SACRAL:
        return unknown(NAME, "mL", f"{level}: its neighbors have bodies of another form", METHOD)
    if level not in spine.vertebrae:
        return unknown(NAME, "mL", f"{level} is not outlined", METHOD)
    above, below = reference_levels(level, spine, {*involved, *excluded})
    known = {item: spine[item].body_volume for item in (above, below) if item is not None}
    if not known:
        return unknown(NAME, "mL", "no unfractured, uninvolved and uncut neighbor to compare with", METHOD)
    shares = dict.fromkeys(known, 1.0)
    limits: tuple[str, ...] = ()
    if above is not None and below is not None:
        way = share_of_way(level, spine, above, below)
        shares = {above: 1 - way, below: way}
    else:
        limits = (f"one neighbor only ({next(iter(known))})",)
    missing = next((item.reason for item in known.values() if item.value is None), "")
    if missing:
        return unknown(NAME, "mL", missing, METHOD)
    value = sum(shares[item] * (volume.value or 0.0) for item, volume in known.items())
    own = [shares[item] * (volume.uncertainty or 0.0) for item, volume in known.items()]
    margin = (BETWEEN_PERCENT if len(known) > 1 else ONE_SIDED_PERCENT) / 100 * value
    return Measurement(
        NAME, value, "mL", METHOD, spine[level].frame.origin, float(np.linalg.norm([*own, margin])), limits=limits
    )


def involvement_of_expected(involvement: Measurement, body_volume: Measurement, expected: Measurement) -> Measurement:
    """Lesion in the body in percent of the body's expected volume.

    :param involvement: lesion in percent of the body as it is.
    :param body_volume: of the body as it is, mL.
    :param expected: from `expected_body_volume`.
    """
    name, method = "body involvement of the expected volume", "lesion in the body / expected body volume"
    if involvement.value is None or body_volume.value is None or expected.value is None:
        reason = next(item.reason for item in (involvement, body_volume, expected) if item.value is None)
        return unknown(name, "%", reason, method)
    ratio = body_volume.value / expected.value
    value = involvement.value * ratio
    margins = (ratio * (involvement.uncertainty or 0.0), value * (expected.uncertainty or 0.0) / expected.value)
    return Measurement(
        name, value, "%", method, involvement.position, float(np.linalg.norm(margins)), limits=expected.limits
    )
