"""Angles, slips and rotation between solids of known pose, and against the truth of synthetic patients."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from anatomy_solids import Solid, turned
from spinemet import phantom
from spinemet.anatomy import Spine, measure_spine
from spinemet.anatomy.alignment.angles import landmarks, posture_of
from spinemet.anatomy.alignment.cobb import coronal_cobb
from spinemet.anatomy.alignment.listhesis import listhesis, meyerding
from spinemet.anatomy.alignment.whole import Alignment, measure_alignment, rotation, segmental_kyphosis, wedge
from spinemet.case import Role
from spinemet.levels import Level
from spinemet.phantom import ListhesisSpec, PatientSpec
from stacked_solids import Placed, label_map

GAP_MM = 36.0
FLAT = Solid()
"""Flat plates: where a hollow has its middle is a convention, and no part of these tests."""
OBLIQUE = turned(pitch=14.0, roll=9.0, yaw=5.0)


def pair(upper: Placed, lower: Placed, **grid) -> Spine:
    return measure_spine(label_map([upper, lower], **grid))


def above(solid: Solid = FLAT, *, moved=(0.0, 0.0, 0.0), pose=None) -> Placed:
    return Placed(Level.L1, solid, tuple(np.add((0.0, 0.0, GAP_MM), moved)), np.eye(3) if pose is None else pose)


def below(solid: Solid = FLAT) -> Placed:
    return Placed(Level.L2, solid, (0.0, 0.0, 0.0))


@pytest.mark.parametrize("spacing", [0.8, 1.0])
@pytest.mark.parametrize(("pitch", "wedges"), [(0.0, (0.0, 0.0)), (-9.0, (4.0, 4.0)), (7.0, (-6.0, 3.0))])
def test_segmental_kyphosis_is_the_sum_of_tilt_and_half_wedges(spacing, pitch, wedges):
    """Turned by −pitch about the right axis the upper body leans forward; each outer plate adds half its wedge.

    On an oblique grid: plates that are parallel to the voxel layers are only known to a layer.
    """
    upper = above(replace(FLAT, wedge=wedges[0]), pose=turned(pitch=pitch))
    spine = pair(upper, below(replace(FLAT, wedge=wedges[1])), spacing=spacing, axes=OBLIQUE)
    angle = segmental_kyphosis(spine, Level.L1, Level.L2)
    assert angle.value == pytest.approx(-pitch - sum(wedges) / 2, abs=0.7)
    assert angle.position is not None and 0 < angle.position[2] < GAP_MM
    assert any("supine" in limit for limit in angle.limits)


def test_the_wedge_of_a_body_is_its_own_angle_with_kyphosis_positive():
    spine = pair(above(replace(FLAT, wedge=-12.0)), below(replace(FLAT, wedge=8.0)), axes=OBLIQUE)
    assert wedge(spine, Level.L1).value == pytest.approx(12.0, abs=0.7)
    assert wedge(spine, Level.L2).value == pytest.approx(-8.0, abs=0.7)


@pytest.mark.parametrize("slip", [-6.0, 0.0, 4.4, 12.0])
def test_a_slip_is_measured_along_the_disc_with_its_direction(slip):
    spine = pair(above(moved=(0.0, slip, 0.0)), below(), spacing=0.8, axes=OBLIQUE)
    result = listhesis(landmarks(spine), Level.L1, Level.L2)
    assert result.sagittal.value == pytest.approx(slip, abs=0.5)
    assert result.percent.value == pytest.approx(100 * abs(slip) / FLAT.depth, abs=2.0)
    assert result.direction == {-6.0: "retrolisthesis", 0.0: "", 4.4: "anterolisthesis", 12.0: "anterolisthesis"}[slip]
    assert ("II" in result.grade) == (slip == 12.0)


def test_a_lateral_slip_is_not_a_sagittal_one():
    result = listhesis(landmarks(pair(above(moved=(5.0, 0.0, 0.0)), below())), Level.L1, Level.L2)
    assert result.lateral.value == pytest.approx(5.0, abs=0.5)
    assert result.sagittal.value == pytest.approx(0.0, abs=0.5)
    assert result.direction == "lateral slip to the right"
    assert any("White–Panjabi" in limit for limit in result.lateral.limits)


def test_bodies_of_different_depth_that_stand_centered_have_no_slip():
    deep = replace(FLAT, depth=37.0)
    assert abs(listhesis(landmarks(pair(above(), below(deep))), Level.L1, Level.L2).sagittal.value) < 0.5


def test_rotation_is_positive_when_the_upper_front_turns_left():
    spine = pair(above(pose=turned(yaw=10.0)), below())
    assert rotation(spine, Level.L1, Level.L2).value == pytest.approx(10.0, abs=1.5)


@pytest.mark.parametrize("lean", [18.0, -18.0])
def test_a_coronal_curve_has_its_size_and_its_convex_side(lean):
    """A body that leans to the left over an upright one is the upper end of a curve that is convex to the right."""
    top = Placed(Level.L1, FLAT, (0.0, 0.0, 2 * GAP_MM), turned(roll=-lean / 2))
    middle = Placed(Level.L2, FLAT, (float(np.sign(lean)) * 4.0, 0.0, GAP_MM))
    bottom = Placed(Level.L3, FLAT, (0.0, 0.0, 0.0), turned(roll=lean / 2))
    curve = coronal_cobb(landmarks(measure_spine(label_map([top, middle, bottom]))))
    assert curve.angle.value == pytest.approx(abs(lean), abs=0.9)
    assert (curve.upper, curve.lower) == (Level.L1, Level.L3)
    assert curve.convex == ("right" if lean > 0 else "left")


@pytest.mark.parametrize("axes", [turned(pitch=25.0, roll=10.0), np.diag([-1.0, 1.0, -1.0]), np.eye(3)[[2, 0, 1]]])
def test_the_grid_of_the_image_does_not_change_angles_and_slips(axes):
    bodies = (above(replace(FLAT, wedge=-8.0), moved=(0.0, 4.0, 0.0), pose=turned(pitch=-6.0)), below())
    straight, turned_grid = pair(*bodies), pair(*bodies, axes=axes)
    first, second = (segmental_kyphosis(spine, Level.L1, Level.L2) for spine in (straight, turned_grid))
    assert first.value == pytest.approx(second.value, abs=0.7)
    slips = [listhesis(landmarks(spine), Level.L1, Level.L2).sagittal.value for spine in (straight, turned_grid)]
    assert slips[0] == pytest.approx(slips[1], abs=0.5)


def test_turning_the_patient_in_the_world_changes_nothing_that_belongs_to_the_spine():
    turn = turned(pitch=12.0, roll=15.0, yaw=-20.0)
    bodies = [above(replace(FLAT, wedge=-8.0), moved=(0.0, 4.0, 0.0)), below()]
    moved = [replace(item, center=tuple(turn @ item.center), pose=turn @ item.pose) for item in bodies]
    straight, lying = (measure_alignment(measure_spine(label_map(items))) for items in (bodies, moved))
    key = (Level.L1, Level.L2)
    assert straight.kyphosis[key].value == pytest.approx(lying.kyphosis[key].value, abs=0.7)
    assert straight.slips[key].sagittal.value == pytest.approx(lying.slips[key].sagittal.value, abs=0.5)
    assert straight.coronal.angle.value == pytest.approx(lying.coronal.angle.value, abs=0.9)


@pytest.mark.parametrize(
    ("percent", "grade"),
    [(0.1, "I"), (25.0, "I"), (25.1, "II"), (50.0, "II"), (75.0, "III"), (100.0, "IV"), (100.1, "V")],
)
def test_meyerding_grades_by_quarters(percent, grade):
    assert meyerding(percent) == grade


def test_what_is_missing_is_unknown_with_a_reason():
    result = measure_alignment(pair(above(), below()))
    thoracic, lumbar = result.regions
    assert thoracic.value is None and "T1 is not outlined" in thoracic.reason
    assert lumbar.value is None and "S1 is not outlined" in lumbar.reason
    assert all(not item.known and "S1 is not outlined" in item.reason for item in result.pelvis.measurements)


def test_a_destroyed_or_tiny_vertebra_gives_unknowns_and_no_crash():
    labels = label_map([above(), below()])
    array = labels.image.array.copy()
    array[array == 1] = 0
    array[-8:-6, 30:32, 30:32] = 1
    result = measure_alignment(measure_spine(replace(labels, image=labels.image.with_array(array))))
    key = (Level.L1, Level.L2)
    assert result.kyphosis[key].reason and result.slips[key].sagittal.reason and result.rotations[key].reason
    assert result.coronal.angle.value is None or result.coronal.upper is Level.L2


@pytest.mark.parametrize(
    ("code", "words"), [("HFS", "supine"), ("FFP", "prone"), ("HFDR", "lying on the right side"), ("", "lying")]
)
def test_the_posture_is_said_in_words(code, words):
    assert posture_of(code) == words


# Synthetic patients

SAMPLE, ALL = ((2, 0.8),), tuple((seed, spacing) for seed in range(1, 21) for spacing in (0.8, 1.0))
WHOLE = pytest.mark.parametrize("cases", [SAMPLE, pytest.param(ALL, marks=pytest.mark.bars)], ids=["sample", "whole"])


@cache
def patient(seed: int, spacing: float = 0.8) -> tuple[dict, Alignment]:
    """Truth and measured alignment of the patient of a seed."""
    size = round(256 * 0.8 / spacing)
    spec = replace(
        phantom.random_spec(seed),
        modalities=(Role.CT,),
        ct_size=(size, size),
        ct_spacing=(spacing, spacing, max(spacing, 1.0)),
    )
    return aligned(spec)


def aligned(spec: PatientSpec) -> tuple[dict, Alignment]:
    created = phantom.create(spec)
    return created.truth, measure_alignment(measure_spine(created.vertebrae))


def describe(name: str, errors: list[float]) -> str:
    size = np.abs(errors)
    return (
        f"{name}: n={size.size} bias={np.mean(errors):+.2f} MAE={size.mean():.2f} "
        f"p95={np.percentile(size, 95):.2f} max={size.max():.2f}"
    )


def angle_errors(truth: dict, result: Alignment) -> list[tuple[float, float]]:
    """(measured minus true, ±) of every pair of neighbors above the sacrum."""
    rows = []
    for (upper, lower), angle in result.kyphosis.items():
        if lower is not Level.S1:
            assert angle.value is not None and angle.uncertainty is not None, (upper, lower, angle.reason)
            rows.append((angle.value - truth["angles"]["segmental_kyphosis"][f"{upper}/{lower}"], angle.uncertainty))
    return rows


def slip_errors(truth: dict, result: Alignment) -> list[tuple[float, float]]:
    rows = []
    for (upper, _), slip in result.slips.items():
        assert slip.sagittal.value is not None and slip.sagittal.uncertainty is not None
        true = truth["listhesis"].get(str(upper), {}).get("slip_mm", 0.0)
        rows.append((slip.sagittal.value - true, slip.sagittal.uncertainty))
    return rows


@WHOLE
def test_segmental_angles_of_synthetic_patients(cases):
    rows = [row for case in cases for row in angle_errors(*patient(*case))]
    print(text := describe("segmental angle, degrees", [error for error, _ in rows]))
    assert np.mean([abs(error) for error, _ in rows]) <= 0.35, text
    assert np.percentile([abs(error) for error, _ in rows], 95) <= 0.9, text
    assert np.mean([abs(error) <= margin for error, margin in rows]) >= 0.9


@WHOLE
def test_slips_of_synthetic_patients(cases):
    rows = [row for case in cases for row in slip_errors(*patient(*case))]
    print(text := describe("listhesis, mm", [error for error, _ in rows]))
    assert np.mean([abs(error) for error, _ in rows]) <= 0.25, text
    assert np.percentile([abs(error) for error, _ in rows], 95) <= 0.5, text
    assert np.mean([abs(error) <= margin for error, margin in rows]) >= 0.9


@WHOLE
def test_lordosis_and_sacral_slope_of_synthetic_patients(cases):
    errors = []
    for case in cases:
        truth, result = patient(*case)
        lordosis, slope = result.regions[1], result.pelvis.slope
        assert lordosis.value is not None and slope.value is not None
        errors.append(-lordosis.value - truth["angles"]["lordosis_L1_S1"])
        errors.append(slope.value - truth["angles"]["sacral_slope_supine"])
        assert "supine" in slope.name
    print(text := describe("lordosis and sacral slope, degrees", errors))
    assert max(abs(error) for error in errors) <= 1.2, text
    assert np.mean(np.abs(errors)) <= 0.5, text


@pytest.mark.parametrize("slip", [pytest.param(7.0, marks=pytest.mark.bars), 12.0])
def test_a_planted_slip_at_the_sacrum_and_a_scoliosis_are_found_together(slip):
    spec = PatientSpec(seed=4, modalities=(Role.CT,), scoliosis_deg=35.0, listhesis=(ListhesisSpec(Level.L5, slip),))
    truth, result = aligned(spec)
    assert result.slips[Level.L5, Level.S1].sagittal.value == pytest.approx(slip, abs=0.7)
    cobb = truth["angles"]["coronal_cobb"]
    assert result.coronal.angle.value == pytest.approx(cobb["angle"], abs=1.5)
    assert (str(result.coronal.upper), str(result.coronal.lower)) == (cobb["upper"], cobb["lower"])
    assert result.coronal.convex == "right"
