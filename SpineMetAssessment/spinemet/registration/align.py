"""Align two images near a bone, whichever of them gives the points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinemet.image import Image
from spinemet.registration.metric import Agreement, Array, Points, Volume, agreement, source_bins
from spinemet.registration.motion import RigidMotion
from spinemet.registration.optimize import refine
from spinemet.registration.prior import NO_PRIOR, PointPrior
from spinemet.registration.samples import rendered, zone_points


@dataclass(frozen=True)
class Pair:
    """The two images, and which of them gives the points: the one with the longer voxels."""

    fixed: Image
    moving: Image

    @property
    def points_from_moving(self) -> bool:
        return bool(self.moving.spacing.max() >= 0.99 * self.fixed.spacing.max())

    @property
    def source(self) -> Image:
        """The image that gives the points."""
        return self.moving if self.points_from_moving else self.fixed

    @property
    def target(self) -> Image:
        return self.fixed if self.points_from_moving else self.moving

    def source_to_target(self, motion: RigidMotion) -> RigidMotion:
        return motion.inverse if self.points_from_moving else motion

    def source_to_fixed(self, motion: RigidMotion) -> RigidMotion:
        return motion.inverse if self.points_from_moving else RigidMotion.identity()

    def corrected(self, motion: RigidMotion, small: RigidMotion) -> RigidMotion:
        """The motion after the points were moved by a small motion in their own image."""
        return small.inverse.after(motion) if self.points_from_moving else motion.after(small)

    def prior(self, motion: RigidMotion, fixed: Array, moving: Array, weight: Array) -> PointPrior:
        """The expectation that `fixed` points belong to `moving` points, for a small motion after `motion`."""
        if self.points_from_moving:
            return PointPrior(moving, motion.apply(fixed), weight)
        return PointPrior(fixed, motion.inverse.apply(moving), weight)


@dataclass(frozen=True, eq=False)
class Setting:
    """Points and rendered image round a bone under one motion: what the descent works on."""

    pair: Pair
    motion: RigidMotion
    points: Points
    volume: Volume
    center: Array

    def at_start(self) -> Agreement:
        return agreement(self.points.about(self.center), self.volume, np.zeros(6))

    def agreement_of(self, motion: RigidMotion) -> Agreement:
        """How well another motion does on the same points."""
        return agreement(self.points.about(self.center), self.volume, self.parameters_of(motion))

    def parameters_of(self, motion: RigidMotion) -> Array:
        """The rotation vector and shift by which the points must be moved to go with another motion."""
        if self.pair.points_from_moving:
            small = self.motion.after(motion.inverse)
        else:
            small = self.motion.inverse.after(motion)
        return np.concatenate([small.rotation_vector, small.apply(self.center) - self.center])


@dataclass(frozen=True)
class Aligned:
    """A motion and what the metric says of it."""

    motion: RigidMotion
    agreement: Agreement
    at_bound: bool


def setting(
    pair: Pair,
    zones: list[Image],
    center: Array,
    motion: RigidMotion,
    *,
    margin_mm: float,
    at_most: int,
    reach_mm: float,
    smooth_mm: float = 0.0,
) -> Setting | None:
    """Gather points near bones and render the other image round them; None where the points' image has no bone.

    :param zones: distances to each bone, in the fixed image.
    :param center: about which is turned, RAS of the fixed image.
    """
    back = pair.source_to_fixed(motion)
    found = [zone_points(pair.source, item, margin_mm, back, pair.target, at_most, smooth_mm) for item in zones]
    seen = [item for item in found if item is not None]
    if not seen:
        return None
    positions, values = (np.concatenate([item[n] for item in seen]) for n in (0, 1))
    points = Points(positions, source_bins(values))
    volume = rendered(pair.target, points, pair.source, pair.source_to_target(motion), reach_mm, smooth_mm)
    return Setting(pair, motion, points, volume, back.inverse.apply(center))


def align(
    at: Setting,
    *,
    prior: PointPrior = NO_PRIOR,
    counts_as: float = 1.0,
    max_shift_mm: float,
    max_turn_deg: float,
    start: RigidMotion | None = None,
) -> Aligned:
    """The best motion near the setting's own (or near `start`, which stays near it)."""
    first = None if start is None else at.parameters_of(start)
    found = refine(
        at.points,
        at.volume,
        at.center,
        start=first,
        prior=(lambda p: prior(at.center, p)) if len(prior.weight) else None,
        counts_as=counts_as,
        max_shift_mm=max_shift_mm,
        max_turn_deg=max_turn_deg,
    )
    small = RigidMotion.about(at.center, found.parameters[:3], found.parameters[3:])
    return Aligned(at.pair.corrected(at.motion, small), found.agreement, found.at_bound)
