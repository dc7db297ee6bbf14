"""Marrow on MRI: ratios, fractions, drops and extents of images with values that were put there."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.anatomy.lesions.marrow import (
    MarrowReferences,
    marrow_extent,
    measure_marrow,
    suspicious_on_t1,
)
from spinemet.case import Role
from spinemet.errors import GridMismatch
from spinemet.evidence import Measurement
from spinemet.image import Image

SHAPE, SPACING = (24, 40, 40), (1.0, 1.0, 2.0)


def image(array, spacing=SPACING, name="image") -> Image:
    return Image(np.asarray(array), np.diag([*spacing, 1.0]), name=name)


def box(*ranges) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[tuple(slice(a, b) for a, b in ranges)] = True
    return mask


LESION, DISC = box((8, 16), (5, 15), (5, 15)), box((18, 22), (5, 30), (5, 30))
MUSCLE, MARROW = box((2, 20), (32, 39), (5, 35)), box((2, 7), (5, 25), (5, 30))


def signal(lesion, disc=250.0, muscle=300.0, marrow=560.0, noise=5.0, seed=1) -> Image:
    array = np.random.default_rng(seed).normal(0, noise, SHAPE)
    for mask, value in ((LESION, lesion), (DISC, disc), (MUSCLE, muscle), (MARROW, marrow)):
        array[mask] += value
    return image(array.astype(np.float32))


REFERENCES = MarrowReferences(image(DISC), image(MUSCLE), image(MARROW))


def measured(images, references=REFERENCES):
    return {item.name: item for item in measure_marrow(images, image(LESION), references)}


def test_ratios_are_quotients_of_the_signals():
    found = measured({Role.T1: signal(200.0)})
    for name, value in (("disc", 200 / 250), ("muscle", 200 / 300), ("normal marrow", 200 / 560)):
        item = found[f"T1 ratio to {name}"]
        assert abs(item.value - value) <= max(item.uncertainty, 0.005), name
        assert item.limits
    assert suspicious_on_t1(found["T1 ratio to disc"]) is True
    assert suspicious_on_t1(measured({Role.T1: signal(400.0)})["T1 ratio to disc"]) is False
    near = Measurement("T1 ratio to disc", 1.01, "", "test", uncertainty=0.05)
    assert suspicious_on_t1(near) is None


def test_fat_fraction_drop_and_adc():
    images = {
        Role.DIXON_FAT: signal(100.0), Role.DIXON_WATER: signal(300.0), Role.DIXON_IN: signal(400.0),
        Role.DIXON_OPPOSED: signal(280.0), Role.ADC: signal(1100.0),
    }  # fmt: skip
    found = measured(images)
    assert found["fat fraction"].value == pytest.approx(25.0, abs=0.5)
    assert found["drop in opposed phase"].value == pytest.approx(30.0, abs=0.5)
    assert "1.5 T" in found["drop in opposed phase"].limits[0]
    assert found["ADC"].value == pytest.approx(1100.0, abs=1.0)
    assert all(item.uncertainty is not None for item in found.values() if item.known)


def test_what_is_missing_is_unknown_with_a_reason():
    nothing = measured({})
    assert len(nothing) == 6
    assert all(item.value is None and item.reason for item in nothing.values())
    unlined = measured({Role.T1: signal(200.0)}, MarrowReferences())
    assert "not outlined" in unlined["T1 ratio to disc"].reason
    far = Image(signal(200.0).array, np.array([[1, 0, 0, 900], [0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1.0]]))
    assert measured({Role.T1: far})["T1 ratio to disc"].value is None


def test_an_image_on_another_grid_gives_the_same_ratio():
    fine = signal(200.0).resample(image(LESION).grid.with_spacing((0.7, 0.9, 1.1)))
    assert measured({Role.T1: fine})["T1 ratio to muscle"].value == pytest.approx(200 / 300, abs=0.02)


def test_extent_beyond_the_outlined_lesion():
    rng = np.random.default_rng(2)
    bone = box((2, 18), (5, 30), (5, 30))
    bright = box((8, 14), (5, 17), (5, 20))
    stir = rng.normal(110, 10, SHAPE) + 500 * bright
    normal = box((2, 6), (5, 25), (5, 30))
    on_ct = box((8, 14), (5, 17), (5, 12))
    whole, beyond = marrow_extent(image(stir), image(bone), image(normal), image(on_ct))
    voxel = 2.0 / 1000
    assert whole.value == pytest.approx(bright.sum() * voxel, abs=0.05)
    assert beyond.value == pytest.approx((bright & ~on_ct).sum() * voxel, abs=0.05)
    assert abs(whole.value - bright.sum() * voxel) <= whole.uncertainty
    assert "edema" in whole.limits[0]
    nothing, none = marrow_extent(image(np.full(SHAPE, 110.0)), image(bone), image(normal), image(on_ct))
    assert nothing.value == none.value == 0.0
    with pytest.raises(GridMismatch):
        marrow_extent(image(stir), image(bone, (1.0, 1.0, 3.0)), image(normal))
    few, _ = marrow_extent(image(stir), image(bone), image(np.zeros(SHAPE, bool)))
    assert few.value is None
