"""A real CT with a network's label map goes through a scene file without a voxel lost."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from spinemet.assessment import Assessment, LevelAssessment, Numbering, Status
from spinemet.case import ImageRef, Outline, Patient, Role, Structure, TimePoint
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.scene import (
    headless_session,
    image_from_volume,
    labelmaps_from_segmentation,
    open_scene,
    read_assessment,
    save_scene,
    segmentation_from_labelmaps,
    show_assessment,
    stale_inputs,
    volume_from_image,
)

LABELS = {27: "L5", 28: "L4", 29: "L3", 30: "L2", 31: "L1", 32: "T12", 33: "T11"}
"""The package's numbering, as its class map gives it."""


@pytest.fixture(scope="module")
def a_real_ct(totalsegmentator_files):
    return Image.from_sitk(sitk.ReadImage(str(totalsegmentator_files / "example_ct.nii.gz")), frame="ct")


@pytest.fixture(scope="module")
def its_labels(totalsegmentator_files):
    path = totalsegmentator_files / "spine_report" / "example_ct_report" / "totalseg.nii.gz"
    image = Image.from_sitk(sitk.ReadImage(str(path)), frame="ct")
    outlines = {value: Outline(Structure.VERTEBRA, Level(name)) for value, name in LABELS.items()}
    return LabelMap(image.with_array(image.array.astype(np.uint8)), outlines)


def test_a_real_study_is_not_stale_after_its_way_through_a_file(tmp_path, a_real_ct, its_labels):
    ref = ImageRef("ct", Role.CT, "ct", date="2026-01-02")
    assessment = Assessment(
        patient=Patient(),
        time_point=TimePoint("2026-01-02"),
        images=(ref,),
        reference="ct",
        numbering=Numbering("labels"),
        levels=tuple(LevelAssessment(level, Status.NO_LESION) for level in its_labels.levels),
        inputs={"image": a_real_ct.fingerprint, "vertebrae": its_labels.fingerprint},
    )
    with headless_session() as session:
        volume = volume_from_image(session.scene, a_real_ct, ref)
        node = segmentation_from_labelmaps(session.scene, [its_labels], volume)
        show_assessment(session.scene, assessment, volumes={"ct": volume}, segmentation=node)
        path = save_scene(session.scene, tmp_path / "real.mrb")
    with headless_session():
        scene = open_scene(path)
        ((parameter_node, read),) = read_assessment(scene)
        assert read == assessment
        assert stale_inputs(parameter_node) == ()
        volume = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
        assert np.array_equal(image_from_volume(volume).array, a_real_ct.array)
        vertebrae, _ = labelmaps_from_segmentation(scene.GetFirstNodeByClass("vtkMRMLSegmentationNode"), volume)
        for level, value in vertebrae.levels.items():
            assert np.array_equal(vertebrae.binary(value), its_labels.binary(its_labels.levels[level]))
