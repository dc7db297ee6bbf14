"""Reading and writing volume files: roles by name and values, damaged files, and outputs that are whole or absent."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from spinemet.case import Role
from spinemet.errors import BadInput, OutputError
from spinemet.image import Image
from spinemet.study import read_image, read_study, write_image


def oblique_sitk(array: np.ndarray) -> sitk.Image:
    """A volume with unequal spacing and turned axes, made by ITK."""
    image = sitk.GetImageFromArray(array)
    turn = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.3, 0.4)
    image.SetDirection(turn.GetMatrix())
    image.SetSpacing((0.7, 0.9, 2.5))
    image.SetOrigin((-11.0, 22.0, 33.0))
    return image


def random_ct(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1024, 1500, (6, 8, 10)).astype(np.int16)


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(oblique_sitk(array), str(path))
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint8, np.float32, np.float64])
def test_every_format_gives_the_voxels_and_places_that_itk_wrote(tmp_path, suffix, dtype):
    array = (random_ct() % 200).astype(dtype)
    path = save(tmp_path / f"ct{suffix}", array)
    image = read_image(path).image
    other = sitk.ReadImage(str(path))
    assert np.array_equal(image.array, array)
    for corner in ((0, 0, 0), (9, 7, 5), (9, 0, 5)):
        x, y, z = other.TransformIndexToPhysicalPoint(corner)
        assert np.allclose(image.to_world(corner), (-x, -y, z), atol=1e-4)


def test_big_endian_and_scaled_nifti_files_are_read(tmp_path):
    raw = save(tmp_path / "ct.nii", random_ct()).read_bytes()
    scaled = bytearray(raw)
    scaled[112:120] = np.array([2.0, -10.0], dtype="<f4").tobytes()
    (tmp_path / "scaled_ct.nii").write_bytes(bytes(scaled))
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "scaled_ct.nii")))
    assert np.array_equal(read_image(tmp_path / "scaled_ct.nii").image.array, expected)
    assert np.array_equal(expected, random_ct() * 2.0 - 10.0)


def test_roles_come_from_file_names_and_labels_are_no_images(tmp_path):
    for name in (
        "ct.nii.gz",
        "p1_T2w.nrrd",
        "stir.nii.gz",
        "T1_post.nii.gz",
        "pet.mha",
        "ct_seg.nii.gz",
        "x.seg.nrrd",
    ):
        save(tmp_path / "deep" / name, random_ct())
    study = read_study(tmp_path)
    roles = {item.source: item.ref.role for item in study.series}
    assert roles == {
        "ct.nii.gz": Role.CT, "p1_T2w.nrrd": Role.T2, "stir.nii.gz": Role.STIR, "T1_post.nii.gz": Role.T1_GD,
        "pet.mha": Role.PET,
    }  # fmt: skip
    assert [path.name for path in study.label_files] == ["ct_seg.nii.gz", "x.seg.nrrd"]
    assert study.reference().source == "ct.nii.gz"


def test_an_unnamed_image_with_hounsfield_units_is_taken_as_ct_and_says_so(tmp_path):
    series = read_image(save(tmp_path / "patient.nii.gz", random_ct()))
    assert series.ref.role is Role.CT
    assert any("from its values" in note for note in series.notes)


def test_an_unnamed_image_without_hounsfield_units_has_no_role(tmp_path):
    study = read_study(save(tmp_path / "patient.nii.gz", np.abs(random_ct())))
    assert study.series[0].ref.role is Role.UNKNOWN
    with pytest.raises(BadInput, match="neither a CT nor a sagittal T2"):
        study.reference()


def test_a_sagittal_t2_is_the_reference_without_a_ct(tmp_path):
    image = sitk.GetImageFromArray(np.abs(random_ct()))
    image.SetDirection((0, 0, 1, 1, 0, 0, 0, -1, 0))
    image.SetSpacing((0.6, 0.6, 4.0))
    sitk.WriteImage(image, str(tmp_path / "t2.nii.gz"))
    study = read_study(tmp_path)
    assert study.series[0].plane == "sagittal"
    assert study.reference().ref.role is Role.T2


# Bad input


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_a_truncated_file_is_refused_and_named(tmp_path, suffix):
    path = save(tmp_path / f"ct{suffix}", random_ct())
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    with pytest.raises(BadInput, match="ct"):
        _ = read_image(path).image


def test_a_flipped_byte_in_a_compressed_nifti_is_noticed(tmp_path):
    path = save(tmp_path / "ct.nii.gz", random_ct())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(BadInput, match=r"damaged|cut short"):
        _ = read_image(path).image


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_that_are_not_numbers_are_refused(tmp_path, value):
    array = random_ct().astype(np.float32)
    array[1, 2, 3] = value
    path = save(tmp_path / "ct.nii.gz", array)
    with pytest.raises(BadInput, match=r"ct\.nii\.gz holds voxels that are not numbers"):
        _ = read_image(path).image


def test_four_dimensions_are_refused_unless_the_fourth_is_one(tmp_path):
    volumes = [sitk.GetImageFromArray(random_ct(n)) for n in (0, 1)]
    sitk.WriteImage(sitk.JoinSeries(volumes), str(tmp_path / "ct4.nii.gz"))
    with pytest.raises(BadInput, match="series of volumes"):
        read_image(tmp_path / "ct4.nii.gz")
    sitk.WriteImage(sitk.JoinSeries(volumes[:1]), str(tmp_path / "ct1.nii.gz"))
    assert np.array_equal(read_image(tmp_path / "ct1.nii.gz").image.array, random_ct(0))


def test_one_slice_colors_zero_spacing_and_sheared_axes_are_refused(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(random_ct()[:1]), str(tmp_path / "one_ct.nii.gz"))
    sitk.WriteImage(
        sitk.GetImageFromArray(np.stack([random_ct()] * 3, axis=-1), isVector=True), str(tmp_path / "rgb_ct.nrrd")
    )
    plain = bytearray(save(tmp_path / "ct.nii", random_ct()).read_bytes())
    zero = plain.copy()
    zero[80:92] = np.zeros(3, dtype="<f4").tobytes()
    zero[252:256] = np.array([1, 0], dtype="<i2").tobytes()
    (tmp_path / "zero_ct.nii").write_bytes(bytes(zero))
    sheared = plain.copy()
    sheared[252:256] = np.array([0, 1], dtype="<i2").tobytes()
    sheared[280:328] = np.array([[1, 0.4, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], dtype="<f4").tobytes()
    (tmp_path / "sheared_ct.nii").write_bytes(bytes(sheared))
    for name, words in {
        "one_ct.nii.gz": "one slice",
        "rgb_ct.nrrd": "values a voxel",
        "zero_ct.nii": "zero_ct",
        "sheared_ct.nii": "perpendicular",
    }.items():
        with pytest.raises(BadInput, match=words):
            read_image(tmp_path / name)


def test_files_that_are_not_what_their_names_say_are_refused(tmp_path):
    for name in ("ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha", "ct.dcm"):
        (tmp_path / name).write_bytes(b"these are no voxels " * 40)
        with pytest.raises(BadInput, match="ct"):
            _ = read_image(tmp_path / name).image
    (tmp_path / "z_ct.nii.gz").write_bytes(gzip.compress(b"these are no voxels " * 40))
    with pytest.raises(BadInput, match="z_ct"):
        _ = read_image(tmp_path / "z_ct.nii.gz").image


def test_empty_folders_other_files_and_missing_paths_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("no image")
    save(tmp_path / "labels" / "ct_seg.nii.gz", random_ct())
    for name, words in {
        "empty": "is empty",
        "other": "no image",
        "none": "does not exist",
        "labels": "label maps",
    }.items():
        with pytest.raises(BadInput, match=words):
            read_study(tmp_path / name)


def test_two_images_are_no_single_image(tmp_path):
    save(tmp_path / "ct.nii.gz", random_ct())
    save(tmp_path / "t2.nii.gz", random_ct())
    with pytest.raises(BadInput, match="2 images"):
        read_image(tmp_path)


# Writing


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_images_are_written_so_that_itk_reads_the_same(tmp_path, suffix):
    image = Image.from_sitk(oblique_sitk(random_ct()))
    write_image(image, tmp_path / f"new/ct{suffix}")
    other = sitk.ReadImage(str(tmp_path / f"new/ct{suffix}"))
    assert np.array_equal(sitk.GetArrayFromImage(other), random_ct())
    assert np.allclose(other.GetDirection(), oblique_sitk(random_ct()).GetDirection(), atol=1e-5)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"ct{suffix}"]


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_a_full_disk_is_a_sentence_and_leaves_nothing_behind(tmp_path, suffix):
    resource = pytest.importorskip("resource")
    image = Image(np.random.default_rng(0).integers(0, 4000, (40, 60, 60)).astype(np.int16), np.eye(4))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files makes every write beyond it fail, as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(OutputError):
            write_image(image, tmp_path / f"ct{suffix}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_and_an_unknown_suffix_are_sentences(tmp_path):
    image = Image(random_ct(), np.eye(4))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        write_image(image, tmp_path / "file" / "ct.nii.gz")
    with pytest.raises(OutputError, match="suffix"):
        write_image(image, tmp_path / "ct.png")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
