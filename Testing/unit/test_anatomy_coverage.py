"""A level that nobody outlined is not the same as a level outside the image."""

from __future__ import annotations

import numpy as np

from spinemet.anatomy import LevelHint, SpineLine
from spinemet.anatomy.coverage import unoutlined_levels
from spinemet.image import Grid
from spinemet.levels import Level


def grid(bottom: float, top: float) -> Grid:
    matrix = np.eye(4)
    matrix[:3, 3] = (-50, -50, bottom)
    return Grid((int(top - bottom), 100, 100), matrix)


def line(centers: dict[Level, float], **cut: tuple[str, ...]) -> SpineLine:
    """A straight spine: heights of the centers in mm, and the image edges that cut a level."""
    hints = {level: LevelHint(cut=cut.get(level.value, ())) for level in centers}
    return SpineLine(hints, {level: (0.0, 0.0, height) for level, height in centers.items()})


CENTERS = line({Level.L1: 120.0, Level.L2: 90.0, Level.L4: 30.0})


def test_a_gap_between_outlined_levels_is_in_the_image():
    assert unoutlined_levels(CENTERS, grid(15, 140))[Level.L3] is True


def test_levels_beyond_the_edges_are_not_imaged():
    inside = unoutlined_levels(CENTERS, grid(15, 140))
    assert not any(inside[level] for level in Level.ordinary() if level < Level.L1 or level > Level.L4)


def test_levels_that_fit_into_the_rest_of_the_image_may_be_seen():
    inside = unoutlined_levels(CENTERS, grid(-40, 200))
    assert [level for level in inside if inside[level]] == [Level.T11, Level.T12, Level.L3, Level.L5]


def test_nothing_outlined_says_nothing_about_what_is_imaged():
    assert all(unoutlined_levels(line({}), grid(0, 100)).values())
    assert len(unoutlined_levels(line({}), grid(0, 100))) == 29


def test_one_outlined_level_is_enough_to_tell_far_levels_apart():
    inside = unoutlined_levels(line({Level.L1: 60.0}), grid(20, 110))
    assert inside[Level.T12] and inside[Level.L2]
    assert not inside[Level.T5] and not inside[Level.L5]


def test_nothing_is_beyond_a_vertebra_that_the_edge_cuts():
    cut = line({Level.T12: 62.0, Level.T11: 60.0}, T11=("superior image edge",), T12=("inferior image edge",))
    assert not any(unoutlined_levels(cut, grid(20, 110)).values())
