"""`spinemet segment` with canal and tumor on an MR: tumor in the canal, and files that say that nobody edited them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segmentation_ct_cases import dice
from small_markups import markups, write_markups
from spinemet.case import Role, Structure
from spinemet.phantom import Segment, SegmentSpec, create_segment
from spinemet.segment import segment_image
from spinemet.study import write_image, write_labels
from spinemet.study.canal_labels import read_canal
from spinemet.study.layered import read_layers
from spinemet.study.unedited import marks_of, unedited, voxel_mark


@pytest.fixture(scope="module")
def patient() -> Segment:
    return create_segment(SegmentSpec(grade="2", seed=1001, modalities=(Role.T2,), curvature_deg=12.0))


@pytest.fixture(scope="module")
def folder(patient: Segment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `spinemet segment` writes from two canal clicks and a stroke through the epidural tumor."""
    place = tmp_path_factory.mktemp("segment")
    truth, image = patient.structures.image, patient.images[Role.T2]
    cord, tumor = np.argwhere(truth.array == 3), np.argwhere(_epidural(patient))
    ends = [truth.to_world(cord[cord[:, 0] == k].mean(axis=0)[::-1]) for k in (cord[:, 0].max() - 4, 4)]
    row = tumor[tumor[:, 0] == int(np.median(tumor[:, 0]))]
    row = row[np.abs(row[:, 1] - np.median(row[:, 1])) < 1]
    stroke = [truth.to_world(row[n][::-1]) for n in (len(row) // 4, 3 * len(row) // 4)]
    write_image(image, place / "t2.nii.gz")
    clicks = write_markups(
        place / "p.mrk.json",
        markups("canal", [("", end) for end in ends]),
        markups("lesion 1", [("", point) for point in stroke], "Curve"),
    )
    segment_image(
        place / "t2.nii.gz", place / "all.seg.nrrd", clicks=[clicks], role=Role.T2, canal_out=place / "canal.nii.gz"
    )
    return place


def _epidural(patient: Segment) -> np.ndarray:
    return (patient.lesions.image.array > 0) & (patient.structures.image.array == 1)


def test_a_stroke_in_the_canal_finds_its_tumor_and_sac_and_cord_give_way(folder: Path, patient: Segment) -> None:
    layers = read_layers(folder / "all.seg.nrrd")
    found = {item.structure: layer.image.array > 0 for layer in layers for item in layer.present.values()}
    inside = patient.structures.image.array > 0
    assert dice(found[Structure.LESION] & inside, _epidural(patient)) > 0.6
    assert not (found[Structure.LESION] & found[Structure.CORD]).any()
    assert not (found[Structure.LESION] & found[Structure.THECAL_SAC]).any()
    assert {mark for layer in layers for mark in [voxel_mark(layer.image.array > 0)]} <= marks_of(
        folder / "all.seg.nrrd"
    )


@pytest.mark.parametrize("name", ["canal.nii.gz", "canal.nrrd", "canal.mha", "canal.seg.nrrd"])
def test_a_file_says_that_nobody_edited_it_until_somebody_does(folder: Path, patient: Segment, name: str) -> None:
    labels = read_canal(folder / "canal.nii.gz", patient.images[Role.T2])
    write_labels(labels, folder / name, unedited=True)
    marks = marks_of(folder / name)
    assert unedited(labels, marks) == {1, 2, 3}
    array = labels.image.array.copy()
    array[tuple(np.argwhere(array == 3)[0])] = 2
    edited = type(labels)(labels.image.with_array(array), labels.outlines)
    assert unedited(edited, marks) == {1}
    write_labels(labels, folder / f"own_{name}")
    assert not marks_of(folder / f"own_{name}")
