"""Benchmarks of the core: images, label maps and the score, on a volume the size of a clinical CT."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from spinemet.case import Outline, Structure
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.scores import sins

SHAPE = (400, 512, 512)  # (k, j, i) of a thoracolumbar CT
SPACING = (0.7, 0.7, 1.0)  # mm along i, j, k
VERTEBRAE = Level.ordinary()[7:24]  # T1 to L5


def _ct() -> Image:
    noise = np.random.default_rng(1).integers(-1000, 1500, SHAPE[1:], dtype=np.int16)
    return Image(np.broadcast_to(noise, SHAPE).copy(), np.diag([*SPACING, 1.0]), name="ct")


def _labels() -> tuple[Image, dict[int, Outline]]:
    array = np.zeros(SHAPE, dtype=np.uint8)
    for value, _ in enumerate(VERTEBRAE, 1):
        top = 22 * value
        array[top : top + 20, 200:290, 220:300] = value
    outlines = {value: Outline(Structure.VERTEBRA, level) for value, level in enumerate(VERTEBRAE, 1)}
    return Image(array, np.diag([*SPACING, 1.0]), name="labels"), outlines


def _fingerprint() -> Callable[[], object]:
    image = _ct()
    return lambda: Image(image.array, image.ijk_to_ras, name="ct").fingerprint


def _crop() -> Callable[[], object]:
    image = _ct()
    center = image.grid.center
    return lambda: image.crop_around(center, 40.0).array.mean()


def _resample() -> Callable[[], object]:
    image = _ct()
    grid = image.grid.with_spacing(2.0)
    return lambda: image.resample(grid)


def _sample() -> Callable[[], object]:
    image = _ct()
    points = image.grid.center + np.random.default_rng(2).uniform(-30, 30, (100_000, 3))
    return lambda: image.sample(points)


def _masks() -> Callable[[], object]:
    image, outlines = _labels()

    def find_all() -> int:
        labels = LabelMap(image, outlines)
        return sum(int(labels.mask(value).array.sum()) for value in labels.levels.values())

    return find_all


def _sins() -> Callable[[], object]:
    combinations = list(product(*(sins.OPTIONS[component] for component in sins.OPTIONS)))

    def score_all() -> list[sins.SinsResult]:
        return [
            sins.score(
                [sins.entered(component, option) for component, option in zip(sins.OPTIONS, choice, strict=True)]
            )
            for choice in combinations
        ]

    return score_all


BENCHMARKS = (
    ("fingerprint of a CT, 512×512×400", _fingerprint),
    ("mean of an 80 mm crop of a CT", _crop),
    ("CT resampled to 2 mm", _resample),
    ("100,000 points sampled in a CT, linear", _sample),
    ("masks of 17 vertebrae in a label map, 512×512×400", _masks),
    ("SINS of all 1728 combinations of answers", _sins),
)
