"""Medians of known values against numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.anatomy.medians import known_median, median


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_what_is_not_known_does_not_count(axis):
    values = np.random.default_rng(3).normal(size=(7, 12, 5))
    values[values > 0.8] = np.nan
    assert np.array_equal(known_median(values, axis), np.nanmedian(values, axis=axis))


def test_where_nothing_is_known_there_is_no_median():
    assert np.isnan(known_median(np.full((3, 4), np.nan))).all()
    assert np.isnan(known_median(np.zeros((2, 0)))).all()
    assert np.isnan(median(np.zeros(0)))


@pytest.mark.parametrize("count", [1, 2, 9, 10])
def test_a_median_is_numpys(count):
    values = np.random.default_rng(count).normal(size=count)
    assert median(values) == np.median(values)
