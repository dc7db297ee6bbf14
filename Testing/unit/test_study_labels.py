"""Label maps: numberings found or chosen, grids, doubled levels, segmentations with names, and writing them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from spinemet.case import Outline, Structure
from spinemet.errors import BadInput, GridMismatch
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.study import read_labels, read_lesions, write_labels

SPACING = (2.0, 2.0, 3.0)
# Distances between the centers of neighbors in mm, as adults have them, from C2 to S1 (test's own table).
STEPS = {"C": 17.0, "T1-6": 21.0, "T7-12": 25.0, "L": 35.0}


def column(values: list[int], step_mm: float, *, size=(20, 16)) -> np.ndarray:
    """Blocks of 60 % of `step_mm` in height, the first value topmost, in an array (k, j, i) whose k points up."""
    pitch = step_mm / SPACING[2]
    count = int(np.ceil(pitch * (len(values) + 1)))
    array = np.zeros((count, *size), dtype=np.uint8)
    for n, value in enumerate(values):
        middle = count - pitch * (n + 1)
        array[int(middle - 0.3 * pitch) : int(middle + 0.3 * pitch) + 1, 5:14, 4:12] = value
    return array


def grid() -> np.ndarray:
    return np.diag([*SPACING, 1.0])


def save(path: Path, array: np.ndarray, matrix: np.ndarray | None = None) -> Path:
    sitk.WriteImage(Image(array, grid() if matrix is None else matrix).to_sitk(), str(path))
    return path


def levels_of(labels: LabelMap) -> dict[str, int]:
    return {str(level): value for level, value in labels.levels.items()}


# Numberings, values from each project's own table


@pytest.mark.parametrize(
    ("values", "step", "numbering", "levels"),
    [
        ([31, 30, 29, 28, 27, 26], 34.0, "TotalSegmentator", ["L1", "L2", "L3", "L4", "L5", "S1"]),
        ([34, 33, 32, 31], 29.0, "TotalSegmentator", ["T10", "T11", "T12", "L1"]),
        ([20, 21, 22, 23, 24], 35.0, "VerSe", ["L1", "L2", "L3", "L4", "L5"]),
        ([6, 7, 8, 9], 18.0, "VerSe", ["C6", "C7", "T1", "T2"]),
        ([19, 28, 20], 32.0, "VerSe", ["T12", "T13", "L1"]),
        ([24, 25, 26], 33.0, "VerSe", ["L5", "L6", "S1"]),
        ([41, 42, 43, 44, 45, 50], 34.0, "TotalSpineSeg", ["L1", "L2", "L3", "L4", "L5", "S1"]),
        ([14, 15, 16, 17, 21, 22], 18.0, "TotalSpineSeg", ["C4", "C5", "C6", "C7", "T1", "T2"]),
        ([21, 22, 23, 24], 20.0, "TotalSpineSeg", ["T1", "T2", "T3", "T4"]),
    ],
)
def test_the_numbering_is_found_from_numbers_order_and_distances(tmp_path, values, step, numbering, levels):
    labels = read_labels(save(tmp_path / "v.nii.gz", column(values, step)))
    assert labels.numbering == f"{numbering} (detected)"
    assert levels_of(labels) == dict(zip(levels, values, strict=True))


def test_the_same_numbers_are_other_levels_when_the_vertebrae_are_larger(tmp_path):
    labels = read_labels(save(tmp_path / "v.nii.gz", column([21, 22, 23, 24], 36.0)))
    assert levels_of(labels) == {"L2": 21, "L3": 22, "L4": 23, "L5": 24}


def test_numbers_that_can_be_two_numberings_are_asked_about(tmp_path):
    path = save(tmp_path / "v.nii.gz", column([21, 22, 23, 24], 26.5))
    with pytest.raises(BadInput, match=r"VerSe \(L2–L5\) or TotalSpineSeg \(T1–T4\).*--numbering"):
        read_labels(path)
    assert levels_of(read_labels(path, numbering="verse")) == {"L2": 21, "L3": 22, "L4": 23, "L5": 24}
    assert levels_of(read_labels(path, numbering="TotalSpineSeg")) == {"T1": 21, "T2": 22, "T3": 23, "T4": 24}


@pytest.mark.parametrize("values", [[1], [22], [43]])
def test_a_single_vertebra_does_not_tell_its_numbering(tmp_path, values):
    with pytest.raises(BadInput, match="--numbering"):
        read_labels(save(tmp_path / "v.nii.gz", column(values, 35.0)))


def test_a_single_vertebra_among_organs_tells_its_numbering(tmp_path):
    array = column([31], 35.0)
    array[:2, 0, 0], array[:2, 0, 1], array[:2, 0, 2] = 52, 116, 79
    labels = read_labels(save(tmp_path / "v.nii.gz", array))
    assert levels_of(labels) == {"L1": 31}
    assert labels.values(Structure.CORD) == [79]
    assert any("2 structures" in note for note in labels.notes)


def test_vertebrae_in_an_order_of_no_numbering_are_refused(tmp_path):
    path = save(tmp_path / "v.nii.gz", column([24, 23, 22, 21, 20], 35.0))
    with pytest.raises(BadInput, match="L2 would lie above L1"):
        read_labels(path)
    with pytest.raises(BadInput, match="cannot be in the numbering of VerSe"):
        read_labels(path, numbering="VerSe")


def test_lumbar_distances_do_not_pass_as_cervical_levels(tmp_path):
    with pytest.raises(BadInput, match=r"C5–C7 would lie 2.* times as far apart"):
        read_labels(save(tmp_path / "v.nii.gz", column([5, 6, 7], 36.0)))


def test_a_numbering_is_checked_with_the_patient_s_head_wherever_the_axes_point(tmp_path):
    array = column([20, 21, 22, 23, 24], 35.0)
    flipped = np.diag([2.0, 2.0, -3.0, 1.0])
    flipped[2, 3] = 3.0 * (len(array) - 1)
    labels = read_labels(save(tmp_path / "v.nii.gz", array[::-1], flipped))
    assert levels_of(labels)["L1"] == 20


def test_unknown_numbers_are_refused_and_named(tmp_path):
    path = save(tmp_path / "v.nii.gz", column([20, 21, 222, 250], 35.0))
    with pytest.raises(BadInput, match=r"v\.nii\.gz.*250"):
        read_labels(path)
    with pytest.raises(BadInput, match="250, which VerSe does not have"):
        read_labels(path, numbering="verse")
    with pytest.raises(BadInput, match="not a numbering known here"):
        read_labels(path, numbering="mine")


def test_variants_are_flagged(tmp_path):
    labels = read_labels(save(tmp_path / "v.nii.gz", column([23, 24, 25, 26], 34.0)))
    assert any("L6" in note and "confirm" in note for note in labels.notes)


def test_a_sacrum_in_one_outline_is_told(tmp_path):
    whole = read_labels(save(tmp_path / "v.nii.gz", column([23, 24, 26], 34.0)))
    parted = read_labels(save(tmp_path / "p.nii.gz", column([23, 24, 26, 29], 30.0)))
    assert any("S1 to S5 cannot be told apart" in note for note in whole.notes)
    assert not any("told apart" in note for note in parted.notes)


def test_the_sacrum_below_s1_is_no_second_s1(tmp_path):
    labels = read_labels(save(tmp_path / "v.nii.gz", column([28, 27, 26, 25], 34.0)))
    assert levels_of(labels) == {"L4": 28, "L5": 27, "S1": 26}
    assert labels.outlines[25].level is None
    assert labels.values(Structure.SACRUM) == [25, 26]


def test_parts_of_vertebrae_without_levels_are_refused_as_such(tmp_path):
    array = np.zeros((30, 20, 20), dtype=np.uint8)
    for value in (41, 42, 43, 44, 49, 50):
        array[3 + (value % 3) : 27 - (value % 3), value - 38, 3:15] = value
    with pytest.raises(BadInput, match="parts of vertebrae"):
        read_labels(save(tmp_path / "v.nii.gz", array))


# Levels that occur twice


def test_a_level_in_two_pieces_far_apart_is_refused(tmp_path):
    array = column([20, 21, 22, 23, 24], 35.0)
    array[array == 24] = 21
    with pytest.raises(BadInput, match=r"holds L2 twice"):
        read_labels(save(tmp_path / "v.nii.gz", array), numbering="verse")


def test_an_arch_broken_off_its_body_is_one_vertebra_with_a_note(tmp_path):
    array = column([20, 21, 22], 35.0, size=(30, 16))
    where = np.argwhere(array == 21)
    low, high = where[:, 0].min(), where[:, 0].max()
    array[low + 1 : high, 16:24, 4:12] = 21
    labels = read_labels(save(tmp_path / "v.nii.gz", array))
    assert any("separate pieces: L2" in note for note in labels.notes)


def test_small_splinters_far_away_do_not_double_a_level(tmp_path):
    array = column([20, 21, 22, 23], 35.0)
    array[1:3, 0:3, 0:3] = 20
    assert "L1" in levels_of(read_labels(save(tmp_path / "v.nii.gz", array)))


# Values and grids


def test_whole_numbers_stored_as_floats_are_labels_and_fractions_are_not(tmp_path):
    array = column([20, 21, 22], 35.0).astype(np.float64)
    assert read_labels(save(tmp_path / "v.nii.gz", array)).image.array.dtype == np.uint8
    with pytest.raises(BadInput, match="fractions"):
        read_labels(save(tmp_path / "p.nii.gz", array * 0.31))
    with pytest.raises(BadInput, match="values from -"):
        read_labels(save(tmp_path / "n.nii.gz", -array))
    array[0, 0, 0] = np.nan
    with pytest.raises(BadInput, match="not numbers"):
        read_labels(save(tmp_path / "nan.nii.gz", array))


def test_images_empty_maps_and_missing_files_are_no_label_maps(tmp_path):
    image = np.arange(8000, dtype=np.int16).reshape(20, 20, 20)
    for name, array, words in (("i", image, "an image"), ("e", image * 0, "empty")):
        with pytest.raises(BadInput, match=words):
            read_labels(save(tmp_path / f"{name}.nii.gz", array))
    with pytest.raises(BadInput, match="does not exist"):
        read_labels(tmp_path / "none.nii.gz")
    with pytest.raises(BadInput, match="no label map file"):
        read_labels(tmp_path)


def test_labels_of_another_grid_are_refused_and_both_named(tmp_path):
    array = column([20, 21, 22], 35.0)
    moved = grid()
    moved[0, 3] = 1.0
    for matrix in (moved, np.diag([2.0, 2.0, 2.5, 1.0])):
        reference = Image(array.astype(np.int16), matrix, frame="f", name="the CT")
        with pytest.raises(GridMismatch, match=r"v\.nii\.gz.*the CT"):
            read_labels(save(tmp_path / "v.nii.gz", array), reference)
    with pytest.raises(GridMismatch):
        read_labels(tmp_path / "v.nii.gz", Image(array[1:].astype(np.int16), grid(), name="the CT"))


def test_labels_with_their_axes_in_another_order_are_turned_onto_the_image(tmp_path):
    array = column([20, 21, 22], 35.0)
    array[-1, 0, 0] = 22
    reference = Image(array.astype(np.int16), grid(), frame="f", name="the CT")
    for order in ("LPS", "RAS", "ASL", "PIR"):
        turned = sitk.DICOMOrient(Image(array, grid()).to_sitk(), order)
        sitk.WriteImage(turned, str(tmp_path / "v.nii.gz"))
        labels = read_labels(tmp_path / "v.nii.gz", reference)
        assert np.array_equal(labels.image.array, array)
        assert labels.image.frame == "f"
        assert labels.outlines[20].frame == "f"


def test_rounded_matrices_still_match(tmp_path):
    array = column([20, 21, 22], 35.0)
    matrix = grid()
    matrix[:3, 3] = (100.123456, -50.654321, 700.111111)
    path = save(tmp_path / "v.nii.gz", array, np.round(matrix, 3))
    labels = read_labels(path, Image(array.astype(np.int16), matrix, name="the CT"))
    assert np.array_equal(labels.image.ijk_to_ras, matrix)


def test_a_mask_can_be_read_as_one_structure(tmp_path):
    labels = read_labels(save(tmp_path / "cord.nii.gz", column([1], 60.0)), structure=Structure.CORD)
    assert labels.values(Structure.CORD) == [1]


# Lesions


def test_every_value_of_a_lesion_map_is_a_lesion_with_an_identity(tmp_path):
    lesions = read_lesions(save(tmp_path / "l.nii.gz", column([1, 4], 35.0).astype(np.float32)))
    assert {v: (o.structure, o.lesion_id) for v, o in lesions.outlines.items()} == {
        1: (Structure.LESION, "lesion-1"),
        4: (Structure.LESION, "lesion-4"),
    }


def test_a_lesion_map_without_lesions_says_so(tmp_path):
    lesions = read_lesions(save(tmp_path / "l.nii.gz", np.zeros((9, 9, 9), np.uint8)))
    assert lesions.outlines == {}
    assert "no outlined lesion" in lesions.notes[0]


# Segmentations with names, as 3D Slicer writes them


def write_segmentation(path: Path, layers: list[np.ndarray], segments: list[dict[str, str]], corner=(0, 0, 0)) -> Path:
    """A .seg.nrrd written by hand: 4D with a leading list axis when there are several layers."""
    stack = np.stack(layers, axis=-1) if len(layers) > 1 else layers[0]
    sizes = " ".join(str(n) for n in stack.shape[::-1])
    place = ",".join(str(-c * s if n < 2 else c * s) for n, (c, s) in enumerate(zip(corner, SPACING, strict=True)))
    axes = f"({-SPACING[0]},0,0) (0,{-SPACING[1]},0) (0,0,{SPACING[2]})"
    lines = [
        "NRRD0004", "type: unsigned char", f"dimension: {stack.ndim}", "space: left-posterior-superior",
        f"sizes: {sizes}", f"space directions: {'none ' if stack.ndim == 4 else ''}{axes}",
        f"kinds: {'list ' if stack.ndim == 4 else ''}domain domain domain", "encoding: raw",
        f"space origin: ({place})", "Segmentation_MasterRepresentation:=Binary labelmap",
    ]  # fmt: skip
    for n, segment in enumerate(segments):
        lines += [f"Segment{n}_{key}:={value}" for key, value in ({"ID": f"Segment_{n}"} | segment).items()]
    path.write_bytes(("\n".join(lines) + "\n\n").encode() + stack.astype(np.uint8).tobytes())
    return path


def segment(name: str, value: int, layer: int = 0, tags: str = "") -> dict[str, str]:
    return {"Name": name, "LabelValue": str(value), "Layer": str(layer), "Tags": tags}


def test_segments_are_levels_by_name(tmp_path):
    array = column([7, 3, 5, 9], 35.0)
    names = [segment("vertebrae_L2", 3), segment("L1 vertebra", 7), segment("L3", 5), segment("liver", 9)]
    labels = read_labels(write_segmentation(tmp_path / "s.seg.nrrd", [array], names))
    assert levels_of(labels) == {"L1": 7, "L2": 3, "L3": 5}
    assert 9 not in labels.present
    assert any("1 segments" in note for note in labels.notes)


def test_tags_come_before_terminology_and_terminology_before_names(tmp_path):
    array = column([1, 2, 3], 35.0)
    entry = "TerminologyEntry:Any list~SCT^123037004^Anatomical Structure~SCT^14293000^L2 vertebra~^^~~^^~^^|"
    segments = [
        segment("L5", 1, tags="SpineMet.Structure:vertebra|SpineMet.Level:L1|" + entry),
        segment("Segment_2", 2, tags="Segmentation.Status:inprogress|" + entry),
        segment("L3", 3),
    ]
    labels = read_labels(write_segmentation(tmp_path / "s.seg.nrrd", [array], segments))
    assert levels_of(labels) == {"L1": 1, "L2": 2, "L3": 3}
    assert labels.outlines[1].name == "L5"


def test_layers_are_merged_and_lesions_on_vertebrae_are_read_apart(tmp_path):
    bone = column([1, 2], 35.0)
    lesion = np.where(bone == 2, 1, 0).astype(np.uint8)
    lesion[:, :8] = 0
    segments = [segment("L1", 1, 0), segment("L2", 2, 0), segment("metastasis L2", 1, 1)]
    path = write_segmentation(tmp_path / "s.seg.nrrd", [bone, lesion], segments)
    labels, lesions = read_labels(path), read_lesions(path)
    assert levels_of(labels) == {"L1": 1, "L2": 2}
    assert np.array_equal(labels.image.array, bone)
    outline = next(iter(lesions.outlines.values()))
    assert (outline.structure, outline.level, outline.lesion_id) == (Structure.LESION, Level.L2, "lesion-1")
    assert outline.name == "metastasis L2"
    assert np.array_equal(lesions.image.array > 0, lesion > 0)


def test_overlapping_vertebrae_are_refused_and_named(tmp_path):
    bone = column([1], 35.0)
    path = write_segmentation(tmp_path / "s.seg.nrrd", [bone, bone], [segment("L1", 1, 0), segment("L2", 1, 1)])
    with pytest.raises(BadInput, match=r'"L1" and "L2".*overlap'):
        read_labels(path)


def test_a_level_in_two_segments_is_refused(tmp_path):
    segments = [segment("L1", 1), segment("vertebrae_L1", 2)]
    with pytest.raises(BadInput, match="L1 twice"):
        read_labels(write_segmentation(tmp_path / "s.seg.nrrd", [column([1, 2], 35.0)], segments))


def test_segments_without_levels_are_refused_and_named(tmp_path):
    path = write_segmentation(tmp_path / "s.seg.nrrd", [column([1], 35.0)], [segment("Segment_1", 1)])
    with pytest.raises(BadInput, match='"Segment_1"'):
        read_labels(path)
    assert [o.name for o in read_lesions(path).outlines.values()] == ["Segment_1"]


def test_a_segmentation_cut_to_its_segments_is_placed_into_its_image(tmp_path):
    array = column([1, 2, 3], 35.0)
    reference = Image(array.astype(np.int16), grid(), frame="f", name="the CT")
    part = array[4:-3, 3:, 2:-1]
    names = [segment("L1", 1), segment("L2", 2), segment("L3", 3)]
    path = write_segmentation(tmp_path / "s.seg.nrrd", [part], names, corner=(2, 3, 4))
    expected = np.zeros_like(array)
    expected[4:-3, 3:, 2:-1] = part
    assert np.array_equal(read_labels(path, reference).image.array, expected)
    small = reference.crop((slice(20, 30), slice(None), slice(None)))
    with pytest.raises(GridMismatch, match="outside the CT"):
        read_labels(path, small)


# Writing


def labeled() -> LabelMap:
    outlines = {
        3: Outline(Structure.VERTEBRA, Level.L2, frame="1.2.3", name="L2 vertebra"),
        1: Outline(Structure.VERTEBRA, Level.T13, frame="1.2.3", name="T13 vertebra"),
        7: Outline(Structure.SACRUM, Level.S1, frame="1.2.3", name="sacrum"),
        9: Outline(Structure.CORD, frame="1.2.3", name="spinal cord"),
    }
    return LabelMap(Image(column([1, 3, 7, 9], 35.0), grid(), frame="1.2.3", name="labels"), outlines)


def test_a_written_segmentation_reads_back_whole(tmp_path):
    write_labels(labeled(), tmp_path / "s.seg.nrrd")
    back = read_labels(tmp_path / "s.seg.nrrd")
    assert np.array_equal(back.image.array, labeled().image.array)
    assert back.outlines == labeled().outlines
    assert np.allclose(back.image.ijk_to_ras, grid())


def test_written_lesions_keep_identity_level_and_name(tmp_path):
    outlines = {
        2: Outline(Structure.LESION, Level.L2, "lesion-5", "1.2.3", "big | odd\nname"),
        4: Outline(Structure.LESION, None, "lesion-6", "1.2.3", "other"),
    }
    lesions = LabelMap(Image(column([2, 4], 35.0), grid(), frame="1.2.3"), outlines)
    write_labels(lesions, tmp_path / "l.seg.nrrd")
    back = read_lesions(tmp_path / "l.seg.nrrd").outlines
    assert [(o.lesion_id, o.level, o.frame) for o in back.values()] == [
        ("lesion-5", Level.L2, "1.2.3"), ("lesion-6", None, "1.2.3"),
    ]  # fmt: skip
    assert back[2].name == "big | odd name"


def test_a_label_map_written_as_nifti_keeps_its_numbers(tmp_path):
    write_labels(labeled(), tmp_path / "s.nii.gz")
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "s.nii.gz"))), labeled().image.array)


def test_slicer_opens_a_written_segmentation_with_names_and_terminology(tmp_path):
    slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
    from spinemet import codes

    write_labels(labeled(), tmp_path / "s.seg.nrrd")
    node = slicer.vtkMRMLSegmentationNode()
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(tmp_path / "s.seg.nrrd"))
    assert storage.ReadData(node)
    segmentation = node.GetSegmentation()
    segments = [segmentation.GetNthSegment(n) for n in range(segmentation.GetNumberOfSegments())]
    assert sorted(item.GetName() for item in segments) == ["L2 vertebra", "T13 vertebra", "sacrum", "spinal cord"]
    expected = {o.name: codes.entry_of(o) for o in labeled().outlines.values()}
    assert {item.GetName(): item.GetTerminology() for item in segments} == expected
