"""What a pixel of a radiograph is worth, from its header: calibrated, at the detector, or unknown.

DICOM PS3.3, section 10.7.1.1: PixelSpacing that equals ImagerPixelSpacing was not corrected for magnification; where
they differ, it was. Where neither a calibration nor the detector's spacing is given, nothing can be told.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spinemet.radiograph import PixelScale, SpacingSource
from spinemet.study.frames import number

SAME_SPACING = 1e-3
"""Spacings that differ by less than this share are the same, rounded differently (ours)."""
SPACING_RANGE_MM = (0.01, 5.0)
"""Spacings of radiographs beyond this are mistakes in the header (ours)."""
MAGNIFICATION_RANGE = (1.0, 2.0)
"""Magnifications of a patient before a detector beyond this are mistakes in the header (ours)."""
MAGNIFICATION_ERROR = 0.05
"""Half-width of an estimated magnification as a share of it: 5 cm of depth at 1 m from the source (ours)."""
ASSUMED_CALIBRATION_ERROR = 0.05
"""The same for a calibration that assumed the depth of the anatomy (GEOMETRY)."""
OBJECT_CALIBRATION_ERROR = 0.02
"""The same for a calibration with an object of known size (FIDUCIAL), seldom in the spine's plane (ours)."""


def pixel_scale(header: Any) -> PixelScale:
    """What a pixel is worth, from a pydicom data set."""
    notes: list[str] = []
    patient = _spacing(header, "PixelSpacing", notes)
    imager = _spacing(header, "ImagerPixelSpacing", notes) or _spacing(header, "NominalScannedPixelSpacing", notes)
    kind = str(header.get("PixelSpacingCalibrationType", "") or "").strip().upper()
    if patient is not None and (kind or (imager is not None and not _same(patient, imager))):
        error = OBJECT_CALIBRATION_ERROR if kind == "FIDUCIAL" else ASSUMED_CALIBRATION_ERROR
        how = {
            "FIDUCIAL": "with an object of known size",
            "GEOMETRY": "for an assumed depth of the anatomy",
        }.get(kind, "in a way that the file does not say")
        notes.append(f"The pixel spacing was calibrated {how}.")
        return PixelScale(
            SpacingSource.CALIBRATED, patient, patient[0] / patient[1], magnification_error=error, basis=tuple(notes)
        )
    spacing = imager or patient
    if spacing is None:
        aspect = _aspect(header)
        notes.append("The file has no pixel spacing: only angles and ratios can be measured.")
        if aspect is None:
            notes.append("Its pixels are taken as square.")
        return PixelScale(SpacingSource.NONE, None, aspect or 1.0, basis=tuple(notes))
    if imager is None:
        notes.append("The file does not say in which plane its pixel spacing holds; it is taken as the detector's.")
    magnification, basis = _magnification(header)
    notes.append(basis)
    error = MAGNIFICATION_ERROR if magnification is not None else 0.0
    return PixelScale(SpacingSource.IMAGER, spacing, spacing[0] / spacing[1], magnification, error, tuple(notes))


def _spacing(header: Any, keyword: str, notes: list[str]) -> tuple[float, float] | None:
    """Distance between rows and columns; None, with a note where the file gives one that cannot be."""
    value = header.get(keyword)
    if value is None or isinstance(value, (str, float, int)) or len(value) != 2:
        if value is not None and str(value).strip() and not _is_empty(value):
            notes.append(f"{keyword} is not a pair of numbers and is not used.")
        return None
    rows, columns = (number(item) for item in value)
    low, high = SPACING_RANGE_MM
    if rows is None or columns is None or not (low <= rows <= high and low <= columns <= high):
        notes.append(f"{keyword} lies outside {low:g} to {high:g} mm and is not used.")
        return None
    return rows, columns


def _is_empty(value: Any) -> bool:
    return hasattr(value, "__len__") and len(value) == 0


def _same(first: tuple[float, float], second: tuple[float, float]) -> bool:
    return bool(np.allclose(first, second, rtol=SAME_SPACING, atol=0.0))


def _aspect(header: Any) -> float | None:
    """Height over width of a pixel (PixelAspectRatio is vertical\\horizontal); None when not given."""
    value = header.get("PixelAspectRatio")
    if value is None or isinstance(value, (str, int, float)) or len(value) != 2:
        return None
    rows, columns = (number(item) for item in value)
    return rows / columns if rows and columns and rows > 0 and columns > 0 else None


def _magnification(header: Any) -> tuple[float | None, str]:
    """Detector over patient and the sentence that says where it comes from."""
    low, high = MAGNIFICATION_RANGE
    stated = number(header.get("EstimatedRadiographicMagnificationFactor"))
    if stated is not None and low <= stated <= high:
        return (
            stated,
            f"The pixel spacing is the detector's, divided by the magnification {stated:.3g} that the file estimates.",
        )
    detector, patient = (number(header.get(f"DistanceSourceTo{name}")) for name in ("Detector", "Patient"))
    if detector and patient and low <= detector / patient <= high:
        factor = detector / patient
        return factor, (
            f"The pixel spacing is the detector's, divided by the magnification {factor:.3g} "
            f"(source to detector {detector:.0f} mm, to the patient {patient:.0f} mm)."
        )
    return None, "The pixel spacing is the detector's: lengths are magnified by an unknown factor."
