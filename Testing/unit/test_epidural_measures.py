"""Measures in cuts perpendicular to the canal against closed formulas: elliptic tubes, flat fronts, turned grids."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.anatomy.epidural import canal_frame, facing, measure_profile, plan_cuts, references, sample_cuts
from spinemet.errors import BadInput, GridMismatch, NotMeasurable
from spinemet.image import Grid, Image

CANAL, SAC, CORD = (10.0, 8.0), (8.0, 6.0), (5.0, 3.5)
LENGTH = 90.0


def turned(x: float, y: float, z: float) -> np.ndarray:
    matrix = np.eye(3)
    for axis, angle in enumerate(np.radians([x, y, z])):
        a, b = [(1, 2), (2, 0), (0, 1)][axis]
        one = np.eye(3)
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        matrix = one @ matrix
    return matrix


def grid_of(spacing, turn=(0.0, 0.0, 0.0), extent=(34.0, 34.0, LENGTH)) -> Grid:
    size = np.ceil(np.array(extent) / spacing).astype(int) + 1
    matrix = np.eye(4)
    matrix[:3, :3] = turned(*turn) * np.array(spacing)
    matrix[:3, 3] = -matrix[:3, :3] @ ((size - 1) / 2)
    return Grid((int(size[2]), int(size[1]), int(size[0])), matrix)


def tube(grid: Grid, half, keep=lambda x, y, z: True) -> Image:
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)[..., ::-1]
    x, y, z = np.moveaxis(grid.to_world(index), -1, 0)
    inside = (x / half[0]) ** 2 + (y / half[1]) ** 2 < 1
    return Image(inside & keep(x, y, z), grid.ijk_to_ras, name="tube")


def profile_of(grid: Grid, tumor_front: float | None = None, half_length: float = 10.0):
    """A tube in which tumor fills everything in front of y = `tumor_front`, over 2 × `half_length`."""
    canal = tube(grid, CANAL)
    if tumor_front is None:
        tumor, sac = None, tube(grid, SAC)
    else:

        def front(x, y, z):
            return (y > tumor_front) & (np.abs(z) < half_length)

        tumor = tube(grid, CANAL, front)
        sac = tube(grid, SAC, lambda x, y, z: ~front(x, y, z))
    cuts = sample_cuts(plan_cuts(canal_frame(canal), canal), canal=canal, sac=sac, cord=tube(grid, CORD), tumor=tumor)
    return cuts, measure_profile(cuts)


def middle(cuts) -> int:
    return int(np.abs(cuts.frame.center(cuts.s)[:, 2]).argmin())


GRIDS = {
    "axial": ((0.6, 0.6, 3.0), (0.0, 0.0, 0.0)),
    "oblique": ((0.7, 0.7, 2.0), (12.0, -9.0, 20.0)),
    "isotropic": ((1.0, 1.0, 1.0), (5.0, 5.0, 5.0)),
    "sagittal": ((1.5, 0.6, 0.6), (0.0, 3.0, 0.0)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_areas_and_extents_are_those_of_the_ellipses(name):
    grid = grid_of(*GRIDS[name])
    cuts, profile = profile_of(grid)
    whole = profile.complete
    assert whole.sum() * cuts.spacing > 0.6 * LENGTH
    pixel = float(np.sort(grid.spacing)[1])
    for name_, half in (("canal", CANAL), ("sac", SAC), ("cord", CORD)):
        area = getattr(profile, f"{name_}_area")[whole]
        rim = 2 * np.pi * np.sqrt((half[0] ** 2 + half[1] ** 2) / 2)
        error = np.abs(area - np.pi * half[0] * half[1])
        assert np.median(error) <= 0.25 * pixel * rim, name_
        assert error.max() <= 0.5 * pixel * rim, name_
    # Half a voxel at either edge: that much the mask itself is off, since these grids lie along the tube.
    assert np.median(profile.cord_ap[whole]) == pytest.approx(2 * CORD[1], abs=pixel)
    assert np.median(profile.cord_width[whole]) == pytest.approx(2 * CORD[0], abs=max(grid.spacing[0], pixel))
    assert np.median(profile.ascor[whole]) == pytest.approx(CORD[0] * CORD[1] / (CANAL[0] * CANAL[1]), abs=0.02)
    assert (profile.epidural_area[whole] == 0).all()
    assert np.isinf(profile.gap[whole]).all()


@pytest.mark.parametrize("name", GRIDS)
def test_the_centerline_is_the_axis_of_the_tube(name):
    grid = grid_of(*GRIDS[name])
    frame = canal_frame(tube(grid, CANAL))
    s = np.linspace(*frame.ends, 40)
    assert np.hypot(*frame.center(s)[:, :2].T).max() < 0.3
    right, anterior, superior = frame.axes(s)
    assert (right[:, 0] > 0.99).all()
    assert (anterior[:, 1] > 0.99).all()
    assert (superior[:, 2] > 0.99).all()


@pytest.mark.parametrize("degrees", [0.0, 8.0, -20.0])
def test_the_front_is_where_the_vertebrae_lie(degrees):
    """Bodies 25 mm from the canal, turned about it: the depth of a turned cord is its own, not the scanner's."""
    frame = canal_frame(tube(grid_of((1.0, 1.0, 2.0)), CANAL))
    angle = np.radians(degrees)
    way = np.array([np.sin(angle), np.cos(angle), 0.0])
    places = [tuple(25.0 * way + [0.0, 0.0, z]) for z in (-30.0, 0.0, 30.0)]
    right, anterior, superior = facing(frame, places).axes(np.linspace(*frame.ends, 9))
    assert np.allclose(anterior, way, atol=0.02)
    assert np.allclose(right, [np.cos(angle), -np.sin(angle), 0.0], atol=0.02)
    assert np.allclose(np.cross(right, anterior), superior, atol=1e-6)
    # One vertebra amiss, one too near, one beyond the image: none of them turns anything.
    amiss = [*places[:2], (places[2][0] + 15.0, *places[2][1:])]
    assert np.allclose(facing(frame, amiss).axes(frame.ends[0])[1][:2], anterior[0][:2], atol=0.02)
    near = facing(frame, [(0.0, 2.0, 0.0), (0.0, 25.0, 400.0)])
    assert near.turn is None


@pytest.mark.parametrize("name", GRIDS)
def test_a_flat_front_has_its_depth_gap_and_indentation(name):
    grid = grid_of(*GRIDS[name])
    cuts, profile = profile_of(grid, tumor_front=4.4)
    cut, pixel = middle(cuts), float(np.sort(grid.spacing)[1])
    assert profile.gap[cut] == pytest.approx(4.4 - CORD[1], abs=pixel)
    assert profile.thickness[cut] == pytest.approx(CANAL[1] - 4.4, abs=pixel + 0.2)
    reference = references(cuts, profile)
    assert reference.sides[cut] == 2
    assert reference.sac_area[cut] == pytest.approx(np.pi * SAC[0] * SAC[1], rel=0.03)
    assert reference.sac_reach[cut, 18] - profile.sac_reach[cut, 18] == pytest.approx(SAC[1] - 4.4, abs=pixel + 0.15)
    assert profile.quadrants[cut].argmax() == 0
    assert profile.toward[cut] == pytest.approx([0.0, 1.0], abs=0.1)
    assert profile.open_depth[cut] == pytest.approx(CANAL[1] + 4.4, abs=2 * pixel)


def test_tumor_length_along_the_canal_is_where_it_was_put():
    cuts, profile = profile_of(grid_of((0.6, 0.6, 2.0)), tumor_front=3.0, half_length=12.0)
    assert (profile.epidural_area > 0).sum() * cuts.spacing == pytest.approx(24.0, abs=2.0)


def test_cuts_are_half_a_slice_apart():
    grid = grid_of((0.6, 0.6, 3.0))
    canal = tube(grid, CANAL)
    assert plan_cuts(canal_frame(canal), canal).spacing == pytest.approx(1.5, abs=0.01)


def test_a_mask_of_two_voxels_keeps_its_width():
    grid = grid_of((1.0, 1.0, 1.0))
    canal = tube(grid, CANAL)
    slab = Image(canal.array & _slab(grid), grid.ijk_to_ras)
    cuts = sample_cuts(plan_cuts(canal_frame(canal), canal), canal=canal, sac=slab)
    profile = measure_profile(cuts)
    assert np.median(profile.sac_ap[profile.complete]) == pytest.approx(2.0, abs=0.26)


def _slab(grid: Grid) -> np.ndarray:
    inside = np.zeros(grid.shape, bool)
    inside[:, 17:19, :] = True
    return inside


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.float32])
def test_masks_may_come_in_any_number_type(dtype):
    grid = grid_of((1.0, 1.0, 2.0))
    canal, sac = tube(grid, CANAL), tube(grid, SAC)
    as_type = [item.with_array(item.array.astype(dtype)) for item in (canal, sac)]
    cuts = sample_cuts(plan_cuts(canal_frame(as_type[0]), as_type[0]), canal=as_type[0], sac=as_type[1])
    plain = sample_cuts(plan_cuts(canal_frame(canal), canal), canal=canal, sac=sac)
    assert np.array_equal(cuts.masks["sac"], plain.masks["sac"])


def test_odd_outlines_are_refused_in_a_sentence():
    grid = grid_of((1.0, 1.0, 2.0))
    canal = tube(grid, CANAL)
    with pytest.raises(NotMeasurable):
        canal_frame(canal.with_array(np.zeros(grid.shape, bool)))
    with pytest.raises(NotMeasurable):
        canal_frame(tube(grid, CANAL, lambda x, y, z: np.abs(z) < 4))
    frame = canal_frame(canal)
    with pytest.raises(BadInput):
        plan_cuts(frame, canal, (40.0, 30.0))
    other = tube(grid_of((1.0, 1.0, 3.0)), SAC)
    with pytest.raises(GridMismatch):
        sample_cuts(plan_cuts(frame, canal), canal=canal, sac=other)
