"""DICOM series of a synthetic patient: CT, MR and PET images as classic single-frame objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spinemet.case import Role
from spinemet.image import LPS_RAS, Image
from spinemet.phantom.identity import DATE, MR_DATE, frame_uid, patient_name, session, uid
from spinemet.phantom.solids import Array
from spinemet.progress import Progress, silent

WEIGHT_KG = 72.0
DOSE_BQ = 350e6
HALF_LIFE_S = 6586.2
"""Fluorine-18."""

INJECTION_TIME, SCAN_TIME, WAIT_S = "090000.00", "100000.00", 3600.0
"""One hour from injection to scan."""

BQML_PER_SUV = DOSE_BQ * 2 ** (-WAIT_S / HALF_LIFE_S) / (1000 * WEIGHT_KG)
"""Bq/mL, decay-corrected to the scan's start, at an SUV by body weight of 1 g/mL."""

_CLASSES = {"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4", "PT": "1.2.840.10008.5.1.4.1.1.128"}
_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_NUMBERS = {Role.CT: 1, Role.PET: 2, Role.T1: 11, Role.T2: 12, Role.STIR: 13}
_DESCRIPTIONS = {
    Role.CT: "Spine CT bone",
    Role.PET: "FDG PET AC",
    Role.T1: "SAG T1 TSE",
    Role.T2: "T2 TSE",
    Role.STIR: "SAG STIR",
}
_TIMING = {Role.T1: (600.0, 11.0), Role.T2: (3800.0, 105.0), Role.STIR: (4200.0, 60.0)}
"""Repetition and echo time, ms."""


def write_series(image: Image, role: Role, seed: int, folder: Path, progress: Progress | None = None) -> None:
    """Write one image as a series: IM0001.dcm, … in the order of the slices along their normal.

    CT is in HU, PET in SUV (stored as Bq/mL with its own slope per slice), MR as it is.
    """
    from pydicom import dcmwrite

    report = progress or silent
    folder.mkdir(parents=True)
    header = _series_header(image, role, seed)
    _add_modality(header, image, role)
    down = LPS_RAS[:3, :3] @ image.ijk_to_ras[:3, :3]
    first = LPS_RAS[:3, :3] @ image.ijk_to_ras[:3, 3]
    normal = np.cross(down[:, 0], down[:, 1])
    normal /= np.linalg.norm(normal)
    for k, plane in enumerate(image.array):
        if k % 50 == 0:
            report(k / len(image.array), f"writing the {role.value} series")
        position = first + k * down[:, 2]
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = uid(seed, role.value, "image", str(k))
        header.InstanceNumber = k + 1
        header.ImagePositionPatient = [_decimal(v) for v in position]
        header.SliceLocation = _decimal(float(position @ normal))
        header.PixelData = _pixels(header, plane, role, k)
        dcmwrite(folder / f"IM{k + 1:04d}.dcm", header, enforce_file_format=True)


def _series_header(image: Image, role: Role, seed: int) -> Any:
    """Patient, study, series, frame of reference, plane and pixel modules."""
    from pydicom.dataset import Dataset, FileMetaDataset

    modality = {Role.CT: "CT", Role.PET: "PT"}.get(role, "MR")
    date = MR_DATE if role.is_mr else DATE
    time = SCAN_TIME if role is Role.PET else "101500.00" if role.is_mr else "095500.00"
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = _CLASSES[modality]
    header.file_meta.TransferSyntaxUID = _EXPLICIT_LITTLE
    header.file_meta.ImplementationClassUID = uid(0, "implementation")
    header.SpecificCharacterSet = "ISO_IR 100"
    header.PatientName = patient_name(seed)
    header.PatientID = patient_name(seed).replace("^", "-")
    header.PatientBirthDate, header.PatientSex = "19600101", "M"
    header.PatientWeight, header.PatientSize, header.PatientAge = WEIGHT_KG, 1.74, "066Y"
    header.PatientIdentityRemoved, header.DeidentificationMethod = "YES", "synthetic data, never a person"
    header.StudyInstanceUID = uid(seed, "study", session(role))
    header.StudyDate, header.StudyTime, header.StudyID = date, "094500.00", "2" if role.is_mr else "1"
    header.StudyDescription = "Spine MR (synthetic)" if role.is_mr else "PET/CT spine (synthetic)"
    header.AccessionNumber, header.ReferringPhysicianName = "", ""
    header.Modality, header.SeriesInstanceUID = modality, uid(seed, "series", role.value)
    header.SeriesNumber, header.SeriesDescription = _NUMBERS[role], _DESCRIPTIONS[role]
    for name in ("Series", "Acquisition", "Content"):
        setattr(header, f"{name}Date", date)
        setattr(header, f"{name}Time", time)
    header.Manufacturer, header.ManufacturerModelName = "SpineMet", "phantom"
    header.BodyPartExamined, header.PatientPosition = "SPINE", "HFS"
    header.FrameOfReferenceUID, header.PositionReferenceIndicator = frame_uid(seed, role), ""
    directions = LPS_RAS[:3, :3] @ image.grid.directions
    header.ImageOrientationPatient = [_decimal(v) for v in (*directions[:, 0], *directions[:, 1])]
    si, sj, sk = image.spacing
    header.PixelSpacing = [_decimal(sj), _decimal(si)]
    header.SliceThickness = header.SpacingBetweenSlices = _decimal(sk)
    if role is Role.CT:
        # Not an attribute of CT's image plane.
        del header.SpacingBetweenSlices
    header.AcquisitionNumber = 1
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.Rows, header.Columns = image.shape[1], image.shape[2]
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
    return header


def _add_modality(header: Any, image: Image, role: Role) -> None:
    if role is Role.CT:
        header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        header.KVP, header.ConvolutionKernel = 120, "BONE"
        header.RescaleIntercept, header.RescaleSlope, header.RescaleType = -1024, 1, "HU"
        header.BitsStored, header.HighBit = 12, 11
        header.WindowCenter, header.WindowWidth = 400, 1800
    elif role is Role.PET:
        _add_pet(header, image)
    else:
        header.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE"]
        header.ScanningSequence = ["SE", "IR"] if role is Role.STIR else "SE"
        header.SequenceVariant, header.ScanOptions, header.MRAcquisitionType = "SK", "", "2D"
        header.RepetitionTime, header.EchoTime = _TIMING[role]
        header.EchoTrainLength, header.MagneticFieldStrength = 3 if role is Role.T1 else 17, 1.5
        if role is Role.STIR:
            header.InversionTime = 160


def _add_pet(header: Any, image: Image) -> None:
    from pydicom.dataset import Dataset

    def code(value: str, scheme: str, meaning: str) -> Any:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
        return item

    header.ImageType = ["ORIGINAL", "PRIMARY"]
    header.Units, header.CountsSource, header.SeriesType = "BQML", "EMISSION", ["STATIC", "IMAGE"]
    header.NumberOfSlices, header.CorrectedImage = image.shape[0], ["NORM", "DTIM", "ATTN", "SCAT", "DECAY", "RAN"]
    header.DecayCorrection, header.CollimatorType = "START", "NONE"
    header.AttenuationCorrectionMethod, header.RandomsCorrectionMethod = "CT", "DLYD"
    header.FrameReferenceTime, header.ActualFrameDuration = 90000, 180000
    header.RescaleIntercept = 0
    drug = Dataset()
    drug.Radiopharmaceutical = "Fluorodeoxyglucose"
    drug.RadiopharmaceuticalStartTime = INJECTION_TIME
    drug.RadiopharmaceuticalStartDateTime = DATE + INJECTION_TIME
    drug.RadionuclideTotalDose, drug.RadionuclideHalfLife = DOSE_BQ, HALF_LIFE_S
    drug.RadionuclidePositronFraction = 0.967
    drug.RadionuclideCodeSequence = [code("C-111A1", "SRT", "^18^Fluorine")]
    drug.RadiopharmaceuticalCodeSequence = [code("C-B1031", "SRT", "Fluorodeoxyglucose F^18^")]
    header.RadiopharmaceuticalInformationSequence = [drug]
    header.PatientOrientationCodeSequence = [code("F-10450", "SRT", "recumbent")]
    header.PatientOrientationCodeSequence[0].PatientOrientationModifierCodeSequence = [
        code("F-10340", "SRT", "supine")
    ]
    header.PatientGantryRelationshipCodeSequence = [code("F-10470", "SRT", "headfirst")]
    header.PixelRepresentation = 1
    header.EnergyWindowRangeSequence = []


def _pixels(header: Any, plane: Array, role: Role, k: int) -> bytes:
    if role is Role.CT:
        return (plane.astype(np.int32) + 1024).clip(0, 4095).astype("<u2").tobytes()
    if role is not Role.PET:
        return plane.astype("<u2").tobytes()
    activity = plane * BQML_PER_SUV
    slope = float(f"{max(float(activity.max()), 1.0) / 32000:.8g}")
    header.RescaleSlope, header.ImageIndex = slope, k + 1
    return np.rint(activity / slope).astype("<i2").tobytes()


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters."""
    text = f"{value:.9f}".rstrip("0").rstrip(".")
    return text[:16] if text not in ("-0", "") else "0"
