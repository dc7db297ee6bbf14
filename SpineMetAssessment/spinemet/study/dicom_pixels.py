"""Pixels of a stack of frames as one array, rescaled frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinemet.errors import BadInput
from spinemet.progress import Progress, silent
from spinemet.study.decoders import Decoder
from spinemet.study.dicom_files import DicomFile
from spinemet.study.dicom_stack import Stack, capital
from spinemet.study.elements import BIG_ENDIAN, DEFLATED, inflate
from spinemet.study.frames import Frame, number, whole

PIXEL_DATA = 0x7FE00010


class _TooLarge(Exception):
    """A value does not fit the array's integers."""


@dataclass(frozen=True)
class Coding:
    """How one file stores its pixels.

    :param bits: bits allocated to a pixel.
    :param stored: bits of them that are the value; the highest of these is `high`.
    """

    bits: int
    stored: int
    high: int
    signed: bool
    big_endian: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(f"{'>' if self.big_endian else '<'}{'i' if self.signed else 'u'}{self.bits // 8}")

    def values(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Values without the bits above and below those stored (old files keep overlays there), signs extended."""
        left, right = self.bits - 1 - self.high, self.bits - self.stored
        return np.right_shift(np.left_shift(raw, left), right) if right else raw


def require_readable(frames: Sequence[Frame], title: str) -> None:
    """Check from the headers alone that the pixels of frames can be read.

    :raises BadInput: color, an unusual depth, no pixels, or fewer bytes than the header promises.
    """
    checked: set[int] = set()
    for frame in frames:
        if id(frame.file) not in checked:
            checked.add(id(frame.file))
            _require_readable_file(frame.file, title, multi_frame=bool(frame.groups))
        where = f"{capital(frame.where)} in {title}"
        for value in frame.scale:
            if value is not None and number(value) is None:
                raise BadInput(f"{where} has a rescale factor that is not a number; export the series again.")
        if number(frame.scale[0]) == 0:
            raise BadInput(f"{where} has a rescale slope of zero, so its values are lost; export the series again.")


def _require_readable_file(file: DicomFile, title: str, *, multi_frame: bool) -> None:
    header = file.header
    where = f'"{file.name}" in {title}'
    if not multi_frame and (number(header.get("NumberOfFrames")) or 1) > 1:
        raise BadInput(f"{where} is a multi-frame object; export the series as single-frame DICOM, one file a slice.")
    if not whole(header.get("Rows")) or not whole(header.get("Columns")):
        raise BadInput(f"{where} has no rows and columns (it may be cut short); copy it again from where it came.")
    if not file.has_pixels:
        raise BadInput(f"{where} holds no pixels (it may be cut short); copy it again from where it came.")
    if whole(header.get("SamplesPerPixel") or 1) != 1 or file.text("PhotometricInterpretation") == "PALETTE COLOR":
        raise BadInput(f"{where} is a color picture, not a measurement; choose the original series.")
    coding = coding_of(file)
    if file.parsed.pixel_tag != PIXEL_DATA:
        raise BadInput(f"{where} stores its pixels as fractions, which cannot be read; export whole numbers.")
    if coding.bits not in (8, 16, 32) or not 1 <= coding.stored <= coding.high + 1 <= coding.bits:
        raise BadInput(f"{where} stores its pixels in {coding.bits} bits, which cannot be read.")
    if file.parsed.pixel_length is not None and file.syntax != DEFLATED:
        needed = whole(header.Rows) * whole(header.Columns) * coding.bits // 8
        needed *= whole(header.get("NumberOfFrames")) or 1 if multi_frame else 1
        held = max(0, min(file.parsed.pixel_length, file.source.size - file.parsed.pixel_start))
        if held < needed:
            raise BadInput(
                f"{where} is cut short: it holds {held} of {needed} bytes of pixels; copy it again from where it came."
            )


def coding_of(file: DicomFile) -> Coding:
    """How a file stores its pixels."""
    header = file.header
    bits = whole(header.get("BitsAllocated")) or 16
    stored = whole(header.get("BitsStored")) or bits
    high = number(header.get("HighBit"))
    return Coding(
        bits,
        stored,
        stored - 1 if high is None else int(high),
        whole(header.get("PixelRepresentation")) == 1,
        file.syntax == BIG_ENDIAN,
    )


def read_pixels(stack: Stack, title: str, progress: Progress | None = None) -> NDArray[Any]:
    """Rescaled values (k, j, i): int16 where all are whole numbers (int32 if they do not fit), else float32.

    :raises BadInput: pixels cannot be decoded.
    """
    scales = [_scale(frame) for frame in stack.frames]
    integral = all(slope.is_integer() and intercept.is_integer() for slope, intercept in scales)
    for dtype in (np.int16, np.int32) if integral else (np.float32,):
        try:
            return _fill(stack, scales, np.dtype(dtype), title, progress or silent)
        except _TooLarge:
            continue
    return _fill(stack, scales, np.dtype(np.float32), title, progress or silent)


def _scale(frame: Frame) -> tuple[float, float]:
    slope = number(frame.scale[0])
    return (1.0 if slope is None else slope), number(frame.scale[1]) or 0.0


def _fill(
    stack: Stack, scales: list[tuple[float, float]], dtype: np.dtype[Any], title: str, progress: Progress
) -> NDArray[Any]:
    array = np.empty(stack.grid.shape, dtype=dtype)
    raw = _RawFrames(title)
    for k, (frame, scale) in enumerate(zip(stack.frames, scales, strict=True)):
        if k % 20 == 0:
            progress(k / len(array), f"reading {title}, slice {k + 1} of {len(array)}")
        values = raw.of(frame)
        if values.shape != array.shape[1:]:
            raise BadInput(f"{capital(frame.where)} in {title} holds pixels of another size than its header says.")
        if dtype.kind == "f":
            _rescale_to_float(values, scale, array[k])
        else:
            _rescale_to_whole(values, scale, array[k])
    return array


def _rescale_to_float(values: NDArray[Any], scale: tuple[float, float], out: NDArray[Any]) -> None:
    if values.dtype.itemsize > 2:
        # Beyond 24 bits float32 has no room for the stored value itself.
        out[...] = values * scale[0] + scale[1]
        return
    np.multiply(values, np.float32(scale[0]), out=out)
    if scale[1]:
        out += np.float32(scale[1])
    if not np.isfinite(scale[0] * 65536 + scale[1]):
        raise _TooLarge


def _rescale_to_whole(values: NDArray[Any], scale: tuple[float, float], out: NDArray[Any]) -> None:
    slope, intercept = int(scale[0]), int(scale[1])
    limits = np.iinfo(out.dtype)
    ends = [int(values.min()) * slope + intercept, int(values.max()) * slope + intercept]
    if max(ends) > limits.max or min(ends) < limits.min:
        raise _TooLarge
    if values.dtype.itemsize == out.dtype.itemsize and values.dtype.isnative and slope == 1:
        # Sums wrap round at 2^16 or 2^32, and the true result is known to fit: no wider copy is needed.
        wrapped = (intercept + 2 ** (8 * out.dtype.itemsize - 1)) % 2 ** (8 * out.dtype.itemsize)
        offset = out.dtype.type(wrapped - 2 ** (8 * out.dtype.itemsize - 1))
        np.add(values.view(out.dtype), offset, out=out)
        return
    out[...] = values.astype(np.int64) * slope + intercept


class _RawFrames:
    """Stored values of frames; keeps open what several frames of one file share."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._file: DicomFile | None = None
        self._data: bytes | None = None
        self._decoder: Decoder | None = None

    def of(self, frame: Frame) -> NDArray[Any]:
        """Stored values (rows, columns) of a frame, the bits that are no part of them taken away.

        :raises BadInput: cut short, damaged, or a way of compressing that nothing here can decode.
        """
        file = frame.file
        if file is not self._file:
            self._file, self._data, self._decoder = file, None, None
        coding = coding_of(file)
        try:
            plain = file.parsed.pixel_length is not None and not (coding.big_endian and coding.bits == 8)
            if plain:
                return coding.values(self._plain(frame, coding))
            if self._decoder is None:
                self._decoder = Decoder(file, self._title)
            return coding.values(self._decoder.decode(frame.index, coding.dtype.newbyteorder("=")))
        except OSError as error:
            raise BadInput(
                f'"{file.name}" in {self._title} cannot be read any more; check that it is still there.'
            ) from error

    def _plain(self, frame: Frame, coding: Coding) -> NDArray[Any]:
        file, shape = frame.file, frame.shape
        count = shape[0] * shape[1] * coding.bits // 8
        start = file.parsed.pixel_start + frame.index * count
        if file.syntax == DEFLATED or (file.source.archive is not None and frame.groups):
            data = self._unpacked(file, start + count)[start : start + count]
        else:
            data = file.source.read(start, count)
        if len(data) < count:
            raise BadInput(f'"{file.name}" in {self._title} is cut short; copy it again from where it came.')
        raw = np.frombuffer(data, dtype=coding.dtype).reshape(shape)
        return raw.astype(raw.dtype.newbyteorder("=")) if coding.big_endian else raw

    def _unpacked(self, file: DicomFile, least: int) -> bytes:
        """The bytes of a deflated file, or of a member of an archive, unpacked once for all its frames."""
        if self._data is None or len(self._data) < least:
            data = file.source.read(0, file.source.size)
            if file.syntax == DEFLATED:
                meta = file.parsed.meta
                start = 132 + 12 + whole(meta.get("FileMetaInformationGroupLength"))
                data = inflate(data[start:], least + 64)
            self._data = data
        return self._data
