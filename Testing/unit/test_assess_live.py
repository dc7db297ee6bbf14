"""After an edit of one outline only what depends on it is measured again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from assess_patient import Given, whole
from spinemet.assessment import Assessment
from spinemet.increment import Increment
from spinemet.levels import Level

EVERYWHERE = {"spine line", "alignment", "collapse", "alignment candidates", "bone quality"}
"""Cheap steps that look at the whole spine by their nature."""
OWN = {"vertebra", "metal", "shell", "pedicles", "trabecular", "density"}
"""Steps that look at one vertebra alone."""


@pytest.fixture(scope="module")
def assessed() -> tuple[Given, Increment, Assessment]:
    given, store = whole(), Increment()
    return given, store, given.assessed(store)


def again(given: Given, store: Increment) -> tuple[Assessment, dict[str, set[str]]]:
    """The assessment, and the levels at which each step ran."""
    kept = Increment(dict(store.kept))
    result = given.assessed(kept)
    steps: dict[str, set[str]] = {}
    for step, place in kept.computed:
        steps.setdefault(step, set()).add(place)
    return result, steps


def with_smaller_lesion(given: Given, level: Level) -> Given:
    assert given.lesions is not None
    array = given.lesions.image.array.copy()
    inside = (array > 0) & given.bone(level)
    array[inside & ~ndimage.binary_erosion(inside)] = 0
    return replace(given, lesions=replace(given.lesions, image=given.lesions.image.with_array(array)))


def without_the_tip_of_its_spinous_process(given: Given, level: Level) -> Given:
    bone = given.bone(level)
    world = given.image.to_world(np.argwhere(bone)[:, ::-1])
    tip = bone.copy()
    tip[tuple(np.argwhere(bone)[world[:, 1] > world[:, 1].min() + 2.0].T)] = False
    return given.with_bone(level, bone & ~tip)


def test_nothing_is_measured_again_when_nothing_changed(assessed) -> None:
    given, store, first = assessed
    second, steps = again(given, store)
    assert steps == {}
    assert second.levels == first.levels


def test_an_answer_measures_nothing_again(assessed) -> None:
    given, store, _ = assessed
    other, steps = again(replace(given, answers=given.answers.with_level(Level.L1, pain="none")), store)
    assert steps == {}
    assert other[Level.L1].sins.components["pain"].points == 0


def test_an_edited_lesion_runs_the_steps_of_its_level_alone(assessed) -> None:
    given, store, before = assessed
    after, steps = again(with_smaller_lesion(given, Level.L4), store)
    own = ("lesion mask", "lesion", "cortex", "extent", "broken parts", "posterolateral")
    assert steps == {step: {"L4"} for step in own}
    assert after[Level.L4].measurement("lesion volume").value < before[Level.L4].measurement("lesion volume").value
    assert after[Level.L1] == before[Level.L1]


def test_an_edited_vertebra_runs_its_steps_and_those_that_compare_with_it(assessed) -> None:
    given, store, before = assessed
    after, steps = again(without_the_tip_of_its_spinous_process(given, Level.L3), store)
    own = {step: places for step, places in steps.items() if step in OWN}
    assert own.keys() == OWN
    # The course of the spine, rounded, may change two levels away: those are measured again, too.
    assert all({"L3"} <= places <= {"L1", "L2", "L3", "L4", "L5"} for places in own.values()), own
    compared = {place for step, places in steps.items() if step not in OWN | EVERYWHERE for place in places}
    assert not compared & {"T8", "T9", "T10"}, "they lie too far away to look at L3 or its neighbors"
    assert after[Level.T8].sins == before[Level.T8].sins


def test_a_lesion_removed_leaves_the_other_lesions_steps_alone(assessed) -> None:
    given, store, _ = assessed
    assert given.lesions is not None
    array = np.where(given.bone(Level.T8), 0, given.lesions.image.array)
    fewer = replace(given, lesions=replace(given.lesions, image=given.lesions.image.with_array(array)))
    after, steps = again(fewer, store)
    assert after[Level.T8].sins is None
    touched = {place for step, places in steps.items() if step not in EVERYWHERE for place in places}
    assert not touched & {"L1", "L4"}, "T8 is now a reference for T9 to T11, not for the lumbar spine"
