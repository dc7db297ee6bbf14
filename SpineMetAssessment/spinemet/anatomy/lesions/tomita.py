"""Tomita's anatomical type of a spinal tumor, from how far it reaches.

Types 1 to 3 lie within the vertebra, 4 to 6 reach beyond it, 7 is disease at several places (Tomita 2001,
Spine 26:298). What was not seen leaves every type it could make open.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from spinemet.anatomy.lesions.extent import LesionExtent
from spinemet.anatomy.lesions.involvement import Involvement
from spinemet.levels import Level, adjacent

PART_SHARE = 5.0
"""A part counts as a site of the tumor from this share of its volume, % [D]."""
MOST_ADJACENT = 3
"""A tumor in more neighboring vertebrae than this counts as multiple [D]; type 6 is extension to 2–3 vertebrae."""
TITLES = {
    1: "a single site within the vertebra",
    2: "extension to the pedicle",
    3: "body and lamina",
    4: "epidural extension",
    5: "paravertebral extension",
    6: "extension to an adjacent vertebra",
    7: "multiple or skip lesions",
}


class Site(str, Enum):
    """Sites that Tomita's surgical types are built from."""

    BODY = "body"
    PEDICLE = "pedicle"
    LAMINA = "lamina"
    """The posterior elements: laminae with the articular, transverse and spinous processes."""


@dataclass(frozen=True)
class TomitaType:
    """The type, or the types still possible.

    :param type: 1 to 7; None while several are possible.
    :param possible: ascending.
    :param reason: what leaves it open; empty when nothing does.
    """

    type: int | None
    possible: tuple[int, ...]
    reason: str = ""

    def text(self) -> str:
        if self.type is not None:
            return f"type {self.type}: {TITLES[self.type]}"
        return f"type {' or '.join(str(item) for item in self.possible)} ({self.reason})"


def tomita_type(
    sites: Collection[Site] | None,
    *,
    epidural: bool | None,
    paravertebral: bool | None,
    adjacent_level: bool,
    multiple: bool,
) -> TomitaType:
    """The highest type that applies.

    :param sites: sites in the vertebra; None when pedicle and lamina were not told apart.
    :param epidural: None when the canal was not seen well enough to exclude it (CT alone).
    """
    if multiple:
        return TomitaType(7, (7,))
    if adjacent_level:
        return TomitaType(6, (6,))
    if paravertebral:
        return TomitaType(5, (5,))
    possible, reasons = set(_within(sites)), []
    if sites is None:
        reasons.append("the parts of the arch were not told apart")
    if epidural:
        possible, reasons = {4}, []
    elif epidural is None:
        possible.add(4)
        reasons.append("epidural tumor was not excluded: MRI needed")
    if paravertebral is None:
        possible.add(5)
        reasons.append("soft tissue beside the bone was not judged")
    ordered = tuple(sorted(possible))
    return TomitaType(ordered[0] if len(ordered) == 1 else None, ordered, "; ".join(reasons))


def sites_of(extent: LesionExtent) -> set[Site] | None:
    """Sites from the parts' shares and names; None when the parts of the arch are not told apart."""
    sites: set[Site] = set()
    names = list(extent.parts)
    if not any(Site.PEDICLE.value in str(name).lower() for name in names):
        body = extent.parts.get("body")
        arch = [item.value for name, item in extent.parts.items() if name != "body"]
        only_body = body is not None and body.value is not None and all((value or 0.0) < PART_SHARE for value in arch)
        return {Site.BODY} if only_body and None not in arch else None
    for name, share in extent.parts.items():
        if share.value is not None and share.value >= PART_SHARE:
            sites.add(_site(str(name).lower()))
    return sites or {_site(str(_fullest(extent)).lower())}


def assess_tomita(extent: LesionExtent, involvement: Involvement, *, epidural_seen: bool = False) -> TomitaType:
    """Tomita's type of the lesions at one level, from what was measured.

    :param epidural_seen: whether an image that shows the canal's soft tissue (MRI, myelogram) was read; without it
        the absence of an outline in the canal excludes nothing.
    """
    level = extent.level
    here = set(involvement.levels[level])
    same = [item for item, found in involvement.levels.items() if item is not level and here & set(found)]
    others = [item for item, found in involvement.levels.items() if set(found) - here]
    run = _run(level, set(same))
    skip = bool(set(same) - run) or len(run) > MOST_ADJACENT
    epidural = extent.is_epidural
    if epidural is False and not epidural_seen:
        epidural = None
    return tomita_type(
        sites_of(extent),
        epidural=epidural,
        paravertebral=extent.is_paraspinal,
        adjacent_level=bool(same),
        multiple=bool(others) or skip,
    )


def _run(level: Level, same: set[Level]) -> set[Level]:
    """Unbroken run of levels round `level` that hold the same lesion."""
    run = {level}
    for step in (-1, 1):
        item = adjacent(level, step, same)
        while item is not None and item in same:
            run.add(item)
            item = adjacent(item, step, same)
    return run


def _within(sites: Collection[Site] | None) -> tuple[int, ...]:
    if sites is None:
        return (1, 2, 3)
    if Site.BODY in sites and Site.LAMINA in sites:
        return (3,)
    if Site.PEDICLE in sites and len(set(sites)) > 1:
        return (2,)
    return (1,)


def _site(name: str) -> Site:
    return next((site for site in (Site.BODY, Site.PEDICLE) if site.value in name), Site.LAMINA)


def _fullest(extent: LesionExtent) -> str:
    return max(extent.parts, key=lambda name: extent.parts[name].value or 0.0)
