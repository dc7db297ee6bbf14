"""Benchmarks of live grading: from a stroke in the segmentation node to the updated table and markups.

A synthetic patient in 512×512×400 voxels of 0.7×0.7×1.7 mm: its 11 bones, T8 to the sacrum, with copies of six of them
on top as T2 to T7, make 17 segments in one shared layer; the lesions lie in another. Real MRML nodes.
`python Testing/bench/bench_live.py` prints the distributions by the clock and by the processor, which differ where
other programs run beside it, and the conversion to surfaces apart.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
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
"""Holds the session open until Python ends."""
STROKES = 20
"""Of each kind."""
STROKE_VOXELS = 5
"""Edge of the cube that one stroke sets or clears."""


@dataclass(frozen=True)
class Latency:
    """Seconds to the end and of the longest step, by the clock and by the processor."""

    whole: float
    busy: float
    longest: float
    longest_busy: float


@dataclass
class LiveStudy:
    """The study in a scene, graded once, and what an edit of each kind takes."""

    session: Any
    node: Any
    volume: Any
    grading: Any
    result: Any

    def stroke(self, segment: str, number: int) -> Latency:
        """Erase or paint a cube at the border of a segment, and wait for the end.

        A stroke of the segment editor writes into the layer and announces it; so does this.
        """
        import slicer

        voxels = slicer.util.arrayFromSegmentInternalBinaryLabelmap(self.node, segment)
        label = self.node.GetSegmentation().GetSegment(segment).GetLabelValue()
        places = np.argwhere(voxels == label)
        corner = places[(number * 7919) % len(places)]
        box = tuple(slice(max(0, int(c) - 2), int(c) + STROKE_VOXELS - 2) for c in corner)
        own = voxels[box] == label
        if number % 2:
            voxels[box][own] = 0
        else:
            voxels[box][voxels[box] == 0] = label
        self.node.GetSegmentation().GetSegment(segment).GetRepresentation("Binary labelmap").Modified()
        return self.regrade()

    def regrade(self) -> Latency:
        """What passes from an event to the end."""
        begin, begin_busy = time.perf_counter(), time.process_time()
        longest = longest_busy = 0.0
        self.grading.begin()
        while self.grading.busy:
            start, start_busy = time.perf_counter(), time.process_time()
            self.grading.step()
            longest = max(longest, time.perf_counter() - start)
            longest_busy = max(longest_busy, time.process_time() - start_busy)
        return Latency(time.perf_counter() - begin, time.process_time() - begin_busy, longest, longest_busy)


@cache
def study() -> LiveStudy:
    """Create the patient, put it into a scene and grade it once (half a minute)."""
    from spinemet import phantom
    from spinemet.answers import Answers
    from spinemet.assess import assess
    from spinemet.case import ImageRef, Role, TimePoint
    from spinemet.increment import Increment
    from spinemet.scene import headless_session, segmentation_from_labelmaps, volume_from_image
    from spinemet.scene.level_texts import LevelTexts
    from spinemet.scene.live import LiveGrading
    from spinemet.scene.marks import marks_from
    from spinemet.scene.outline_watch import OutlineWatch
    from spinemet.scene.result import show_steps

    spec = replace(
        phantom.random_spec(SEED),
        modalities=(Role.CT,),
        ct_size=(512, 512),
        ct_slices=400,
        ct_spacing=(0.7, 0.7, 1.7),
    )
    patient = phantom.create(spec)
    session = _OPEN.enter_context(headless_session())
    ref = ImageRef("ct", Role.CT, "synthetic", date="2026-03-02")
    ct, vertebrae = _longer(patient.images[Role.CT], patient.vertebrae)
    volume = volume_from_image(session.scene, ct, ref, "CT")
    node = segmentation_from_labelmaps(session.scene, [vertebrae, patient.lesions], volume)
    watch, store, answers = OutlineWatch(node, volume), Increment(), Answers.from_json(patient.answers)
    texts = LevelTexts()
    result = LiveStudy(session, node, volume, None, None)

    def grade(vertebrae: Any, lesions: Any, progress: Any) -> Any:
        return assess(
            watch.image, ref, vertebrae, lesions, time_point=TimePoint(date=ref.date), answers=answers, store=store,
            progress=progress,
        )  # fmt: skip

    def show(assessment: Any) -> Any:
        yield from show_steps(
            session.scene,
            assessment,
            volumes={"ct": volume},
            segmentation=node,
            previous=result.result,
            marks=marks_from(assessment, store),
            texts=texts,
        )
        result.result = assessment

    result.grading = LiveGrading(watch, grade, show)
    result.regrade()
    return result


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


def segments_of(live: LiveStudy) -> dict[str, list[str]]:
    """Segment IDs by kind of edit: lesions, vertebrae with a lesion, and vertebrae without."""
    from spinemet.scene import outlines_of

    scored = {item.level for item in live.result.scored}
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
        live = study()
        segments = segments_of(live)[kind]
        count = iter(range(1_000_000))

        def stroke() -> object:
            number = next(count)
            return live.stroke(segments[number % len(segments)], number)

        return stroke

    return prepare


BENCHMARKS = (
    ("live regrade after a stroke in a lesion, 512×512×400", _strokes("lesion")),
    ("live regrade after a stroke in a vertebra with a lesion", _strokes("vertebra with a lesion")),
    ("live regrade after a stroke in a vertebra without", _strokes("vertebra without")),
)


def main() -> None:
    """Print the distributions of latency and of the longest step."""
    live = study()
    bones = len(live.grading.watch.vertebrae.present)
    print(f"{bones} bones, {len(live.result.scored)} levels scored; load {os.getloadavg()[0]:.1f}; milliseconds")
    together: list[Latency] = []
    for kind, segments in segments_of(live).items():
        found = [live.stroke(segments[number % len(segments)], number) for number in range(STROKES)]
        together += found
        _print(kind, found)
    _print("all", together)
    start = time.process_time()
    live.node.CreateClosedSurfaceRepresentation()
    print(f"surfaces of all segments: {1000 * (time.process_time() - start):.0f}")


def _print(kind: str, found: list[Latency]) -> None:
    columns = {name: np.array([1000 * getattr(item, name) for item in found]) for name in Latency.__dataclass_fields__}
    whole, busy, longest, longest_busy = columns.values()
    print(
        f"{kind:24s} clock: median {np.median(whole):6.1f}, p95 {np.percentile(whole, 95):6.1f}, longest step"
        f" {np.median(longest):5.1f} to {longest.max():5.1f};"
        f" processor: median {np.median(busy):6.1f}, p95 {np.percentile(busy, 95):6.1f},"
        f" longest step {np.median(longest_busy):5.1f} to {longest_busy.max():5.1f}"
    )


if __name__ == "__main__":
    with _OPEN:
        main()
