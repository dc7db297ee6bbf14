"""A PET series in SUV: its voxels, and what its headers say that they mean."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from spinemet.case import Role
from spinemet.errors import BadInput
from spinemet.progress import Progress
from spinemet.study.dicom_files import DicomFile
from spinemet.study.series import Series
from spinemet.study.suv import SUV_TAGS, PetValues, SuvFactor, SuvKind, suv_factor, to_suv


def pet_values(series: Series, kind: SuvKind = SuvKind.BW, progress: Progress | None = None) -> PetValues:
    """A PET series in SUV; where that cannot be had in Bq/mL, and else as stored, with the reasons.

    :raises BadInput: it is no PET, was refused, or cannot be read.
    """
    if series.ref.role not in (Role.PET, Role.PET_NAC):
        raise BadInput(f"SUV is defined for PET only, and this is {series.ref.role.value}; choose the PET series.")
    image = series.load(progress)
    if not series.files:
        reason = "the file does not say in which unit its values are; they are shown as stored"
        return PetValues(image, "", None, None, (reason,))
    return to_suv(image, factor_of(series.files, kind))


def factor_of(files: Sequence[DicomFile], kind: SuvKind = SuvKind.BW) -> SuvFactor:
    """The factor to SUV from the files of a PET series. :raises BadInput: a file cannot be read."""
    return suv_factor([_header(file) for file in files], kind)


def _header(file: DicomFile) -> Any:
    """A slice's header with no more than SUV needs; the private elements are not in the index."""
    import pydicom

    with warnings.catch_warnings():
        # Odd values are judged in sentences; pydicom's warnings would print them beside.
        warnings.simplefilter("ignore")
        try:
            with file.source.open() as stream:
                return pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=SUV_TAGS)
        except Exception as error:  # pydicom raises many kinds of errors on damaged files
            raise BadInput(f'"{file.name}" cannot be read; copy it again from where it came.') from error
