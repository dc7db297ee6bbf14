"""Lesions of known size and density in solids of known bone."""

from __future__ import annotations

import numpy as np
import pytest

from anatomy_solids import Solid, stack
from spinemet.anatomy import bone_reference, involved_levels, lesion_mask, measure_lesion, measure_spine
from spinemet.case import Outline, Structure
from spinemet.errors import GridMismatch
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

L1, L2, L3, L4 = (Level(name) for name in ("L1", "L2", "L3", "L4"))
SPACING = 1.0


class Study:
    """Four solids of bone with noise, and whatever lesion a test paints."""

    def __init__(self, bone: float = 160.0, noise: float = 20.0) -> None:
        self.labels = stack({level: Solid(height=25) for level in (L1, L2, L3, L4)}, spacing=SPACING)
        self.spine = measure_spine(self.labels)
        rng = np.random.default_rng(1)
        self.hu = np.where(self.labels.image.array > 0, bone, 30.0) + rng.normal(0, noise, self.labels.image.shape)
        self.lesion = np.zeros(self.labels.image.shape, np.uint8)
        k, j, i = np.indices(self.labels.image.shape)
        self.points = self.labels.image.to_world(np.stack([i, j, k], axis=-1))

    def local(self, level: Level = L2) -> np.ndarray:
        return self.spine[level].frame.to_local(self.points)

    def paint(self, where: np.ndarray, hu: float | None, *, value: int = 1, within: int | None = 2) -> None:
        inside = where if within is None else where & (self.labels.image.array == within)
        self.lesion[inside] = value
        if hu is not None:
            self.hu[inside] += hu - 160.0

    @property
    def ct(self) -> Image:
        return self.labels.image.with_array(self.hu.astype(np.float32))

    @property
    def lesions(self) -> LabelMap:
        values = [int(v) for v in np.unique(self.lesion) if v]
        return LabelMap(
            self.labels.image.with_array(self.lesion),
            {v: Outline(Structure.LESION, lesion_id=f"lesion-{v}") for v in values},
        )

    def measure(self, ct: bool = True):
        involvement = involved_levels(self.spine, self.lesions)
        image = self.ct if ct else None
        reference = bone_reference(image, self.spine, L2, involved=set(involvement.levels))
        vertebra = self.spine[L2]
        return measure_lesion(image, vertebra, lesion_mask(vertebra, self.lesions, involvement.levels[L2]), reference)


@pytest.fixture
def study() -> Study:
    return Study()


def front(study: Study, share: float) -> np.ndarray:
    """The front `share` of the body's depth."""
    return study.local()[..., 1] > (0.5 - share) * 33.0


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_body_involvement_is_the_share_of_the_bodys_volume(study, share):
    study.paint(front(study, share), 40)
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 801), np.linspace(-0.5, 0.5, 801))
    outline = (2 * np.abs(x)) ** 4 + (2 * np.abs(y)) ** 4 <= 1
    truth = 100 * np.count_nonzero(outline & (y > 0.5 - share)) / np.count_nonzero(outline)
    assert study.measure().body_involvement.value == pytest.approx(truth, abs=2.0)


def test_the_body_may_be_that_of_the_parts_with_its_corners_behind_the_wall(study):
    study.paint(front(study, 0.5), 40)
    vertebra = study.spine[L2]
    mask = lesion_mask(vertebra, study.lesions, [1])
    assert vertebra.body is not None
    larger = vertebra.body | (vertebra.mask.array & (own_places(vertebra)[..., 1] > vertebra.wall[0] - 3.0))
    found = measure_lesion(None, vertebra, mask, bone_reference(None, study.spine, L2, involved={L2}), body=larger)
    truth = 100 * np.count_nonzero(mask.array & larger) / np.count_nonzero(larger)
    assert found.body_involvement.value == pytest.approx(truth)
    assert found.body_involvement.value < study.measure().body_involvement.value


def own_places(vertebra) -> np.ndarray:
    k, j, i = np.indices(vertebra.mask.shape)
    return vertebra.frame.to_local(vertebra.mask.to_world(np.stack([i, j, k], axis=-1)))


@pytest.mark.parametrize(("hu", "low", "high"), [(20, 99, 100), (600, 0, 1)])
def test_thin_bone_is_lytic_and_dense_bone_blastic(study, hu, low, high):
    study.paint(front(study, 0.5), hu)
    assert low <= study.measure().lytic_share.value <= high


def test_half_thin_half_dense_is_mixed(study):
    left = study.local()[..., 0] < 0
    study.paint(front(study, 0.6) & left, 20)
    study.paint(front(study, 0.6) & ~left, 600)
    measures = study.measure()
    assert measures.lytic_share.value == pytest.approx(50, abs=5)
    assert measures.lytic_fraction.value + measures.blastic_fraction.value > 90


def test_the_reference_is_the_uninvolved_neighbors_bone(study):
    study.paint(front(study, 0.5), 20)
    reference = bone_reference(study.ct, study.spine, L2, involved={L2, L3})
    assert reference.levels == (L1, L4)
    assert reference.mean.value == pytest.approx(160, abs=1.5)
    assert 0 < reference.deviation.value < 20


def test_a_lesion_like_normal_bone_has_no_type(study):
    study.paint(front(study, 0.5), 160)
    share = study.measure().lytic_share
    assert share.value is None and "normal bone" in share.reason


def test_thin_bone_everywhere_leaves_lytic_unknown_but_dense_lesions_blastic():
    thin = Study(bone=85)
    thin.paint(front(thin, 0.5), 160 - 60)
    assert "soft tissue" in thin.measure().lytic_share.reason
    dense = Study(bone=85)
    dense.paint(front(dense, 0.5), 160 + 600)
    assert dense.measure().lytic_share.value < 5


def test_without_a_ct_density_is_unknown_and_the_share_is_not(study):
    study.paint(front(study, 0.5), 20)
    measures = study.measure(ct=False)
    assert measures.lytic_share.value is None and "no CT" in measures.lytic_share.reason
    assert measures.body_involvement.known


def test_without_an_uninvolved_level_the_type_is_unknown(study):
    study.paint(front(study, 0.5), 20)
    reference = bone_reference(study.ct, study.spine, L2, involved=set(study.spine.vertebrae))
    vertebra = study.spine[L2]
    measures = measure_lesion(study.ct, vertebra, lesion_mask(vertebra, study.lesions, [1]), reference)
    assert "no uninvolved" in measures.lytic_share.reason


def test_a_lesion_in_the_body_leaves_the_arch_free(study):
    study.paint(front(study, 0.5), 20)
    assert all(volume.value < 0.05 for volume in study.measure().arch_volumes.values())


@pytest.mark.parametrize(("side", "sign"), [("left", -1), ("right", 1)])
def test_lesion_in_one_half_of_the_arch_is_measured_on_that_side(study, side, sign):
    local = study.local()
    study.paint((local[..., 1] < -20) & (local[..., 0] * sign > 6), 20)
    measures = study.measure()
    other = {"left": "right", "right": "left"}[side]
    assert measures.arch_volumes[side].value > 0.3
    assert measures.arch_volumes[other].value < 0.05
    assert "arch only" in measures.lytic_share.reason


def test_a_lesion_too_thin_to_judge_has_no_type(study):
    study.paint(front(study, 0.04), 20)
    assert "too little" in study.measure().lytic_share.reason


def test_lesions_are_given_to_the_vertebrae_they_lie_in(study):
    study.paint(front(study, 0.4), 20)
    study.paint(study.local(L3)[..., 1] > 5, 20, value=2, within=3)
    involvement = involved_levels(study.spine, study.lesions)
    assert list(involvement.levels) == [L2, L3]
    assert set(involvement.levels[L2]) == {1} and set(involvement.levels[L3]) == {2}
    inside = np.count_nonzero(study.lesion == 2) * SPACING**3 / 1000
    assert involvement.levels[L3][2] == pytest.approx(inside, rel=0.01)


def test_one_lesion_in_two_vertebrae_involves_both(study):
    study.paint(front(study, 0.4), 20)
    study.paint(study.local(L3)[..., 1] > 5, 20, within=3)
    assert list(involved_levels(study.spine, study.lesions).levels) == [L2, L3]


def test_a_lesion_far_from_bone_is_noted(study):
    study.lesion[2:6, 2:6, 2:6] = 5
    involvement = involved_levels(study.spine, study.lesions)
    assert not involvement.levels
    assert involvement.notes == ("lesion-5 lies in no outlined vertebra",)


def test_a_lesion_that_the_outline_leaves_out_is_given_to_its_vertebra(study):
    hole = np.linalg.norm(study.local() - (0, 10, 0), axis=-1) < 6
    hole |= (np.linalg.norm(study.local()[..., [0, 2]], axis=-1) < 2) & (study.local()[..., 1] > 10)
    study.paint(hole, 20)
    array = np.where(study.lesion > 0, 0, study.labels.image.array)
    spine = measure_spine(LabelMap(study.labels.image.with_array(array), study.labels.outlines))
    involvement = involved_levels(spine, study.lesions)
    assert list(involvement.levels) == [L2]
    assert any("beside the outline of L2" in note for note in involvement.notes)


def test_lesions_on_another_grid_are_refused(study):
    study.paint(front(study, 0.5), 20)
    moved = study.labels.image.ijk_to_ras.copy()
    moved[0, 3] += 0.4
    with pytest.raises(GridMismatch):
        involved_levels(study.spine, LabelMap(Image(study.lesion, moved), study.lesions.outlines))
