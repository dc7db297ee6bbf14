"""Small DICOM series for tests, written slice by slice with pydicom, independent of the product's own writers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

CT_CLASS, MR_CLASS, PET_CLASS = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.128"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def write_slice(
    path: Path, pixels: np.ndarray, position, *, syntax=ExplicitVRLittleEndian, drop=(), **elements
) -> Path:
    """Write one single-frame slice; `elements` overrides and adds header elements, `drop` takes some away."""
    meta = FileMetaDataset()
    instance = "1.2.826.0.1." + ".".join(str(n) for n in np.frombuffer(str(path).encode()[-12:], dtype=np.uint32))
    kind = elements.get("SOPClassUID", CT_CLASS)
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, elements.get("SOPInstanceUID", instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    dataset = FileDataset(
        str(path),
        {},
        file_meta=meta,
        preamble=b"\0" * 128,
        is_implicit_VR=syntax == ImplicitVRLittleEndian,
        is_little_endian=syntax != ExplicitVRBigEndian,
    )
    header = {
        "SOPClassUID": CT_CLASS, "SOPInstanceUID": instance, "Modality": "CT", "PatientID": "SECRET-7",
        "PatientName": "Doe^Jane", "PatientSex": "F", "PatientBirthDate": "19500102", "StudyDate": "20240305",
        "StudyInstanceUID": "1.2.3.1", "SeriesInstanceUID": "1.2.3.4", "FrameOfReferenceUID": "1.2.3.9",
        "SeriesNumber": "3", "SeriesDescription": "Spine", "ImagePositionPatient": [float(x) for x in position],
        "ImageOrientationPatient": list(AXIAL), "PixelSpacing": [0.8, 0.5], "SliceThickness": "5",
        "Rows": pixels.shape[0], "Columns": pixels.shape[1], "SamplesPerPixel": 1, "BitsAllocated": 16,
        "BitsStored": 16, "HighBit": 15, "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PhotometricInterpretation": "MONOCHROME2", "RescaleSlope": "1", "RescaleIntercept": "-1024",
    } | elements  # fmt: skip
    for keyword, value in header.items():
        if keyword not in drop:
            setattr(dataset, keyword, value)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    dataset["PixelData"].VR = "OW"
    if syntax == RLELossless:
        dataset.compress(RLELossless, encoding_plugin="pydicom")
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_series(
    folder: Path, count=6, *, orientation=AXIAL, step=None, origin=(-10.0, -20.0, 30.0), seed=0, **elements
):
    """Write a CT series with random pixels under shuffled names and instance numbers; return its volume (k, j, i)."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    volume = rng.integers(0, 2000, (count, 7, 9)).astype(np.uint16)
    normal = np.cross(orientation[:3], orientation[3:])
    step = 2.0 * normal if step is None else np.asarray(step, dtype=float)
    for k, number in enumerate(rng.permutation(count)):
        position = np.array(origin) + k * step
        write_slice(
            folder / f"I{number:03d}",
            volume[k],
            position,
            ImageOrientationPatient=[float(c) for c in orientation],
            InstanceNumber=int(number),
            **elements,
        )
    return volume
