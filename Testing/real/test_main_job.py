"""The main job on real images: a lumbar CT with planted lesions, and a thin DICOM series, from files to results."""

from __future__ import annotations

import json
import zipfile

import jsonschema
import pytest

from spinemet import demo
from spinemet.assessment import SCHEMA_FILE, Assessment, Status
from spinemet.levels import Level

LUMBAR = [Level(f"L{n}") for n in range(1, 6)]


@pytest.fixture(scope="module")
def lumbar(totalsegmentator_files, tmp_path_factory):
    """Results of the lumbar CT with a lytic lesion in L2 and a blastic one in L4."""
    return demo.lumbar(tmp_path_factory.mktemp("lumbar"))


def test_every_lumbar_vertebra_is_found_with_its_name_and_measured(lumbar):
    for level in LUMBAR:
        heights = lumbar.assessment[level].measurements[:3]
        assert [item.known for item in heights] == [True, True, True], level
        assert all(20 < item.value < 35 for item in heights)


def test_vertebrae_cut_by_the_edge_are_said_to_be_cut_and_not_measured(lumbar):
    for level in (Level.T11, Level.T12):
        item = lumbar.assessment[level]
        assert item.cut and "cut by the superior image edge" in item.reason
        assert not any(m.known for m in item.measurements if "height" in m.name)


def test_just_the_planted_levels_are_scored(lumbar):
    assert [item.level for item in lumbar.assessment.scored] == [Level.L2, Level.L4]
    statuses = {item.level: item.status for item in lumbar.assessment.levels}
    assert len(statuses) == 29
    assert statuses[Level.L3] is Status.NO_LESION
    assert statuses[Level.T10] is Status.NOT_IMAGED
    assert statuses[Level.C1] is Status.NOT_IMAGED


def test_planted_lesions_are_graded_or_left_open_but_never_wrong(lumbar):
    lytic, blastic = (lumbar.assessment[level].sins.components for level in (Level.L2, Level.L4))
    assert 2 in lytic["bone_lesion"].possible and lytic["bone_lesion"].points in (2, None)
    assert blastic["bone_lesion"].points == 0
    for components in (lytic, blastic):
        assert components["location"].points == 2
        assert components["posterolateral"].points == 0
        assert 0 in components["collapse"].possible


def test_unconfirmed_numbering_is_said_at_every_level(lumbar):
    assert not lumbar.assessment.numbering.confirmed
    assert all("levels unconfirmed" in item.sins.limits for item in lumbar.assessment.scored)
    assert "Levels unconfirmed" in lumbar.files["report"].read_text(encoding="utf-8")


def test_the_files_are_whole_and_valid(lumbar):
    plain = json.loads(lumbar.files["assessment"].read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text())).validate(plain)
    assert Assessment.from_json(plain) == lumbar.assessment
    report = lumbar.files["report"].read_text(encoding="utf-8")
    assert "http://" not in report.replace("http://www.w3.org", "") and "<script" not in report
    if "scene" in lumbar.files:
        assert zipfile.ZipFile(lumbar.files["scene"]).testzip() is None


def test_a_thin_dicom_series_is_assessed_and_nothing_in_it_measured(totalsegmentator_files, tmp_path):
    results = demo.thin(tmp_path)
    assert results.assessment.scored == ()
    assert any("2.00 mm apart" in note and "3.00" in note for note in results.notes)
    for level in (Level.T11, Level.T12):
        item = results.assessment[level]
        assert item.cut and not any(m.known for m in item.measurements if "height" in m.name)
    assert all(item.status is Status.NOT_IMAGED for item in results.assessment.levels if item.level < Level.T11)
