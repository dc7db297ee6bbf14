"""Colors of grades and outlines, the same in the scene, in pictures and in reports; RGB from 0 to 1.

The grades follow Okabe and Ito's palette, which readers with any common color vision tell apart by hue and by
lightness. Never color alone: whatever is colored also says its grade in words.
"""

from __future__ import annotations

from collections.abc import Mapping

from spinemet.case import Structure
from spinemet.scores.sins import Category

RGB = tuple[float, float, float]

GRADE_COLORS: Mapping[Category | None, RGB] = {
    Category.STABLE: (0.000, 0.620, 0.557),
    Category.POTENTIALLY_UNSTABLE: (0.902, 0.624, 0.000),
    Category.UNSTABLE: (0.835, 0.369, 0.000),
    None: (0.549, 0.549, 0.549),
}
"""By SINS category; None is undecided. Bone that was not scored keeps `VERTEBRA`: it is not "stable"."""

GRADE_COLOR_NAMES: Mapping[Category | None, str] = {
    Category.STABLE: "teal",
    Category.POTENTIALLY_UNSTABLE: "amber",
    Category.UNSTABLE: "vermilion",
    None: "gray",
}

VERTEBRA: RGB = (0.945, 0.839, 0.569)
LESION: RGB = (0.698, 0.149, 0.592)
EVIDENCE: RGB = (0.337, 0.706, 0.914)
"""Points of measurement: sky blue, apart from every grade and from bone."""

STRUCTURE_COLORS: Mapping[Structure, RGB] = {
    Structure.VERTEBRA: VERTEBRA,
    Structure.SACRUM: VERTEBRA,
    Structure.LESION: LESION,
    Structure.CANAL: (0.400, 0.700, 0.900),
    Structure.THECAL_SAC: (0.337, 0.550, 0.850),
    Structure.CORD: (0.957, 0.839, 0.192),
    Structure.DISC: (0.435, 0.722, 0.824),
    Structure.OTHER: (0.500, 0.682, 0.502),
}


def hexadecimal(color: RGB) -> str:
    """The color as CSS writes it, "#009e8e"."""
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in color)
