"""Marrow of the levels that tumor involves: signals, extent, tumor beyond the CT's lesion, as they were put there."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.anatomy.epidural import marrow_of_levels
from spinemet.anatomy.lesions.marrow import MarrowReferences
from spinemet.case import Outline, Role, Structure
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

SHAPE, SPACING = (30, 40, 40), (1.0, 1.0, 3.0)
LEVELS = (Level.T7, Level.T8, Level.T9)


def image(array) -> Image:
    return Image(np.asarray(array), np.diag([*SPACING, 1.0]))


def box(k, j, i) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[slice(*k), slice(*j), slice(*i)] = True
    return mask


BONES = np.zeros(SHAPE, np.uint8)
for number, start in enumerate((20, 10, 0), start=1):
    BONES[start + 1 : start + 9, 8:32, 8:32] = number
TUMOR = box((12, 18), (10, 20), (10, 22))
OUTSIDE = box((12, 18), (32, 38), (10, 22))
BRIGHT = TUMOR | box((12, 18), (10, 20), (22, 28))


def vertebrae() -> LabelMap:
    outlines = {n: Outline(Structure.VERTEBRA, level) for n, level in enumerate(LEVELS, start=1)}
    return LabelMap(image(BONES), outlines)


def painted(normal: float, changed: np.ndarray, value: float, seed: int) -> Image:
    array = np.random.default_rng(seed).normal(normal, 4.0, SHAPE)
    array[changed] += value - normal
    return image(array.astype(np.float32))


def images() -> dict[Role, Image]:
    return {Role.T1: painted(500.0, TUMOR, 200.0, 1), Role.STIR: painted(100.0, BRIGHT, 400.0, 2)}


def measured(**given):
    return marrow_of_levels(images(), vertebrae(), image(TUMOR | OUTSIDE), **given)


def test_only_levels_with_tumor_in_the_bone_are_measured():
    assert set(measured()) == {Level.T8}
    assert marrow_of_levels(images(), vertebrae(), image(OUTSIDE)) == {}


def test_normal_marrow_of_free_levels_stands_in_and_says_so():
    found = {item.name: item for item in measured()[Level.T8]}
    ratio = found["T1 ratio to normal marrow"]
    assert ratio.value == pytest.approx(200 / 500, abs=0.01)
    assert "T7, T9" in ratio.limits[-1]
    assert found["T1 ratio to disc"].value is None
    outlined = measured(beside=MarrowReferences(marrow=image(box((2, 8), (12, 28), (12, 28)))))[Level.T8]
    assert not any("normal marrow is" in limit for item in outlined for limit in item.limits)


def test_abnormal_marrow_reaches_beyond_the_outline():
    found = {item.name: item for item in measured()[Level.T8]}
    voxel = float(np.prod(SPACING)) / 1000
    whole, rest = (found[f"abnormal marrow on STIR{end}"] for end in ("", " beyond the outlined lesion"))
    assert whole.value == pytest.approx(BRIGHT.sum() * voxel, abs=whole.uncertainty)
    assert rest.value == pytest.approx((BRIGHT & ~TUMOR).sum() * voxel, abs=rest.uncertainty)


def test_tumor_beyond_the_lesion_on_ct_is_what_the_lesion_does_not_cover():
    half = TUMOR & box((0, 30), (0, 40), (0, 16))
    carried = image(half)
    found = measured(on_ct={Level.T8: carried})
    item = next(m for m in found[Level.T8] if m.name.startswith("tumor on MR"))
    assert item.value == pytest.approx((TUMOR & ~half).sum() * float(np.prod(SPACING)) / 1000, abs=0.01)
    unmatched = measured(on_ct={Level.T9: carried})[Level.T8]
    assert next(m for m in unmatched if m.name.startswith("tumor on MR")).value is None


def test_without_free_levels_nothing_is_called_normal():
    everywhere = image(BONES > 0)
    for items in marrow_of_levels(images(), vertebrae(), everywhere).values():
        values = {item.name: item for item in items}
        assert values["T1 ratio to normal marrow"].value is None
        assert values["abnormal marrow"].reason


def test_images_of_another_stretch_leave_it_unknown():
    away = np.diag([*SPACING, 1.0])
    away[2, 3] = 900.0
    far = {role: Image(item.array, away) for role, item in images().items()}
    found = marrow_of_levels(far, vertebrae(), image(TUMOR))[Level.T8]
    assert not any(item.known for item in found)
