"""Epidural masses planted round real cords: a cervical T2 with a manual cord mask, a lumbar T2 crop with its labels.

No image with a real compression was to be had. The anatomy is real, the mass is cut from masks slice by slice, with
rules that know nothing of the measuring code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import ndimage

from spinemet.epidural import EpiduralOutlines, assess_epidural
from spinemet.image import Image
from spinemet.levels import Level
from spinemet.scores.escc import Grade
from spinemet.study import read_image

HALF_LENGTH_MM = 9.0
FAT_MM = 3.0
"""Room between sac and canal where only the sac is known."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Real masks on the image's grid, and places of levels (RAS)."""

    canal: Image
    sac: Image
    cord: Image | None
    places: dict[Level, tuple[float, float, float]]


def largest(mask: np.ndarray) -> np.ndarray:
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax()


@pytest.fixture(scope="module")
def neck(shared_data) -> Anatomy:
    """Sac: what is bright round the cord on the image; canal: 3 mm of fat round the sac."""
    t2 = read_image(shared_data / "sct/t2/t2.nii.gz").image
    manual = read_image(shared_data / "sct/t2/t2_seg-manual.nii.gz").image.array > 0
    away = ndimage.distance_transform_edt(~manual, sampling=t2.spacing[::-1])
    bright = (t2.array > 550) & (away <= 6)
    sac = largest(ndimage.binary_closing(bright | manual, iterations=2) | manual)
    # A threshold frays; a sac that a person draws is smooth along the canal.
    sac = (ndimage.gaussian_filter(sac.astype(float), 2.0 / t2.spacing[::-1]) > 0.5) | manual
    # The cord's mask ends before the image does; sac beyond it would look like a conus.
    axis = int(np.argmax(np.abs(t2.grid.directions[2])))
    along = manual.any(axis=tuple(n for n in range(3) if n != 2 - axis))
    shape = [1, 1, 1]
    shape[2 - axis] = -1
    sac &= along.reshape(shape)
    canal = (ndimage.distance_transform_edt(~sac, sampling=t2.spacing[::-1]) <= FAT_MM) & along.reshape(shape)
    labels = read_image(shared_data / "sct/t2/t2_labeled_center_manual.nii.gz").image
    names = {3: Level.C3, 4: Level.C4, 5: Level.C5}
    places = {
        names[value]: tuple(float(x) for x in labels.to_world(np.argwhere(labels.array == value)[0][::-1]))
        for value in names
    }
    return Anatomy(t2.with_array(canal), t2.with_array(sac), t2.with_array(manual), places)


@pytest.fixture(scope="module")
def loins(tptbox_files) -> Anatomy:
    """Canal as labeled (61 with 60 in it), sac: 2 mm within it; three lumbar vertebrae."""
    folder = tptbox_files / "sample_mri"
    parts = read_image(folder / "sub-mri_seg-subreg_label-6_msk.nii.gz").image
    bones = read_image(folder / "sub-mri_seg-vert_label-6_msk.nii.gz").image
    canal = largest(ndimage.binary_closing(np.isin(parts.array, (60, 61)), iterations=2))
    depth = ndimage.distance_transform_edt(canal, sampling=parts.spacing[::-1])
    # Between the image's ends the canal is cut, not walled: depth counts across it.
    sac = depth > 2.0
    places = {}
    for value, level in ((5, Level.L2), (6, Level.L3), (7, Level.L4)):
        middle = bones.to_world(np.argwhere(bones.array == value)[:, ::-1]).mean(axis=0)
        places[level] = tuple(float(x) for x in middle)
    return Anatomy(parts.with_array(canal), parts.with_array(sac), None, places)


def plant(anatomy: Anatomy, grade: str, level: Level, way: tuple[float, float]) -> EpiduralOutlines:
    """Cut a mass of a grade from the masks: in every slice, all beyond a line across `way` (right, front)."""
    grid = anatomy.canal.grid
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)[..., ::-1]
    world = grid.to_world(index)
    axis = 2 - int(np.argmax(np.abs(grid.directions[2])))
    canal, sac = anatomy.canal.array, anatomy.sac.array.copy()
    core = anatomy.cord.array.copy() if anatomy.cord is not None else np.zeros_like(sac)
    along = world[..., 0] * way[0] + world[..., 1] * way[1]
    near = np.abs(world[..., 2] - anatomy.places[level][2]) <= HALF_LENGTH_MM
    tumor = np.zeros_like(sac)
    for n in range(grid.shape[axis]):
        here = tuple(n if m == axis else slice(None) for m in range(3))
        if grade == "0" or not (near[here] & sac[here]).any():
            continue
        reach_sac, reach_cord = along[here][sac[here]].max(), -np.inf
        if core[here].any():
            inside = along[here][core[here]]
            reach_cord, thick = inside.max(), np.ptp(inside) + 1.0
        beyond = {
            "1a": reach_sac - 1.5,
            "1b": max(reach_cord + 1.6, reach_sac - 4.0),
            "1c": reach_cord + 0.1,
            "2": reach_cord - 0.34 * thick if core[here].any() else 0.0,
            "3": reach_cord - 0.34 * thick if core[here].any() else 0.0,
        }[grade]
        mass = canal[here] & near[here] & (along[here] > beyond)
        if grade == "1a":
            mass &= ~sac[here]
        if grade == "1c":
            mass &= ~core[here]
        tumor[here] |= mass
        core[here] &= ~mass
        if grade == "3":
            # All round the cord, no fluid is left.
            mass = canal[here] & near[here] & ~core[here]
            tumor[here] |= mass
        sac[here] &= ~tumor[here] | core[here]
    image = anatomy.canal
    cord = None if anatomy.cord is None else image.with_array(core)
    return EpiduralOutlines(image, image.with_array(sac | core), cord, image.with_array(tumor))


WAYS = {"ventral": (0.0, 1.0), "dorsal": (0.0, -1.0), "left": (-1.0, 0.0), "right": (1.0, 0.0)}


@pytest.mark.parametrize("grade", ["0", "1a", "1c", "2", "3"])
@pytest.mark.parametrize("way", WAYS)
def test_the_planted_grade_is_found_round_a_real_cervical_cord(neck, grade, way):
    found = assess_epidural(plant(neck, grade, Level.C4, WAYS[way]), neck.places)
    result = found.results[Level.C4]
    print(
        f"\n{way} {grade}: {result.grade and result.grade.value} {[i.value for i in result.possible]} {result.reason}"
    )
    assert result.grade is Grade(grade)


@pytest.mark.parametrize("way", ["left", "right"])
def test_a_sac_dented_beside_the_cord_is_1b(neck, way):
    """At the sides this neck has fluid enough for tumor to dent the sac and stay 1.6 mm from the cord."""
    result = assess_epidural(plant(neck, "1b", Level.C4, WAYS[way]), neck.places).results[Level.C4]
    print(f"\n{way}: {result.grade} {[i.value for i in result.possible]} {result.reason}")
    assert result.grade is Grade.DEFORMED


def test_the_real_cord_has_the_area_of_its_mask(neck):
    found = assess_epidural(plant(neck, "0", Level.C4, WAYS["ventral"]), neck.places)
    profile, cuts = found.profile, found.cuts
    whole = np.flatnonzero(profile.complete)
    volume = profile.cord_area[whole].sum() * cuts.spacing
    along = found.frame.parameter(neck.cord.to_world(np.argwhere(neck.cord.array)[:, ::-1]))
    low, high = cuts.s[whole[0]] - cuts.spacing / 2, cuts.s[whole[-1]] + cuts.spacing / 2
    voxels = float(np.count_nonzero((along >= low) & (along < high))) * neck.cord.voxel_volume
    assert volume == pytest.approx(voxels, rel=0.04)


@pytest.mark.parametrize("grade", ["0", "1a", "1b"])
@pytest.mark.parametrize("way", WAYS)
def test_the_planted_grade_is_found_in_a_real_lumbar_canal(loins, grade, way):
    found = assess_epidural(plant(loins, grade, Level.L3, WAYS[way]), loins.places, conus=Level.L1)
    result = found.results[Level.L3]
    print(
        f"\n{way} {grade}: {result.grade and result.grade.value} {[i.value for i in result.possible]} {result.reason}"
    )
    assert "unvalidated" in result.modified
    assert Grade(grade) in result.possible
    if grade != "1a":
        # Two voxels of 1.5 mm are what 1a would need; there is less room.
        assert result.grade is Grade(grade)


def test_without_a_word_on_the_conus_a_lumbar_level_stays_open(loins):
    outlines = plant(loins, "1b", Level.L3, WAYS["ventral"])
    result = assess_epidural(replace(outlines, cord=None), loins.places).results[Level.L3]
    assert result.grade is None


@pytest.mark.parametrize("grade", ["1c", "2", "3"])
def test_round_a_labeled_cord_of_coarse_voxels_the_planted_grade_stays_possible(loins, tptbox_files, grade):
    """Voxels of 1.5 mm are a third of this thin cord's depth: the grade may stay open, never sure and wrong.

    The mass comes from behind, where this cord lies: in front of it, fluid is left.
    """
    parts = read_image(tptbox_files / "sample_mri/sub-mri_seg-subreg_label-6_msk.nii.gz").image
    names = dict(zip((Level.L2, Level.L3, Level.L4), (Level.T11, Level.T12, Level.L1), strict=True))
    cord = parts.with_array(parts.array == 60)
    places = {names[level]: place for level, place in loins.places.items()}
    thoracic = replace(loins, cord=cord, places=places)
    found = assess_epidural(plant(thoracic, grade, Level.T11, WAYS["dorsal"]), places, conus=Level.L1)
    result = found.results[Level.T11]
    print(f"\n{grade}: {result.grade and result.grade.value} {[i.value for i in result.possible]} {result.reason}")
    assert Grade(grade) in result.possible
