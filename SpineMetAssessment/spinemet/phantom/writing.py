"""A synthetic patient as a folder: DICOM, NIfTI, masks, truth and answers; whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spinemet.case import Role
from spinemet.files import written_folder
from spinemet.phantom.dicom import write_series
from spinemet.phantom.nifti import write_nifti
from spinemet.phantom.patient import SyntheticPatient
from spinemet.progress import Progress, part, silent


def write(patient: SyntheticPatient, out: Path, progress: Progress | None = None) -> None:
    """Write a patient into the folder `out`.

    - `dicom/<role>/IM0001.dcm` …: one series per image; PET in Bq/mL with all that SUV needs.
    - `nifti/<role>.nii.gz`: the same images; PET in SUV by body weight.
    - `truth/vertebrae.nii.gz` (VerSe's numbering), `truth/lesions.nii.gz` (lesion number), `truth/structures.nii.gz`
      (1 canal, 2 thecal sac, 3 cord, nested; 11 and up discs) on the CT's grid; `truth/T2_….nii.gz` on the T2's.
    - `truth/truth.json`, `answers.json`.

    :raises OutputError: the folder cannot be written, or the disk is full; nothing is left behind.
    """
    report = progress or silent
    with written_folder(out) as folder:
        for name in ("nifti", "truth"):
            (folder / name).mkdir()
        for n, (role, image) in enumerate(patient.images.items()):
            start, stop = 0.15 * n, 0.15 * (n + 1)
            seed = patient.spec.seed
            write_series(image, role, seed, folder / "dicom" / role.value, part(progress, start, stop - 0.05))
            report(stop - 0.05, f"writing the {role.value} volume")
            write_nifti(image, folder / "nifti" / f"{role.value}.nii.gz")
        report(0.8, "writing masks and truth")
        for name in ("vertebrae", "lesions", "structures"):
            write_nifti(getattr(patient, name).image, folder / "truth" / f"{name}.nii.gz")
        if Role.T2 in patient.images:
            for label_map in patient.masks_on(Role.T2):
                write_nifti(label_map.image, folder / "truth" / f"T2_{label_map.image.name}.nii.gz")
        _write_json(patient.truth, folder / "truth" / "truth.json")
        _write_json(patient.answers, folder / "answers.json")
    report(1.0, "synthetic patient written")


def _write_json(content: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
