"""A label map names what its values stand for, and works region first."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.case import Outline, Structure
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

L1 = Outline(Structure.VERTEBRA, Level.L1)
L2 = Outline(Structure.VERTEBRA, Level.L2)
LESION = Outline(Structure.LESION, lesion_id="lesion-1")


def two_boxes(first: int = 20, second: int = 21, offset: int = 0, dtype=np.uint8) -> LabelMap:
    """L1 of 4×4×5 voxels above L2 of 3×4×5 voxels in a larger volume."""
    values = np.zeros((30, 20, 20), dtype=dtype)
    values[20:24, 6:10, 7:12] = first
    values[10:13, 6:10, 7:12] = second
    values = np.roll(values, offset, axis=0)
    return LabelMap(Image(values, np.diag([1.0, 1.0, 2.0, 1.0])), {first: L1, second: L2, 99: LESION})


def test_only_outlines_with_voxels_are_present():
    labels = two_boxes()
    assert set(labels.present) == {20, 21}
    assert labels.values(Structure.VERTEBRA) == [20, 21]
    assert labels.values(Structure.LESION) == []


def test_levels_come_from_head_to_tail_whatever_their_values():
    assert list(two_boxes(28, 27).levels.items()) == [(Level.L1, 28), (Level.L2, 27)]
    assert two_boxes().value_of(Level.L2) == 21
    assert two_boxes().value_of(Level.L3) is None


def test_a_mask_is_a_crop_at_the_right_place():
    mask = two_boxes().mask(20, margin_voxels=2)
    assert mask.shape == (8, 8, 9)
    assert mask.array.sum() == 4 * 4 * 5
    points = mask.to_world(np.argwhere(mask.array)[:, ::-1])
    assert np.allclose(points.min(axis=0), (7, 6, 40))
    assert np.allclose(points.max(axis=0), (11, 9, 46))


def test_a_margin_stops_at_the_edge_of_the_image():
    mask = two_boxes(offset=6).mask(20, margin_voxels=5)
    assert mask.shape[0] == 9


def test_a_value_without_voxels_has_no_mask():
    with pytest.raises(KeyError):
        two_boxes().mask(99)


def test_fractional_values_are_no_labels():
    with pytest.raises(BadInput, match="float32"):
        LabelMap(Image(np.zeros((3, 3, 3), dtype=np.float32), np.eye(4)), {})


def test_the_fingerprint_knows_outlines_not_numbers_or_padding():
    labels = two_boxes()
    assert two_boxes(28, 27, dtype=np.int16).fingerprint == labels.fingerprint
    grid = labels.image.crop((slice(5, 28), slice(3, 15), slice(0, 18)))
    assert LabelMap(grid, labels.outlines).fingerprint == labels.fingerprint
    assert two_boxes(offset=1).fingerprint != labels.fingerprint
    assert two_boxes(21, 20).fingerprint == labels.fingerprint
    swapped = LabelMap(labels.image, {20: L2, 21: L1})
    assert swapped.fingerprint != labels.fingerprint


def test_a_choice_of_structures_keeps_the_voxels_and_drops_the_other_outlines():
    labels = two_boxes()
    mixed = LabelMap(labels.image, {20: L1, 21: LESION})
    assert set(mixed.only(Structure.VERTEBRA).present) == {20}
    assert mixed.only(Structure.VERTEBRA, Structure.LESION).fingerprint == mixed.fingerprint
    assert np.shares_memory(mixed.only(Structure.LESION).image.array, labels.image.array)
