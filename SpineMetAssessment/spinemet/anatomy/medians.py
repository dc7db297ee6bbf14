"""Medians of what is known; NaN stands for what is not. Over many short rows numpy's own are slow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def known_median(values: NDArray[Any], axis: int = -1) -> NDArray[np.float64]:
    """Median along an axis of the values that are not NaN; NaN where none is known."""
    ordered = np.sort(np.moveaxis(values, axis, -1), axis=-1)
    if ordered.shape[-1] == 0:
        return np.full(ordered.shape[:-1], np.nan)
    count = np.count_nonzero(~np.isnan(ordered), axis=-1)
    # NaN is sorted to the end, so that where nothing is known both places hold one.
    low, high = taken(ordered, np.maximum(count - 1, 0) // 2), taken(ordered, count // 2)
    return np.asarray((low + high) / 2, dtype=float)


def taken(rows: NDArray[Any], place: NDArray[np.intp]) -> NDArray[Any]:
    """One value of each row (…, n): the one at its place (…)."""
    starts = np.arange(place.size).reshape(place.shape) * rows.shape[-1]
    return rows.reshape(-1)[starts + place]


def median(values: NDArray[Any]) -> float:
    """Median of all values of an array without NaN; NaN when it is empty."""
    flat = np.ravel(values)
    if flat.size == 0:
        return float("nan")
    low, high = (flat.size - 1) // 2, flat.size // 2
    ordered = np.partition(flat, high if low == high else (low, high))
    return (float(ordered[low]) + float(ordered[high])) / 2
