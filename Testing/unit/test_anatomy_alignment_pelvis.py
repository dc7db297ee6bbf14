"""Pelvic parameters from plates and hips of known place, and White and Panjabi's limits."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.anatomy import Spine
from spinemet.anatomy.alignment.angles import Landmarks, Plates
from spinemet.anatomy.alignment.pelvis import pelvis
from spinemet.anatomy.alignment.white_panjabi import motion_limit, motion_note, translation_limit, translation_note
from spinemet.anatomy.endplate import Endplate as Plate
from spinemet.evidence import Measurement
from spinemet.levels import Level

RIGHT = np.array([1.0, 0.0, 0.0])


def sacrum(slope: float) -> Landmarks:
    """S1 at the origin, its endplate tipped forward by `slope` degrees."""
    angle = np.deg2rad(slope)
    normal = (0.0, float(np.sin(angle)), float(np.cos(angle)))
    front = np.array([0.0, np.cos(angle), -np.sin(angle)]) * 16
    plate = Plate((0.0, 0.0, 0.0), normal, tuple(front.tolist()), tuple((-front).tolist()), 0.5, 0.5, 0.4)
    return Landmarks({Level.S1: Plates(plate, None)}, {Level.S1: RIGHT})


def hips(tilt: float, distance: float = 80.0) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Femoral heads whose middle lies `tilt` degrees in front of the vertical below S1."""
    angle = np.deg2rad(tilt)
    y, z = float(distance * np.sin(angle)), float(-distance * np.cos(angle))
    return (-85.0, y, z), (85.0, y, z)


@pytest.mark.parametrize(("slope", "tilt"), [(38.0, 12.0), (25.0, -4.0), (50.0, 30.0)])
def test_incidence_is_tilt_plus_slope(slope, tilt):
    result = pelvis(sacrum(slope), Spine({}), hips=hips(tilt))
    assert result.slope.value == pytest.approx(slope, abs=1e-6)
    assert result.tilt.value == pytest.approx(tilt, abs=1e-6)
    assert result.incidence.value == pytest.approx(slope + tilt, abs=1e-6)


def test_the_order_of_the_hips_does_not_matter():
    left, right = hips(10.0)
    one, other = (
        pelvis(sacrum(40.0), Spine({}), hips=pair).incidence.value for pair in ((left, right), (right, left))
    )
    assert one == pytest.approx(other)


def test_only_incidence_is_free_of_the_posture():
    result = pelvis(sacrum(38.0), Spine({}), hips=hips(12.0), posture="prone")
    assert "prone" in result.slope.name and "prone" in result.tilt.name and "prone" in result.axis.name
    assert result.slope.limits and result.tilt.limits
    assert "prone" not in result.incidence.name and not result.incidence.limits


def test_without_hips_there_is_no_incidence_and_no_tilt():
    result = pelvis(sacrum(38.0), Spine({}))
    assert result.slope.known
    assert "femoral heads" in result.incidence.reason and "femoral heads" in result.tilt.reason
    assert "C7" in result.axis.reason


@pytest.mark.parametrize(
    ("below", "limit"), [(Level.C5, 3.5), (Level.T1, 3.5), (Level.T6, None), (Level.L3, 4.5), (Level.S1, 4.5)]
)
def test_translation_limits(below, limit):
    assert translation_limit(below) == limit


@pytest.mark.parametrize(
    ("above", "below", "limit"),
    [
        (Level.L1, Level.L2, 15.0),
        (Level.L3, Level.L4, 15.0),
        (Level.L4, Level.L5, 20.0),
        (Level.L5, Level.S1, 25.0),
        (Level.T12, Level.L1, None),
    ],
)
def test_motion_limits_between_flexion_and_extension(above, below, limit):
    assert motion_limit(above, below) == limit


def test_beyond_a_limit_is_said_and_doubt_with_it():
    def slip(value: float, margin: float) -> Measurement:
        return Measurement("slip", value, "mm", "", uncertainty=margin)

    assert translation_note(slip(4.4, 0.3), Level.L5) == ""
    assert "within the ±" in translation_note(slip(-4.7, 0.3), Level.L5)
    assert "within the ±" not in translation_note(slip(7.0, 0.3), Level.L5)
    flexion, extension = (Measurement("angle", value, "deg", "") for value in (4.0, -18.0))
    assert "moves by 22°" in motion_note(Level.L4, Level.L5, flexion, extension)
    assert motion_note(Level.L5, Level.S1, flexion, extension) == ""
