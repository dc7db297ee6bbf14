"""What tumor takes away against the reference: the cord's depth, the sac's room, the canal's free depth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.epidural.cuts import Cuts
from spinemet.anatomy.epidural.profile import ANGLES, Profile
from spinemet.anatomy.epidural.reference import Reference

Array = NDArray[np.float64]

STEADY_MM = 1.5
"""A measure is the median over this much canal on either side of the worst cut, and over three cuts at least. Ours."""


def steady(values: Array, cut: int, cuts: Cuts) -> float:
    """Median over the cuts within `STEADY_MM` of a cut, at least its two neighbors: one outline's step is no finding.

    A cut beside the tumor's end counts as it is: the median then keeps what lasts.
    """
    reach = max(1, round(STEADY_MM / cuts.spacing))
    near = values[max(0, cut - reach) : cut + reach + 1]
    known = near[~np.isnan(near)]
    return float(np.median(known)) if len(known) and not np.isnan(values[cut]) else float("nan")


def cord_losses(cuts: Cuts, profile: Profile, reference: Reference) -> tuple[Array, Array]:
    """Per cut, the cord's greatest loss against its reference as a share (0 to 1), and as a length in mm.

    Depth from back to front, extent toward the tumor, and area are compared; a lost area counts as a length over
    the cord's extent across the tumor's direction.
    """
    toward = np.where(np.isfinite(profile.toward), profile.toward, (0.0, 1.0))
    turn = np.degrees(np.arctan2(toward[:, 1], toward[:, 0])) % 360.0
    angle = np.rint(turn / (360.0 / ANGLES)).astype(int) % ANGLES
    row = np.arange(len(cuts.s))
    across = profile.cord_reach[row, (angle + ANGLES // 4) % ANGLES]
    depth, depth_mm = _loss(profile.cord_ap, reference.cord_ap)
    along, along_mm = _loss(profile.cord_reach[row, angle], reference.cord_reach[row, angle])
    area, area_mm2 = _loss(profile.cord_area, reference.cord_area)
    shares = np.maximum(np.maximum(depth, along), area)
    lengths = np.maximum(np.where(depth >= along, depth_mm, along_mm), area_mm2 / np.maximum(across, 1.0))
    known = np.isfinite(profile.cord_ap) & np.isfinite(reference.cord_ap)
    return np.where(known, shares, np.nan), np.where(known, lengths, np.nan)


def _loss(value: Array, usual: Array) -> tuple[Array, Array]:
    """What is lost of the usual values, as shares and in their own unit; 0 where there is nothing usual."""
    there = usual > 0
    lost = np.where(there, usual - value, 0.0)
    return lost / np.where(there, usual, 1.0), lost


def sac_indentation(cut: int, cuts: Cuts, profile: Profile, reference: Reference) -> float:
    """How far the sac's edge gave way to tumor, against the expected sac, mm; 0 without tumor.

    The greater of two: how much nearer the edge lies to the canal's middle, on rays that meet tumor within 45° of its
    middle; and how far the whole sac draws back from that side, which also holds when tumor crosses the middle.
    """
    mask, toward = cuts.masks["epidural"][cut], profile.toward[cut]
    if not mask.any():
        return 0.0
    reach = max(1, round(STEADY_MM / cuts.spacing))
    near = slice(max(0, cut - reach), cut + reach + 1)
    usual, found = (np.median(item.sac_reach[near], axis=0) for item in (reference, profile))
    if not np.isfinite(usual).all():
        return float("nan")
    turns = np.linspace(0.0, 2 * np.pi, ANGLES, endpoint=False)
    facing = np.cos(turns) * toward[0] + np.sin(turns) * toward[1]
    drawn_back = float((usual * facing).max() - (found * facing).max())
    rows, columns = np.nonzero(mask)
    middle = profile.canal_center[cut]
    met = np.degrees(np.arctan2(cuts.v[rows] - middle[1], cuts.u[columns] - middle[0])) % 360.0
    meets = np.isin(np.arange(ANGLES), np.rint(met / (360.0 / ANGLES)).astype(int) % ANGLES)
    # Over 15 degrees, so that one step of the outline is no dent.
    given = ndimage.uniform_filter1d(usual - found, 3, mode="wrap")
    # Along the tumor's way: a ray that leaves it obliquely would find more than tumor pushes.
    dents = (given * facing)[meets & (facing >= np.sqrt(0.5)) & (found > 0)]
    return float(max(drawn_back, dents.max(initial=0.0)))


def canal_compromise(cut: int, profile: Profile, reference: Reference) -> float:
    """1 − 2 C₀/(C₁ + C₂) of the canal's free depth; the reference is the interpolation between C₁ and C₂."""
    usual = reference.open_depth[cut]
    return 100 * max(0.0, 1 - profile.open_depth[cut] / usual) if usual > 0 else float("nan")
