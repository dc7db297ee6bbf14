"""Benchmarks of the anatomy: 17 outlined vertebrae on 512×512×400 voxels, as a whole and after an edit to one.

The spine is made of solids (`anatomy_solids`), with three lesions in a CT of uniform bone. The bars of issue 4: whole
anatomy and SINS in 6 s on two cores, a regrade after the edit of one vertebra in 0.1 s. The regrade is of the scores;
what can wait for them follows when nobody edits, and is timed apart.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from anatomy_solids import Solid
from spinemet.anatomy import measure_spine
from spinemet.anatomy.alignment.whole import measure_alignment
from spinemet.assess import assess
from spinemet.case import ImageRef, Outline, Role, Structure
from spinemet.image import Grid, Image
from spinemet.increment import Increment
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

SHAPE = (400, 512, 512)
SPACING = (0.7, 0.7, 1.2)  # mm along i, j, k: 480 mm from T1 to L5
LEVELS = Level.ordinary()[7:24]
LESIONS = (Level.T6, Level.T12, Level.L3)
EDITED = Level.L2
DISC_MM = 5.0


@cache
def _study() -> tuple[Image, LabelMap, LabelMap]:
    matrix = np.diag([*SPACING, 1.0])
    matrix[:3, 3] = (-180.0, -180.0, 0.0)
    grid = Grid(SHAPE, matrix)
    labels, lesions = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    ct = np.full(SHAPE, 40, np.int16)
    solids = [Solid().scaled(0.62 + 0.38 * n / (len(LEVELS) - 1)) for n in range(len(LEVELS))]
    top = 460.0
    for value, (level, solid) in enumerate(zip(LEVELS, solids, strict=True), 1):
        center = np.array([0.0, 0.0, top - solid.height / 2])
        top -= solid.height + DISC_MM
        region = grid.region_around(center + solid.reach * np.array([[-1.0], [1.0]]))
        k, j, i = np.indices(labels[region].shape)
        points = grid.crop(region).to_world(np.stack([i, j, k], axis=-1)) - center
        bone = solid.inside(points) & (labels[region] == 0)
        labels[region][bone] = value
        ct[region][bone] = 180
        if level in LESIONS:
            sick = bone & (np.linalg.norm(points - (4.0, -8.0, 0.0), axis=-1) < 9.0)
            lesions[region][sick] = LESIONS.index(level) + 1
            ct[region][sick] = 30
    ct += np.random.default_rng(1).integers(-15, 16, SHAPE, dtype=np.int16)
    named = {value: Outline(Structure.VERTEBRA, level) for value, level in enumerate(LEVELS, 1)}
    sick_names = {n: Outline(Structure.LESION, level, f"lesion-{n}") for n, level in enumerate(LESIONS, 1)}
    return (
        Image(ct, matrix, name="ct"),
        LabelMap(Image(labels, matrix, name="vertebrae"), named),
        LabelMap(Image(lesions, matrix, name="lesions"), sick_names),
    )


REF = ImageRef("ct", Role.CT, "synthetic")


def _anatomy() -> Callable[[], object]:
    _, labels, _ = _study()
    return lambda: measure_alignment(measure_spine(LabelMap(labels.image, labels.outlines)))


def _whole() -> Callable[[], object]:
    ct, labels, lesions = _study()

    def run() -> object:
        image = Image(ct.array, ct.ijk_to_ras, name="ct")
        own = LabelMap(labels.image, labels.outlines)
        return assess(image, REF, own, LabelMap(lesions.image, lesions.outlines))

    return run


def _regrade() -> Callable[[], object]:
    """The scores after the edit of a small patch; prints when prepared how all of it compares with the whole."""
    ct, labels, lesions = _study()
    store = Increment()
    kept = [labels]
    value = labels.levels[EDITED]
    region = labels.region(value)
    k, i = ((region[axis].start + region[axis].stop) // 2 for axis in (0, 2))
    spot = (slice(k, k + 2), slice(region[1].start, region[1].start + 3), slice(i, i + 2))

    def graded(*, details: bool) -> object:
        return assess(ct, REF, kept[0], lesions, store=store, details=details)

    def edit() -> object:
        patch = labels.image.array[spot]
        patch[...] = 0 if patch.any() else value
        kept[0] = kept[0].edited(spot, [value])
        return graded(details=False)

    whole = _Timed(lambda: graded(details=True))
    edit()
    graded(details=True)
    scores = _Timed(edit)
    pending = sorted({step for step, _ in store.pending})
    rest = _Timed(lambda: graded(details=True))
    print(f"  whole {whole}; regrade {scores}; then its details {rest}: {', '.join(pending)}")
    print(f"  regrade / whole: {scores.wall / whole.wall:.1%} wall, {scores.cpu / whole.cpu:.1%} CPU")
    return edit


class _Timed:
    """How long a call took, by the clock and in processor time of all threads."""

    def __init__(self, call: Callable[[], object]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        self.wall, self.cpu = time.perf_counter() - wall, time.process_time() - cpu

    def __str__(self) -> str:
        return f"{1000 * self.wall:.0f} ms ({1000 * self.cpu:.0f} ms CPU)"


BENCHMARKS = [
    ("anatomy and alignment of 17 vertebrae, 512×512×400", _anatomy),
    ("assess 17 vertebrae with 3 lesions, 512×512×400", _whole),
    ("scores again after an edit of one vertebra, 512×512×400", _regrade),
]
