"""Copies of DICOM objects under names that tell nothing, de-identified or as they are."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

from spinemet.errors import BadInput
from spinemet.files import written_folder
from spinemet.progress import Progress, silent
from spinemet.study.deidentify import deidentify as take_identity
from spinemet.study.dicom_files import DicomFile
from spinemet.study.index import Index


def copy_objects(index: Index, out: Path, *, deidentify: bool, progress: Progress | None = None) -> tuple[str, ...]:
    """Copy all DICOM objects of an index to patient-1/study-1/series-1/000001.dcm, …; all or none.

    :param deidentify: apply the basic profile of PS3.15. Objects that say that text is burned into their pixels are
        then left out.
    :returns: sentences on what was left out and what to look at.
    :raises MissingDependency: `deidentify` without the package for it.
    :raises OutputError: the folder cannot be written, or the disk is full.
    """
    report = progress or silent
    done = burned = pictures = 0
    with written_folder(out) as folder:
        for patient in index.patients:
            for s, study in enumerate(patient.studies, 1):
                for n, series in enumerate((*study.series, *study.objects), 1):
                    target = folder / f"patient-{patient.number}" / f"study-{s}" / f"series-{n}"
                    for number, file in enumerate(series.files, 1):
                        report(done / max(1, index.objects), "copying DICOM objects")
                        done += 1
                        if deidentify and file.text("BurnedInAnnotation").upper() == "YES":
                            burned += 1
                            continue
                        pictures += series.ref.role.value == "secondary capture"
                        target.mkdir(parents=True, exist_ok=True)
                        _copy(file, target / f"{number:06d}.dcm", f"patient-{patient.number}" if deidentify else "")
    notes = [f"{done - burned} objects were copied."]
    if burned:
        notes.append(f"{burned} objects with text burned into their pixels were left out.")
    if pictures and deidentify:
        notes.append(f"{pictures} copies are pictures of screens or paper; look at them, they may show names.")
    return tuple(notes)


def _copy(file: DicomFile, target: Path, pseudonym: str) -> None:
    try:
        if not pseudonym:
            with file.source.open() as stream, target.open("wb") as copy:
                shutil.copyfileobj(stream, copy, 1 << 20)
            return
        dataset = file.dataset(pixels=True)
        with warnings.catch_warnings():
            # pydicom's warnings would print values beside.
            warnings.simplefilter("ignore")
            take_identity(dataset, pseudonym)
            dataset.save_as(target, enforce_file_format=True)
    except (OSError, ImportError):
        raise
    except Exception as error:  # pydicom raises many kinds of errors on damaged files
        from spinemet.errors import SpineMetError

        if isinstance(error, SpineMetError):
            raise
        raise BadInput(
            "An object cannot be copied, since its elements are damaged; leave its series out and run again."
        ) from error
