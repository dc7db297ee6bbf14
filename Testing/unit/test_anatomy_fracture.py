"""Genant's grades and shapes from losses said outright, asymmetry from solids that lean to a side."""

from __future__ import annotations

import pytest

from anatomy_solids import Solid, voxelize
from spinemet.anatomy import Column, LevelHint, Vertebra, measure_vertebra
from spinemet.anatomy.bone.collapse import CollapseMeasurement
from spinemet.anatomy.bone.fracture import fracture, fracture_shape, genant, lateral_asymmetry
from spinemet.evidence import Measurement, unknown
from spinemet.levels import Level


def loss(anterior: float, middle: float, posterior: float | None, margin: float = 1.0) -> CollapseMeasurement:
    values = dict(zip(Column, (anterior, middle, posterior), strict=True))
    columns = {
        column: unknown(f"{column.value} height loss", "%", "L5 is normally wedge-shaped")
        if value is None
        else Measurement(f"{column.value} height loss", value, "%", "told", uncertainty=margin)
        for column, value in values.items()
    }
    most = max(value for value in values.values() if value is not None)
    whole = Measurement("height loss", most, "%", "told", uncertainty=margin)
    return CollapseMeasurement(whole, columns, dict(columns))


def vertebra(solid: Solid) -> Vertebra:
    return measure_vertebra(voxelize(solid, spacing=0.8), Level.L1, hint=LevelHint())


@pytest.mark.parametrize(
    ("percent", "grade"),
    [(0.0, 0), (19.9, 0), (20.0, 1), (24.9, 1), (25.0, 2), (40.0, 2), (40.1, 3), (80.0, 3)],
)
def test_grades_have_the_edges_of_the_rules(percent, grade):
    assert genant(percent) == grade


@pytest.mark.parametrize(
    ("columns", "shape"),
    [
        ((40, 22, 3), "wedge"),
        ((8, 35, 4), "biconcave"),
        ((50, 50, 40), "crush"),
        ((10, 20, 35), "posterior wedge"),
        ((30, 28, 4), "wedge or biconcave"),
        ((40, 22, None), "wedge (or crush: the posterior loss is unknown)"),
    ],
)
def test_the_lowest_column_names_the_shape(columns, shape):
    assert fracture_shape(loss(*columns)) == shape


def test_a_grade_within_its_error_of_the_next_keeps_both():
    grade = fracture(vertebra(Solid()), loss(24.0, 12.0, 2.0, margin=2.0)).grade
    assert grade.points == 1
    assert grade.possible == (1, 2)
    assert grade.near_threshold
    sure = fracture(vertebra(Solid()), loss(32.0, 12.0, 2.0, margin=2.0)).grade
    assert sure.possible == (2,) and "wedge" in sure.label


def test_an_unknown_loss_leaves_every_grade_open():
    nothing = unknown("height loss", "%", "no neighbor")
    result = fracture(vertebra(Solid()), CollapseMeasurement(nothing, dict.fromkeys(Column, nothing), {}))
    assert result.grade.points is None
    assert result.grade.possible == (0, 1, 2, 3)
    assert result.shape == ""


@pytest.mark.parametrize("lateral", [0.0, 9.0, -16.0])
def test_asymmetry_is_the_difference_of_the_sides(lateral):
    solid = Solid(lateral=lateral)
    right, left = solid.height_at(0.5, 0.25), solid.height_at(0.5, -0.25)
    measured = lateral_asymmetry(vertebra(solid))
    assert measured.value == pytest.approx(100 * (right - left) / ((right + left) / 2), abs=2.0)


def test_a_body_lower_on_the_left_says_so_and_asks_in_a_scoliosis():
    body, nothing = vertebra(Solid(lateral=16.0)), loss(2.0, 2.0, 2.0)
    assert fracture(body, nothing).side == "left"
    scoliosis = Measurement("coronal Cobb angle", 26.0, "deg", "told")
    assert any("chronic?" in limit for limit in fracture(body, nothing, scoliosis=scoliosis).limits)
    mild = Measurement("coronal Cobb angle", 14.0, "deg", "told")
    assert not any("chronic?" in limit for limit in fracture(body, nothing, scoliosis=mild).limits)


def test_an_even_body_has_no_low_side():
    assert fracture(vertebra(Solid()), loss(2.0, 2.0, 2.0)).side == ""
