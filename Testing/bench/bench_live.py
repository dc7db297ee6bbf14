"""Benchmarks of live grading: from a stroke in the segmentation node to the updated table and markups.

A synthetic patient in 512×512×400 voxels of 0.7×0.7×1.4 mm, 17 bones in one shared layer and the lesions in another;
real MRML nodes. Surface conversion is not among it. `python Testing/bench/bench_live.py` prints the distributions.
"""

from __future__ import annotations

import statistics
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

SEED = 2
_OPEN = ExitStack()
"""Holds the session open until Python ends."""
STROKE_VOXELS = 5
"""Edge of the cube that one stroke sets or clears."""


@dataclass
class LiveStudy:
    """The study in a scene, graded once, and what an edit of each kind takes."""

    session: Any
    node: Any
    volume: Any
    grading: Any
    result: Any

    def stroke(self, segment: str, number: int) -> tuple[float, float]:
        """Erase or paint a cube at the border of a segment; (seconds to the end, the longest step).

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

    def regrade(self) -> tuple[float, float]:
        """Seconds from an event to the end, and the longest step."""
        begin = time.perf_counter()
        longest = 0.0
        self.grading.begin()
        while self.grading.busy:
            start = time.perf_counter()
            self.grading.step()
            longest = max(longest, time.perf_counter() - start)
        return time.perf_counter() - begin, longest


@cache
def study() -> LiveStudy:
    """Create the patient, put it into a scene and grade it once (half a minute)."""
    from spinemet import phantom
    from spinemet.answers import Answers
    from spinemet.assess import assess
    from spinemet.case import ImageRef, Role, TimePoint
    from spinemet.increment import Increment
    from spinemet.scene import headless_session, segmentation_from_labelmaps, volume_from_image
    from spinemet.scene.live import LiveGrading
    from spinemet.scene.outline_watch import OutlineWatch
    from spinemet.scene.result import show_steps

    spec = replace(
        phantom.random_spec(SEED), modalities=(Role.CT,), ct_size=(512, 512), ct_slices=400, ct_spacing=(0.7, 0.7, 1.4)
    )
    patient = phantom.create(spec)
    session = _OPEN.enter_context(headless_session())
    ref = ImageRef("ct", Role.CT, "synthetic", date="2026-03-02")
    volume = volume_from_image(session.scene, patient.images[Role.CT], ref, "CT")
    node = segmentation_from_labelmaps(session.scene, [patient.vertebrae, patient.lesions], volume)
    watch, store, answers = OutlineWatch(node, volume), Increment(), Answers.from_json(patient.answers)
    result = LiveStudy(session, node, volume, None, None)

    def grade(vertebrae: Any, lesions: Any, progress: Any) -> Any:
        return assess(
            watch.image, ref, vertebrae, lesions, time_point=TimePoint(date=ref.date), answers=answers, store=store,
            progress=progress,
        )  # fmt: skip

    def show(assessment: Any) -> Any:
        yield from show_steps(
            session.scene, assessment, volumes={"ct": volume}, segmentation=node, previous=result.result
        )
        result.result = assessment

    result.grading = LiveGrading(watch, grade, show)
    result.regrade()
    return result


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
    together: list[float] = []
    steps: list[float] = []
    shared = len({segment for found in segments_of(live).values() for segment in found})
    print(f"{shared} segments, {len(live.grading.watch.vertebrae.levels)} levels; milliseconds")
    for kind, segments in segments_of(live).items():
        times = [live.stroke(segments[number % len(segments)], number) for number in range(40)]
        seconds, longest = (np.array(values) * 1000 for values in zip(*times, strict=True))
        together += list(seconds)
        steps += list(longest)
        print(
            f"{kind:24s} median {np.median(seconds):6.1f}  p95 {np.percentile(seconds, 95):6.1f}"
            f"  longest step: median {np.median(longest):5.1f}, most {longest.max():5.1f}"
        )
    print(
        f"{'all':24s} median {statistics.median(together):6.1f}  p95 {np.percentile(together, 95):6.1f}"
        f"  longest step: most {max(steps):5.1f}"
    )


if __name__ == "__main__":
    with _OPEN:
        main()
