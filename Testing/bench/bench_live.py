"""Benchmarks of live grading: from the event of a stroke to the updated table and markups of the module.

A synthetic patient in 512×512×400 voxels of 0.7×0.7×1.7 mm: its 11 bones, T8 to the sacrum, with copies of six of them
on top as T2 to T7, make 17 segments in one shared layer; the lesions lie in another. Real MRML nodes, and the module's
own panels in the strict host of the GUI tests, with its own debounce.
`python Testing/bench/bench_live.py [STROKES]` prints for every kind of edit the latency to the scores and to the last
detail, and the longest steps of the main thread with their names; times by the clock and by the processor, which
differ where other programs run beside it. Then opening the module, the evidence of another level, and apart from it
all the conversion to surfaces.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

TESTING = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTING), str(TESTING.parent / "SpineMetAssessment")]

from spinemet.levels import Level  # noqa: E402

SEED = 2
COPIED = (Level.T8, Level.T9, Level.T10, Level.T11, Level.T12, Level.L1)
COPIES = (Level.T2, Level.T3, Level.T4, Level.T5, Level.T6, Level.T7)
DISC_MM = 5.0
_OPEN = ExitStack()
"""Holds the host open until Python ends."""
STROKES = 20
"""Of each kind."""
STROKE_VOXELS = 5
"""Edge of the cube that one stroke sets or clears."""


@dataclass(frozen=True)
class Step:
    """What the main thread did in one go: seconds by the clock, and of the processor for this thread alone."""

    wall: float
    cpu: float
    name: str


@dataclass(frozen=True)
class Latency:
    """Seconds from the event to the scores in table and markups, and to the last detail; processor of all threads."""

    shown: float
    shown_cpu: float
    complete: float
    complete_cpu: float
    steps: tuple[Step, ...]


@dataclass
class LiveModule:
    """The module over the study, assessed once, and what an edit of each kind takes."""

    application: Any
    node: Any
    opening: Step
    _steps: list[Step] = field(default_factory=list)
    _shown: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        widget, logic = self.application.widget, self.application.widget.logic
        told = logic.regraded

        def tell() -> None:
            told()
            self._shown.append((time.perf_counter(), time.process_time()))

        logic.regraded = tell
        # The timers call what they were connected to.
        logic._start(1_000_000)
        logic._timer.stop()
        logic._waits = False
        self._follow(logic._timer.timeout, logic._pulse, lambda: logic._grading.doing if logic._grading else "begin")
        self._follow(widget._soon.timeout, widget._onSoon, lambda: "refresh")

    @property
    def assessment(self) -> Any:
        return self.application.widget.logic.assessment(self.application.widget._parameterNode)

    def _follow(self, signal: Any, call: Callable[[], None], name: Callable[[], str]) -> None:
        def timed() -> None:
            before, wall, cpu = name(), time.perf_counter(), time.thread_time()
            call()
            words = " to ".join(dict.fromkeys((before, name())))
            self._steps.append(Step(time.perf_counter() - wall, time.thread_time() - cpu, words))

        signal.disconnect()
        signal.connect(timed)

    def stroke(self, segment: str, number: int) -> Latency:
        """Erase or paint a cube at a place of a segment, and wait for the end.

        A stroke of the segment editor writes into the layer and announces it; so does this.
        """
        import slicer
        from PySide6 import QtCore

        segmentation = self.node.GetSegmentation()
        voxels = slicer.util.arrayFromSegmentInternalBinaryLabelmap(self.node, segment)
        label = segmentation.GetSegment(segment).GetLabelValue()
        places = np.argwhere(voxels == label)
        corner = places[(number * 7919) % len(places)]
        box = tuple(slice(max(0, int(c) - 2), int(c) + STROKE_VOXELS - 2) for c in corner)
        own = voxels[box] == label
        if number % 2:
            voxels[box][own] = 0
        else:
            voxels[box][voxels[box] == 0] = label
        segmentation.GetSegment(segment).GetRepresentation("Binary labelmap").Modified()
        self._steps.clear()
        self._shown.clear()
        begin, begin_cpu = time.perf_counter(), time.process_time()
        segmentation.InvokeEvent(segmentation.SourceRepresentationModified)
        logic = self.application.widget.logic
        while not self._shown or logic.grading:
            # As an event loop does: it sleeps until a timer is due.
            QtCore.QCoreApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        end, end_cpu = time.perf_counter(), time.process_time()
        self.application.settle()
        shown, shown_cpu = self._shown[0]
        return Latency(
            shown - begin,
            shown_cpu - begin_cpu,
            end - begin,
            end_cpu - begin_cpu,
            tuple(self._steps),
        )

    def evidence(self, level: str) -> Step:
        """Go to another level, and wait until its evidence is shown."""
        from gui.host import select_row

        table = self.application.widget.panel("AssessPanel").ui.levelTable
        wall, cpu = time.perf_counter(), time.thread_time()
        select_row(table, level)
        self.application.settle()
        return Step(time.perf_counter() - wall, time.thread_time() - cpu, level)


@cache
def module() -> LiveModule:
    """Create the patient, put it into a scene, open the module and press Assess (half a minute)."""
    # The host must be there before anything else that speaks Qt.
    from gui.host import click, open_application
    from spinemet import phantom
    from spinemet.case import ImageRef, Role
    from spinemet.scene import segmentation_from_labelmaps, volume_from_image

    spec = replace(
        phantom.random_spec(SEED),
        modalities=(Role.CT,),
        ct_size=(512, 512),
        ct_slices=400,
        ct_spacing=(0.7, 0.7, 1.7),
    )
    patient = phantom.create(spec)
    application = _OPEN.enter_context(open_application())
    ref = ImageRef("ct", Role.CT, "synthetic", date="2026-03-02")
    ct, vertebrae = _longer(patient.images[Role.CT], patient.vertebrae)
    volume = volume_from_image(application.scene, ct, ref, "CT")
    node = segmentation_from_labelmaps(application.scene, [vertebrae, patient.lesions], volume)
    wall, cpu = time.perf_counter(), time.process_time()
    widget = application.open_module()
    opening = Step(time.perf_counter() - wall, time.process_time() - cpu, "opening")
    click(widget.panel("AssessPanel").ui.assessButton)
    application.settle()
    return LiveModule(application, node, opening)


def _longer(ct: Any, vertebrae: Any) -> tuple[Any, Any]:
    """CT and bones with copies of the upper six on top of them, shifted so that the lowest copy stands on T8."""
    values = [vertebrae.value_of(level) for level in COPIED]
    labels, voxels = vertebrae.image.array.copy(), ct.array.copy()
    places = {value: np.argwhere(labels == value) for value in values}
    spacing = np.array(ct.spacing)[::-1]
    way = places[values[0]].mean(axis=0) - places[values[-1]].mean(axis=0)
    up = 1 if ct.ijk_to_ras[2, 2] > 0 else -1
    top, bottom = (places[value][:, 0] * up for value in (values[0], values[-1]))
    way[0] = up * (np.percentile(top, 99) - np.percentile(bottom, 1) + DISC_MM / spacing[0])
    outlines = dict(vertebrae.outlines)
    first = max(outlines) + 1
    for number, (value, level) in enumerate(zip(values, COPIES, strict=True), start=first):
        moved = places[value] + np.rint(way).astype(int)
        inside = ((moved >= 0) & (moved < labels.shape)).all(axis=1)
        free = moved[inside][labels[tuple(moved[inside].T)] == 0]
        source = free - np.rint(way).astype(int)
        labels[tuple(free.T)] = number
        voxels[tuple(free.T)] = ct.array[tuple(source.T)]
        outlines[number] = replace(outlines[value], level=level, name="")
    return ct.with_array(voxels), replace(vertebrae, image=vertebrae.image.with_array(labels), outlines=outlines)


def segments_of(live: LiveModule) -> dict[str, list[str]]:
    """Segment IDs by kind of edit: lesions, vertebrae with a lesion, and vertebrae without."""
    from spinemet.scene import outlines_of

    scored = {item.level for item in live.assessment.scored}
    kinds: dict[str, list[str]] = {"lesion": [], "vertebra with a lesion": [], "vertebra without": []}
    for segment, outline in outlines_of(live.node).items():
        if outline.structure.value == "lesion":
            kinds["lesion"].append(segment)
        elif outline.level in scored:
            kinds["vertebra with a lesion"].append(segment)
        elif outline.structure.value == "vertebra":
            kinds["vertebra without"].append(segment)
    return kinds


def _strokes(kind: str) -> Callable[[], Callable[[], object]]:
    def prepare() -> Callable[[], object]:
        live = module()
        segments = segments_of(live)[kind]
        count = iter(range(1_000_000))

        def stroke() -> object:
            number = next(count)
            return live.stroke(segments[number % len(segments)], number)

        return stroke

    return prepare


BENCHMARKS = (
    ("live, to the last detail after a stroke in a lesion, 512×512×400", _strokes("lesion")),
    ("live, to the last detail after a stroke in a vertebra with a lesion", _strokes("vertebra with a lesion")),
    ("live, to the last detail after a stroke in a vertebra without", _strokes("vertebra without")),
)


def main() -> None:
    """Print the distributions of latency and of the longest steps."""
    strokes = int(sys.argv[1]) if len(sys.argv) > 1 else STROKES
    live = module()
    bones = len(live.application.widget.logic._watched[1].vertebrae.present)
    scored = [item.level.value for item in live.assessment.scored]
    print(
        f"{bones} bones, {len(scored)} levels scored; load {os.getloadavg()[0]:.1f}; milliseconds, clock (processor)"
    )
    together: list[Latency] = []
    for kind, segments in segments_of(live).items():
        # The first stroke meets what the assessment left cold.
        found = [live.stroke(segments[number % len(segments)], number) for number in range(strokes + 1)][1:]
        together += found
        _print(kind, found)
    _print("all", together)
    longest: dict[str, Step] = {}
    for step in (step for item in together for step in item.steps):
        longest[step.name] = max(longest.get(step.name, step), step, key=lambda one: one.wall)
    print("longest steps of the main thread:")
    for step in sorted(longest.values(), key=lambda one: -one.wall):
        print(f"  {_both(step.wall, step.cpu)} {step.name}")
    shown = [live.evidence(scored[number % len(scored)]) for number in range(strokes)]
    print(f"evidence of another level: {_middle([item.wall for item in shown], [item.cpu for item in shown])}")
    print(f"opening the module: {_both(live.opening.wall, live.opening.cpu)}")
    start, cpu = time.perf_counter(), time.process_time()
    live.node.CreateClosedSurfaceRepresentation()
    print(f"surfaces of all segments, apart: {_both(time.perf_counter() - start, time.process_time() - cpu)}")
    print(f"load {os.getloadavg()[0]:.1f}")


def _print(kind: str, found: list[Latency]) -> None:
    longest = [max(item.steps, key=lambda step: step.wall) for item in found]
    busiest = [max(item.steps, key=lambda step: step.cpu) for item in found]
    worst = max(busiest, key=lambda step: step.cpu)
    print(
        f"{kind:23s} scores {_middle([item.shown for item in found], [item.shown_cpu for item in found])};"
        f" details {_middle([item.complete for item in found], [item.complete_cpu for item in found])};"
        f" longest step {_middle([step.wall for step in longest], [step.cpu for step in busiest])},"
        f" most work {1000 * worst.cpu:.0f} in {worst.name}",
        flush=True,
    )


def _middle(wall: list[float], cpu: list[float]) -> str:
    clock, processor = (1000 * np.percentile(times, (50, 95)) for times in (wall, cpu))
    return f"median {clock[0]:4.0f} ({processor[0]:.0f}), p95 {clock[1]:4.0f} ({processor[1]:.0f})"


def _both(wall: float, cpu: float) -> str:
    return f"{1000 * wall:5.0f} ({1000 * cpu:.0f})"


if __name__ == "__main__":
    with _OPEN:
        main()
