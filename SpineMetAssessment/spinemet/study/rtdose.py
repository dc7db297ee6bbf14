"""RT dose grids as images in Gy.

Key function: `read_dose`. Frames lie at the grid frame offset vector's places (DICOM C.8.8.3.2): relative to the
image position along the slices' normal when the first offset is zero, else absolute along the patient's z axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinemet.errors import BadInput
from spinemet.image import LPS_RAS, Grid, Image
from spinemet.study.dicom_object import Source, read_object, text_of
from spinemet.study.reference_frames import require_frame

DOSE_CLASS = "1.2.840.10008.5.1.4.1.1.481.2"
# Tolerances of ours.
UNEVEN_MM = 0.02
"""How far a frame may lie from its even place: offsets are rounded to a hundredth of a millimeter."""
PERPENDICULAR = 1e-3
_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "")


@dataclass(frozen=True, eq=False)
class Dose:
    """A dose grid.

    :param image: Gy, float32, in its own grid.
    :param summation: "PLAN", "BEAM", "FRACTION", …, or "" when the file does not say.
    :param dose_type: "PHYSICAL" or "EFFECTIVE", or "".
    :param plan_uid: SOP instance of the plan that it belongs to, or "".
    """

    image: Image
    summation: str = ""
    dose_type: str = ""
    plan_uid: str = ""
    notes: tuple[str, ...] = ()

    def on(self, other: Image, *, moved_by: NDArray[np.float64] | None = None, outside: float = np.nan) -> Image:
        """The dose on the grid of another image, linearly interpolated.

        :param moved_by: 4×4 RAS matrix from the dose's frame of reference to that of `other`, where they differ.
        :param outside: value beyond the dose grid; not a number by default, since nothing is known there.
        :raises BadInput: they are in different frames of reference and there is no transform.
        """
        if moved_by is None:
            require_frame(self.image.frame, other, "The dose")
        result = self.image.resample(other.grid, outside=outside, moved_by=moved_by)
        return Image(result.array, other.ijk_to_ras, frame=other.frame, name=self.image.name)


def read_dose(source: Source) -> Dose:
    """Read an RT dose grid.

    :raises BadInput: it cannot be read or is no RT dose; it is relative or an error of dose, or has no scaling; its
        frames have no place, or form no regular grid.
    """
    return read_object(source, "RTDOSE", (DOSE_CLASS,), "RT dose", dose_of)


def dose_of(dataset: Any, name: str = "the dose") -> Dose:
    """The dose grid of a pydicom dataset; see `read_dose`. :param name: how to call it in sentences."""
    units, kind = text_of(dataset, "DoseUnits").upper(), text_of(dataset, "DoseType").upper()
    if units != "GY":
        raise BadInput(
            f"{name} gives dose in {units or 'no unit'}, not in Gy, and what it is relative to is not in the file; "
            "export the absolute dose."
        )
    if kind == "ERROR":
        raise BadInput(f"{name} is the error of a dose, not a dose; choose the dose itself.")
    scaling = _number(dataset, "DoseGridScaling")
    if scaling is None or scaling <= 0:
        raise BadInput(f"{name} has no dose grid scaling, so its values are no dose; export it again.")
    grid = _grid(dataset, name)
    array = _pixels(dataset, grid, name) * scaling
    summation = text_of(dataset, "DoseSummationType").upper()
    notes = []
    if summation and summation not in ("PLAN", "MULTI_PLAN", "PLAN_OVERVIEW"):
        notes.append(f"This dose is that of one {summation.lower().replace('_', ' ')}, not of the whole plan.")
    if kind == "EFFECTIVE":
        notes.append("This is effective dose (weighted for its biological effect), not physical dose.")
    frame = text_of(dataset, "FrameOfReferenceUID")
    if not frame:
        notes.append("The dose does not name its frame of reference; that it fits an image cannot be checked.")
    plans = dataset.get("ReferencedRTPlanSequence") or []
    plan = text_of(plans[0], "ReferencedSOPInstanceUID") if plans else ""
    image = Image(array.astype(np.float32), grid.ijk_to_ras, frame=frame, name="dose")
    return Dose(image, summation, kind, plan, tuple(notes))


def _grid(dataset: Any, name: str) -> Grid:
    cosines = _vector(dataset, "ImageOrientationPatient", 6)
    position = _vector(dataset, "ImagePositionPatient", 3)
    pitch = _vector(dataset, "PixelSpacing", 2)
    if cosines is None or position is None or pitch is None or np.any(pitch <= 0):
        raise BadInput(
            f"{name} does not say where its grid lies (position, orientation, pixel size); export it again."
        )
    row, column = cosines[:3], cosines[3:]
    wrong = max(abs(np.linalg.norm(row) - 1), abs(np.linalg.norm(column) - 1), abs(row @ column))
    if wrong > PERPENDICULAR:
        raise BadInput(f"The orientation in the header of {name} is not a pair of perpendicular unit vectors.")
    rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    frames = int(_number(dataset, "NumberOfFrames") or 1)
    if min(rows, columns) < 1:
        raise BadInput(f"{name} holds no pixels; copy it again from where it came.")
    if frames < 2:
        raise BadInput(f"{name} is a single plane of dose; a grid with several frames is needed.")
    step, first = _frame_step(dataset, frames, position, np.cross(row, column), name)
    matrix = np.eye(4)
    # Columns advance along a row (second pixel spacing), rows along a column (first).
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2], matrix[:3, 3] = row * pitch[1], column * pitch[0], step, first
    return Grid((frames, rows, columns), LPS_RAS @ matrix)


def _frame_step(
    dataset: Any, frames: int, position: NDArray[np.float64], normal: NDArray[np.float64], name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Step from frame to frame and position of the first frame (LPS, mm)."""
    offsets = _vector(dataset, "GridFrameOffsetVector", frames)
    if offsets is None:
        raise BadInput(f"{name} does not give the place of each of its {frames} frames; export it again.")
    steps = np.diff(offsets)
    step = float(steps.mean())
    if abs(step) < UNEVEN_MM or np.abs(offsets - offsets[0] - step * np.arange(frames)).max() > UNEVEN_MM:
        raise BadInput(f"The frames of {name} are unevenly spaced; export it as one regular grid.")
    if abs(offsets[0]) < UNEVEN_MM:
        return normal * step, position
    if abs(abs(normal[2]) - 1) > PERPENDICULAR or abs(offsets[0] - position[2]) > UNEVEN_MM:
        raise BadInput(
            f"The frame offsets of {name} begin neither with zero nor with the position of its first frame, so the "
            "place of its frames is uncertain; export it again."
        )
    return np.array([0.0, 0.0, step]), position


def _pixels(dataset: Any, grid: Grid, name: str) -> NDArray[np.float64]:
    """Stored values (k, j, i)."""
    if int(dataset.get("SamplesPerPixel") or 1) != 1 or "PixelData" not in dataset:
        raise BadInput(f"{name} holds no dose values; copy it again from where it came.")
    bits = int(dataset.get("BitsAllocated") or 0)
    meta = getattr(dataset, "file_meta", None)
    syntax = str(meta.get("TransferSyntaxUID", "") or "") if meta is not None else ""
    count = int(np.prod(grid.shape))
    if syntax not in _NATIVE:
        try:
            values = np.asarray(dataset.pixel_array)
        except Exception as error:  # pydicom raises many kinds of errors on damaged files
            raise BadInput(f"The values of {name} cannot be decoded; export it uncompressed.") from error
        if values.size != count:
            raise BadInput(f"{name} holds dose values of another size than its header says.")
        return values.reshape(grid.shape).astype(float)
    if bits not in (16, 32):
        raise BadInput(f"{name} stores its values in {bits} bits, which a dose cannot have.")
    data = dataset.PixelData
    if len(data) < count * bits // 8:
        raise BadInput(f"{name} is cut short: it holds {len(data)} of {count * bits // 8} bytes; copy it again.")
    encoding = getattr(dataset, "original_encoding", (True, True))
    signed = "i" if int(dataset.get("PixelRepresentation") or 0) == 1 else "u"
    dtype = np.dtype(f"{'>' if encoding[1] is False else '<'}{signed}{bits // 8}")
    return np.frombuffer(data, dtype=dtype, count=count).reshape(grid.shape).astype(float)


def _vector(dataset: Any, keyword: str, count: int) -> NDArray[np.float64] | None:
    value = dataset.get(keyword)
    if value is None or isinstance(value, str) or not hasattr(value, "__len__") or len(value) != count:
        return None
    try:
        result = np.array([float(item) for item in value])
    except (TypeError, ValueError):
        return None
    return result if np.all(np.isfinite(result)) else None


def _number(dataset: Any, keyword: str) -> float | None:
    try:
        value = float(dataset.get(keyword))
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None
