"""Alignment of real vertebra masks: within published normal ranges, and blind to how the image is stored."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from spinemet.anatomy import measure_spine
from spinemet.anatomy.alignment.angles import landmarks
from spinemet.anatomy.alignment.whole import Alignment, measure_alignment
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.study import read_labels

CERVICAL, LUMBAR = "sub-gl003_dir-ax_seg-vert_msk.nii.gz", "sub-verse010_seg-vert_msk.nii.gz"
LIMITS = {"kyphosis": 0.7, "slip": 0.5}


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


def test_resampling_onto_a_finer_grid_keeps_angles_and_slips(lumbar, measured):
    """Half the spacing: other ratios with nearest neighbors move whole voxel layers by up to half a millimeter."""
    finer = lumbar.image.resample(lumbar.image.grid.with_spacing(0.5), nearest=True)
    other = measure_alignment(measure_spine(LabelMap(finer, lumbar.outlines, lumbar.numbering)))
    for pair, angle in measured.kyphosis.items():
        assert other.kyphosis[pair].value == pytest.approx(angle.value, abs=LIMITS["kyphosis"])
        assert other.slips[pair].sagittal.value == pytest.approx(
            measured.slips[pair].sagittal.value, abs=LIMITS["slip"]
        )


def test_the_sacral_endplate_of_a_networks_mask_faces_l5(totalsegmentator_files: Path):
    labels = read_labels(totalsegmentator_files / "spine_report" / "example_ct_report" / "totalseg.nii.gz")
    spine = measure_spine(labels)
    plate = landmarks(spine).superior(Level.S1)
    assert plate is not None, landmarks(spine).reason(Level.S1)
    assert 25 < plate.depth < 45
    result = measure_alignment(spine)
    assert 20 < result.pelvis.slope.value < 55
    assert 25 < result.regions[1].value < 80
