"""Radiograph: a projection image, what its pixels measure, and how the patient stood.

A pixel is named by its (x, y) coordinates: x counts columns to the right, y counts rows downward, and (0, 0) is the
center of the first pixel. What a pixel is worth in millimeters is often unknown; then only angles and ratios stand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinemet.case import ImageRef

Pixel = tuple[float, float]
"""(x, y): column to the right, row downward, in pixels."""


class SpacingSource(str, Enum):
    """In which plane the pixel spacing was measured."""

    CALIBRATED = "calibrated"
    """In the patient: corrected for magnification, or calibrated with an object of known size."""
    IMAGER = "imager"
    """At the detector: lengths in the patient are shorter by the magnification."""
    NONE = "none"
    """Not known: only angles and ratios can be measured."""


class View(str, Enum):
    """How the beam passed through the patient."""

    AP = "AP"
    PA = "PA"
    FRONTAL = "frontal"
    """AP or PA; the file does not say which."""
    LATERAL = "lateral"
    OBLIQUE = "oblique"
    UNKNOWN = "unknown"

    @property
    def is_frontal(self) -> bool:
        return self in (View.AP, View.PA, View.FRONTAL)


class Bending(str, Enum):
    """How the spine was bent for the exposure, where the file says so."""

    FLEXION = "flexion"
    EXTENSION = "extension"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class PixelScale:
    """What a pixel is worth.

    :param source: in which plane `spacing_mm` was measured.
    :param spacing_mm: distance between rows and between columns in mm (DICOM's order); None when unknown.
    :param aspect: height of a pixel over its width; angles need it even where the spacing is unknown.
    :param magnification: detector over patient, where the file estimates it; None when unknown.
    :param magnification_error: half-width (±) of the magnification, as a share of it.
    :param basis: sentences that say where all this comes from.
    """

    source: SpacingSource
    spacing_mm: tuple[float, float] | None = None
    aspect: float = 1.0
    magnification: float | None = None
    magnification_error: float = 0.0
    basis: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.spacing_mm is None) != (self.source is SpacingSource.NONE):
            raise ValueError("a pixel scale has a spacing exactly when it has a source")
        values = [*(self.spacing_mm or ()), self.aspect, self.magnification or 1.0]
        if not all(np.isfinite(value) and value > 0 for value in values):
            raise ValueError("spacing, aspect and magnification are positive")

    @property
    def in_patient(self) -> bool:
        """Whether lengths can be given in the patient's plane, measured or estimated."""
        return self.source is SpacingSource.CALIBRATED or (
            self.source is SpacingSource.IMAGER and self.magnification is not None
        )

    @property
    def step_mm(self) -> tuple[float, float] | None:
        """Distance between rows and columns in mm, in the patient's plane where it is known, else at the detector."""
        if self.spacing_mm is None:
            return None
        shrink = self.magnification if self.source is SpacingSource.IMAGER and self.magnification else 1.0
        return self.spacing_mm[0] / shrink, self.spacing_mm[1] / shrink

    def to_plane(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Pixels (…, 2) as (x, y) in an undistorted plane: in mm, or in widths of a pixel where mm are unknown."""
        rows, columns = self.step_mm or (self.aspect, 1.0)
        return np.asarray(np.asarray(pixels, dtype=float) * (columns, rows))


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One projection image.

    :param pixels: (rows, columns), as stored, rescaled where the file asks for it.
    :param scale: what a pixel is worth.
    :param view: how the beam passed.
    :param bending: flexion or extension, where the file says so.
    :param laterality: "L", "R" or "B" for the side shown or nearest to the detector, "" when unknown.
    :param inverted: low values are bright (MONOCHROME1).
    :param value_range: smallest and largest value that the file can store.
    :param window: center and width that the file proposes, in values of `pixels`.
    :param ref: which image this is.
    :param notes: sentences for the reader.
    """

    pixels: NDArray[Any]
    scale: PixelScale
    view: View = View.UNKNOWN
    bending: Bending = Bending.UNKNOWN
    laterality: str = ""
    inverted: bool = False
    value_range: tuple[float, float] | None = None
    window: tuple[float, float] | None = None
    ref: ImageRef | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def shown(self) -> NDArray[np.float32]:
        """Values of which the larger is the brighter: MONOCHROME1 turned round within the range of the file."""
        values = self.pixels.astype(np.float32)
        if not self.inverted:
            return values
        low, high = self.value_range or (float(values.min()), float(values.max()))
        return np.asarray(np.float32(low + high) - values)

    def picture(self) -> NDArray[np.uint8]:
        """Gray picture (rows, columns) for looking at, in the file's window, else without the outermost 0.5 %."""
        values = self.shown
        if self.window is not None:
            center, width = self.window
            if self.inverted:
                low, high = self.value_range or (float(self.pixels.min()), float(self.pixels.max()))
                center = low + high - center
            bottom, top = center - width / 2, center + width / 2
        else:
            bottom, top = (float(v) for v in np.percentile(values, (0.5, 99.5)))
        gray = (values - bottom) / max(top - bottom, 1e-6)
        return np.asarray((gray.clip(0, 1) * 255).round().astype(np.uint8))
