"""Spine: all vertebrae of a study in order, with what is odd about their order."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from spinemet.anatomy.sampling import voxel_centers
from spinemet.anatomy.spine_line import LevelHint, SpineLine, ends_cut, spine_line
from spinemet.anatomy.vertebra import Vertebra, measure_vertebra
from spinemet.increment import Increment
from spinemet.labelmap import LabelMap
from spinemet.levels import Level, Region, adjacent
from spinemet.progress import Progress, silent

MASK_MARGIN_VOXELS = 2
"""Margin of a vertebra's crop: room for the surface, and for lesions at it."""


STANDS_ON = 1.2
"""A vertebra whose center is nearer to the sacrum than this share of the distance to its upper neighbor stands on
it; with a vertebra between them it would be about one and a half [D]."""


@dataclass(frozen=True, eq=False)
class Spine:
    """The vertebrae of one label map.

    :param vertebrae: by level, from head to tail.
    :param notes: sentences on order, gaps and doubles.
    """

    vertebrae: dict[Level, Vertebra]
    line: SpineLine = field(default_factory=lambda: SpineLine({}, {}))
    notes: tuple[str, ...] = ()

    def __getitem__(self, level: Level) -> Vertebra:
        return self.vertebrae[level]

    def distance(self, one: Level, other: Level) -> float:
        """Length in mm along the body centers between two levels."""
        first, last = sorted((one, other))
        points = np.array([item.frame.origin for level, item in self.vertebrae.items() if first <= level <= last])
        return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def measure_spine(labels: LabelMap, progress: Progress | None = None, *, store: Increment | None = None) -> Spine:
    """Measure every vertebra of a label map, each on its own crop.

    :param progress: told after each vertebra; may raise `Cancelled`.
    :param store: keeps vertebrae between calls; only those that changed are measured again.
    """
    report, store = progress or silent, store if store is not None else Increment()
    line = spine_line(labels, store=store)
    vertebrae: dict[Level, Vertebra] = {}
    for number, (level, value) in enumerate(labels.levels.items()):
        report(number / len(labels.levels), f"Measuring {level}")
        vertebrae[level] = _measured(labels, value, level, line.hints[level], store)
    report(1.0, "Vertebrae measured")
    return Spine(vertebrae, line, order_notes(labels, line))


def _measured(labels: LabelMap, value: int, level: Level, hint: LevelHint, store: Increment) -> Vertebra:
    # The image's size counts, too: at its edge a crop has no margin.
    return store.run(
        "vertebra", level, (labels.digest(value).hex(), labels.image.shape, hint),
        lambda: measure_vertebra(labels.mask(value, MASK_MARGIN_VOXELS), level, hint=hint),
    )  # fmt: skip


def order_notes(labels: LabelMap, line: SpineLine) -> tuple[str, ...]:
    """Sentences on levels that are doubled, missing between others, or out of order along the spine."""
    notes = []
    named = [outline.level for outline in labels.present.values() if outline.level in labels.levels]
    doubled = [level for level in labels.levels if named.count(level) > 1]
    if doubled:
        notes.append(f"more than one outline is named {_list(doubled)}; the last one was measured")
    levels = list(labels.levels)
    for upper, lower in pairwise(levels):
        missing = []
        between = adjacent(upper, 1, set(levels))
        while between is not None and between < lower:
            missing.append(between)
            between = adjacent(between, 1, set(levels))
        if missing:
            notes.append(f"no outline for {_list(missing)} between {upper} and {lower}")
    notes.extend(_disorder(levels, line))
    return (*notes, *_count_notes(labels, levels, line))


def _count_notes(labels: LabelMap, levels: list[Level], line: SpineLine) -> list[str]:
    """Whether the count ends at the sacrum as it should: L5 (or a sixth lumbar vertebra) stands on it.

    Ribs are no part of a label map, so that the twelfth thoracic vertebra is not told from the first lumbar one.
    """
    free = [level for level in levels if level.region is not Region.SACRAL and level is not Level.C1]
    if Level.S1 not in levels or len(free) < 2:
        return []
    last, before = free[-1], free[-2]
    step = float(np.linalg.norm(np.subtract(line.centers[before], line.centers[last])))
    step /= max(1, last.order - before.order - (before < Level.T13 < last))
    sacrum = voxel_centers(labels.mask(labels.levels[Level.S1], 1), at_most=5000)
    away = float(np.linalg.norm(sacrum - np.array(line.centers[last]), axis=1).min())
    notes = []
    stands = away < STANDS_ON * step
    if stands and last < Level.L5:
        notes.append(
            f"{last} stands on the sacrum, where L5 is expected: the names may be off, or L5 part of the sacrum"
        )
    if not stands and last >= Level.L5:
        notes.append(f"{last} lies {away:.0f} mm from the sacrum: a vertebra between them may lack its outline")
    return notes


def _disorder(levels: list[Level], line: SpineLine) -> list[str]:
    """A level out of order lies farther from both neighbors by name than these are from each other."""
    # The center of what is left of a cut vertebra is not the vertebra's own.
    levels = [level for level in levels if not ends_cut(line.hints[level].cut)]
    centers = np.array([line.centers[level] for level in levels])
    notes = []
    for n in range(1, len(levels) - 1):
        apart = np.linalg.norm(centers[n + 1] - centers[n - 1])
        if max(np.linalg.norm(centers[n] - centers[n - 1]), np.linalg.norm(centers[n + 1] - centers[n])) > 1.2 * apart:
            notes.append(f"{levels[n]} does not lie between {levels[n - 1]} and {levels[n + 1]}; check the names")
    if len(levels) > 1 and centers[0][2] < centers[-1][2] and not notes:
        notes.append("the levels run from the feet to the head; check the names or the image's orientation")
    return notes


def _list(levels: list[Level]) -> str:
    return ", ".join(str(level) for level in levels)
