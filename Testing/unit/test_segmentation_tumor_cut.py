"""The tumor's cut against another program's exact one, and by hand."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from spinemet.errors import MissingDependency
from spinemet.segmentation.tumor_cut import CERTAIN, CutProblem, Solver, cut, cut_by_max_flow, cut_by_relaxation

NEEDS_MAXFLOW = pytest.mark.skipif(
    importlib.util.find_spec("maxflow") is None, reason="PyMaxflow is not installed (pip install PyMaxflow)"
)


def random_problem(seed: int, shape: tuple[int, int, int] = (6, 7, 5)) -> CutProblem:
    """Whole-number costs, which scipy's maximum flow needs."""
    rng = np.random.default_rng(seed)
    faces = tuple(
        rng.integers(0, 9, tuple(n - (axis == own) for axis, n in enumerate(shape))).astype(np.float32)
        for own in range(3)
    )
    return CutProblem(rng.integers(-20, 21, shape).astype(np.float32), faces)


def lowest_cost(problem: CutProblem) -> float:
    """The cost of the cheapest cut, by scipy: its maximum flow, less what all tumor-like voxels would save."""
    cost = problem.voxel_cost
    index = np.arange(cost.size).reshape(cost.shape)
    source, sink = cost.size, cost.size + 1
    edges = [(source, n, -c) for n, c in enumerate(cost.ravel()) if c < 0]
    edges += [(n, sink, c) for n, c in enumerate(cost.ravel()) if c > 0]
    for axis, prices in enumerate(problem.face_costs):
        near = np.delete(index, -1, axis).ravel()
        far = np.delete(index, 0, axis).ravel()
        for a, b, price in zip(near, far, prices.ravel(), strict=True):
            edges += [(a, b, price), (b, a, price)]
    rows, columns, prices = (np.array(column) for column in zip(*edges, strict=True))
    graph = csr_array((prices.astype(np.int32), (rows, columns)), shape=(cost.size + 2,) * 2)
    return float(maximum_flow(graph, source, sink).flow_value + cost[cost < 0].sum())


@pytest.mark.parametrize("seed", range(5))
def test_the_relaxation_finds_the_cheapest_cut(seed) -> None:
    problem = random_problem(seed)
    mask = cut_by_relaxation(problem, steps=2000) > 0.5
    best = lowest_cost(problem)
    assert best <= problem.cost_of(mask) <= best + 0.01 * abs(best)


@NEEDS_MAXFLOW
@pytest.mark.parametrize("seed", range(5))
def test_maximum_flow_finds_the_cheapest_cut(seed) -> None:
    problem = random_problem(seed)
    assert problem.cost_of(cut_by_max_flow(problem)) == pytest.approx(lowest_cost(problem))


def test_the_cost_of_a_mask_is_that_of_its_voxels_and_its_border() -> None:
    problem = CutProblem(
        np.full((3, 3, 3), 2.0, np.float32),
        (
            np.full((2, 3, 3), 1.0, np.float32),
            np.full((3, 2, 3), 3.0, np.float32),
            np.full((3, 3, 2), 5.0, np.float32),
        ),
    )
    middle = np.zeros((3, 3, 3), bool)
    middle[1, 1, 1] = True
    assert problem.cost_of(middle) == 2 + 2 * (1 + 3 + 5)


def test_a_marked_voxel_stays_whatever_its_neighbors_say() -> None:
    cost = np.full((5, 5, 5), 3.0, np.float32)
    cost[2, 2, 2] = -CERTAIN
    faces = tuple(np.full(tuple(5 - (a == b) for b in range(3)), 4.0, np.float32) for a in range(3))
    mask = cut(CutProblem(cost, faces), Solver.RELAXATION)
    assert np.argwhere(mask).tolist() == [[2, 2, 2]]


@pytest.mark.skipif(importlib.util.find_spec("maxflow") is not None, reason="PyMaxflow is installed")
def test_asking_for_maximum_flow_without_it_says_what_to_install() -> None:
    with pytest.raises(MissingDependency, match="pip install PyMaxflow"):
        cut_by_max_flow(random_problem(0))
