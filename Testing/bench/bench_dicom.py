"""Benchmarks of reading DICOM: ours beside SimpleITK's and pydicom's own ways, on series written here."""

from __future__ import annotations

import atexit
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

SLICES, SIZE = 300, 512
SERIES, IMAGES = 25, 200  # 5000 headers
HEADER_BYTES = 8000
"""A clinical CT header has 4 to 15 kB, half of it in private elements."""

OURS = "from spinemet.study import read_image; a = read_image({folder!r}).image.array"
ITK = (
    "import SimpleITK as sitk; n = sitk.ImageSeriesReader.GetGDCMSeriesFileNames({folder!r}); "
    "a = sitk.GetArrayFromImage(sitk.ReadImage(n))"
)


@cache
def _scratch() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="spinemet-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _template(rows: int, columns: int) -> bytes:
    """A CT slice whose UIDs, number and position are marks of fixed length."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.filebase import DicomBytesIO

    meta = FileMetaDataset()
    kind = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, "1.2.3.888888.777777"
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    header = Dataset()
    header.file_meta = meta
    values = {
        "SpecificCharacterSet": "ISO_IR 100", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "SOPClassUID": kind,
        "SOPInstanceUID": "1.2.3.888888.777777", "StudyDate": "20240305", "SeriesDate": "20240305",
        "AcquisitionDate": "20240305", "StudyTime": "101500", "Modality": "CT", "Manufacturer": "SpineMet",
        "StudyDescription": "Spine", "SeriesDescription": "Spine 1.0", "PatientName": "Bench^Mark",
        "PatientID": "BENCH-1", "PatientBirthDate": "19600101", "PatientSex": "F", "SliceThickness": "1",
        "KVP": "120", "ConvolutionKernel": "B60s", "PatientPosition": "HFS", "StudyInstanceUID": "1.2.3.1",
        "SeriesInstanceUID": "1.2.3.888888", "SeriesNumber": "3", "AcquisitionNumber": "1",
        "InstanceNumber": "777777", "ImagePositionPatient": ["-200", "-200", "777777.0"],
        "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"], "FrameOfReferenceUID": "1.2.3.9",
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "Rows": rows, "Columns": columns,
        "PixelSpacing": ["0.7", "0.7"], "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15,
        "PixelRepresentation": 0, "RescaleIntercept": "-1024", "RescaleSlope": "1",
    }  # fmt: skip
    for keyword, value in values.items():
        setattr(header, keyword, value)
    block = header.private_block(0x0029, "SPINEMET BENCH", create=True)
    for n in range(40):
        block.add_new(n, "OB", bytes(HEADER_BYTES // 40))
    stream = DicomBytesIO()
    header.save_as(stream, enforce_file_format=True, implicit_vr=False, little_endian=True)
    return stream.getvalue()


def _write(folder: Path, series: int, images: int, rows: int, columns: int) -> Path:
    template = _template(rows, columns)
    pixels = np.random.default_rng(0).integers(0, 3000, (rows, columns)).astype("<u2")
    length = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, pixels.nbytes)
    for s in range(series):
        target = folder / f"s{s}"
        target.mkdir(parents=True)
        for n in range(images):
            marked = template.replace(b"888888", b"%06d" % (100000 + s)).replace(b"777777", b"%06d" % (100000 + n))
            (target / f"{n:05d}").write_bytes(marked + length + np.roll(pixels, n, axis=0).tobytes())
    return folder


@cache
def _volume() -> Path:
    return _write(_scratch() / "volume", 1, SLICES, SIZE, SIZE) / "s0"


@cache
def _archive() -> Path:
    return _write(_scratch() / "archive", SERIES, IMAGES, 16, 16)


def _ours() -> Callable[[], object]:
    from spinemet.study import read_image

    folder = _volume()
    return lambda: read_image(folder).image


def _itk() -> Callable[[], object]:
    import SimpleITK as sitk

    folder = str(_volume())

    def read() -> object:
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder)
        return sitk.GetArrayFromImage(sitk.ReadImage(names))

    return read


def _pydicom() -> Callable[[], object]:
    import pydicom
    from pydicom.pixels import apply_modality_lut

    folder = _volume()

    def read() -> object:
        slices = [pydicom.dcmread(path) for path in folder.iterdir()]
        slices.sort(key=lambda item: float(item.ImagePositionPatient[2]))
        return np.stack([apply_modality_lut(item.pixel_array, item).astype(np.int16) for item in slices])

    return read


def _first(code: str) -> Callable[[], Callable[[], object]]:
    def prepare() -> Callable[[], object]:
        command = [sys.executable, "-c", code.format(folder=str(_volume()))]
        return lambda: subprocess.run(command, check=True)

    return prepare


def _index() -> Callable[[], object]:
    from spinemet.study.index import index

    folder = _archive()
    return lambda: index(folder)


def _index_again() -> Callable[[], object]:
    from spinemet.study.index import index

    folder, cache_folder = _archive(), _scratch() / "cache"
    index(folder, cache=cache_folder)
    return lambda: index(folder, cache=cache_folder)


def _headers_by_pydicom() -> Callable[[], object]:
    import pydicom

    tags = ["SeriesInstanceUID", "Modality", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows"]
    paths = [path for path in _archive().rglob("*") if path.is_file()]
    return lambda: [pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags) for path in paths]


def _headers_by_itk() -> Callable[[], object]:
    import SimpleITK as sitk

    folder = str(_archive())
    return lambda: [sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(path)) for path in Path(folder).iterdir()]


BENCHMARKS = (
    ("DICOM: read 300 slices of 512², ours", _ours),
    ("DICOM: read 300 slices of 512², SimpleITK's way", _itk),
    ("DICOM: read 300 slices of 512², pydicom's way", _pydicom),
    ("DICOM: first read in a new process, ours", _first(OURS)),
    ("DICOM: first read in a new process, SimpleITK's way", _first(ITK)),
    ("DICOM: index 5000 files, ours", _index),
    ("DICOM: index 5000 files again from the cache, ours", _index_again),
    ("DICOM: headers of 5000 files, pydicom's way", _headers_by_pydicom),
    ("DICOM: headers of 5000 files, SimpleITK's way", _headers_by_itk),
)
