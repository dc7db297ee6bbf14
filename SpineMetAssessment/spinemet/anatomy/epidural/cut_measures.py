"""The measures of one cut across the canal, each with its error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.epidural.cuts import Cuts
from spinemet.anatomy.epidural.losses import canal_compromise, cord_losses, sac_indentation, steady
from spinemet.anatomy.epidural.outline_error import OutlineError
from spinemet.anatomy.epidural.profile import Profile
from spinemet.anatomy.epidural.reference import Reference
from spinemet.evidence import Measurement, Point, unknown

Array = NDArray[np.float64]

METHOD = "in cuts perpendicular to the canal, from the outlines on the image's own grid"

EDGE_ERROR = 0.3
"""Error of one edge of an outline, in acquired pixels: half the width of a pixel's uniform error. Ours."""

GAP_ERROR = 0.3
"""Error of the distance between two outlines, in acquired pixels. Ours, from synthetic segments (95 of 100 hold)."""

LOSS_ERROR = 0.5
"""Error of the cord's lost depth, in acquired pixels: two extents of two edges each. Ours, as above."""

THICK_SLICE_MM, THICK_SLICE_FACTOR = 4.0, 1.5
"""From this slice thickness on errors are widened by this factor (clinical rules, section 2)."""

EXACT_OUTLINES = OutlineError()
"""Outlines as a person drew them: only voxels blur their edges."""


def cut_measures(
    cut: int, inside: NDArray[np.int_], cuts: Cuts, profile: Profile, reference: Reference, pixel: float, where: Point,
    outlines: OutlineError = EXACT_OUTLINES,
) -> dict[str, Measurement]:  # fmt: skip
    """Everything that is known of a cut, by name.

    :param cut: index of the cut.
    :param inside: indices of the level's cuts, over which contact and clearance are taken.
    :param pixel: length that one acquired voxel smears together toward the tumor, mm.
    :param where: where a reader finds it, RAS.
    :param outlines: how far the outlines' edges may lie off.
    """
    widened = THICK_SLICE_FACTOR if float(cuts.grid.spacing.max()) >= THICK_SLICE_MM else 1.0
    edge = widened * EDGE_ERROR * pixel
    lost_error = float(np.hypot(widened * LOSS_ERROR * pixel, outlines.joint("cord", "cord")))

    def off(voxels: float, *edges: str) -> float:
        """Error of a length: what voxels do to it, and how far the edges that it lies between are off."""
        return float(np.hypot(voxels, outlines.joint(*edges)))

    def area_off(area: float, *edges: str) -> float:
        """Error of an area: an outline that is off is off along much of its rim."""
        return float(np.hypot(_area_error(area, edge), _rim(area) * outlines.joint(*edges) / 2))

    def known(name: str, value: float, unit: str, error: float | None, missing: str) -> Measurement:
        if not np.isfinite(value):
            return unknown(name, unit, missing)
        return Measurement(name, float(value), unit, METHOD, where, None if error is None else float(error))

    no_cord, no_reference = "the cord is not outlined there", "no untouched stretch of canal is near"
    lost, lost_mm = (steady(values, cut, cuts) for values in cord_losses(cuts, profile, reference))
    cord_ap, depth = reference.cord_ap[cut], steady(profile.cord_ap, cut, cuts)
    missing = no_cord if not np.isfinite(profile.cord_ap[cut]) else no_reference
    fluid_ref, sac_ref = reference.fluid_area[cut], reference.sac_area[cut]
    fluid = steady(profile.fluid_area, cut, cuts) / fluid_ref if fluid_ref > 0 else float("nan")
    rim, canal = _rim(profile.sac_area[cut]), max(float(profile.canal_area[cut]), 1.0)
    shift = float(np.linalg.norm(profile.cord_center[cut] - reference.cord_center[cut]))
    gap, cord_area = steady(profile.gap, cut, cuts), float(profile.cord_area[cut])
    thickness = steady(profile.thickness, cut, cuts)
    touching = (profile.gap[inside] <= 0.5 * pixel) & (profile.thickness[inside] > 0)
    clearance, sac_clearance = (_least(item[inside]) for item in (profile.clearance, profile.sac_clearance))
    gap_error = off(GAP_ERROR * widened * pixel, "tumor", "cord")
    beyond = f"no tumor within {cuts.plan.margin:g} mm of the canal"
    around, open_depth = float(np.max(profile.surround[inside])), reference.open_depth[cut]
    items = [
        known("epidural thickness", thickness, "mm", off(1.4 * edge, "tumor", "canal"), ""),
        known("epidural area", profile.epidural_area[cut], "mm²", area_off(profile.epidural_area[cut], "tumor"), ""),
        known("epidural share of the canal", 100 * profile.canal_share[cut], "%",
              100 * area_off(profile.epidural_area[cut], "tumor") / canal, "no canal there"),
        known("sac indentation", sac_indentation(cut, cuts, profile, reference), "mm", off(1.4 * edge, "sac"),
              no_reference),
        known("tumor to cord", gap if np.isfinite(gap) else np.nan, "mm", gap_error,
              "no epidural tumor" if np.isinf(gap) else no_cord),
        known("contact around the cord", steady(profile.contact_edge, cut, cuts), "mm", off(2 * edge, "tumor", "cord"),
              no_cord),
        known("contact with the cord", float(touching.sum()) * cuts.spacing, "mm", cuts.spacing, no_cord),
        known("cord loss", 100 * lost, "%", 100 * lost_error / cord_ap if cord_ap > 0 else None, missing),
        known("cord loss as a length", lost_mm, "mm", lost_error, missing),
        known("cord shift", shift, "mm", off(edge, "cord"), missing),
        known("fluid left", 100 * fluid, "%", 30 * off(edge, "sac", "cord") * rim / fluid_ref if fluid_ref > 0 else
              None, no_reference),
        known("cord depth", depth, "mm", off(1.4 * edge, "cord"), no_cord),
        known("expected cord depth", cord_ap, "mm", off(edge, "cord"), no_reference),
        known("cord area", cord_area or np.nan, "mm²", area_off(cord_area, "cord"), no_cord),
        known("cord share of the canal (aSCOR)", 100 * profile.ascor[cut], "%",
              100 * area_off(cord_area, "cord") / canal, no_cord),
        known("cord compression (MSCC)", 100 * (1 - depth / cord_ap) if cord_ap > 0 else np.nan, "%",
              100 * lost_error / cord_ap if cord_ap > 0 else None, missing),
        known("sac loss", 100 * (1 - profile.sac_area[cut] / sac_ref) if sac_ref > 0 else np.nan, "%",
              50 * off(edge, "sac") * rim / sac_ref if sac_ref > 0 else None, no_reference),
        known("canal compromise", canal_compromise(cut, profile, reference), "%",
              100 * off(1.4 * edge, "tumor", "canal") / open_depth if open_depth > 0 else None,
              no_reference),
        known("epidural tumor around the canal", 100 * around, "%",
              100 * off(edge, "tumor") / max(0.5 * profile.canal_ap[cut], 1.0), ""),
        known("clearance to the cord", clearance, "mm", gap_error,
              beyond if np.isfinite(profile.cord_ap[inside]).any() else no_cord),
        known("clearance to the thecal sac", sac_clearance, "mm",
              off(GAP_ERROR * widened * pixel, "tumor", "sac"), beyond),
    ]  # fmt: skip
    tumor_area = float(profile.epidural_area[cut])
    quadrants = zip(_QUADRANTS, profile.quadrants[cut], strict=True)
    for name, share in quadrants:
        error = 50 * area_off(tumor_area, "tumor") / max(tumor_area, 1.0)
        items.append(known(name, 100 * share, "%", error, "no epidural tumor"))
    return {item.name: item for item in items}


_QUADRANTS = (
    "epidural tumor in front", "epidural tumor on the right", "epidural tumor behind", "epidural tumor on the left",
)  # fmt: skip
"""Share of the cut's epidural tumor in each quarter of the canal, in the order of `profile.QUADRANTS`."""


def _area_error(area: float, edge: float) -> float:
    """Error of an area in mm²: its whole rim off by a third of an edge's error, since steps cancel along a rim."""
    return _rim(area) * edge / 3


def _rim(area: float) -> float:
    """Length of a circle's rim, mm, from its area, mm²."""
    return float(np.sqrt(4 * np.pi * max(area, 1.0)))


def _least(values: Array) -> float:
    """The least finite value, NaN when there is none."""
    known = values[np.isfinite(values)]
    return float(known.min()) if len(known) else float("nan")


NAMES = {
    "epidural thickness": "mm", "epidural area": "mm²", "epidural share of the canal": "%", "sac indentation": "mm",
    "tumor to cord": "mm", "contact around the cord": "mm", "contact with the cord": "mm", "cord loss": "%",
    "cord loss as a length": "mm", "cord shift": "mm", "fluid left": "%", "cord depth": "mm",
    "expected cord depth": "mm", "cord area": "mm²", "cord share of the canal (aSCOR)": "%",
    "cord compression (MSCC)": "%", "sac loss": "%", "canal compromise": "%", "epidural tumor around the canal": "%",
    "epidural tumor in front": "%", "epidural tumor on the right": "%", "epidural tumor behind": "%",
    "epidural tumor on the left": "%", "clearance to the cord": "mm", "clearance to the thecal sac": "mm",
}  # fmt: skip
"""Every measure of a cut and its unit."""


def all_unknown(reason: str) -> dict[str, Measurement]:
    """Every measure of a cut, unknown for one reason."""
    return {name: unknown(name, unit, reason) for name, unit in NAMES.items()}
