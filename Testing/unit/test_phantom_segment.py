"""The segment with epidural tumor is what its spec says, checked against closed formulas and Bilsky's definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from spinemet.case import Role, Structure
from spinemet.errors import BadInput
from spinemet.levels import Level
from spinemet.phantom import ForamenSpec, SegmentSpec, create_segment
from spinemet.phantom.segment_spec import DIRECTIONS, GRADES
from spinemet.phantom.segment_tube import Axis, Tube

DIRECTED = [name for name in DIRECTIONS if name != "circumferential"]


def truth(**asked):
    return create_segment(SegmentSpec(modalities=(), **asked)).truth


def test_an_untouched_cut_has_the_areas_of_its_ellipses():
    spec = SegmentSpec(level=Level.T8, room_mm=1.0)
    reference = create_segment(spec).truth["reference"]
    canal_u, canal_v = (17.5 + 1.0) / 2, (15.8 + 1.0) / 2
    assert reference["sac_area"] == pytest.approx(np.pi * (canal_u - 2.3) * (canal_v - 2.3), rel=0.01)
    assert reference["cord_area"] == pytest.approx(np.pi * 8.8 * 6.4 / 4, rel=0.01)
    assert reference["cord_ap"] == pytest.approx(6.4, abs=0.2)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("grade", GRADES)
def test_the_worst_cut_is_what_bilsky_calls_the_grade(direction, grade):
    found = truth(level=Level.T10, grade=grade, direction=direction)
    worst = found["worst"]
    assert (worst["presser_area"] > 0) == (grade != "0")
    assert (worst["indentation"] > 1.0) == (grade not in ("0", "1a"))
    assert (worst["gap"] < 0.25) == (grade in ("1c", "2", "3"))
    assert (found["cord_loss"] > 0.2) == (grade in ("2", "3"))
    assert (found["fluid_left"] < 0.08) == (grade == "3")


def test_the_axis_is_an_arc_and_its_inverse():
    axis = Axis.of(SegmentSpec(curvature_deg=30.0))
    rng = np.random.default_rng(1)
    points = rng.uniform(-40, 40, (3, 50))
    back = axis.coordinates(*axis.position(*points))
    assert np.allclose(back, points, atol=1e-9)
    # 100 mm along the arc turn the cut by the curvature.
    ends = [np.array(axis.position(np.array(s), np.array(0.0), np.array(1.0))) for s in (0.0, 100.0)]
    starts = [np.array(axis.position(np.array(s), np.array(0.0), np.array(0.0))) for s in (0.0, 100.0)]
    forward = [end - start for end, start in zip(ends, starts, strict=True)]
    assert np.degrees(np.arccos(forward[0] @ forward[1])) == pytest.approx(30.0, abs=1e-6)


@pytest.mark.parametrize("plane", ["axial", "sagittal"])
def test_masks_have_the_volumes_of_the_profile(plane):
    spec = SegmentSpec(level=Level.C5, grade="2", spacing=(0.5, 1.0), plane=plane, tilt_deg=(8, 5, 3))
    segment = create_segment(spec)
    profile = segment.truth["profile"]
    s = np.array(profile["s_mm"])
    volume = (
        np.trapezoid(np.array(profile["cord_area"]), s)
        if hasattr(np, "trapezoid")
        else np.trapz(np.array(profile["cord_area"]), s)
    )
    grid = segment.structures.image.grid
    cord = np.argwhere(segment.structures.image.array == 3)[:, ::-1]
    own = np.linalg.inv(segment.own_to_ras)
    points = grid.to_world(cord) @ own[:3, :3].T + own[:3, 3]
    along = Axis.of(spec).coordinates(*points.T)[0]
    inside = np.abs(along) <= s[-1]
    assert inside.sum() * grid.voxel_volume == pytest.approx(volume, rel=0.03)


def test_nothing_overlaps_and_the_tumor_is_one_piece():
    segment = create_segment(SegmentSpec(level=Level.T4, grade="2", direction="left"))
    tumor = segment.lesions.image.array > 0
    structures = segment.structures.image.array
    assert not (tumor & (structures >= 2)).any()
    assert ndimage.label(tumor)[1] == 1
    assert (tumor & (structures == 1)).any()
    assert segment.vertebrae.levels.keys() == {Level.T3, Level.T4, Level.T5}
    assert segment.structures.values(Structure.CORD) == [3]


def test_left_is_the_patients_left():
    segment = create_segment(SegmentSpec(level=Level.T8, grade="1c", direction="left", tilt_deg=(0, 0, 25)))
    grid = segment.lesions.image.grid
    tumor = grid.to_world(np.argwhere(segment.lesions.image.array > 0)[:, ::-1]).mean(axis=0)
    cord = grid.to_world(np.argwhere(segment.structures.image.array == 3)[:, ::-1]).mean(axis=0)
    assert tumor[0] < cord[0] - 3


def test_fluid_is_bright_and_the_cord_dark_on_t2_and_the_other_way_on_t1():
    spec = SegmentSpec(level=Level.T8, grade="0", modalities=(Role.T2, Role.T1), spacing=(0.7, 2.0))
    segment = create_segment(spec)
    structures = segment.structures.image.array
    t2, t1 = segment.images[Role.T2].array, segment.images[Role.T1].array
    fluid = ndimage.binary_erosion(structures == 2)
    cord = ndimage.binary_erosion(structures == 3)
    assert t2[fluid].mean() > 2 * t2[cord].mean()
    assert t1[cord].mean() > 2 * t1[fluid].mean()


@pytest.mark.parametrize("mimic", ["retropulsed bone", "disc", "lipomatosis"])
def test_a_mimic_is_no_tumor(mimic):
    segment = create_segment(SegmentSpec(grade="1c", mimic=mimic))
    assert segment.truth["grade"] == "0"
    assert not segment.lesions.image.array.any()
    assert segment.mimic.array.any()


@pytest.mark.parametrize("wrong", [
    {"level": Level.L3, "grade": "2"}, {"grade": "4"}, {"direction": "up"}, {"mimic": "cat"},
    {"level": Level.C1}, {"plane": "coronal"},
])  # fmt: skip
def test_what_cannot_be_built_is_refused(wrong):
    with pytest.raises(BadInput):
        SegmentSpec(**wrong)


def test_a_segment_repeats():
    one, two = (create_segment(SegmentSpec(seed=4)) for _ in range(2))
    assert np.array_equal(one.images[Role.T2].array, two.images[Role.T2].array)
    assert Tube(SegmentSpec()).thickness > 0


def test_roots_fat_and_tumor_share_a_foramen_without_overlap():
    segment = create_segment(SegmentSpec(grade="0", foramen=ForamenSpec("left", 2), modalities=(), spacing=(0.7, 1.5)))
    roots, fat = segment.roots.array, segment.foraminal_fat.array
    tumor, bone = segment.lesions.image.array > 0, segment.vertebrae.image.array > 0
    canal = segment.structures.image.array > 0
    for one, other in ((roots, fat), (roots, tumor), (roots, bone), (roots, canal), (fat, tumor), (fat, canal)):
        assert not (one & other).any()
    assert ndimage.label(roots)[1] == 2
    assert segment.truth["lee"] == {"side": "left", "grade": 2}
    assert create_segment(SegmentSpec(modalities=(), spacing=(0.8, 3.0))).roots is None


def test_a_deformed_root_is_half_as_deep():
    whole, flat = (
        create_segment(SegmentSpec(grade="0", foramen=ForamenSpec("left", lee), modalities=(), spacing=(0.5, 0.5)))
        for lee in (2, 3)
    )
    left = [_left_volume(item) for item in (whole, flat)]
    assert left[1] / left[0] == pytest.approx(0.5, abs=0.06)


def _left_volume(segment):
    grid = segment.roots.grid
    own = np.linalg.inv(segment.own_to_ras)
    points = grid.to_world(np.argwhere(segment.roots.array)[:, ::-1]) @ own[:3, :3].T + own[:3, 3]
    return np.count_nonzero(points[:, 0] < 0)


def test_ct_of_a_segment_has_hounsfield_units():
    segment = create_segment(SegmentSpec(grade="0", modalities=(Role.CT,), spacing=(0.8, 3.0)))
    ct, structures = segment.images[Role.CT].array, segment.structures.image.array
    fat = ndimage.binary_erosion(structures == 1)
    assert np.median(ct[fat]) == pytest.approx(-75, abs=15)
    assert ct[segment.vertebrae.image.array > 0].mean() > 150
