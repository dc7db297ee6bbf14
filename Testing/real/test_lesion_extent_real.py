"""Cortical breaks, metal, WBB and expected volumes on a real lumbar CT, with lesions planted where we say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage

from spinemet import anatomy, phantom
from spinemet.anatomy.lesions.cortex import CorticalBreaks, cortical_breaks
from spinemet.anatomy.lesions.extent import expected_body_volume, measure_extent
from spinemet.anatomy.lesions.metal import Foreign, find_metal
from spinemet.anatomy.lesions.wbb import wbb_zones
from spinemet.case import Outline, Structure
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.study import read_image, read_labels

BODIES = (Level.L1, Level.L2, Level.L3, Level.L4, Level.L5)


@dataclass(frozen=True, eq=False)
class Lumbar:
    ct: Image
    labels: LabelMap
    spine: anatomy.Spine

    def plant(
        self, level: Level, own: tuple[float, float, float], *, spare_cortex: bool = False
    ) -> tuple[Image, Image]:
        """A lytic lesion at own coordinates (mm): the CT, and the lesion on the CT's grid."""
        frame = self.spine[level].frame
        bone = self.labels.image.array == self.labels.value_of(level)
        if spare_cortex:
            bone = ndimage.binary_erosion(bone)
        return phantom.plant(
            self.ct, self.ct.with_array(bone), kind="lytic", center_ras=frame.to_ras(own), radii_mm=(8, 8, 8),
            axes=frame.axes, seed=1,
        )  # fmt: skip

    def breaks(self, ct: Image, level: Level, lesion: Image) -> CorticalBreaks:
        crop = lesion.crop(self.labels.region(self.labels.value_of(level), anatomy.MASK_MARGIN_VOXELS))
        near = [item for item in BODIES if abs(item.order - level.order) == 1]
        return cortical_breaks(ct, self.spine[level], crop, neighbors=[self.spine[item] for item in near])

    def depth(self, level: Level) -> float:
        value = self.spine[level].depth.value
        assert value is not None
        return value


@pytest.fixture(scope="module")
def lumbar(totalsegmentator_files) -> Lumbar:
    ct = read_image(totalsegmentator_files / "example_ct.nii.gz").image
    path = totalsegmentator_files / "spine_report/example_ct_report/totalseg.nii.gz"
    labels = read_labels(path, reference=ct)
    return Lumbar(ct, labels, anatomy.measure_spine(labels))


def test_a_lesion_that_eats_the_front_of_the_body_breaks_it_there(lumbar):
    """On slices of 3 mm one body's cortex may be too thin to tell; then it says so."""
    found = {}
    for level in BODIES:
        front = (0.0, lumbar.depth(level) / 2 - 2, 0.0)
        ct, lesion = lumbar.plant(level, front)
        found[level] = (front, lumbar.breaks(ct, level, lesion))
    unknown = [level for level, (_, breaks) in found.items() if breaks.area.value is None]
    assert len(unknown) <= 1, unknown
    assert all("too thin" in found[level][1].area.reason for level in unknown)
    for level in set(found) - set(unknown):
        front, breaks = found[level]
        assert breaks.covered.value is not None
        assert 0 < breaks.area.value <= breaks.covered.value, level
        assert breaks.area.value + breaks.area.uncertainty >= 0.5 * breaks.covered.value, level
        assert breaks.wall_area.value == 0.0, level
        where = np.array(breaks.breaks[0].area.position)
        assert np.linalg.norm(where - lumbar.spine[level].frame.to_ras(front)) < 9.0, level


@pytest.mark.parametrize("level", BODIES, ids=str)
def test_no_break_is_claimed_where_the_cortex_was_left_alone(lumbar, level):
    """A thin posterior wall on slices of 3 mm is said to be unknown, not broken."""
    depth = lumbar.depth(level)
    for place in ((0.0, depth / 2 - 2, 0.0), (0.0, 3 - depth / 2, 0.0), (0.0, 0.0, 0.0)):
        ct, lesion = lumbar.plant(level, place)
        untouched = lumbar.breaks(lumbar.ct, level, lesion)
        assert not untouched.area.value, (place, untouched.area.text())
        assert not untouched.wall_area.value, (place, untouched.wall_area.text())
        ct, lesion = lumbar.plant(level, place, spare_cortex=True)
        spared = lumbar.breaks(ct, level, lesion)
        assert (spared.area.value or 0.0) <= 0.25 * (spared.covered.value or 0.0), (place, spared.area.text())


def test_a_real_spine_without_hardware_has_no_metal(lumbar):
    for vertebra in lumbar.spine.vertebrae.values():
        found = find_metal(lumbar.ct, vertebra)
        assert found.kind is Foreign.NONE
        assert found.instrumented is False
        assert found.affected == ""


def test_a_screw_painted_into_a_real_pedicle_is_found(lumbar):
    frame = lumbar.spine[Level.L4].frame
    line = frame.to_ras(np.linspace([-14.0, -35.0, 4.0], [-9.0, 8.0, 2.0], 200))
    array = lumbar.ct.array.copy()
    i, j, k = np.rint(lumbar.ct.to_index(line)).astype(int).T
    array[k, j, i] = 3000
    screwed = lumbar.ct.with_array(array)
    assert find_metal(screwed, lumbar.spine[Level.L4]).kind is Foreign.METAL
    assert find_metal(screwed, lumbar.spine[Level.L2]).kind is Foreign.NONE


@pytest.mark.parametrize("level", BODIES, ids=str)
def test_wbb_sectors_of_planted_lesions_are_those_of_their_place(lumbar, level):
    depth = lumbar.depth(level)
    width = lumbar.spine[level].width.value
    for own, expected in (((-0.3 * width, 0.0, 0.0), {4, 5, 6}), ((0.3 * width, 0.0, 0.0), {7, 8, 9})):
        _, lesion = lumbar.plant(level, own)
        lesions = LabelMap(
            lesion.with_array(lesion.array.astype(np.uint8)), {1: Outline(Structure.LESION, lesion_id="lesion-1")}
        )
        extent = measure_extent(level, lumbar.spine, lesions, anatomy.Involvement({level: {1: 1.0}}))
        zones = wbb_zones(lumbar.spine[level], extent)
        assert set(zones.sectors) <= expected, (own, zones.text(), depth)
        assert extent.is_epidural is False
        assert extent.is_paraspinal is False


def test_the_volume_between_neighbors_is_that_of_a_sound_body(lumbar):
    for above, level, below in zip(BODIES, BODIES[1:], BODIES[2:], strict=False):
        expected = expected_body_volume(level, lumbar.spine, (above, below))
        own = lumbar.spine[level].body_volume.value
        assert own == pytest.approx(expected.value, abs=expected.uncertainty)
