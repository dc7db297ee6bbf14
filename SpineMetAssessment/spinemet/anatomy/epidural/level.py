"""One level's epidural disease: its worst cut, and the measures of it with their errors."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.epidural.cuts import Cuts
from spinemet.anatomy.epidural.profile import ANGLES, Profile, angle_of
from spinemet.anatomy.epidural.reference import Reference
from spinemet.evidence import Measurement, Point, unknown
from spinemet.levels import Level

Array = NDArray[np.float64]

METHOD = "in cuts perpendicular to the canal, from the outlines on the image's own grid"

EDGE_ERROR = 0.3
"""Error of one edge of an outline, in acquired pixels: half the width of a pixel's uniform error. Ours."""

GAP_ERROR = 0.4
"""Error of the distance between two outlines, in acquired pixels. Ours, from synthetic segments."""

THICK_SLICE_MM, THICK_SLICE_FACTOR = 4.0, 1.5
"""From this slice thickness on errors are widened by this factor (clinical rules, section 2)."""


@dataclass(frozen=True)
class LevelEpidural:
    """What tumor does to sac and cord at one level.

    :param span: parameters along the canal between which cuts belong to the level, mm.
    :param cut: index of the worst cut, None when the level has no whole cut.
    :param position: where to look (RAS): the epidural tumor's middle in the worst cut, else the canal's.
    :param pixel: length that one acquired voxel smears together toward the tumor, mm.
    :param contact_length: how far along the canal tumor touches the cord, mm.
    :param measurements: everything by name.
    """

    level: Level
    span: tuple[float, float]
    cut: int | None
    position: Point | None
    pixel: float
    measurements: Mapping[str, Measurement]

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


def measure_level(
    level: Level, span: tuple[float, float], cuts: Cuts, profile: Profile, reference: Reference
) -> LevelEpidural:
    """The worst cut of a level and its measures."""
    inside = np.flatnonzero((cuts.s >= span[0]) & (cuts.s < span[1]) & profile.complete)
    if not len(inside):
        reason = f"the canal at {level} is not outlined, or lies outside the image"
        return LevelEpidural(level, span, None, None, float("nan"), _all_unknown(reason))
    worst = _worst(inside, cuts, profile, reference)
    toward = profile.toward[worst]
    direction = toward if np.isfinite(toward).all() else np.array([0.0, 1.0])
    pixel = cuts.resolution(worst, direction)
    where = _place(worst, cuts, profile)
    measurements = _measures(worst, inside, cuts, profile, reference, direction, pixel, where)
    return LevelEpidural(level, span, worst, where, pixel, measurements)


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


def cord_losses(cuts: Cuts, profile: Profile, reference: Reference) -> tuple[Array, Array]:
    """Per cut, the cord's greatest loss against its reference as a share (0 to 1), and as a length in mm.

    Depth from back to front, extent toward the tumor, and area are compared; a lost area counts as a length over
    the cord's extent across the tumor's direction.
    """
    shares, lengths = np.full(len(cuts.s), np.nan), np.full(len(cuts.s), np.nan)
    for n in range(len(cuts.s)):
        if not np.isfinite(profile.cord_ap[n]) or not np.isfinite(reference.cord_ap[n]):
            continue
        toward = profile.toward[n] if np.isfinite(profile.toward[n]).all() else np.array([0.0, 1.0])
        angle = angle_of(toward)
        across = profile.cord_reach[n, (angle + ANGLES // 4) % ANGLES]
        found = [
            _loss(profile.cord_ap[n], reference.cord_ap[n]),
            _loss(profile.cord_reach[n, angle], reference.cord_reach[n, angle]),
        ]
        share, length = max(found)
        area, lost = _loss(profile.cord_area[n], reference.cord_area[n])
        shares[n] = max(share, area)
        lengths[n] = max(length, lost / max(across, 1.0))
    return shares, lengths


def _loss(value: float, usual: float) -> tuple[float, float]:
    return (1 - value / usual, usual - value) if usual > 0 else (0.0, 0.0)


def _place(cut: int, cuts: Cuts, profile: Profile) -> Point:
    mask = cuts.masks["epidural"][cut]
    if not mask.any():
        return cuts.position(cut)
    rows, columns = np.nonzero(mask)
    return cuts.position(cut, float(cuts.u[columns].mean()), float(cuts.v[rows].mean()))


def _measures(
    cut: int, inside: NDArray[np.int_], cuts: Cuts, profile: Profile, reference: Reference,
    direction: Array, pixel: float, where: Point,
) -> dict[str, Measurement]:  # fmt: skip
    widened = THICK_SLICE_FACTOR if float(cuts.grid.spacing.max()) >= THICK_SLICE_MM else 1.0
    edge = widened * EDGE_ERROR * pixel

    def known(name: str, value: float, unit: str, error: float | None, missing: str) -> Measurement:
        if not np.isfinite(value):
            return unknown(name, unit, missing)
        return Measurement(name, float(value), unit, METHOD, where, None if error is None else float(error))

    no_cord, no_reference = "the cord is not outlined there", "no untouched stretch of canal is near"
    lost, lost_mm = (values[cut] for values in cord_losses(cuts, profile, reference))
    cord_ap = reference.cord_ap[cut]
    missing = no_cord if not np.isfinite(profile.cord_ap[cut]) else no_reference
    fluid_ref, sac_ref = reference.fluid_area[cut], reference.sac_area[cut]
    fluid = profile.fluid_area[cut] / fluid_ref if fluid_ref > 0 else float("nan")
    rim = float(np.sqrt(4 * np.pi * max(profile.sac_area[cut], 1.0)))
    shift = float(np.linalg.norm(profile.cord_center[cut] - reference.cord_center[cut]))
    gap = profile.gap[cut]
    touching = (profile.gap[inside] <= 0.5 * pixel) & (profile.thickness[inside] > 0)
    items = [
        known("epidural thickness", profile.thickness[cut], "mm", 2 * edge * 0.7, ""),
        known("epidural area", profile.epidural_area[cut], "mm²", None, ""),
        known("epidural share of the canal", 100 * profile.canal_share[cut], "%", None, "no canal there"),
        known("sac indentation", _indentation(cut, cuts, profile, reference), "mm", 1.4 * edge, no_reference),
        known("tumor to cord", gap if np.isfinite(gap) else np.nan, "mm", GAP_ERROR * widened * pixel,
              "no epidural tumor" if np.isinf(gap) else no_cord),
        known("contact with the cord", float(touching.sum()) * cuts.spacing, "mm", cuts.spacing, no_cord),
        known("cord loss", 100 * lost, "%", 100 * edge * 1.4 / cord_ap if cord_ap > 0 else None, missing),
        known("cord loss as a length", lost_mm, "mm", edge, missing),
        known("cord shift", shift, "mm", edge, missing),
        known("fluid left", 100 * fluid, "%", 30 * edge * rim / fluid_ref if fluid_ref > 0 else None, no_reference),
        known("cord depth", profile.cord_ap[cut], "mm", 2 * edge * 0.7, no_cord),
        known("expected cord depth", cord_ap, "mm", edge, no_reference),
        known("cord area", profile.cord_area[cut] or np.nan, "mm²", None, no_cord),
        known("cord share of the canal (aSCOR)", 100 * profile.ascor[cut], "%", None, no_cord),
        known("cord compression (MSCC)", 100 * (1 - profile.cord_ap[cut] / cord_ap) if cord_ap > 0 else np.nan, "%",
              100 * edge / cord_ap if cord_ap > 0 else None, missing),
        known("sac loss", 100 * (1 - profile.sac_area[cut] / sac_ref) if sac_ref > 0 else np.nan, "%",
              50 * edge * rim / sac_ref if sac_ref > 0 else None, no_reference),
        known("canal compromise", _compromise(cut, profile, reference), "%", None, no_reference),
        known("epidural tumor around the canal", 100 * profile.surround[cut], "%", None, ""),
    ]  # fmt: skip
    return {item.name: item for item in items}


def _indentation(cut: int, cuts: Cuts, profile: Profile, reference: Reference) -> float:
    """How far the sac's edge lies nearer to the centerline than expected, where there is tumor; 0 without tumor."""
    mask = cuts.masks["epidural"][cut]
    if not mask.any():
        return 0.0
    rows, columns = np.nonzero(mask)
    turns = np.degrees(np.arctan2(cuts.v[rows], cuts.u[columns])) % 360.0
    angles = np.unique(np.rint(turns / (360.0 / ANGLES)).astype(int) % ANGLES)
    given = reference.sac_reach[cut, angles] - profile.sac_reach[cut, angles]
    return float(np.nanmax(given)) if np.isfinite(given).any() else float("nan")


def _compromise(cut: int, profile: Profile, reference: Reference) -> float:
    """1 − 2 C₀/(C₁ + C₂) of the canal's free depth; the reference is the interpolation between C₁ and C₂."""
    usual = reference.open_depth[cut]
    return 100 * max(0.0, 1 - profile.open_depth[cut] / usual) if usual > 0 else float("nan")


_NAMES = {
    "epidural thickness": "mm", "epidural area": "mm²", "epidural share of the canal": "%", "sac indentation": "mm",
    "tumor to cord": "mm", "contact with the cord": "mm", "cord loss": "%", "cord loss as a length": "mm",
    "cord shift": "mm", "fluid left": "%", "cord depth": "mm", "expected cord depth": "mm", "cord area": "mm²",
    "cord share of the canal (aSCOR)": "%", "cord compression (MSCC)": "%", "sac loss": "%", "canal compromise": "%",
    "epidural tumor around the canal": "%",
}  # fmt: skip


def _all_unknown(reason: str) -> dict[str, Measurement]:
    return {name: unknown(name, unit, reason) for name, unit in _NAMES.items()}
