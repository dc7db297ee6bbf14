"""Benchmarks of the scene: results and marks of 17 scored levels, one level's update, and a jump to evidence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from anatomy_solids import Solid
from spinemet.answers import Answers
from spinemet.assess import assess
from spinemet.case import ImageRef, Outline, Role, Structure, TimePoint
from spinemet.image import Grid, Image
from spinemet.increment import Increment
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

_OPEN = ExitStack()
"""Holds the sessions open until Python ends."""
LEVELS = Level.ordinary()[7:24]  # T1 to L5
PITCH_MM, SPACING_MM = 38.0, 2.0
BONE_HU, LYTIC_HU, SOFT_TISSUE_HU = 230, 20, 40
REF = ImageRef("ct", Role.CT, "frame-1", date="2026-03-02", patient_position="HFS", kvp=120.0)


@cache
def _study() -> SimpleNamespace:
    """Seventeen solid vertebrae with a lesion in each, assessed, and again after L3 was edited."""
    from spinemet.scene import marks_from

    size = np.array([70, 56, round(PITCH_MM * (len(LEVELS) + 1) / SPACING_MM)])
    matrix = np.diag([SPACING_MM] * 3 + [1.0])
    matrix[:3, 3] = -SPACING_MM * size / 2
    grid = Grid((int(size[2]), int(size[1]), int(size[0])), matrix)
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    points = grid.to_world(np.stack([i, j, k], axis=-1))
    noise = np.random.default_rng(7)
    ct = noise.normal(SOFT_TISSUE_HU, 8, grid.shape)
    labels, tumors = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
    middle = (len(LEVELS) + 1) / 2
    for number in range(1, len(LEVELS) + 1):
        local = points - np.array([0.0, 0.0, PITCH_MM * (middle - number)])
        labels[Solid().inside(local)] = number
        tumors[(labels == number) & (local[..., 0] < -4) & (local[..., 1] > 0)] = number
    ct[labels > 0] = noise.normal(BONE_HU, 25, int((labels > 0).sum()))
    ct[tumors > 0] = noise.normal(LYTIC_HU, 15, int((tumors > 0).sum()))
    image = Image(ct.astype(np.int16), matrix, frame="frame-1", name="CT")
    bones = {n: Outline(Structure.VERTEBRA, level) for n, level in enumerate(LEVELS, start=1)}
    lesions = LabelMap(
        image.with_array(tumors),
        {n: Outline(Structure.LESION, lesion_id=f"lesion-{n}") for n in range(1, len(LEVELS) + 1)},
    )
    store = Increment()
    edited = labels.copy()
    value = LEVELS.index(Level.L3) + 1
    top = int(np.argwhere(edited == value)[:, 0].max())
    edited[top - 1 :][edited[top - 1 :] == value] = 0
    maps = [LabelMap(image.with_array(array), bones, numbering="by construction") for array in (labels, edited)]
    results, marks = [], []
    for vertebrae in maps:
        result = assess(
            image, REF, vertebrae, lesions, store=store, time_point=TimePoint("2026-03-02"), answers=Answers()
        )
        results.append(result)
        marks.append(tuple(marks_from(result, store)))
    return SimpleNamespace(image=image, vertebrae=maps[0], lesions=lesions, results=tuple(results), marks=tuple(marks))


def _scene() -> tuple[Any, Callable[..., Any]]:
    """A scene with the study in it, and what shows one of its two results there."""
    from spinemet.scene import headless_session, segmentation_from_labelmaps, show_assessment, volume_from_image

    study = _study()
    scene = _OPEN.enter_context(headless_session()).scene
    volume = volume_from_image(scene, study.image, REF, "CT")
    segmentation = segmentation_from_labelmaps(scene, [study.vertebrae, study.lesions], volume)

    def show(number: int) -> Any:
        return show_assessment(
            scene,
            study.results[number],
            volumes={"ct": volume},
            segmentation=segmentation,
            marks=study.marks[number],
        )

    return scene, show


def _all_levels() -> Callable[[], object]:
    from spinemet.scene import remove_assessment

    scene, show = _scene()

    def show_and_remove() -> None:
        remove_assessment(scene, show(0).parameter_node)

    return show_and_remove


def _one_level() -> Callable[[], object]:
    _, show = _scene()
    show(0)
    number = cycle((1, 0))
    return lambda: show(next(number))


def _one_level_marks() -> Callable[[], object]:
    from spinemet.scene.mark_nodes import show_marks

    scene, show = _scene()
    parameter = show(0).parameter_node
    number = cycle((1, 0))
    return lambda: show_marks(scene, parameter, _study().marks[next(number)])


def _collect() -> Callable[[], object]:
    from spinemet.scene import marks_from

    study = _study()
    store = Increment()
    result = assess(study.image, REF, study.vertebrae, study.lesions, store=store, time_point=TimePoint("2026-03-02"))
    return lambda: list(marks_from(result, store))


def _jump() -> Callable[[], object]:
    from spinemet.scene import jump_to

    scene, show = _scene()
    show(0)
    items = cycle(_study().results[0].scored)

    def jump() -> None:
        item = next(items)
        jump_to(scene, item.position, frame=item.frame)

    return jump


BENCHMARKS = (
    ("results and marks of 17 levels shown in a scene, and removed", _all_levels),
    ("results and marks updated after an edit of one level of 17", _one_level),
    ("marks alone updated after an edit of one level of 17", _one_level_marks),
    ("marks of 17 levels collected from an assessment", _collect),
    ("three slice views cut in a vertebra's own frame", _jump),
)
