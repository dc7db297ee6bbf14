"""Small RT structure sets, RT doses and segmentations for tests, written with pydicom alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

FRAME = "1.2.3.9"
STRUCTURE_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
DOSE_CLASS = "1.2.840.10008.5.1.4.1.1.481.2"
SEGMENTATION_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def item(**elements) -> Dataset:
    """A dataset with these elements."""
    dataset = Dataset()
    for keyword, value in elements.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def _saved(path: Path, kind: str, **elements) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, "1.2.3.77"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    header = {
        "SOPClassUID": kind, "SOPInstanceUID": "1.2.3.77", "PatientID": "SECRET-7", "PatientName": "Doe^Jane",
        "StudyInstanceUID": "1.2.3.1", "SeriesInstanceUID": "1.2.3.5",
    } | elements  # fmt: skip
    for keyword, value in header.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_structures(path: Path, rois: dict[str, list], *, types=(), frame=FRAME, kind="CLOSED_PLANAR") -> Path:
    """Write a structure set.

    :param rois: for each name, contours (n, 3) in LPS mm; a contour may be a pair of its type and its points.
    :param types: interpreted types of the regions.
    """
    listed, contoured, observed = [], [], []
    for number, (name, contours) in enumerate(rois.items(), start=1):
        listed.append(item(ROINumber=number, ROIName=name, ReferencedFrameOfReferenceUID=frame))
        sequence = []
        for contour in contours:
            geometry, points = contour if isinstance(contour, tuple) else (kind, contour)
            flat = [f"{value:.6f}"[:16] for value in np.ravel(points)]
            sequence.append(
                item(ContourGeometricType=geometry, NumberOfContourPoints=len(flat) // 3, ContourData=flat)
            )
        contoured.append(item(ReferencedROINumber=number, ContourSequence=sequence))
        kind_of_roi = types[number - 1] if number <= len(types) else ""
        observed.append(item(ObservationNumber=number, ReferencedROINumber=number, RTROIInterpretedType=kind_of_roi))
    return _saved(
        path, STRUCTURE_CLASS, Modality="RTSTRUCT", StructureSetLabel="test", StructureSetROISequence=listed,
        ROIContourSequence=contoured, RTROIObservationsSequence=observed,
    )  # fmt: skip


def write_dose(path: Path, values: np.ndarray, *, bits=32, **elements) -> Path:
    """Write a dose grid from stored values (k, j, i), by default in steps of 0.001 Gy on frames 3 mm apart."""
    header = {
        "Modality": "RTDOSE", "FrameOfReferenceUID": FRAME, "DoseUnits": "GY", "DoseType": "PHYSICAL",
        "DoseSummationType": "PLAN", "DoseGridScaling": "0.001", "NumberOfFrames": values.shape[0],
        "Rows": values.shape[1], "Columns": values.shape[2], "PixelSpacing": [2.0, 1.5],
        "ImagePositionPatient": [-10.0, -20.0, 30.0], "ImageOrientationPatient": list(AXIAL), "SamplesPerPixel": 1,
        "GridFrameOffsetVector": [3.0 * k for k in range(values.shape[0])], "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": 0,
        "PixelData": values.astype(f"<u{bits // 8}").tobytes(),
    } | elements  # fmt: skip
    return _saved(path, DOSE_CLASS, **header)


def write_segmentation(
    path: Path, segments: list[dict], planes: list[tuple[int, tuple, np.ndarray]], *, kind="BINARY", **elements
) -> Path:
    """Write a segmentation.

    :param segments: elements of each segment (label, codes).
    :param planes: for each frame its segment's number, position (LPS) and stored values (rows, columns).
    """
    pixels = np.stack([plane for _, _, plane in planes])
    if kind == "BINARY":
        data = np.packbits(pixels.astype(np.uint8).ravel(), bitorder="little").tobytes()
    else:
        data = pixels.astype(np.uint8).tobytes()
    bits = 1 if kind == "BINARY" else 8
    frames = [
        item(
            SegmentIdentificationSequence=[item(ReferencedSegmentNumber=number)] if kind != "LABELMAP" else None,
            PlanePositionSequence=[item(ImagePositionPatient=[float(value) for value in position])],
        )
        for number, position, _ in planes
    ]
    measures = item(PixelSpacing=[2.0, 1.5], SliceThickness=3.0, SpacingBetweenSlices=elements.pop("Between", None))
    orientation = [float(value) for value in elements.pop("Orientation", AXIAL)]
    shared = item(
        PixelMeasuresSequence=[measures], PlaneOrientationSequence=[item(ImageOrientationPatient=orientation)]
    )
    header = {
        "Modality": "SEG", "FrameOfReferenceUID": FRAME, "SegmentationType": kind, "NumberOfFrames": len(planes),
        "Rows": pixels.shape[1], "Columns": pixels.shape[2], "BitsAllocated": bits, "BitsStored": bits,
        "HighBit": bits - 1, "PixelRepresentation": 0, "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "SegmentSequence": [item(SegmentNumber=n, **one) for n, one in enumerate(segments, start=1)],
        "SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": frames,
        "PixelData": data + b"\0" * (len(data) % 2),
    } | elements  # fmt: skip
    return _saved(path, header.pop("SOPClassUID", SEGMENTATION_CLASS), **header)
