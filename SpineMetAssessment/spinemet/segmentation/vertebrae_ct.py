"""Outline vertebrae in a CT: from one click a level, from a line along the spine, or without any.

Key functions: `outline_vertebrae` (masks with levels), `find_vertebrae` (only where they are, in a second or two).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinemet.case import Outline, Structure
from spinemet.errors import BadInput
from spinemet.evidence import Point
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level, Region
from spinemet.progress import Progress, part, silent
from spinemet.segmentation.clicks import Click
from spinemet.segmentation.ct_arch import share_out
from spinemet.segmentation.ct_body import BodySurface, body_surface
from spinemet.segmentation.ct_full import at_full_resolution
from spinemet.segmentation.ct_places import Place
from spinemet.segmentation.ct_scan import Scan, scan
from spinemet.segmentation.ct_work import bone_hu
from spinemet.segmentation.vertebra_names import named

SURE_EDGE_HU = 35.0
"""Mean fall of brightness at a body's surface below which the surface is called hardly seen."""
NEIGHBORS = 2
"""How many unasked neighbors on each side compete for the arches."""


@dataclass(frozen=True)
class FoundVertebra:
    """Where a vertebra was found.

    :param center: RAS, middle of the body.
    :param level: None when no level was given.
    :param doubts: what makes it unsure, as phrases; empty when nothing does.
    """

    center: Point
    level: Level | None
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class OutlinedVertebrae:
    """Outlines, and how much they can be trusted.

    :param labels: on the CT's grid; the values are 1, 2, … from head to tail.
    :param found: by value.
    :param notes: sentences for the reader: anomalies, unsure vertebrae.
    """

    labels: LabelMap
    found: dict[int, FoundVertebra]
    notes: tuple[str, ...]


def find_vertebrae(image: Image, clicks: Sequence[Click] = ()) -> tuple[FoundVertebra, ...]:
    """All vertebral bodies that a CT shows, near the clicks or anywhere, from head to tail.

    :param clicks: points in bodies; one with a level names all.
    :raises BadInput: as `outline_vertebrae`.
    """
    wanted = _usable(clicks)
    spine = scan(image, wanted)
    levels, _ = _levels(spine, wanted)
    return tuple(_found(place.frame.center, level, place.doubts) for place, level in _rows(spine, levels))


def outline_vertebrae(
    image: Image, clicks: Sequence[Click] = (), progress: Progress | None = None, *, whole: bool = False
) -> OutlinedVertebrae:
    """Masks of vertebrae with their processes on the CT's own grid.

    :param image: CT in HU, any spacing and orientation.
    :param clicks: one in each wanted body, in any order; without any, all bodies of the image are sought.
    :param whole: outline all bodies that are found near the clicks, not only those clicked.
    :raises BadInput: no CT volume, a click outside of the image, in air or off the spine, two clicks in one
        vertebra, levels out of order, or nothing found.
    """
    report = progress or silent
    wanted = _usable(clicks)
    report(0.0, "looking for the spine")
    spine = scan(image, wanted)
    levels, notes = _levels(spine, wanted)
    asked = set(range(len(spine.places))) if whole or not wanted else set(spine.clicked)
    involved = sorted({n + d for n in asked for d in range(-NEIGHBORS, NEIGHBORS + 1)} & set(range(len(spine.places))))
    surfaces: list[BodySurface] = []
    for count, n in enumerate(involved):
        report(0.1 + 0.4 * count / len(involved), "finding the vertebral bodies")
        surfaces.append(body_surface(spine.work, spine.places[n].frame))
    report(0.5, "parting the arches")
    coarse = share_out(spine.work, spine.column, surfaces, bone_hu(image.spacing), part(progress, 0.5, 0.8))
    # From head to tail, as a reader counts.
    order = [n for n in reversed(involved) if n in asked]
    bodies = {value: surfaces[involved.index(n)] for value, n in enumerate(order, 1)}
    renumbered = np.zeros(len(involved) + 1, np.uint8)
    rivals = np.zeros(len(involved) + 1, bool)
    for index, n in enumerate(involved, 1):
        renumbered[index] = order.index(n) + 1 if n in asked else 0
        rivals[index] = n not in asked
    array = at_full_resolution(
        image, spine.work.with_array(renumbered[coarse]), rivals[coarse], bodies, part(progress, 0.8, 1.0)
    )
    found = {}
    for value, n in enumerate(order, 1):
        place, surface = spine.places[n], surfaces[involved.index(n)]
        doubts = place.doubts if surface.edge >= SURE_EDGE_HU else (*place.doubts, "its surface is hardly seen")
        found[value] = _found(place.frame.center, levels[n], doubts)
    return _result(image, array, found, notes)


def _usable(clicks: Sequence[Click]) -> list[Click]:
    bones = (Structure.VERTEBRA, Structure.SACRUM)
    wanted = [click for click in clicks if click.foreground and click.structure in bones]
    if clicks and not wanted:
        raise BadInput("None of the clicks stands for a vertebra; click into a vertebral body.")
    return wanted


def _levels(spine: Scan, clicks: Sequence[Click]) -> tuple[tuple[Level | None, ...], tuple[str, ...]]:
    known = {place: click.level for place, click in zip(spine.clicked, clicks, strict=True) if click.level is not None}
    return named(len(spine.places), known)


def _rows(spine: Scan, levels: Sequence[Level | None]) -> list[tuple[Place, Level | None]]:
    return list(zip(spine.places, levels, strict=True))[::-1]


def _found(center: NDArray[np.float64], level: Level | None, doubts: Sequence[str]) -> FoundVertebra:
    x, y, z = (float(value) for value in center)
    return FoundVertebra((x, y, z), level, tuple(doubts))


def _result(
    image: Image, array: NDArray[np.uint8], found: dict[int, FoundVertebra], notes: Sequence[str]
) -> OutlinedVertebrae:
    outlines, said = {}, list(notes)
    for value, vertebra in found.items():
        sacral = vertebra.level is not None and vertebra.level.region is Region.SACRAL
        structure = Structure.SACRUM if sacral else Structure.VERTEBRA
        name = "" if vertebra.level else f"vertebra {value} from the head"
        outlines[value] = Outline(structure, vertebra.level, frame=image.frame, name=name)
        if vertebra.doubts:
            said.append(f"{vertebra.level or name.capitalize()} is unsure: {', '.join(vertebra.doubts)}.")
    numbering = "by clicks" if any(vertebra.level for vertebra in found.values()) else "unnamed"
    labels = Image(array, image.ijk_to_ras, frame=image.frame, name="vertebrae")
    return OutlinedVertebrae(LabelMap(labels, outlines, numbering, tuple(said)), found, tuple(said))
