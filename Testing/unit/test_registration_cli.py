"""`spinemet register`: good images end in files that agree with each other, others in one sentence and nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from registration_cases import bone_points
from spinemet import cli, phantom
from spinemet.case import Role
from spinemet.phantom.nifti import write_nifti
from spinemet.registration.record import RegistrationRecord
from spinemet.study import read_image, read_lesions

SPEC = phantom.PatientSpec(
    seed=303,
    levels=tuple(phantom.PatientSpec().levels[-4:-1]),
    ct_size=(110, 110),
    ct_spacing=(1.5, 1.5, 2.0),
    modalities=(Role.CT, Role.T1),
    posture=phantom.PostureSpec(-3.0, 2.0, 1.0, (4.0, -6.0, 5.0), (1.0, 1.0, -1.0)),
    mr=phantom.MrSpec((1.3, 1.3, 4.0)),
)
LPS = np.array([-1.0, -1.0, 1.0])


def markups(points: dict[str, np.ndarray]) -> dict:
    """As 3D Slicer writes them: LPS."""
    placed = [{"label": label, "position": (place * LPS).tolist()} for label, place in points.items()]
    return {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": placed}


@pytest.fixture(scope="module")
def patient() -> phantom.SyntheticPatient:
    return phantom.create(SPEC)


@pytest.fixture(scope="module")
def files(patient, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("images")
    paths = {name: folder / f"{name}.nii.gz" for name in ("ct", "mr", "vertebrae", "on_mr")}
    write_nifti(patient.images[Role.CT], paths["ct"])
    write_nifti(patient.images[Role.T1], paths["mr"])
    write_nifti(patient.vertebrae.image, paths["vertebrae"])
    write_nifti(patient.masks_on(Role.T1)[0].image, paths["on_mr"])
    fixed, moving = {}, {}
    for level, value in patient.vertebrae.levels.items():
        place = bone_points(patient.vertebrae, value, 5)[0]
        motion = patient.model.ct_to_mr(level)
        fixed[f"{level} mark"], moving[f"{level} mark"] = place, motion[:3, :3] @ place + motion[:3, 3]
    paths["marks"] = folder / "marks.mrk.json"
    paths["marks"].write_text(json.dumps({"markups": [markups(fixed), markups(moving)]}), encoding="utf-8")
    return paths


def run(files: dict[str, Path], out: Path, *more: str, **changes: Path) -> int:
    given = {**files, **changes}
    images = ["--fixed", str(given["ct"]), "--moving", str(given["mr"]), "--labels", str(given["vertebrae"])]
    return cli.main(["register", *images, "--out", str(out), "--quiet", "--numbering", "verse", *more])


@pytest.fixture(scope="module")
def out(files, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "out"
    more = ("--check-landmarks", str(files["marks"]), "--carry", str(files["on_mr"]))
    assert run(files, folder, *more) == 0
    return folder


def test_everything_promised_is_written(out):
    names = {path.name for path in out.iterdir()}
    assert names == {
        "registration.json", "registration.html", "pictures", "spine.tfm", "onto_fixed.h5", "onto_moving.h5",
        "displacement.nii.gz", "moving_on_fixed.nii.gz", "carried.seg.nrrd",
    }  # fmt: skip
    pictures = {path.name for path in (out / "pictures").iterdir()}
    assert {
        "flicker-sagittal.svg",
        "checkerboard-sagittal-every-vertebra.png",
        "edges-coronal-headers.png",
    } <= pictures


def test_the_motions_are_those_of_the_patient(out, patient):
    record = RegistrationRecord.load(out / "registration.json")
    for row in record.vertebrae:
        points = bone_points(patient.vertebrae, patient.vertebrae.levels[row.level], 1)
        found, truth = np.array(row.matrix), patient.model.ct_to_mr(row.level)
        off = np.linalg.norm(points @ (found - truth)[:3, :3].T + (found - truth)[:3, 3], axis=1)
        assert row.marked or off.mean() < 1.0


def test_the_error_at_landmarks_is_reported_level_by_level(out):
    record = RegistrationRecord.load(out / "registration.json")
    assert [item.label for item in record.landmarks] == [f"{row.level} mark" for row in record.vertebrae]
    assert max(item.after_mm for item in record.landmarks) < 1.0
    assert min(item.before_mm for item in record.landmarks) > 2.0


def test_the_written_transform_makes_the_written_image(out, files):
    fixed, moving = (sitk.ReadImage(str(files[name])) for name in ("ct", "mr"))
    by_hand = sitk.Resample(moving, fixed, sitk.ReadTransform(str(out / "onto_fixed.h5")), sitk.sitkLinear, 0.0)
    written = sitk.ReadImage(str(out / "moving_on_fixed.nii.gz"))
    one, other = sitk.GetArrayFromImage(by_hand).astype(float), sitk.GetArrayFromImage(written)
    assert other.shape == sitk.GetArrayFromImage(fixed).shape
    differs = np.abs(one - other) > 1.0
    # The image holds bones exactly rigid; the file's grid bends those few of their voxels that are near a joint.
    assert differs.mean() < 1e-3
    assert np.all(sitk.GetArrayFromImage(sitk.ReadImage(str(files["vertebrae"])))[differs] > 0)


def test_outlines_drawn_on_the_mr_lie_on_the_bones_of_the_ct(out, patient, files):
    carried = read_lesions(out / "carried.seg.nrrd", read_image(files["ct"]).image).image.array > 0
    bone = patient.vertebrae.image.array > 0
    # Thick slices blur the thin arches.
    assert 2 * (carried & bone).sum() / (carried.sum() + bone.sum()) > 0.8


def test_the_page_is_self_contained_and_says_the_verdict(out):
    page = (out / "registration.html").read_text(encoding="utf-8")
    assert "Content-Security-Policy" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "Usable" in page or "Look first" in page
    assert "flicker" in page and "Research use only" in page


def test_without_outlines_the_result_says_that_it_is_untested(files, tmp_path, capsys):
    arguments = ["--fixed", str(files["ct"]), "--moving", str(files["mr"]), "--out", str(tmp_path / "out"), "--quiet"]
    assert cli.main(["register", *arguments]) == 0
    said = capsys.readouterr().out
    assert said.startswith("UNTESTED")
    assert "same patient" in said
    assert "UNTESTED" in (tmp_path / "out" / "registration.html").read_text(encoding="utf-8")


def test_json_goes_to_stdout_alone(files, tmp_path, capsys):
    marks = str(files["marks"])
    assert run(files, tmp_path / "out", "--landmarks", marks, "--json") == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["start"] == "landmarks"
    assert plain["landmarks"] == [] and len(plain["used_landmarks"]) == len(SPEC.levels)


@pytest.mark.parametrize("wrong", ["noise", "no image", "no landmarks", "empty outlines"])
def test_what_cannot_be_registered_is_refused_in_a_sentence_and_nothing_is_written(files, tmp_path, capsys, wrong):
    source = tmp_path / "in"
    source.mkdir()
    more: tuple[str, ...] = ()
    changes: dict[str, Path] = {}
    if wrong == "noise":
        image = sitk.ReadImage(str(files["mr"]))
        noise = np.random.default_rng(1).integers(0, 500, image.GetSize()[::-1]).astype(np.int16)
        made = sitk.GetImageFromArray(noise)
        made.CopyInformation(image)
        changes["mr"] = source / "noise.nii.gz"
        sitk.WriteImage(made, str(changes["mr"]))
    elif wrong == "no image":
        changes["mr"] = source / "missing.nii.gz"
    elif wrong == "no landmarks":
        (source / "p.mrk.json").write_text("{}", encoding="utf-8")
        more = ("--landmarks", str(source / "p.mrk.json"))
    else:
        image = sitk.ReadImage(str(files["vertebrae"])) * 0
        changes["vertebrae"] = source / "empty.nii.gz"
        sitk.WriteImage(image, str(changes["vertebrae"]))
    assert run(files, tmp_path / "out", *more, **changes) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"spinemet: \S[^\n]*\.\n", said.err), said.err
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
