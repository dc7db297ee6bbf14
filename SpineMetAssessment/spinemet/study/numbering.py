"""Numberings: which vertebra a label map's numbers mean, chosen by name or found from the label map itself.

A numbering is only recognized when the numbers belong to it, the vertebrae then follow each other from head to
tail, and their distances are those of a spine. When several numberings remain, the user is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spinemet.case import Outline, Structure
from spinemet.errors import BadInput
from spinemet.evidence import Point
from spinemet.levels import Level, Region


@dataclass(frozen=True, eq=False)
class Numbering:
    """One convention.

    :param outlines: what the numbers of the spine mean.
    :param others: numbers that mean something else in this convention and are passed over.
    """

    name: str
    aliases: tuple[str, ...]
    outlines: Mapping[int, Outline]
    others: frozenset[int] = frozenset()

    def unknown(self, values: set[int]) -> list[int]:
        """Values that this convention does not have, ascending."""
        return sorted(values - set(self.outlines) - self.others)

    def levels(self, values: set[int]) -> dict[Level, int]:
        """Levels among the values, from head to tail."""
        pairs = [(self.outlines[value], value) for value in values if value in self.outlines]
        found = [(o.level, v) for o, v in pairs if o.structure in _VERTEBRAL and o.level is not None]
        return dict(sorted(found, key=lambda pair: pair[0].order))


WHOLE_SACRUM = "sacrum"
"""Name of an outline that stands at S1 but may be the whole sacrum."""
_VERTEBRAL = (Structure.VERTEBRA, Structure.SACRUM)


def _bone(level: Level) -> Outline:
    structure = Structure.SACRUM if level.region is Region.SACRAL else Structure.VERTEBRA
    return Outline(structure, level, name=level.title)


def _run(first: str, last: str, start: int, step: int = 1) -> dict[int, Outline]:
    """Numbers of the ordinary levels from `first` to `last`, counting from `start`."""
    line = list(Level.ordinary())
    levels = line[line.index(Level(first)) : line.index(Level(last)) + 1]
    return {start + step * n: _bone(level) for n, level in enumerate(levels)}


def _discs(pairs: Mapping[int, str]) -> dict[int, Outline]:
    return {
        value: Outline(Structure.DISC, Level(text.split("–")[0]), name=f"{text} disc") for value, text in pairs.items()
    }


_SACRUM = Outline(Structure.SACRUM, Level.S1, name=WHOLE_SACRUM)
_CORD = Outline(Structure.CORD, name="spinal cord")
_CANAL = Outline(Structure.CANAL, name="spinal canal")

TOTALSEGMENTATOR = Numbering(
    # Classes of the task "total" of TotalSegmentator 2: 25 is the sacrum below S1, 26 its first vertebra.
    "TotalSegmentator",
    ("totalsegmentator", "ts", "total"),
    {
        25: Outline(Structure.SACRUM, name="sacrum below S1"),
        26: _bone(Level.S1),
        **_run("C1", "L5", 50, -1),
        79: _CORD,
    },
    frozenset(range(1, 118)),
)

_VERSE_LEVELS = {
    **_run("C1", "T12", 1),
    28: _bone(Level.T13),
    **_run("L1", "L5", 20),
    25: _bone(Level.L6),
    26: _SACRUM,
    **_run("S2", "S5", 29),
}
_VERSE_LINE = [*range(2, 20), *range(20, 25)]


def _verse_disc(value: int) -> str:
    below = {19: "L1", 24: "S1"}.get(value) or str(_VERSE_LEVELS[value + 1].level)
    return f"{_VERSE_LEVELS[value].level}–{below}"


VERSE = Numbering(
    # VerSe 2020: 1–24 C1–L5, 25 L6, 26 sacrum, 27 coccyx, 28 T13; TPTBox 1.1 adds S2–S6 as 29–33, ribs as
    # vertebra + 32, discs as vertebra + 100 and endplates as vertebra + 200.
    "VerSe",
    ("verse", "tptbox", "spineps"),
    {**_VERSE_LEVELS, **_discs({100 + value: _verse_disc(value) for value in _VERSE_LINE})},
    frozenset({27, 33, *range(38, 54), *range(101, 129), *range(201, 229)}),
)

TOTALSPINESEG = Numbering(
    # TotalSpineSeg, resources/labels_maps/tss_map.json (2024 on): 2 is the fluid round the cord.
    "TotalSpineSeg",
    ("totalspineseg", "tss"),
    {
        1: _CORD,
        2: _CANAL,
        **_run("C1", "C7", 11),
        **_run("T1", "T12", 21),
        **_run("L1", "L5", 41),
        46: _bone(Level.L6),
        50: _SACRUM,
        **_discs({
            63: "C2–C3", 64: "C3–C4", 65: "C4–C5", 66: "C5–C6", 67: "C6–C7", 71: "C7–T1", 72: "T1–T2",
            73: "T2–T3", 74: "T3–T4", 75: "T4–T5", 76: "T5–T6", 77: "T6–T7", 78: "T7–T8", 79: "T8–T9",
            80: "T9–T10", 81: "T10–T11", 82: "T11–T12", 91: "T12–L1", 92: "L1–L2", 93: "L2–L3",
            94: "L3–L4", 95: "L4–L5", 100: "L5–S1",
        }),
    },
)  # fmt: skip

NUMBERINGS: tuple[Numbering, ...] = (TOTALSEGMENTATOR, VERSE, TOTALSPINESEG)

# Distance in mm from the center of a vertebra to the next one below: adult body height plus disc, rounded (ours).
_DISTANCE_MM = {
    "C1": 16, "C2": 18, "C3": 17, "C4": 17, "C5": 17, "C6": 17, "C7": 18, "T1": 19, "T2": 20, "T3": 20, "T4": 21,
    "T5": 22, "T6": 22, "T7": 23, "T8": 24, "T9": 25, "T10": 27, "T11": 29, "T12": 31, "L1": 33, "L2": 34, "L3": 35,
    "L4": 35, "L5": 33, "S1": 25, "S2": 22, "S3": 20, "S4": 18,
}  # fmt: skip
# Observed over expected distance (median over the pairs) that a numbering must show. Children and collapse make it
# small. The narrow window is for choosing between numberings, the wide one for a numbering without a rival.
NARROW_RATIO = (0.7, 1.35)
WIDE_RATIO = (0.5, 1.7)
PAIR_RATIO = (0.5, 1.6)
"""What each single pair must show when choosing: numbers that skip levels must lie apart as these levels do."""
TELLING_VALUES = 3
"""A file with a single vertebra needs this many numbers, which no other numbering has, to be recognized (ours)."""
_NAMES = ", ".join(item.name for item in NUMBERINGS)


def numbering_named(name: str) -> Numbering:
    """The numbering that a user calls `name`. :raises BadInput: there is none of this name."""
    wanted = name.strip().casefold().replace(" ", "").replace("-", "")
    for item in NUMBERINGS:
        if wanted in item.aliases:
            return item
    raise BadInput(f'"{name}" is not a numbering known here; choose one of {_NAMES}.')


def possible_numberings(values: set[int]) -> list[Numbering]:
    """The numberings that have all these numbers."""
    return [item for item in NUMBERINGS if not item.unknown(values)]


def require_fit(numbering: Numbering, centers: Mapping[int, Point], where: str) -> None:
    """Check that a label map can be in a numbering that the user named.

    :param centers: RAS centers of all values that occur.
    :raises BadInput: numbers that it does not have, no vertebra, or vertebrae in another order.
    """
    unknown = numbering.unknown(set(centers))
    if unknown:
        raise BadInput(
            f"{where} holds the {_plural(unknown)}, which {numbering.name} does not have; "
            "choose another numbering or correct the file."
        )
    reason = _misfit(numbering, centers, None)
    if reason:
        raise BadInput(f"{where} cannot be in the numbering of {numbering.name}: {reason}.")


def detect(centers: Mapping[int, Point], where: str) -> Numbering:
    """The only numbering that a label map can be in.

    :param centers: RAS centers of all values that occur.
    :raises BadInput: no numbering fits, or several do.
    """
    values = set(centers)
    possible = possible_numberings(values)
    if not possible:
        nearest = min(NUMBERINGS, key=lambda item: len(item.unknown(values)))
        raise BadInput(
            f"{where} is in no numbering known here ({_NAMES}): "
            f"{nearest.name} does not have the {_plural(nearest.unknown(values))}."
        )
    reasons = {item.name: _misfit(item, centers, WIDE_RATIO) for item in possible}
    fitting = [item for item in possible if not reasons[item.name]]
    if not fitting and values <= _SUBREGIONS:
        raise BadInput(
            f"{where} holds parts of vertebrae (TPTBox subregions) without their levels; "
            "choose the file with whole vertebrae."
        )
    if not fitting:
        told = "; ".join(f"as {name}, {reason}" for name, reason in reasons.items())
        raise BadInput(
            f"The numbers of {where} fit no numbering known here: {told}. Name the numbering, or correct it."
        )
    if len(fitting) > 1:
        closer = [item for item in fitting if _is_close(item, centers)]
        fitting = closer or fitting
    if len(fitting) > 1:
        # One vertebra alone has no order to check; it yields to a numbering in which several are in order.
        ordered = [item for item in fitting if len(item.levels(values)) > 2]
        single = [item for item in fitting if len(item.levels(values)) < 2]
        fitting = ordered if len(ordered) == 1 and len(single) == len(fitting) - 1 else fitting
    elif len(fitting[0].levels(values)) < 2 and (len(possible) > 1 or len(values) < TELLING_VALUES):
        raise BadInput(
            f"{where} holds too little to tell its numbering ({_plural(sorted(values))}); say which with --numbering."
        )
    if len(fitting) > 1:
        options = " or ".join(f"{item.name} ({_span(item, values)})" for item in fitting)
        raise BadInput(f"The numbers of {where} can be read as {options}; say which with --numbering.")
    return fitting[0]


_SUBREGIONS = frozenset({*range(40, 54), *range(58, 65), *range(70, 75), 100})


def distance_ratio(levels: Mapping[Level, int], centers: Mapping[int, Point]) -> float | None:
    """Median of observed over expected distance between neighbors; None with fewer than two vertebrae."""
    ratios = _pair_ratios(levels, centers)
    return float(np.median(ratios)) if ratios else None


def _pair_ratios(levels: Mapping[Level, int], centers: Mapping[int, Point]) -> list[float]:
    line = [level for level in levels if level.value in _DISTANCE_MM or level.is_variant]
    ratios = []
    for above, below in pairwise(line):
        observed = np.linalg.norm(np.subtract(centers[levels[above]], centers[levels[below]]))
        ratios.append(float(observed) / _expected(above, below))
    return ratios


def _expected(above: Level, below: Level) -> float:
    between = [level for level in Level.ordinary() if above.order <= level.order < below.order]
    extra = 28.0 if above.is_variant or below.is_variant else 0.0
    return sum(_DISTANCE_MM.get(level.value, 18) for level in between) or extra


def _is_close(numbering: Numbering, centers: Mapping[int, Point]) -> bool:
    """Whether the distances speak for a numbering, and not only not against it."""
    ratios = _pair_ratios(numbering.levels(set(centers)), centers)
    if not ratios:
        return False
    return NARROW_RATIO[0] <= float(np.median(ratios)) <= NARROW_RATIO[1] and all(
        PAIR_RATIO[0] <= ratio <= PAIR_RATIO[1] for ratio in ratios
    )


def _misfit(numbering: Numbering, centers: Mapping[int, Point], ratio: tuple[float, float] | None) -> str:
    """Why the label map cannot be in this numbering, "" when it can."""
    levels = numbering.levels(set(centers))
    if not levels:
        return "it holds no vertebra"
    heights = {level: centers[value][2] for level, value in levels.items()}
    line = list(heights)
    for above, below in pairwise(line):
        if heights[above] <= heights[below]:
            return f"{below} would lie above {above}"
    found = distance_ratio(levels, centers)
    if ratio is not None and found is not None and not ratio[0] <= found <= ratio[1]:
        return f"{line[0]}–{line[-1]} would lie {found:.1f} times as far apart as in an adult"
    return ""


def _span(numbering: Numbering, values: set[int]) -> str:
    line = list(numbering.levels(values))
    return f"{line[0]}–{line[-1]}" if len(line) > 1 else str(line[0])


def _plural(values: list[int]) -> str:
    listed = ", ".join(str(value) for value in values[:8]) + (", …" if len(values) > 8 else "")
    return f"number {listed}" if len(values) == 1 else f"numbers {listed}"
