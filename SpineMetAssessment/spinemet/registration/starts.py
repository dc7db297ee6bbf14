"""Which motions of the whole body to go on with: from a person, from outlines, from lines, or from a search."""

from __future__ import annotations

import numpy as np

from spinemet.errors import BadInput
from spinemet.labelmap import LabelMap
from spinemet.progress import Progress
from spinemet.registration.align import Pair
from spinemet.registration.hand import Hand, Landmark
from spinemet.registration.header import header_holds, same_frame
from spinemet.registration.metric import Agreement
from spinemet.registration.motion import Array, RigidMotion
from spinemet.registration.rigid import Bone, bones_of
from spinemet.registration.start import (
    HEADERS,
    Candidate,
    best_of,
    by_headers,
    lattice,
    refined,
    search,
    whole_agreement,
)

SIDE_MM = 30.0
LINE_STEP_MM, LINE_SHIFT = 4.0, 2
"""Points along a line, and by how many of them it is shifted from one try to the next."""
LEAST_LINE_MM = 50.0
"""Lines that overlap by less do not fix a turn [D]."""
NOTHING = Agreement(0.0, 0.0)
"""Of a candidate that was not yet measured."""


def candidates(
    pair: Pair, bones: list[Bone], moving_vertebrae: LabelMap | None, hand: Hand, progress: Progress
) -> list[Candidate]:
    """Motions of the whole body to go on with, best first: from the person, from outlines, or from a search."""
    if hand.start is not None:
        return [Candidate(hand.start, "a start by hand", NOTHING)]
    if hand.landmarks:
        return [Candidate(_from_landmarks(hand.landmarks), "landmarks", NOTHING)]
    matched = _from_outlines(bones, moving_vertebrae)
    if matched is not None:
        return [Candidate(matched, "vertebrae outlined in both images", NOTHING)]
    if hand.lines is not None:
        return best_of(pair.fixed, pair.moving, along_lines(*hand.lines))
    starts = by_headers(pair.fixed, pair.moving)
    if shares_frame(pair, hand):
        found = refined(pair.fixed, pair.moving, [Candidate(RigidMotion.identity(), HEADERS, NOTHING)])
        by_header = whole_agreement(pair.fixed, pair.moving, RigidMotion.identity())
        if header_holds(pair.fixed, pair.moving, found[0].motion, found[0].agreement, by_header, lattice(pair.moving)):
            return found
    return search(pair.fixed, pair.moving, starts, progress)


def _from_landmarks(landmarks: tuple[Landmark, ...]) -> RigidMotion:
    fixed, moving = (
        np.array([getattr(item, side) for item in landmarks], dtype=float) for side in ("fixed", "moving")
    )
    if len(landmarks) < 3:
        return RigidMotion.shift((moving - fixed).mean(axis=0))
    return RigidMotion.between(fixed, moving)


def _from_outlines(bones: list[Bone], other: LabelMap | None) -> RigidMotion | None:
    """The motion that carries the vertebrae of one image onto those of the same level in the other one."""
    if other is None:
        return None
    here = {bone.level: bone.center for bone in bones}
    there = {bone.level: bone.center for bone in bones_of(other)}
    both = [level for level in here if level in there]
    if not both:
        raise BadInput("The outlines of the two images have no level in common; check the levels of both.")
    one, two = (np.array([table[level] for level in both]) for table in (here, there))
    if len(both) < 3:
        return RigidMotion.shift((two - one).mean(axis=0))
    return line_onto_line(one, two)


def line_onto_line(fixed: Array, moving: Array) -> RigidMotion:
    """The motion that carries points along one spine (n, 3) onto those along the other."""
    # Such points lie almost on a line: points beside them keep the turn about the spine at nothing.
    beside = np.array([[SIDE_MM, 0.0, 0.0], [-SIDE_MM, 0.0, 0.0]])
    return RigidMotion.between(
        np.concatenate([fixed, fixed + beside[0], fixed + beside[1]]),
        np.concatenate([moving, moving + beside[0], moving + beside[1]]),
    )


def along_lines(fixed: Array, moving: Array) -> list[Candidate]:
    """One line along the spine laid onto the other one, at every place where enough of both overlaps.

    :raises BadInput: a line is too short to say anything.
    """
    one, two = (_even(np.asarray(line, dtype=float)) for line in (fixed, moving))
    least = max(LEAST_LINE_MM / LINE_STEP_MM, 0.5 * min(len(one), len(two)))
    found = []
    for offset in range(1 - len(one), len(two), LINE_SHIFT):
        here = np.arange(max(0, -offset), min(len(one), len(two) - offset))
        if len(here) >= least:
            motion = line_onto_line(one[here], two[here + offset])
            found.append(Candidate(motion, f"a line along the spine, {LINE_STEP_MM * offset:+.0f} mm", NOTHING))
    if not found:
        raise BadInput(f"The lines along the spine overlap by less than {LEAST_LINE_MM:g} mm; draw longer ones.")
    return found


def _even(line: Array) -> Array:
    """Points every `LINE_STEP_MM` along a line (n, 3)."""
    if line.ndim != 2 or line.shape[1] != 3 or len(line) < 2:
        raise BadInput("A line along the spine needs two or more points.")
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.arange(0.0, run[-1] + 1e-6, LINE_STEP_MM)
    return np.stack([np.interp(at, run, line[:, axis]) for axis in range(3)], axis=-1)


def shares_frame(pair: Pair, hand: Hand) -> bool:
    """Whether the headers' alignment may be kept: one frame of reference, and no person who says otherwise."""
    by_person = hand.start is not None or hand.landmarks or hand.lines is not None
    return same_frame(pair.fixed, pair.moving) and not by_person
