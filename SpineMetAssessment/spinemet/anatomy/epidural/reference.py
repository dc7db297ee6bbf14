"""What a cut would be without tumor: interpolated between the nearest cuts that no tumor reaches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.epidural.cuts import Cuts
from spinemet.anatomy.epidural.profile import Profile

Array = NDArray[np.float64]

FARTHEST_MM = 60.0
"""A reference farther from a cut than this tells nothing about it. Ours: about two levels."""

AVERAGED_MM = 4.0
"""References are means over this length, so that one outline's step does not decide. Ours."""

CLEAR_MM = 2.0
"""This far from the tumor's last cut a cut counts as untouched. Ours."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Values per cut as they would be without tumor; NaN where no untouched cut is near.

    :param sides: per cut, from how many sides (head, tail) a reference comes: 0, 1 or 2.
    :param untouched: cuts that served as references.
    """

    sides: NDArray[np.int_]
    untouched: NDArray[np.bool_]
    canal_area: Array
    sac_area: Array
    cord_area: Array
    fluid_area: Array
    cord_ap: Array
    cord_reach: Array
    cord_center: Array
    sac_reach: Array
    canal_ap: Array
    open_depth: Array


def references(cuts: Cuts, profile: Profile) -> Reference:
    """References of every cut, each interpolated by distance between the nearest untouched cuts above and below."""
    touched = (cuts.masks["tumor"] & cuts.masks["canal"]).any(axis=(1, 2))
    reach = max(1, round(CLEAR_MM / cuts.spacing))
    near = ndimage.binary_dilation(touched, iterations=reach)
    untouched = ~near & profile.complete & (profile.sac_area > 0)
    below, above = _nearest(untouched)
    sides = np.zeros(len(cuts.s), int)
    pairs = []
    for found in (above, below):
        usable = (found >= 0) & (np.abs(cuts.s[found] - cuts.s) <= FARTHEST_MM)
        sides += usable
        pairs.append((found, usable))
    (a, has_a), (b, has_b) = pairs
    away_a, away_b = np.abs(cuts.s - cuts.s[a]), np.abs(cuts.s[b] - cuts.s)
    total = np.where(away_a + away_b > 0, away_a + away_b, 1.0)
    weight_b = np.where(has_a & has_b, np.where(away_a + away_b > 0, away_a / total, 0.5), has_b.astype(float))
    weight_a = np.where(has_a & has_b, 1 - weight_b, has_a.astype(float))

    def interpolated(values: Array) -> Array:
        smooth = _averaged(values, untouched, cuts)
        shape = (-1,) + (1,) * (values.ndim - 1)
        left = np.where(weight_a.reshape(shape) > 0, smooth[a] * weight_a.reshape(shape), 0.0)
        right = np.where(weight_b.reshape(shape) > 0, smooth[b] * weight_b.reshape(shape), 0.0)
        return np.where((sides > 0).reshape(shape), left + right, np.nan)

    names = (
        "canal_area", "sac_area", "cord_area", "fluid_area", "cord_ap", "cord_reach", "cord_center", "sac_reach",
        "canal_ap", "open_depth",
    )  # fmt: skip
    return Reference(sides, untouched, **{name: interpolated(getattr(profile, name)) for name in names})


def _nearest(untouched: NDArray[np.bool_]) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Index of the nearest untouched cut at or after, and at or before, every cut; -1 where there is none."""
    index = np.arange(len(untouched))
    before = np.maximum.accumulate(np.where(untouched, index, -1))
    after = np.minimum.accumulate(np.where(untouched, index, len(untouched))[::-1])[::-1]
    return np.where(after < len(untouched), after, -1), before


def _averaged(values: Array, untouched: NDArray[np.bool_], cuts: Cuts) -> Array:
    """Mean over the untouched cuts within `AVERAGED_MM` of each cut."""
    width = max(1, round(AVERAGED_MM / cuts.spacing)) | 1
    shape = (-1,) + (1,) * (values.ndim - 1)
    usable = untouched.reshape(shape) & np.isfinite(values)
    total = ndimage.uniform_filter1d(np.where(usable, values, 0.0), width, axis=0, mode="constant")
    share = ndimage.uniform_filter1d(usable.astype(float), width, axis=0, mode="constant")
    return np.where(share > 1e-6, total / np.maximum(share, 1e-6), np.nan)
