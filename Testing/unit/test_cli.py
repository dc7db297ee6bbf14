"""The command line: good input ends in files, bad input in one sentence, exit code 2 and nothing written."""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from small_dicom import write_series, write_slice
from spinemet import cli, run
from spinemet.assessment import Assessment
from spinemet.levels import Level

SPACING = (1.5, 1.5, 2.0)
VERSE = {"L2": 21, "L3": 22, "L4": 23}


def write(array: np.ndarray, path: Path, origin=(0.0, 0.0, 0.0)) -> Path:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING)
    image.SetOrigin(origin)
    sitk.WriteImage(image, str(path))
    return path


def blocks() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A CT with three vertebrae (block, canal, arch), VerSe labels and a lytic lesion in the middle one."""
    rng = np.random.default_rng(0)
    ct = np.full((64, 48, 48), 40.0)
    labels = np.zeros(ct.shape, np.uint8)
    for n, value in enumerate(reversed(VERSE.values())):
        k = 8 + 18 * n
        labels[k : k + 13, 6:26, 10:38] = value
        labels[k + 3 : k + 11, 26:42, 14:34] = value
        labels[k + 3 : k + 11, 27:37, 18:30] = 0
    ct[labels > 0] = 200
    ct += rng.normal(0, 12, ct.shape)
    lesions = np.zeros(ct.shape, np.uint8)
    lesions[29:36, 10:20, 16:30] = 1
    ct[lesions > 0] -= 150
    return ct.astype(np.int16), labels, lesions


@pytest.fixture
def study(tmp_path) -> dict[str, Path]:
    ct, labels, lesions = blocks()
    return {
        "ct": write(ct, tmp_path / "ct.nii.gz"),
        "labels": write(labels, tmp_path / "vertebrae.nii.gz"),
        "lesions": write(lesions, tmp_path / "lesions.nii.gz"),
        "out": tmp_path / "result",
    }


def assess(study: dict[str, Path], *more: str, **changes: Path) -> int:
    given = {**study, **changes}
    arguments = ["assess", str(given["ct"]), "--labels", str(given["labels"]), "--lesions", str(given["lesions"])]
    return cli.main([*arguments, "--out", str(given["out"]), "--no-scene", "--quiet", "--numbering", "verse", *more])


def refused(study: dict[str, Path], capsys, *more: str, **changes: Path) -> str:
    """Run, require exit code 2 and no output of any kind; return the sentence."""
    out = changes.get("out", study["out"])
    before = sorted(path.name for path in study["out"].parent.rglob("*"))
    assert assess(study, *more, **changes) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"spinemet: \S[^\n]*\.\n", said.err), said.err
    assert "Traceback" not in said.err
    assert sorted(path.name for path in study["out"].parent.rglob("*")) == before
    assert not out.is_dir() or not any(out.iterdir())
    return said.err


def test_a_study_becomes_a_report_and_an_assessment(study, capsys):
    assert assess(study) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "L3" in said.out and "Levels unconfirmed." in said.out
    assert sorted(path.name for path in study["out"].iterdir()) == ["assessment.json", "report.html"]
    result = Assessment.load(study["out"] / "assessment.json")
    assert [item.level for item in result.scored] == [Level.L3]
    assert result[Level.L3].sins.components["location"].points == 2
    assert result[Level.L3].sins.components["pain"].points is None
    assert len(result.levels) == 29


def test_json_on_stdout_is_the_assessment(study, capsys):
    assert assess(study, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((study["out"] / "assessment.json").read_text())
    sins = next(level for level in printed["levels"] if level["level"] == "L3")["sins"]
    assert set(sins["components"]) == {
        "location", "pain", "bone_lesion", "alignment", "collapse", "posterolateral",
    }  # fmt: skip
    assert {"total", "possible_totals", "category"} <= set(sins)


def test_answers_and_an_override_survive_a_second_run(study, tmp_path, capsys):
    answers = tmp_path / "answers.json"
    override = {"points": 3, "reason": "pedicle fracture", "reader": "AB"}
    said = {"pain": "mechanical", "alignment": "normal", "overrides": {"posterolateral": override}}
    answers.write_text(json.dumps({"levels_confirmed": True, "levels": {"L3": said}}))
    assert assess(study, "--answers", str(answers)) == 0
    first = study["out"] / "assessment.json"
    assert assess(study, "--previous", str(first), out=tmp_path / "again") == 0
    again = Assessment.load(tmp_path / "again" / "assessment.json")
    finding = again[Level.L3].sins.components["posterolateral"]
    assert (finding.points, finding.source.value, finding.reader) == (3, "overridden", "AB")
    assert finding.suggested.points == 0
    assert again[Level.L3].sins.components["pain"].points == 3
    assert again.numbering.confirmed


def test_results_do_not_depend_on_the_run(study, tmp_path):
    assert assess(study) == 0
    assert assess(study, out=tmp_path / "again") == 0
    first, second = (
        json.loads((folder / "assessment.json").read_text()) for folder in (study["out"], tmp_path / "again")
    )
    first.pop("created"), second.pop("created")
    assert first == second


def test_the_users_word_on_a_series_wins_over_its_name(study, tmp_path):
    study["ct"].rename(tmp_path / "t1.nii.gz")
    assert assess(study, "--role", "t1.nii.gz=CT", ct=tmp_path / "t1.nii.gz") == 0
    result = Assessment.load(study["out"] / "assessment.json")
    assert result.images[0].role.value == "CT"
    assert result[Level.L3].measurement("mean HU").known


def test_a_role_that_does_not_exist_is_refused(study, capsys):
    assert "T9" in refused(study, capsys, "--role", "ct.nii.gz=T9")


def test_an_empty_folder_is_named(study, tmp_path, capsys):
    (tmp_path / "nothing").mkdir()
    assert "nothing" in refused(study, capsys, ct=tmp_path / "nothing")


def test_a_missing_study_is_named(study, tmp_path, capsys):
    assert "no-such-place" in refused(study, capsys, ct=tmp_path / "no-such-place")


def test_a_folder_without_images_is_named(study, tmp_path, capsys):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.txt").write_text("Dear colleague")
    assert "letters" in refused(study, capsys, ct=tmp_path / "letters")


def test_truncated_pixels_are_named(study, tmp_path, capsys):
    write_series(tmp_path / "dicom", 6)
    file = tmp_path / "dicom" / "I003"
    file.write_bytes(file.read_bytes()[:-60])
    assert "I003" in refused(study, capsys, ct=tmp_path / "dicom")


def test_two_patients_in_one_folder_stop_the_run_and_stay_unnamed(study, tmp_path, capsys):
    write_series(tmp_path / "dicom" / "a", 4, PatientID="ID-ONE", PatientName="Smith^Anna", SeriesInstanceUID="1.2.1")
    write_series(tmp_path / "dicom" / "b", 4, PatientID="ID-TWO", PatientName="Jones^Bert", SeriesInstanceUID="1.2.2")
    sentence = refused(study, capsys, ct=tmp_path / "dicom")
    assert "two patients" in sentence.lower()
    assert not re.search("ID-ONE|ID-TWO|Smith|Jones", sentence)


def test_a_single_slice_is_no_volume(study, tmp_path, capsys):
    (tmp_path / "dicom").mkdir()
    write_slice(tmp_path / "dicom" / "only", np.zeros((7, 9), np.uint16), (0, 0, 0))
    assert "slice" in refused(study, capsys, ct=tmp_path / "dicom")


def test_labels_on_another_grid_name_both_files(study, tmp_path, capsys):
    other = write(blocks()[1], tmp_path / "elsewhere.nii.gz", origin=(5.0, 0.0, 0.0))
    sentence = refused(study, capsys, labels=other)
    assert "elsewhere.nii.gz" in sentence and "ct" in sentence


def test_lesions_on_another_grid_are_refused(study, tmp_path, capsys):
    other = write(blocks()[2][:-1], tmp_path / "short.nii.gz")
    assert "short.nii.gz" in refused(study, capsys, lesions=other)


def test_unknown_label_numbers_are_named(study, tmp_path, capsys):
    labels = blocks()[1]
    labels[2:4, 2:4, 2:4] = 93
    sentence = refused(study, capsys, labels=write(labels, tmp_path / "odd.nii.gz"))
    assert "93" in sentence and "odd.nii.gz" in sentence


def test_voxels_that_are_not_numbers_name_the_file(study, tmp_path, capsys):
    ct = blocks()[0].astype(np.float32)
    ct[10, 10, 10] = np.nan
    assert "holes.nii.gz" in refused(study, capsys, ct=write(ct, tmp_path / "holes.nii.gz"))


def test_a_level_that_occurs_twice_is_named(study, tmp_path, capsys):
    labels = blocks()[1]
    labels[labels == VERSE["L4"]] = VERSE["L2"]
    sentence = refused(study, capsys, labels=write(labels, tmp_path / "twice.nii.gz"))
    assert "L2" in sentence and "twice.nii.gz" in sentence


def test_an_image_in_place_of_labels_is_refused(study, capsys):
    assert "ct.nii.gz" in refused(study, capsys, labels=study["ct"])


def test_an_output_below_a_file_cannot_be_written(study, capsys):
    assert "cannot be written" in refused(study, capsys, out=study["ct"] / "result")


def test_an_output_that_is_a_file_is_refused(study, capsys):
    assert "is a file" in refused(study, capsys, out=study["ct"])


def test_a_full_disk_is_one_sentence_and_leaves_nothing(study, capsys, monkeypatch):
    def full(self, path):
        Path(path).write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Assessment, "save", full)
    assert "disk is full" in refused(study, capsys)


def test_a_full_disk_leaves_the_earlier_result_as_it_was(study, capsys, monkeypatch):
    assert assess(study) == 0
    before = {path.name: path.read_bytes() for path in study["out"].iterdir()}

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run, "write_report", full)
    assert assess(study) == 2
    assert {path.name: path.read_bytes() for path in study["out"].iterdir()} == before


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "answers.json"),
        ('{"levels": {"L33": {}}}', "L33"),
        ('{"levels": {"L3": {"pain": "severe"}}}', "severe"),
        ('{"levels": {"L3": {"overrides": {"collapse": {"points": 7}}}}}', "7"),
        ('{"levels": {"L3": {"overrides": {"colapse": {"points": 2}}}}}', "colapse"),
    ],
)
def test_a_slip_in_the_answers_is_named(study, tmp_path, capsys, text, named):
    (tmp_path / "answers.json").write_text(text)
    assert named in refused(study, capsys, "--answers", str(tmp_path / "answers.json"))


def test_labels_are_needed_and_the_sentence_says_how(study, tmp_path, capsys):
    (tmp_path / "alone").mkdir()
    study["ct"].rename(tmp_path / "alone" / "ct.nii.gz")
    assert cli.main(["assess", str(tmp_path / "alone"), "--out", str(study["out"]), "--quiet"]) == 2
    assert "--labels" in capsys.readouterr().err


def test_stopping_leaves_nothing(study, capsys, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "write_report", stopped)
    assert assess(study) == 130
    assert not study["out"].exists()


def test_a_fault_is_one_sentence_without_a_traceback(study, capsys, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("secret name")

    monkeypatch.setattr(run, "write_report", broken)
    assert assess(study) == 1
    error = capsys.readouterr().err
    assert "fault" in error and "secret" not in error and "Traceback" not in error
    assert not study["out"].exists()


@pytest.mark.parametrize("arguments", [["--help"], ["assess", "--help"], ["phantom", "--help"], ["demo", "--help"]])
def test_help_teaches(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "usage: spinemet" in text
    assert max(len(line) for line in text.splitlines()) <= 120


def test_the_first_help_says_where_to_start_and_what_it_is_for(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert "spinemet demo" in text and "Research use only" in text


def test_an_earlier_assessment_is_the_reference_and_must_be_of_an_earlier_date(study, tmp_path, capsys):
    assert assess(study) == 0
    first = study["out"] / "assessment.json"
    assert assess(study, "--prior", str(first), out=tmp_path / "again") == 0
    again = Assessment.load(tmp_path / "again" / "assessment.json")
    assert again.parameters["prior"] == "date unknown"
    assert "prior" in again[Level.L3].measurement("height loss").method
    assert again[Level.L3].measurement("height loss").value == pytest.approx(0.0)
    capsys.readouterr()
    assert "cannot be read" in refused(study, capsys, "--prior", str(tmp_path / "none.json"), out=tmp_path / "other")


def test_names_that_were_counted_wrong_are_shifted_with_their_lesions(study, tmp_path):
    assert assess(study, "--shift-levels", "-1") == 0
    result = Assessment.load(study["out"] / "assessment.json")
    measured = [item.level for item in result.levels if item.measurements]
    assert measured == [Level.L1, Level.L2, Level.L3]
    assert [item.level for item in result.scored] == [Level.L2]
    assert "shifted by 1 toward the head" in result.numbering.basis
    with pytest.raises(SystemExit):
        assess(study, "--shift-levels", "2", out=tmp_path / "two")
