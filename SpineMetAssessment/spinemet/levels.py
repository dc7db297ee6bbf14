"""Vertebral levels: order, regions, names and SNOMED CT codes.

`Level` is an ordered enumeration from the occiput to S5. T13 and L6 exist as flagged variants: they sort
between T12 and L1 and between L5 and S1, and everything scored on them asks for confirmation.
Parsing is exact: "T1" is not "T10", and what is not a level raises.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum
from functools import cached_property, total_ordering

from spinemet.errors import BadInput


class Region(str, Enum):
    """Part of the spine that a level belongs to."""

    OCCIPUT = "occiput"
    CERVICAL = "cervical"
    THORACIC = "thoracic"
    LUMBAR = "lumbar"
    SACRAL = "sacral"


@total_ordering
class Level(Enum):
    """A vertebral level, ordered from head to tail."""

    OCC = "Occ"
    C1 = "C1"
    C2 = "C2"
    C3 = "C3"
    C4 = "C4"
    C5 = "C5"
    C6 = "C6"
    C7 = "C7"
    T1 = "T1"
    T2 = "T2"
    T3 = "T3"
    T4 = "T4"
    T5 = "T5"
    T6 = "T6"
    T7 = "T7"
    T8 = "T8"
    T9 = "T9"
    T10 = "T10"
    T11 = "T11"
    T12 = "T12"
    T13 = "T13"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"
    L5 = "L5"
    L6 = "L6"
    S1 = "S1"
    S2 = "S2"
    S3 = "S3"
    S4 = "S4"
    S5 = "S5"

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Level):
            return NotImplemented
        return self.order < other.order

    def __str__(self) -> str:
        return self.value

    def __hash__(self) -> int:
        return hash(self._value_)

    @cached_property
    def order(self) -> int:
        """Position from head (Occ is 0) to tail."""
        return _LINE.index(self)

    @cached_property
    def region(self) -> Region:
        return _REGIONS[self.value[0]]

    @property
    def number(self) -> int:
        """Number within the region (3 for L3); 0 for the occiput."""
        return 0 if self is Level.OCC else int(self.value[1:])

    @cached_property
    def is_variant(self) -> bool:
        """True for T13 and L6, whose numbering a clinician must confirm."""
        return self in (Level.T13, Level.L6)

    @property
    def snomed_code(self) -> str | None:
        """SNOMED CT code of the vertebra (C1–L5), None where there is no single standard code."""
        return _SNOMED.get(self.value)

    @property
    def title(self) -> str:
        """Written out, as in "L3 vertebra"."""
        return "Occiput" if self is Level.OCC else f"{self.value} vertebra"

    @classmethod
    def parse(cls, text: str) -> Level:
        """Return the level that `text` names exactly ("L3", "l3", "Th12", "D4", "T09", "Occ").

        :raises BadInput: `text` is not the name of one level.
        """
        name = str(text).strip()
        if name.lower() in ("occ", "c0", "occiput"):
            return cls.OCC
        match = _NAME.fullmatch(name)
        if match:
            letter = match["region"].upper()[0]
            candidate = f"{'T' if letter == 'D' else letter}{int(match['number'])}"
            if candidate in cls._value2member_map_:
                return cls(candidate)
        raise BadInput(f'"{name}" is not a vertebral level; use names such as C7, T12, L5 or S1.')

    @classmethod
    def ordinary(cls) -> tuple[Level, ...]:
        """C1 to S5 without the variants: the levels that every assessment lists."""
        return _ORDINARY


_NAME = re.compile(r"(?P<region>c|t|th|d|l|s)[ _-]?0*(?P<number>[1-9]\d?)", re.IGNORECASE)
_LINE = tuple(Level)
_REGIONS = {
    "O": Region.OCCIPUT,
    "C": Region.CERVICAL,
    "T": Region.THORACIC,
    "L": Region.LUMBAR,
    "S": Region.SACRAL,
}
_ORDINARY = tuple(level for level in Level if level is not Level.OCC and not level.is_variant)
_SNOMED = {
    "C1": "14806007", "C2": "39976000", "C3": "113205007", "C4": "5329002", "C5": "36978003",
    "C6": "36054005", "C7": "87391001", "T1": "64864005", "T2": "53733008", "T3": "1626008",
    "T4": "73071006", "T5": "56401006", "T6": "45296009", "T7": "62487009", "T8": "11068009",
    "T9": "82687006", "T10": "7610001", "T11": "12989004", "T12": "23215003", "L1": "66794005",
    "L2": "14293000", "L3": "36470004", "L4": "11994002", "L5": "49668003",
}  # fmt: skip


def adjacent(level: Level, step: int, present: set[Level] | frozenset[Level] | None = None) -> Level | None:
    """Return the level `step` places toward the tail (negative: toward the head), or None beyond the ends.

    Variants are passed over unless they are in `present`.
    """
    way, left, index = (1 if step > 0 else -1), abs(step), level.order
    while left:
        index += way
        if not 0 <= index < len(_LINE):
            return None
        if not _LINE[index].is_variant or (present and _LINE[index] in present):
            left -= 1
    return _LINE[index]


def shifted(levels: Collection[Level], step: int, *, fixed: Collection[Level] = ()) -> dict[Level, Level]:
    """New names of all levels when the whole spine is renamed by `step` places toward the tail (negative: the head).

    Variants among the levels keep their place in the line: with T13 present, T12 becomes T13 and T13 becomes L1.

    :param fixed: levels that keep their names: an outlined sacrum is seen, not counted.
    :raises BadInput: a level would be named beyond C1 or S5, or like one that keeps its name; nothing is renamed then.
    """
    present = set(levels) - set(fixed)
    result: dict[Level, Level] = {level: level for level in set(levels) & set(fixed)}
    for level in sorted(present):
        name = adjacent(level, step, present)
        if level is Level.OCC:
            raise BadInput("The occiput cannot be renamed; leave it out when the names are shifted.")
        if name is None or name is Level.OCC:
            end = "above C1" if step < 0 else "below S5"
            raise BadInput(
                f"{level} cannot be renamed: there is no name {end}. Remove its outline first, or shift the other way."
            )
        if name in fixed:
            raise BadInput(
                f"{level} would be called {name}, as the outlined sacrum is; the sacrum ends the count. "
                "A sixth lumbar vertebra is called L6."
            )
        result[level] = name
    return result
