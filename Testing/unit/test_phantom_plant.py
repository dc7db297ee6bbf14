"""Planting lesions into a CT that is nothing but a noisy block of bone in soft tissue."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.errors import BadInput, GridMismatch
from spinemet.image import Image
from spinemet.phantom import plant

CENTER = (-20.0, 20.0, 45.0)


@pytest.fixture(scope="module")
def block():
    """CT (int16) of 60×60×60 mm with an oblique grid; the bone is a box of trabecular HU with a dense shell."""
    rng = np.random.default_rng(0)
    turn = np.array([[np.cos(0.2), -np.sin(0.2), 0], [np.sin(0.2), np.cos(0.2), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.array([0.8, 0.8, 1.5])
    matrix[:3, 3] = np.array(CENTER) - matrix[:3, :3] @ np.array([40.0, 40.0, 20.0])
    values = np.full((41, 81, 81), 40.0)
    bone = np.zeros(values.shape, bool)
    bone[6:35, 15:66, 15:66] = True
    values[bone] = 700
    values[7:34, 17:64, 17:64] = 180
    values += rng.normal(0, 20, values.shape)
    return Image(values.astype(np.int16), matrix, name="CT"), Image(bone, matrix, name="bone")


def planted(block, kind, radii=(10, 10, 10), center=CENTER, **more):
    ct, bone = block
    new, mask = plant(ct, bone, kind=kind, center_ras=center, radii_mm=radii, seed=5, **more)
    return ct, bone, new, mask


def test_the_input_stays_as_it_was_and_only_bone_near_the_lesion_changes(block):
    before = block[0].fingerprint
    ct, bone, new, mask = planted(block, "lytic")
    changed = ct.array != new.array
    assert Image(ct.array, ct.ijk_to_ras).fingerprint == before
    assert new.array.dtype == ct.array.dtype
    assert not changed[~bone.array].any()
    k, j, i = np.nonzero(changed)
    assert np.linalg.norm(ct.to_world(np.stack([i, j, k], axis=1)) - CENTER, axis=1).max() < 15
    assert mask.array.dtype == bool and mask.shape == ct.shape


def test_the_volume_is_that_of_the_ellipsoid(block):
    radii = (8, 10, 12)
    _, _, _, mask = planted(block, "lytic", radii)
    volume = mask.array.sum() * mask.voxel_volume
    assert volume == pytest.approx(4 / 3 * np.pi * np.prod(radii), rel=0.12)


def test_axes_turn_the_ellipsoid(block):
    axes = [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]
    _, _, _, mask = planted(block, "lytic", (14, 6, 6), axes=axes)
    k, j, i = np.nonzero(mask.array)
    spread = mask.to_world(np.stack([i, j, k], axis=1)).std(axis=0)
    assert spread[1] > 1.7 * spread[0]


def test_a_lytic_lesion_looks_like_soft_tissue_with_the_noise_of_the_ct(block):
    _, _, new, mask = planted(block, "lytic")
    inside = new.array[mask.array].astype(float)
    assert np.median(inside) == pytest.approx(50, abs=12)
    assert inside.std() == pytest.approx(20, rel=0.6)


def test_a_blastic_lesion_is_400_to_800_hu_denser(block):
    _, _, new, mask = planted(block, "blastic")
    assert 180 + 400 < np.median(new.array[mask.array]) < 180 + 800


def test_a_mixed_lesion_has_lumps_of_both(block):
    _, _, new, mask = planted(block, "mixed", (14, 14, 14))
    inside = new.array[mask.array]
    assert 0.35 < (inside < 100).mean() < 0.7
    assert 0.25 < (inside > 400).mean() < 0.6


def test_a_lesion_may_break_the_cortex_but_never_leaves_the_bone(block):
    ct, bone = block
    edge = ct.to_world([17.0, 40.0, 20.0])
    _, _, new, mask = planted(block, "lytic", (8, 8, 8), edge)
    assert not (mask.array & ~bone.array).any()
    shell = mask.array & (ct.array > 500)
    assert shell.sum() > 20
    assert np.median(new.array[shell]) < 400


def test_the_same_seed_plants_the_same_lesion(block):
    first, again = (planted(block, "mixed")[2].array for _ in range(2))
    assert np.array_equal(first, again)


def test_wrong_wishes_are_refused(block):
    ct, bone = block
    with pytest.raises(BadInput, match="lytic, blastic or mixed"):
        planted(block, "cystic")
    with pytest.raises(BadInput, match="no bone"):
        planted(block, "lytic", (3, 3, 3), ct.to_world([3.0, 3.0, 2.0]))
    with pytest.raises(GridMismatch):
        plant(ct, bone.crop((slice(0, 30),) * 3), kind="lytic", center_ras=CENTER, radii_mm=(5, 5, 5))
