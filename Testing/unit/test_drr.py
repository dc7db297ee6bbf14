"""Projections and DRRs against closed forms: chords of boxes and balls, magnification, centers of mass."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.drr import WATER_PER_MM, render, scale_at, simulate
from spinemet.errors import BadInput, Cancelled
from spinemet.image import Image
from spinemet.projection import Projection, frontal, lateral, project_onto
from spinemet.radiograph import SpacingSource, View

CONE = {"source_to_detector_mm": 1500.0, "source_to_center_mm": 1000.0}
OBLIQUE = np.array([0.8, 0.5, -0.25])


def grid_matrix(spacing=(1.0, 1.0, 1.0), turn_deg=0.0, shear=0.0) -> np.ndarray:
    """IJK to RAS with axes turned about the superior one, and slices shifted as by a gantry tilt."""
    a = np.radians(turn_deg)
    axes = np.array([[-np.cos(a), np.sin(a), 0], [-np.sin(a), -np.cos(a), shear], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = axes * spacing
    return matrix


def centered(shape, matrix) -> np.ndarray:
    """The matrix with the middle of the grid at (5, −7, 11) mm."""
    result = matrix.copy()
    result[:3, 3] = np.array([5.0, -7.0, 11.0]) - matrix[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    return result


def water_ball(radius: float, shape=(60, 64, 68), matrix=None) -> tuple[Image, np.ndarray]:
    """A ball of water in air with soft edges, and its center."""
    matrix = centered(shape, grid_matrix() if matrix is None else matrix)
    image = Image(np.zeros(shape, dtype=np.float32), matrix, name="ball")
    k, j, i = np.indices(shape)
    distance = np.linalg.norm(image.to_world(np.stack([i, j, k], axis=-1)) - image.grid.center, axis=-1)
    share = np.clip((radius - distance) / image.spacing.mean() + 0.5, 0, 1)
    return image.with_array((1000 * share - 1000).astype(np.float32)), image.grid.center


def chords(projection: Projection, center: np.ndarray, radius: float) -> np.ndarray:
    """Length in mm of every ray within a ball, from the distance of the ray to its center."""
    rows, columns = projection.shape
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    end = projection.origin + x[..., None] * projection.column_step + y[..., None] * projection.row_step
    way = projection.direction if projection.source is None else end - projection.source
    way = way / np.linalg.norm(way, axis=-1, keepdims=True)
    gap = np.linalg.norm(np.cross(end - center, np.broadcast_to(way, end.shape)), axis=-1)
    return 2 * np.sqrt(np.clip(radius**2 - gap**2, 0, None))


@pytest.mark.parametrize(("direction", "across", "length"), [
    ((1, 0, 0), (0, 1, 0), 12 * 0.8), ((0, 1, 0), (1, 0, 0), 20 * 0.8), ((0, 0, 1), (1, 0, 0), 9 * 2.5),
])  # fmt: skip
def test_a_parallel_ray_along_a_box_sees_its_exact_length(direction, across, length) -> None:
    array = np.full((30, 50, 40), -1000, dtype=np.int16)
    array[10:19, 15:35, 14:26] = 0
    ct = Image(array, centered(array.shape, grid_matrix((0.8, 0.8, 2.5))))
    beam = project_onto(ct.grid.corners, direction, across, spacing_mm=1.0)
    depth = render(ct, beam) / WATER_PER_MM
    inside = np.rint(beam.project(ct.to_world([19.5, 24.5, 14.0]))).astype(int)
    assert depth[inside[1], inside[0]] == pytest.approx(length, rel=1e-5)
    assert depth.max() == pytest.approx(length, rel=1e-5)
    assert depth.min() == 0


@pytest.mark.parametrize("cone", [{}, CONE], ids=["parallel", "cone"])
@pytest.mark.parametrize("matrix", [
    grid_matrix(), grid_matrix((0.9, 0.9, 1.3), 25.0), grid_matrix((1.0, 1.0, 1.0), 0.0, 0.35),
], ids=["straight", "turned and anisotropic", "sheared"])  # fmt: skip
@pytest.mark.parametrize("direction", [(1.0, 0, 0), (0, -1.0, 0), OBLIQUE])
def test_rays_through_a_ball_have_the_length_of_its_chords(direction, matrix, cone) -> None:
    radius = 20.0
    ct, center = water_ball(radius, matrix=matrix)
    beam = project_onto(ct.grid.corners, direction, (0.1, 0.2, -0.9) if direction[1] else (0, 1, 0), **cone)
    depth, truth = render(ct, beam) / WATER_PER_MM, chords(beam, center, radius)
    deep = truth > radius
    assert np.abs(depth - truth)[deep].max() < 0.5 * ct.spacing.max()
    assert abs((depth - truth)[deep].mean()) < 0.1
    assert depth[chords(beam, center, radius + 3) == 0].max() < 1e-3


def test_the_attenuation_of_a_parallel_picture_adds_up_to_the_mass() -> None:
    ct, _ = water_ball(20.0)
    beam = project_onto(ct.grid.corners, OBLIQUE, (0, 1, 0), spacing_mm=0.7)
    volume = float(render(ct, beam).sum(dtype=float)) / WATER_PER_MM * 0.7**2
    assert volume == pytest.approx(4 / 3 * np.pi * 20.0**3, rel=0.003)


def test_a_cone_beam_magnifies_by_the_ratio_of_its_distances() -> None:
    beam = lateral([[-50.0, -40, -60], [50, 40, 60]], **CONE)
    for depth, factor in ((0.0, 1.5), (250.0, 1500 / 1250), (-200.0, 1500 / 800)):
        ends = np.array([[depth, -10.0, 5.0], [depth, 20.0, -35.0]])
        apart = np.diff(beam.project(ends), axis=0)[0] * beam.spacing_mm[::-1]
        assert np.linalg.norm(apart) == pytest.approx(50.0 * factor, rel=1e-12)
        assert beam.magnification(ends) == pytest.approx(factor, rel=1e-12)
    assert beam.source_to_detector_mm == pytest.approx(1500.0)
    assert lateral([[0.0, 0, 0], [1, 1, 1]]).magnification([9.0, 9, 9]) == 1


def test_a_point_on_the_detector_is_projected_to_its_own_pixel() -> None:
    for beam in (frontal([[-30.0, -20, -10], [30, 20, 90]]), project_onto(np.eye(3), OBLIQUE, (0, 1, 0), **CONE)):
        pixels = np.array([[0.0, 0.0], [3.5, 17.25]])
        assert beam.project(beam.to_world(pixels)) == pytest.approx(pixels, abs=1e-9)


@pytest.mark.parametrize("cone", [{}, CONE], ids=["parallel", "cone"])
def test_a_small_ball_appears_where_its_center_is_projected(cone) -> None:
    ct, center = water_ball(4.0)
    moved = Image(np.roll(ct.array, (15, -12, 18), axis=(0, 1, 2)), ct.ijk_to_ras)
    center = center + ct.ijk_to_ras[:3, :3] @ (18, -12, 15)
    beam = project_onto(moved.grid.corners, OBLIQUE, (0, 1, 0.1), **cone)
    depth = render(moved, beam).astype(float)
    y, x = np.indices(depth.shape)
    found = np.array([(x * depth).sum(), (y * depth).sum()]) / depth.sum()
    assert found == pytest.approx(beam.project(center), abs=0.05)


def test_a_lateral_picture_hangs_with_the_front_at_the_left_and_the_head_at_the_top() -> None:
    beam = lateral([[-10.0, -10, -10], [10, 10, 10]])
    middle, front, head = beam.project([[0.0, 0, 0], [0, 5, 0], [0, 0, 5]])
    assert front[0] < middle[0] and front[1] == pytest.approx(middle[1])
    assert head[1] < middle[1] and head[0] == pytest.approx(middle[0])


def test_a_frontal_picture_hangs_with_the_right_at_the_left() -> None:
    beam = frontal([[-10.0, -10, -10], [10, 10, 10]], **CONE)
    middle, right, head = beam.project([[0.0, 0, 0], [5, 0, 0], [0, 0, 5]])
    assert right[0] < middle[0]
    assert head[1] < middle[1]


def test_a_crop_adds_up_with_the_rest_to_the_whole() -> None:
    ct, _ = water_ball(20.0)
    beam = lateral(ct.grid.corners, **CONE)
    upper, lower = (render(ct.crop(np.s_[part, :, :]), beam) for part in (slice(0, 30), slice(30, 60)))
    assert upper + lower == pytest.approx(render(ct, beam), abs=0.001 * WATER_PER_MM * 40)


def test_values_below_air_do_not_lighten_the_picture() -> None:
    ct = Image(np.full((8, 9, 10), -3024, dtype=np.int16), np.eye(4))
    assert np.all(render(ct, frontal(ct.grid.corners)) == 0)


def test_a_simulated_radiograph_measures_in_the_patient_where_asked() -> None:
    ct, center = water_ball(10.0)
    place = center + np.array([100.0, 0, 0])
    beam = lateral(ct.grid.corners, center=center, spacing_mm=0.6, **CONE)
    picture = simulate(ct, beam, View.LATERAL, measure_at=place)
    assert picture.shape == beam.shape and picture.view is View.LATERAL
    assert picture.scale.source is SpacingSource.IMAGER
    assert picture.scale.step_mm == pytest.approx((0.6 * 1100 / 1500, 0.6 * 1100 / 1500))
    assert picture.picture().dtype == np.uint8
    assert scale_at(lateral(ct.grid.corners), center).source is SpacingSource.CALIBRATED


def test_a_beam_that_cannot_be_is_refused_with_a_sentence() -> None:
    ct, center = water_ball(10.0)
    with pytest.raises(BadInput, match="behind the X-ray source"):
        lateral(ct.grid.corners, source_to_detector_mm=100.0, source_to_center_mm=20.0)
    with pytest.raises(BadInput, match="shorter than to the detector"):
        lateral(ct.grid.corners, source_to_detector_mm=1000.0, source_to_center_mm=1200.0)
    with pytest.raises(BadInput, match="coarser"):
        lateral(ct.grid.corners, spacing_mm=0.001)
    with pytest.raises(BadInput, match="two different directions"):
        project_onto(ct.grid.corners, (0, 0, 1), (0, 0, 2))
    for distance in (5.0, 999.0):
        with pytest.raises(BadInput, match="beyond the X-ray source or the detector"):
            render(ct, lateral([center], source_to_detector_mm=1000.0, source_to_center_mm=distance))


def test_a_long_projection_can_be_canceled() -> None:
    def stop(fraction: float, text: str) -> None:
        raise Cancelled("stopped")

    ct, _ = water_ball(5.0)
    with pytest.raises(Cancelled):
        render(ct, frontal(ct.grid.corners), progress=stop)
