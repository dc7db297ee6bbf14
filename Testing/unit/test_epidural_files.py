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
from spinemet.study import read_image, write_image

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


def numbered(patient: Path, path: Path, parts) -> Path:
    """A label map on the T2's grid; each part is a test (x, y, z) from the lowest voxel of T10's canal, RAS mm."""
    image = read_image(patient / "truth" / "T2_structures.nii.gz").image
    bones = read_image(patient / "truth" / "T2_vertebrae.nii.gz").image
    values = np.unique(bones.array[bones.array > 0])
    low = min(bones.to_world(np.argwhere(bones.array == v)[:, ::-1])[:, 2].mean() for v in values[1:2])
    canal = image.to_world(np.argwhere(image.array > 0)[:, ::-1])
    middle = canal[np.abs(canal[:, 2] - low + 13.0) < 3].mean(axis=0)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in image.shape), indexing="ij"), axis=-1)[..., ::-1]
    x, y, z = np.moveaxis(image.to_world(index) - middle, -1, 0)
    array = np.zeros(image.shape, np.uint8)
    for number, part in enumerate(parts, start=1):
        array[part(x, y, z)] = number
    write_image(image.with_array(array), path)
    return path


@pytest.fixture(scope="module")
def results(patient: Path, tmp_path_factory: pytest.TempPathFactory):
    answers = Answers().with_level(Level.T11, escc=EsccAnswer("1a", "seen on the T1", "A. Reader"))
    folder = tmp_path_factory.mktemp("results")
    roots = numbered(patient, folder / "roots.nii.gz", [
        lambda x, y, z: (np.abs(x) > 9) & (np.abs(x) < 22) & (np.abs(y) < 2.5) & (np.abs(z) < 4),
    ])  # fmt: skip
    tissue = numbered(patient, folder / "tissue.nii.gz", [
        lambda x, y, z: np.zeros(x.shape, bool),
        lambda x, y, z: (np.abs(x) > 30) & (np.abs(x) < 45) & (np.abs(z) < 20),
    ])  # fmt: skip
    given = replace(files(patient), roots=roots, tissue=tissue, conus=Level.L1, outline_error_mm=0.2)
    return run(patient, folder / "out", epidural=given, answers=answers)


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


def test_roots_come_as_values_with_their_side_and_level(results):
    roots = results.assessment.epidural.roots
    assert {item.side.value for item in roots} == {"left", "right"}
    assert all(item.root == str(item.above) for item in roots)
    assert len(results.assessment.epidural.foramina) == len(roots)
    names = [m.name for m in roots[0].measurements]
    assert names == ["tumor to root", "contact with the root", "root area loss"]


def test_marrow_is_measured_where_tumor_lies_in_the_bone(results):
    marrow = {item.level: {m.name: m for m in item.measurements} for item in results.assessment.epidural.marrow}
    assert Level.T10 in marrow and Level.T12 not in marrow
    assert marrow[Level.T10]["abnormal marrow on T2"].known
    assert marrow[Level.T10]["T1 ratio to muscle"].reason == "there is no T1 without contrast"


def test_the_outlines_error_and_the_conus_are_said(results):
    details = results.assessment.epidural
    assert details.conus is Level.L1
    assert "0.2 mm" in details.notes[0]
    item = next(m for m in details.at(Level.T10).measurements if m.name == "tumor to cord")
    assert item.uncertainty > 0.2 * np.sqrt(2)


def test_radiotherapy_and_noms_find_clearance_extent_and_grade_in_the_file(results):
    plain = json.loads(results.files["assessment"].read_text(encoding="utf-8"))
    level = next(item for item in plain["epidural"]["levels"] if item["escc"]["level"] == "T10")
    values = {item["name"]: item for item in level["measurements"]}
    for name in ("clearance to the cord", "clearance to the thecal sac", "epidural tumor around the canal",
                 "epidural tumor in front", "epidural tumor on the left"):  # fmt: skip
        assert values[name]["value"] is not None, name
        assert values[name]["uncertainty"] is not None, name
    assert level["escc"]["grade"] == GRADE


def test_a_ct_alone_gets_three_classes_and_says_that_mri_is_needed(patient, tmp_path):
    truth = patient / "truth"
    structures = read_image(truth / "structures.nii.gz").image
    canal = tmp_path / "canal.nii.gz"
    write_image(structures.with_array((structures.array > 0).astype(np.uint8)), canal)
    alone = EpiduralFiles(canal, truth / "lesions.nii.gz", truth / "vertebrae.nii.gz")
    found = run(patient, tmp_path / "out", epidural=alone)
    details = found.assessment.epidural
    assert details.role is Role.CT
    assert all(item.escc.grade is None and "MRI" in item.escc.modified for item in details.levels)
    assert all(
        "0" not in [g.value for g in item.escc.possible] or len(item.escc.possible) > 1 for item in details.levels
    )
    assert "CT only" in found.files["report"].read_text(encoding="utf-8")


def test_numbers_that_stand_for_nothing_are_refused(patient, tmp_path):
    wrong = numbered(patient, tmp_path / "wrong.nii.gz", [lambda x, y, z: np.zeros(x.shape, bool)] * 6
                     + [lambda x, y, z: np.abs(x) < 4])  # fmt: skip
    with pytest.raises(BadInput, match="1 nerve roots"):
        run(patient, tmp_path / "out", epidural=replace(files(patient), roots=wrong))


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
    assert "Nerve roots" in section and "Marrow on MRI" in section
    assert section.count("may lie ±0.2 mm off") == 1


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
    image = read_image(patient / "truth" / "T2_structures.nii.gz").image
    without = tmp_path / "sac.nii.gz"
    write_image(image.with_array(np.where(image.array == 1, 0, image.array)), without)
    with pytest.raises(BadInput, match="bony canal"):
        run(patient, tmp_path / "out", epidural=replace(files(patient), canal=without))
    assert not (tmp_path / "out").exists()
