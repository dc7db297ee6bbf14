"""Benchmarks of outlining vertebrae in a CT: from one click, from one a level, and finding them without a click."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

# The cases are shared with the tests, whose folder is not on the path of a script.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segmentation_ct_cases import SICK, clicks_in, phantom
from spinemet.levels import Level
from spinemet.segmentation.vertebrae_ct import find_vertebrae, outline_vertebrae

FINE = replace(SICK, ct_spacing=(0.8, 0.8, 1.0), ct_size=(210, 210))


def _one() -> Callable[[], object]:
    ct, truth = phantom(FINE)
    clicks = clicks_in(truth, (Level.L2,))
    return lambda: outline_vertebrae(ct, clicks)


def _five() -> Callable[[], object]:
    ct, truth = phantom(FINE)
    clicks = clicks_in(truth, FINE.levels)
    return lambda: outline_vertebrae(ct, clicks)


def _found() -> Callable[[], object]:
    ct, _ = phantom(FINE)
    return lambda: find_vertebrae(ct)


BENCHMARKS = (
    ("segmentation: one vertebra from a click, CT 0.8 × 0.8 × 1 mm", _one),
    ("segmentation: five vertebrae from five clicks, CT 0.8 × 0.8 × 1 mm", _five),
    ("segmentation: find the vertebrae without a click", _found),
)
