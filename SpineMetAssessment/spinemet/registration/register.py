"""Register two images of a spine: find the start, move the whole spine, then every vertebra.

Key function: `register`. Motions carry points of the fixed image to the moving image (RAS mm, 4×4): the moving
image is resampled onto the fixed one by reading it at the moved points.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress, part, silent
from spinemet.registration.align import Pair
from spinemet.registration.chain import ByHand, follow_chain
from spinemet.registration.hand import Hand, Landmark
from spinemet.registration.header import header_holds, is_blurred
from spinemet.registration.level_test import best_level
from spinemet.registration.metric import Agreement
from spinemet.registration.motion import RigidMotion
from spinemet.registration.result import LevelTest, Registration
from spinemet.registration.rigid import Bone, averaged, bones_of, on_bones
from spinemet.registration.start import HEADERS, Candidate, finest, lattice, whole_agreement
from spinemet.registration.starts import candidates, shares_frame
from spinemet.registration.trust import Trust, VertebraMotion, judged
from spinemet.registration.verdict import level_note, problems
from spinemet.registration.vertebra import Expected

LANDMARK_MM = 2.0
"""How exactly a person places a pair of landmarks [D]."""
COARSEST_MM = 6.5
"""Images with longer voxels tell nothing of single vertebrae [D]."""


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
    found = candidates(pair, bones, moving_vertebrae, by_hand, part(progress, 0.02, 0.35))
    tests: tuple[LevelTest, ...] = ()
    if bones:
        found, tests = best_level(small, bones, found, part(progress, 0.35, 0.6))
    else:
        found = finest(fixed, moving, found)
    before = _agreement(small, bones, RigidMotion.identity())
    best = Candidate(found[0].motion, found[0].origin, _agreement(small, bones, found[0].motion))
    points = np.concatenate([bone.points for bone in bones]) if bones else lattice(moving)
    kept = shares_frame(pair, by_hand) and header_holds(fixed, moving, best.motion, best.agreement, before, points)
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
    return replace(result, problems=problems(result), notes=(*notes, *level_note(result)))


def _check(fixed: Image, moving: Image) -> None:
    for image in (fixed, moving):
        if min(image.shape) < 2:
            raise BadInput(f"{image.name} has a single slice; registration needs a volume.")
        step = tuple(slice(None, None, max(1, n // 64)) for n in image.shape)
        sample = image.array[step]
        finite = sample[np.isfinite(sample)]
        if finite.size == 0 or float(finite.min()) == float(finite.max()):
            raise BadInput(f"{image.name} is empty (all voxels are alike); choose another series.")


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
