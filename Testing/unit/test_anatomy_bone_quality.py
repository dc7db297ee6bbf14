"""Trabecular density of solids filled with a known number of HU, and when it may name osteoporosis."""

from __future__ import annotations

import numpy as np
import pytest

from anatomy_solids import Solid
from spinemet.anatomy import Spine, measure_spine
from spinemet.anatomy.bone.quality import BoneQuality, bone_quality
from spinemet.image import Image
from spinemet.levels import Level
from stacked_solids import Placed, label_map

LEVELS = (Level.T12, Level.L1, Level.L2)
LABELS = label_map([Placed(level, Solid(), (0.0, 0.0, -38.0 * n)) for n, level in enumerate(LEVELS)])


@pytest.fixture(scope="module")
def spine() -> Spine:
    return measure_spine(LABELS)


def ct(hounsfield: dict[Level, float], noise: float = 20.0) -> Image:
    array = np.full(LABELS.image.shape, -50.0)
    for level, value in LABELS.levels.items():
        array[LABELS.image.array == value] = hounsfield[level]
    array += np.random.default_rng(5).normal(0, noise, array.shape)
    return LABELS.image.with_array(array.astype(np.int16))


def quality(spine: Spine, l1: float, **said) -> BoneQuality:
    unenhanced = {"contrast": False, "kvp": 120.0}
    return bone_quality(ct(dict(zip(LEVELS, (150.0, l1, 130.0), strict=True))), spine, **{**unenhanced, **said})


def test_densities_are_those_the_bodies_were_filled_with(spine):
    result = quality(spine, 140.0)
    for level, true in zip(LEVELS, (150.0, 140.0, 130.0), strict=True):
        measured = result.densities[level]
        assert measured.value == pytest.approx(true, abs=max(3.0, measured.uncertainty))
        assert "uncalibrated" in measured.limits


@pytest.mark.parametrize(
    ("l1", "words"), [(90.0, "likely"), (135.0, "undecided"), (190.0, "unlikely"), (160.5, "near the threshold")]
)
def test_l1_names_a_category_by_the_published_cut_offs(spine, l1, words):
    assert words in quality(spine, l1).category


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"contrast": True}, "contrast"),
        ({"contrast": None}, "unknown"),
        ({"kvp": 100.0}, "120 kVp"),
        ({"kvp": None}, "120 kVp"),
        ({"involved": {Level.L1}}, "lesion"),
        ({"excluded": {Level.L1}}, "cement"),
    ],
)
def test_no_category_without_all_that_it_needs(spine, said, reason):
    result = quality(spine, 90.0, **said)
    assert result.category == ""
    assert reason in result.reason


def test_levels_with_a_lesion_or_cement_are_left_out(spine):
    result = quality(spine, 90.0, involved={Level.T12}, excluded={Level.L2})
    assert "lesion" in result.densities[Level.T12].reason
    assert "cement" in result.densities[Level.L2].reason
    assert result.densities[Level.L1].known


def test_metal_that_nobody_mentioned_gives_no_density(spine):
    image = ct(dict.fromkeys(LEVELS, 150.0))
    center = np.rint(image.to_index(spine[Level.L2].frame.origin)).astype(int)
    i, j, k = center
    image.array[k - 4 : k + 4, j - 2 : j + 8, i - 5 : i + 5] = 2500
    result = bone_quality(image, spine)
    assert "metal or cement" in result.densities[Level.L2].reason
    assert result.densities[Level.L1].known


def test_contrast_and_tube_voltage_are_warned_about(spine):
    assert any("contrast" in text for text in quality(spine, 90.0, contrast=True).warnings)
    assert any("100 kVp" in text for text in quality(spine, 90.0, kvp=100.0).warnings)
    assert quality(spine, 90.0).warnings == ()


def test_without_a_ct_nothing_is_measured(spine):
    result = bone_quality(None, spine)
    assert result.densities == {} and "no CT" in result.reason
