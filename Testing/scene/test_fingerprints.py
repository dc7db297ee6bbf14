"""Fingerprints see what matters and nothing else: scenes, files and pipelines must agree on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spinemet.case import Outline, Structure
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level


def boxes(matrix, *, pad=0, renumber=lambda value: value, level=Level.L3, dtype=np.uint8):
    array = np.zeros((10 + 2 * pad, 12 + 2 * pad, 14 + 2 * pad), dtype)
    array[pad + 2 : pad + 5, pad + 3 : pad + 7, pad + 1 : pad + 9] = renumber(1)
    array[pad + 6 : pad + 9, pad + 3 : pad + 7, pad + 1 : pad + 9] = renumber(2)
    place = matrix.copy()
    place[:3, 3] -= matrix[:3, :3] @ (pad, pad, pad)
    outlines = {
        renumber(1): Outline(Structure.VERTEBRA, Level.L4),
        renumber(2): Outline(Structure.VERTEBRA, level),
    }
    return LabelMap(Image(array, place), outlines)


def test_numbers_types_and_padding_do_not_matter(oblique_matrix):
    plain = boxes(oblique_matrix)
    other = boxes(oblique_matrix, pad=3, renumber=lambda value: 200 - value, dtype=np.int32)
    assert plain.fingerprint == other.fingerprint


def test_names_and_outlines_without_voxels_do_not_matter(oblique_matrix):
    plain = boxes(oblique_matrix)
    named = {value: replace(outline, name="mine", frame="f") for value, outline in plain.outlines.items()}
    assert LabelMap(plain.image, {**named, 9: Outline(Structure.VERTEBRA, Level.C1)}).fingerprint == plain.fingerprint


def test_a_single_voxel_matters(oblique_matrix):
    edited = boxes(oblique_matrix)
    edited.image.array[3, 4, 5] = 0
    assert edited.fingerprint != boxes(oblique_matrix).fingerprint


def test_the_level_matters(oblique_matrix):
    assert boxes(oblique_matrix, level=Level.L2).fingerprint != boxes(oblique_matrix).fingerprint


def test_the_place_matters(oblique_matrix):
    moved = oblique_matrix.copy()
    moved[0, 3] += 0.01
    assert boxes(moved).fingerprint != boxes(oblique_matrix).fingerprint


@pytest.mark.parametrize("spacing", [0.9765625, 0.7421875, 0.68359375, 0.5, 1.0, 0.1])
def test_rounding_in_the_last_bits_does_not_matter(spacing):
    array = np.zeros((2, 3, 4), np.int16)
    exact = Image(array, np.diag([-spacing, -spacing, 3.0, 1.0]))
    for nudge in (1e-15, -1e-15, 1e-13, -1e-13):
        rounded = exact.ijk_to_ras.copy()
        rounded[:3, :3] += nudge
        assert Image(array, rounded).fingerprint == exact.fingerprint


def test_minus_zero_is_zero():
    matrix = np.eye(4)
    matrix[0, 1] = -0.0
    array = np.zeros((2, 3, 4), np.int16)
    assert Image(array, matrix).fingerprint == Image(array, np.eye(4)).fingerprint
