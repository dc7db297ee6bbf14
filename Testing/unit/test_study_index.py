"""Index of a folder dump: patients, dates and series among everything else that lies there, and nobody's name."""

from __future__ import annotations

import json
import logging
import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest

from small_dicom import MR_CLASS, write_series, write_slice
from spinemet import cli
from spinemet.case import Role
from spinemet.errors import BadInput, Cancelled
from spinemet.study import read_image, read_study
from spinemet.study.describe import describe
from spinemet.study.index import Index, index

CANARY = ("Quetzalcoatlus", "CANARY-77", "19431224", "1943-12-24")


def dump(root: Path) -> Path:
    """Two patients; the first with a CT at two dates and an MR; other files, a DICOMDIR, no suffixes."""
    first = {"PatientID": "A-1", "PatientName": "Alpha^Ann"}
    second = {"PatientID": "B-2", "PatientName": "Beta^Bob", "PatientBirthDate": "19400101"}
    write_series(root / "disc" / "PAT1" / "x", **first, StudyInstanceUID="1.1", SeriesInstanceUID="1.1.1")
    write_series(
        root / "disc" / "PAT1" / "y", **first, StudyInstanceUID="1.2", SeriesInstanceUID="1.2.1", StudyDate="20240901"
    )
    write_series(
        root / "disc" / "z", **first, StudyInstanceUID="1.2", SeriesInstanceUID="1.2.2", StudyDate="20240901",
        SOPClassUID=MR_CLASS, Modality="MR", SeriesDescription="T2 sag",
    )  # fmt: skip
    write_series(root / "other", **second, StudyInstanceUID="2.1", SeriesInstanceUID="2.1.1")
    write_slice(
        root / "DICOMDIR",
        np.ones((2, 2), np.uint16),
        (0, 0, 0),
        SOPClassUID="1.2.840.10008.1.3.10",
        SOPInstanceUID="1",
    )
    (root / "autorun.inf").write_text("[autorun]")
    (root / "viewer.exe").write_bytes(bytes(range(256)) * 10)
    (root / "empty").write_bytes(b"")
    return root


def layout(found: Index) -> list[list[tuple[str, list[str]]]]:
    return [
        [(study.time_point.date, sorted(item.ref.role.value for item in study.series)) for study in patient.studies]
        for patient in found.patients
    ]


EXPECTED = [
    [("2024-03-05", ["CT"]), ("2024-09-01", ["CT", "T2"])],
    [("2024-03-05", ["CT"])],
]


def test_a_dump_is_sorted_into_patients_dates_and_series(tmp_path):
    found = index(dump(tmp_path / "d"))
    assert layout(found) == layout(index(tmp_path / "d" / "DICOMDIR")) == EXPECTED
    assert (found.files, found.objects) == (28, 24)
    assert any("DICOMDIR" in note for note in found.notes)
    assert any("3 files are no images" in note for note in found.notes)


def test_a_study_of_the_index_is_read_without_looking_again(tmp_path):
    found = index(dump(tmp_path / "d"))
    study = found.study(1, "2024-09-01")
    assert study.reference().image.shape == (6, 7, 9)
    assert study.patient.patient_id == "A-1"
    with pytest.raises(BadInput, match="2024-03-05, 2024-09-01"):
        found.study(1)
    with pytest.raises(BadInput, match="no patient 3"):
        found.study(3)


def test_zip_archives_are_read_within(tmp_path):
    root = dump(tmp_path / "d")
    with zipfile.ZipFile(tmp_path / "d.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(root))
    whole = index(tmp_path / "d.zip")
    assert layout(whole) == EXPECTED
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "d.zip"]
    inside = whole.study(2).reference().image.array
    assert np.array_equal(inside, read_image(root / "other").image.array)
    (tmp_path / "outer").mkdir()
    (tmp_path / "d.zip").rename(tmp_path / "outer" / "d.zip")
    assert layout(index(tmp_path / "outer")) == EXPECTED


def test_a_zip_of_one_patient_is_read_as_a_study(tmp_path):
    volume = write_series(tmp_path / "s")
    with zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (tmp_path / "s").iterdir():
            archive.write(path, path.name)
    assert np.array_equal(read_study(tmp_path / "s.zip").reference().image.array, volume.astype(int) - 1024)


def test_archives_that_are_bombs_locked_nested_or_damaged_are_passed_over_with_a_note(tmp_path):
    write_series(tmp_path / "d" / "s")
    with zipfile.ZipFile(tmp_path / "d" / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(50_000_000))
        archive.writestr("inner.zip", b"PK\x03\x04")
    with zipfile.ZipFile(tmp_path / "d" / "locked.zip", "w") as archive:
        archive.writestr("x", b"secret")
    data = bytearray((tmp_path / "d" / "locked.zip").read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "d" / "locked.zip").write_bytes(bytes(data))
    (tmp_path / "d" / "torn.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    found = index(tmp_path / "d")
    told = " ".join(found.notes)
    for words in ("impossible size", "archives themselves", "locked by a password", "torn.zip is damaged"):
        assert words in told
    assert layout(found) == [[("2024-03-05", ["CT"])]]


def test_a_member_that_lies_about_its_size_does_no_harm(tmp_path):
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        path = write_slice(tmp_path / "a", np.ones((6, 6), np.uint16), (0, 0, 0))
        archive.write(path, "a")
    data = (tmp_path / "z.zip").read_bytes()
    (tmp_path / "z.zip").write_bytes(data[: len(data) // 3] + bytes(20) + data[len(data) // 3 + 20 :])
    index(tmp_path / "z.zip")


def test_nothing_at_the_path_is_a_sentence_and_an_empty_folder_an_empty_index(tmp_path):
    with pytest.raises(BadInput):
        index(tmp_path / "none")
    (tmp_path / "e").mkdir()
    assert index(tmp_path / "e").patients == ()
    assert "No image" in describe(index(tmp_path / "e"))


def test_files_without_identity_belong_to_the_patient_of_their_study(tmp_path):
    write_series(tmp_path / "d" / "a", StudyInstanceUID="1.1", SeriesInstanceUID="1.1.1")
    write_series(
        tmp_path / "d" / "b", StudyInstanceUID="1.1", SeriesInstanceUID="1.1.2", drop=("PatientID", "PatientName")
    )
    write_series(
        tmp_path / "d" / "c", StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", drop=("PatientID", "PatientName")
    )
    assert [len(item.studies[0].series) for item in index(tmp_path / "d").patients] == [2, 1]


def test_the_index_can_be_cancelled_and_reports_progress(tmp_path):
    dump(tmp_path / "d")
    told: list[float] = []
    index(tmp_path / "d", lambda fraction, text: told.append(fraction))
    assert told == sorted(told)

    def stop(fraction: float, text: str) -> None:
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        index(tmp_path / "d", stop)


# The cache


def test_a_second_run_reads_no_file_again_and_says_the_same(tmp_path, monkeypatch):
    root = dump(tmp_path / "d")
    first = index(root, cache=tmp_path / "c")
    from spinemet.study import dicom_files

    def fail(stream):
        raise AssertionError("a file was read again")

    monkeypatch.setattr(dicom_files, "read_elements", fail)
    assert index(root, cache=tmp_path / "c").to_json() == first.to_json()


def test_a_changed_file_is_read_again_and_a_damaged_cache_is_thrown_away(tmp_path):
    write_series(tmp_path / "d")
    before = index(tmp_path / "d", cache=tmp_path / "c")
    for path in (tmp_path / "d").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SeriesDescription = "Spine and more"
        dataset.save_as(path)
    after = index(tmp_path / "d", cache=tmp_path / "c")
    assert before.to_json() != after.to_json()
    for path in (tmp_path / "c").iterdir():
        path.write_bytes(b"no database" * 100)
    assert index(tmp_path / "d", cache=tmp_path / "c").to_json() == after.to_json()


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_only_its_owner_may_read_the_cache(tmp_path):
    write_series(tmp_path / "d")
    index(tmp_path / "d", cache=tmp_path / "c")
    assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in (tmp_path / "c").iterdir())


# Privacy


def canary(root: Path) -> Path:
    """Series of one patient, flawed ones too, with the name in headers, descriptions and names of files."""
    who = {"PatientName": f"{CANARY[0]}^Zoe", "PatientID": CANARY[1], "PatientBirthDate": CANARY[2]}
    folder = root / f"{CANARY[0]}_{CANARY[1]}"
    write_series(folder / "good", **who, SeriesDescription=f"Spine of {CANARY[0]}")
    write_series(folder / "gap", **who, SeriesInstanceUID="1.5")
    write_series(folder / "cut", **who, SeriesInstanceUID="1.6")
    write_series(folder / "slope", **who, SeriesInstanceUID="1.7", RescaleSlope="0")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            path.rename(path.with_name(f"{CANARY[0]}_{path.name}.dcm"))
    (folder / "gap" / f"{CANARY[0]}_I002.dcm").unlink()
    damaged = folder / "cut" / f"{CANARY[0]}_I002.dcm"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    return root


def tells(text: str) -> bool:
    return any(word.casefold() in text.casefold() for word in CANARY)


def test_no_name_number_or_birth_date_leaves_the_reader(tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    root = canary(tmp_path / "d")
    progress: list[str] = []
    found = index(root, lambda fraction, text: progress.append(text), cache=tmp_path / "c")
    study = read_study(root, lambda fraction, text: progress.append(text))
    for item in (*found.patients[0].studies[0].series, *study.series):
        try:
            item.load(lambda fraction, text: progress.append(text))
        except BadInput as error:
            assert not tells(str(error))
        try:
            image = item.view()
            assert not tells(image.name)
        except BadInput as error:
            assert not tells(str(error))
    for part in sorted(root.rglob("*")):
        try:
            read_study(part)
        except BadInput as error:
            assert not tells(str(error)), error
    text = [*study.notes, study.name, *progress, describe(found), json.dumps(found.to_json())]
    text += [f"{item.source} {item.refusal} {' '.join(item.notes)} {item.ref.description}" for item in study.series]
    assert not [one for one in text if tells(one)]
    assert not tells(caplog.text)
    assert not tells("".join(capfd.readouterr()))
    assert not any(tells(path.name) for path in (tmp_path / "c").iterdir())


def test_identity_is_shown_when_it_is_asked_for(tmp_path):
    found = index(canary(tmp_path / "d"))
    assert all(word in describe(found, show_identity=True) for word in (CANARY[0], CANARY[1], CANARY[3]))
    shown = found.to_json(show_identity=True)["patients"][0]
    assert (shown["id"], shown["birth_date"]) == (CANARY[1], CANARY[3])


def test_the_command_prints_the_index_as_text_and_as_json(tmp_path, capsys):
    root = dump(tmp_path / "d")
    assert cli.main(["index", str(root), "--quiet"]) == 0
    text = capsys.readouterr().out
    assert "Patient 2" in text and "2024-09-01" in text and "9×7×6" in text
    assert "Alpha" not in text
    assert cli.main(["index", str(root), "--quiet", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    series = data["patients"][0]["studies"][1]["series"]
    assert {item["role"] for item in series} == {"CT", "T2"}
    assert all(item["judgments"][0]["reasons"] for item in series)
    assert cli.main(["index", str(tmp_path / "none")]) == 2


# De-identified copies


def test_de_identified_copies_hold_nobody_s_name_and_the_same_images(tmp_path, capsys):
    pytest.importorskip("dicomanonymizer", reason="dicom-anonymizer is not installed")
    root = canary(tmp_path / "d")
    for path in (root / f"{CANARY[0]}_{CANARY[1]}" / "good").iterdir():
        dataset = pydicom.dcmread(path)
        nested = pydicom.Dataset()
        nested.PatientName, nested.PatientID, nested.OtherPatientNames = CANARY[0], CANARY[1], CANARY[0]
        nested.PersonName = CANARY[0]
        dataset.ContentSequence = [nested]
        dataset.private_block(0x0009, CANARY[0], create=True).add_new(1, "LO", CANARY[1])
        dataset.InstitutionName, dataset.PatientComments = CANARY[0], CANARY[1]
        dataset.save_as(path)
    assert cli.main(["index", str(root), "--quiet", "--copy", str(tmp_path / "o"), "--deidentify"]) == 0
    copies = sorted(path for path in (tmp_path / "o").rglob("*") if path.is_file())
    assert len(copies) == 23
    for path in copies:
        assert not tells(str(path.relative_to(tmp_path)))
        data = path.read_bytes().decode("latin-1")
        assert not tells(data)
        assert pydicom.dcmread(path).PatientIdentityRemoved == "YES"
    before = {item.image.array.tobytes() for item in index(root).study().series if item.usable}
    after = {item.image.array.tobytes() for item in index(tmp_path / "o").study().series if item.usable}
    assert before == after


def test_objects_with_burned_in_text_are_left_out_of_de_identified_copies(tmp_path):
    pytest.importorskip("dicomanonymizer", reason="dicom-anonymizer is not installed")
    from spinemet.study.export import copy_objects

    write_series(tmp_path / "d" / "a")
    write_series(tmp_path / "d" / "b", SeriesInstanceUID="1.5", BurnedInAnnotation="YES")
    notes = copy_objects(index(tmp_path / "d"), tmp_path / "o", deidentify=True)
    assert len([path for path in (tmp_path / "o").rglob("*") if path.is_file()]) == 6
    assert any("6 objects with text burned" in note for note in notes)
    copy_objects(index(tmp_path / "d"), tmp_path / "p", deidentify=False)
    assert len([path for path in (tmp_path / "p").rglob("*") if path.is_file()]) == 12


def test_copies_need_a_folder(capsys):
    assert cli.main(["index", ".", "--deidentify"]) == 2


def test_roles_of_the_index_can_be_chosen(tmp_path):
    found = index(dump(tmp_path / "d"), roles={"1.2.2": Role.STIR})
    assert [item.ref.role for item in found.study(1, "2024-09-01").series] == [Role.CT, Role.STIR]
