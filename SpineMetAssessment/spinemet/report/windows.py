"""Gray windows: which values a picture shows from black to white."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinemet.case import ImageRef, Role
from spinemet.image import Image

BONE_WINDOW_HU = (1800.0, 400.0)
"""Width and level of the usual bone window of CT."""

PERCENTILES = (1.0, 99.5)
"""Black and white of images without a fixed scale."""

OUTSIDE = 58
"""Gray of what lies outside the image: told apart from air, which is black."""


@dataclass(frozen=True)
class Window:
    """Values `low` to `high` are shown from black to white; `title` says so."""

    low: float
    high: float
    title: str

    def gray(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """8-bit gray; NaN, which lies outside the image, becomes `OUTSIDE`."""
        values = np.asarray(values, dtype=np.float32)
        shown = np.clip((values - self.low) / (self.high - self.low), 0.0, 1.0) * 255.0
        return np.where(np.isnan(values), OUTSIDE, np.nan_to_num(shown)).astype(np.uint8)


def window_for(image: Image, ref: ImageRef) -> Window:
    """The bone window for CT, percentiles of the image for everything else."""
    if ref.role is Role.CT:
        width, level = BONE_WINDOW_HU
        return Window(level - width / 2, level + width / 2, f"bone window W {width:g} L {level:g} HU")
    step = max(1, round((image.array.size / 500_000) ** (1 / 3)))
    values = np.asarray(image.array[::step, ::step, ::step], dtype=float)
    # The air around the patient would otherwise decide where black lies.
    values = values[np.isfinite(values) & (values > values.min())]
    if values.size == 0:
        return Window(0.0, 1.0, "image of one value")
    low, high = (float(v) for v in np.percentile(values, PERCENTILES))
    return Window(
        low, max(high, low + 1e-6), f"window from the {PERCENTILES[0]:g}st to the {PERCENTILES[1]:g}th percentile"
    )
