"""Running an engine: on the part of the image that matters, from the cache where it was done before, then checked."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from spinemet.case import Outline, Structure
from spinemet.errors import BadInput, Cancelled
from spinemet.image import Image, Region
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress, part, silent
from spinemet.segmentation.engines.cache import digest_of, engine_cache, keep, keep_seconds, recalled, seconds_here
from spinemet.segmentation.engines.engine import Cancel, Engine, EngineFailed
from spinemet.segmentation.engines.level_checks import checked

LEAST_SLICES = 8
"""Engines need a volume; fewer slices show no vertebra whole."""
_TIMED_SECONDS = 0.5
"""What was shorter says nothing of an engine's time."""


@dataclass(frozen=True, eq=False)
class EngineRun:
    """What an engine gave.

    :param labels: on the whole image's grid; checked and, where it was sure, mended.
    :param seconds: how long it took; 0 from the cache.
    :param from_cache: whether it was done before for the same voxels.
    """

    labels: LabelMap
    seconds: float
    from_cache: bool

    @property
    def notes(self) -> tuple[str, ...]:
        """What the checks found, as sentences."""
        return self.labels.notes


def expected_seconds(engine: Engine, image: Image, cache: Path | None = None) -> float:
    """How long an engine will take for an image: as long as here before, else as usual."""
    here = seconds_here(cache or engine_cache(), engine)
    return engine.usual_seconds if here is None else max(1.0, here * image.array.size / 1e6)


def run_engine(
    engine: Engine,
    image: Image,
    *,
    around: ArrayLike | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> EngineRun:
    """Outlines by an engine, with our levels.

    :param around: RAS points (n, 3) of what is wanted; the engine then sees no more than its margin round them.
    :param cache: folder of kept results; None for the usual one.
    :raises BadInput: the engine cannot run here, the image is too thin, or the points lie outside of it.
    :raises EngineFailed: it ended without outlines.
    :raises Cancelled: stopped; nothing is kept.
    """
    missing = engine.available()
    if missing:
        raise BadInput(missing)
    if min(image.shape) < LEAST_SLICES:
        raise BadInput(f"{image.name} has only {min(image.shape)} slice(s); {engine.title} needs a volume.")
    report, folder = progress or silent, cache or engine_cache()
    region = _region(image, around, engine.margin_mm)
    crop = image.crop(region)
    report(0.0, "looking for an earlier result")
    digest = digest_of(engine, crop)
    array = recalled(folder, digest, crop.shape)
    seconds, outlines = 0.0, dict(engine.labels)
    known = array is not None
    if array is None:
        start = time.monotonic()
        told = _announced(part(progress, 0.02, 0.9), expected_seconds(engine, crop, folder))
        found = engine.run(crop, told, cancel)
        seconds = time.monotonic() - start
        array = np.asarray(found.image.array, dtype=np.int32)
        if not array.any():
            raise EngineFailed(f"{engine.title} found no spine in {image.name}; outline it by clicks.")
        outlines = found.outlines
        # A numbering of its own for each image cannot be told from the voxels again.
        if engine.labels:
            keep(folder, digest, array)
        if seconds > _TIMED_SECONDS:
            keep_seconds(folder, engine, seconds / (crop.array.size / 1e6))
    if cancel is not None and cancel():
        raise Cancelled(f"{engine.title} was stopped; nothing was changed.")
    report(0.92, "checking the levels")
    labels = checked(_mapped(crop, array, outlines, engine.title))
    if not labels.values(Structure.VERTEBRA) and not labels.values(Structure.SACRUM):
        raise EngineFailed(f"{engine.title} found no vertebra in {image.name}; outline it by clicks.")
    whole = np.zeros(image.shape, labels.image.array.dtype)
    whole[region] = labels.image.array
    report(1.0, "outlined")
    return EngineRun(replace(labels, image=image.with_array(whole)), seconds, known)


def spoken(seconds: float) -> str:
    """A time for people: "20 s", "4 min"."""
    return f"{max(5, 5 * round(seconds / 5))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def _announced(progress: Progress, expected: float) -> Progress:
    """The engine's own progress, or the clock's where that is farther; with the time that is left."""
    start = time.monotonic()

    def report(fraction: float, text: str) -> None:
        passed = time.monotonic() - start
        done = max(fraction, min(0.97, passed / max(expected, 1.0)))
        left = f"about {spoken(expected - passed)} left" if passed < expected else "longer than usual"
        progress(done, f"{text}, {left}")

    return report


def _region(image: Image, around: ArrayLike | None, margin_mm: float) -> Region:
    if around is None:
        k, j, i = (slice(0, size) for size in image.shape)
        return (k, j, i)
    return image.grid.region_around(np.asarray(around, dtype=float).reshape(-1, 3), margin_mm)


def _place(outline: Outline, value: int) -> tuple[bool, int, int]:
    is_bone = outline.structure in (Structure.VERTEBRA, Structure.SACRUM)
    return not is_bone, outline.level.order if outline.level is not None else len(Level), value


def _mapped(image: Image, array: np.ndarray, outlines: dict, title: str) -> LabelMap:
    """The numbers that mean something, counted anew from 1, from head to tail, in the smallest type."""
    held = set(np.flatnonzero(np.bincount(array[array > 0])).tolist())
    present = sorted(held & set(outlines), key=lambda value: _place(outlines[value], value))
    table = np.zeros(int(max(array.max(initial=0), max(outlines, default=0))) + 1, np.uint8)
    for number, value in enumerate(present, start=1):
        table[value] = number
    labels = Image(table[array], image.ijk_to_ras, frame=image.frame, name=f"outlines by {title}")
    named = {number: replace(outlines[value], frame=image.frame) for number, value in enumerate(present, start=1)}
    return LabelMap(labels, named, title)
