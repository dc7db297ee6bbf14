"""The cut: the cheapest border between tumor and the rest on a grid, from costs of voxels and costs of borders.

Key functions: `cut` picks the solver, `cut_by_relaxation` needs numpy alone, `cut_by_max_flow` needs PyMaxflow. Both
minimize the same sum, so they give the same border but for ties: the cost of every voxel that is tumor, plus the cost
of every face between a voxel that is tumor and one that is not (Boykov and Jolly 2001). The relaxation solves it as
total variation (Chan, Esedoglu and Nikolova 2006) by preconditioned primal-dual steps (Pock and Chambolle 2011).
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spinemet.errors import MissingDependency

CERTAIN = 1e3
"""Cost that no border outweighs: a voxel that a person marked."""
_SETTLED = 2e-3
"""Share of voxels that may still be on the way when the steps of the relaxation end."""

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


class Solver(str, Enum):
    """Who finds the border."""

    RELAXATION = "relaxation"
    MAX_FLOW = "maximum flow"


@dataclass(frozen=True, eq=False)
class CutProblem:
    """What the border costs.

    :param voxel_cost: (k, j, i); the cost of calling a voxel tumor, negative where it looks like tumor.
    :param face_costs: for each axis k, j, i the cost, ≥0, of a border between neighbors along it; one shorter there.
    """

    voxel_cost: Floats
    face_costs: tuple[Floats, Floats, Floats]

    def cost_of(self, mask: Bools) -> float:
        """What a mask costs; the cut is the mask for which this is lowest."""
        faces = sum(float(cost[np.diff(mask, axis=axis)].sum()) for axis, cost in enumerate(self.face_costs))
        return float(self.voxel_cost[mask].sum()) + faces


def best_solver() -> Solver:
    """Maximum flow where PyMaxflow is installed, else the relaxation."""
    return Solver.MAX_FLOW if importlib.util.find_spec("maxflow") else Solver.RELAXATION


def cut(problem: CutProblem, solver: Solver | None = None, start: Floats | None = None, steps: int = 120) -> Bools:
    """The mask that costs least.

    :param solver: None for the best that is installed.
    :param start: a guess between 0 and 1 that shortens the relaxation's way.
    :param steps: the most steps that the relaxation takes.
    :raises MissingDependency: maximum flow was asked for, and PyMaxflow is not installed.
    """
    if (solver or best_solver()) is Solver.MAX_FLOW:
        return cut_by_max_flow(problem)
    return np.asarray(cut_by_relaxation(problem, start, steps) > 0.5)


def cut_by_relaxation(problem: CutProblem, start: Floats | None = None, steps: int = 120) -> Floats:
    """The relaxed cut, 0 to 1; above one half lies the tumor.

    The steps end early when hardly a voxel changes its side.
    """
    cost: Floats = np.clip(problem.voxel_cost, -CERTAIN, CERTAIN)
    u = np.where(cost < 0, 1.0, 0.0).astype(np.float32) if start is None else start.astype(np.float32)
    flows = [np.zeros_like(limit) for limit in problem.face_costs]
    ahead, inflow = u.copy(), np.empty_like(u)
    # Each face joins two voxels, each voxel has six faces: 1/2 and 1/6 are the largest steps that converge.
    mask = u > 0.5
    for step in range(steps):
        np.multiply(cost, np.float32(-1 / 6), out=inflow)
        for axis, (flow, limit) in enumerate(zip(flows, problem.face_costs, strict=True)):
            upper, lower = _pair(axis)
            flow += 0.5 * (ahead[upper] - ahead[lower])
            np.minimum(flow, limit, out=flow)
            np.maximum(flow, -limit, out=flow)
            change = flow * np.float32(1 / 6)
            inflow[upper] -= change
            inflow[lower] += change
        np.multiply(u, -1.0, out=ahead)
        u += inflow
        np.clip(u, 0.0, 1.0, out=u)
        ahead += 2 * u
        if step % 10 == 9:
            now = u > 0.5
            if np.count_nonzero(now ^ mask) <= _SETTLED * int(np.count_nonzero(now)):
                break
            mask = now
    return u


def cut_by_max_flow(problem: CutProblem) -> Bools:
    """The exact cut by PyMaxflow.

    :raises MissingDependency: PyMaxflow is not installed.
    """
    try:
        maxflow = importlib.import_module("maxflow")
    except ImportError as error:
        raise MissingDependency(
            "The graph cut by maximum flow needs PyMaxflow; install it (pip install PyMaxflow), or leave the choice of"
            " the solver to SpineMet."
        ) from error
    shape = problem.voxel_cost.shape
    graph = maxflow.GraphFloat(int(problem.voxel_cost.size), 3 * int(problem.voxel_cost.size))
    nodes = graph.add_grid_nodes(shape)
    for axis, limit in enumerate(problem.face_costs):
        weights = np.zeros(shape, np.float32)
        _, lower = _pair(axis)
        weights[lower] = limit
        structure = np.zeros((3, 3, 3))
        structure[tuple(2 if other == axis else 1 for other in range(3))] = 1
        graph.add_grid_edges(nodes, weights=weights, structure=structure, symmetric=True)
    cost: Floats = np.clip(problem.voxel_cost, -CERTAIN, CERTAIN)
    graph.add_grid_tedges(nodes, np.maximum(-cost, 0), np.maximum(cost, 0))
    graph.maxflow()
    return ~np.asarray(graph.get_grid_segments(nodes), dtype=bool)


def _pair(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of the voxels on both sides of the faces along an axis: farther, nearer."""
    whole = slice(None)
    upper = tuple(slice(1, None) if other == axis else whole for other in range(3))
    lower = tuple(slice(None, -1) if other == axis else whole for other in range(3))
    return upper, lower
