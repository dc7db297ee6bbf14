"""Extent of lesions against synthetic patients' construction and against blocks of known size."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from spinemet import anatomy, phantom
from spinemet.anatomy.lesions.cortex import cortical_breaks
from spinemet.anatomy.lesions.extent import LesionExtent, expected_body_volume, expected_involvement, measure_extent
from spinemet.case import Outline, Role, Structure
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.phantom.lesion import sample_bone

SEED = 3


@cache
def patient(seed: int = SEED) -> tuple[phantom.SyntheticPatient, anatomy.Spine, anatomy.Involvement]:
    made = phantom.create(replace(phantom.random_spec(seed), modalities=(Role.CT,)))
    spine = anatomy.measure_spine(made.vertebrae)
    return made, spine, anatomy.involved_levels(spine, made.lesions)


def extents(**how) -> dict[Level, LesionExtent]:
    made, spine, involvement = patient()
    return {level: measure_extent(level, spine, made.lesions, involvement, **how) for level in involvement.levels}


def test_the_epidural_volume_is_that_of_the_construction():
    made, _, _ = patient()
    seen = []
    for level, found in extents().items():
        truth = made.truth["levels"][str(level)]["lesion"]["epidural_volume_ml"]
        assert found.epidural.value == pytest.approx(truth, abs=max(0.02, 0.05 * truth)), level
        assert found.is_epidural == (truth > 0), level
        assert found.is_paraspinal is False, level
        seen.append(truth)
    assert max(seen) > 1.0


def test_an_outlined_canal_gives_the_same_epidural_volume():
    made, _, _ = patient()
    structures = made.structures
    inside = [value for value in structures.outlines if structures.outlines[value].structure is not Structure.DISC]
    canal = structures.image.with_array(np.isin(structures.image.array, inside))
    by_arch, by_canal = extents(), extents(canal=canal)
    for level, found in by_canal.items():
        assert found.epidural.value == pytest.approx(by_arch[level].epidural.value, abs=0.1), level


def test_the_body_share_is_that_of_the_construction():
    made, _, _ = patient()
    for level, found in extents().items():
        truth = made.truth["levels"][str(level)]["lesion"]["body_share_percent"]
        assert found.parts["body"].value == pytest.approx(truth, abs=2.0), level


def test_the_expected_volume_of_a_collapsed_body_is_that_before_the_collapse():
    made, spine, involvement = patient()
    collapsed = [item.level for item in made.spec.collapses]
    for level in collapsed:
        loss = anatomy.collapse(level, spine, involved=involvement.levels)
        expected = expected_body_volume(level, spine, loss.neighbors)
        intact = sample_bone(made.model.shapes[level].intact, 0.8)
        truth = np.count_nonzero(intact.part == 0) * intact.volume / 1000
        assert expected.value == pytest.approx(truth, abs=expected.uncertainty), level
        assert spine[level].body_volume.value < 0.9 * expected.value
        share, left = expected_involvement(spine[level], 1.0, expected)
        assert share.value == pytest.approx(100 / truth, rel=0.1)
        assert share.value + left.value < 90.0


def test_the_cortex_is_lost_where_a_lytic_lesion_was_built_into_the_shell():
    made, spine, involvement = patient()
    for item in made.spec.lesions:
        if item.kind != "lytic" or item.body_share < 0.3:
            continue
        lesion = anatomy.lesion_mask(spine[item.level], made.lesions, involvement.levels[item.level])
        found = cortical_breaks(made.images[Role.CT], spine[item.level], lesion)
        truth = lost_surface(made, item.level)
        assert found.area.value == pytest.approx(truth, abs=max(1.2 * found.area.uncertainty, 0.06 * truth))


def lost_surface(made: phantom.SyntheticPatient, level: Level, step: float = 0.6) -> float:
    """Area (mm²) of the constructed bone's surface where the lesion takes more than half of the shell."""
    shape, lesion = made.model.shapes[level], made.model.lesions[level]
    low, high = shape.bounds.min(axis=0), shape.bounds.max(axis=0)
    axes = [np.arange(a, b, step, dtype=np.float32) for a, b in zip(low, high, strict=True)]
    bone = shape.bone(*np.meshgrid(*axes, indexing="ij"))
    slope = np.stack(np.gradient(bone, step), axis=-1)
    area = 0.0
    for axis in range(3):
        faces = np.argwhere(np.diff((bone < 0).astype(np.int8), axis=axis))
        ahead = faces + np.eye(3, dtype=int)[axis]
        normal = slope[tuple(faces.T)] + slope[tuple(ahead.T)]
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        x, y, z = (low + (faces + ahead) / 2 * step - 0.5 * normal).astype(np.float32).T
        inside = lesion.distance(x, y, z, shape.body(x, y, z) - 1, shape.arch(x, y, z)) < 0
        area += float(np.abs(normal[inside, axis]).sum()) * step**2
    return area


def test_soft_tissue_beside_the_bone_is_paraspinal_and_shared_out_between_its_levels():
    made, spine, _ = patient()
    image = made.vertebrae.image
    first, second = Level.L1, Level.L2
    upper, lower = np.array(spine[first].frame.origin), np.array(spine[second].frame.origin)
    region = image.grid.region_around(np.stack([upper, lower]), 60.0)
    crop = image.crop(region)
    k, j, i = np.indices(crop.shape)
    points = crop.to_world(np.stack([i, j, k], axis=-1)).astype(np.float32)
    beside = np.array([-38.0, 0.0, 0.0])
    blob = np.linalg.norm(points - upper - beside, axis=-1) <= 9.0
    blob |= np.linalg.norm(points - lower - beside, axis=-1) <= 6.0
    cores = (np.linalg.norm(points - upper, axis=-1) <= 5.0) | (np.linalg.norm(points - lower, axis=-1) <= 5.0)
    array = np.zeros(image.shape, dtype=bool)
    array[region] = blob | cores
    lesions = labels(image, array)
    involvement = anatomy.involved_levels(spine, lesions)
    assert set(involvement.levels) == {first, second}
    for level, radius in ((first, 9.0), (second, 6.0)):
        found = measure_extent(level, spine, lesions, involvement)
        truth = 4 / 3 * np.pi * radius**3 / 1000
        assert found.paraspinal.value == pytest.approx(truth, rel=0.05)
        assert found.is_paraspinal
        assert found.is_epidural is False
        assert set(found.in_neighbors) == {first, second} - {level}
        assert np.linalg.norm(np.array(found.paraspinal.position) - spine[level].frame.origin - beside) < 2.0


def test_an_outline_that_spills_over_by_a_voxel_is_no_extension():
    made, spine, _ = patient()
    image = made.vertebrae.image
    value = made.vertebrae.value_of(Level.L4)
    bone = image.array == value
    k, j, i = np.nonzero(bone)
    grown = bone.copy()
    for axis, index in enumerate((k, j, i)):
        for step in (-1, 1):
            place = [k, j, i]
            place[axis] = np.clip(index + step, 0, image.shape[axis] - 1)
            grown[tuple(place)] = True
    lesions = labels(image, grown & ((image.array == value) | (image.array == 0)))
    involvement = anatomy.Involvement({Level.L4: {1: 1.0}})
    found = measure_extent(Level.L4, spine, lesions, involvement)
    assert found.paraspinal.value > 1.0
    assert found.is_paraspinal is False
    assert found.is_epidural is False


def test_unmeasured_vertebrae_say_why():
    made, spine, _ = patient()
    level = Level.L4
    blind = replace(spine[level], body=None, reason="the body was not found")
    other = anatomy.Spine({**spine.vertebrae, level: blind})
    lesions = labels(made.vertebrae.image, made.lesions.image.array > 0)
    found = measure_extent(level, other, lesions, anatomy.Involvement({level: {1: 1.0}}))
    assert found.epidural.value is None
    assert "body" in found.epidural.reason
    assert found.parts["body"].value is None
    assert found.is_epidural is None


def labels(image: Image, array: np.ndarray) -> LabelMap:
    return LabelMap(image.with_array(array.astype(np.uint8)), {1: Outline(Structure.LESION, lesion_id="lesion-1")})
