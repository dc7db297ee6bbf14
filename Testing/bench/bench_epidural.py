"""Benchmarks of epidural disease: grading eleven levels from outlines, and again after an edit at one of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

TESTING = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTING), str(TESTING.parent / "SpineMetAssessment")]


@cache
def study(plane: str) -> tuple[Any, dict[Any, Any]]:
    """Outlines of eleven levels on slices of 3 mm, and the levels' places."""
    from escc_cases import outlines_of, places_of
    from spinemet.levels import Level
    from spinemet.phantom import SegmentSpec, create_segment

    segment = create_segment(SegmentSpec(
        level=Level.T7, neighbors=5, grade="2", spacing=(0.6, 3.0), plane=plane, modalities=(), curvature_deg=10.0,
        tilt_deg=(4.0, 3.0, 2.0),
    ))  # fmt: skip
    return outlines_of(segment), places_of(segment)


def prepare_grading(plane: str) -> Callable[[], object]:
    from spinemet.epidural import assess_epidural

    outlines, places = study(plane)
    return lambda: assess_epidural(outlines, places)


def prepare_edit(plane: str) -> Callable[[], object]:
    """Every call finds a stroke in the tumor at T7 that the call before did not have."""
    from dataclasses import replace

    import numpy as np

    from spinemet.epidural import assess_epidural
    from spinemet.increment import Increment
    from spinemet.levels import Level

    outlines, places = study(plane)
    store, count = Increment(), 0
    assess_epidural(outlines, places, store=store)
    near = np.argwhere(outlines.tumor.array)
    near = near[np.abs(outlines.tumor.to_world(near[:, ::-1])[:, 2] - places[Level.T7][2]) < 4]

    def edit() -> object:
        nonlocal count
        count += 1
        stroke = outlines.tumor.array.copy()
        stroke[tuple(near[: 3 + count % 40].T)] = False
        return assess_epidural(replace(outlines, tumor=outlines.tumor.with_array(stroke)), places, store=store)

    return edit


BENCHMARKS = [
    ("epidural: grade 11 levels, axial", lambda: prepare_grading("axial")),
    ("epidural: grade 11 levels, sagittal", lambda: prepare_grading("sagittal")),
    ("epidural: regrade after an edit, axial", lambda: prepare_edit("axial")),
    ("epidural: regrade after an edit, sagittal", lambda: prepare_edit("sagittal")),
]
