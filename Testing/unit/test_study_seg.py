"""DICOM segmentations: voxels in their place for every kind of file, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from small_rt import FRAME, item, write_segmentation
from spinemet.case import Structure
from spinemet.errors import BadInput
from spinemet.image import LPS_RAS, Image
from spinemet.levels import Level
from spinemet.study.dicom_seg import read_segmentation

SHAPE = (5, 7, 9)
RNG = np.random.default_rng(5)
BODIES = RNG.random((2, *SHAPE)) > 0.6
"""Two segments that overlap; 63 voxels a plane, so that planes begin within a byte."""


def position(k: int) -> tuple[float, float, float]:
    return (-10.0, -20.0, 30.0 + 3.0 * k)


def image_of(shape=SHAPE, spacing=(1.5, 2.0, 3.0), origin=(-10.0, -20.0, 30.0), frame=FRAME) -> Image:
    """An image (LPS origin) that by default has the segmentation's own grid."""
    matrix = np.diag([*spacing, 1.0])
    matrix[:3, 3] = origin
    return Image(np.zeros(shape, np.int16), LPS_RAS @ matrix, frame=frame, name="CT series 3")


def planes(bodies=BODIES, skip=()):
    return [(n + 1, position(k), body[k]) for n, body in enumerate(bodies) for k in range(len(body)) if k not in skip]


def code(value: str, scheme="SCT", meaning="something"):
    return [item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def segment(label="thing", category="123037004", kind="85756007", **elements):
    return {
        "SegmentLabel": label,
        "SegmentedPropertyCategoryCodeSequence": code(category),
        "SegmentedPropertyTypeCodeSequence": code(kind),
    } | elements


TWO = [segment("first"), segment("second")]


def whole(mask: Image, on: Image) -> np.ndarray:
    start = np.rint(on.to_index(mask.to_world(np.zeros(3)))).astype(int)[::-1]
    result = np.zeros(on.shape, dtype=bool)
    result[tuple(slice(a, a + n) for a, n in zip(start, mask.shape, strict=True))] = mask.array
    return result


def test_overlapping_binary_segments_are_read_bit_by_bit(tmp_path) -> None:
    found = read_segmentation(write_segmentation(tmp_path / "s.dcm", TWO, planes()))
    for number, body in enumerate(BODIES, start=1):
        np.testing.assert_array_equal(whole(found.mask(number, image_of()), image_of()), body)
    np.testing.assert_array_equal(found.mask("second").array, BODIES[1])


def test_planes_in_any_order_are_put_in_their_place(tmp_path) -> None:
    shuffled = [planes()[n] for n in np.random.default_rng(2).permutation(10)]
    found = read_segmentation(write_segmentation(tmp_path / "s.dcm", TWO, shuffled))
    np.testing.assert_array_equal(whole(found.mask(1, image_of()), image_of()), BODIES[0])


@pytest.mark.parametrize("between", [3.0, None])
def test_planes_that_were_left_out_are_empty(tmp_path, between) -> None:
    found = read_segmentation(write_segmentation(tmp_path / "s.dcm", TWO, planes(skip=(1, 2)), Between=between))
    expected = BODIES[0].copy()
    expected[[1, 2]] = False
    np.testing.assert_array_equal(whole(found.mask(1, image_of()), image_of()), expected)


def test_a_single_plane_has_the_stated_thickness(tmp_path) -> None:
    found = read_segmentation(write_segmentation(tmp_path / "s.dcm", TWO[:1], [(1, position(2), BODIES[0][2])]))
    mask = whole(found.mask(1, image_of()), image_of())
    np.testing.assert_array_equal(mask[2], BODIES[0][2])
    assert not mask[[0, 1, 3, 4]].any()


def test_turned_planes_lie_along_their_own_axes(tmp_path) -> None:
    # Sagittal planes: rows along y, columns along −z, normal along −x (LPS).
    sagittal = [(1, (-10.0 - 3.0 * k, -20.0, 30.0), BODIES[0][k]) for k in range(5)]
    path = write_segmentation(tmp_path / "s.dcm", TWO[:1], sagittal, Orientation=(0, 1, 0, 0, 0, -1))
    found = read_segmentation(path)
    mask = found.mask(1)
    np.testing.assert_array_equal(mask.array, BODIES[0])
    np.testing.assert_allclose(mask.to_world([4, 2, 3]) * [-1, -1, 1], [-19.0, -20 + 4 * 1.5, 30 - 2 * 2.0], atol=1e-9)


def test_on_a_finer_grid_each_voxel_takes_the_nearest(tmp_path) -> None:
    found = read_segmentation(write_segmentation(tmp_path / "s.dcm", TWO, planes()))
    fine = image_of((15, 21, 27), (0.5, 2 / 3, 1.0), (-10.5, -20 - 2 / 3, 29.0))
    expected = BODIES[0].repeat(3, 0).repeat(3, 1).repeat(3, 2)
    np.testing.assert_array_equal(whole(found.mask(1, fine), fine), expected)


def test_fractions_are_interpolated_and_cut_at_a_half(tmp_path) -> None:
    share = np.zeros(SHAPE)
    share[1:4, 1:6, 2:7] = 200
    share[2, 3, 4] = 80
    frames = [(1, position(k), share[k]) for k in range(5)]
    path = write_segmentation(
        tmp_path / "s.dcm", TWO[:1], frames, kind="FRACTIONAL", MaximumFractionalValue=200,
        SegmentationFractionalType="OCCUPANCY",
    )  # fmt: skip
    found = read_segmentation(path)
    np.testing.assert_allclose(found.share(1).array, share / 200)
    np.testing.assert_array_equal(whole(found.mask(1, image_of()), image_of()), share >= 100)
    np.testing.assert_array_equal(whole(found.mask(1, image_of(), threshold=0.3), image_of()), share >= 60)
    assert "occupancy" in found.notes[0]
    # Halfway between inside and outside, linear interpolation gives a half.
    between = image_of((5, 7, 9), origin=(-10.0, -20.0, 30.0 + 1.49))
    upper = whole(found.mask(1, between), between)
    np.testing.assert_array_equal(upper[3], share[3] > 0)


def test_label_maps_hold_one_number_for_each_segment(tmp_path) -> None:
    labels = RNG.integers(0, 3, SHAPE)
    frames = [(0, position(k), labels[k]) for k in range(5)]
    path = write_segmentation(
        tmp_path / "s.dcm", TWO, frames, kind="LABELMAP", SOPClassUID="1.2.840.10008.5.1.4.1.1.66.7"
    )
    found = read_segmentation(path)
    for number in (1, 2):
        np.testing.assert_array_equal(whole(found.mask(number, image_of()), image_of()), labels == number)
    maps = found.label_maps(image_of())
    assert len(maps) == 1
    np.testing.assert_array_equal(maps[0].image.array, labels)


def test_segments_that_overlap_go_to_different_label_maps(tmp_path) -> None:
    found = read_segmentation(write_segmentation(tmp_path / "s.dcm", TWO, planes()))
    maps = found.label_maps(image_of())
    assert [list(layer.outlines) for layer in maps] == [[1], [2]]
    np.testing.assert_array_equal(maps[1].image.array == 2, BODIES[1])


@pytest.mark.parametrize(
    ("described", "structure", "level", "lesion"),
    [
        (segment("anything", kind=Level.L3.snomed_code), Structure.VERTEBRA, Level.L3, ""),
        (segment("vertebrae_T10"), Structure.VERTEBRA, Level.T10, ""),
        (segment("spinal cord"), Structure.CORD, None, ""),
        (segment("met", "49755003", "14799000"), Structure.LESION, None, "segment-1"),
        (segment("Left", "49755003", "4147007", TrackingID="lesion-7"), Structure.LESION, None, "lesion-7"),
        (segment("Aorta"), Structure.OTHER, None, ""),
    ],
)
def test_codes_and_labels_say_what_a_segment_is(tmp_path, described, structure, level, lesion) -> None:
    found = read_segmentation(write_segmentation(tmp_path / "s.dcm", [described], planes(BODIES[:1])))
    outline = found.segments[0].outline
    assert (outline.structure, outline.level, outline.lesion_id) == (structure, level, lesion)


def test_an_empty_segment_is_said_and_left_out(tmp_path) -> None:
    found = read_segmentation(write_segmentation(tmp_path / "s.dcm", TWO, planes(BODIES[:1])))
    with pytest.raises(BadInput, match="is empty"):
        found.mask("second", image_of())
    maps = found.label_maps(image_of())
    assert list(maps[0].outlines) == [1]
    assert "empty" in maps[0].notes[0]


def test_frames_of_reference_are_compared(tmp_path) -> None:
    found = read_segmentation(write_segmentation(tmp_path / "s.dcm", TWO, planes()))
    other = image_of(frame="1.2.3.10")
    with pytest.raises(BadInput, match="another frame of reference"):
        found.mask(1, other)
    np.testing.assert_array_equal(whole(found.mask(1, other, moved_by=np.eye(4)), other), BODIES[0])
    with pytest.raises(BadInput, match="outside the image"):
        found.mask(1, image_of(origin=(900.0, 0.0, 0.0)))


def test_impossible_segmentations_are_refused(tmp_path) -> None:
    def refused(reason, frames=None, **elements) -> None:
        path = write_segmentation(tmp_path / "s.dcm", TWO, planes() if frames is None else frames, **elements)
        with pytest.raises(BadInput, match=reason):
            read_segmentation(path)

    refused("no DICOM segmentation", Modality="CT", SOPClassUID="1.2.3")
    refused("unknown type", SegmentationType="FUZZY")
    refused("microscope", TotalPixelMatrixColumns=9)
    refused("each of its frames", PerFrameFunctionalGroupsSequence=None)
    refused("where its planes lie", SharedFunctionalGroupsSequence=None)
    refused("same place", [*planes(), planes()[0]])
    refused("no regular grid", [(1, (-10, -20, z), BODIES[0][0]) for z in (30, 33, 37.2)])
    refused("no regular grid", [(1, (-10 + z, -20, z), BODIES[0][0]) for z in (30, 33, 36)])
    refused("impossible", Orientation=(1, 0, 0, 1, 0, 0))


def test_a_file_cut_short_is_refused_when_read(tmp_path) -> None:
    path = write_segmentation(tmp_path / "s.dcm", TWO, planes(), PixelData=b"\0" * 20)
    with pytest.raises(BadInput, match="cut short"):
        read_segmentation(path).mask(2, image_of())
