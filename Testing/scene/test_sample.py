"""The synthetic patient as sample data: images, outlines and answers come into the scene."""

from __future__ import annotations

import pytest

from spinemet.case import Role
from spinemet.scene import add_synthetic_patient, labelmaps_from_segmentation


@pytest.mark.bars
def test_the_synthetic_patient_comes_into_the_scene(a_session):
    volumes, segmentation, answers = add_synthetic_patient(a_session.scene, seed=3, roles=(Role.CT,))
    assert list(volumes) == [Role.CT]
    vertebrae, lesions = labelmaps_from_segmentation(segmentation, volumes[Role.CT])
    assert len(vertebrae.levels) >= 5 and lesions.present
    assert answers.levels
