"""Radiographs: one CR, DX, RF or XA image from DICOM, with what its pixels are worth and how the beam passed."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinemet.case import ImageRef, Role
from spinemet.errors import BadInput
from spinemet.radiograph import Radiograph
from spinemet.study.decoders import Decoder
from spinemet.study.dicom_files import DicomFile, iso_date, read_header
from spinemet.study.dicom_pixels import PIXEL_DATA, coding_of, require_readable
from spinemet.study.frames import frames_of, number
from spinemet.study.identity import description_of, title_of
from spinemet.study.radiograph_scale import pixel_scale
from spinemet.study.radiograph_view import bending_of, laterality_of, view_of

CLASSES = {
    "1.2.840.10008.5.1.4.1.1.1": "CR",
    "1.2.840.10008.5.1.4.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.12.1": "XA",
    "1.2.840.10008.5.1.4.1.1.12.2": "RF",
    "1.2.840.10008.5.1.4.1.1.7": "secondary capture",
}
"""Objects that hold one projection image. Secondary captures count only with a radiograph's modality."""
MODALITIES = ("CR", "DX", "RF", "XA", "RG")
FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"


def read_radiograph(path: str | os.PathLike[str]) -> Radiograph:
    """Read one projection image from a DICOM file.

    :raises BadInput: the file is no DICOM, no single gray projection image, damaged, or cannot be decoded.
    """
    place = Path(path)
    try:
        file = read_header(place)
    except OSError as error:
        raise BadInput(f'"{place.name}" cannot be opened; check that it exists and that you may read it.') from error
    if file is None:
        raise BadInput(f'"{place.name}" is not readable as DICOM; choose a CR, DX, RF or XA image.')
    return radiograph_of(file)


def radiograph_of(file: DicomFile) -> Radiograph:
    """The projection image in a file whose header was read already (a series of an index).

    :raises BadInput: it is no single gray projection image, damaged, or cannot be decoded.
    """
    _require_projection(file)
    header = _dataset(file)
    pixels, value_range = _pixels(file, header)
    scale = pixel_scale(header)
    view, view_notes = view_of(header)
    notes = [*scale.basis, *view_notes]
    if file.sop_class == FOR_PROCESSING:
        notes.append("The image is meant for processing, not for looking at; its contrast may be poor.")
    if file.text("BurnedInAnnotation").upper() == "YES":
        notes.append("Text is burned into the image; it may name the patient.")
    return Radiograph(
        pixels,
        scale,
        view,
        bending_of(header),
        laterality_of(header),
        inverted=file.text("PhotometricInterpretation").upper() == "MONOCHROME1",
        value_range=value_range,
        window=_window(header),
        ref=_reference(file),
        notes=tuple(notes),
    )


def _require_projection(file: DicomFile) -> None:
    kind, modality = CLASSES.get(file.sop_class), file.text("Modality").upper()
    if kind is None or (kind == "secondary capture" and modality not in MODALITIES):
        what = f" (modality {modality})" if re.fullmatch(r"[A-Z0-9]{2,16}", modality) else ""
        raise BadInput(f'"{file.name}" is no radiograph{what}; choose a CR, DX, RF or XA image.')
    frames = number(file.header.get("NumberOfFrames")) or 1
    if frames > 1:
        raise BadInput(f'"{file.name}" is a film of {frames:.0f} frames; export the one frame to be measured.')
    require_readable(frames_of(file)[:1], _title(file))


def _title(file: DicomFile) -> str:
    return title_of(file, file.text("Modality") or "radiograph")


def _dataset(file: DicomFile) -> Any:
    """Everything but compressed pixels: the plain ones are decoded from it."""
    try:
        header = file.dataset(pixels=file.parsed.pixel_length is not None)
    except Exception as error:  # pydicom raises many kinds of errors on damaged files
        raise BadInput(f'"{file.name}" is damaged; copy it again from where it came.') from error
    _drop_damaged(header)
    return header


def _drop_damaged(header: Any) -> None:
    """Take away elements whose values are not what they should be, since reading one would raise: they say nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for tag in list(header.keys()):
            if tag == PIXEL_DATA:
                continue
            try:
                element = header[tag]
                if element.VR == "SQ":
                    for item in element.value:
                        _drop_damaged(item)
                else:
                    str(element.value)
            except Exception:  # pydicom raises many kinds of errors on damaged values
                del header[tag]


def _pixels(file: DicomFile, header: Any) -> tuple[NDArray[Any], tuple[float, float]]:
    """Values (rows, columns), rescaled, and the range that the file can store."""
    coding, title = coding_of(file), _title(file)
    slope, intercept = number(file.header.get("RescaleSlope")), number(file.header.get("RescaleIntercept")) or 0.0
    slope = 1.0 if slope is None else slope
    if file.parsed.pixel_length is None:
        raw = Decoder(file, title).decode(0, coding.dtype.newbyteorder("="))
    else:
        raw = _plain(file, header)
    values = coding.values(raw)
    if values.shape != (number(file.header.get("Rows")), number(file.header.get("Columns"))):
        raise BadInput(f'"{file.name}" holds pixels of another size than its header says; export it again.')
    if (slope, intercept) != (1.0, 0.0):
        values = (values * slope + intercept).astype(np.float32)
    span = 2.0**coding.stored
    ends = (-span / 2, span / 2 - 1) if coding.signed else (0.0, span - 1)
    low, high = sorted(end * slope + intercept for end in ends)
    return values, (low, high)


def _plain(file: DicomFile, header: Any) -> NDArray[Any]:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not file.syntax:
                # A file without a meta header is plain; pydicom asks to be told.
                header.file_meta = FileMetaDataset()
                implicit = file.parsed.implicit
                header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
            return np.asarray(header.pixel_array)
    except Exception as error:  # pydicom raises many kinds of errors on damaged pixels
        raise BadInput(
            f'The pixels of "{file.name}" cannot be decoded; the file may be damaged: '
            "copy it again, or export it uncompressed."
        ) from error


def _window(header: Any) -> tuple[float, float] | None:
    """Center and width that the file proposes; the first of several."""
    center, width = (_first_number(header.get(name)) for name in ("WindowCenter", "WindowWidth"))
    return (center, width) if center is not None and width is not None and width > 0 else None


def _first_number(value: Any) -> float | None:
    several = value is not None and not isinstance(value, (str, int, float)) and hasattr(value, "__len__")
    return number(value[0]) if several and len(value) else number(value)


def _reference(file: DicomFile) -> ImageRef:
    dates = (iso_date(file.text(name)) for name in ("AcquisitionDate", "SeriesDate", "StudyDate"))
    # Both films of a flexion–extension pair often share a series; the object tells them apart.
    key = file.sop_instance if file.text("SOPInstanceUID") else file.series_key
    return ImageRef(
        key=key,
        role=Role.RADIOGRAPH,
        frame=key,
        series_uid=file.text("SeriesInstanceUID"),
        study_uid=file.text("StudyInstanceUID"),
        description=description_of(file),
        date=next(filter(None, dates), ""),
        kvp=number(file.header.get("KVP")),
    )
