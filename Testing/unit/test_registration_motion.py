"""Rigid motions, the metric's slope and the priors against closed formulas."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.errors import BadInput
from spinemet.registration import RigidMotion
from spinemet.registration.metric import (
    CHANCE,
    Points,
    Volume,
    agreement,
    agreement_and_slope,
    in_target_bins,
    source_bins,
)
from spinemet.registration.motion import rotation_matrix, rotation_vector
from spinemet.registration.prior import PointPrior, like_neighbor
from spinemet.registration.trust import between


@pytest.mark.parametrize("angle", [0.0, 1e-9, 0.3, 2.0, np.pi - 1e-4, np.pi])
def test_a_rotation_vector_survives_its_matrix(angle):
    axis = np.array([0.36, -0.48, 0.8])
    assert np.allclose(np.abs(rotation_vector(rotation_matrix(axis * angle)) @ axis), angle, atol=1e-6)


def test_a_quarter_turn_about_a_point_leaves_the_point_where_it_is():
    motion = RigidMotion.about([10.0, 0.0, 0.0], [0.0, 0.0, np.pi / 2])
    assert np.allclose(motion.apply([10.0, 0.0, 0.0]), [10.0, 0.0, 0.0])
    assert np.allclose(motion.apply([11.0, 0.0, 5.0]), [10.0, 1.0, 5.0])
    assert np.allclose(motion.inverse.after(motion).matrix, np.eye(4))
    assert motion.angle_deg == pytest.approx(90.0)


def test_landmarks_give_back_the_motion_that_made_them():
    rng = np.random.default_rng(0)
    motion = RigidMotion.about(rng.normal(size=3) * 50, [0.2, -0.1, 0.4], [5.0, -20.0, 7.0])
    points = rng.normal(size=(5, 3)) * 40
    assert np.allclose(RigidMotion.between(points, motion.apply(points)).matrix, motion.matrix)


@pytest.mark.parametrize("points", [np.zeros((2, 3)), np.outer(np.arange(4.0), [1.0, 2.0, 3.0])])
def test_too_few_landmarks_or_ones_in_a_line_are_refused(points):
    with pytest.raises(BadInput, match="landmarks"):
        RigidMotion.between(points, points)


def test_what_stretches_is_no_rigid_motion():
    with pytest.raises(BadInput, match="rigid motion"):
        RigidMotion(np.diag([1.1, 1.0, 1.0, 1.0]))
    with pytest.raises(BadInput, match="rigid motion"):
        RigidMotion(np.diag([-1.0, 1.0, 1.0, 1.0]))


def test_half_way_between_two_turns_is_half_the_turn():
    center = np.array([3.0, -2.0, 8.0])
    other = RigidMotion.about(center, [0.0, 0.4, 0.0], [2.0, 0.0, 6.0])
    half = between(RigidMotion.identity(), other, 0.5, center)
    assert np.allclose(half.matrix, RigidMotion.about(center, [0.0, 0.2, 0.0], [1.0, 0.0, 3.0]).matrix)


def scene() -> tuple[Points, Volume, np.ndarray]:
    """Smooth random values on a turned grid, and points of a nonlinear function of them."""
    from scipy import ndimage

    rng = np.random.default_rng(1)
    array = ndimage.gaussian_filter(rng.normal(size=(40, 50, 60)).astype(np.float32), 3.0)
    to_index = np.eye(4)
    to_index[:3, :3] = rotation_matrix([0.1, 0.2, -0.1]) / 1.3
    to_index[:3, 3] = [4.0, 6.0, 2.0]
    index = rng.uniform(8, 30, (4000, 3))
    world = (index - to_index[:3, 3]) @ np.linalg.inv(to_index[:3, :3]).T
    seen = np.cos(4 * ndimage.map_coordinates(array, index.T[::-1], order=1) / array.std())
    return Points(world, source_bins(seen)), Volume(in_target_bins(array), to_index), world.mean(axis=0)


def test_the_slope_of_the_information_is_that_of_its_differences():
    points, volume, center = scene()
    arms = points.about(center)
    here = np.array([0.02, -0.03, 0.01, 0.4, -0.6, 0.3])
    _, slope = agreement_and_slope(arms, volume, here)
    for axis, step in enumerate([2e-3] * 3 + [0.04] * 3):
        aside = np.eye(6)[axis] * step
        rise = agreement(arms, volume, here + aside).information - agreement(arms, volume, here - aside).information
        assert slope[axis] == pytest.approx(
            rise / (2 * step), rel=0.08, abs=0.01 * np.abs(slope[axis // 3 * 3 :][:3]).max()
        )


def test_information_is_largest_where_the_images_belong():
    points, volume, center = scene()
    arms = points.about(center)
    best = agreement(arms, volume, np.zeros(6)).information
    for axis, step in enumerate([0.1] * 3 + [2.0] * 3):
        assert agreement(arms, volume, np.eye(6)[axis] * step).information < 0.8 * best


@pytest.mark.parametrize("count", [60, 400, 3000, 24000])
def test_unrelated_images_share_no_information_however_few_the_points(count):
    found = []
    for seed in range(12):
        rng = np.random.default_rng([seed, count])
        points = Points(rng.uniform(5, 34, (count, 3)), source_bins(rng.normal(size=count)))
        volume = Volume(in_target_bins(rng.normal(size=(40, 40, 40))), np.eye(4))
        found.append(agreement(points.about(np.full(3, 20.0)), volume, np.zeros(6)).information * count)
    # In nats times points, where up to 45 would stand; interpolated noise fills fewer bins and so shares less.
    assert -CHANCE < np.mean(found) < 5.0


def test_points_beyond_the_image_count_as_missing_overlap():
    points, volume, center = scene()
    found = agreement(points.about(center), volume, np.array([0, 0, 0, 1e4, 0, 0]))
    assert (found.information, found.overlap) == (0.0, 0.0)


def test_a_prior_costs_half_a_nat_at_one_standard_deviation():
    joint = np.array([5.0, 6.0, 7.0])
    fixed, moving, weight = like_neighbor(joint, RigidMotion.identity(), 1.5, 3.0)
    prior = PointPrior(fixed, moving, weight)
    assert prior(joint, np.array([0, 0, 0, 1.5, 0, 0]))[0] == pytest.approx(0.5)
    assert prior(joint, np.array([np.radians(3.0), 0, 0, 0, 0, 0]))[0] == pytest.approx(0.5, rel=0.01)


def test_the_slope_of_a_prior_is_that_of_its_differences():
    rng = np.random.default_rng(2)
    prior = PointPrior(rng.normal(size=(5, 3)) * 20, rng.normal(size=(5, 3)) * 20, rng.uniform(0.1, 1, 5))
    center, here = np.array([1.0, 2.0, 3.0]), np.array([0.3, -0.2, 0.5, 1.0, 2.0, -3.0])
    _, slope = prior(center, here)
    for axis in range(6):
        aside = 1e-5 * np.eye(6)[axis]
        rise = prior(center, here + aside)[0] - prior(center, here - aside)[0]
        assert slope[axis] == pytest.approx(rise / 2e-5, rel=1e-4)
