"""Angles and slips by hand: they stand in place of the computed ones, for both levels, and feed the candidates."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from anatomy_solids import Solid
from spinemet.anatomy import Spine, measure_spine
from spinemet.anatomy.alignment.deformity import alignment_candidates
from spinemet.anatomy.alignment.whole import measure_alignment
from spinemet.anatomy.by_hand import HAND_ERROR_DEG, HAND_ERROR_MM, KYPHOSIS, SLIP, with_hand_alignment
from spinemet.answers import Answers, HandMeasurement, LevelAnswers
from spinemet.errors import BadInput
from spinemet.grading import check_answers
from spinemet.levels import Level
from stacked_solids import Placed, label_map

LEVELS = (Level.T11, Level.T12, Level.L1, Level.L2, Level.L3)
PAIR = (Level.L1, Level.L2)
PITCH_MM = 36.0


@cache
def straight() -> Spine:
    """Five flat bodies straight above each other: no slip, no angle."""
    return measure_spine(
        label_map([Placed(level, Solid(), (0.0, 0.0, -PITCH_MM * n), np.eye(3)) for n, level in enumerate(LEVELS)])
    )


def by_hand(**measured: float):
    names = {"kyphosis": (KYPHOSIS, "deg"), "slip": (SLIP, "mm")}
    hands = {names[key][0]: HandMeasurement(value, names[key][1], reader="AB") for key, value in measured.items()}
    return with_hand_alignment(measure_alignment(straight()), straight(), {Level.L1: hands})


def test_nothing_by_hand_changes_nothing():
    alignment = measure_alignment(straight())
    assert (
        with_hand_alignment(alignment, straight(), {Level.L1: {"anterior height": HandMeasurement(9.0)}}) is alignment
    )


@pytest.mark.parametrize("value", [14.0, -22.0])
def test_an_angle_by_hand_stands_with_its_sign_its_reader_and_its_error(value):
    angle = by_hand(kyphosis=value).kyphosis[PAIR]
    assert (angle.value, angle.uncertainty, angle.method) == (value, HAND_ERROR_DEG, "by hand (AB)")
    assert angle in by_hand(kyphosis=value).at(Level.L1)
    assert angle in by_hand(kyphosis=value).at(Level.L2)


def test_a_slip_by_hand_gives_its_share_direction_and_grade():
    depth = Solid().depth
    found = by_hand(slip=0.3 * depth).slips[PAIR]
    assert found.sagittal.uncertainty == HAND_ERROR_MM
    assert found.percent.value == pytest.approx(30.0, abs=2.0)
    assert (found.direction, found.grade) == ("anterolisthesis", "II")
    back = by_hand(slip=-5.0).slips[PAIR]
    assert (back.sagittal.value, back.direction, back.grade) == (-5.0, "retrolisthesis", "")


@pytest.mark.parametrize("level", PAIR)
@pytest.mark.parametrize("measured", [{"kyphosis": 25.0}, {"slip": -6.0}, {"slip": 6.0}])
def test_what_was_measured_by_hand_is_a_candidate_at_both_levels(level, measured):
    assert alignment_candidates(level, straight()) == ()
    (candidate,) = alignment_candidates(level, straight(), measured=by_hand(**measured))
    assert "L1" in candidate.name and "L2" in candidate.name


def test_a_slip_or_lordosis_may_be_below_zero_a_height_may_not():
    def answers(name: str, value: float) -> Answers:
        return Answers(levels={Level.L1: LevelAnswers(measurements={name: HandMeasurement(value)})})

    check_answers(answers(SLIP, -4.0))
    check_answers(answers(KYPHOSIS, -12.0))
    with pytest.raises(BadInput, match="above 0"):
        check_answers(answers("anterior height", -4.0))
    with pytest.raises(BadInput, match="a number"):
        check_answers(answers(SLIP, float("nan")))
