"""A session: corrections stay near their stroke, every step can be undone, refused marks change nothing."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.errors import BadInput, GridMismatch
from spinemet.image import Image
from spinemet.segmentation.clicks import Click
from spinemet.segmentation.tumor_correct import corrected_outline
from spinemet.segmentation.tumor_session import TumorSession
from spinemet.segmentation.tumor_strokes import Box, Stroke
from tumor_reader import dice

SHAPE = (50, 70, 110)


def dumbbell() -> tuple[Image, np.ndarray, np.ndarray, np.ndarray]:
    """Two balls of one tissue joined by a bridge, at 1 mm: the image, and the left ball, right ball and bridge."""
    k, j, i = np.indices(SHAPE)
    left = (k - 25) ** 2 + (j - 35) ** 2 + (i - 30) ** 2 < 12**2
    right = (k - 25) ** 2 + (j - 35) ** 2 + (i - 75) ** 2 < 12**2
    bridge = ((k - 25) ** 2 + (j - 35) ** 2 < 3**2) & (i > 30) & (i < 75)
    noise = np.random.default_rng(0).normal(0, 10, SHAPE)
    values = np.where(left | right | bridge, 50, 180) + noise
    return Image(values.astype(np.float32), np.eye(4), name="CT"), left, right, bridge


LEFT, RIGHT = Click((30.0, 35.0, 25.0)), Click((75.0, 35.0, 25.0))


def on(image: Image, mask: Image) -> np.ndarray:
    """A mask on a crop, on the whole grid."""
    i, j, k = np.rint(image.to_index(mask.to_world(np.zeros(3)))).astype(int)
    result = np.zeros(image.shape, bool)
    result[k : k + mask.shape[0], j : j + mask.shape[1], i : i + mask.shape[2]] = mask.array
    return result


def test_an_outside_stroke_takes_away_near_itself_and_an_inside_stroke_gives_back() -> None:
    image, left, right, bridge = dumbbell()
    whole = left | right | bridge
    accepted = image.with_array(whole)
    away = Stroke(((68.0, 35.0, 25.0), (82.0, 35.0, 25.0)), False)
    less = on(image, corrected_outline(image, accepted, [away], earlier=[LEFT]))
    assert not (less & ~whole).any()
    assert (less & left).sum() == left.sum()
    assert (less & right).sum() < 0.1 * right.sum()
    again = on(image, corrected_outline(image, image.with_array(less), [RIGHT]))
    assert not (less & ~again).any()
    assert dice(again, whole) > 0.95
    assert np.array_equal(accepted.array, whole)


def test_nothing_changes_far_from_the_stroke_even_where_the_outline_is_odd() -> None:
    image, left, right, _ = dumbbell()
    odd = left.copy()
    odd[20:30, 30:40, 25:35] = False
    odd[2:5, 2:5, 2:5] = True
    after = on(image, corrected_outline(image, image.with_array(odd), [RIGHT]))
    near = np.zeros(SHAPE, bool)
    near[:, :, 57:] = True
    assert np.array_equal(after & ~near, odd & ~near)
    assert dice(after & near, right) > 0.9


def test_a_crop_is_corrected_as_the_whole() -> None:
    image, left, right, _ = dumbbell()
    crop = image.crop((slice(10, 40), slice(20, 50), slice(15, 45)))
    small = crop.with_array(left[10:40, 20:50, 15:45])
    found = corrected_outline(image, small, [RIGHT])
    assert dice(on(image, found), left | right) > 0.9
    with pytest.raises(GridMismatch):
        corrected_outline(image, Image(left[:10], np.diag([2.0, 1, 1, 1])), [RIGHT])


def test_steps_are_undone_and_redone() -> None:
    image, left, right, bridge = dumbbell()
    session = TumorSession(image)
    assert session.state.mask is None and not session.mask_on_image().any()
    session.add(LEFT)
    session.add(RIGHT)
    session.refine()
    session.accept()
    session.add(Stroke(((70.0, 35.0, 25.0), (80.0, 35.0, 25.0)), False))
    without = session.mask_on_image()
    assert dice(without, left) > 0.85
    session.undo()
    with_both = session.mask_on_image()
    assert dice(with_both, left | right | bridge) > 0.9
    session.redo()
    assert np.array_equal(session.mask_on_image(), without)
    for _ in range(9):
        session.undo()
    assert session.state.mask is None and not session.can_undo and session.can_redo
    session.add(RIGHT)
    assert not session.can_redo


@pytest.mark.parametrize("mark", [Click((900.0, 0.0, 0.0)), Box(((0.0, 0.0, 0.0), (20.0, 20.0, 20.0)))])
def test_a_mark_that_is_refused_changes_nothing(mark) -> None:
    image, left, _, _ = dumbbell()
    session = TumorSession(image, accepted=image.with_array(left))
    before = session.state
    with pytest.raises(BadInput):
        session.add(mark)
    assert session.state is before and not session.can_undo


def test_there_must_be_something_to_accept() -> None:
    image, *_ = dumbbell()
    with pytest.raises(BadInput, match="mark the tumor first"):
        TumorSession(image).accept()


def test_an_outside_stroke_beside_the_outline_changes_nothing() -> None:
    image, left, _, _ = dumbbell()
    beside = Stroke(((5.0, 5.0, 5.0),), False)
    after = on(image, corrected_outline(image, image.with_array(left), [beside]))
    assert np.array_equal(after, left)
