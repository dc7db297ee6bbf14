"""The canal's centerline and the body spline against the construction of a synthetic patient."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from spinemet import phantom
from spinemet.anatomy.canal_line import body_line, canal_line
from spinemet.anatomy.spine import Spine, measure_spine
from spinemet.case import Role
from spinemet.errors import NotMeasurable
from spinemet.levels import Level


@cache
def study() -> tuple[phantom.SyntheticPatient, Spine]:
    spec = replace(phantom.random_spec(2), modalities=(Role.CT,), ct_size=(205, 205), ct_spacing=(1.0, 1.0, 1.0))
    made = phantom.create(spec)
    return made, measure_spine(made.vertebrae)


def true_center(level: Level) -> np.ndarray:
    return np.array(study()[0].truth["levels"][str(level)]["canal_center"])


def test_the_centerline_runs_through_every_foramen():
    line = canal_line(study()[1])
    away = [np.linalg.norm(np.array(knot) - true_center(level)) for level, knot in line.knots.items()]
    assert len(away) >= 9
    assert max(away) <= 1.2


def test_a_vertebra_without_its_arch_borrows_from_its_neighbors():
    made, spine = study()
    labels = made.vertebrae
    value = labels.levels[Level.L2]
    vertebra = spine[Level.L2]
    array = labels.image.array.copy()
    k, j, i = np.nonzero(array == value)
    local = vertebra.frame.to_local(labels.image.to_world(np.stack([i, j, k], axis=-1)))
    lost = local[:, 1] < vertebra.wall[0] - 6.0
    array[k[lost], j[lost], i[lost]] = 0
    broken = measure_spine(replace(labels, image=labels.image.with_array(array)))
    line = canal_line(broken)
    assert line.estimated == (Level.L2,)
    assert np.linalg.norm(np.array(line.knots[Level.L2]) - true_center(Level.L2)) <= 2.0


def test_the_curve_passes_its_knots_and_points_to_the_head():
    line = body_line(study()[1])
    for level, length in line.lengths.items():
        assert np.allclose(line.at(length), line.knots[level], atol=1e-6)
        assert line.tangent(length)[2] > 0.5
    assert np.linalg.norm(np.diff(line.points(1.0), axis=0), axis=1).max() <= 1.5


def test_the_nearest_parameter_is_found():
    line = body_line(study()[1])
    assert abs(line.nearest(line.knots[Level.L1]) - line.lengths[Level.L1]) <= 1.0


def test_the_body_spline_runs_through_the_bodies_as_constructed():
    line = body_line(study()[1])
    for level, knot in line.knots.items():
        truth = study()[0].truth["levels"][str(level)]["frame"]["origin"]
        assert np.linalg.norm(np.array(knot) - truth) <= 1.0


def test_one_vertebra_has_no_course():
    spine = study()[1]
    alone = Spine({Level.L3: spine[Level.L3]})
    with pytest.raises(NotMeasurable):
        body_line(alone)
