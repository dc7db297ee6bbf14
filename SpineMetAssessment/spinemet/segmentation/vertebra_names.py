"""Names of vertebrae that were found in a row: one that is known names all; where two disagree, that is said."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from spinemet.errors import BadInput
from spinemet.levels import Level, Region, adjacent


def named(count: int, known: Mapping[int, Level]) -> tuple[tuple[Level | None, ...], tuple[str, ...]]:
    """Levels of a row of `count` neighbors, from tail to head, and what is odd about them.

    :param known: levels that a person gave, by place in the row.
    :returns: the levels (None where nobody can tell), and sentences about anomalies.
    :raises BadInput: the given levels are out of order, or one is given twice.
    """
    _require_order(known)
    if not known:
        return (None,) * count, ("No level was given: name one vertebra and all are named from it.",)
    notes = list(_anomalies(known))
    present = set(known.values())
    levels: list[Level | None] = []
    for place in range(count):
        nearest = min(known, key=lambda given: (abs(given - place), -given))
        level = adjacent(known[nearest], nearest - place, present)
        levels.append(None if level is None or level is Level.OCC else level)
    doubled = {level for level in levels if level is not None and levels.count(level) > 1}
    levels = [None if level in doubled and place not in known else level for place, level in enumerate(levels)]
    return tuple(levels), tuple(notes)


def _require_order(known: Mapping[int, Level]) -> None:
    places = sorted(known)
    for below, above in pairwise(places):
        if known[below] == known[above]:
            raise BadInput(f"{known[below]} was given to two vertebrae; correct one of the clicks.")
        if known[below] < known[above]:
            raise BadInput(
                f"{known[below]} was clicked below {known[above]} but belongs above it; correct the clicks' levels."
            )


def _anomalies(known: Mapping[int, Level]) -> list[str]:
    places = sorted(known)
    notes = []
    for below, above in pairwise(places):
        present = set(known.values())
        row = [level for level in Level if not level.is_variant or level in present]
        expected = row.index(known[below]) - row.index(known[above])
        seen = above - below
        if seen == expected:
            continue
        between = (
            f"from {known[above]} to {known[below]} {seen + 1} vertebrae are seen where {expected + 1} are expected"
        )
        lumbar = known[below].region in (Region.LUMBAR, Region.SACRAL)
        if seen == expected + 1 and lumbar:
            notes.append(f"{between}: a T13 or L6, or a body that was halved; check the numbering.")
        elif seen == expected - 1 and lumbar:
            notes.append(
                f"{between}: eleven ribs, four lumbar vertebrae, a block vertebra, or a disc not found; check."
            )
        else:
            notes.append(f"{between}; check the numbering.")
    notes.extend(
        f"{level} is a variant: confirm the numbering." for level in sorted(set(known.values())) if level.is_variant
    )
    return notes
