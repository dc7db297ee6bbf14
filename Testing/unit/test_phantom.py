"""The synthetic patient: images, masks and files against what its construction says."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from spinemet.case import Role, Structure
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.levels import Level
from spinemet.phantom import (
    AnswerSpec,
    CollapseSpec,
    EpiduralSpec,
    LesionSpec,
    ListhesisSpec,
    PatientSpec,
    create,
    random_spec,
    write,
)

COARSE = PatientSpec(
    seed=7,
    ct_size=(160, 160),
    ct_spacing=(1.2, 1.2, 1.5),
    lesions=(
        LesionSpec(Level.T8, "blastic", 0.4),
        LesionSpec(Level.T11, "lytic", 0.6, ("pedicle_left", "pedicle_right"), center=(0.0, -0.3, 0.0)),
        LesionSpec(Level.L2, "lytic", 0.65),
        LesionSpec(Level.L4, "mixed", 0.35, ("pedicle_right", "facet_right")),
    ),
    collapses=(CollapseSpec.wedge(Level.L2, 0.6),),
    epidural=(EpiduralSpec(Level.T11, "2"),),
    listhesis=(ListhesisSpec(Level.L4, 5.0),),
    answers=(
        AnswerSpec(Level.L2, "mechanical", "de novo deformity"),
        AnswerSpec(Level.L4, "occasional", "subluxation"),
    ),
)


@pytest.fixture(scope="module")
def patient():
    start = time.perf_counter()
    made = create(COARSE)
    print(f"coarse patient in {time.perf_counter() - start:.1f} s")
    return made


@pytest.fixture(scope="module")
def folder(patient, tmp_path_factory):
    out = tmp_path_factory.mktemp("phantom") / "patient"
    write(patient, out)
    return out


def of(patient, level):
    return patient.truth["levels"][str(level)]


def mean_in(image: Image, mask: np.ndarray) -> float:
    assert mask.sum() > 10
    return float(image.array[mask].mean())


def sampled(patient, role, structure_map, value):
    """Median signal of an image deep inside one label of its own masks."""
    mask = structure_map.image.array == value
    return float(np.median(patient.images[role].array[mask]))


def test_all_levels_lie_in_the_ct_under_verse_numbers(patient):
    assert list(patient.vertebrae.levels) == list(COARSE.levels)
    assert patient.vertebrae.levels[Level.T8] == 15
    assert patient.vertebrae.levels[Level.L5] == 24
    assert patient.vertebrae.levels[Level.S1] == 26
    assert not any(of(patient, level)["cut_by_fov"]["CT"] for level in COARSE.levels)


def test_masks_have_the_volume_and_place_of_the_construction(patient):
    for level, value in patient.vertebrae.levels.items():
        mask = patient.vertebrae.mask(value)
        volume = mask.array.sum() * mask.voxel_volume / 1000
        assert volume == pytest.approx(of(patient, level)["bone_volume_ml"], rel=0.05), level
        k, j, i = np.nonzero(mask.array)
        center = mask.to_world(np.stack([i, j, k], axis=1)).mean(axis=0)
        assert np.linalg.norm(center - of(patient, level)["bone_centroid_ras"]) < 0.6, level


def test_lesion_masks_have_the_volume_of_the_construction(patient):
    for value, outline in patient.lesions.present.items():
        true = patient.truth["lesions"][outline.lesion_id]
        volume = patient.lesions.binary(value).sum() * patient.lesions.image.voxel_volume / 1000
        assert volume == pytest.approx(true["bone_volume_ml"] + true["epidural_volume_ml"], rel=0.06), outline


def test_lesions_fill_the_share_of_the_body_that_was_asked_for(patient):
    for lesion in COARSE.lesions:
        assert of(patient, lesion.level)["lesion"]["body_share_percent"] == pytest.approx(
            100 * lesion.body_share, abs=2
        )


def test_a_mixed_lesion_has_both_kinds_in_lumps(patient):
    true = of(patient, Level.L4)["lesion"]
    assert 55 < true["lytic_share_percent"] < 70
    assert true["lytic_share_percent"] + true["blastic_share_percent"] == pytest.approx(100)


def test_ct_shows_lytic_dark_blastic_bright_and_marrow_between(patient):
    ct = patient.images[Role.CT]
    number = {lesion.level: n + 1 for n, lesion in enumerate(COARSE.lesions)}
    lesions = patient.lesions.image.array
    assert mean_in(ct, lesions == number[Level.L2]) == pytest.approx(50, abs=60)
    assert mean_in(ct, lesions == number[Level.T8]) > 450
    healthy = patient.vertebrae.mask(patient.vertebrae.levels[Level.L3])
    center = np.rint(healthy.to_index(of(patient, Level.L3)["frame"]["origin"])).astype(int)
    around = tuple(slice(c - 4, c + 5) for c in center[::-1])
    trabecular = patient.images[Role.CT].crop(patient.vertebrae.region(patient.vertebrae.levels[Level.L3], 2))
    assert trabecular.array[around].mean() == pytest.approx(COARSE.trabecular_hu, abs=15)


def test_mr_shows_fluid_bright_on_t2_and_dark_on_t1(patient):
    for role, low, high in ((Role.T2, 700, 1300), (Role.STIR, 650, 1300), (Role.T1, 50, 260)):
        _, _, structures = patient.masks_on(role)
        assert low < sampled(patient, role, structures, 2) < high, role
    _, _, structures = patient.masks_on(Role.T2)
    assert sampled(patient, Role.T2, structures, 3) < 0.75 * sampled(patient, Role.T2, structures, 2)


def test_lesions_are_dark_on_t1_bright_on_stir_and_hot_on_pet(patient):
    number = 3
    for role, darker in ((Role.T1, True), (Role.STIR, False)):
        bones, lesions, _ = patient.masks_on(role)
        tumor = patient.images[role].array[lesions.image.array == number]
        normal = patient.images[role].array[bones.image.array == bones.levels[Level.L3]]
        assert (np.median(tumor) < 0.7 * np.median(normal)) == darker, role
    pet = patient.images[Role.PET]
    peak = pet.sample(np.array([of(patient, Level.L2)["lesion"]["center_ras"]]))[0]
    assert peak > 4
    assert peak > 2 * pet.sample(np.array([of(patient, Level.L3)["frame"]["origin"]]))[0]


def test_the_transforms_carry_each_vertebra_onto_the_mr(patient):
    bones, _, _ = patient.masks_on(Role.T2)
    for level in (Level.T11, Level.L1, Level.L3, Level.L5):
        matrix = np.array(of(patient, level)["ct_to_mr"])
        assert matrix[:3, :3] @ matrix[:3, :3].T == pytest.approx(np.eye(3), abs=1e-4)
        on_ct = patient.vertebrae.mask(patient.vertebrae.levels[level])
        moved = on_ct.resample(bones.image.grid, nearest=True, moved_by=matrix).array
        on_mr = bones.binary(bones.levels[level])
        assert 2 * (moved & on_mr).sum() / (moved.sum() + on_mr.sum()) > 0.85, level


def test_no_single_rigid_transform_explains_the_change_of_posture(patient):
    first, last = (np.array(of(patient, level)["ct_to_mr"]) for level in (Level.T9, Level.L5))
    relative = np.linalg.inv(first) @ last
    angle = np.degrees(np.arccos((np.trace(relative[:3, :3]) - 1) / 2))
    assert 3 < angle < 15


def test_epidural_tumor_lies_between_wall_and_sac(patient):
    lesion = patient.lesions.image.array == 2
    epidural = lesion & (patient.structures.image.array > 0)
    volume = epidural.sum() * patient.lesions.image.voxel_volume / 1000
    assert volume == pytest.approx(of(patient, Level.T11)["lesion"]["epidural_volume_ml"], rel=0.15)
    assert not np.any(lesion & np.isin(patient.structures.image.array, (2, 3)))


def test_every_structure_is_there(patient):
    kinds = {outline.structure for outline in patient.structures.present.values()}
    assert kinds == {Structure.CANAL, Structure.THECAL_SAC, Structure.CORD, Structure.DISC}
    discs = patient.structures.values(Structure.DISC)
    assert len(discs) == len(COARSE.levels) - 1


def test_a_seed_gives_the_same_bytes_and_another_seed_another_patient(tmp_path):
    small = replace(COARSE, modalities=(Role.CT, Role.PET), ct_size=(90, 90), ct_spacing=(2.0, 2.0, 3.0))
    made = [create(small) for _ in range(2)]
    for name, patient in zip("ab", made, strict=True):
        write(patient, tmp_path / name)
    files = [file.relative_to(tmp_path / "a") for file in sorted((tmp_path / "a").rglob("*")) if file.is_file()]
    assert len(files) > 100
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    other = create(replace(small, seed=8, modalities=(Role.CT,)))
    assert other.images[Role.CT].shape != made[0].images[Role.CT].shape or not np.array_equal(
        other.images[Role.CT].array, made[0].images[Role.CT].array
    )


@pytest.mark.parametrize("role", ["CT", "T1", "T2", "STIR", "PET"])
def test_the_dicom_series_is_the_nifti_volume(folder, patient, role):
    reader = sitk.ImageSeriesReader()
    files = reader.GetGDCMSeriesFileNames(str(folder / "dicom" / role))
    assert len(files) == patient.images[Role(role)].shape[0]
    reader.SetFileNames(files)
    series = Image.from_sitk(reader.Execute())
    volume = Image.from_sitk(sitk.ReadImage(str(folder / "nifti" / f"{role}.nii.gz")))
    assert volume.grid.matches(patient.images[Role(role)].grid)
    assert series.grid.matches(volume.grid, tolerance_mm=0.02)
    scale = 1.0
    if role == "PET":
        weight, dose, half_life = 72.0, 350e6, 6586.2
        scale = 1000 * weight / (dose * 2 ** (-3600 / half_life))
    assert np.allclose(series.array * scale, volume.array, atol=2e-3 if role == "PET" else 0)


def test_dicom_series_share_frame_of_reference_by_scanner(folder):
    import pydicom

    heads = {f.name: pydicom.dcmread(f / "IM0001.dcm", stop_before_pixels=True) for f in (folder / "dicom").iterdir()}
    frames = {name: head.FrameOfReferenceUID for name, head in heads.items()}
    assert frames["CT"] == frames["PET"] != frames["T1"] == frames["T2"] == frames["STIR"]
    assert len({head.SeriesInstanceUID for head in heads.values()}) == 5
    assert {str(head.PatientName) for head in heads.values()} == {"SYNTHETIC^SEED7"}
    assert heads["CT"].StudyDate == "20260302"
    assert heads["PET"].Units == "BQML"
    assert {"ATTN", "DECAY"} <= set(heads["PET"].CorrectedImage)


def test_the_folder_holds_truth_and_answers(folder, patient):
    truth = json.loads((folder / "truth/truth.json").read_text())
    assert truth == json.loads(json.dumps(patient.truth))
    answers = json.loads((folder / "answers.json").read_text())
    assert answers["levels_confirmed"] is True
    assert answers["levels"]["L2"] == {"pain": "mechanical", "alignment": "de novo deformity"}
    assert set(answers["levels"]) == set(truth["sins"]) == {"T8", "T11", "L2", "L4"}
    label = Image.from_sitk(sitk.ReadImage(str(folder / "truth/vertebrae.nii.gz")))
    assert np.array_equal(label.array, patient.vertebrae.image.array)


def test_the_sins_follow_from_the_construction(patient):
    points = {
        level: [c["points"] for c in result["components"].values()] for level, result in patient.truth["sins"].items()
    }
    # location, pain, bone lesion, alignment, collapse, posterolateral
    assert points == {
        "T8": [1, 0, 0, 0, 0, 0],
        "T11": [3, 0, 2, 0, 1, 3],
        "L2": [2, 3, 2, 2, 3, 0],
        "L4": [2, 1, 1, 4, 0, 1],
    }
    assert patient.truth["sins"]["L2"]["total"] == 12
    assert patient.truth["levels"]["T11"]["escc"] == "2"


def test_a_ct_can_end_within_a_vertebra():
    spec = replace(
        COARSE, modalities=(Role.CT,), ct_size=(80, 80), ct_spacing=(2.4, 2.4, 3.0), ct_ends=(Level.T9, Level.L5)
    )
    cut = create(spec)
    flags = {level: of(cut, level)["cut_by_fov"]["CT"] for level in COARSE.levels}
    assert flags[Level.T8] and flags[Level.T9] and flags[Level.L5] and flags[Level.S1]
    assert not flags[Level.T12] and not flags[Level.L3]


def test_random_patients_differ_and_keep_normal_neighbors():
    specs = [random_spec(seed) for seed in range(30)]
    assert len({spec.lesions for spec in specs}) == 30
    assert specs[3] == random_spec(3)
    for spec in specs:
        touched = {lesion.level for lesion in spec.lesions} | {collapse.level for collapse in spec.collapses}
        for collapse in spec.collapses:
            place = spec.levels.index(collapse.level)
            assert {spec.levels[place - 1], spec.levels[place + 1]} - touched, "a normal neighbor to compare with"
        assert 3 <= len(spec.lesions) <= 5
        assert {"lytic", "blastic", "mixed"} <= {lesion.kind for lesion in spec.lesions}


def test_impossible_wishes_are_refused_with_a_sentence():
    with pytest.raises(BadInput, match="needs a cord"):
        replace(COARSE, epidural=(EpiduralSpec(Level.L4, "3"),))
    with pytest.raises(BadInput, match="needs a lesion"):
        replace(COARSE, epidural=(EpiduralSpec(Level.T9, "1a"),))
    with pytest.raises(BadInput, match="neighboring levels"):
        replace(COARSE, levels=(Level.C3, Level.C4, Level.C5))
