"""Only what depends on a change is computed again."""

from __future__ import annotations

import numpy as np

from spinemet.answers import LevelAnswers
from spinemet.image import Image
from spinemet.increment import Increment, fingerprint
from spinemet.levels import Level


def image(value: float = 0.0, shift: float = 0.0) -> Image:
    matrix = np.eye(4)
    matrix[0, 3] = shift
    return Image(np.full((2, 3, 4), value, dtype=np.float32), matrix)


def test_a_step_with_the_same_inputs_is_not_computed_again():
    store = Increment()
    for _ in range(3):
        assert store.run("volume", Level.L1, (image(1.0), 0.5), lambda: object) is object
    assert store.computed == [("volume", "L1")]


def test_a_changed_voxel_place_or_parameter_is_computed_again():
    store = Increment()
    counter = iter(range(10))
    inputs = [(image(1.0), 0.5), (image(2.0), 0.5), (image(2.0, 1.0), 0.5), (image(2.0, 1.0), 0.6)]
    assert [store.run("volume", Level.L1, given, lambda: next(counter)) for given in inputs] == [0, 1, 2, 3]


def test_levels_and_steps_are_kept_apart():
    store = Increment()
    assert store.run("volume", Level.L1, (1,), lambda: "a") == "a"
    assert store.run("volume", Level.L2, (1,), lambda: "b") == "b"
    assert store.run("height", Level.L1, (1,), lambda: "c") == "c"
    store.begin()
    assert store.run("volume", Level.L1, (1,), lambda: "new") == "a"
    assert store.computed == []


def test_memory_stays_bounded_while_the_input_changes():
    store = Increment()
    for n in range(50):
        store.run("volume", Level.L1, (n,), lambda: np.zeros(10))
    assert len(store.kept) == 1


def test_a_failed_step_is_not_kept():
    store = Increment()

    def fail():
        raise RuntimeError

    for _ in range(2):
        try:
            store.run("volume", Level.L1, (1,), fail)
        except RuntimeError:
            continue
    assert store.kept == {}


def test_fingerprints_of_equal_things_are_equal_and_of_others_not():
    things = [
        (1,), (1.5,), ("1",), (None,), ((1, 2),), (image(1.0),), (image(2.0),), (np.arange(3),), (np.arange(3.0),),
        (LevelAnswers(pain="none"),), (LevelAnswers(pain="mechanical"),), ("a", "b"), ("ab",),
    ]  # fmt: skip
    assert len({fingerprint(*thing) for thing in things}) == len(things)
    assert fingerprint(image(1.0), LevelAnswers(pain="none")) == fingerprint(image(1.0), LevelAnswers(pain="none"))


def test_in_a_hurry_what_can_wait_is_left_as_it_was_and_named():
    store = Increment()
    store.run("width", Level.L1, (1,), lambda: "old", can_wait=("a",))
    store.begin(hurry=True)
    assert store.run("width", Level.L1, (1,), lambda: "new", can_wait=("b",)) == "old"
    assert (store.pending, store.computed) == ([("width", "L1")], [])
    store.begin()
    assert store.run("width", Level.L1, (1,), lambda: "new", can_wait=("b",)) == "new"
    assert (store.pending, store.computed) == ([], [("width", "L1")])


def test_in_a_hurry_what_cannot_wait_and_what_is_not_known_yet_is_computed():
    store = Increment()
    store.run("width", Level.L1, (1,), lambda: "old", can_wait=("a",))
    store.begin(hurry=True)
    assert store.run("width", Level.L1, (2,), lambda: "new", can_wait=("b",)) == "new"
    assert store.run("width", Level.L2, (1,), lambda: "first", can_wait=("a",)) == "first"
    assert store.pending == []


def test_a_step_that_is_computed_in_a_hurry_gets_nothing_outdated():
    store = Increment()

    def outer(inner: str) -> str:
        return store.run("sum", "", (inner,), lambda: store.run("part", "", (), lambda: inner, can_wait=(inner,)))

    outer("old")
    store.begin(hurry=True)
    assert outer("new") == "new"
    assert store.pending == []
