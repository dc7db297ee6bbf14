"""The motion of one vertebra: a coarse descent, then a fine one on many points in and round its bone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinemet.registration.align import Aligned, Pair, Setting, align, setting
from spinemet.registration.metric import Agreement, Array, Points, agreement_and_slope
from spinemet.registration.motion import RigidMotion
from spinemet.registration.optimize import ARM_MM, refine
from spinemet.registration.prior import NO_PRIOR, PointPrior
from spinemet.registration.rigid import Bone

MARGIN_MM = 5.0
COARSE_SMOOTH_MM, COARSE_POINTS = 1.5, 6000
FINE_POINTS = 24000
REACH_MM = 8.0
MAX_SHIFT_MM, MAX_TURN_DEG = 8.0, 8.0
"""How far a vertebra may move from where its neighbors lead it to be."""
COUNTS_AS = 150.0
"""Independent points that the information of a vertebra stands for, against the prior."""

Expected = tuple[Array, Array, Array]
"""Points of the fixed image, where they are expected in the moving one, and their weights (1 / mm²)."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A vertebra's motion and what is known of its quality.

    :param before: agreement of `reference` on the same points.
    :param spread_mm: expected error, root mean square over the bone, from how sharp the optimum is.
    :param halves_mm: how far apart the motions are that two halves of the points give.
    """

    aligned: Aligned
    before: Agreement
    spread_mm: float
    halves_mm: float

    @property
    def motion(self) -> RigidMotion:
        return self.aligned.motion


def follow(pair: Pair, bone: Bone, motion: RigidMotion, expected: list[Expected]) -> Aligned | None:
    """A coarse descent from a motion that is a few millimeters off."""
    at = setting(
        pair, [bone.zone], bone.center, motion, margin_mm=MARGIN_MM, at_most=COARSE_POINTS,
        reach_mm=REACH_MM + 4.0, smooth_mm=COARSE_SMOOTH_MM,
    )  # fmt: skip
    if at is None:
        return None
    return align(
        at, prior=prior_of(pair, motion, expected), counts_as=COUNTS_AS,
        max_shift_mm=MAX_SHIFT_MM, max_turn_deg=MAX_TURN_DEG,
    )  # fmt: skip


def settle(
    pair: Pair, bone: Bone, motion: RigidMotion, expected: list[Expected], reference: RigidMotion
) -> Fit | None:
    """The fine descent, and how much it can be trusted.

    :param reference: the motion of the whole spine, which the vertebra's own should better.
    """
    at = setting(
        pair, [bone.zone], bone.center, motion, margin_mm=MARGIN_MM, at_most=FINE_POINTS, reach_mm=REACH_MM,
    )  # fmt: skip
    if at is None:
        return None
    prior = prior_of(pair, motion, expected)
    before = at.agreement_of(reference)
    found = _descended(at, prior, None)
    if found.agreement.evidence < before.evidence:
        # A side valley: the whole spine's motion fits better, so its valley is the one to descend.
        found = max(found, _descended(at, prior, reference), key=lambda item: item.agreement.evidence)
    return Fit(
        found,
        before,
        spread(at, found.motion, prior),
        halves(at, found.motion, prior),
    )


def _descended(at: Setting, prior: PointPrior, start: RigidMotion | None) -> Aligned:
    return align(
        at, prior=prior, counts_as=COUNTS_AS, max_shift_mm=MAX_SHIFT_MM, max_turn_deg=MAX_TURN_DEG, start=start
    )


def prior_of(pair: Pair, motion: RigidMotion, expected: list[Expected]) -> PointPrior:
    prior = NO_PRIOR
    for fixed, moving, weight in expected:
        prior = prior.joined(pair.prior(motion, fixed, moving, weight))
    return prior


def spread(at: Setting, motion: RigidMotion, prior: PointPrior) -> float:
    """Root mean square error in mm over a vertebra that the curvature of information and prior lets expect."""
    arms = at.points.about(at.center)
    place = at.parameters_of(motion)
    scale = np.array([1 / ARM_MM] * 3 + [1.0] * 3)

    def slope(scaled: Array) -> Array:
        gradient = -COUNTS_AS * agreement_and_slope(arms, at.volume, scaled * scale)[1]
        if len(prior.weight):
            gradient = gradient + prior(at.center, scaled * scale)[1]
        return gradient * scale

    step = 0.5
    here = place / scale
    bend = np.array([(slope(here + step * e) - slope(here - step * e)) / (2 * step) for e in np.eye(6)])
    values, vectors = np.linalg.eigh((bend + bend.T) / 2)
    covariance = vectors / np.maximum(values, 1e-3) @ vectors.T
    # Square displacement of points at distance ARM_MM: shifts fully, each turn by two thirds.
    return float(np.sqrt(np.trace(covariance[3:, 3:]) + 2 / 3 * np.trace(covariance[:3, :3])))


def halves(at: Setting, motion: RigidMotion, prior: PointPrior) -> float:
    """Root mean square distance in mm between the motions of two interleaved blocks of the points."""
    place = at.parameters_of(motion)
    # Blocks of 4 mm, so that neighbors with shared noise are in one half.
    block = np.floor(at.points.position / 4.0).astype(int).sum(axis=1) % 2
    found = []
    for half in (0, 1):
        chosen = block == half
        if chosen.sum() < 200:
            return float("inf")
        result = refine(
            Points(at.points.position[chosen], at.points.bin[chosen]), at.volume, at.center, start=place,
            prior=(lambda p: prior(at.center, p)) if len(prior.weight) else None, counts_as=COUNTS_AS / 2,
            max_shift_mm=MAX_SHIFT_MM, max_turn_deg=MAX_TURN_DEG,
        )  # fmt: skip
        found.append(RigidMotion.about(at.center, result.parameters[:3], result.parameters[3:]))
    ball = at.center + ARM_MM * np.concatenate([np.eye(3), -np.eye(3)])
    return found[0].distance(found[1], ball)
