"""The polyrigid field against closed formulas: bones rigid, smooth between, the spine's motion far away, no folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from spinemet.case import Outline, Structure
from spinemet.image import Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.registration import RigidMotion
from spinemet.registration.field import REACH_MM, Field, polyrigid
from spinemet.registration.jacobian import determinants
from spinemet.registration.twist import displacements, twist_of
from spinemet.registration.warp import (
    image_onto_fixed,
    image_onto_moving,
    labels_onto_fixed,
    labels_onto_moving,
    to_fixed_transform,
    to_moving_transform,
)

RIGID_MM = 0.05
LPS = np.array([-1.0, -1.0, 1.0])
SPINE = RigidMotion.about([4.0, -3.0, 40.0], [0.15, -0.1, 0.3], [25.0, -10.0, 40.0])
BENDS = {
    Level.L2: RigidMotion.about([0, 0, 70], [0.08, 0.02, -0.03], [1.5, -2.0, 0.5]),
    Level.L3: RigidMotion.about([0, 0, 40], [0.0, 0.0, 0.0], [-0.5, 0.5, 0.0]),
    Level.L4: RigidMotion.about([0, 0, 10], [-0.07, 0.0, 0.04], [0.5, 2.5, -1.0]),
}
"""Up to 5° and 3 mm beside the whole spine's motion."""
MOTIONS = {level: SPINE.after(bend) for level, bend in BENDS.items()}
OBLIQUE = RigidMotion.about([0, 0, 40], [0.05, 0.2, -0.1]).matrix


def bones(matrix: np.ndarray | None = None, gap: int = 4) -> LabelMap:
    """Three boxes of 20 slices, `gap` slices apart, 1.25 mm voxels."""
    array = np.zeros((3 * 20 + 2 * gap + 4, 40, 40), np.uint8)
    for n in range(3):
        start = 2 + n * (20 + gap)
        array[start : start + 20, 8:32, 6:34] = 3 - n
    placed = np.diag([-1.25, -1.25, 1.25, 1.0]) if matrix is None else matrix @ np.diag([-1.25, -1.25, 1.25, 1.0])
    outlines = {n: Outline(Structure.VERTEBRA, level) for n, level in enumerate(BENDS, start=1)}
    return LabelMap(Image(array, placed, name="bones"), outlines)


def inside(labels: LabelMap, level: Level) -> np.ndarray:
    mask = labels.mask(labels.levels[level], 0)
    return mask.to_world(np.argwhere(mask.array)[:, ::-1])


def lattice(labels: LabelMap, margin: float) -> np.ndarray:
    low, high = labels.image.grid.corners.min(axis=0) - margin, labels.image.grid.corners.max(axis=0) + margin
    return np.random.default_rng(0).uniform(low, high, (4000, 3))


@pytest.fixture(scope="module")
def field() -> Field:
    return polyrigid(SPINE, MOTIONS, bones())


def test_the_exponential_gives_back_the_motion_of_its_logarithm():
    grid = Grid((4, 5, 6), OBLIQUE @ np.diag([3.0, 2.0, 4.0, 1.0]))
    k, j, i = np.indices(grid.shape)
    nodes = grid.to_world(np.stack([i, j, k], axis=-1))
    for motion in (SPINE, RigidMotion.shift([1, 2, 3]), RigidMotion.about([1, 2, 3], [1e-5, 0, 0])):
        twists = np.broadcast_to(twist_of(motion, grid.center), (*grid.shape, 6)).astype(np.float32)
        assert np.allclose(nodes + displacements(twists, grid, grid.center), motion.apply(nodes), atol=1e-3)


@pytest.mark.parametrize("matrix", [None, OBLIQUE], ids=["straight", "oblique"])
@pytest.mark.parametrize("spacing", [2.0, 2.5, 3.0])
def test_bones_move_rigidly_on_the_grid(matrix, spacing):
    labels = bones(matrix, gap=6)
    field = polyrigid(SPINE, MOTIONS, labels, spacing_mm=spacing)
    for level, motion in MOTIONS.items():
        points = inside(labels, level)
        off = np.linalg.norm(field.on_grid(points) - motion.apply(points), axis=1)
        # The discs are higher than two cells: no node belongs to two bones.
        assert off.max() <= RIGID_MM, level


def test_bones_that_touch_bend_on_the_grid_within_two_cells_of_each_other_only():
    labels = bones(gap=0)
    field = polyrigid(SPINE, MOTIONS, labels)
    for level, motion in MOTIONS.items():
        points = inside(labels, level)
        away = np.min(
            [np.abs(points[:, 2] - inside(labels, one)[:, 2].mean()) for one in MOTIONS if one is not level], axis=0
        )
        off = np.linalg.norm(field.on_grid(points) - motion.apply(points), axis=1)
        # Half the other bone, half a voxel, two cells.
        assert off[away > 12.5 + 0.7 + 2 * 2.5].max() <= RIGID_MM


@pytest.mark.parametrize("gap", [0, 1, 3], ids=lambda gap: f"{1.25 * gap:g} mm apart")
def test_points_of_bones_that_touch_move_exactly_rigidly_there_and_back(gap):
    labels = bones(OBLIQUE, gap)
    field = polyrigid(SPINE, MOTIONS, labels)
    for level, motion in MOTIONS.items():
        points = inside(labels, level)
        corner = points + np.random.default_rng(1).uniform(-0.6, 0.6, points.shape) @ OBLIQUE[:3, :3].T
        for place in (points, corner):
            assert np.abs(field.to_moving(place) - motion.apply(place)).max() < 1e-9
        back = np.linalg.norm(field.to_fixed(motion.apply(points)) - points, axis=1)
        # What two moved bones both cover is the upper one's.
        alone = ~np.any([covered(labels, one, motion.apply(points)) for one in MOTIONS if one is not level], axis=0)
        assert back[alone].max() < 1e-9 and alone.mean() > 0.9


def covered(labels: LabelMap, level: Level, points: np.ndarray) -> np.ndarray:
    """Whether points of the moving image lie in a moved bone."""
    mask = labels.mask(labels.levels[level], 1)
    array = mask.array.astype(np.uint8)
    return mask.with_array(array).sample(MOTIONS[level].inverse.apply(points), order=0, outside=0) > 0


def test_images_and_outlines_of_bones_that_touch_are_carried_rigidly():
    labels = bones(gap=0)
    field = polyrigid(SPINE, MOTIONS, labels)
    grid = labels.image.grid
    k, j, i = np.indices(grid.shape)
    world = grid.to_world(np.stack([i, j, k], axis=-1))
    there = field.to_moving(grid.corners)
    matrix = np.diag([1.0, 1.0, 1.0, 1.0])
    matrix[:3, 3] = there.min(axis=0) - 5
    size = np.ceil(there.max(axis=0) - there.min(axis=0) + 10).astype(int) + 1
    wide = Grid(tuple(size[::-1]), matrix)
    kk, jj, ii = np.indices(wide.shape)
    # A ramp along one axis of the moving image: its value at a voxel tells where the voxel was taken from.
    ramp = Image(wide.to_world(np.stack([ii, jj, kk], axis=-1))[..., 2].astype(np.float32), matrix, name="ramp")
    taken = image_onto_fixed(field, ramp, grid)
    carried = labels_onto_moving(field, labels, wide)
    for level, motion in MOTIONS.items():
        own = labels.image.array == labels.levels[level]
        assert np.abs(taken.array[own] - motion.apply(world[own])[:, 2]).max() < 1e-3
        exact = covered(labels, level, (flat := wide.to_world(np.stack([ii, jj, kk], axis=-1).reshape(-1, 3))))
        alone = exact & ~np.any([covered(labels, one, flat) for one in MOTIONS if one is not level], axis=0)
        kept = (carried.image.array == carried.levels[level]).ravel()
        assert kept[alone].mean() > 0.97


def test_far_away_everything_moves_as_the_spine(field):
    points = lattice(bones(), 200.0)
    low, high = bones().image.grid.corners.min(axis=0), bones().image.grid.corners.max(axis=0)
    apart = np.linalg.norm(np.maximum(0, np.maximum(low - points, points - high)), axis=1)
    far = points[apart > REACH_MM + 5]
    assert len(far) > 1000
    assert np.allclose(field.to_moving(far), SPINE.apply(far))
    edge = field.displacements[[0, -1]], field.displacements[:, [0, -1]], field.displacements[:, :, [0, -1]]
    assert max(np.abs(item).max() for item in edge) < 1e-6


def test_nothing_folds_and_the_bend_is_smooth(field):
    low, high = determinants(field.displacements, field.grid)
    assert low.min() > 0.3
    assert high.max() < 3.0


def test_determinants_are_those_of_a_known_stretch():
    grid = Grid((5, 6, 7), OBLIQUE @ np.diag([2.0, 3.0, 4.0, 1.0]))
    k, j, i = np.indices(grid.shape)
    nodes = grid.to_world(np.stack([i, j, k], axis=-1))
    stretch = np.array([[1.2, 0.1, 0.0], [0.0, 0.9, 0.2], [0.05, 0.0, 1.1]])
    moved = (nodes @ stretch.T - nodes).astype(np.float32)
    assert np.allclose(determinants(moved, grid), np.linalg.det(stretch), atol=1e-4)
    flipped = (nodes * [-1, 1, 1] - nodes).astype(np.float32)
    assert np.allclose(determinants(flipped, grid), -1.0, atol=1e-3)


def test_points_come_back_from_where_they_went(field):
    points = lattice(bones(), 60.0)
    plain = replace(field, bones=None)
    assert np.abs(plain.to_fixed(plain.to_moving(points)) - points).max() < 0.01
    for level in MOTIONS:
        own = inside(bones(), level)
        assert np.abs(field.to_fixed(field.to_moving(own)) - own).max() < 1e-6
    # Beside a bone, a point may be carried into the outer half of its voxels by as much as the grid bends there.
    bent = max(
        np.linalg.norm(field.on_grid(own + half) - motion.apply(own + half), axis=1).max()
        for level, motion in MOTIONS.items()
        for own in [inside(bones(), level)]
        for half in 0.625 * np.concatenate([np.eye(3), -np.eye(3)])
    )
    assert np.linalg.norm(field.to_fixed(field.to_moving(points)) - points, axis=1).max() < 1.5 * bent


def test_itk_carries_points_as_we_do(field):
    points = lattice(bones(), 30.0)[:200]
    forward, back = to_moving_transform(field), to_fixed_transform(field)
    there = np.array([forward.TransformPoint((p * LPS).tolist()) for p in points]) * LPS
    assert np.allclose(there, field.on_grid(points), atol=1e-3)
    again = np.array([back.TransformPoint((p * LPS).tolist()) for p in there]) * LPS
    assert np.abs(again - points).max() < 0.3
    assert np.linalg.norm(again - points, axis=1).mean() < 0.02


def test_bones_that_would_cross_are_evened_out_without_a_fold():
    toward = {
        Level.L2: RigidMotion.shift([0, 0, -6.0]),
        Level.L3: RigidMotion.identity(),
        Level.L4: RigidMotion.shift([0, 0, 6.0]),
    }
    field = polyrigid(RigidMotion.identity(), toward, bones(gap=2))
    assert field.smoothed_nodes > 0
    assert determinants(field.displacements, field.grid)[0].min() > 0


def test_without_a_bend_nothing_is_left_beside_the_spine():
    field = polyrigid(SPINE, dict.fromkeys(MOTIONS, SPINE), bones())
    assert np.abs(field.displacements).max() < 1e-4
    plain = Field.of_spine(SPINE, bones().image.grid)
    points = lattice(bones(), 30.0)
    assert np.allclose(plain.to_moving(points), field.to_moving(points), atol=1e-3)
    assert np.allclose(plain.to_fixed(plain.to_moving(points)), points)


def test_an_image_is_brought_back_to_where_it_came_from(field):
    labels = bones()
    grid = labels.image.grid
    k, j, i = np.indices(grid.shape)
    smooth = np.sin(grid.to_world(np.stack([i, j, k], axis=-1)) @ [0.1, 0.08, 0.12])
    fixed = Image((1000 + 500 * smooth).astype(np.float32), grid.ijk_to_ras, name="fixed")
    corners = field.to_moving(grid.corners)
    size = np.ceil((corners.max(axis=0) - corners.min(axis=0)) / 1.25).astype(int) + 1
    matrix = np.diag([1.25, 1.25, 1.25, 1.0])
    matrix[:3, 3] = corners.min(axis=0)
    moving = image_onto_moving(field, fixed, Grid(tuple(size[::-1]), matrix))
    back = image_onto_fixed(field, moving, grid, outside=np.nan)
    middle = (slice(6, -6),) * 3
    # The pattern rises by 87 per mm: 99 % come back to within 0.25 mm.
    assert np.nanpercentile(np.abs(back.array[middle] - fixed.array[middle]), 99) < 22.0
    assert back.grid.matches(grid)


def test_outlines_keep_their_place_and_volume_both_ways(field):
    labels = bones()
    corners = field.to_moving(labels.image.grid.corners)
    low, high = corners.min(axis=0) - 5, corners.max(axis=0) + 5
    spacing = np.array([1.0, 4.0, 1.0])
    matrix = np.diag([*spacing, 1.0])
    matrix[:3, 3] = low
    size = np.ceil((high - low) / spacing).astype(int) + 1
    there = labels_onto_moving(field, labels, Grid(tuple(size[::-1]), matrix))
    for level, motion in MOTIONS.items():
        points, truth = inside(there, level), motion.apply(inside(labels, level))
        assert np.linalg.norm(points.mean(axis=0) - truth.mean(axis=0)) < 0.4
        share = len(points) * there.image.voxel_volume / (len(truth) * labels.image.voxel_volume)
        assert share == pytest.approx(1.0, abs=0.04)
    back = labels_onto_fixed(field, there, labels.image.grid)
    for value in labels.levels.values():
        one, other = labels.image.array == value, back.image.array == value
        assert 2 * (one & other).sum() / (one.sum() + other.sum()) > 0.9


def test_outlines_outside_the_target_are_left_out(field):
    away = Grid((5, 5, 5), RigidMotion.shift([900, 0, 0]).matrix)
    assert not labels_onto_moving(field, bones(), away).image.array.any()


def test_the_written_field_is_the_whole_transform(field, tmp_path):
    from spinemet.registration.transform_files import total_displacements

    total = total_displacements(field)
    k, j, i = 20, 15, 18
    node = field.grid.to_world([i, j, k])
    assert np.allclose(node + total[k, j, i], field.to_moving(node), atol=1e-3)
    sitk.WriteTransform(to_moving_transform(field), str(tmp_path / "t.h5"))
    read = sitk.ReadTransform(str(tmp_path / "t.h5"))
    assert np.allclose(np.array(read.TransformPoint((node * LPS).tolist())) * LPS, field.to_moving(node), atol=1e-3)
