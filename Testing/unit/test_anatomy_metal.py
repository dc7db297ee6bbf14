"""Metal and cement of known volume in a known vertebra, streaks, and the enostosis hint's conditions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from broken_bone import BrokenBone, broken_bone, oblique
from spinemet.anatomy.lesions.enostosis import enostosis_hint
from spinemet.anatomy.lesions.metal import Foreign, find_metal
from spinemet.case import ImageRef, Role
from spinemet.image import Image

CT = ImageRef("ct", Role.CT, "f", kvp=120.0, contrast=False)


@pytest.fixture(scope="module", params=["straight", "oblique"])
def bone(request) -> BrokenBone:
    axes = oblique() if request.param == "oblique" else None
    return broken_bone((0.0, 2.0, 0.0), 7.0, spacing=(0.8, 0.8, 1.2), axes=axes)


def own(case: BrokenBone) -> np.ndarray:
    k, j, i = np.indices(case.ct.shape)
    return (case.ct.to_world(np.stack([i, j, k], axis=-1)) - case.center) @ case.pose


def painted(case: BrokenBone, place: np.ndarray, hu: float) -> Image:
    return case.ct.with_array(np.where(place, np.float32(hu), case.ct.array))


def test_bone_without_metal_has_none(bone):
    found = find_metal(bone.ct, bone.vertebra)
    assert found.kind is Foreign.NONE
    assert found.instrumented is False
    assert found.affected == ""
    assert found.volume.value == 0.0


def test_a_pedicle_screw_is_found_with_its_volume_and_place(bone):
    points = own(bone)
    screw = (np.hypot(points[..., 0] - 15.5, points[..., 2] - 3.0) <= 3.0) & (np.abs(points[..., 1] + 15.0) <= 20.0)
    found = find_metal(painted(bone, screw, 3071.0), bone.vertebra)
    assert found.kind is Foreign.METAL
    assert found.instrumented
    assert "density and cortex" in found.affected
    assert found.volume.value == pytest.approx(np.pi * 9 * 40 / 1000, rel=0.1)
    assert np.linalg.norm(np.array(found.position) - bone.to_ras((15.5, -15.0, 3.0))) < 1.0
    assert found.peak.limits


def test_a_rod_beside_the_bone_counts_and_metal_far_away_does_not(bone):
    points = own(bone)
    behind = (np.hypot(points[..., 0] - 18.0, points[..., 1] + 46.0) <= 2.5) & (np.abs(points[..., 2]) < 14)
    assert find_metal(painted(bone, behind, 3000.0), bone.vertebra).instrumented
    far = np.zeros(bone.ct.shape, dtype=bool)
    corner = bone.ct.to_index(bone.to_ras((24.0, 19.0, 14.0)))
    i, j, k = np.clip(np.rint(corner).astype(int), 0, np.array(bone.ct.shape[::-1]) - 1)
    far[k, j, i] = True
    assert find_metal(painted(bone, far, 3000.0), bone.vertebra).instrumented is False


def test_cement_in_the_body_is_told_from_an_enostosis(bone):
    points = own(bone)
    ball = np.linalg.norm(points - np.array([0.0, 2.0, 0.0]), axis=-1) <= 7.0
    cement = find_metal(painted(bone, ball, 2000.0), bone.vertebra)
    assert cement.kind is Foreign.CEMENT
    assert cement.instrumented
    assert cement.volume.value == pytest.approx(4 / 3 * np.pi * 343 / 1000, rel=0.1)
    assert find_metal(painted(bone, ball, 1250.0), bone.vertebra).kind is Foreign.NONE


def test_streaks_of_metal_in_the_same_slices_reach_the_vertebra(bone):
    points = own(bone)
    wide = 60
    array = np.pad(bone.ct.array, ((0, 0), (wide, wide), (wide, wide)), constant_values=50.0)
    matrix = bone.ct.ijk_to_ras.copy()
    matrix[:3, 3] = bone.ct.to_world([-wide, -wide, 0])
    dark = (np.abs(points[..., 1]) <= 3.0) & (np.abs(points[..., 2]) <= 6.0)
    array[:, wide:-wide, wide:-wide][dark] = -450.0
    no_metal = find_metal(Image(array, matrix), bone.vertebra)
    assert no_metal.affected == "", "gas in a cleft is no streak"
    middle = np.rint(Image(array, matrix).to_index(bone.to_ras((50.0, 0.0, 0.0)))).astype(int)
    i, j, k = middle
    array[k - 3 : k + 4, j - 3 : j + 4, i - 3 : i + 4] = 3071.0
    streaked = find_metal(Image(array, matrix), bone.vertebra)
    assert streaked.instrumented is False
    assert "streaks" in streaked.affected
    assert streaked.streaks.value > 0.1


def test_without_a_ct_metal_is_unknown(bone):
    found = find_metal(None, bone.vertebra)
    assert found.instrumented is None
    assert all(item.value is None for item in found.measurements)


@pytest.mark.parametrize(("hu", "likely"), [(1200.0, True), (900.0, True), (700.0, False), (50.0, False)])
def test_the_enostosis_hint_follows_the_published_thresholds(bone, hu, likely):
    ct = bone.ct.with_array(np.where(bone.lesion.array, np.float32(hu), bone.ct.array))
    found = enostosis_hint(ct, CT, bone.vertebra, bone.lesion, treated=False)
    assert found.likely is likely
    assert found.mean.value == pytest.approx(hu, abs=1.0)
    assert bool(found.text()) is likely


@pytest.mark.parametrize(
    ("ref", "treated"),
    [
        (replace(CT, kvp=100.0), False),
        (replace(CT, kvp=None), False),
        (replace(CT, contrast=True), False),
        (replace(CT, contrast=None), False),
        (CT, True),
        (CT, None),
        (replace(CT, role=Role.T1), False),
    ],
)
def test_the_enostosis_hint_is_silent_where_the_rule_does_not_apply(bone, ref, treated):
    found = enostosis_hint(bone.ct, ref, bone.vertebra, bone.lesion, treated=treated)
    assert found.likely is None
    assert found.reason
    assert found.text() == ""
