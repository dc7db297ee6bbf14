"""The quick regrade after an edit: the scores first, then all else, and in the end what a first look would find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from assess_patient import Given, whole
from spinemet.assess import assess
from spinemet.assessment import Assessment
from spinemet.increment import Increment
from spinemet.levels import Level

HINT_SHARE = 0.1
"""An unchanged vertebra keeps the hint it was measured from: that moves nothing by more than this share of its ±."""

Edit = Callable[[Given], Given]


@pytest.fixture(scope="module")
def measured() -> tuple[Given, Increment]:
    given, store = whole(), Increment()
    given.assessed(store)
    return given, store


def graded(given: Given, store: Increment, *, details: bool) -> Assessment:
    return assess(
        given.image, given.ref, given.vertebrae, given.lesions, answers=given.answers, store=store, details=details
    )


def a_smaller_lesion(given: Given) -> Given:
    assert given.lesions is not None
    array = given.lesions.image.array.copy()
    inside = (array > 0) & given.bone(Level.L4)
    array[inside & ~ndimage.binary_erosion(inside)] = 0
    return replace(given, lesions=replace(given.lesions, image=given.lesions.image.with_array(array)))


def without_a_tip(given: Given, level: Level) -> Given:
    bone = given.bone(level)
    voxels = np.argwhere(bone)
    world = given.image.to_world(voxels[:, ::-1])
    kept = bone.copy()
    kept[tuple(voxels[world[:, 1] <= world[:, 1].min() + 2.0].T)] = False
    return given.with_bone(level, kept)


def an_edited_neighbor(given: Given) -> Given:
    return without_a_tip(given, Level.L3)


def an_edited_sick_vertebra(given: Given) -> Given:
    return without_a_tip(given, Level.L4)


def answers(given: Given) -> Given:
    said = given.answers.with_level(Level.L1, pain="none").with_level(Level.L3, instrumented=True)
    return replace(given, answers=said)


EDITS = (a_smaller_lesion, an_edited_neighbor, an_edited_sick_vertebra, answers)


def assert_the_same(one: Assessment, other: Assessment) -> None:
    """Field by field; numbers may differ by what the steadiness of hints allows."""
    _same(replace(one, created="").to_json(), replace(other, created="").to_json(), "")


def _same(one: object, other: object, place: str, error: float | None = None) -> None:
    """:param error: the ± of a measured value; positions and curves have none."""
    if isinstance(one, dict):
        assert isinstance(other, dict) and one.keys() == other.keys(), place
        for key in one:
            _same(one[key], other[key], f"{place}/{key}", one.get("uncertainty") if key == "value" else None)
    elif isinstance(one, list):
        assert isinstance(other, list) and len(one) == len(other), place
        for number, pair in enumerate(zip(one, other, strict=True)):
            _same(*pair, f"{place}/{number}")
    elif isinstance(one, float) and isinstance(other, float):
        room = {"abs": 0.03, "rel": 0.01} if error is None else {"abs": max(HINT_SHARE * error, 1e-3), "rel": 1e-3}
        assert other == pytest.approx(one, **room), place
    else:
        assert one == other, place


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_the_scores_first_and_then_all_the_rest_are_what_a_first_look_finds(measured, edit: Edit) -> None:
    given, store = edit(measured[0]), Increment(dict(measured[1].kept))
    quick = graded(given, store, details=False)
    open_steps = set(store.pending)
    assert bool(open_steps) == any("Not measured again" in text for text in quick.warnings)
    completed = graded(given, store, details=True)
    assert not store.pending
    assert open_steps <= set(store.computed)
    assert not any("Not measured again" in text for text in completed.warnings)
    assert_the_same(completed, given.assessed())


def test_the_quick_look_scores_an_edited_lesion_as_the_whole_one_does(measured) -> None:
    given, store = a_smaller_lesion(measured[0]), Increment(dict(measured[1].kept))
    quick = graded(given, store, details=False)
    assert quick[Level.L4].sins == graded(given, store, details=True)[Level.L4].sins


def test_the_quick_look_at_an_edited_vertebra_leaves_its_details_for_later(measured) -> None:
    given, store = an_edited_neighbor(measured[0]), Increment(dict(measured[1].kept))
    quick = graded(given, store, details=False)
    assert ("vertebra", "L3") in store.computed
    assert {("pedicles", "L3"), ("trabecular", "L3"), ("cortex", "L4")} <= set(store.pending)
    assert "pedicles L3" in quick.warnings[-1]
    assert quick[Level.L3].measurement("vertebra volume") == given.assessed()[Level.L3].measurement("vertebra volume")


def test_the_first_look_measures_everything_however_quick() -> None:
    given, store = whole(), Increment()
    quick = graded(given, store, details=False)
    assert not store.pending
    assert replace(quick, created="") == replace(given.assessed(), created="")


def test_another_image_or_an_outline_that_goes_leaves_nothing_for_later(measured) -> None:
    given, first = measured
    brighter = replace(given, image=given.image.with_array(given.image.array + 100))
    fewer = given.with_bone(Level.L2, np.zeros(given.image.shape, dtype=bool))
    for changed in (brighter, fewer):
        store = Increment(dict(first.kept))
        quick = graded(changed, store, details=False)
        assert not store.pending
        assert not any("Not measured again" in text for text in quick.warnings)
