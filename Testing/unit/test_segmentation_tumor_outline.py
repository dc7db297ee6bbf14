"""Tumors of known shape outlined from clicks, strokes and boxes, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.case import Outline, Role, Structure
from spinemet.errors import BadInput, GridMismatch
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.segmentation.clicks import Click
from spinemet.segmentation.tumor_limits import ROOMS, Within, limit_to
from spinemet.segmentation.tumor_outline import first_outline, outline_tumor, refined_outline
from spinemet.segmentation.tumor_strokes import Box, Stroke
from tumor_reader import dice

CENTER = np.array([4.0, -6.0, 9.0])
RADII = np.array([11.0, 8.0, 9.0])


def at(right: float, anterior: float, superior: float) -> tuple[float, float, float]:
    """A point so many mm from the tumor's center."""
    return (CENTER[0] + right, CENTER[1] + anterior, CENTER[2] + superior)


def turned(spacing, degrees: float = 0.0, mirrored: bool = False) -> np.ndarray:
    """IJK→RAS of a grid of so many mm about the tumor, turned about two axes."""
    a, b = np.deg2rad([degrees, degrees / 2])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_z @ about_x @ np.diag(np.array(spacing) * ([-1, -1, 1] if mirrored else [1, 1, 1]))
    return matrix


def tumor_image(spacing=(0.8, 0.8, 1.0), size_mm=64.0, degrees=0.0, mirrored=False, dtype=np.int16, values=(175, 48)):
    """An ellipsoid in even tissue with noise of 15, and its true mask."""
    matrix = turned(spacing, degrees, mirrored)
    shape = tuple(int(np.ceil(size_mm / s)) for s in spacing)[::-1]
    matrix[:3, 3] = CENTER - matrix[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    image = Image(np.zeros(shape, dtype), matrix, name="CT")
    k, j, i = np.indices(shape)
    offset = image.to_world(np.stack([i, j, k], axis=-1)) - CENTER
    truth = np.sum((offset / RADII) ** 2, axis=-1) < 1
    noise = np.random.default_rng(3).normal(0, 15, shape)
    return image.with_array((np.where(truth, values[1], values[0]) + noise).astype(dtype)), truth


@pytest.mark.parametrize(
    ("spacing", "degrees", "mirrored", "dtype"),
    [
        ((0.8, 0.8, 1.0), 0, True, np.int16),
        ((0.7, 0.7, 4.0), 0, False, np.float32),
        ((0.9, 3.0, 0.9), 20, True, np.int32),
        ((2.0, 2.0, 2.0), 35, False, np.float64),
        ((0.5, 0.5, 0.6), 10, True, np.uint16),
    ],
)
def test_one_click_outlines_an_ellipsoid_on_any_grid(spacing, degrees, mirrored, dtype) -> None:
    image, truth = tumor_image(spacing, degrees=degrees, mirrored=mirrored, dtype=dtype)
    seen = []
    outline = outline_tumor(image, [Click(at(2, 1, -1))], preview=seen.append)
    assert dice(outline.on(image.grid), truth) > (0.95 if max(spacing) < 3 else 0.9)
    assert len(seen) == 1 and not seen[0].is_refined and outline.is_refined
    assert dice(seen[0].on(image.grid), truth) > 0.85
    assert outline.volume_ml == pytest.approx(4 / 3 * np.pi * RADII.prod() / 1000, rel=0.1)


@pytest.mark.parametrize("values", [(175, 48), (300, 900), (560, 215)])
def test_a_box_or_a_stroke_does_as_well(values) -> None:
    image, truth = tumor_image(values=values)
    box = Box((tuple(CENTER - RADII - 4), tuple(CENTER + RADII + 3)))
    stroke = Stroke((at(-7, 0, 0), at(7, 1, 0)))
    for marks in ([box], [stroke], [box, stroke]):
        assert dice(outline_tumor(image, marks, role=Role.CT).on(image.grid), truth) > 0.95


def test_nothing_lies_outside_of_a_box_or_of_a_limit() -> None:
    image, truth = tumor_image()
    limit = np.zeros(image.shape, bool)
    limit[:, :, : image.shape[2] // 2 + 3] = True
    found = outline_tumor(image, [Click(at(0, 0, 0))], limit=image.with_array(limit)).on(image.grid)
    assert not (found & ~limit).any()
    assert dice(found, truth & limit) > 0.93


def test_what_is_marked_inside_is_inside_and_what_is_marked_outside_is_not() -> None:
    image, _ = tumor_image()
    beyond = Stroke((at(13, 0, 0),), True)
    within = Stroke((at(0, 5, 0),), False)
    found = outline_tumor(image, [Click(at(0, 0, 0)), beyond, within]).on(image.grid)
    for stroke, expected in ((beyond, True), (within, False)):
        i, j, k = np.rint(image.to_index(stroke.points[0])).astype(int)
        assert found[k, j, i] == expected


@pytest.mark.parametrize(
    ("mark", "sentence"),
    [
        (Click((500.0, 0.0, 0.0)), "The click lies outside of CT"),
        (Stroke((at(0, 0, 0), (0.0, 900.0, 0.0))), "The stroke lies outside of CT"),
        (Click(at(0, 0, 0), foreground=False), "Nothing marks the tumor's inside"),
        (Box(((500.0, 500.0, 500.0), (510.0, 510.0, 510.0))), "The box lies outside"),
        (Box((at(0, 0, 0), tuple(CENTER + 0.5))), "The box is too small"),
    ],
)
def test_marks_in_the_wrong_place_are_refused_with_a_sentence(mark, sentence) -> None:
    image, _ = tumor_image()
    with pytest.raises(BadInput, match=sentence):
        first_outline(image, [mark])


def test_a_click_in_air_is_refused_in_ct_and_mr() -> None:
    image, _ = tumor_image()
    array = image.array.copy()
    array[:, : image.shape[1] // 4] = -1000
    at = image.to_world([40, 5, 30])
    with pytest.raises(BadInput, match="lies in air"):
        first_outline(image.with_array(array), [Click(tuple(at))])
    array[array < 0] = 3
    with pytest.raises(BadInput, match="lies in air"):
        first_outline(image.with_array(array), [Click(tuple(at))], role=Role.T2)


@pytest.mark.parametrize("spread", [0.0, 15.0])
def test_strokes_without_contrast_are_refused(spread) -> None:
    image, _ = tumor_image()
    even = image.with_array(100 + np.random.default_rng(1).normal(0, spread, image.shape))
    inside = Stroke((at(-6, 0, 0), at(6, 0, 0)))
    outside = Stroke((at(-6, 12, 0), at(6, 12, 0)), False)
    with pytest.raises(BadInput, match="look the same in CT"):
        first_outline(even, [inside, outside])
    with pytest.raises(BadInput, match="does not stand out"):
        first_outline(even, [Click(at(0, 0, 0))])


def test_a_single_slice_and_a_series_over_time_are_refused() -> None:
    image, _ = tumor_image()
    one = image.crop((slice(30, 31), slice(None), slice(None)))
    with pytest.raises(BadInput, match="single slice"):
        first_outline(one, [Click(tuple(one.to_world([40, 40, 0])))])
    with pytest.raises(BadInput, match="three dimensions"):
        Image(np.zeros((3, 20, 20, 20)), np.eye(4))


def test_two_slices_are_enough() -> None:
    image, truth = tumor_image((0.8, 0.8, 4.0))
    two = (slice(7, 9), slice(None), slice(None))
    crop = image.crop(two)
    found = outline_tumor(crop, [Click(at(0, 0, 0))]).on(crop.grid)
    assert dice(found, truth[two]) > 0.9


def test_a_limit_elsewhere_or_on_another_grid_is_refused() -> None:
    image, _ = tumor_image()
    elsewhere = np.zeros(image.shape, bool)
    elsewhere[:5] = True
    with pytest.raises(BadInput, match="to which it is limited"):
        first_outline(image, [Click(at(0, 0, 0))], limit=image.with_array(elsewhere))
    with pytest.raises(GridMismatch):
        first_outline(image, [Click(at(0, 0, 0))], limit=Image(elsewhere, np.eye(4)))


def test_values_that_are_no_numbers_do_no_harm() -> None:
    image, truth = tumor_image(dtype=np.float32)
    image.array[:4] = np.nan
    image.array[-3:] = np.inf
    assert dice(outline_tumor(image, [Click(at(0, 0, 0))]).on(image.grid), truth) > 0.95


class Threshold:
    """An engine as simple as can be."""

    name = "a threshold"

    def grow(self, image: Image, seeds: np.ndarray) -> np.ndarray:
        assert set(np.unique(seeds)) == {0, 1, 2}
        assert seeds.shape == image.shape
        return image.array < 110


def test_an_engine_that_is_handed_in_grows_the_strokes() -> None:
    image, truth = tumor_image()
    outline = refined_outline(first_outline(image, [Click(at(0, 0, 0))], engine=Threshold()))
    assert dice(outline.on(image.grid), truth) > 0.95
    assert outline.notes == ("grown from the strokes by a threshold",)


def test_limits_come_from_the_outlines_that_exist() -> None:
    image, _ = tumor_image((1.0, 1.0, 1.0))
    labels = np.zeros(image.shape, np.uint8)
    labels[20:40, 20:40, 20:40] = 22
    labels[20:40, 45:55, 25:35] = 1
    bones = LabelMap(
        image.with_array(labels), {22: Outline(Structure.VERTEBRA, Level.L3), 1: Outline(Structure.CANAL)}
    )
    bone = limit_to([Within.BONE], [bones], image, bone_margin_mm=0.0).array
    assert np.array_equal(bone, labels == 22)
    both = limit_to([Within.BONE, Within.CANAL], [bones], image, bone_margin_mm=0.0).array
    assert np.array_equal(both, np.select([labels == 22, labels == 1], [ROOMS[Within.BONE], ROOMS[Within.CANAL]]))
    beside = limit_to([Within.PARASPINAL], [bones], image, paraspinal_mm=5.0).array
    assert not beside[labels > 0].any() and beside[30, 30, 16] and not beside[30, 30, 13]
    with pytest.raises(BadInput, match="outline it first"):
        limit_to([Within.BONE], [bones], image, levels=[Level.L1])
    with pytest.raises(BadInput, match="Choose"):
        limit_to([], [bones], image)
