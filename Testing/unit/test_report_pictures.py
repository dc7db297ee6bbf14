"""Pictures of the report: planes, outlines, letters and scale bars against known geometry."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from report_study import AXES, BODY_MM, LESION_RADIUS_MM, LUMBAR, Study, center_of, lesion_center, make_study
from spinemet.anatomy.frame import VertebraFrame
from spinemet.case import Role
from spinemet.image import Image
from spinemet.levels import Level
from spinemet.report import planes, windows
from spinemet.report.contours import contours, enclosed_area
from spinemet.report.drawing import Drawing, direction_letter
from spinemet.report.figures import axial_cut, densest, heights_cut, overview, sagittal_cut
from spinemet.report.png import png
from spinemet.report.sources import Sources

STRAIGHT = VertebraFrame((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
BOX = np.array([[-20.0, -50.0, -15.0], [20.0, 15.0, 15.0]])


def sources_of(study: Study) -> Sources:
    return Sources(study.assessment, study.image, study.ref, study.vertebrae, study.lesions)


def disk(radius: float, size: int = 80, center: tuple[float, float] = (40.3, 38.6)) -> np.ndarray:
    row, column = np.mgrid[0:size, 0:size]
    return (np.hypot(column - center[0], row - center[1]) <= radius).astype(float)


def words(svg: str) -> dict[str, tuple[float, float]]:
    """Texts on a picture and where they stand."""
    found = re.findall(r'<text x="([\d.-]+)" y="([\d.-]+)"[^>]*>([^<]*)</text>', svg)
    return {text: (float(x), float(y)) for x, y, text in found}


def size_of(svg: str) -> tuple[float, float]:
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()
    return float(width), float(height)


@pytest.mark.parametrize("radius", [6.0, 17.3, 30.0])
def test_the_area_inside_an_outline_is_the_masks_within_two_percent(radius: float) -> None:
    mask = disk(radius)
    assert enclosed_area(contours(mask)) == pytest.approx(mask.sum(), rel=0.02)


def test_a_smooth_edge_is_outlined_more_finely_than_a_pixel() -> None:
    row, column = np.mgrid[0:60, 0:60]
    distance = np.hypot(column - 30.2, row - 29.7)
    (line,) = contours(np.clip(15.4 - distance + 0.5, 0, 1))
    assert np.hypot(line[:, 0] - 30.2, line[:, 1] - 29.7) == pytest.approx(15.4, abs=0.1)


def test_a_hole_has_its_own_line_and_is_taken_off() -> None:
    ring = disk(30) - disk(12)
    lines = contours(ring)
    assert len(lines) == 2
    assert enclosed_area(lines) == pytest.approx(ring.sum(), rel=0.02)


def test_what_touches_the_border_is_closed_along_it() -> None:
    (line,) = contours(np.ones((10, 20)))
    assert enclosed_area([line]) == pytest.approx(200, rel=0.02)


def test_corners_that_touch_stay_two_closed_lines() -> None:
    assert len(contours(np.array([[1.0, 0.0], [0.0, 1.0]]))) == 2


def test_nothing_has_no_outline() -> None:
    assert contours(np.zeros((5, 5))) == []


@pytest.mark.parametrize("shape", [(7, 5), (6, 9, 3)])
def test_another_program_reads_the_same_pixels_from_a_png(shape: tuple[int, ...], tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(png(pixels))
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.png"))), pixels)


def test_on_an_axial_picture_right_is_left_and_front_is_up() -> None:
    plane = planes.axial(STRAIGHT, 0.0, BOX, margin=10, pixel=0.5)
    (right, front), _ = plane.project([[15, 0, 0], [0, 15, 0]])
    middle, _ = plane.project([0, 0, 0])
    assert right[0] < middle[0] and right[1] == pytest.approx(middle[1])
    assert front[1] < middle[1] and front[0] == pytest.approx(middle[0])


def test_on_a_sagittal_picture_front_is_left_and_head_is_up() -> None:
    plane = planes.sagittal(STRAIGHT, 4.0, BOX, margin=10, pixel=0.5)
    (front, head), distance = plane.project([[4, 15, 0], [4, 0, 15]])
    middle, _ = plane.project([4, 0, 0])
    assert front[0] < middle[0] and head[1] < middle[1]
    assert distance == pytest.approx([0, 0])


def test_points_and_projection_are_each_others_inverse() -> None:
    plane = planes.sagittal(STRAIGHT, 4.0, BOX, margin=10, pixel=0.7)
    pixels, distance = plane.project(plane.points())
    row, column = np.mgrid[0 : plane.shape[0], 0 : plane.shape[1]]
    assert np.allclose(pixels, np.stack([column, row], axis=-1)) and np.allclose(distance, 0)


@pytest.mark.parametrize("name", AXES)
def test_a_bright_voxel_appears_on_the_patients_side_however_the_grid_runs(name: str) -> None:
    study = make_study(axes=name, spacing=2.0)
    i, j, k = np.rint(study.image.to_index((14.0, 6.0, 0.0))).astype(int)
    voxels = np.zeros(study.image.shape, np.int16)
    voxels[k, j, i] = 1000
    planted = study.image.to_world([i, j, k])
    plane = planes.axial(STRAIGHT, float(planted[2]), BOX, margin=10, pixel=0.5)
    shown = study.image.with_array(voxels).sample(plane.points(), outside=0)
    row, column = np.unravel_index(int(shown.argmax()), shown.shape)
    # A 60 × 85 mm view padded to a square of 85 mm in pixels of half a millimeter: 1 mm to the right is 2 pixels left.
    middle_column, middle_row = (shown.shape[1] - 1) / 2, (shown.shape[0] - 1) / 2
    assert column == pytest.approx(middle_column - 2 * planted[0], abs=1)
    assert row == pytest.approx(middle_row - 2 * (planted[1] - BOX.mean(axis=0)[1]), abs=1)


@pytest.mark.parametrize("name", AXES)
def test_letters_tell_the_patients_sides_however_the_grid_runs(name: str) -> None:
    sources = sources_of(make_study(axes=name))
    item = sources.assessment[Level.L3]
    axial, sagittal = axial_cut(sources, item).svg, sagittal_cut(sources, item).svg
    width, height = size_of(axial)
    places = words(axial)
    assert places["R"][0] < 20 and places["L"][0] > width - 20
    assert places["A"][1] < 25 and places["P"][1] > height - 25
    places = words(sagittal)
    assert places["A"][0] < 20 and places["P"][0] > width - 20
    assert places["S"][1] < 25 and places["I"][1] > height - 25


@pytest.mark.parametrize("name", AXES)
def test_pictures_do_not_depend_on_how_the_grid_runs(name: str) -> None:
    plain, turned = (sources_of(make_study(axes=axes)) for axes in ("RAS", name))
    for cut in (axial_cut, sagittal_cut):
        first, second = (cut(sources, sources.assessment[Level.L3]) for sources in (plain, turned))
        assert first.caption == second.caption
        assert words(first.svg) == words(second.svg)


@pytest.mark.parametrize(
    ("direction", "letter"),
    [((1, 0, 0), "R"), ((-0.9, 0.4, 0), "L"), ((0, 1, 0), "A"), ((0.1, -0.8, 0.5), "P"), ((0, 0.2, 0.9), "S"),
     ((0, 0, -1), "I")],
)  # fmt: skip
def test_a_letter_names_the_direction(direction: tuple[float, ...], letter: str) -> None:
    assert direction_letter(np.array(direction, dtype=float)) == letter


@pytest.mark.parametrize(("width_mm", "bar_mm"), [(100.0, 20), (150.0, 50), (30.0, 10)])
def test_the_scale_bar_is_as_long_as_it_says(width_mm: float, bar_mm: int) -> None:
    plane = planes.fitted((0, 0, 0), (-1, 0, 0), (0, -1, 0), width=width_mm, height=80, pixel=0.5)
    drawing = Drawing(plane, np.zeros(plane.shape, np.uint8), width=300)
    drawing.scale_bar()
    svg = drawing.svg("test")
    start, stop = re.search(r'd="M([\d.]+) [\d.]+v4H([\d.]+)v-4"[^>]*class="scale-bar"', svg).groups()
    assert float(stop) - float(start) == pytest.approx(bar_mm * 300 / width_mm, abs=0.05)
    assert f"{bar_mm} mm" in words(svg)


def lesion_area_mm2(svg: str, mm_per_unit: float) -> float:
    data = re.findall(r'd="(M[^"]*)"[^>]*fill-opacity', svg)
    lines = [np.array([[float(v) for v in point.split()] for point in part[1:].split("L")])
             for path in data for part in path.split("Z") if part]  # fmt: skip
    return sum(enclosed_area([line]) for line in lines) * mm_per_unit**2


def test_the_cut_passes_the_lesion_where_it_is_largest_and_outlines_it_in_true_size() -> None:
    sources = sources_of(make_study(spacing=1.0))
    figure = axial_cut(sources, sources.assessment[Level.L3])
    start, stop = re.search(r'd="M([\d.]+) [\d.]+v4H([\d.]+)v-4"[^>]*class="scale-bar"', figure.svg).groups()
    unit = 20 / (float(stop) - float(start))
    mask = sources.lesion_masks[0]
    slices = np.count_nonzero(mask.array, axis=(1, 2))
    assert lesion_area_mm2(figure.svg, unit) == pytest.approx(float(slices.max()), rel=0.02)
    assert slices.max() == pytest.approx(np.pi * LESION_RADIUS_MM**2, rel=0.05)
    assert "2 mm above body center" in figure.caption


def test_the_sagittal_cut_says_on_which_side_of_the_midline_it_lies() -> None:
    sources = sources_of(make_study(spacing=1.0))
    assert "8 mm right of midline" in sagittal_cut(sources, sources.assessment[Level.L3]).caption


def test_heights_are_drawn_on_a_cut_of_their_own_when_the_lesion_lies_aside() -> None:
    sources = sources_of(make_study())
    item = sources.assessment[Level.L3]
    assert "25.0" not in words(sagittal_cut(sources, item).svg)
    cut = heights_cut(sources, item)
    assert "at midline" in cut.caption
    width, _ = size_of(cut.svg)
    lengths = [
        abs(float(b) - float(a))
        for a, b in re.findall(r'<line x1="[^"]*" y1="([^"]*)" x2="[^"]*" y2="([^"]*)"', cut.svg)
    ]
    # A square of 63 mm (depth with the arch) and margins of 16 mm.
    assert max(lengths) * (63 + 32) / width == pytest.approx(25.0, abs=0.3)


def test_heights_that_the_lesions_cut_shows_need_no_other_cut() -> None:
    study = make_study()
    item = replace(study.assessment[Level.L3], position=None)
    sources = sources_of(replace(study.with_level(item), lesions=None))
    assert heights_cut(sources, item) is None
    assert "25.0" in words(sagittal_cut(sources, item).svg)


def test_a_cut_of_a_level_without_any_place_is_left_out() -> None:
    sources = sources_of(make_study())
    nowhere = replace(sources.assessment[Level.L3], level=Level.T4, frame=None, position=None)
    assert axial_cut(sources, nowhere) is None and sagittal_cut(sources, nowhere) is None


def test_a_straight_spine_is_shown_on_a_plane_and_a_curved_one_on_a_bent_surface() -> None:
    assert overview(sources_of(make_study())).caption.startswith("Sagittal plane")
    assert "bent sideways" in overview(sources_of(make_study(scoliosis_mm=15.0))).caption


def test_the_bent_surface_passes_through_every_body_center() -> None:
    centers = np.array([center_of(level, scoliosis_mm=15.0) for level in LUMBAR])
    plane = planes.along_spine(STRAIGHT, centers, np.array([[-20, -60, -90], [40, 40, 90]]), pixel=0.5)
    pixels, distance = plane.project(centers)
    assert distance == pytest.approx(np.zeros(5), abs=0.2)
    for (column, row), center in zip(pixels, centers, strict=True):
        assert plane.points()[round(row), round(column)] == pytest.approx(center, abs=0.5)


def test_the_overview_names_every_outlined_level_from_top_to_bottom_with_its_score() -> None:
    places = words(overview(sources_of(make_study())).svg)
    rows = [next(y for text, (_, y) in places.items() if text.split()[0] == level.value) for level in LUMBAR]
    assert rows == sorted(rows)
    assert any(text.startswith("L3  SINS 7, 8 or 10") for text in places)


def test_the_overview_of_a_patient_scanned_obliquely_keeps_the_names_in_order() -> None:
    tilt = np.radians(25)
    turn = np.array([[np.cos(tilt), 0.0, np.sin(tilt)], [0.0, 1.0, 0.0], [-np.sin(tilt), 0.0, np.cos(tilt)]])
    places = words(overview(sources_of(make_study(axes=turn, spacing=2.5))).svg)
    assert {text.split()[0] for text in places} >= {level.value for level in LUMBAR}


def test_the_densest_place_is_in_the_larger_of_two_lesions() -> None:
    values = np.concatenate([np.full(50, -10.0), np.random.default_rng(1).normal(12.0, 0.5, 400)])
    assert densest(values) == pytest.approx(12.0, abs=1.0)


def test_the_densest_place_of_an_even_block_is_its_middle() -> None:
    assert densest(np.repeat(np.arange(0.0, 21.0), 7)) == pytest.approx(10.0, abs=1.0)


def test_lesion_voxels_of_the_neighbor_do_not_move_a_levels_cut() -> None:
    sources = sources_of(make_study(lesions=(Level.L2, Level.L3)))
    points = sources.lesion_points(sources.assessment[Level.L3])
    assert np.abs(points - lesion_center(Level.L3)).max() <= LESION_RADIUS_MM
    assert np.abs(points[:, 2] - center_of(Level.L3)[2]).max() <= BODY_MM[2] / 2


def test_ct_has_the_bone_window_and_mr_a_window_of_its_own() -> None:
    study = make_study()
    window = windows.window_for(study.image, study.ref)
    assert (window.low, window.high) == (-500.0, 1300.0)
    assert window.gray(np.array([-2000.0, 400.0, 3000.0])).tolist() == [0, 127, 255]
    mr = windows.window_for(study.image, replace(study.ref, role=Role.T2))
    assert "percentile" in mr.title and mr.low < mr.high


def test_outside_the_image_is_neither_black_nor_white() -> None:
    window = windows.Window(0.0, 1.0, "")
    assert 20 < int(window.gray(np.array([np.nan]))[0]) < 120


def test_an_image_of_one_value_has_a_picture() -> None:
    flat = Image(np.zeros((4, 4, 4), np.int16), np.eye(4))
    window = windows.window_for(flat, replace(make_study().ref, role=Role.T1))
    assert np.isfinite(window.gray(flat.array)).all()
