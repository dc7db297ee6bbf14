"""Edits of outlines against closed formulas: spheres, boxes, cones and slanted tubes on straight and oblique grids."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.case import Outline, Structure
from spinemet.codes import bone_of
from spinemet.errors import BadInput
from spinemet.image import Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.segmentation.edit import Plane, filled, merged, mirrored, renamed_level, smoothed, split
from spinemet.segmentation.interpolate import Plane as Slices
from spinemet.segmentation.interpolate import drawn_across, interpolated

L3, L4 = bone_of(Level.L3), bone_of(Level.L4)


def grid_of(spacing=(1.0, 1.0, 1.0), shape=(40, 44, 48), turned=0.0) -> Grid:
    """A grid about the world's origin, turned about the left–right and the head–foot axis."""
    a, b = np.deg2rad([turned, turned / 2])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_z @ about_x @ np.diag(np.array(spacing) * [-1, -1, 1])
    matrix[:3, 3] = -matrix[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    return Grid(shape, matrix)


def points_of(grid: Grid) -> np.ndarray:
    k, j, i = np.indices(grid.shape)
    return grid.to_world(np.stack([i, j, k], axis=-1))


def ball(grid: Grid, radius: float, center=(0.0, 0.0, 0.0)) -> np.ndarray:
    return np.linalg.norm(points_of(grid) - np.array(center), axis=-1) <= radius


def labels_of(grid: Grid, *masks: np.ndarray) -> LabelMap:
    outlines = (L3, L4, Outline(Structure.LESION, lesion_id="lesion-1"))
    array = np.zeros(grid.shape, np.uint8)
    for n, mask in enumerate(masks, start=1):
        array[mask] = n
    image = Image(array, grid.ijk_to_ras, frame="f", name="labels")
    return LabelMap(image, dict(enumerate(outlines[: len(masks)], start=1)), "by construction", ("a note",))


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


GRIDS = [((1, 1, 1), 0.0), ((0.8, 0.8, 2.0), 25.0), ((3.0, 0.7, 0.7), 15.0)]


# Smooth


@pytest.mark.parametrize(("spacing", "turned"), GRIDS)
def test_smoothing_takes_the_noise_of_the_border_and_keeps_the_volume(spacing, turned) -> None:
    grid = grid_of(spacing, (36, 40, 44), turned)
    radius = 0.3 * float((np.array(grid.shape[::-1]) * grid.spacing).min())
    truth = ball(grid, radius)
    rng = np.random.default_rng(1)
    distance = np.linalg.norm(points_of(grid), axis=-1)
    rough = np.where(np.abs(distance - radius) < 1.5, rng.random(grid.shape) < 0.5, truth)
    labels = labels_of(grid, rough)
    result = smoothed(labels, 1, 2.0).image.array == 1
    assert dice(result, truth) > dice(rough, truth)
    assert result.sum() == pytest.approx(rough.sum(), rel=0.005)


def test_smoothing_again_and_again_does_not_shrink() -> None:
    grid = grid_of()
    labels = labels_of(grid, ball(grid, 12))
    for _ in range(5):
        labels = smoothed(labels, 1)
    assert (labels.image.array == 1).sum() == pytest.approx(ball(grid, 12).sum(), rel=0.01)


def test_smoothing_leaves_the_neighbor_alone() -> None:
    grid = grid_of()
    points = points_of(grid)
    labels = labels_of(grid, ball(grid, 14) & (points[..., 2] > 0), ball(grid, 14) & (points[..., 2] <= 0))
    before = labels.image.array.copy()
    result = smoothed(labels, 1, 3.0)
    assert np.array_equal(result.image.array == 2, before == 2)
    assert np.array_equal(labels.image.array, before)
    assert result.notes == ("a note",)


def test_smoothing_at_the_edge_of_the_image_does_not_pull_back() -> None:
    grid = grid_of()
    mask = points_of(grid)[..., 2] > 5
    result = smoothed(labels_of(grid, mask), 1, 2.0)
    assert np.array_equal(result.image.array == 1, mask)


# Fill


def test_a_hole_is_filled_and_an_open_one_is_not() -> None:
    grid = grid_of()
    shell = ball(grid, 14) & ~ball(grid, 8)
    assert np.array_equal(filled(labels_of(grid, shell), 1).image.array == 1, ball(grid, 14))
    crack = shell.copy()
    crack[20:21, :22, 24] = False
    assert np.array_equal(filled(labels_of(grid, crack), 1).image.array == 1, crack)
    closed = filled(labels_of(grid, crack), 1, close_mm=1.0).image.array == 1
    assert (closed & ball(grid, 14)).sum() >= 0.99 * ball(grid, 14).sum()


def test_what_is_outlined_in_a_hole_stays() -> None:
    grid = grid_of()
    lesion = ball(grid, 5)
    labels = labels_of(grid, ball(grid, 14) & ~ball(grid, 8), lesion)
    result = filled(labels, 1).image.array
    assert np.array_equal(result == 2, lesion)
    assert np.array_equal(result == 1, ball(grid, 14) & ~lesion)


# Split, merge, rename


@pytest.mark.parametrize(("spacing", "turned"), GRIDS)
def test_a_plane_parts_an_outline_where_it_lies(spacing, turned) -> None:
    grid = grid_of(spacing, turned=turned)
    labels = labels_of(grid, ball(grid, 13))
    plane = Plane((0.0, 0.0, 2.0), (0.0, 0.4, 1.0))
    result = split(labels, 1, plane, upper=bone_of(Level.L2))
    above = ((points_of(grid) - [0, 0, 2]) @ [0, 0.4, 1]) > 0
    assert np.array_equal(result.image.array == result.levels[Level.L2], ball(grid, 13) & above)
    assert np.array_equal(result.image.array == result.levels[Level.L3], ball(grid, 13) & ~above)
    back = merged(result, [result.levels[Level.L2]], result.levels[Level.L3])
    assert np.array_equal(back.image.array, labels.image.array)
    assert list(back.levels) == [Level.L3]


def test_a_part_without_a_name_is_for_a_person_to_name() -> None:
    grid = grid_of()
    result = split(labels_of(grid, ball(grid, 10)), 1, Plane((0, 0, 0), (0, 0, 2)))
    assert result.outlines[2].level is None
    assert result.outlines[2].name == "upper part of L3"
    named = renamed_level(result, 2, Level.L2)
    assert list(named.levels) == [Level.L2, Level.L3]
    with pytest.raises(BadInput, match="L3 is outlined already"):
        renamed_level(result, 2, Level.L3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda labels: split(labels, 1, Plane((0, 0, 90), (0, 0, 1))), "does not cut"),
        (lambda labels: split(labels, 1, Plane((0, 0, 0), (0, 0, 1)), upper=L4), "L4 is outlined already"),
        (lambda labels: Plane((0, 0, 0), (0, 0, 0)), "no direction"),
        (lambda labels: merged(labels, [9], 1), "is empty"),
        (lambda labels: filled(labels, 7), "is empty"),
        (lambda labels: smoothed(labels, 1, 0.0), "between 0 and 20"),
        (lambda labels: smoothed(labels, 1, float("nan")), "between 0 and 20"),
        (lambda labels: renamed_level(labels, 3, Level.L1), "no vertebra"),
        (lambda labels: mirrored(labels, 1, Plane((900, 0, 0), (1, 0, 0))), "outside of the image"),
        (lambda labels: interpolated(labels, 5), "is empty"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_changes_nothing(call, said) -> None:
    grid = grid_of()
    labels = labels_of(grid, ball(grid, 6), ball(grid, 3, (14, 0, 0)), ball(grid, 2, (-15, 0, 0)))
    before = labels.image.array.copy()
    with pytest.raises(BadInput, match=said):
        call(labels)
    assert np.array_equal(labels.image.array, before)


def test_more_outlines_than_a_byte_holds_get_a_wider_type() -> None:
    grid = grid_of()
    array = np.where(ball(grid, 10), 255, 0).astype(np.uint8)
    labels = LabelMap(Image(array, grid.ijk_to_ras), {255: L3})
    result = split(labels, 255, Plane((0, 0, 0), (0, 0, 1)))
    assert set(result.present) == {255, 256}
    assert labels.image.array.dtype == np.uint8


# Mirror


@pytest.mark.parametrize(("spacing", "turned"), GRIDS)
def test_the_mirror_image_completes_the_other_side(spacing, turned) -> None:
    grid = grid_of(spacing, turned=turned)
    points = points_of(grid)
    whole = ball(grid, 12, (3.0, 1.0, 0.0)) | ball(grid, 4, (3.0, -13.0, 0.0))
    half = whole & (points[..., 0] < 3.0)
    result = mirrored(labels_of(grid, half), 1, Plane((3.0, 0.0, 0.0), (-2.0, 0.0, 0.0))).image.array == 1
    # Half of a voxel is lost along the plane.
    assert dice(result, whole) > (0.96 if max(spacing) < 3 else 0.94)
    assert (result & half).sum() == half.sum()


def test_the_mirror_image_may_become_another_outline_and_takes_nothing_away() -> None:
    grid = grid_of()
    one, other = ball(grid, 6, (-10, 0, 0)), ball(grid, 3, (10, 0, 0))
    labels = labels_of(grid, one, other)
    result = mirrored(labels, 1, Plane((0, 0, 0), (1, 0, 0)), into=2).image.array
    assert np.array_equal(result == 1, one)
    assert dice(result == 2, ball(grid, 6, (10, 0, 0))) > 0.97


# Between slices


@pytest.mark.parametrize("plane", list(Slices))
@pytest.mark.parametrize("turned", [0.0, 20.0])
@pytest.mark.parametrize("every", [3, 5])
def test_every_few_slices_are_enough_for_an_ellipsoid(plane: Slices, turned: float, every: int) -> None:
    grid = grid_of((1.0, 1.2, 0.9), (48, 44, 46), turned)
    truth = np.sum((points_of(grid) / [17, 14, 16]) ** 2, axis=-1) <= 1
    axis = plane.axis_of(grid)
    drawn = np.zeros_like(truth)
    keep = [slice(None)] * 3
    middle = grid.shape[axis] // 2
    keep[axis] = np.arange(middle % every, grid.shape[axis], every)
    drawn[tuple(keep)] = truth[tuple(keep)]
    result = interpolated(labels_of(grid, drawn), 1, plane).image.array == 1
    # Beyond the last outlined slices nothing is known.
    filled_slices = drawn.any(axis=tuple(other for other in range(3) if other != axis))
    inner = [slice(None)] * 3
    inner[axis] = slice(*(np.flatnonzero(filled_slices)[[0, -1]] + [0, 1]))
    assert dice(result[tuple(inner)], truth[tuple(inner)]) > (0.975 if every == 3 else 0.96)
    assert np.array_equal(result[tuple(keep)], truth[tuple(keep)])
    assert np.array_equal(interpolated(labels_of(grid, drawn), 1).image.array == 1, result)


def test_a_thin_tube_at_a_slant_is_not_broken_up() -> None:
    """Slices of 5 mm through a cord that runs at 45°: its cuts do not even overlap."""
    grid = grid_of((0.8, 0.8, 1.0), (41, 80, 60))
    points = points_of(grid)
    truth = np.hypot(points[..., 0], points[..., 1] - points[..., 2]) <= 3
    drawn = np.zeros_like(truth)
    drawn[::5] = truth[::5]
    result = interpolated(labels_of(grid, drawn), 1, Slices.AXIAL).image.array == 1
    assert dice(result, truth) > 0.95


def test_a_cone_keeps_its_volume_in_every_slice() -> None:
    grid = grid_of((0.5, 0.5, 2.0), (21, 90, 90))
    points = points_of(grid)
    radius = 14 + 0.3 * points[..., 2]
    truth = np.hypot(points[..., 0], points[..., 1]) <= radius
    drawn = np.zeros_like(truth)
    drawn[[0, 10, 20]] = truth[[0, 10, 20]]
    result = interpolated(labels_of(grid, drawn), 1, Slices.AXIAL).image.array == 1
    areas = result.sum(axis=(1, 2)) * 0.25
    expected = np.pi * (14 + 0.3 * grid.to_world([[0, 0, k] for k in range(21)])[:, 2]) ** 2
    assert np.abs(areas / expected - 1).max() < 0.03


def test_filling_in_takes_nothing_from_a_neighbor() -> None:
    grid = grid_of()
    drawn = np.zeros(grid.shape, bool)
    drawn[[10, 20]] = ball(grid, 8)[20]
    other = np.zeros(grid.shape, bool)
    other[14, 18:26] = True
    result = interpolated(labels_of(grid, drawn, other), 1).image.array
    assert np.array_equal(result == 2, other)
    assert (result[15] == 1).any()


def test_what_cannot_be_filled_in_says_why() -> None:
    grid = grid_of()
    single = np.zeros(grid.shape, bool)
    single[20] = ball(grid, 8)[20]
    with pytest.raises(BadInput, match="single slice"):
        interpolated(labels_of(grid, single), 1, Slices.AXIAL)
    with pytest.raises(BadInput, match="nothing to fill"):
        interpolated(labels_of(grid, ball(grid, 8)), 1)
    scattered = np.zeros((9, 9, 9), bool)
    scattered[0, 0, 0] = scattered[8, 8, 8] = True
    with pytest.raises(BadInput, match="cannot be told"):
        drawn_across(scattered)


def test_the_plane_is_named_by_anatomy_whatever_the_order_of_the_axes() -> None:
    """A sagittal MR: its slices count along i in one file and along k in another."""
    axial, sagittal = grid_of(turned=10.0), np.zeros((4, 4))
    sagittal[:3, 0], sagittal[:3, 1], sagittal[:3, 2] = [0, -1, 0], [0.1, 0, -1], [-4, 0, 0]
    sagittal[3, 3] = 1
    assert [plane.axis_of(axial) for plane in Slices] == [2, 1, 0]
    assert [plane.axis_of(Grid((5, 20, 20), sagittal)) for plane in Slices] == [0, 2, 1]
