"""The demonstration: a synthetic patient, a real lumbar CT with planted lesions, and a real thin DICOM series.

The real CT and its labels come with the package totalsegmentator (Apache-2.0); no public image with a spinal
metastasis was to be had, so lesions are planted into L2 and L4.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from spinemet import phantom, samples
from spinemet.answers import Answers
from spinemet.case import Outline, Structure
from spinemet.epidural_files import EpiduralFiles
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress, part, silent
from spinemet.run import Results, assess_study
from spinemet.study import read_image, read_labels, write_image, write_labels

CT, LABELS, LESIONS, ANSWERS = "ct.nii.gz", "vertebrae.nii.gz", "lesions.nii.gz", "answers.json"
PLANTED = (
    # level, kind, offset from the vertebra's center toward the front and head, radii: all in mm
    (Level.L2, "lytic", (-5.0, 18.0, 0.0), (13.0, 12.0, 11.0)),
    (Level.L4, "blastic", (6.0, 18.0, -1.0), (10.0, 9.0, 9.0)),
)
PAIN = {"L2": "mechanical", "L4": "none"}


def run_demo(out: Path, seed: int = 1, progress: Progress | None = None) -> dict[str, Results]:
    """Make, assess and write the patients into `out`; returns their results by name."""
    report = progress or silent
    results = {"Synthetic patient": synthetic(out / "synthetic", seed, part(report, 0.0, 0.6))}
    results["Real lumbar CT, lesions planted in L2 and L4"] = lumbar(out / "lumbar", part(report, 0.6, 0.85))
    results["Real DICOM series of 20 slices"] = thin(out / "thin", part(report, 0.85, 1.0))
    return results


def synthetic(out: Path, seed: int, progress: Progress | None = None) -> Results:
    """Make the synthetic patient of `seed` and assess it from its DICOM files."""
    patient = phantom.create(phantom.random_spec(seed), part(progress, 0.0, 0.4))
    phantom.write(patient, out / "patient", part(progress, 0.4, 0.6))
    given = out / "patient"
    structures, lesions, vertebrae = (
        given / "truth" / f"T2_{name}.nii.gz" for name in ("structures", "lesions", "vertebrae")
    )
    return assess_study(
        given / "dicom",
        out,
        labels=given / "truth" / LABELS,
        lesions=given / "truth" / LESIONS,
        answers=Answers.load(given / ANSWERS),
        epidural=EpiduralFiles(structures, lesions, vertebrae),
        progress=part(progress, 0.6, 1.0),
    )


def lumbar(out: Path, progress: Progress | None = None) -> Results:
    """Plant lesions into the real lumbar CT, write it as a user would have it, and assess that."""
    given = plant_lumbar(out / "patient")
    return assess_study(
        given / CT,
        out,
        labels=given / LABELS,
        lesions=given / LESIONS,
        answers=Answers.load(given / ANSWERS),
        progress=progress,
    )


def plant_lumbar(folder: Path) -> Path:
    """Write the real lumbar CT with planted lesions, its vertebra labels and answers; returns the folder."""
    files = samples.fetch("totalsegmentator")
    image = read_image(files / "example_ct.nii.gz").image
    report_folder = files / "spine_report" / "example_ct_report"
    vertebrae = read_labels(report_folder / "totalseg.nii.gz", image)
    marks = np.zeros(image.shape, dtype=np.uint8)
    outlines = {}
    for number, (level, kind, offset, radii) in enumerate(PLANTED, start=1):
        value = vertebrae.levels[level]
        bone = image.with_array(vertebrae.binary(value))
        region = vertebrae.mask(value)
        center = region.to_world(np.argwhere(region.array)[:, ::-1]).mean(axis=0) + offset
        image, lesion = phantom.plant(image, bone, kind=kind, center_ras=center, radii_mm=radii, seed=number)
        marks[lesion.array] = number
        outlines[number] = Outline(Structure.LESION, lesion_id=f"lesion-{number}")
    folder.mkdir(parents=True, exist_ok=True)
    write_image(image, folder / CT)
    write_labels(vertebrae, folder / LABELS)
    write_labels(LabelMap(image.with_array(marks), outlines), folder / LESIONS)
    answers = {"levels": {level: {"pain": pain, "alignment": "normal"} for level, pain in PAIN.items()}}
    (folder / ANSWERS).write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")
    return folder


def thin(out: Path, progress: Progress | None = None) -> Results:
    """Assess the real DICOM series of 20 slices, in which every vertebra is cut."""
    files = samples.fetch("totalsegmentator")
    return assess_study(files / "example_ct_dicom", out, labels=files / "example_seg_dicom.nii.gz", progress=progress)
