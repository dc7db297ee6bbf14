"""DICOM files: which files are DICOM, and their headers with the place of the pixels."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from spinemet.progress import Progress, silent

HEADER_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Modality",
    "ImageType", "SpecificCharacterSet", "PatientID", "PatientName", "PatientSex", "PatientBirthDate", "StudyDate",
    "SeriesDate", "AcquisitionDate", "SeriesDescription", "ProtocolName", "SeriesNumber", "PatientPosition", "KVP",
    "ContrastBolusAgent", "ScanningSequence", "RepetitionTime", "EchoTime", "InversionTime", "SliceThickness",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "NumberOfFrames",
    "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "RescaleSlope", "RescaleIntercept", "Units",
]  # fmt: skip
_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_UNDEFINED_LENGTH = 0xFFFFFFFF


@dataclass(frozen=True, eq=False)
class DicomFile:
    """One DICOM file without its pixels.

    :param header: pydicom dataset with the elements named in HEADER_TAGS.
    :param pixel_start: offset in bytes of plain little-endian pixels; None when they are coded otherwise.
    :param pixel_bytes: bytes of plain pixels that the file really holds.
    :param has_pixels: whether there is a pixel element at all.
    """

    path: Path
    header: Any
    pixel_start: int | None
    pixel_bytes: int
    has_pixels: bool

    def text(self, keyword: str) -> str:
        """A header element as text without padding; "" when it is absent or empty."""
        value = self.header.get(keyword)
        return "" if value is None else str(value).strip()

    @property
    def sop_class(self) -> str:
        """What kind of object this is. De-identified files may say so in the file's meta header only."""
        return self.text("SOPClassUID") or _meta_text(self.header, "MediaStorageSOPClassUID")

    @property
    def sop_instance(self) -> str:
        """Identity of this object; the path when the file has none."""
        return self.text("SOPInstanceUID") or _meta_text(self.header, "MediaStorageSOPInstanceUID") or str(self.path)

    @property
    def syntax(self) -> str:
        """Transfer syntax UID; "" when the file has no meta header."""
        return _meta_text(self.header, "TransferSyntaxUID")

    @property
    def series_key(self) -> str:
        """The series UID; without one (removed by some de-identification) what else tells a folder's series apart."""
        uid = self.text("SeriesInstanceUID")
        if uid:
            return uid
        traits = (self.text(name) for name in ("Modality", "FrameOfReferenceUID", "SeriesNumber", "AcquisitionDate"))
        folder = zlib.crc32(str(self.path.parent).encode())
        return "-".join(filter(None, [*traits, f"{folder:08x}"]))


def _meta_text(header: Any, keyword: str) -> str:
    meta = getattr(header, "file_meta", None)
    return str(meta.get(keyword, "") or "").strip() if meta is not None else ""


def is_dicom(path: Path) -> bool:
    """Whether a file starts as DICOM does: "DICM" after 128 bytes, or a plausible first element without it."""
    with path.open("rb") as stream:
        start = stream.read(132)
    if start[128:132] == b"DICM":
        return True
    # Without a preamble, data sets begin with group 0002 or 0008, little endian, and a small element number.
    return len(start) == 132 and start[:2] in (b"\x02\x00", b"\x08\x00") and start[3:4] == b"\x00"


def read_headers(paths: Sequence[Path], progress: Progress | None = None) -> tuple[list[DicomFile], list[Path]]:
    """Headers of DICOM files, and the files that cannot be read as DICOM."""
    report = progress or silent
    files, damaged = [], []
    for index, path in enumerate(paths):
        if index % 50 == 0:
            report(index / len(paths), f"reading headers, {index} of {len(paths)}")
        file = read_header(path)
        if file is None:
            damaged.append(path)
        else:
            files.append(file)
    return files, damaged


def read_header(path: Path) -> DicomFile | None:
    """Header of one file; None when it is no DICOM object or too damaged to say what it is."""
    import pydicom

    try:
        with path.open("rb") as stream, warnings.catch_warnings():
            # Odd values are judged here, in sentences; pydicom's warnings would print them beside.
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=HEADER_TAGS)
            if not (header.get("SOPClassUID") or _meta_text(header, "MediaStorageSOPClassUID")):
                return None
            # Values are parsed on first use; a damaged one must show itself here, not later.
            for element in header:
                str(element.value)
            start, length, present = _find_pixels(stream, header)
    except OSError:
        raise
    except Exception:  # pydicom raises many kinds of errors on damaged files
        return None
    return DicomFile(path, header, start, length, present)


def _find_pixels(stream: BinaryIO, header: Any) -> tuple[int | None, int, bool]:
    """Start and real length of plain pixels, and whether a pixel element follows."""
    syntax = _meta_text(header, "TransferSyntaxUID")
    implicit, little = header.original_encoding
    if not little or syntax not in (_IMPLICIT, _EXPLICIT, ""):
        # Deflated and big-endian files cannot be followed here; GDCM decodes them.
        return None, 0, True
    here = stream.tell()
    start = stream.read(12)
    if len(start) < 12 or start[:2] != b"\xe0\x7f" or start[2:4] not in (b"\x10\x00", b"\x08\x00", b"\x09\x00"):
        return None, 0, False
    if start[2:4] != b"\x10\x00":
        return None, 0, True
    length = struct.unpack("<I", start[4:8] if implicit else start[8:12])[0]
    first = here + (8 if implicit else 12)
    size = stream.seek(0, 2)
    if length == _UNDEFINED_LENGTH:
        return None, 0, True
    return first, max(0, min(length, size - first)), True
