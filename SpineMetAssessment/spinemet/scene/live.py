"""Live grading: after an edit the study is graded again in small steps, so that nobody waits for it.

Key functions: `OutlineWatch.update` finds what changed and keeps the label maps current; `SlicedCall` runs the
measuring in a thread that gets the interpreter for a few milliseconds at a time; `LiveGrading` drives both: first the
scores, then all that could wait for them. No Qt: whoever has an event loop calls `LiveGrading.step` from a timer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Generic, Protocol, TypeVar

from spinemet.assessment import Assessment
from spinemet.errors import Cancelled
from spinemet.labelmap import LabelMap
from spinemet.progress import Progress
from spinemet.scene.outline_watch import OutlineWatch

T = TypeVar("T")
STEP_SECONDS = 0.012
"""How long one step may hold the main thread; a step ends at the first pause after that."""
LEAST_SECONDS = 0.002
"""The measuring gets at least so long in every step."""

Show = Callable[[Assessment], Iterator[None]]
Steps = Generator["Assessment | None", None, None]
"""Ends of steps; an assessment where it was just shown."""


class Grade(Protocol):
    """What measures and scores; called in a thread, so it must not touch MRML."""

    @property
    def pending(self) -> bool:
        """Whether the last call left something as it was before the edit."""

    def __call__(self, vertebrae: LabelMap, lesions: LabelMap, progress: Progress, *, details: bool) -> Assessment:
        """Measure and score; without `details` what the scores do not need may stay as it was."""


class SlicedCall(Generic[T]):
    """A call in a thread of its own, which runs while somebody waits for it in `run`.

    Inside Slicer the main thread keeps the interpreter while it handles events, so a thread gets on only while the
    main thread waits: `run` waits for a short time, again and again. The call must not touch MRML.

    :param call: takes a `progress`, through which it is stopped.
    """

    def __init__(self, call: Callable[[Progress], T]) -> None:
        self._call = call
        self._done = threading.Event()
        self._stopped = False
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="SpineMet grading", daemon=True)

    def run(self, seconds: float) -> bool:
        """Let the call get on for at most so long; True once it has ended."""
        if self._thread.ident is None:
            self._thread.start()
        return self._done.wait(seconds)

    def stop(self) -> None:
        """Ask the call to end at its next report of progress, and wait until it has."""
        self._stopped = True
        if self._thread.ident is not None:
            self._done.wait()

    def result(self) -> T:
        """What the call returned. :raises BaseException: what it raised."""
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _work(self) -> None:
        try:
            self._result.append(self._call(self._progress))
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()

    def _progress(self, fraction: float, text: str) -> None:
        if self._stopped:
            raise Cancelled("The outlines changed again.")


class LiveGrading:
    """Grades one study again after its outlines or answers changed.

    :param watch: the study's outlines.
    :param grade: measures and scores.
    :param show: shows a result in the scene, in steps of a few milliseconds.
    :param keep: keeps a result for good, in such steps, too; it gets complete ones only.
    """

    def __init__(self, watch: OutlineWatch, grade: Grade, show: Show, keep: Show) -> None:
        self.watch = watch
        self._grade, self._show, self._keep = grade, show, keep
        self._job: Steps | None = None
        self._call: SlicedCall[Assessment] | None = None
        self._showing = False
        self._again = False
        self._until = 0.0
        self.doing = ""
        """The kind of step that runs, or ran last."""

    @property
    def busy(self) -> bool:
        """Whether `step` has something to do."""
        return self._job is not None

    @property
    def showing(self) -> bool:
        """Whether a result is being written into the scene: what changes there now is not an edit."""
        return self._showing

    def begin(self) -> None:
        """Grade anew. What runs is given up, unless its result is being shown: then this comes after it."""
        if self._showing:
            self._again = True
            return
        self.stop()
        self._job = self._steps()

    def stop(self) -> None:
        """Give up what runs; the scene keeps the last result."""
        if self._call is not None:
            self._call.stop()
            self._call = None
        if self._job is not None:
            self._job.close()
            self._job = None
        self._showing = self._again = False

    def step(self, seconds: float = STEP_SECONDS) -> Assessment | None:
        """Work for about so long; the new assessment once it is shown: first its scores, then all of it.

        :raises SpineMetError: the study cannot be graded as it is now; the scene keeps the last result.
        """
        self._until = time.perf_counter() + seconds
        while self._job is not None:
            try:
                shown = next(self._job)
            except StopIteration:
                self._job = None
                break
            except BaseException:
                self.stop()
                raise
            if shown is not None:
                if self._again:
                    self._again = False
                    self.begin()
                return shown
            if time.perf_counter() >= self._until:
                break
        return None

    def finish(self) -> Assessment | None:
        """Work to the end at once; the last assessment that was shown."""
        found = None
        while self.busy:
            found = self.step() or found
        return found

    def _steps(self) -> Steps:
        self.doing = "outlines"
        yield from self.watch.update()
        assessment = yield from self._graded(details=False)
        yield from self._shown(assessment)
        if self._grade.pending:
            assessment = yield from self._graded(details=True)
            yield from self._shown(assessment)
        self.doing = "keeping"
        for _ in self._keep(assessment):
            yield None

    def _graded(self, *, details: bool) -> Generator[None, None, Assessment]:
        self.doing = "details" if details else "scores"
        vertebrae, lesions = self.watch.vertebrae, self.watch.lesions
        call = self._call = SlicedCall(lambda progress: self._grade(vertebrae, lesions, progress, details=details))
        while not call.run(max(LEAST_SECONDS, self._until - time.perf_counter())):
            yield
        self._call = None
        return call.result()

    def _shown(self, assessment: Assessment) -> Steps:
        self.doing = "showing"
        self._showing = True
        try:
            for _ in self._show(assessment):
                yield None
        finally:
            self._showing = False
        yield assessment
