"""What the numbers of engines mean, spelled out once for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from spinemet.case import Outline, Structure
from spinemet.codes import bone_of
from spinemet.levels import Level

CORD = Outline(Structure.CORD)
CANAL = Outline(Structure.CANAL)
SACRUM = Outline(Structure.SACRUM, Level.S1)
REST_OF_SACRUM = Outline(Structure.SACRUM, name="sacrum below S1")


def bones(first: str, last: str, start: int, step: int = 1) -> dict[int, Outline]:
    """Numbers of the ordinary levels from `first` to `last`, counted from `start`."""
    line = Level.ordinary()
    levels = line[line.index(Level(first)) : line.index(Level(last)) + 1]
    return {start + step * n: bone_of(level) for n, level in enumerate(levels)}


def discs(numbers: Mapping[int, Level] | Iterable[tuple[int, Level]]) -> dict[int, Outline]:
    """Discs by the number and the level of the vertebra above."""
    pairs = numbers.items() if isinstance(numbers, Mapping) else numbers
    return {number: Outline(Structure.DISC, level, name=f"disc below {level}") for number, level in pairs}
