"""One motion for the whole spine from all its bones, tested against its neighbors one level up and down."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import numpy as np

from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress, silent
from spinemet.registration.align import Pair, Setting, align, setting
from spinemet.registration.metric import Array
from spinemet.registration.motion import RigidMotion
from spinemet.registration.samples import coarse, zone
from spinemet.registration.start import Candidate

MARGIN_MM = 8.0
"""How far round the bones points are taken: discs, canal and the muscles' fascia tell levels apart."""
SPACING_MM = 2.0
"""Both images are averaged to about this spacing first."""
POINTS_PER_BONE = 1500
BONE_POINTS = 1000
REACH_MM = 14.0
MAX_SHIFT_MM, MAX_TURN_DEG = 14.0, 12.0


@dataclass(frozen=True)
class Bone:
    """A vertebra of the fixed image, prepared.

    :param center: of the outlined bone, RAS mm.
    :param points: spread over the bone (n, 3), RAS mm.
    :param zone: distance to it in mm, on a coarse crop (`samples.zone`).
    """

    level: Level
    center: Array
    points: Array
    zone: Image

    def in_view(self, image: Image, motion: RigidMotion) -> float:
        """Share of the bone that `motion` carries into an image."""
        return float(np.mean(image.grid.contains(motion.apply(self.points))))


def bones_of(labels: LabelMap) -> list[Bone]:
    """Every outlined vertebra, from head to tail."""
    result = []
    for level, value in labels.levels.items():
        distance = zone(labels, value, MARGIN_MM)
        inside = np.argwhere(distance.array == 0)[:, ::-1]
        points = distance.to_world(inside[:: max(1, len(inside) // BONE_POINTS)])
        result.append(Bone(level, points.mean(axis=0), points, distance))
    return result


def averaged(pair: Pair) -> Pair:
    """The pair at `SPACING_MM`, on which the whole spine is aligned."""
    return Pair(coarse(pair.fixed, SPACING_MM), coarse(pair.moving, SPACING_MM))


def on_bones(pair: Pair, bones: list[Bone], motion: RigidMotion) -> Setting | None:
    """All bones as one, round a motion; `pair` is `averaged`."""
    center = np.mean([bone.center for bone in bones], axis=0)
    return setting(
        pair, [bone.zone for bone in bones], center, motion, margin_mm=MARGIN_MM, at_most=POINTS_PER_BONE,
        reach_mm=REACH_MM,
    )  # fmt: skip


def best_on_bones(
    pair: Pair, bones: list[Bone], candidates: list[Candidate], progress: Progress | None = None
) -> list[Candidate]:
    """Every candidate after a descent on the bones, best first.

    :param pair: the images at `SPACING_MM` (`averaged`).
    """
    report = progress or silent
    result = []
    for n, item in enumerate(candidates):
        report(n / len(candidates), "aligning the spine as a whole")
        at = on_bones(pair, bones, item.motion)
        if at is None:
            continue
        found = align(at, max_shift_mm=MAX_SHIFT_MM, max_turn_deg=MAX_TURN_DEG)
        result.append(Candidate(found.motion, item.origin, found.agreement))
    return sorted(result, key=lambda c: -c.agreement.evidence)


def one_level_off(bones: list[Bone], motion: RigidMotion, step: int) -> RigidMotion | None:
    """The motion that puts every vertebra where `motion` puts its neighbor `step` levels toward the tail.

    None when there are not enough vertebrae to say.
    """
    centers = np.array([bone.center for bone in sorted(bones, key=lambda item: item.level.order)])
    if len(centers) < 2:
        return None
    here, there = (centers[:-step], centers[step:]) if step > 0 else (centers[-step:], centers[:step])
    middle_here, middle_there = here.mean(axis=0), there.mean(axis=0)
    shift = RigidMotion.shift(middle_there - middle_here)
    if len(here) >= 3:
        # The side-to-side spread fixes the turn about the spine's own axis.
        wide = np.array([[30.0, 0.0, 0.0], [-30.0, 0.0, 0.0]])
        with contextlib.suppress(BadInput):
            shift = RigidMotion.between(
                np.concatenate([here, here + wide[0], here + wide[1]]),
                np.concatenate([there, there + wide[0], there + wide[1]]),
            )
    return motion.after(shift)
