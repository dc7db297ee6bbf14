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


class _Study:
    """A study whose scores take 50 ms, and its details as long again where there are any; says what is done to it."""

    def __init__(self, assessment: Assessment, *, pending: bool) -> None:
        self.assessment, self.waits = assessment, pending
        self.pending = False
        self.did: list[str] = []

    def __call__(self, vertebrae: Any, lesions: Any, progress: Progress, *, details: bool) -> Assessment:
        _slow(10, 0.005)(progress)
        self.pending = self.waits and not details
        return replace(self.assessment, created="all" if details else "scores")

    def show(self, assessment: Assessment) -> Iterator[None]:
        yield
        self.did.append(f"shown {assessment.created}")
        yield

    def keep(self, assessment: Assessment) -> Iterator[None]:
        yield
        self.did.append(f"kept {assessment.created}")


@pytest.fixture(params=[False, True], ids=["nothing can wait", "details wait"])
def a_grading(
    request: pytest.FixtureRequest,
    a_session: Any,
    a_small_spine: Any,
    a_scene_of: Callable[..., Any],
    an_assessment_of: Callable[..., Assessment],
) -> tuple[LiveGrading, _Study]:
    volume, node = a_scene_of(a_session.scene, a_small_spine)
    study = _Study(an_assessment_of(), pending=request.param)
    return LiveGrading(OutlineWatch(node, volume), study, study.show, study.keep), study


def _whole_run(study: _Study) -> list[str]:
    return ["shown scores", "shown all", "kept all"] if study.waits else ["shown scores", "kept scores"]


def test_scores_are_shown_first_and_only_what_is_complete_is_kept(a_grading: tuple[LiveGrading, _Study]) -> None:
    grading, study = a_grading
    grading.begin()
    assert grading.finish() is not None
    assert study.did == _whole_run(study)
    assert not grading.busy
    assert grading.step() is None


def test_every_shown_assessment_is_told(a_grading: tuple[LiveGrading, _Study]) -> None:
    grading, study = a_grading
    grading.begin()
    told = []
    while grading.busy:
        told += filter(None, [grading.step()])
    assert [f"shown {item.created}" for item in told] == [item for item in study.did if item.startswith("shown")]


def test_a_new_edit_gives_up_what_runs(a_grading: tuple[LiveGrading, _Study]) -> None:
    grading, study = a_grading
    grading.begin()
    for _ in range(3):
        grading.step(0.0)
    grading.begin()
    grading.finish()
    assert study.did == _whole_run(study)


def test_a_new_edit_gives_up_details_that_are_measured(a_grading: tuple[LiveGrading, _Study]) -> None:
    grading, study = a_grading
    grading.begin()
    while grading.step() is None:
        pass
    grading.step(0.0)
    grading.begin()
    grading.finish()
    assert study.did[:1] == ["shown scores"]
    assert study.did[-len(_whole_run(study)) :] == _whole_run(study)
    assert study.did.count("kept all") <= 1


def test_an_edit_while_a_result_is_shown_comes_after_it(a_grading: tuple[LiveGrading, _Study]) -> None:
    grading, study = a_grading
    grading.begin()
    while not grading.showing:
        grading.step(0.0)
    grading.begin()
    grading.finish()
    assert study.did == ["shown scores", *_whole_run(study)]


def test_a_study_that_cannot_be_graded_shows_nothing(a_grading: tuple[LiveGrading, _Study]) -> None:
    grading, study = a_grading

    def refuse(*_: Any, **__: Any) -> Assessment:
        raise BadInput("No vertebra is outlined; outline one.")

    grading._grade = refuse
    grading.begin()
    with pytest.raises(BadInput):
        grading.finish()
    assert study.did == []
    assert not grading.busy
