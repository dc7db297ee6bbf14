"""How far each vertebra's motion can be trusted, and whether the registration as a whole can."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import Enum

import numpy as np

from spinemet.levels import Level
from spinemet.registration.chain import LEAST_IN_VIEW, Link
from spinemet.registration.metric import Agreement, Array
from spinemet.registration.motion import RigidMotion, rotation_matrix, rotation_vector

HALF_IN_VIEW = 0.5
"""Share of a bone below which its own motion is used but marked [D]."""
SPREAD_MM = 1.3
"""Expected error from which a motion is marked; the clinical need is 2 mm at two to three standard deviations [D]."""
FAILED_SPREAD_MM = 4.0
HALVES_MM = 2.0
"""Distance between the motions of two halves of the points from which a motion is marked [D]."""
JOINT_SHIFT_MM, JOINT_TURN_DEG = 6.0, 12.0
"""Shift and turn between neighbors, beyond what the whole spine did, that a change of posture does not reach [D]."""
LEVEL_MARGIN, SURE_LEVEL_MARGIN = 1.15, 1.5
"""Information of the chosen level over that one level off that is needed: to be used, and without a note [D]."""


class Trust(str, Enum):
    """Where a vertebra's motion comes from and how sure it is."""

    OWN = "own"
    """From its own image content; every test passed."""
    DOUBTFUL = "doubtful"
    """From its own image content, but a test asks for a look."""
    SPINE = "spine"
    """The motion of the whole spine, by choice: nothing single was sought."""
    NEIGHBORS = "neighbors"
    """From its neighbors (or the whole spine): its own content was missing or did not pass."""


@dataclass(frozen=True, eq=False)
class VertebraMotion:
    """Where one vertebra went.

    :param motion: fixed to moving, RAS.
    :param trust: DOUBTFUL and NEIGHBORS are marked for the reader.
    :param reason: why it is marked, a sentence; "" where it is not.
    :param center: of the outlined bone, RAS mm of the fixed image.
    :param in_view: share of the bone that the moving image shows, 0 to 1.
    :param before: agreement of the whole spine's motion near this bone; None where it was not measured.
    :param after: agreement of `motion` there.
    :param spread_mm: expected error over the bone; None where the motion is not its own.
    """

    level: Level
    motion: RigidMotion
    trust: Trust
    reason: str
    center: Array
    in_view: float
    before: Agreement | None = None
    after: Agreement | None = None
    spread_mm: float | None = None

    @property
    def marked(self) -> bool:
        return self.trust in (Trust.DOUBTFUL, Trust.NEIGHBORS)


def judged(links: list[Link], spine: RigidMotion) -> list[VertebraMotion]:
    """The chain after every vertebra was tested; who failed moves with the neighbors."""
    failures = [_failure(link) for link in links]
    for n in _apart(links, failures):
        failures[n] = failures[n] or "it moved further against its neighbors than a change of posture explains"
    good = [n for n, failure in enumerate(failures) if not failure]
    result = []
    for n, link in enumerate(links):
        level, center, fit = link.bone.level, link.bone.center, link.fit
        if failures[n] or fit is None:
            motion = from_neighbors(links, good, n, spine)
            reason = f"{level} moves with its neighbors: {failures[n]}."
            result.append(VertebraMotion(level, motion, Trust.NEIGHBORS, reason, center, link.in_view))
            continue
        doubt = _doubt(link)
        result.append(
            VertebraMotion(
                level,
                link.motion,
                Trust.DOUBTFUL if doubt else Trust.OWN,
                f"{level} needs a look: {doubt}." if doubt else "",
                center,
                link.in_view,
                fit.before,
                fit.aligned.agreement,
                fit.spread_mm,
            )
        )
    return result


def from_neighbors(links: list[Link], good: list[int], n: int, spine: RigidMotion) -> RigidMotion:
    """The motion between the nearest good vertebrae above and below, that of the only one, or the spine's."""
    above, below = max((m for m in good if m < n), default=None), min((m for m in good if m > n), default=None)
    if above is None or below is None:
        only = below if above is None else above
        return spine if only is None else links[only].motion
    one, other = links[above], links[below]
    center = links[n].bone.center
    lengths = [float(np.linalg.norm(center - item.bone.center)) for item in (one, other)]
    return between(one.motion, other.motion, lengths[0] / max(sum(lengths), 1e-9), center)


def between(one: RigidMotion, other: RigidMotion, share: float, center: Array) -> RigidMotion:
    """The motion `share` of the way from one to another at a point: turn and displacement both in proportion."""
    turn = rotation_vector(other.matrix[:3, :3] @ one.matrix[:3, :3].T)
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_matrix(share * turn) @ one.matrix[:3, :3]
    target = (1 - share) * one.apply(center) + share * other.apply(center)
    matrix[:3, 3] = target - matrix[:3, :3] @ center
    return RigidMotion(matrix)


def _failure(link: Link) -> str:
    fit = link.fit
    if fit is None:
        if link.in_view < LEAST_IN_VIEW:
            return f"the moving image shows {link.in_view:.0%} of it"
        return "the moving image has too few voxels on it"
    if fit.aligned.at_bound:
        return "the search for it ended at its limits"
    if fit.aligned.agreement.evidence < fit.before.evidence:
        return "its own motion fits the images less well than that of the whole spine"
    if fit.spread_mm > FAILED_SPREAD_MM:
        return "the images do not tell where it lies"
    return ""


def _doubt(link: Link) -> str:
    fit = link.fit
    if link.in_view < HALF_IN_VIEW:
        return f"the moving image shows only {link.in_view:.0%} of it"
    if fit is not None and fit.spread_mm > SPREAD_MM:
        return f"its error may well be more than {fit.spread_mm:.1f} mm"
    if fit is not None and fit.halves_mm > HALVES_MM:
        return f"two halves of its points disagree by {fit.halves_mm:.1f} mm"
    return ""


def _apart(links: list[Link], failures: list[str]) -> list[int]:
    """Vertebrae that differ from both good neighbors (or the only one) beyond the limits."""
    good = [n for n, failure in enumerate(failures) if not failure]
    far = [_beyond(links[one], links[other]) for one, other in itertools.pairwise(good)]
    sides = [[far[m] for m in (place - 1, place) if 0 <= m < len(far)] for place in range(len(good))]
    return [n for n, side in zip(good, sides, strict=True) if side and all(side)]


def _beyond(one: Link, other: Link) -> bool:
    joint = (one.bone.center + other.bone.center) / 2
    shift = float(np.linalg.norm(one.motion.apply(joint) - other.motion.apply(joint)))
    turn = other.motion.after(one.motion.inverse).angle_deg
    steps = max(1, other.bone.level.order - one.bone.level.order)
    return shift > JOINT_SHIFT_MM * steps or turn > JOINT_TURN_DEG * steps
