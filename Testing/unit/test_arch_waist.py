"""The thinnest place of the bridge beside the canal, against bridges of known place and direction."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.anatomy.arch.ring import ArchRing
from spinemet.anatomy.arch.waist import find_waist
from spinemet.anatomy.sampling import LocalSamples
from spinemet.errors import NotMeasurable

RING = ArchRing(middle=0.0, half_width=12.0, front=0.0, back=-16.0)
HEIGHTS = (-12.0, 12.0)


def sampled(waist_deg: float, *, thin: float = 4.0, bridged: bool = True) -> LocalSamples:
    """A wall round the canal that is 10 mm thick and 16 mm high, and `thin` where it is thinnest."""
    axis = np.arange(-45.0, 46.0)
    right, anterior, up = np.meshgrid(axis, axis, np.arange(-20.0, 21.0), indexing="ij")
    angle = np.degrees(np.arctan2(anterior + 8.0, np.abs(right)))
    away = np.clip(np.abs(angle - waist_deg) / 25.0, 0.0, 1.0)
    radius = np.hypot(right, anterior + 8.0)
    inside = (radius > 12.0) & (radius < 12.0 + thin + (10.0 - thin) * away**2) & (np.abs(up) < 6.0 + 4.0 * away**2)
    if not bridged:
        inside &= np.abs(angle - waist_deg) > 8.0
    return LocalSamples(inside.astype(np.float32), np.array([-45.0, -45.0, -20.0]), np.ones(3))


@pytest.mark.parametrize("angle", [-5.0, 10.0, 25.0, 35.0])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_waist_is_found_where_the_wall_is_thinnest(angle, sign):
    waist = find_waist(sampled(angle), RING, sign, HEIGHTS)
    assert abs(np.degrees(waist.turn) - angle) <= 6.0
    assert sign * waist.center[0] > 0
    assert abs(waist.center[2]) <= 0.75


def test_both_sides_are_alike():
    left, right = (find_waist(sampled(15.0), RING, sign, HEIGHTS) for sign in (-1, 1))
    assert left.turn == pytest.approx(right.turn, abs=1e-6)
    assert left.center * (-1, 1, 1) == pytest.approx(right.center, abs=1e-6)


def test_a_bridge_that_is_gone_is_not_found():
    with pytest.raises(NotMeasurable, match=r"no narrowest|nothing joins"):
        find_waist(sampled(10.0, bridged=False), RING, 1, HEIGHTS)


def test_an_even_wall_has_no_waist():
    with pytest.raises(NotMeasurable, match="no narrowest"):
        find_waist(sampled(10.0, thin=10.0), RING, 1, (-5.0, 5.0))


def test_nothing_at_all_is_not_a_bridge():
    empty = sampled(10.0)
    with pytest.raises(NotMeasurable):
        find_waist(LocalSamples(empty.values * 0, empty.lower, empty.step), RING, 1, HEIGHTS)
