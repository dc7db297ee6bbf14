"""The synthetic patient as a sample: generated into the scene on demand, nothing is downloaded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spinemet import phantom
from spinemet.answers import Answers
from spinemet.case import ImageRef, Role
from spinemet.progress import Progress, part
from spinemet.scene.segmentations import segmentation_from_labelmaps
from spinemet.scene.volumes import volume_from_image

SEED = 1
DATE = "2026-03-02"
NAME = "SpineMet synthetic patient"


def add_synthetic_patient(
    scene: Any,
    *,
    seed: int = SEED,
    roles: tuple[Role, ...] = (Role.CT, Role.T2),
    progress: Progress | None = None,
) -> tuple[dict[Role, Any], Any, Answers]:
    """Generate a synthetic patient and put its images and outlines into the scene.

    Takes about ten seconds for the CT and three for each MR.

    :param seed: which patient; equal seeds give equal patients.
    :param roles: which images; the CT is always among them.
    :returns: volume nodes by role, the segmentation of vertebrae and lesions on the CT, and the patient's answers.
    """
    wanted = (Role.CT, *(role for role in roles if role is not Role.CT))
    patient = phantom.create(replace(phantom.random_spec(seed), modalities=wanted), part(progress, 0.0, 0.9))
    volumes = {
        role: volume_from_image(scene, image, _ref(role, image.frame, seed), f"{NAME} {role.value}")
        for role, image in patient.images.items()
    }
    segmentation = segmentation_from_labelmaps(
        scene, [patient.vertebrae, patient.lesions], volumes[Role.CT], f"{NAME} outlines"
    )
    if progress is not None:
        progress(1.0, "synthetic patient in the scene")
    return volumes, segmentation, Answers.from_json(patient.answers)


def _ref(role: Role, frame: str, seed: int) -> ImageRef:
    is_ct = role is Role.CT
    return ImageRef(
        key=f"synthetic-{seed}-{role.value}",
        role=role,
        frame=frame,
        description=f"Synthetic {role.value}",
        date=DATE,
        patient_position="HFS",
        kvp=120.0 if is_ct else None,
        contrast=False if is_ct else None,
    )
