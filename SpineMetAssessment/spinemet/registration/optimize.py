"""Bounded descent on the six ways to move, with an optional prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spinemet.registration.metric import Agreement, Array, Points, Volume, agreement_and_slope

ARM_MM = 25.0
"""One radian counts as this many mm, so that all six parameters are alike; about the radius of a vertebra."""

ENOUGH_MM = 0.01
"""A step shorter than this ends the descent."""
FIRST_STEP_MM = 0.5
LONGEST_STEP_MM = 4.0

Prior = Callable[[Array], tuple[float, Array]]
"""Penalty in nats and its slope (6,), of the parameters: 3 radians and 3 mm."""


@dataclass(frozen=True)
class Optimum:
    """Where the descent ended.

    :param parameters: rotation vector (radians) about the center, and shift (mm).
    :param agreement: of the points there.
    :param at_bound: whether it was stopped by the bounds.
    """

    parameters: Array
    agreement: Agreement
    at_bound: bool


def refine(
    points: Points,
    volume: Volume,
    center: Array,
    *,
    start: Array | None = None,
    prior: Prior | None = None,
    counts_as: float = 1.0,
    max_shift_mm: float = 10.0,
    max_turn_deg: float = 10.0,
    steps: int = 40,
) -> Optimum:
    """The nearest optimum of mutual information (times `counts_as`) minus the prior's penalty.

    :param center: RAS mm about which is turned.
    :param counts_as: how many independent points the information stands for, against the prior.
    """
    scale = np.array([1 / ARM_MM] * 3 + [1.0] * 3)
    limit = np.array([np.radians(max_turn_deg)] * 3 + [max_shift_mm] * 3) / scale
    first = np.zeros(6) if start is None else np.asarray(start, dtype=float) / scale
    first = np.clip(first, -limit, limit)

    arms = points.about(center)

    def loss(scaled: Array) -> tuple[float, Array]:
        parameters = scaled * scale
        found, slope = agreement_and_slope(arms, volume, parameters)
        value, gradient = -counts_as * found.information, -counts_as * slope
        if prior is not None:
            penalty, push = prior(parameters)
            value, gradient = value + penalty, gradient + push
        return value, gradient * scale

    best = _descend(loss, first, limit, steps)
    parameters = best * scale
    found, _ = agreement_and_slope(arms, volume, parameters)
    return Optimum(parameters, found, bool(np.any(np.abs(best) >= limit * 0.999)))


def _descend(loss: Callable[[Array], tuple[float, Array]], start: Array, limit: Array, steps: int) -> Array:
    """Quasi-Newton descent (BFGS) within ±limit; ends when a step is shorter than `ENOUGH_MM`.

    Written out because scipy's own spends more time in threaded linear algebra of 6×6 than in the metric.
    """
    place = start
    value, slope = loss(place)
    inverse = np.eye(6)
    known = False
    for _ in range(steps):
        step = -inverse @ slope
        if step @ slope >= 0:
            inverse, known = np.eye(6), False
            step = -slope
        length = float(np.linalg.norm(step))
        if length == 0.0:
            break
        if not known:
            step *= FIRST_STEP_MM / length
        elif length > LONGEST_STEP_MM:
            step *= LONGEST_STEP_MM / length
        for _ in range(8):
            trial = np.clip(place + step, -limit, limit)
            trial_value, trial_slope = loss(trial)
            if trial_value <= value + 1e-4 * float(slope @ (trial - place)):
                break
            # The minimum of the parabola through both values and the slope, within sane reach.
            fall = float(slope @ step)
            bend = trial_value - value - fall
            step = step * float(np.clip(-fall / (2 * bend), 0.1, 0.5) if bend > 0 else 0.5)
        else:
            break
        moved, turned = trial - place, trial_slope - slope
        place, value, slope = trial, trial_value, trial_slope
        curvature = float(moved @ turned)
        if curvature > 1e-12:
            if not known:
                inverse, known = np.eye(6) * (curvature / float(turned @ turned)), True
            update = np.eye(6) - np.outer(moved, turned) / curvature
            inverse = update @ inverse @ update.T + np.outer(moved, moved) / curvature
        if float(np.linalg.norm(moved)) < ENOUGH_MM:
            break
    return place
