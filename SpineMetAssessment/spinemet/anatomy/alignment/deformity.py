"""Candidates for a deformity at a level: what a person should look at before alignment gets its points.

Nothing here scores. A translation of 3 mm or more, or a kyphosis 10° or more beyond that of the neighbors (or of the
prior), may be old, degenerative or the way the patient lay (clinical rules, section 1).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from spinemet.anatomy.alignment.angles import SUPINE, landmarks, posture_limit
from spinemet.anatomy.alignment.listhesis import SLIP_MM, listhesis
from spinemet.anatomy.alignment.white_panjabi import angulation_note
from spinemet.anatomy.alignment.whole import Alignment, Pair, measure_alignment, neighbors, segmental_kyphosis, wedge
from spinemet.anatomy.bone.collapse import fractured_levels
from spinemet.anatomy.spine import Spine
from spinemet.evidence import Measurement, unknown
from spinemet.levels import Level, Region

KYPHOSIS_DEG = 10.0
"""Segmental kyphosis beyond the neighbors or the prior from which on it is a candidate (clinical rules, section 1)."""
FARTHEST_PAIR = 4
"""A pair farther away than this many pairs is no reference [D]: the spine's curve is another one there."""
NORMAL_CERVICAL_DEG = -3.0
NORMAL_DEG = {
    Level.C7: 0.0, Level.T1: 1.0, Level.T2: 2.0, Level.T3: 3.0, Level.T4: 5.0, Level.T5: 5.0, Level.T6: 5.0,
    Level.T7: 5.0, Level.T8: 4.0, Level.T9: 3.0, Level.T10: 3.0, Level.T11: 3.0, Level.T12: 1.0,
    Level.L1: -4.0, Level.L2: -7.0, Level.L3: -13.0, Level.L4: -20.0, Level.L5: -28.0,
}  # fmt: skip
"""Mean segmental angle of standing adults by the upper vertebra, rounded (after Bernhardt and Bridwell 1989, Spine
14:717) [K]. Only the differences from pair to pair are used, so that a short reference does not bend a curve."""
CONFIRM = "a candidate: a person confirms"


def alignment_candidates(
    level: Level,
    spine: Spine,
    prior: Spine | None = None,
    *,
    unusable: Collection[Level] = frozenset(),
    posture: str = SUPINE,
    measured: Alignment | None = None,
) -> tuple[Measurement, ...]:
    """Translations and kyphoses at `level` that a person should judge; empty when there are none.

    :param prior: the same patient's spine at an earlier time.
    :param unusable: levels with cement, hardware or a known deformity: their angles are no reference, nor are those
        of levels that look fractured. A lesion alone does not bend a spine.
    :param measured: angles and slips of `spine`, some of them by hand; by default they are measured here.
    """
    alignment = measured or measure_alignment(spine, posture=posture)
    pairs = [pair for pair in neighbors(spine) if level in pair]
    barred = _barred(level, spine, unusable)
    found: list[Measurement] = []
    for pair in pairs:
        found += _slips(alignment, prior, pair)
        found += _kyphoses(level, spine, prior, pair, barred, alignment, posture)
    return tuple(found)


def _barred(level: Level, spine: Spine, unusable: Collection[Level]) -> set[Level]:
    """Levels whose angles are no reference for `level`."""
    return {level, *unusable, *fractured_levels(spine, unusable)}


def _beyond(alignment: Alignment, pair: Pair, barred: set[Level], posture: str) -> Measurement:
    """Segmental kyphosis of a pair minus what the nearest pairs that are not `barred` let expect.

    The normal spine's course from segment to segment is allowed for (`NORMAL_DEG`).
    """
    name = f"kyphosis {_pair(pair)} beyond the neighbors"
    method = "segmental kyphosis minus that of the neighbors"
    own = alignment.kyphosis[pair]
    if own.value is None:
        return unknown(name, "deg", own.reason, method)
    pairs = list(alignment.kyphosis)
    place = pairs.index(pair)
    above = _reference(alignment, pairs, range(place - 1, -1, -1), barred)
    below = _reference(alignment, pairs, range(place + 1, len(pairs)), barred)
    sides = [side for side in (above, below) if side is not None]
    if not sides:
        return unknown(name, "deg", "no intact pair of vertebrae near enough to compare the angle with", method)
    limits: tuple[str, ...] = (posture_limit(posture),)
    shares = [1.0]
    if len(sides) == 1:
        limits = (*limits, f"compared with {_pair(pairs[sides[0][0]])} only")
    else:
        (first, _), (second, _) = sides
        shares = [(second - place) / (second - first), (place - first) / (second - first)]
    beyond = [(angle.value or 0.0) - _normal(pairs[index]) for index, angle in sides]
    expected = _normal(pair) + sum(share * value for share, value in zip(shares, beyond, strict=True))
    errors = [share * (angle.uncertainty or 0.0) for share, (_, angle) in zip(shares, sides, strict=True)]
    margin = float(np.linalg.norm([own.uncertainty or 0.0, *errors]))
    references = " and ".join(_pair(pairs[index]) for index, _ in sides)
    return Measurement(
        name, own.value - expected, "deg", f"{own.value:.0f}°, where {references} let expect {expected:.0f}°",
        own.position, margin, limits=limits,
    )  # fmt: skip


def _slips(alignment: Alignment, prior: Spine | None, pair: Pair) -> list[Measurement]:
    slip = alignment.slips[pair]
    before = listhesis(landmarks(prior), *pair) if prior is not None else None
    found = []
    for now, then in (
        (slip.sagittal, before.sagittal if before is not None else None),
        (slip.lateral, before.lateral if before is not None else None),
    ):
        if now.value is None or abs(now.value) < SLIP_MM:
            continue
        limits = (*now.limits, *slip.percent.limits, *_near(abs(now.value), SLIP_MM, now), CONFIRM)
        if then is not None and then.value is not None:
            limits = (*limits, f"{then.value:+.1f} mm on the prior")
        found.append(replace(now, limits=limits))
    return found


def _kyphoses(
    level: Level,
    spine: Spine,
    prior: Spine | None,
    pair: Pair,
    barred: set[Level],
    alignment: Alignment,
    posture: str,
) -> list[Measurement]:
    found = []
    excess = _beyond(alignment, pair, barred, posture)
    if excess.value is not None and excess.value >= KYPHOSIS_DEG and not _of_the_other(level, spine, pair):
        note = angulation_note(pair[0], excess)
        limits = (*excess.limits, *_near(excess.value, KYPHOSIS_DEG, excess), *((note,) if note else ()), CONFIRM)
        found.append(replace(excess, limits=limits))
    change = _change(alignment.kyphosis[pair], prior, pair, posture) if prior is not None else None
    if change is not None and change.value is not None and change.value >= KYPHOSIS_DEG:
        limits = (*change.limits, *_near(change.value, KYPHOSIS_DEG, change), CONFIRM)
        found.append(replace(change, limits=limits))
    return found


def _change(now: Measurement, prior: Spine, pair: Pair, posture: str) -> Measurement | None:
    then = segmental_kyphosis(prior, *pair, posture=posture)
    if now.value is None or then.value is None:
        return None
    margin = float(np.hypot(now.uncertainty or 0.0, then.uncertainty or 0.0))
    return Measurement(
        f"kyphosis {_pair(pair)} beyond the prior", now.value - then.value, "deg",
        f"{now.value:.0f}° now, {then.value:.0f}° on the prior", now.position, margin, limits=now.limits,
    )  # fmt: skip


def _reference(
    alignment: Alignment, pairs: list[Pair], order: range, barred: Collection[Level]
) -> tuple[int, Measurement] | None:
    """The nearest pair in one direction whose vertebrae are both intact, and its angle."""
    for index in order[:FARTHEST_PAIR]:
        if not set(pairs[index]) & set(barred):
            angle = alignment.kyphosis[pairs[index]]
            if angle.known:
                return index, angle
    return None


def _normal(pair: Pair) -> float:
    return NORMAL_DEG.get(pair[0], NORMAL_CERVICAL_DEG if pair[0].region is Region.CERVICAL else 0.0)


def _of_the_other(level: Level, spine: Spine, pair: Pair) -> bool:
    """Whether the kyphosis of a pair lies in the body of the other vertebra."""
    other = pair[1] if pair[0] is level else pair[0]
    if other is Level.S1 or level is Level.S1:
        return False
    own, theirs = wedge(spine, level), wedge(spine, other)
    return own.value is not None and theirs.value is not None and theirs.value - own.value >= KYPHOSIS_DEG


def _near(value: float, threshold: float, measured: Measurement) -> tuple[str, ...]:
    return ("near the threshold: within the ±",) if value - threshold <= (measured.uncertainty or 0.0) else ()


def _pair(pair: Pair) -> str:
    return f"{pair[0]}–{pair[1]}"
