"""Pixels of a stack of DICOM slices as one array, rescaled slice by slice."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinemet.errors import BadInput
from spinemet.progress import Progress, silent
from spinemet.study.dicom_files import DicomFile
from spinemet.study.dicom_stack import Stack
from spinemet.study.roles import number

BY_PYDICOM = ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5")
"""Big endian, deflated and RLE: decoded without any plug-in, and GDCM refuses some of them."""


class _TooLarge(Exception):
    """A value does not fit the array's integers."""


@dataclass(frozen=True)
class Coding:
    """How one file stores its pixels."""

    bits: int
    stored: int
    signed: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(f"<{'i' if self.signed else 'u'}{self.bits // 8}")


def require_readable(file: DicomFile, title: str) -> None:
    """Check from the header alone that the pixels of a file can be read.

    :raises BadInput: several frames, color, an unusual depth, no pixels, or fewer bytes than the header promises.
    """
    header = file.header
    where = f'"{file.path.name}" in {title}'
    if (number(header.get("NumberOfFrames")) or 1) > 1:
        raise BadInput(f"{where} is a multi-frame object; export the series as single-frame DICOM, one file a slice.")
    if not header.get("Rows") or not header.get("Columns"):
        raise BadInput(f"{where} ends within its header; copy it again from where it came.")
    if not file.has_pixels:
        raise BadInput(f"{where} holds no pixels (it may be cut short); copy it again from where it came.")
    if int(header.get("SamplesPerPixel") or 1) != 1:
        raise BadInput(f"{where} is a color picture, not a measurement; choose the original series.")
    coding = coding_of(file)
    if coding.bits not in (8, 16, 32) or not 1 <= coding.stored <= coding.bits:
        raise BadInput(f"{where} stores its pixels in {coding.bits} bits, which cannot be read.")
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        if keyword in header and header.get(keyword) is not None and number(header.get(keyword)) is None:
            raise BadInput(f"{where} has a rescale factor that is not a number; export the series again.")
    if number(header.get("RescaleSlope")) == 0:
        raise BadInput(f"{where} has a rescale slope of zero, so its values are lost; export the series again.")
    if file.pixel_start is not None:
        needed = int(header.Rows) * int(header.Columns) * coding.bits // 8
        if file.pixel_bytes < needed:
            raise BadInput(
                f"{where} is cut short: it holds {file.pixel_bytes} of {needed} bytes of pixels; "
                "copy it again from where it came."
            )


def coding_of(file: DicomFile) -> Coding:
    """How a file stores its pixels."""
    bits = int(file.header.get("BitsAllocated") or 16)
    return Coding(
        bits, int(file.header.get("BitsStored") or bits), int(file.header.get("PixelRepresentation") or 0) == 1
    )


def read_pixels(stack: Stack, title: str, progress: Progress | None = None) -> NDArray[Any]:
    """Rescaled values (k, j, i): int16 where all are whole numbers (int32 if they do not fit), else float32.

    :raises BadInput: pixels cannot be decoded.
    """
    scales = [_scale(file) for file in stack.files]
    whole = all(slope.is_integer() and intercept.is_integer() for slope, intercept in scales)
    for dtype in (np.int16, np.int32) if whole else (np.float32,):
        try:
            return _fill(stack, scales, np.dtype(dtype), title, progress or silent)
        except _TooLarge:
            continue
    return _fill(stack, scales, np.dtype(np.float32), title, progress or silent)


def _scale(file: DicomFile) -> tuple[float, float]:
    slope = number(file.header.get("RescaleSlope"))
    return (1.0 if slope is None else slope), number(file.header.get("RescaleIntercept")) or 0.0


def _fill(
    stack: Stack, scales: list[tuple[float, float]], dtype: np.dtype[Any], title: str, progress: Progress
) -> NDArray[Any]:
    array = np.empty(stack.grid.shape, dtype=dtype)
    for k, (file, scale) in enumerate(zip(stack.files, scales, strict=True)):
        if k % 20 == 0:
            progress(k / len(array), f"reading {title}, slice {k + 1} of {len(array)}")
        values = _rescaled(file, scale, dtype, title)
        if values.shape != array.shape[1:]:
            raise BadInput(f'"{file.path.name}" in {title} holds pixels of another size than its header says.')
        if dtype.kind == "i":
            limits = np.iinfo(dtype)
            if values.max() > limits.max or values.min() < limits.min:
                raise _TooLarge
        array[k] = values
    return array


def _rescaled(file: DicomFile, scale: tuple[float, float], dtype: np.dtype[Any], title: str) -> NDArray[Any]:
    """Values of a slice, in a type that holds them all."""
    if file.pixel_start is not None:
        values = _plain(file, title)
    elif file.syntax in BY_PYDICOM:
        values = _decode_by_pydicom(file, title)
    else:
        return _decode_by_gdcm(file, title)
    slope, intercept = scale
    if dtype.kind == "f":
        return np.asarray(values * np.float32(slope) + np.float32(intercept))
    if scale == (1.0, 0.0):
        return values
    fits = values.dtype.itemsize <= 2 and abs(slope) < 2**14 and abs(intercept) < 2**29
    wide = values.astype(np.int32 if fits else np.int64)
    return np.asarray(wide * int(slope) + int(intercept))


def _plain(file: DicomFile, title: str) -> NDArray[Any]:
    coding = coding_of(file)
    shape = (int(file.header.Rows), int(file.header.Columns))
    with file.path.open("rb") as stream:
        stream.seek(file.pixel_start or 0)
        data = stream.read(shape[0] * shape[1] * coding.bits // 8)
    if len(data) < shape[0] * shape[1] * coding.bits // 8:
        raise BadInput(f'"{file.path.name}" in {title} became shorter while it was read; copy it again.')
    return _used_bits(np.frombuffer(data, dtype=coding.dtype).reshape(shape), coding)


def _used_bits(raw: NDArray[Any], coding: Coding) -> NDArray[Any]:
    """Values without the bits above BitsStored (old files keep overlays there), their sign extended."""
    unused = coding.bits - coding.stored
    return np.right_shift(np.left_shift(raw, unused), unused) if unused else raw


def _decode_by_pydicom(file: DicomFile, title: str) -> NDArray[Any]:
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw = pydicom.dcmread(file.path).pixel_array
    except Exception as error:  # pydicom raises many kinds of errors on damaged files
        raise _undecodable(file, title) from error
    return _used_bits(np.asarray(raw), coding_of(file))


def _decode_by_gdcm(file: DicomFile, title: str) -> NDArray[Any]:
    """JPEG, JPEG-LS and JPEG 2000 by GDCM, which applies the rescale, too."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(file.path))
    try:
        values = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise _undecodable(file, title) from error
    return np.asarray(values[0] if values.ndim == 3 and len(values) == 1 else values)


def _undecodable(file: DicomFile, title: str) -> BadInput:
    return BadInput(
        f'The pixels of "{file.path.name}" in {title} cannot be decoded; the file may be damaged: '
        "copy it again, or export the series uncompressed."
    )
