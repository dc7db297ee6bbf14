"""Measures on radiographs against closed forms, and against the synthetic spine seen through a simulated beam."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spinemet.anatomy.heights import Column
from spinemet.anatomy.radiographs.landmarks import BodyLandmarks
from spinemet.anatomy.radiographs.measures import (
    body_heights,
    cobb_angle,
    height_losses,
    listhesis,
    segmental_kyphosis,
)
from spinemet.anatomy.radiographs.motion import Segment, resting_angulation, segment_motion
from spinemet.drr import scale_at
from spinemet.levels import Level
from spinemet.phantom.model import Model, build
from spinemet.phantom.spec import CollapseSpec, ListhesisSpec, PatientSpec, PostureSpec
from spinemet.phantom.stack import fitted_plate
from spinemet.phantom.truth import heights as true_heights
from spinemet.projection import Projection, lateral
from spinemet.radiograph import Bending, PixelScale, Radiograph, SpacingSource, View

CALIBRATED = PixelScale(SpacingSource.CALIBRATED, (0.2, 0.2))
NO_SPACING = PixelScale(SpacingSource.NONE)
IMAGER = PixelScale(SpacingSource.IMAGER, (0.2, 0.2))
CONE = {"source_to_detector_mm": 1500.0, "source_to_center_mm": 1050.0, "spacing_mm": 0.5}


def film(scale=CALIBRATED, view=View.LATERAL, **changes) -> Radiograph:
    return Radiograph(np.zeros((2, 2), dtype=np.uint8), scale, view, **changes)


def body(level, center, *, tilt=0.0, depth=34.0, front=28.0, middle=27.0, back=28.0, step=(0.2, 0.2), mirror=False):
    """Six landmarks of a body in pixels; `center` and sizes in mm (front, head), tilt in degrees, front down."""
    a = np.radians(-tilt)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])

    def pixel(forward, up):
        x, y = turn @ (forward, up) + center
        # The front is at the picture's left unless mirrored; y counts downward.
        return ((500 + x if mirror else 500 - x) / step[1], (800 - y) / step[0])

    half = depth / 2
    return BodyLandmarks(
        level,
        (pixel(half, front / 2), pixel(-half, back / 2)),
        (pixel(half, -front / 2), pixel(-half, -back / 2)),
        pixel(0.0, middle / 2),
        pixel(0.0, -middle / 2),
    )


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("tilt", [0.0, 35.0, -80.0])
@pytest.mark.parametrize("step", [(0.2, 0.2), (0.15, 0.4)])
def test_heights_are_found_in_a_turned_body_on_any_pixels(tilt, step, mirror) -> None:
    wedge = body(Level.L1, (20.0, 30.0), tilt=tilt, front=20.0, middle=23.0, back=29.0, step=step, mirror=mirror)
    found = body_heights(film(PixelScale(SpacingSource.CALIBRATED, step)), wedge)
    truth = {Column.ANTERIOR: 20.0, Column.MIDDLE: 23.0, Column.POSTERIOR: 29.0}
    assert {column: item.value for column, item in found.items()} == pytest.approx(truth, rel=1e-9)
    assert all(item.unit == "mm" and item.uncertainty for item in found.values())


def test_four_landmarks_leave_the_middle_height_unknown() -> None:
    four = replace(body(Level.L1, (0, 0)), superior_middle=None)
    found = body_heights(film(), four)
    assert found[Column.ANTERIOR].known and not found[Column.MIDDLE].known
    assert "middles" in found[Column.MIDDLE].reason


@pytest.mark.parametrize("mirror", [False, True])
def test_kyphosis_is_positive_and_lordosis_negative_however_the_picture_hangs(mirror) -> None:
    upper = body(Level.T12, (0, 40), tilt=18.0, mirror=mirror)
    straight, lower = body(Level.L1, (0, 0), mirror=mirror), body(Level.L2, (0, -40), tilt=30.0, mirror=mirror)
    assert segmental_kyphosis(film(), upper, straight).value == pytest.approx(18.0)
    assert cobb_angle(film(), upper, lower).value == pytest.approx(-12.0)
    assert cobb_angle(film(), upper, lower).unit == "deg"


def test_a_wedged_body_adds_its_wedge_to_the_angle() -> None:
    wedge = body(Level.L1, (0, 0), front=20.0, back=28.0, depth=34.0)
    angle = 2 * np.degrees(np.arctan(4.0 / 34.0))
    below = body(Level.L2, (0, -40))
    assert cobb_angle(film(), wedge, below).value == pytest.approx(angle / 2)
    assert cobb_angle(film(), body(Level.T12, (0, 40)), wedge).value == pytest.approx(angle / 2)


def test_a_frontal_cobb_angle_has_no_sign_but_a_side() -> None:
    # In a frontal view the first end is the right one: a tilt lowers the right side.
    upper, lower = body(Level.T11, (0, 80), tilt=14.0), body(Level.L3, (0, -80), tilt=-11.0)
    left = cobb_angle(film(view=View.AP), upper, lower)
    assert left.value == pytest.approx(25.0) and "convex to the left" in left.name
    mirrored = [
        body(item.level, (0, y), tilt=t, mirror=True) for item, y, t in ((upper, 80, -14.0), (lower, -80, 11.0))
    ]
    right = cobb_angle(film(view=View.PA), *mirrored)
    assert right.value == pytest.approx(25.0) and "convex to the right" in right.name
    flat = cobb_angle(film(view=View.AP), body(Level.T11, (0, 80)), body(Level.L3, (0, -80)))
    assert "convex" not in flat.name


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("tilt", [0.0, 40.0])
@pytest.mark.parametrize(("slip", "direction"), [(6.0, "forward"), (-4.0, "backward"), (0.0, "none")])
def test_a_slip_is_measured_along_the_plate_below(slip, direction, tilt, mirror) -> None:
    a = np.radians(-tilt)
    shift = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) @ (slip, 36.0)
    upper, lower = body(Level.L4, shift, tilt=tilt, mirror=mirror), body(Level.L5, (0, 0), tilt=tilt, mirror=mirror)
    found = listhesis(film(), upper, lower)
    assert found.millimeters.value == pytest.approx(slip, abs=1e-9)
    assert found.percent.value == pytest.approx(100 * slip / 34.0, abs=1e-9)
    assert found.direction == direction


@pytest.mark.parametrize(("percent", "grade"), [
    (0.0, 0), (-30.0, 0), (24.0, 1), (25.0, 1), (26.0, 2), (50.0, 2), (51.0, 3), (75.0, 3), (100.0, 4), (101.0, 5),
])  # fmt: skip
def test_meyerding_grades_forward_slips_only(percent, grade) -> None:
    upper, lower = body(Level.L5, (0.34 * percent, 36.0)), body(Level.S1, (0, 0))
    found = listhesis(film(), upper, lower, sd_pixels=1e-6)
    assert found.meyerding == grade


def test_a_slip_near_a_grade_keeps_both_grades() -> None:
    found = listhesis(film(), body(Level.L5, (0.34 * 24.0, 36.0)), body(Level.S1, (0, 0)))
    assert found.meyerding == 1 and found.possible == (1, 2)


def test_without_spacing_lengths_are_refused_and_angles_and_ratios_are_the_same() -> None:
    upper, lower = body(Level.L4, (5, 36), tilt=7.0), body(Level.L5, (0, 0))
    bare = film(NO_SPACING)
    assert all(not item.known and "no pixel spacing" in item.reason for item in body_heights(bare, upper).values())
    slip = listhesis(bare, upper, lower)
    assert not slip.millimeters.known
    assert slip.percent.value == pytest.approx(listhesis(film(), upper, lower).percent.value)
    assert segmental_kyphosis(bare, upper, lower).value == pytest.approx(7.0)
    assert any("square" in limit for limit in slip.percent.limits)


def test_an_uncalibrated_detector_gives_heights_at_the_detector_and_no_slip_in_millimeters() -> None:
    upper, lower = body(Level.L4, (5, 36)), body(Level.L5, (0, 0))
    height = body_heights(film(IMAGER), upper)[Column.ANTERIOR]
    assert height.name == "anterior height at the detector" and "magnification" in height.limits[0]
    slip = listhesis(film(IMAGER), upper, lower)
    assert not slip.millimeters.known and "magnification" in slip.millimeters.reason
    assert slip.percent.known


def test_an_estimated_magnification_shortens_lengths_and_widens_their_error() -> None:
    scale = replace(IMAGER, magnification=1.25, magnification_error=0.05)
    item = body(Level.L4, (0, 0), front=30.0)
    height, exact = (body_heights(film(s), item)[Column.ANTERIOR] for s in (scale, IMAGER))
    assert height.name == "anterior height"
    assert height.value == pytest.approx(30.0 / 1.25)
    expected = np.hypot((exact.uncertainty or 0) / 1.25, 0.05 * 24.0)
    assert height.uncertainty == pytest.approx(expected)
    assert "1.25" in height.limits[0]


def test_a_wrong_view_is_refused_and_an_unknown_one_said() -> None:
    upper, lower = body(Level.L4, (5, 36)), body(Level.L5, (0, 0))
    assert "frontal" in body_heights(film(view=View.FRONTAL), upper)[Column.ANTERIOR].reason
    assert "AP" in listhesis(film(view=View.AP), upper, lower).percent.reason
    assert "oblique" in cobb_angle(film(view=View.OBLIQUE), upper, lower).reason
    assert any(
        "from which side" in limit for limit in segmental_kyphosis(film(view=View.UNKNOWN), upper, lower).limits
    )
    assert "does not lie above" in cobb_angle(film(), lower, upper).reason


def test_height_loss_needs_no_spacing_and_names_its_neighbors() -> None:
    bodies = [
        body(Level.T12, (0, 36), front=24.0),
        body(Level.L1, (0, 0), front=12.0),
        body(Level.L2, (0, -36), front=26.0),
    ]
    both = height_losses(film(NO_SPACING), Level.L1, bodies)
    assert both[Column.ANTERIOR].value == pytest.approx(52.0)
    assert both[Column.POSTERIOR].value == pytest.approx(0.0, abs=1e-9)
    one = height_losses(film(), Level.L1, bodies, unusable={Level.L2})[Column.ANTERIOR]
    assert one.value == pytest.approx(50.0) and "one neighbor only (T12)" in one.limits
    none = height_losses(film(), Level.L1, bodies, unusable={Level.L2, Level.T12})[Column.ANTERIOR]
    assert "no usable neighbor" in none.reason


def test_the_posterior_height_of_l5_has_no_neighbor() -> None:
    bodies = [body(level, (0, y)) for level, y in ((Level.L4, 36), (Level.L5, 0))]
    found = height_losses(film(), Level.L5, bodies)
    assert "wedge" in found[Column.POSTERIOR].reason and found[Column.ANTERIOR].known


@pytest.mark.parametrize("name", ["height", "loss", "kyphosis", "slip"])
def test_the_uncertainty_is_what_repeated_readings_scatter(name) -> None:
    rng = np.random.default_rng(1)
    bodies = [body(Level.L3, (1, 36), tilt=5, front=26), body(Level.L4, (4, 0), front=20), body(Level.L5, (0, -36))]
    sd = 2.5

    def shaken(item: BodyLandmarks) -> BodyLandmarks:
        def shake(pixel):
            return tuple(np.asarray(pixel) + rng.normal(0, sd, 2))

        pairs = {side: tuple(shake(pixel) for pixel in getattr(item, side)) for side in ("superior", "inferior")}
        return BodyLandmarks(item.level, **pairs)

    def measured(items):
        return {
            "height": lambda: body_heights(film(), items[1], sd_pixels=sd)[Column.ANTERIOR],
            "loss": lambda: height_losses(film(), Level.L4, items, sd_pixels=sd)[Column.ANTERIOR],
            "kyphosis": lambda: segmental_kyphosis(film(), items[0], items[1], sd_pixels=sd),
            "slip": lambda: listhesis(film(), items[1], items[2], sd_pixels=sd).millimeters,
        }[name]()

    said = measured(bodies).uncertainty
    values = [measured([shaken(item) for item in bodies]).value for _ in range(400)]
    assert said == pytest.approx(1.96 * np.std(values), rel=0.15)


def moving(slip: float, tilt: float, scale: PixelScale, size: float = 1.0, bending=Bending.UNKNOWN, levels=None):
    """A segment whose upper body stands `slip` mm forward and is tilted; everything `size` times magnified."""
    upper, lower = levels or (Level.L4, Level.L5)
    step = (0.2 / size, 0.2 / size)
    forward = slip - 17 * (1 - np.cos(np.radians(tilt)))
    return Segment(
        film(scale, bending=bending),
        body(upper, (forward, 36), tilt=tilt, step=step),
        body(lower, (0, 0), step=step),
    )


def rigid_slip(tilt: float) -> float:
    """Slip in mm that `moving` has from tilting alone: the lower back corner swings by half the body's height."""
    return float(-14 * np.sin(np.radians(tilt)))


def test_motion_is_independent_of_two_different_magnifications() -> None:
    flexion = moving(7.0, 14.0, NO_SPACING, size=1.3, bending=Bending.FLEXION)
    extension = moving(1.0, -8.0, NO_SPACING, size=1.1, bending=Bending.EXTENSION)
    found = segment_motion(flexion, extension)
    truth = 6.0 + rigid_slip(14.0) - rigid_slip(-8.0)
    assert found.rotation.value == pytest.approx(22.0)
    assert found.translation_percent.value == pytest.approx(100 * truth / 34.0)
    assert found.magnification_ratio.value == pytest.approx(1.3 / 1.1)
    assert any("18 % larger in flexion" in limit for limit in found.rotation.limits)
    assert not found.translation_mm.known and "percentage" in found.translation_mm.reason


@pytest.mark.parametrize(("slip", "word"), [(2.0, "below"), (4.4, "near"), (8.0, "above")])
def test_translation_is_compared_with_the_lumbar_threshold(slip, word) -> None:
    found = segment_motion(moving(slip, 0.0, CALIBRATED), moving(0.0, 0.0, CALIBRATED))
    assert found.translation_mm.value == pytest.approx(slip)
    assert found.translation_percent.value == pytest.approx(100 * slip / 34.0)
    assert any(limit.startswith(word) and "4.5 mm" in limit for limit in found.translation_mm.limits)


@pytest.mark.parametrize(("levels", "limit"), [
    ((Level.L3, Level.L4), "15°"), ((Level.L4, Level.L5), "20°"), ((Level.L5, Level.S1), "25°"),
    ((Level.T8, Level.T9), "no threshold"),
])  # fmt: skip
def test_each_segment_has_its_own_threshold_of_rotation(levels, limit) -> None:
    flexion, extension = (moving(0.0, tilt, CALIBRATED, levels=levels) for tilt in (40.0, 0.0))
    found = segment_motion(flexion, extension).rotation
    assert found.value == pytest.approx(40.0)
    assert any(limit in text for text in found.limits)


def test_motion_of_exchanged_films_or_other_levels_is_refused() -> None:
    flexed = moving(3.0, 5.0, CALIBRATED, bending=Bending.FLEXION)
    extended = moving(0.0, 0.0, CALIBRATED, bending=Bending.EXTENSION)
    assert "exchanged" in segment_motion(extended, flexed).rotation.reason
    other = moving(0.0, 0.0, CALIBRATED, levels=(Level.L3, Level.L4))
    assert "different levels" in segment_motion(flexed, other).translation_percent.reason


def test_one_film_with_spacing_is_enough_for_millimeters() -> None:
    found = segment_motion(moving(5.0, 0.0, NO_SPACING), moving(0.0, 0.0, CALIBRATED))
    assert found.translation_mm.value == pytest.approx(5.0)
    assert "only one" in found.magnification_ratio.reason


def test_the_angle_at_rest_is_compared_with_the_neighbor() -> None:
    top, middle, bottom = body(Level.C4, (0, 40), tilt=16), body(Level.C5, (0, 0)), body(Level.C6, (0, -40))
    found = resting_angulation(Segment(film(), top, middle), Segment(film(), middle, bottom))
    assert found.value == pytest.approx(16.0)
    assert any("above" in limit and "11°" in limit for limit in found.limits)


# The synthetic spine through a simulated beam: the landmarks come from how it was constructed.


def corners(model: Model, level: Level, beam: Projection, posture="ct") -> BodyLandmarks:
    """Ends of the fitted endplates at a body's front and back, projected."""
    shape, pose = model.shapes[level], getattr(model, posture).poses[level]
    plates = {}
    for name, superior in (("superior", True), ("inferior", False)):
        point, normal = fitted_plate(shape, superior)
        ends = []
        for fraction in (1.0, 0.0):
            y = shape.anterior_at(fraction)
            z = point[2] - (y - point[1]) * normal[1] / normal[2]
            ends.append(tuple(beam.project(pose[:3, :3] @ (0.0, y, z) + pose[:3, 3])))
        plates[name] = tuple(ends)
    return BodyLandmarks(level, **plates)


def height_points(model: Model, level: Level, beam: Projection) -> BodyLandmarks:
    """Upper and lower ends of the three mid-sagittal heights, projected."""
    pose = model.ct.poses[level]
    row = true_heights(model.shapes[level])["mid"]
    ends = {
        column: [tuple(beam.project(pose[:3, :3] @ point + pose[:3, 3])) for point in found[1:]]
        for column, found in row.items()
    }
    return BodyLandmarks(
        level,
        (ends["anterior"][0], ends["posterior"][0]),
        (ends["anterior"][1], ends["posterior"][1]),
        *ends["middle"],
    )


def beam_on(model: Model, cone: bool) -> Projection:
    places = [pose[:3, 3] for pose in model.ct.poses.values()]
    return lateral(places, margin_mm=60.0, **(CONE if cone else {}))


def beam_film(model: Model, level: Level, beam: Projection) -> Radiograph:
    return film(scale_at(beam, model.ct.poses[level][:3, 3]))


@pytest.mark.parametrize("cone", [False, True], ids=["parallel", "cone"])
def test_heights_on_a_simulated_radiograph_are_those_of_the_spine(cone) -> None:
    model = build(
        PatientSpec(seed=3, collapses=(CollapseSpec.wedge(Level.L2, 0.45), CollapseSpec.crush(Level.T11, 0.3)))
    )
    beam = beam_on(model, cone)
    for level in (Level.T10, Level.T11, Level.L1, Level.L2, Level.L4):
        found = body_heights(beam_film(model, level, beam), height_points(model, level, beam))
        truth = {column: row[0] for column, row in true_heights(model.shapes[level])["mid"].items()}
        assert {column.value: item.value for column, item in found.items()} == pytest.approx(truth, rel=0.004)


@pytest.mark.parametrize("cone", [False, True], ids=["parallel", "cone"])
def test_height_loss_on_a_simulated_radiograph_is_the_constructed_one(cone) -> None:
    model = build(PatientSpec(seed=3, collapses=(CollapseSpec.wedge(Level.L2, 0.45),)))
    beam = beam_on(model, cone)
    bodies = [height_points(model, level, beam) for level in (Level.L1, Level.L2, Level.L3)]
    rows = [true_heights(model.shapes[item.level])["mid"]["anterior"][0] for item in bodies]
    truth = 100 * (1 - 2 * rows[1] / (rows[0] + rows[2]))
    # No calibration at all: the loss is a ratio.
    found = height_losses(film(NO_SPACING), Level.L2, bodies)[Column.ANTERIOR]
    assert found.value == pytest.approx(truth, abs=0.3)
    assert abs(found.value - 45.0) < 4.0


@pytest.mark.parametrize("cone", [False, True], ids=["parallel", "cone"])
def test_angles_on_a_simulated_radiograph_are_those_of_the_spine(cone) -> None:
    model = build(PatientSpec(seed=4, kyphosis_deg=6.0))
    beam = beam_on(model, cone)

    def lean(level: Level, superior: bool) -> float:
        normal = model.ct.poses[level][:3, :3] @ fitted_plate(model.shapes[level], superior)[1]
        return float(np.degrees(np.arctan2(normal[1], normal[2])))

    for above, below in ((Level.T9, Level.T10), (Level.L1, Level.L2), (Level.L4, Level.L5)):
        found = segmental_kyphosis(film(NO_SPACING), corners(model, above, beam), corners(model, below, beam))
        assert found.value == pytest.approx(lean(above, True) - lean(below, False), abs=0.15)
    lordosis = cobb_angle(
        film(NO_SPACING), corners(model, Level.L1, beam), corners(model, Level.S1, beam), lower_plate="superior"
    )
    assert lordosis.value == pytest.approx(lean(Level.L1, True) - lean(Level.S1, True), abs=0.15)
    assert lordosis.value < -40


@pytest.mark.parametrize("cone", [False, True], ids=["parallel", "cone"])
def test_a_slip_on_a_simulated_radiograph_is_the_constructed_one(cone) -> None:
    slips = []
    for listed in ((), (ListhesisSpec(Level.L4, 6.0),)):
        model = build(PatientSpec(seed=5, listhesis=listed))
        beam = beam_on(model, cone)
        bodies = [corners(model, level, beam) for level in (Level.L4, Level.L5)]
        slips.append(listhesis(beam_film(model, Level.L5, beam), *bodies).millimeters.value)
    assert slips[1] - slips[0] == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize("cone", [False, True], ids=["parallel", "cone"])
def test_motion_between_two_postures_is_that_of_the_bones(cone) -> None:
    posture = PostureSpec(-90.0, 0.0, 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    model = build(PatientSpec(seed=6, posture=posture))
    beam = beam_on(model, cone)
    above, below = Level.L3, Level.L4

    def relative(poses) -> np.ndarray:
        return np.linalg.inv(poses[below]) @ poses[above]

    turn = relative(model.ct.poses)[:3, :3] @ relative(model.mr.poses)[:3, :3].T
    # Forward bending turns the head end to the front: negative about the axis to the right.
    truth = -np.degrees(np.arctan2(turn[2, 1], turn[1, 1]))
    films = [
        Segment(beam_film(model, below, beam), *(corners(model, level, beam, name) for level in (above, below)))
        for name in ("ct", "mr")
    ]
    found = segment_motion(*films)
    assert found.rotation.value == pytest.approx(truth, abs=0.1)
    assert truth > 4.0
