"""Live grading without Qt: a call in slices can be stopped, a new edit gives up the old run, errors show nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from spinemet.assessment import Assessment
from spinemet.errors import BadInput, Cancelled
from spinemet.progress import Progress
from spinemet.scene.live import LiveGrading, SlicedCall
from spinemet.scene.outline_watch import OutlineWatch


def _slow(steps: int, seconds: float) -> Callable[[Progress], str]:
    def call(progress: Progress) -> str:
        for number in range(steps):
            progress(number / steps, "working")
            time.sleep(seconds)
        return "done"

    return call


def test_a_sliced_call_gives_its_result_after_some_slices() -> None:
    call = SlicedCall(_slow(10, 0.005))
    slices = 0
    while not call.run(0.005):
        slices += 1
    assert slices > 2
    assert call.result() == "done"


def test_a_slice_ends_in_time() -> None:
    call = SlicedCall(_slow(1, 0.5))
    start = time.perf_counter()
    assert not call.run(0.01)
    assert time.perf_counter() - start < 0.2
    call.stop()


def test_a_stopped_call_ends_at_its_next_report() -> None:
    call = SlicedCall(_slow(1000, 0.01))
    call.run(0.01)
    call.stop()
    with pytest.raises(Cancelled):
        call.result()


def test_a_call_that_never_began_can_be_stopped() -> None:
    SlicedCall(_slow(1, 0.0)).stop()


def test_what_a_call_raises_reaches_the_caller() -> None:
    def fail(progress: Progress) -> None:
        raise BadInput("Nothing is outlined; outline a vertebra.")

    call = SlicedCall(fail)
    while not call.run(0.01):
        pass
    with pytest.raises(BadInput, match="Nothing is outlined"):
        call.result()


@pytest.fixture
def a_grading(
    a_session: Any, a_small_spine: Any, a_scene_of: Callable[..., Any], an_assessment_of: Callable[..., Assessment]
) -> tuple[LiveGrading, list[str]]:
    """A grading whose measuring takes 50 ms, and a record of what it showed."""
    volume, node = a_scene_of(a_session.scene, a_small_spine)
    shown: list[str] = []

    def grade(vertebrae: Any, lesions: Any, progress: Progress) -> Assessment:
        _slow(10, 0.005)(progress)
        return replace(an_assessment_of(), created=str(len(shown)))

    def show(assessment: Assessment) -> Iterator[None]:
        yield
        shown.append(assessment.created)
        yield

    return LiveGrading(OutlineWatch(node, volume), grade, show), shown


def test_a_run_is_shown_once(a_grading: tuple[LiveGrading, list[str]]) -> None:
    grading, shown = a_grading
    grading.begin()
    assert grading.finish() is not None
    assert shown == ["0"]
    assert not grading.busy
    assert grading.step() is None


def test_a_new_edit_gives_up_what_runs(a_grading: tuple[LiveGrading, list[str]]) -> None:
    grading, shown = a_grading
    grading.begin()
    for _ in range(3):
        grading.step(0.0)
    grading.begin()
    grading.finish()
    assert shown == ["0"]


def test_an_edit_while_a_result_is_shown_comes_after_it(a_grading: tuple[LiveGrading, list[str]]) -> None:
    grading, shown = a_grading
    grading.begin()
    while not grading.showing:
        grading.step(0.0)
    grading.begin()
    grading.finish()
    assert shown == ["0", "1"]


def test_a_study_that_cannot_be_graded_shows_nothing(a_grading: tuple[LiveGrading, list[str]]) -> None:
    grading, shown = a_grading

    def refuse(*_: Any) -> Assessment:
        raise BadInput("No vertebra is outlined; outline one.")

    grading._grade = refuse
    grading.begin()
    with pytest.raises(BadInput):
        grading.finish()
    assert shown == []
    assert not grading.busy
