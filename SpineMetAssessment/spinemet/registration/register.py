"""Register two images of a spine: find the start, move the whole spine, then every vertebra.

Key functions: `register` does all of it; `Hand` takes a person's landmarks and nudges; `Registration` holds the
result. Motions carry points of the fixed image to the moving image (RAS mm, 4×4): the moving image is resampled
onto the fixed one by reading it at the moved points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from spinemet.errors import BadInput
from spinemet.evidence import Point
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress, part, silent
from spinemet.registration.align import Pair
from spinemet.registration.chain import ByHand, follow_chain
from spinemet.registration.header import header_holds, is_blurred, same_frame
from spinemet.registration.metric import Agreement
from spinemet.registration.motion import RigidMotion
from spinemet.registration.rigid import Bone, averaged, best_on_bones, bones_of, on_bones, one_level_off
from spinemet.registration.start import (
    HEADERS,
    LEAST_OVERLAP,
    Candidate,
    by_headers,
    finest,
    lattice,
    refined,
    search,
    whole_agreement,
)
from spinemet.registration.trust import HALF_IN_VIEW, LEVEL_MARGIN, SURE_LEVEL_MARGIN, Trust, VertebraMotion, judged
from spinemet.registration.vertebra import Expected

LANDMARK_MM = 2.0
"""How exactly a person places a pair of landmarks [D]."""
COARSEST_MM = 6.5
"""Images with longer voxels tell nothing of single vertebrae [D]."""
MAX_TURN_DEG = 45.0
"""Larger turns of the whole patient are not believed without a person's start [D]."""
MOST_MARKED = 0.5
"""Share of the vertebrae in view that may be marked before the whole is refused [D]."""
MOST_LEVELS_OFF = 3
LEVEL_CHANGE = 1.1
"""How many times more information one level off must give before it is preferred [D]."""
SAME_LEVEL_MM = 8.0
"""A descent from one level off that ends this near has come back to the chosen level."""
SIDE_MM = 30.0


@dataclass(frozen=True)
class Landmark:
    """The same point in both images, as a person placed it.

    :param fixed, moving: RAS mm.
    :param level: the vertebra it belongs to, where known.
    """

    fixed: Point
    moving: Point
    level: Level | None = None


@dataclass(frozen=True)
class Hand:
    """What a person contributes; the optimizer starts from it.

    :param start: motion of the whole spine to start from.
    :param landmarks: three or more give the start (fewer: a shift); those with a level also hold their vertebra.
    :param nudges: motions from which single vertebrae start.
    """

    start: RigidMotion | None = None
    landmarks: tuple[Landmark, ...] = ()
    nudges: Mapping[Level, RigidMotion] = field(default_factory=dict)


@dataclass(frozen=True)
class LevelTest:
    """What the images say to the spine one level up or down.

    :param step: +1 puts every vertebra where the one below it belongs, −1 the one above.
    :param information: of the bones there, in nats per point; None when it could not be tried.
    """

    step: int
    information: float | None


@dataclass(frozen=True, eq=False)
class Registration:
    """The result.

    :param spine: motion of the whole spine, fixed to moving, RAS.
    :param vertebrae: motion of every outlined vertebra; empty without outlines.
    :param start: where the spine's motion was started from, in words.
    :param alternatives: other starts that were tried, with their agreement.
    :param level_tests: the same one level up and down.
    :param before: agreement of the headers' own place with the images, on the bones (or the whole images).
    :param after: agreement of `spine`.
    :param kept_header: the headers' alignment was kept, since both images share a frame of reference and the images
        do not contradict it.
    :param problems: sentences; a registration with a problem must not be used.
    :param notes: sentences for the reader that do not forbid its use.
    """

    spine: RigidMotion
    vertebrae: Mapping[Level, VertebraMotion]
    start: str
    alternatives: tuple[Candidate, ...]
    level_tests: tuple[LevelTest, ...]
    before: Agreement
    after: Agreement
    kept_header: bool = False
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        return not self.problems

    @property
    def level_margin(self) -> float | None:
        """Information at the chosen level over that one level off; None when it was not tested."""
        others = [test.information for test in self.level_tests if test.information is not None]
        return self.after.information / max(*others, 1e-6) if others else None

    def require_usable(self) -> None:
        """:raises BadInput: the registration has a problem."""
        if self.problems:
            raise BadInput(" ".join(self.problems))

    def motion_of(self, level: Level) -> RigidMotion:
        """Of a vertebra, or of the spine where it is not outlined."""
        found = self.vertebrae.get(level)
        return self.spine if found is None else found.motion


def register(
    fixed: Image,
    moving: Image,
    vertebrae: LabelMap | None = None,
    *,
    moving_vertebrae: LabelMap | None = None,
    hand: Hand | None = None,
    piecewise: bool | None = None,
    progress: Progress | None = None,
) -> Registration:
    """Register `moving` onto `fixed`.

    :param vertebrae: outlines in the fixed image (any grid, its frame). Without them only one motion is found.
    :param moving_vertebrae: outlines in the moving image; levels found in both give the start.
    :param hand: a person's start, landmarks and nudges.
    :param piecewise: whether every vertebra moves on its own; None decides by what the images can tell.
    :raises BadInput: the images or outlines cannot be used; a poor match does not raise but is in `problems`.
    :raises Cancelled: `progress` stopped it.
    """
    report = progress or silent
    report(0.0, "preparing the registration")
    _check(fixed, moving)
    bones = bones_of(vertebrae) if vertebrae is not None else []
    if vertebrae is not None and not bones:
        raise BadInput(f"{vertebrae.image.name} outlines no vertebra; outline the vertebrae of the fixed image first.")
    pair, by_hand = Pair(fixed, moving), hand or Hand()
    small = averaged(pair) if bones else pair
    found = _candidates(pair, bones, moving_vertebrae, by_hand, part(progress, 0.02, 0.35))
    tests: tuple[LevelTest, ...] = ()
    if bones:
        found, tests = _on_bones(small, bones, found, part(progress, 0.35, 0.6))
    else:
        found = finest(fixed, moving, found)
    before = _agreement(small, bones, RigidMotion.identity())
    best = Candidate(found[0].motion, found[0].origin, _agreement(small, bones, found[0].motion))
    points = np.concatenate([bone.points for bone in bones]) if bones else lattice(moving)
    kept = _shared(pair, by_hand) and header_holds(fixed, moving, best.motion, best.agreement, before, points)
    if kept:
        best = Candidate(RigidMotion.identity(), HEADERS, before)
    motions, notes = _vertebrae(pair, bones, best.motion, by_hand, piecewise, kept, part(progress, 0.6, 0.98))
    result = Registration(
        best.motion,
        {item.level: item for item in motions},
        best.origin,
        tuple(found[1:]),
        tests,
        before,
        best.agreement,
        kept,
        notes=notes,
    )
    report(1.0, "registered")
    return replace(result, problems=problems(result), notes=(*notes, *_level_note(result)))


def problems(result: Registration) -> tuple[str, ...]:
    """Why a registration must not be used, as sentences."""
    found = []
    if result.after.overlap < LEAST_OVERLAP:
        found.append(
            f"The two images share only {result.after.overlap:.0%} of the region; choose images of the same part."
        )
    if not result.kept_header and result.after.evidence < result.before.evidence:
        found.append("The alignment found fits the images less well than their headers; start it by landmarks.")
    if result.spine.angle_deg > MAX_TURN_DEG:
        found.append(f"The images would have to be turned by {result.spine.angle_deg:.0f}°; start it by landmarks.")
    margin = result.level_margin
    if not result.kept_header and margin is not None and margin < LEVEL_MARGIN:
        found.append(
            "The images do not tell which vertebra is which (one level off fits about as well) or show different "
            "patients; check the patient, or place landmarks on known levels."
        )
    own = [item for item in result.vertebrae.values() if item.in_view >= HALF_IN_VIEW and item.spread_mm is not None]
    if own and not result.kept_header and sum(item.marked for item in own) > MOST_MARKED * len(own):
        found.append(
            "Most vertebrae could not be aligned with certainty: the images are too poor or show different patients."
        )
    return tuple(found)


def _level_note(result: Registration) -> tuple[str, ...]:
    margin = result.level_margin
    if result.kept_header or margin is None or not LEVEL_MARGIN <= margin < SURE_LEVEL_MARGIN:
        return ()
    return (f"One level off fits nearly as well (the chosen level gives {margin:.2f} times more): check the level.",)


def _check(fixed: Image, moving: Image) -> None:
    for image in (fixed, moving):
        if min(image.shape) < 2:
            raise BadInput(f"{image.name} has a single slice; registration needs a volume.")
        step = tuple(slice(None, None, max(1, n // 64)) for n in image.shape)
        sample = image.array[step]
        finite = sample[np.isfinite(sample)]
        if finite.size == 0 or float(finite.min()) == float(finite.max()):
            raise BadInput(f"{image.name} is empty (all voxels are alike); choose another series.")


def _shared(pair: Pair, hand: Hand) -> bool:
    return same_frame(pair.fixed, pair.moving) and hand.start is None and not hand.landmarks


def _candidates(
    pair: Pair, bones: list[Bone], moving_vertebrae: LabelMap | None, hand: Hand, progress: Progress
) -> list[Candidate]:
    """Motions of the whole body to go on with, best first: from the person, from outlines, or from a search."""
    nothing = Agreement(0.0, 0.0)
    if hand.start is not None:
        return [Candidate(hand.start, "a start by hand", nothing)]
    if hand.landmarks:
        return [Candidate(_from_landmarks(hand.landmarks), "landmarks", nothing)]
    matched = _from_outlines(bones, moving_vertebrae)
    if matched is not None:
        return [Candidate(matched, "vertebrae outlined in both images", nothing)]
    starts = by_headers(pair.fixed, pair.moving)
    if _shared(pair, hand):
        found = refined(pair.fixed, pair.moving, [Candidate(RigidMotion.identity(), HEADERS, nothing)])
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
    # Centers lie almost on a line: points beside them keep the turn about the spine at nothing.
    beside = np.array([[SIDE_MM, 0.0, 0.0], [-SIDE_MM, 0.0, 0.0]])
    return RigidMotion.between(
        np.concatenate([one, one + beside[0], one + beside[1]]),
        np.concatenate([two, two + beside[0], two + beside[1]]),
    )


def _on_bones(
    pair: Pair, bones: list[Bone], found: list[Candidate], progress: Progress
) -> tuple[list[Candidate], tuple[LevelTest, ...]]:
    """The candidates on the bones, best first, and what the images say one level off the best."""
    ranked = best_on_bones(pair, bones, found, part(progress, 0.0, 0.5))
    if not ranked:
        raise BadInput(
            "The outlined vertebrae lie outside the moving image wherever it was tried; choose another series, "
            "or place landmarks."
        )
    for _ in range(MOST_LEVELS_OFF):
        tests = {step: _one_off(pair, bones, ranked[0], step) for step in (-1, 1)}
        better = [item for item in tests.values() if item is not None]
        best = max(better, key=lambda item: item.agreement.evidence, default=None)
        if best is None or best.agreement.evidence <= LEVEL_CHANGE * ranked[0].agreement.evidence:
            break
        ranked.insert(0, best)
    progress(1.0, "levels tested")
    return ranked, tuple(
        LevelTest(step, None if item is None else item.agreement.information) for step, item in tests.items()
    )


def _one_off(pair: Pair, bones: list[Bone], chosen: Candidate, step: int) -> Candidate | None:
    """The candidate one level off, after its own descent; None when it cannot be told or fell back to the chosen."""
    motion = one_level_off(bones, chosen.motion, step)
    if motion is None:
        return None
    name = f"one level {'down' if step > 0 else 'up'} from {chosen.origin}"
    tried = best_on_bones(pair, bones, [Candidate(motion, name, chosen.agreement)])
    points = np.array([bone.center for bone in bones])
    if not tried or tried[0].motion.distance(chosen.motion, points) < SAME_LEVEL_MM:
        return None
    return tried[0]


def _agreement(pair: Pair, bones: list[Bone], motion: RigidMotion) -> Agreement:
    if not bones:
        return whole_agreement(pair.fixed, pair.moving, motion)
    at = on_bones(pair, bones, motion)
    return Agreement(0.0, 0.0) if at is None else at.at_start()


def _vertebrae(
    pair: Pair,
    bones: list[Bone],
    spine: RigidMotion,
    hand: Hand,
    piecewise: bool | None,
    kept: bool,
    progress: Progress,
) -> tuple[list[VertebraMotion], tuple[str, ...]]:
    longest = max(pair.fixed.spacing.max(), pair.moving.spacing.max())
    unfit = longest > COARSEST_MM or is_blurred(pair.fixed, pair.moving)
    if not bones:
        return [], ("Without outlines neither the levels nor the bend between the scans could be tested.",)
    if piecewise is False or (piecewise is None and (kept or unfit)):
        why = (
            "Both images share a frame of reference and agree with it: every vertebra keeps the headers' alignment."
            if kept
            else "Every vertebra moves with the whole spine."
        )
        return [
            VertebraMotion(b.level, spine, Trust.SPINE, "", b.center, b.in_view(pair.moving, spine)) for b in bones
        ], (why,)
    expected = {
        level: _landmarks_of(level, hand.landmarks) for level in {item.level for item in hand.landmarks} if level
    }
    links = follow_chain(pair, bones, spine, ByHand(dict(hand.nudges), expected), progress)
    return judged(links, spine), ()


def _landmarks_of(level: Level, landmarks: tuple[Landmark, ...]) -> Expected:
    own = [item for item in landmarks if item.level is level]
    fixed, moving = (np.array([getattr(item, side) for item in own], dtype=float) for side in ("fixed", "moving"))
    return fixed, moving, np.full(len(own), 1 / LANDMARK_MM**2)
