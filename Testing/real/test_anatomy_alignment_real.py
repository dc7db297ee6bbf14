"""Alignment of real vertebra masks: within published normal ranges, and blind to how the image is stored."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from anatomy_solids import turned
from spinemet.anatomy import Column, Plane, fractured_levels, measure_spine
from spinemet.anatomy.alignment.angles import landmarks
from spinemet.anatomy.alignment.whole import Alignment, measure_alignment
from spinemet.image import Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.study import read_labels

CERVICAL, LUMBAR = "sub-gl003_dir-ax_seg-vert_msk.nii.gz", "sub-verse010_seg-vert_msk.nii.gz"
LIMITS = {"kyphosis": 0.7, "slip": 0.5, "height": 0.4}


@pytest.fixture(scope="module")
def verse(shared_data: Path) -> Path:
    folder = shared_data / "verse"
    if not folder.is_dir():
        pytest.skip("the VerSe masks are absent")
    return folder


@pytest.fixture(scope="module")
def lumbar(verse: Path) -> LabelMap:
    return read_labels(verse / LUMBAR)


@pytest.fixture(scope="module")
def measured(lumbar: LabelMap) -> Alignment:
    return measure_alignment(measure_spine(lumbar))


def stored(labels: LabelMap, axes: tuple[int, ...], flips: tuple[int, ...]) -> LabelMap:
    """The same voxels at the same places, stored in another order of axes and directions."""
    grid = labels.image.grid
    matrix, array = grid.ijk_to_ras.copy(), labels.image.array
    for axis in flips:
        array = np.flip(array, axis)
        column = 2 - axis
        matrix[:3, 3] += matrix[:3, column] * (grid.shape[axis] - 1)
        matrix[:3, column] *= -1
    array = np.ascontiguousarray(array.transpose(axes))
    columns = [2 - axes[2 - n] for n in range(3)]
    matrix[:3, :3] = matrix[:3, columns]
    return LabelMap(Image(array, matrix), labels.outlines, labels.numbering)


def test_lumbar_angles_lie_within_published_ranges(measured):
    """Segmental lordosis L2–L5 grows toward the sacrum; single segments of adults range from about +5° to −40°."""
    angles = [item.value for pair, item in measured.kyphosis.items()]
    assert all(value is not None and -40 < value < 8 for value in angles)
    assert all(upper > lower for upper, lower in pairwise(angles))
    lordosis = measured.largest_lordosis
    assert lordosis.lower is Level.L5 and -70 < lordosis.angle.value < -25


def test_the_slip_that_the_mask_shows_at_l4_is_found(measured):
    """A degenerative anterolisthesis, seen by eye in the sagittal cut of the mask."""
    slip = measured.slips[Level.L4, Level.L5]
    assert "anterolisthesis" in slip.direction
    assert slip.grade == "I"
    assert measured.slips[Level.L3, Level.L4].direction == ""


def test_cervical_masks_give_angles_and_no_large_slips(verse):
    result = measure_alignment(measure_spine(read_labels(verse / CERVICAL)))
    cervical = [item for (above, _), item in result.kyphosis.items() if Level.C3 <= above <= Level.C6]
    assert all(item.value is not None and abs(item.value) < 15 for item in cervical)
    slips = [slip.sagittal.value for slip in result.slips.values() if slip.sagittal.known]
    assert len(slips) >= 8 and max(abs(value) for value in slips) < 4
    assert not result.kyphosis[Level.C1, Level.C2].known


@pytest.mark.parametrize(("axes", "flips"), [((0, 1, 2), (0, 2)), ((2, 0, 1), ()), ((1, 2, 0), (1,))])
def test_the_order_of_axes_and_directions_changes_nothing(lumbar, measured, axes, flips):
    other = measure_alignment(measure_spine(stored(lumbar, axes, flips)))
    for pair, angle in measured.kyphosis.items():
        assert other.kyphosis[pair].value == pytest.approx(angle.value, abs=LIMITS["kyphosis"])
        assert other.slips[pair].sagittal.value == pytest.approx(
            measured.slips[pair].sagittal.value, abs=LIMITS["slip"]
        )


def tilted(grid: Grid) -> Grid:
    """Another grid over the same place, turned by some 20° about an odd axis, with the same spacing."""
    turn = turned(pitch=12, roll=8, yaw=-15)
    reach = np.abs((grid.corners - grid.center) @ turn).max(axis=0) + grid.spacing
    i, j, k = np.ceil(2 * reach / grid.spacing.max()).astype(int)
    matrix = np.eye(4)
    matrix[:3, :3] = turn * grid.spacing.max()
    matrix[:3, 3] = grid.center - turn @ reach
    return Grid((int(k), int(j), int(i)), matrix)


@pytest.mark.parametrize("onto", [lambda grid: grid.with_spacing(0.5), tilted], ids=["finer", "oblique"])
def test_resampling_with_nearest_neighbors_keeps_heights_angles_and_slips(lumbar, measured, onto):
    """To 1.5 mm, coarser than the mask itself, layers move by up to half a voxel: there 95 % of the heights keep
    within 0.75 mm and of the angles within 0.8°, as their ± say."""
    moved = lumbar.image.resample(onto(lumbar.image.grid), nearest=True)
    before, after = measure_spine(lumbar), measure_spine(LabelMap(moved, lumbar.outlines, lumbar.numbering))
    changes = [
        abs(after[level].height(column, plane).value - item.height(column, plane).value)
        for level, item in before.vertebrae.items()
        for plane in Plane
        for column in Column
    ]
    assert np.median(changes) <= 0.1 and max(changes) <= LIMITS["height"]
    other = measure_alignment(after)
    for pair, angle in measured.kyphosis.items():
        assert other.kyphosis[pair].value == pytest.approx(angle.value, abs=LIMITS["kyphosis"])
        assert other.slips[pair].sagittal.value == pytest.approx(
            measured.slips[pair].sagittal.value, abs=LIMITS["slip"]
        )
        assert other.rotations[pair].value == pytest.approx(measured.rotations[pair].value, abs=1.0)


@pytest.mark.parametrize("name", [LUMBAR, CERVICAL])
def test_neighbors_have_plausible_heights(verse, name):
    """Posterior heights of intact neighbors differ by at most 20 %; L1 of the lumbar mask is crushed."""
    spine = measure_spine(read_labels(verse / name))
    broken = fractured_levels(spine, ())
    intact = [item for level, item in spine.vertebrae.items() if item.measured and level not in broken]
    known = [value for item in intact if (value := item.height(Column.POSTERIOR).value) is not None]
    assert len(known) >= 4
    assert max(abs(one - other) / max(one, other) for one, other in pairwise(known)) <= 0.20


def test_the_sacral_endplate_of_a_networks_mask_faces_l5(totalsegmentator_files: Path):
    labels = read_labels(totalsegmentator_files / "spine_report" / "example_ct_report" / "totalseg.nii.gz")
    spine = measure_spine(labels)
    plate = landmarks(spine).superior(Level.S1)
    assert plate is not None, landmarks(spine).reason(Level.S1)
    assert 25 < plate.depth < 45
    result = measure_alignment(spine)
    assert 20 < result.pelvis.slope.value < 55
    assert 25 < result.regions[1].value < 80
