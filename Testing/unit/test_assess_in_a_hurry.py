"""The quick regrade after an edit: the scores first, then all else, and in the end what a first look would find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from assess_patient import Given, whole
from spinemet.answers import Override
from spinemet.assess import assess
from spinemet.assessment import Assessment
from spinemet.increment import Increment
from spinemet.levels import Level
from spinemet.scene.table import columns, rows

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
    assert replace(completed, created="") == replace(given.assessed(), created="")


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_a_quick_look_before_leaves_no_trace_in_the_whole_one(measured, edit: Edit) -> None:
    given, hurried, steady = edit(measured[0]), Increment(dict(measured[1].kept)), Increment(dict(measured[1].kept))
    graded(given, hurried, details=False)
    after, directly = graded(given, hurried, details=True), graded(given, steady, details=True)
    assert replace(after, created="") == replace(directly, created="")


def test_two_edits_in_a_row_leave_no_trace_of_the_first_quick_look(measured) -> None:
    first, hurried = an_edited_sick_vertebra(measured[0]), Increment(dict(measured[1].kept))
    graded(first, hurried, details=False)
    second = a_smaller_lesion(first)
    graded(second, hurried, details=False)
    after = graded(second, hurried, details=True)
    steady = Increment(dict(measured[1].kept))
    graded(first, steady, details=True)
    assert replace(after, created="") == replace(graded(second, steady, details=True), created="")


def test_the_quick_look_scores_an_edited_lesion_as_the_whole_one_does_but_for_the_cortex(measured) -> None:
    given, store = a_smaller_lesion(measured[0]), Increment(dict(measured[1].kept))
    quick = graded(given, store, details=False)
    assert outdated(quick, Level.L4) == {"posterolateral"}
    assert ("cortex", "L4") in store.pending
    found, true = (item[Level.L4].sins.components for item in (quick, graded(given, store, details=True)))
    assert {name: item for name, item in found.items() if not item.outdated} == {
        name: item for name, item in true.items() if name != "posterolateral"
    }


def test_the_quick_look_at_an_edited_vertebra_leaves_its_details_for_later(measured) -> None:
    given, store = an_edited_neighbor(measured[0]), Increment(dict(measured[1].kept))
    quick = graded(given, store, details=False)
    assert ("vertebra", "L3") in store.computed
    assert {("pedicles", "L3"), ("trabecular", "L3"), ("cortex", "L4")} <= set(store.pending)
    assert "pedicles L3" in quick.warnings[-1]
    assert quick[Level.L3].measurement("vertebra volume") == given.assessed()[Level.L3].measurement("vertebra volume")


def outdated(assessment: Assessment, level: Level) -> set[str]:
    result = assessment[level].sins
    assert result is not None
    return {name for name, finding in result.components.items() if finding.outdated}


def test_what_is_still_as_it_was_before_the_edit_says_so_itself(measured) -> None:
    given, store = an_edited_sick_vertebra(measured[0]), Increment(dict(measured[1].kept))
    quick = graded(given, store, details=False)
    assert {"posterolateral", "collapse"} <= outdated(quick, Level.L4)
    assert not outdated(quick, Level.L4) & {"location", "pain"}
    shown = dict(zip(columns(), next(row for row in rows(quick) if row[0] == "L4"), strict=True))
    assert shown["Posterolateral"].endswith("(being measured again)")
    completed = graded(given, store, details=True)
    assert not any(outdated(completed, item.level) for item in completed.scored)


def test_what_a_person_said_is_never_outdated(measured) -> None:
    given, store = an_edited_sick_vertebra(measured[0]), Increment(dict(measured[1].kept))
    said = given.answers.with_level(Level.L4, overrides={"posterolateral": Override(3)})
    assert "posterolateral" not in outdated(graded(replace(given, answers=said), store, details=False), Level.L4)


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
