"""The phantom's geometry against closed formulas: heights, losses, angles, slips, epidural grades."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spinemet.case import Role
from spinemet.errors import BadInput
from spinemet.levels import Level
from spinemet.phantom import CollapseSpec, EpiduralSpec, LesionSpec, ListhesisSpec, PatientSpec
from spinemet.phantom.ct import ct_grid
from spinemet.phantom.model import build
from spinemet.phantom.truth import heights, make_truth

PLAIN = PatientSpec(seed=1)


@pytest.fixture(scope="module")
def plain():
    model = build(PLAIN)
    return model, make_truth(model, {})


def surface_height(shape, x, y):
    """Height by walking up and down through the implicit solid, not through its height fields."""
    z = np.linspace(-25, 25, 20001)
    inside = shape.body(np.full_like(z, x), np.full_like(z, y), z) < 0
    return float(z[inside][-1] - z[inside][0])


@pytest.mark.parametrize("level", [Level.T9, Level.L2, Level.L5])
def test_true_heights_are_those_of_the_solid(plain, level):
    model, _ = plain
    shape = model.shapes[level]
    for plane, offset in {"left": -0.25, "mid": 0.0, "right": 0.25}.items():
        for column, fraction in {"anterior": 0.9, "middle": 0.5, "posterior": 0.1}.items():
            wall = surface_height(shape, offset * shape.size.width, shape.posterior_wall + fraction * shape.depth)
            assert heights(shape)[plane][column][0] == pytest.approx(wall, abs=0.15), (plane, column)


def test_a_normal_l5_is_taller_in_front(plain):
    row = plain[1]["levels"]["L5"]["heights_mm"]["mid"]
    assert row["anterior"] == pytest.approx(30, abs=1)
    assert row["posterior"] == pytest.approx(26, abs=1)


def test_a_normal_l1_is_slightly_wedged(plain):
    row = plain[1]["levels"]["L1"]["heights_mm"]["mid"]
    assert row["anterior"] / row["posterior"] == pytest.approx(0.89, abs=0.07)


@pytest.mark.parametrize(
    "collapse",
    [CollapseSpec.wedge(Level.L1, 0.6), CollapseSpec.crush(Level.L1, 0.4), CollapseSpec.biconcave(Level.L1, 0.35)],
)
def test_height_is_lost_as_asked_for(collapse):
    truth = make_truth(build(replace(PLAIN, collapses=(collapse,))), {})
    for plane in ("left", "mid", "right"):
        loss = truth["levels"]["L1"]["height_loss_percent"][plane]
        for column in ("anterior", "middle", "posterior"):
            assert loss[column] == pytest.approx(100 * getattr(collapse, column), abs=1.0), (plane, column)


def test_a_wedge_makes_kyphosis_and_lets_the_spine_settle(plain):
    model = build(replace(PLAIN, collapses=(CollapseSpec.wedge(Level.L1, 0.6),)))
    broken, whole = make_truth(model, {}), plain[1]
    added = broken["angles"]["wedge"]["L1"] - whole["angles"]["wedge"]["L1"]
    assert 20 < added < 40
    segment = broken["angles"]["segmental_kyphosis"]["T12/L1"] - whole["angles"]["segmental_kyphosis"]["T12/L1"]
    assert segment == pytest.approx(added, abs=0.5)

    def distance(of):
        return np.linalg.norm(of.ct.poses[Level.T12][:3, 3] - of.ct.poses[Level.L2][:3, 3])

    assert distance(model) < distance(plain[0]) - 5


def test_lordosis_is_negative_and_of_human_size(plain):
    assert -62 < plain[1]["angles"]["lordosis_L1_S1"] < -40


def test_scoliosis_has_the_cobb_angle_asked_for():
    angles = make_truth(build(replace(PLAIN, scoliosis_deg=30.0)), {})["angles"]
    assert angles["coronal_cobb"]["angle"] == pytest.approx(30, abs=1.5)
    assert (angles["coronal_cobb"]["upper"], angles["coronal_cobb"]["lower"]) == ("T11", "L4")


def test_a_slip_moves_everything_above_forward(plain):
    slipped = build(replace(PLAIN, listhesis=(ListhesisSpec(Level.L4, 6.0),)))

    def forward(model, level):
        below = model.ct.poses[Level.L5]
        return (np.linalg.inv(below) @ model.ct.poses[level])[1, 3]

    for level in (Level.L4, Level.L2, Level.T9):
        assert forward(slipped, level) - forward(plain[0], level) == pytest.approx(6.0, abs=0.6), level


def test_frames_are_right_handed_and_look_at_the_patient(plain):
    for table in plain[1]["levels"].values():
        right, anterior, superior = (np.array(table["frame"][name]) for name in ("right", "anterior", "superior"))
        assert np.cross(right, anterior) == pytest.approx(superior, abs=1e-4)
        assert right[0] > 0.9 and anterior[1] > 0.6 and superior[2] > 0.6


def test_vertebrae_do_not_run_into_each_other(plain):
    model, _ = plain
    for above, below in zip(model.levels, model.levels[1:], strict=False):
        upper, lower = model.shapes[above], model.shapes[below]
        axes = np.meshgrid(np.arange(-45, 45.0, 1), np.arange(-75, 20.0, 1), np.arange(-50, 5.0, 1), indexing="ij")
        points = np.stack([a.ravel() for a in axes], axis=1)
        points = points[upper.bone(*points.T) < -0.3]
        move = np.linalg.inv(model.ct.poses[below]) @ model.ct.poses[above]
        overlap = lower.bone(*(points @ move[:3, :3].T + move[:3, 3]).T) < -0.3
        assert overlap.sum() < 0.02 * len(points), (above, below, overlap.sum())


def cross_section(grade):
    """Areas (mm²) and gaps across the canal in the middle of T11, on a fine grid."""
    spec = replace(PLAIN, lesions=(LesionSpec(Level.T11, "lytic", 0.5),), epidural=(EpiduralSpec(Level.T11, grade),))
    canal = build(spec).ct.canal
    low, high = canal.tumor_spans[Level.T11]
    center = canal.center((low + high) / 2)
    step = 0.1
    u, v = np.meshgrid(np.arange(-15, 15, step), np.arange(-12, 12, step), indexing="ij")
    s = canal.sections(center[0] + u.ravel(), center[1] + v.ravel(), np.full(u.size, center[2]))
    tumor, sac, cord = s.tumor < 0, s.sac < 0, s.cord < 0
    points = np.stack([u.ravel(), v.ravel()], axis=1)

    def gap(a, b):
        from scipy.spatial import cKDTree

        return float(cKDTree(points[a]).query(points[b])[0].min()) if a.any() and b.any() else np.inf

    depth = np.ptp(points[cord & (np.abs(points[:, 0]) < 0.5)][:, 1])
    return {
        "tumor": tumor.sum() * step**2,
        "sac": sac.sum() * step**2,
        "cord": cord.sum() * step**2,
        "csf": (sac & ~cord).sum() * step**2,
        "gap": gap(tumor, cord),
        "depth": depth,
    }


def test_epidural_grades_climb_the_ladder_of_bilsky():
    by = {grade: cross_section(grade) for grade in ("0", "1a", "1b", "1c", "2", "3")}
    whole = by["0"]
    assert whole["tumor"] == 0
    assert by["1a"]["tumor"] > 6 and by["1a"]["sac"] == pytest.approx(whole["sac"], rel=0.005)
    assert by["1b"]["sac"] < 0.95 * whole["sac"] and by["1b"]["gap"] > 0.8
    assert by["1c"]["gap"] < 0.3 and by["1c"]["depth"] > 0.95 * whole["depth"]
    for grade in ("2", "3"):
        assert by[grade]["depth"] < 0.8 * whole["depth"] and by[grade]["gap"] < 0.5
    assert by["2"]["csf"] > 0.2 * whole["csf"]
    assert by["3"]["csf"] < 0.1 * whole["csf"]


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (15.0, -12.0, 20.0)])
def test_a_turned_ct_of_free_size_holds_every_vertebra_and_little_more(turn):
    levels = (Level.T12, Level.L1, Level.L2)
    spec = replace(PLAIN, levels=levels, ct_size=None, ct_turn_deg=turn, ct_spacing=(0.9, 0.9, 2.0))
    model = build(spec)
    grid = ct_grid(model)
    truth = make_truth(model, {Role.CT: grid})
    assert all(truth["levels"][str(level)]["in_view_percent"]["CT"] == 100.0 for level in levels)
    assert grid.spacing == pytest.approx((0.9, 0.9, 2.0), abs=1e-4)
    tilt = np.degrees(np.arccos(grid.directions[2, 2]))
    assert tilt == pytest.approx(0.0, abs=1e-3) if turn == (0.0, 0.0, 0.0) else 15 < tilt < 25
    size = np.array(grid.shape[::-1]) * grid.spacing
    assert np.all(size < 220.0)


def test_a_turned_ct_of_a_given_size_is_refused():
    with pytest.raises(BadInput, match="finds its own size"):
        replace(PLAIN, ct_turn_deg=(5.0, 0.0, 0.0))
