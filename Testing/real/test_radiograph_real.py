"""Radiographs from scanners, and radiographs computed from a real CT with expert-independent geometry."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.drr import WATER_PER_MM, render
from spinemet.image import Image
from spinemet.projection import frontal, lateral
from spinemet.radiograph import SpacingSource, View
from spinemet.study import read_image
from spinemet.study.radiograph import read_radiograph


def test_the_chest_film_loads_without_a_scale_and_is_bright_where_the_spine_is(shared_data) -> None:
    film = read_radiograph(shared_data / "xray" / "RG1_J2KI.dcm")
    assert film.shape == (1955, 1841)
    assert film.view is View.PA and film.inverted
    # Its header says 0 mm.
    assert film.scale.source is SpacingSource.NONE
    # An independent JPEG 2000 decoder (openjpeg) finds these extremes.
    assert (film.pixels.min(), film.pixels.max()) == (803, 26512)
    mediastinum, lung = film.shown[900:1100, 880:960].mean(), film.shown[500:700, 400:600].mean()
    assert mediastinum > lung


def test_the_animal_film_loads_at_the_detector_and_its_contradicting_view_is_said(shared_data) -> None:
    film = read_radiograph(shared_data / "xray" / "dx.dcm")
    assert film.shape == (169, 211) and film.inverted and film.laterality == "L"
    assert film.scale.source is SpacingSource.IMAGER and not film.scale.in_patient
    assert film.scale.spacing_mm == pytest.approx((1.2, 1.2012))
    # Its orientation is that of a frontal view, its description that of a lateral one.
    assert film.view is View.FRONTAL and any("Confirm the view" in note for note in film.notes)


@pytest.mark.parametrize("make", [lateral, frontal])
@pytest.mark.parametrize("cone", [{}, {"source_to_detector_mm": 1500.0, "source_to_center_mm": 1050.0}])
def test_vertebrae_of_a_real_ct_appear_where_they_are_projected(totalsegmentator_files, make, cone) -> None:
    ct = read_image(totalsegmentator_files / "example_ct.nii.gz").image
    folder = totalsegmentator_files / "spine_report" / "example_ct_report"
    labels = read_image(folder / "totalseg.nii.gz").image
    beam = make(ct.grid.corners, spacing_mm=1.0, **cone)
    assert render(ct, beam).max() > 150 * WATER_PER_MM
    for value in (27, 29, 31):
        k, j, i = np.nonzero(labels.array == value)
        points = labels.to_world(np.stack([i, j, k], axis=-1))
        mask = Image(np.where(labels.array == value, 0, -1000).astype(np.int16), labels.ijk_to_ras)
        shadow = render(mask, beam).astype(float)
        y, x = np.indices(shadow.shape)
        found = np.array([(x * shadow).sum(), (y * shadow).sum()]) / shadow.sum()
        # A bone nearer to the source casts a larger shadow: its voxels weigh as the square of their magnification.
        weight = beam.magnification(points) ** 2
        expected = np.average(beam.project(points), axis=0, weights=weight)
        assert found == pytest.approx(expected, abs=0.3)
