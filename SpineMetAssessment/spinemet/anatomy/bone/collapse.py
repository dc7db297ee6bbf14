"""Height loss of a vertebral body against a prior or its neighbors.

The reference is, in order: the same vertebra on a prior; else interpolated by distance between the nearest
unfractured, uncut, uninvolved neighbors above and below; one neighbor: flagged; else unknown. A vertebra's own
posterior height is shown, never the reference. SINS takes the worst of the three columns.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from spinemet.anatomy.heights import Column, Heights, Plane
from spinemet.anatomy.medians import median
from spinemet.anatomy.spine import Spine
from spinemet.anatomy.vertebra import Vertebra
from spinemet.evidence import Measurement, unknown
from spinemet.levels import Level, Region, adjacent

MIN_COLUMN_RATIO = 0.75
"""A neighbor whose lowest column is below this share of its highest is taken for fractured [D]: normal anterior/
posterior at L1 is .89 ± .06, so two SD below is .77; Genant grade 1 begins at a loss of 20 to 25 %."""
MIN_AGAINST_OTHERS = 0.75
"""A neighbor lower than this share of what the other vertebrae predict for it is taken for crushed [D]."""
OTHERS_NEEDED = 3
"""Vertebrae needed to predict the height of another [D]."""
FARTHEST_NEIGHBOR = 3
"""A reference farther away than this many levels is none [D]: heights grow by up to 1.5 mm a level."""
BETWEEN_PERCENT, ONE_SIDED_PERCENT = 2.5, 6.0
"""How well two neighbors, or one, tell the height that a body had (95 %, percent of it), besides the ± of their own
heights [D]. From phantoms, whose vertebrae differ less than people's."""
METHOD = "against the heights of the neighbors"
METHOD_PRIOR = "against the same vertebra on the prior"

References = dict[Plane, dict[Column, Measurement]]


@dataclass(frozen=True)
class CollapseMeasurement:
    """Height loss of one body.

    :param loss: the worst of the three columns, %, never below 0.
    :param columns: loss of each column, %, never below 0.
    :param references: the mid-sagittal height each column was compared with, mm.
    :param neighbors: levels that the references were taken from; empty with a prior.
    :param curve: mean mid-sagittal height of every measured body (mm), for the reader when no reference exists.
    """

    loss: Measurement
    columns: dict[Column, Measurement]
    references: dict[Column, Measurement]
    neighbors: tuple[Level, ...] = ()
    curve: tuple[tuple[Level, float], ...] = ()

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """The worst loss first, then the columns and their references."""
        return (self.loss, *self.columns.values(), *self.references.values())


def collapse(
    level: Level,
    spine: Spine,
    *,
    involved: Collection[Level],
    excluded: Collection[Level] = frozenset(),
    prior: Heights | None = None,
) -> CollapseMeasurement:
    """Height loss of the body at `level`.

    :param involved: levels with a lesion; never a reference.
    :param excluded: levels with cement or hardware; never a reference.
    :param prior: heights of the same vertebra on a prior study.
    """
    curve = height_curve(spine)
    reason = _no_body(level, spine)
    if reason:
        return _unknown(reason, curve)
    vertebra = spine[level]
    if prior is not None:
        references = {
            plane: {
                column: replace(prior[plane][column].measurement, name=_reference_name(column), position=None)
                for column in Column
            }
            for plane in Plane
        }
        return _compare(vertebra, references, (), METHOD_PRIOR, curve)
    above, below = reference_levels(level, spine, {*involved, *excluded})
    neighbors = tuple(item for item in (above, below) if item is not None)
    if not neighbors:
        return _unknown("no unfractured, uninvolved and uncut neighbor to compare with", curve)
    references = {
        plane: {column: _reference(plane, column, level, spine, above, below) for column in Column} for plane in Plane
    }
    return _compare(vertebra, references, neighbors, METHOD, curve)


def fractured_levels(spine: Spine, suspect: Collection[Level] = frozenset()) -> dict[Level, str]:
    """Levels whose own shape looks fractured, with the reason; they are no reference for others.

    :param suspect: levels that do not take part in the prediction of other levels' heights.
    """
    known = _FRACTURED.setdefault(spine, {})
    unfit = frozenset(suspect)
    if unfit not in known:
        known[unfit] = _fractured(spine, unfit)
    return known[unfit]


_FRACTURED: weakref.WeakKeyDictionary[Spine, dict[frozenset[Level], dict[Level, str]]] = weakref.WeakKeyDictionary()
"""Kept as long as a spine is, since it never changes: every level asks for it."""


def _fractured(spine: Spine, suspect: frozenset[Level]) -> dict[Level, str]:
    found = {}
    curve = height_curve(spine)
    for level, vertebra in spine.vertebrae.items():
        heights = _heights(vertebra)
        if heights is None:
            continue
        ratio = min(heights) / max(heights)
        expected = _predicted(level, curve, suspect)
        if ratio < MIN_COLUMN_RATIO:
            found[level] = f"{level}: the lowest column is {100 * ratio:.0f} % of the highest"
        elif expected is not None and float(np.mean(heights)) < MIN_AGAINST_OTHERS * expected:
            found[level] = f"{level}: lower than the other vertebrae let expect"
    return found


def reference_levels(level: Level, spine: Spine, unfit: Collection[Level]) -> tuple[Level | None, Level | None]:
    """Nearest levels above and below that are fit for a reference: measured, unfractured and not `unfit`."""
    unusable = {*unfit, *fractured_levels(spine, unfit)}
    return _neighbor(level, spine, -1, unusable), _neighbor(level, spine, +1, unusable)


def height_curve(spine: Spine) -> tuple[tuple[Level, float], ...]:
    """Mean of the three mid-sagittal heights of every measured body, mm, from head to tail."""
    heights = ((level, _heights(vertebra)) for level, vertebra in spine.vertebrae.items())
    return tuple((level, float(np.mean(values))) for level, values in heights if values is not None)


def _no_body(level: Level, spine: Spine) -> str:
    if level in (Level.OCC, Level.C1, Level.C2) or level.region is Region.SACRAL:
        return f"{level}: height loss is not measured here; a clinician judges"
    if level not in spine.vertebrae:
        return f"{level} is not outlined"
    return spine[level].reason


def _heights(vertebra: Vertebra) -> list[float] | None:
    values = [vertebra.height(column).value for column in Column]
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


def _predicted(level: Level, curve: tuple[tuple[Level, float], ...], suspect: Collection[Level]) -> float | None:
    """Height that the other bodies of the same region of the spine let expect, by a robust line along the levels."""
    others = [(item.order, value) for item, value in curve if item is not level and item not in suspect]
    near = [(order, value) for order, value in others if abs(order - level.order) <= 2 * FARTHEST_NEIGHBOR]
    if len(near) < OTHERS_NEEDED:
        return None
    order, value = np.array(near).T
    a, b = np.tril_indices(len(order), -1)
    slope = median((value[a] - value[b]) / (order[a] - order[b]))
    return median(value - slope * order) + slope * level.order


def _neighbor(level: Level, spine: Spine, step: int, unusable: Collection[Level]) -> Level | None:
    """Nearest level in one direction whose three heights are known and that is fit for a reference."""
    present = set(spine.vertebrae)
    item: Level | None = level
    for _ in range(FARTHEST_NEIGHBOR):
        item = adjacent(item, step, present) if item is not None else None
        if item is None or (item < Level.C3):
            return None
        vertebra = spine.vertebrae.get(item)
        if vertebra is not None and item not in unusable and _heights(vertebra) is not None:
            return item
    return None


def _reference(
    plane: Plane, column: Column, level: Level, spine: Spine, above: Level | None, below: Level | None
) -> Measurement:
    """Height to compare with: interpolated by distance between two neighbors, or one neighbor's, flagged."""
    name = _reference_name(column)
    if level in (Level.L5, Level.L6) and column is Column.POSTERIOR:
        return unknown(
            name, "mm", f"{level} is normally wedge-shaped; its posterior height has no neighbor to compare with"
        )
    limits: list[str] = []
    if level in (Level.L5, Level.L6):
        limits.append(f"{level} is normally wedge-shaped: higher in front than its neighbors")
    if above is None or below is None:
        only = above or below
        assert only is not None
        height = spine[only].height(column, plane)
        limits.append(f"one neighbor only ({only})")
        if height.value is None:
            return unknown(name, "mm", height.reason)
        margin = np.hypot(height.uncertainty or 0.0, ONE_SIDED_PERCENT / 100 * height.value)
        return Measurement(
            name, height.value, "mm", f"height of {only}",
            position=height.position, uncertainty=float(margin), limits=tuple(limits),
        )  # fmt: skip
    share = share_of_way(level, spine, above, below)
    if not _next_to(level, spine, above, below):
        limits.append(f"the nearest usable neighbors are {above} and {below}")
    first, last = spine[above].height(column, plane), spine[below].height(column, plane)
    if first.value is None or last.value is None:
        return unknown(name, "mm", first.reason or last.reason)
    expected = (1 - share) * first.value + share * last.value
    margins = ((1 - share) * (first.uncertainty or 0.0), share * (last.uncertainty or 0.0))
    return Measurement(
        name, expected, "mm", f"between {above} and {below}",
        position=first.position,
        uncertainty=float(np.linalg.norm([*margins, BETWEEN_PERCENT / 100 * expected])),
        limits=tuple(limits),
    )  # fmt: skip


def share_of_way(level: Level, spine: Spine, above: Level, below: Level) -> float:
    """Where a level lies between two others, 0 at `above` to 1 at `below`: half way between its next ones (the
    published rule), else by distance."""
    if _next_to(level, spine, above, below):
        return 0.5
    first, second = spine.distance(above, level), spine.distance(level, below)
    return first / (first + second)


def _next_to(level: Level, spine: Spine, above: Level, below: Level) -> bool:
    present = set(spine.vertebrae)
    return adjacent(level, -1, present) is above and adjacent(level, 1, present) is below


def _compare(
    vertebra: Vertebra,
    references: References,
    neighbors: tuple[Level, ...],
    method: str,
    curve: tuple[tuple[Level, float], ...],
) -> CollapseMeasurement:
    columns = {column: _worst_plane(vertebra, column, references, method) for column in Column}
    known = [item for item in columns.values() if item.value is not None]
    if not known:
        worst = unknown("height loss", "%", next(iter(columns.values())).reason, method)
    else:
        most = max(known, key=lambda item: item.value or 0.0)
        column = next(name for name, item in columns.items() if item is most)
        missing = tuple(f"{name.value} column unknown" for name, item in columns.items() if item.value is None)
        worst = Measurement(
            "height loss", most.value, "%", f"{column.value}, {method}",
            position=most.position, uncertainty=most.uncertainty, limits=(*most.limits, *missing),
        )  # fmt: skip
    return CollapseMeasurement(worst, columns, references[Plane.MIDDLE], neighbors, curve)


def _worst_plane(vertebra: Vertebra, column: Column, references: References, method: str) -> Measurement:
    """Loss of one column: mid-sagittal, or that of a parasagittal plane where it is surely worse.

    The largest of several noisy numbers is too large; a plane counts only when it is worse by more than its ±.
    """
    losses = {plane: _loss(vertebra, plane, column, references[plane][column], method) for plane in Plane}
    worst = losses[Plane.MIDDLE]
    for plane in (Plane.LEFT, Plane.RIGHT):
        loss = losses[plane]
        if loss.value is None or worst.value is None:
            continue
        if loss.value - worst.value > (loss.uncertainty or 0.0):
            worst = replace(loss, limits=(*loss.limits, f"in the {plane.value} plane"))
    return worst


def _loss(vertebra: Vertebra, plane: Plane, column: Column, reference: Measurement, method: str) -> Measurement:
    name = f"{column.value} height loss"
    height = vertebra.height(column, plane)
    if reference.value is None:
        return unknown(name, "%", reference.reason, method)
    if height.value is None:
        return unknown(name, "%", height.reason, method)
    ratio = height.value / reference.value
    raw = 100 * (1 - ratio)
    own, other = (height.uncertainty or 0.0) / height.value, (reference.uncertainty or 0.0) / reference.value
    limits = (*height.limits, *reference.limits)
    if raw < 0:
        limits = (*limits, f"{-raw:.0f} % higher than the reference")
    margin = float(100 * ratio * np.hypot(own, other))
    return Measurement(name, max(0.0, raw), "%", method, height.position, margin, limits=limits)


def _reference_name(column: Column) -> str:
    return f"reference {column.value} height"


def _unknown(reason: str, curve: tuple[tuple[Level, float], ...]) -> CollapseMeasurement:
    return CollapseMeasurement(
        unknown("height loss", "%", reason, METHOD),
        {column: unknown(f"{column.value} height loss", "%", reason, METHOD) for column in Column},
        {column: unknown(_reference_name(column), "mm", reason, METHOD) for column in Column},
        (),
        curve,
    )
