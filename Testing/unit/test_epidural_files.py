"""ESCC from files: outlines on an MR of the study become grades in the assessment and pictures in the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spinemet import phantom
from spinemet.answers import Answers, EsccAnswer
from spinemet.assessment import Assessment
from spinemet.case import Role
from spinemet.cli import main
from spinemet.epidural_files import EpiduralFiles
from spinemet.errors import BadInput
from spinemet.levels import Level
from spinemet.phantom import EpiduralSpec, LesionSpec, PatientSpec
from spinemet.report.markup import tag
from spinemet.run import assess_study

GRADE = "2"


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short synthetic patient with epidural tumor at T10, as files."""
    folder = tmp_path_factory.mktemp("epidural") / "patient"
    spec = PatientSpec(
        seed=3,
        levels=(Level.T9, Level.T10, Level.T11, Level.T12),
        ct_size=(160, 160),
        ct_spacing=(1.2, 1.2, 1.5),
        lesions=(LesionSpec(Level.T10, "lytic", 0.5, ("pedicle_left",), center=(0.0, -0.3, 0.0)),),
        epidural=(EpiduralSpec(Level.T10, GRADE),),
        modalities=(Role.CT, Role.T2),
        mr_plane="axial",
    )
    phantom.write(phantom.create(spec), folder)
    return folder


def files(patient: Path) -> EpiduralFiles:
    truth = patient / "truth"
    return EpiduralFiles(truth / "T2_structures.nii.gz", truth / "T2_lesions.nii.gz", truth / "T2_vertebrae.nii.gz")


def run(patient: Path, out: Path, **given):
    truth = patient / "truth"
    return assess_study(
        patient / "nifti", out, labels=truth / "vertebrae.nii.gz", lesions=truth / "lesions.nii.gz",
        numbering="VerSe", with_scene=False, roles={"T2.nii.gz": Role.T2, "CT.nii.gz": Role.CT}, **given,
    )  # fmt: skip


@pytest.fixture(scope="module")
def results(patient: Path, tmp_path_factory: pytest.TempPathFactory):
    answers = Answers().with_level(Level.T11, escc=EsccAnswer("1a", "seen on the T1", "A. Reader"))
    return run(patient, tmp_path_factory.mktemp("results") / "out", epidural=files(patient), answers=answers)


def test_the_planted_grade_is_found_at_its_level(results):
    details = results.assessment.epidural
    assert details.at(Level.T10).escc.grade.value == GRADE
    assert details.worst.escc.level is Level.T10
    assert details.role is Role.T2
    assert "vertebrae outlined on the T2" in details.placed_by


def test_the_measures_say_where_to_look(results):
    item = results.assessment.epidural.at(Level.T10)
    assert all(m.known for m in item.escc.measurements)
    lesion = results.assessment.epidural
    assert item.cut is not None and np.linalg.norm(item.cut.right) == pytest.approx(1.0, abs=1e-3)
    assert lesion.profile.places == tuple(sorted(lesion.profile.places))


def test_a_persons_grade_stands_and_the_suggestion_stays_visible(results):
    item = results.assessment.epidural.at(Level.T11).escc
    assert (item.grade.value, item.reader, item.source.value) == ("1a", "A. Reader", "overridden")
    assert item.suggested is not None and item.suggested.grade.value != "1a"


def test_the_assessment_is_valid_and_reads_back_equal(results):
    jsonschema = pytest.importorskip("jsonschema")
    from spinemet.assessment import SCHEMA_FILE

    plain = json.loads(results.files["assessment"].read_text(encoding="utf-8"))
    jsonschema.validate(plain, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    assert Assessment.from_json(plain).epidural == results.assessment.epidural


def test_the_report_shows_grade_reason_and_pictures(results):
    page = results.files["report"].read_text(encoding="utf-8")
    section = page[page.index('id="ESCC"') :]
    assert f"ESCC {tag('strong', GRADE)}" in section
    assert "perpendicular to the canal" in section
    assert section.count("<svg") >= 3
    assert "A. Reader" in section


def test_without_outlines_no_level_is_graded(patient, tmp_path):
    assessed = run(patient, tmp_path / "out")
    assert assessed.assessment.epidural is None
    assert 'id="ESCC"' not in assessed.files["report"].read_text(encoding="utf-8")


def test_outlines_of_another_grid_are_refused_and_nothing_is_written(patient, tmp_path):
    wrong = replace(files(patient), canal=patient / "truth" / "structures.nii.gz")
    # The CT's own canal lies on the CT: it is taken for the CT, and the MR's tumor does not fit it.
    with pytest.raises(BadInput):
        run(patient, tmp_path / "out", epidural=wrong)
    assert not (tmp_path / "out").exists()


def test_levels_are_not_guessed_between_two_frames_of_reference(patient, tmp_path):
    with pytest.raises(BadInput, match="Nothing tells where the levels lie"):
        run(patient, tmp_path / "out", epidural=replace(files(patient), vertebrae=None))


def test_the_command_line_asks_for_both_outlines(patient, tmp_path, capsys):
    code = main(["assess", str(patient / "nifti"), "--out", str(tmp_path / "out"), "--canal", "x.nii.gz", "--quiet"])
    assert code == 2
    assert "--canal and --mr-tumor together" in capsys.readouterr().err


def test_a_canal_without_sac_and_cord_is_refused(patient, tmp_path):
    lesions = patient / "truth" / "T2_vertebrae.nii.gz"
    with pytest.raises(BadInput, match="neither thecal sac"):
        run(patient, tmp_path / "out", epidural=replace(files(patient), canal=lesions))


def test_a_sac_without_its_canal_is_refused(patient, tmp_path):
    from spinemet.study import read_image, write_image

    image = read_image(patient / "truth" / "T2_structures.nii.gz").image
    without = tmp_path / "sac.nii.gz"
    write_image(image.with_array(np.where(image.array == 1, 0, image.array)), without)
    with pytest.raises(BadInput, match="bony canal"):
        run(patient, tmp_path / "out", epidural=replace(files(patient), canal=without))
    assert not (tmp_path / "out").exists()
