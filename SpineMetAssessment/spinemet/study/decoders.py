"""Compressed pixels: decoded by GDCM, which comes with SimpleITK, or by what pydicom finds installed.

GDCM gets a temporary file with nothing but the frame's pixels, so that it cannot rescale them by its own reading
of the header, nothing of a patient is written to the disk, and every kind of object is decoded alike.
"""

from __future__ import annotations

import struct
import tempfile
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinemet.errors import BadInput
from spinemet.study.dicom_files import DicomFile
from spinemet.study.frames import number, whole

HTJ2K = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (201, 202, 203))
BY_GDCM = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91))
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


class Decoder:
    """Decodes frames of one file."""

    def __init__(self, file: DicomFile, title: str) -> None:
        self.file = file
        self._title = title

    def decode(self, index: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Stored values (rows, columns) of a frame as `dtype`.

        :raises BadInput: damaged, or nothing that is installed decodes this.
        """
        if self.file.syntax in BY_GDCM:
            try:
                return self._by_gdcm(index).astype(dtype, copy=False)
            except RuntimeError:
                pass
        try:
            return self._by_pydicom(index).astype(dtype, copy=False)
        except Exception as error:  # pydicom raises many kinds of errors on damaged files
            if self.file.syntax in HTJ2K and not _has_plugin():
                raise BadInput(
                    f'"{self.file.name}" in {self._title} is compressed by HTJ2K, for which a package is missing; '
                    'install it with "pip install spinemet[dicom]", or export the series uncompressed.'
                ) from error
            raise BadInput(
                f'The pixels of "{self.file.name}" in {self._title} cannot be decoded; the file may be damaged: '
                "copy it again, or export the series uncompressed."
            ) from error

    @cached_property
    def _dataset(self) -> Any:
        return self.file.dataset(pixels=True)

    def _by_pydicom(self, index: int) -> NDArray[Any]:
        from pydicom.pixels import pixel_array

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(pixel_array(self._dataset, index=index, raw=True))

    def _by_gdcm(self, index: int) -> NDArray[Any]:
        """:raises RuntimeError: GDCM cannot decode it."""
        import SimpleITK as sitk

        with tempfile.TemporaryDirectory(prefix="spinemet-") as folder:
            path = Path(folder) / "frame.dcm"
            path.write_bytes(self._alone(self._encapsulated(index)))
            reader = sitk.ImageFileReader()
            reader.SetImageIO("GDCMImageIO")
            reader.SetFileName(str(path))
            before = sitk.ProcessObject.GetGlobalWarningDisplay()
            sitk.ProcessObject.SetGlobalWarningDisplay(False)
            try:
                values = np.asarray(sitk.GetArrayFromImage(reader.Execute()))
            finally:
                sitk.ProcessObject.SetGlobalWarningDisplay(before)
        return values[0] if values.ndim == 3 and len(values) == 1 else values

    @cached_property
    def _pixels(self) -> bytes:
        start = self.file.parsed.pixel_start
        return self.file.source.read(start, self.file.source.size - start)

    def _encapsulated(self, index: int) -> bytes:
        from pydicom.encaps import get_frame

        count = whole(self.file.header.get("NumberOfFrames")) or 1
        try:
            return bytes(get_frame(self._pixels, index, number_of_frames=count))
        except (ValueError, IndexError, struct.error, EOFError) as error:
            raise RuntimeError("damaged encapsulation") from error

    def _alone(self, frame: bytes) -> bytes:
        """A DICOM file of one frame and of nothing that is not needed to decode it."""
        header = self.file.header

        def text(tag: int, representation: bytes, value: str) -> bytes:
            data = value.encode() + (b"\0" if representation == b"UI" else b" ") * (len(value) % 2)
            return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, representation, len(data)) + data

        def short(tag: int, keyword: str, default: int) -> bytes:
            value = number(header.get(keyword))
            used = default if value is None else int(value) & 0xFFFF
            return struct.pack("<HH2sHH", tag >> 16, tag & 0xFFFF, b"US", 2, used)

        bits = whole(header.get("BitsAllocated")) or 16
        stored = whole(header.get("BitsStored")) or bits
        meta = text(0x00020002, b"UI", _SECONDARY_CAPTURE) + text(0x00020003, b"UI", "1.2.3")
        meta += text(0x00020010, b"UI", self.file.syntax)
        data = text(0x00080016, b"UI", _SECONDARY_CAPTURE) + text(0x00080018, b"UI", "1.2.3")
        data += short(0x00280002, "SamplesPerPixel", 1)
        # ITK turns MONOCHROME1 round; the values are wanted as stored.
        data += text(0x00280004, b"CS", "MONOCHROME2")
        data += short(0x00280010, "Rows", 0) + short(0x00280011, "Columns", 0)
        data += short(0x00280100, "BitsAllocated", 16) + short(0x00280101, "BitsStored", stored)
        data += short(0x00280102, "HighBit", stored - 1) + short(0x00280103, "PixelRepresentation", 0)
        frame += b"\0" * (len(frame) % 2)
        data += struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
        data += struct.pack("<HHI", 0xFFFE, 0xE000, 0) + struct.pack("<HHI", 0xFFFE, 0xE000, len(frame)) + frame
        data += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        group = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta))
        return b"\0" * 128 + b"DICM" + group + meta + data


def _has_plugin() -> bool:
    from importlib.util import find_spec

    return any(find_spec(name) is not None for name in ("openjpeg", "gdcm"))
