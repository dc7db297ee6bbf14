"""Frames, heights and volumes of solids of known size, on any grid and in any pose."""

from __future__ import annotations

import numpy as np
import pytest

from anatomy_solids import Solid, stack, turned, voxelize
from spinemet.anatomy import Column, LevelHint, Plane, measure_spine, measure_vertebra, spine_line
from spinemet.anatomy.heights import DEPTHS, SIDES
from spinemet.anatomy.spine_line import HINT_STAYS_DEG
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

UPRIGHT = LevelHint()
LUMBAR = (Level.L1, Level.L2, Level.L3, Level.L4)


def hint(pose: np.ndarray) -> LevelHint:
    """The course of the spine, 5° off, as a spine's curve would tell it."""
    rough = pose @ turned(pitch=4, roll=3)
    return LevelHint(tuple(rough[:, 2]), tuple(rough[:, 1]))


def errors(solid: Solid, vertebra) -> np.ndarray:
    return np.array(
        [
            vertebra.height(column, plane).value - solid.height_at(DEPTHS[column], SIDES[plane])
            for plane in Plane
            for column in Column
        ]
    )


SHAPES = {
    "plain": Solid(),
    "wedge": Solid(wedge=18, height=22),
    "lateral wedge": Solid(lateral=12),
    "crushed": Solid(height=11, concavity=1.0),
    "biconcave": Solid(concavity=3.0),
    "thoracic": Solid(width=28, depth=26, height=19, canal=8),
    "small": Solid().scaled(0.6),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("spacing", "within"), [((0.8, 0.8, 1.0), 0.5), ((2, 2, 2), 1.2)])
def test_heights_are_those_the_solid_was_built_with(shape, spacing, within):
    solid = SHAPES[shape]
    pose = turned(pitch=12, roll=-7, yaw=9)
    vertebra = measure_vertebra(voxelize(solid, spacing=spacing, pose=pose), Level.L3, hint=hint(pose))
    assert vertebra.measured, vertebra.reason
    assert np.abs(errors(solid, vertebra)).max() < within


@pytest.mark.parametrize("pitch", [-35, 0, 25])
@pytest.mark.parametrize("oblique", [False, True])
def test_the_frame_is_the_bodys_own_whatever_the_image_axes(pitch, oblique):
    pose = turned(pitch=pitch, roll=14, yaw=-20)
    axes = turned(pitch=-30, roll=25, yaw=40) if oblique else None
    mask = voxelize(Solid(wedge=10), spacing=(0.7, 0.7, 1.0), pose=pose, axes=axes, center=(31, -120, 488))
    frame = measure_vertebra(mask, Level.L2, hint=hint(pose)).frame
    for own, true in ((frame.superior, pose[:, 2]), (frame.anterior, pose[:, 1]), (frame.right, pose[:, 0])):
        assert np.degrees(np.arccos(min(1.0, float(np.dot(own, true))))) < 2.0
    assert np.linalg.norm(np.array(frame.origin) - (31, -120, 488)) < 1.0


def test_the_stated_half_width_holds_the_error_in_nearly_all_cases():
    rng = np.random.default_rng(5)
    held = []
    for _ in range(8):
        solid = Solid(wedge=rng.uniform(-10, 10), height=rng.uniform(12, 30), concavity=rng.uniform(0, 2))
        pose = turned(pitch=rng.normal(0, 8), roll=rng.normal(0, 4))
        spacing = rng.choice([0.8, 1.25, 2.5])
        mask = voxelize(solid, spacing=spacing, pose=pose, phase=rng.uniform(0, 1, 3))
        vertebra = measure_vertebra(mask, Level.L3, hint=hint(pose))
        margins = [vertebra.height(column, plane).uncertainty for plane in Plane for column in Column]
        held.extend(np.abs(errors(solid, vertebra)) <= margins)
    assert np.mean(held) > 0.9


def test_a_body_that_is_twice_as_large_measures_twice_as_much():
    small, large = (
        measure_vertebra(voxelize(Solid().scaled(s), spacing=0.8 * s), Level.T8, hint=UPRIGHT) for s in (0.6, 1.2)
    )
    for column in Column:
        assert large.height(column).value == pytest.approx(2 * small.height(column).value, rel=0.03)
    assert large.body_volume.value == pytest.approx(8 * small.body_volume.value, rel=0.04)


def test_height_lines_end_at_the_plates_and_run_along_the_own_axis():
    vertebra = measure_vertebra(voxelize(Solid(wedge=8), spacing=0.8), Level.L1, hint=UPRIGHT)
    height = vertebra.heights[Plane.MIDDLE][Column.ANTERIOR]
    line = np.subtract(height.superior, height.inferior)
    assert np.linalg.norm(line) == pytest.approx(height.measurement.value, abs=1e-6)
    assert float(line @ vertebra.frame.superior) == pytest.approx(height.measurement.value, abs=1e-6)
    assert height.superior[2] == pytest.approx(height.measurement.value / 2, abs=0.5)


def test_body_and_arch_part_at_the_posterior_wall():
    solid = Solid()
    mask = voxelize(solid, spacing=0.8)
    vertebra = measure_vertebra(mask, Level.L3, hint=UPRIGHT)
    k, j, i = np.indices(mask.shape)
    body = solid.in_body(mask.to_world(np.stack([i, j, k], axis=-1)))
    both = np.count_nonzero(body & vertebra.body)
    assert 2 * both / (np.count_nonzero(body) + np.count_nonzero(vertebra.body)) > 0.98
    assert vertebra.body_volume.value == pytest.approx(np.count_nonzero(body) * mask.voxel_volume / 1000, rel=0.03)
    assert not (vertebra.arch & vertebra.body).any()
    assert ((vertebra.arch | vertebra.body) == vertebra.mask.array).all()


def test_an_open_arch_is_measured_and_said():
    vertebra = measure_vertebra(voxelize(Solid(closed=False, canal=9)), Level.L3, hint=UPRIGHT)
    assert vertebra.measured
    assert np.abs(errors(Solid(), vertebra)).max() < 0.7
    assert any("arch is not closed" in note for note in vertebra.notes)


@pytest.mark.parametrize(
    ("level", "said"), [(Level.C1, "C1 has no"), (Level.C2, "dens"), (Level.S1, "sacrum"), (Level.S3, "sacrum")]
)
def test_levels_without_an_ordinary_body_have_no_heights_and_say_why(level, said):
    vertebra = measure_vertebra(voxelize(Solid().scaled(0.6), spacing=0.7), level, hint=UPRIGHT)
    height = vertebra.height(Column.ANTERIOR)
    assert height.value is None
    assert said in height.reason


def degenerate() -> dict[str, np.ndarray]:
    blank = np.zeros((40, 60, 60), bool)
    voxel, slab, ball, two = (blank.copy() for _ in range(4))
    voxel[20, 30, 30] = True
    slab[20, 5:55, 5:55] = True
    k, j, i = np.indices(blank.shape)
    ball[(k - 20) ** 2 + (j - 30) ** 2 + (i - 30) ** 2 < 90] = True
    two[5:15, 20:40, 20:40] = True
    two[25:35, 20:40, 20:40] = True
    return {"empty": blank, "one voxel": voxel, "one slice": slab, "small ball": ball, "two pieces": two}


@pytest.mark.parametrize("kind", degenerate())
def test_odd_outlines_never_crash(kind):
    vertebra = measure_vertebra(Image(degenerate()[kind], np.eye(4)), Level.L3, hint=UPRIGHT)
    for measurement in vertebra.measurements:
        assert measurement.known or measurement.reason


def test_a_far_speck_changes_nothing_and_is_said():
    mask = voxelize(Solid(), spacing=1.0)
    array = np.pad(mask.array, ((0, 12), (0, 0), (0, 0)))
    array[-8:-3, 4:9, 4:9] = True
    clean = measure_vertebra(mask, Level.L3, hint=UPRIGHT)
    dirty = measure_vertebra(Image(array, mask.ijk_to_ras), Level.L3, hint=UPRIGHT)
    assert dirty.height(Column.MIDDLE).value == pytest.approx(clean.height(Column.MIDDLE).value, abs=0.05)
    assert any("pieces" in note for note in dirty.notes)


def test_a_vertebra_cut_by_the_image_edge_is_said_to_be_cut_and_not_measured():
    labels = stack({level: Solid() for level in LUMBAR})
    top = labels.region(1)[0]
    image = labels.image.crop((slice(0, (top.start + top.stop) // 2), slice(None), slice(None)))
    spine = measure_spine(LabelMap(image, labels.outlines))
    assert spine[Level.L1].cut == ("superior image edge",)
    assert "cut by the superior image edge" in spine[Level.L1].height(Column.ANTERIOR).reason
    assert all(spine[level].measured for level in LUMBAR[1:])


def test_a_cut_spinous_process_does_not_keep_a_body_from_being_measured():
    labels = stack({level: Solid() for level in LUMBAR})
    back = labels.region(1)[1].start
    spine = measure_spine(LabelMap(labels.image.crop(np.s_[:, back + 8 :, :]), labels.outlines))
    assert spine[Level.L2].measured
    assert any("arch is cut by the posterior" in note for note in spine[Level.L2].notes)


def test_a_measured_vertebra_depends_on_its_own_crop_and_rounded_hint_only():
    labels = stack({level: Solid() for level in LUMBAR})
    before = spine_line(labels)
    edited = labels.image.array.copy()
    edited[tuple(np.argwhere(edited == 4)[0])] = 0
    after = spine_line(LabelMap(labels.image.with_array(edited), labels.outlines))
    assert before.hints[Level.L1] == after.hints[Level.L1]
    assert before.hints[Level.L2] == after.hints[Level.L2]


def test_a_single_vertebra_needs_no_neighbors():
    vertebra = measure_spine(stack({Level.L3: Solid()}, spacing=0.8))[Level.L3]
    assert np.abs(errors(Solid(), vertebra)).max() < 0.7


def test_a_gap_between_levels_is_noted():
    spine = measure_spine(stack({Level.T12: Solid(), Level.L1: Solid(), Level.L4: Solid()}))
    assert "no outline for L2, L3 between L1 and L4" in spine.notes


def test_levels_out_of_order_are_noted():
    spine = measure_spine(stack({Level.L1: Solid(), Level.L3: Solid(), Level.L2: Solid(), Level.L4: Solid()}))
    assert any("check the names" in note for note in spine.notes)


def test_progress_is_told_and_may_cancel():
    told = []
    measure_spine(
        stack({level: Solid() for level in LUMBAR[:2]}), lambda fraction, text: told.append((fraction, text))
    )
    assert told[0] == (0.0, "Measuring L1")
    assert told[-1][0] == 1.0


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1, 2)])
def test_a_flipped_grid_changes_nothing(axes):
    pose = turned(pitch=12, roll=-7, yaw=9)
    mask = voxelize(Solid(wedge=12, height=22), spacing=(0.6, 0.6, 1.0), pose=pose)
    matrix = mask.ijk_to_ras.copy()
    for axis in axes:
        matrix[:3, 3] += matrix[:3, 2 - axis] * (mask.shape[axis] - 1)
        matrix[:3, 2 - axis] *= -1
    flipped = Image(np.ascontiguousarray(np.flip(mask.array, axes)), matrix)
    one, other = (measure_vertebra(item, Level.L3, hint=hint(pose)) for item in (mask, flipped))
    assert np.abs(one.frame.axes - other.frame.axes).max() < 5e-4
    assert np.linalg.norm(np.subtract(one.frame.origin, other.frame.origin)) < 0.02
    for column in Column:
        assert other.height(column).value == pytest.approx(one.height(column).value, abs=0.02)


@pytest.mark.parametrize(
    ("solid", "share"),
    [(Solid(), 0.1), (Solid(wedge=8), 0.1), (Solid(wedge=15, closed=False), 0.5)],
    ids=["sound", "wedge", "the arch is open: the hint tells the front"],
)
def test_a_hint_that_turns_by_what_counts_as_the_same_moves_nothing_that_matters(solid, share):
    pose = turned(pitch=20, roll=12)
    mask = voxelize(solid, spacing=(0.8, 0.8, 1.2), pose=pose)
    given = hint(pose)
    measured = measure_vertebra(mask, Level.L3, hint=given)
    assert measured.measured
    for way in range(0, 360, 45):
        other = measure_vertebra(mask, Level.L3, hint=tilted(given, HINT_STAYS_DEG, way))
        for one, same in zip(measured.measurements, other.measurements, strict=True):
            if one.uncertainty is not None:
                assert same.value == pytest.approx(one.value, abs=share * one.uncertainty), (way, one.name)
        assert float(np.dot(measured.frame.superior, other.frame.superior)) > np.cos(np.radians(0.1))


def tilted(given: LevelHint, degrees: float, way: float) -> LevelHint:
    """A hint whose directions both turned by an angle, the spine's toward one side and the front's across it."""
    up, front = np.array(given.superior), np.array(given.anterior)
    across = np.cross(front, up)
    turn, side = np.radians([degrees, way])
    superior = np.cos(turn) * up + np.sin(turn) * (np.cos(side) * front + np.sin(side) * across)
    anterior = np.cos(turn) * front + np.sin(turn) * (np.cos(side) * across + np.sin(side) * up)
    return LevelHint(tuple(superior.tolist()), tuple(anterior.tolist()), given.cut)
