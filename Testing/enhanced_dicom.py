"""Small enhanced multi-frame DICOM objects for tests, written with pydicom, independent of the product."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
ENHANCED_PET = "1.2.840.10008.5.1.4.1.1.130"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def item(**elements) -> Dataset:
    """A sequence's item."""
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def write_enhanced(
    path: Path,
    volume: np.ndarray,
    positions: Sequence[Sequence[float]],
    *,
    kind: str = ENHANCED_CT,
    modality: str = "CT",
    orientation: Sequence[float] | Sequence[Sequence[float]] = AXIAL,
    pitch: Sequence[float] = (0.8, 0.5),
    slopes: Sequence[float] | None = None,
    intercept: float = 0.0,
    frame_items: Sequence[dict[str, Dataset]] | None = None,
    syntax=ExplicitVRLittleEndian,
    drop_positions: bool = False,
    **elements,
) -> Path:
    """Write frames (n, rows, columns) at LPS positions.

    :param orientation: one for all frames (shared), or one for each (per frame).
    :param slopes: rescale slope of each frame; without it the frames share the slope 1.
    :param frame_items: further functional groups of each frame, by the keyword of their sequence.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, "1.2.3.4.5"
    meta.TransferSyntaxUID = syntax
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    header = {
        "SOPClassUID": kind, "SOPInstanceUID": "1.2.3.4.5", "Modality": modality, "PatientID": "SECRET-7",
        "PatientName": "Doe^Jane", "StudyDate": "20240305", "StudyInstanceUID": "1.2.3.1",
        "SeriesInstanceUID": "1.2.3.4", "FrameOfReferenceUID": "1.2.3.9", "SeriesNumber": "3",
        "Rows": volume.shape[1], "Columns": volume.shape[2], "NumberOfFrames": str(len(volume)),
        "SamplesPerPixel": 1, "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15,
        "PixelRepresentation": int(volume.dtype.kind == "i"), "PhotometricInterpretation": "MONOCHROME2",
    } | elements  # fmt: skip
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    shared = item(PixelMeasuresSequence=[item(PixelSpacing=list(pitch), SliceThickness="2")])
    each = isinstance(orientation[0], Sequence)
    if not each:
        shared.PlaneOrientationSequence = [item(ImageOrientationPatient=list(orientation))]
    if slopes is None:
        shared.PixelValueTransformationSequence = [item(RescaleSlope="1", RescaleIntercept=str(intercept))]
    dataset.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for n, position in enumerate(positions):
        group = item()
        if not drop_positions:
            group.PlanePositionSequence = [item(ImagePositionPatient=[float(x) for x in position])]
        if each:
            group.PlaneOrientationSequence = [item(ImageOrientationPatient=[float(x) for x in orientation[n]])]
        if slopes is not None:
            group.PixelValueTransformationSequence = [
                item(RescaleSlope=str(slopes[n]), RescaleIntercept=str(intercept))
            ]
        for keyword, value in (frame_items[n] if frame_items else {}).items():
            setattr(group, keyword, [value])
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    dataset.PixelData = volume.astype("<i2" if volume.dtype.kind == "i" else "<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.save_as(path, enforce_file_format=True)
    return path
