"""Where to start: many places tried on coarse images, so that no level is locked off by the first guess."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinemet.image import Image
from spinemet.progress import Progress, silent
from spinemet.registration.metric import (
    Agreement,
    Array,
    Points,
    Volume,
    agreement,
    in_target_bins,
    source_bins,
)
from spinemet.registration.motion import RigidMotion
from spinemet.registration.optimize import refine
from spinemet.registration.samples import coarse, smoothed

HEADERS, CENTERS = "the headers", "the centers of the images"
COARSE_MM, MEDIUM_MM, FINE_MM = 8.0, 4.0, 2.0
SEARCH_POINTS, COARSE_POINTS, MEDIUM_POINTS, FINE_POINTS = 2500, 6000, 15000, 150_000
SIDEWAYS_MM, DEPTH_MM, ALONG_MM = 24.0, 40.0, 64.0
"""How far the search looks to the right and left, to front and back, and up and down, from the headers' place."""
STEP_MM = 8.0
LEAST_OVERLAP = 0.3
"""Share of the smaller image's points that a candidate must keep in the other image."""
ASIDE_DEG, ASIDE_MM, ASIDE_SAME_MM, ASIDE_GAIN = 3.0, 3.0, 2.0, 1.002
"""How far beside the best place it is tried again, and how far off and how much better another end
must be to count as another one."""
DESCENTS, FINALISTS = 6, 3
SAME_PLACE_MM = 6.0
"""Candidates whose motions differ by less are one."""


@dataclass(frozen=True)
class Candidate:
    """A motion that was tried as a start.

    :param origin: where it came from, in words.
    :param agreement: of the whole images at `MEDIUM_MM`.
    """

    motion: RigidMotion
    origin: str
    agreement: Agreement


@dataclass(frozen=True, eq=False)
class _Stage:
    """Both images at one resolution: the smaller one as points, the other one as volume."""

    points: Points
    volume: Volume
    center: Array
    from_moving: bool

    def judge(self, motion: RigidMotion) -> Agreement:
        return agreement(self.points.about(self.center), self.volume, self.parameters(motion))

    def parameters(self, motion: RigidMotion) -> Array:
        """The rotation vector and shift that carry the points where a motion (fixed to moving) has them."""
        toward = self._toward(motion)
        return np.concatenate([toward.rotation_vector, toward.apply(self.center) - self.center])

    def improve(self, motion: RigidMotion, shift_mm: float, turn_deg: float) -> tuple[RigidMotion, Agreement]:
        toward = self._toward(motion)
        moved = Points(toward.apply(self.points.position), self.points.bin)
        center = toward.apply(self.center)
        found = refine(moved, self.volume, center, max_shift_mm=shift_mm, max_turn_deg=turn_deg)
        better = RigidMotion.about(center, found.parameters[:3], found.parameters[3:]).after(toward)
        return self._toward(better), found.agreement

    def _toward(self, motion: RigidMotion) -> RigidMotion:
        return motion.inverse if self.from_moving else motion


def search(fixed: Image, moving: Image, around: list[Candidate], progress: Progress | None = None) -> list[Candidate]:
    """Candidates for the motion of the whole body, best first.

    Shifts round each of `around` are tried on images of 8 mm; the best few descend there and again at 4 mm. What
    counts is the information times the overlap, so that a better fit of a small rest does not win.
    """
    report = progress or silent
    report(0.0, "looking for the start")
    stage = _stage(fixed, moving, COARSE_MM, COARSE_POINTS)
    tried = [candidate for item in around for candidate in _shifted(stage, item, fixed.grid.directions)]
    report(0.5, "refining the best starts")
    best = _distinct(sorted(tried, key=lambda item: -item.agreement.evidence), fixed, DESCENTS, 2 * STEP_MM)
    best += [Candidate(item.motion, item.origin, stage.judge(item.motion)) for item in around]
    finalists = _descended(stage, fixed, best)
    report(0.8, "comparing the starts")
    return refined(fixed, moving, finalists)


def best_of(fixed: Image, moving: Image, tried: list[Candidate]) -> list[Candidate]:
    """The best of many motions after a descent on images of 8 mm and again at 4 mm, best first."""
    stage = _stage(fixed, moving, COARSE_MM, COARSE_POINTS)
    judged = [Candidate(item.motion, item.origin, stage.judge(item.motion)) for item in tried]
    ordered = sorted(judged, key=lambda item: -item.agreement.evidence)
    return refined(fixed, moving, _descended(stage, fixed, _distinct(ordered, fixed, DESCENTS, STEP_MM)))


def _descended(stage: _Stage, fixed: Image, candidates: list[Candidate]) -> list[Candidate]:
    result = []
    for item in candidates:
        motion, found = stage.improve(item.motion, 25.0, 20.0)
        result.append(Candidate(motion, item.origin, found))
    return _distinct(sorted(result, key=lambda c: -c.agreement.evidence), fixed, FINALISTS, SAME_PLACE_MM)


def refined(fixed: Image, moving: Image, candidates: list[Candidate]) -> list[Candidate]:
    """The candidates after a descent on images of 4 mm, best first."""
    stage = _stage(fixed, moving, MEDIUM_MM, MEDIUM_POINTS)
    result = []
    for item in candidates:
        motion, found = stage.improve(item.motion, 20.0, 15.0)
        result.append(Candidate(motion, item.origin, found))
    return _distinct(sorted(result, key=lambda c: -c.agreement.evidence), fixed, len(result), SAME_PLACE_MM)


def finest(fixed: Image, moving: Image, candidates: list[Candidate]) -> list[Candidate]:
    """The best candidates after a descent on images of 2 mm, best first.

    The best one is started again from beside its place; where those end as good and elsewhere, they are among the
    result, since the images then do not fix the motion.
    """
    stage = _stage(fixed, moving, FINE_MM, FINE_POINTS)
    result = []
    for item in candidates[:FINALISTS]:
        motion, found = stage.improve(item.motion, 8.0, 8.0)
        result.append(Candidate(motion, item.origin, found))
    result = sorted(result, key=lambda c: -c.agreement.evidence)
    best, beside_best = result[0], []
    quick = _Stage(stage.points.thinned(MEDIUM_POINTS), stage.volume, stage.center, stage.from_moving)
    corners = lattice(moving)
    for aside in np.concatenate([np.eye(3), -np.eye(3)]):
        beside = RigidMotion.about(fixed.grid.center, np.radians(ASIDE_DEG) * aside, ASIDE_MM * np.roll(aside, 1))
        again, _ = quick.improve(best.motion.after(beside), 12.0, 10.0)
        motion, found = stage.improve(again, 4.0, 4.0)
        apart = motion.distance(best.motion, best.motion.inverse.apply(corners))
        if apart > ASIDE_SAME_MM:
            beside_best.append(Candidate(motion, f"beside {best.origin}", found))
    ordered = sorted([*result[1:], *beside_best], key=lambda c: -c.agreement.evidence)
    # Ends that are no better than by roughness of the metric leave the first descent where it is.
    wins = ordered[:1] if ordered and ordered[0].agreement.evidence > ASIDE_GAIN * best.agreement.evidence else []
    return [*wins, best, *ordered[len(wins) :]]


def whole_agreement(fixed: Image, moving: Image, motion: RigidMotion) -> Agreement:
    """Of the whole images at 4 mm."""
    return _stage(fixed, moving, MEDIUM_MM, MEDIUM_POINTS).judge(motion)


def by_headers(fixed: Image, moving: Image) -> list[Candidate]:
    """The headers' own place where the images overlap there, else center on center."""
    nothing = Agreement(0.0, 0.0)
    inside = max(
        float(np.mean(one.grid.contains(lattice(other)))) for one, other in ((fixed, moving), (moving, fixed))
    )
    if inside >= LEAST_OVERLAP:
        return [Candidate(RigidMotion.identity(), HEADERS, nothing)]
    return [Candidate(RigidMotion.shift(moving.grid.center - fixed.grid.center), CENTERS, nothing)]


def lattice(image: Image) -> Array:
    """Positions (n, 3) spread evenly over an image, RAS mm."""
    size = np.array(image.shape[::-1])
    steps = np.stack(np.meshgrid(*[np.linspace(0, n - 1, 12) for n in size], indexing="ij"), axis=-1)
    return image.to_world(steps.reshape(-1, 3))


def _stage(fixed: Image, moving: Image, spacing_mm: float, at_most: int) -> _Stage:
    volumes = [float(np.prod(np.array(image.shape[::-1]) * image.spacing)) for image in (fixed, moving)]
    from_moving = volumes[1] <= volumes[0]
    source, target = (moving, fixed) if from_moving else (fixed, moving)
    small, large = coarse(source, spacing_mm), coarse(target, spacing_mm)
    k, j, i = np.indices(small.shape).reshape(3, -1)
    values = smoothed(small.array, small.grid, spacing_mm / 2).ravel()
    points = Points(small.to_world(np.stack([i, j, k], axis=-1)), source_bins(values)).thinned(at_most)
    volume = Volume(in_target_bins(smoothed(large.array, large.grid, spacing_mm / 2)), large.grid.ras_to_ijk)
    return _Stage(points, volume, points.position.mean(axis=0), from_moving)


def _shifted(stage: _Stage, around: Candidate, directions: Array) -> list[Candidate]:
    """The candidate shifted along the patient's axes, those with enough overlap."""
    arms = stage.points.thinned(SEARCH_POINTS).about(stage.center)
    first = stage.parameters(around.motion)
    along = ALONG_MM if around.origin == HEADERS else 3 * ALONG_MM
    axes = [np.arange(-reach, reach + 1, STEP_MM) for reach in (SIDEWAYS_MM, DEPTH_MM, along)]
    result = []
    for shift in np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3):
        # The way back of a shift after a motion is that motion's way back, then the shift's opposite turned along.
        step = -around.motion.matrix[:3, :3].T @ shift if stage.from_moving else shift
        found = agreement(arms, stage.volume, first + np.concatenate([np.zeros(3), step]))
        if found.overlap >= LEAST_OVERLAP:
            motion = RigidMotion.shift(shift).after(around.motion)
            result.append(Candidate(motion, f"a shift from {around.origin}", found))
    return result


def _distinct(ordered: list[Candidate], fixed: Image, at_most: int, apart_mm: float) -> list[Candidate]:
    """The first ones of an ordered list that differ from each other."""
    corners = fixed.grid.center + 60.0 * np.concatenate([np.eye(3), -np.eye(3)])
    kept: list[Candidate] = []
    for item in ordered:
        if all(item.motion.distance(other.motion, corners) >= apart_mm for other in kept):
            kept.append(item)
        if len(kept) == at_most:
            break
    return kept
