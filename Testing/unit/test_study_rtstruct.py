"""RT structure sets to masks: shapes whose voxels are known by formula, and what must be refused."""

from __future__ import annotations

import time

import numpy as np
import pytest

from small_rt import write_structures
from spinemet.case import Structure
from spinemet.errors import BadInput
from spinemet.image import LPS_RAS, Grid, Image
from spinemet.levels import Level
from spinemet.study.polygons import area, fill, inside
from spinemet.study.rtstruct import read_structures

FRAME = "1.2.3.9"


def image_of(
    shape=(10, 40, 50), spacing=(1.0, 1.0, 2.0), origin=(-25.0, -20.0, -9.0), turn=None, frame=FRAME
) -> Image:
    """An empty image; `origin` is its first voxel in LPS, `turn` a rotation of the axes."""
    matrix = np.eye(4)
    matrix[:3, :3] = (np.eye(3) if turn is None else turn) * np.array(spacing)
    matrix[:3, 3] = origin
    return Image(np.zeros(shape, np.int16), LPS_RAS @ matrix, frame=frame, name="CT series 3")


def rotation(degrees: float, axis=(0.3, 0.8, 0.5)) -> np.ndarray:
    unit = np.array(axis) / np.linalg.norm(axis)
    cross = np.cross(np.eye(3), unit)
    angle = np.radians(degrees)
    return np.eye(3) * np.cos(angle) + np.sin(angle) * -cross + (1 - np.cos(angle)) * np.outer(unit, unit)


def rectangle(x0, y0, x1, y1, z) -> np.ndarray:
    return np.array([[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]], dtype=float)


def circle(radius: float, z: float, center=(0.0, 0.0), count=360) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.column_stack([center[0] + radius * np.cos(angle), center[1] + radius * np.sin(angle), np.full(count, z)])


def lps(image: Image) -> tuple[np.ndarray, ...]:
    """x, y and z (LPS) of every voxel center."""
    k, j, i = np.indices(image.shape)
    return tuple(np.moveaxis(image.to_world(np.stack([i, j, k], -1)) * [-1, -1, 1], -1, 0))


def whole(mask: Image, on: Image) -> np.ndarray:
    """A cropped mask on the full grid."""
    start = np.rint(on.to_index(mask.to_world(np.zeros(3)))).astype(int)[::-1]
    result = np.zeros(on.shape, dtype=bool)
    result[tuple(slice(a, a + n) for a, n in zip(start, mask.shape, strict=True))] = mask.array
    return result


def masked(tmp_path, contours, image, **kwargs) -> np.ndarray:
    structures = read_structures(write_structures(tmp_path / "rs.dcm", {"A": contours}, **kwargs))
    return whole(structures.mask("a", image), image)


ALL_Z = np.arange(-9.0, 10.0, 2.0)


def test_a_box_holds_the_voxels_whose_centers_lie_in_it(tmp_path) -> None:
    image = image_of()
    found = masked(tmp_path, [rectangle(-3.4, -5.6, 7.2, 4.3, z) for z in (-3, -1, 1)], image)
    x, y, z = lps(image)
    np.testing.assert_array_equal(found, (x > -3.4) & (x < 7.2) & (y > -5.6) & (y < 4.3) & (z > -4) & (z < 2))


def test_regions_that_share_an_edge_share_no_voxel_and_leave_none_out() -> None:
    # Edges run through pixel centers, straight and slanted.
    left = np.array([[0, 0], [5, 0], [9, 10], [0, 10]], dtype=float)
    right = np.array([[5, 0], [20, 0], [20, 10], [9, 10]], dtype=float)
    both = np.array([[0, 0], [20, 0], [20, 10], [0, 10]], dtype=float)
    a, b, union = (fill([polygon], (12, 25)) for polygon in (left, right, both))
    assert not np.any(a & b)
    np.testing.assert_array_equal(a | b, union)
    assert union.sum() == 200
    # The other algorithm, for grids that cut through the planes, decides every point alike.
    points = np.stack(np.meshgrid(np.arange(25.0), np.arange(12.0)), axis=-1).reshape(-1, 2)
    np.testing.assert_array_equal(inside(points, [left]).reshape(12, 25), a)


@pytest.mark.parametrize("way", ["second contour", "xor contour", "keyhole"])
def test_a_ring_has_a_hole(tmp_path, way) -> None:
    image = image_of()
    contours = []
    for z in ALL_Z:
        outer, hole = circle(15.3, z), circle(6.7, z)
        if way == "keyhole":
            contours.append(np.concatenate([outer, outer[:1], hole[:1], hole[::-1]]))
        else:
            contours += [outer, hole]
    found = masked(tmp_path, contours, image, kind="CLOSEDPLANAR_XOR" if way == "xor contour" else "CLOSED_PLANAR")
    x, y, _ = lps(image)
    radius = np.hypot(x, y)
    # A circle of 360 corners is less than 0.001 mm inside the true one.
    sure = (np.abs(radius - 15.3) > 0.01) & (np.abs(radius - 6.7) > 0.01)
    np.testing.assert_array_equal(found[sure], ((radius < 15.3) & (radius > 6.7))[sure])


def test_an_island_lies_in_a_hole(tmp_path) -> None:
    image = image_of()
    contours = [circle(radius, z) for z in ALL_Z for radius in (15.3, 9.1, 4.2)]
    structures = read_structures(write_structures(tmp_path / "rs.dcm", {"A": contours}))
    x, y, _ = lps(image)
    radius = np.hypot(x, y)
    assert whole(structures.mask(1, image), image)[radius < 4].all()
    exact = np.pi * (15.3**2 - 9.1**2 + 4.2**2) * 20 / 1000
    assert structures.rois[0].volume.value == pytest.approx(exact, rel=1e-4)


def test_several_contours_on_a_slice_are_several_parts(tmp_path) -> None:
    image = image_of()
    found = masked(tmp_path, [c for z in ALL_Z for c in (circle(5.2, z, (-12, 0)), circle(4.1, z, (9, 3)))], image)
    x, y, _ = lps(image)
    np.testing.assert_array_equal(found, (np.hypot(x + 12, y) < 5.2) | (np.hypot(x - 9, y - 3) < 4.1))


def test_contours_between_the_slices_count_for_the_nearest(tmp_path) -> None:
    # Contours every 5 mm from z = −10; slices every 2 mm: each slice takes the contour within 2.5 mm.
    image = image_of()
    radii = {-10.0: 4.2, -5.0: 8.3, 0.0: 12.4, 5.0: 6.1}
    found = masked(tmp_path, [circle(radius, z) for z, radius in radii.items()], image)
    x, y, z = lps(image)
    nearest = np.array(list(radii))[np.argmin(np.abs(z[..., None] - list(radii)), axis=-1)]
    radius = np.vectorize(radii.get)(nearest)
    np.testing.assert_array_equal(found, (np.hypot(x, y) < radius) & (z < 7.5))


def test_fine_contours_on_coarse_slices_keep_the_volume(tmp_path) -> None:
    # A sphere of 14 mm radius, contoured every millimeter, on voxels of 2.5 mm and 0.5 mm.
    depths = np.arange(-13.5, 14, 1.0)
    contours = [circle(np.sqrt(14**2 - z**2), z) for z in depths]
    structures = read_structures(write_structures(tmp_path / "rs.dcm", {"A": contours}))
    exact = 4 / 3 * np.pi * 14**3 / 1000
    assert structures.rois[0].volume.value == pytest.approx(exact, rel=0.002)
    for spacing, count, tolerance in ((2.5, 14, 0.03), (0.5, 64, 0.006)):
        image = image_of((count,) * 3, (spacing,) * 3, (-(count - 1) / 2 * spacing,) * 3)
        mask = structures.mask(1, image)
        assert mask.array.sum() * mask.voxel_volume / 1000 == pytest.approx(exact, rel=tolerance)


@pytest.mark.parametrize("degrees", [7.0, 30.0, 90.0])
def test_an_oblique_grid_gets_the_same_body(tmp_path, degrees) -> None:
    turn = rotation(degrees)
    image = image_of((30, 40, 40), (0.9, 1.1, 1.3), -turn @ np.array([18.0, 21.0, 19.0]), turn)
    found = masked(tmp_path, [circle(9.37, z) for z in np.arange(-10.0, 11, 1.0)], image)
    x, y, z = lps(image)
    radius = np.hypot(x, y)
    sure = (np.abs(radius - 9.37) > 0.01) & (np.abs(np.abs(z) - 10.5) > 0.01)
    np.testing.assert_array_equal(found[sure], ((radius < 9.37) & (np.abs(z) < 10.5))[sure])


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize("flip", [1, -1])
def test_grids_with_any_order_of_axes_are_filled_by_scan_lines(tmp_path, axes, flip) -> None:
    turn = np.eye(3)[:, list(axes)] * flip
    image = image_of((28, 28, 28), (1.5, 1.5, 1.5), -turn @ np.full(3, 20.0), turn)
    contours = [rectangle(-4.4, -7.1, 11.3, 2.9, z) for z in np.arange(-6.0, 9, 3.0)]
    found = masked(tmp_path, contours, image)
    x, y, z = lps(image)
    expected = (x > -4.4) & (x < 11.3) & (y > -7.1) & (y < 2.9)
    sure = (z > -7.4) & (z < 7.4)
    np.testing.assert_array_equal(found[sure], expected[sure])
    assert not found[np.abs(z) > 7.6].any()


def test_sagittal_contours_fill_an_axial_grid(tmp_path) -> None:
    image = image_of((12, 40, 50), (1.0, 1.0, 2.0), (-25.0, -20.0, -11.0))
    contours = [circle(8.3, x)[:, [2, 0, 1]] for x in np.arange(-6.0, 7, 2.0)]
    found = masked(tmp_path, contours, image)
    x, y, z = lps(image)
    sure = np.abs(np.abs(x) - 7) > 0.01
    np.testing.assert_array_equal(found[sure], ((np.hypot(y, z) < 8.3) & (np.abs(x) < 7))[sure])


def test_tilted_slices_are_cut_at_their_own_place(tmp_path) -> None:
    # Gantry tilt: slices are axial, but shifted against each other.
    image = image_of()
    matrix = image.ijk_to_ras.copy()
    matrix[1, 2] += 0.7
    image = Image(image.array, matrix, frame=FRAME)
    found = masked(tmp_path, [rectangle(-8.3, -6.23, 5.1, 4.37, z) for z in ALL_Z], image)
    x, y, _ = lps(image)
    np.testing.assert_array_equal(found, (x > -8.3) & (x < 5.1) & (y > -6.23) & (y < 4.37))


def test_one_contour_fills_one_slice_and_says_so(tmp_path) -> None:
    image = image_of()
    structures = read_structures(write_structures(tmp_path / "rs.dcm", {"A": [rectangle(-3.5, -3.5, 3.5, 3.5, 1.0)]}))
    found = whole(structures.mask(1, image), image)
    np.testing.assert_array_equal(np.flatnonzero(found.any(axis=(1, 2))), [5])
    assert found.sum() == 49
    assert "one plane only" in structures.rois[0].notes[0]
    assert not structures.rois[0].volume.known


def test_a_skipped_slice_is_bridged_and_parted_bodies_stay_apart(tmp_path) -> None:
    image = image_of((20, 40, 50))
    skipped = [circle(6.2, z) for z in (-9, -7, -5, -1, 1)]
    structures = read_structures(write_structures(tmp_path / "a.dcm", {"A": skipped}))
    assert whole(structures.mask(1, image), image).any(axis=(1, 2)).sum() == 6
    assert "goes on through" in structures.rois[0].notes[0]
    apart = [circle(6.2, z) for z in (-9, -7, -5, 9, 11)]
    structures = read_structures(write_structures(tmp_path / "b.dcm", {"A": apart}))
    assert whole(structures.mask(1, image), image).any(axis=(1, 2)).sum() == 5
    assert "parted" in structures.rois[0].notes[0]


def test_a_contour_drawn_twice_does_not_undo_itself(tmp_path) -> None:
    image = image_of()
    once = circle(7.2, 1.0)
    contours = [circle(7.2, -1.0), once, np.roll(once, 3, axis=0), np.concatenate([once, once[:1]])]
    structures = read_structures(write_structures(tmp_path / "rs.dcm", {"A": contours}))
    found = whole(structures.mask(1, image), image)
    assert found[4].sum() == found[5].sum() > 100
    assert "drawn twice" in structures.rois[0].notes[0]


def test_points_and_lines_are_refused_and_beside_contours_left_out(tmp_path) -> None:
    line = ("OPEN_PLANAR", [[0, 0, 0], [5, 0, 0], [5, 5, 0]])
    rois = {
        "Isocenter": [("POINT", [[0.0, 0.0, 0.0]])],
        "Wire": [line, ("OPEN_NONPLANAR", [[0, 0, 0], [5, 0, 2]])],
        "Empty": [],
        "Flat": [[[0, 0, 0], [5, 0, 0], [9, 0, 0]]],
        "Bent": [circle(5, 0.0), circle(5, 0.0)[:, [2, 0, 1]]],
        "Good": [circle(5, 1.0), circle(5, 3.0), line],
    }
    structures = read_structures(write_structures(tmp_path / "rs.dcm", rois))
    wanted = {
        "Isocenter": "points", "Wire": "open lines", "Empty": "no contour", "Flat": "without an area",
        "Bent": "different orientation",
    }  # fmt: skip
    for name, reason in wanted.items():
        roi = structures.roi(name)
        assert reason in roi.refusal and not roi.volume.known
        with pytest.raises(BadInput, match=reason):
            structures.mask(name, image_of())
    assert structures.mask("Good", image_of()).array.any()
    assert "left out" in structures.roi("Good").notes[0]
    maps = structures.label_maps(image_of())
    assert list(maps[0].outlines) == [6]
    assert len(maps[0].notes) == 6


def test_another_frame_of_reference_is_refused_unless_a_transform_is_given(tmp_path) -> None:
    structures = read_structures(write_structures(tmp_path / "rs.dcm", {"A": [circle(5.2, z) for z in ALL_Z]}))
    with pytest.raises(BadInput, match="another frame of reference"):
        structures.mask(1, image_of(frame="1.2.3.10"))
    moved = np.eye(4)
    moved[:3, 3] = (-7.0, 0.0, 0.0)
    image = image_of(frame="1.2.3.10")
    found = whole(structures.mask(1, image, moved_by=moved), image)
    x, y, _ = lps(image)
    np.testing.assert_array_equal(found, np.hypot(x - 7, y) < 5.2)
    # A file's name is no frame of reference: nothing is known, nothing is refused.
    assert structures.mask(1, image_of(frame="ct.nii.gz")).array.any()


def test_a_region_outside_the_image_is_refused(tmp_path) -> None:
    structures = read_structures(write_structures(tmp_path / "rs.dcm", {"A": [circle(5, 300.0), circle(5, 302.0)]}))
    with pytest.raises(BadInput, match="outside the image"):
        structures.mask(1, image_of())


def test_regions_that_overlap_go_to_different_label_maps(tmp_path) -> None:
    rois = {
        name: [circle(r, z, (x, 0)) for z in ALL_Z] for name, r, x in (("GTV", 5, 0), ("PTV", 8, 0), ("L3", 4, 15))
    }
    structures = read_structures(write_structures(tmp_path / "rs.dcm", rois, types=("GTV", "PTV", "")))
    maps = structures.label_maps(image_of())
    assert [sorted(layer.present) for layer in maps] == [[1, 3], [2]]
    assert maps[0].outlines[1].structure is Structure.LESION
    assert maps[0].outlines[3].level is Level.L3
    assert maps[1].outlines[2].structure is Structure.OTHER
    assert maps[1].mask(2).array.sum() > maps[0].mask(1).array.sum()


@pytest.mark.parametrize(
    ("name", "kind", "structure", "level"),
    [
        ("SpinalCord", "ORGAN", Structure.CORD, None),
        ("Spinal canal", "", Structure.CANAL, None),
        ("GTV_T10", "GTV", Structure.LESION, Level.T10),
        ("GTV_MR_T1", "GTV", Structure.LESION, None),
        ("CTV_T10", "CTV", Structure.OTHER, None),
        ("Heart", "ORGAN", Structure.OTHER, None),
    ],
)
def test_names_and_types_say_what_a_region_is(tmp_path, name, kind, structure, level) -> None:
    structures = read_structures(write_structures(tmp_path / "rs.dcm", {name: [circle(5, 0.0)]}, types=(kind,)))
    outline = structures.rois[0].outline
    assert (outline.structure, outline.level) == (structure, level)


def test_other_objects_and_damaged_files_are_refused(tmp_path) -> None:
    path = write_structures(tmp_path / "rs.dcm", {"A": [circle(5, 0.0)]})
    data = path.read_bytes()
    (tmp_path / "text.txt").write_text("no DICOM")
    with pytest.raises(BadInput):
        read_structures(tmp_path / "text.txt")
    for end in range(200, len(data), 97):
        (tmp_path / "cut.dcm").write_bytes(data[:end])
        try:
            read_structures(tmp_path / "cut.dcm")
        except BadInput:
            continue


def test_messages_do_not_name_the_patient(tmp_path) -> None:
    structures = read_structures(write_structures(tmp_path / "rs.dcm", {"Iso": [("POINT", [[0.0, 0.0, 0.0]])]}))
    assert "Doe" not in structures.rois[0].refusal and "SECRET" not in structures.rois[0].refusal


def test_areas_follow_the_nesting_of_contours() -> None:
    square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], dtype=float)
    hole = square[::-1] * 0.5 + 2
    assert area([square, hole]) == pytest.approx(75)
    assert area([square + 1000, hole + 1000]) == pytest.approx(75)


def test_a_large_region_takes_well_under_a_second(tmp_path) -> None:
    contours = [circle(150 + 3 * np.sin(z), z, count=700) for z in np.arange(-75.0, 75, 1.5)]
    path = write_structures(tmp_path / "rs.dcm", {"External": contours})
    place = image_of(spacing=(0.8, 0.8, 1.5), origin=(-204, -204, -75)).ijk_to_ras
    image = Image(np.broadcast_to(np.int16(0), (100, 512, 512)), place, frame=FRAME)
    start = time.perf_counter()
    mask = read_structures(path).mask(1, image)
    assert time.perf_counter() - start < 5.0
    assert mask.array.sum() * mask.voxel_volume == pytest.approx(np.pi * 150**2 * 150, rel=0.01)


def test_a_mask_lies_on_the_voxels_of_the_image(tmp_path) -> None:
    structures = read_structures(write_structures(tmp_path / "rs.dcm", {"A": [circle(5.2, z) for z in ALL_Z]}))
    image = image_of()
    mask = structures.mask(1, image)
    index = image.to_index(mask.to_world(np.zeros(3)))
    np.testing.assert_allclose(index, np.rint(index), atol=1e-9)
    assert isinstance(mask.grid, Grid) and mask.frame == FRAME
    assert np.prod(mask.shape) < np.prod(image.shape) / 5
