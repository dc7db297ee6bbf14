"""One level's epidural disease: its worst cut, and the measures of it with their errors."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.epidural.cut_measures import EXACT_OUTLINES, all_unknown, cut_measures
from spinemet.anatomy.epidural.cuts import Cuts
from spinemet.anatomy.epidural.losses import cord_losses
from spinemet.anatomy.epidural.outline_error import OutlineError
from spinemet.anatomy.epidural.profile import Profile
from spinemet.anatomy.epidural.reference import Reference
from spinemet.evidence import Measurement, Point
from spinemet.levels import Level

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LevelEpidural:
    """What tumor does to sac and cord at one level.

    :param span: parameters along the canal between which cuts belong to the level, mm.
    :param cut: index of the worst cut, None when the level has no whole cut.
    :param position: where to look (RAS): the epidural tumor's middle in the worst cut, else the canal's.
    :param pixel: length that one acquired voxel smears together toward the tumor, mm.
    :param measurements: everything by name.
    :param lateral_pixel: the same as `pixel` from side to side.
    :param outlines: how far the outlines' edges may lie off.
    """

    level: Level
    span: tuple[float, float]
    cut: int | None
    position: Point | None
    pixel: float
    measurements: Mapping[str, Measurement]
    lateral_pixel: float = float("nan")
    outlines: OutlineError = EXACT_OUTLINES

    def __getitem__(self, name: str) -> Measurement:
        return self.measurements[name]


def level_spans(cuts: Cuts, places: Mapping[Level, Point]) -> dict[Level, tuple[float, float]]:
    """Parameters between which cuts belong to each level: halfway to its neighbors, as far again beyond the ends.

    :param places: a point of each level (RAS), such as its body's center.
    """
    order = sorted(places, key=lambda item: item.order)
    at = [float(cuts.frame.parameter(np.array(places[level]))) for level in order]
    halves = [(a + b) / 2 for a, b in itertools.pairwise(at)]
    usual = float(np.median(np.diff(at))) / 2 if len(at) > 1 else 12.0
    starts, stops = [at[0] - usual, *halves], [*halves, at[-1] + usual]
    return {level: (start, stop) for level, start, stop in zip(order, starts, stops, strict=True)}


def unmeasured_level(level: Level, span: tuple[float, float], reason: str) -> LevelEpidural:
    """A level of which nothing is known, with the reason."""
    return LevelEpidural(level, span, None, None, float("nan"), all_unknown(reason))


def measure_level(
    level: Level, span: tuple[float, float], cuts: Cuts, profile: Profile, reference: Reference,
    outlines: OutlineError = EXACT_OUTLINES,
) -> LevelEpidural:  # fmt: skip
    """The worst cut of a level and its measures.

    :param outlines: how far the outlines' edges may lie off.
    """
    inside = np.flatnonzero((cuts.s >= span[0]) & (cuts.s < span[1]) & profile.complete)
    if not len(inside):
        reason = f"the canal at {level} is not outlined, or lies outside the image"
        return unmeasured_level(level, span, reason)
    worst = _worst(inside, cuts, profile, reference)
    toward = profile.toward[worst]
    direction = toward if np.isfinite(toward).all() else np.array([0.0, 1.0])
    pixel = cuts.resolution(worst, direction)
    where = _place(worst, cuts, profile)
    measurements = cut_measures(worst, inside, cuts, profile, reference, pixel, where, outlines)
    lateral = cuts.resolution(worst, (1.0, 0.0))
    return LevelEpidural(level, span, worst, where, pixel, measurements, lateral, outlines)


def _worst(inside: NDArray[np.int_], cuts: Cuts, profile: Profile, reference: Reference) -> int:
    """The cut where the cord has lost most; without contact where the tumor is nearest to it; else the thickest."""
    thick = profile.thickness[inside]
    if not np.any(thick > 0):
        middle = (inside[0] + inside[-1]) // 2
        return int(middle)
    lost, _ = cord_losses(cuts, profile, reference)
    left = profile.fluid_area / np.where(reference.fluid_area > 0, reference.fluid_area, np.nan)
    badness = np.nan_to_num(lost, nan=0.0) + np.nan_to_num(1 - left, nan=0.0) + 0.05 * profile.thickness
    badness = np.where(profile.thickness > 0, badness, -1.0)
    # A plateau has no single worst cut; its middle is the most telling picture.
    best = badness[inside].max()
    level = inside[badness[inside] >= best - 0.03]
    return int(level[len(level) // 2])


def _place(cut: int, cuts: Cuts, profile: Profile) -> Point:
    mask = cuts.masks["epidural"][cut]
    if not mask.any():
        return cuts.position(cut)
    rows, columns = np.nonzero(mask)
    return cuts.position(cut, float(cuts.u[columns].mean()), float(cuts.v[rows].mean()))
