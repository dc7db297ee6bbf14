"""Quality gates: every test of a registration with its value, its limit, its outcome and a sentence.

Key functions: `checks` makes all of them; `verdict_of` says whether the result may be used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.registration.field import Field
from spinemet.registration.inverse import interpolated
from spinemet.registration.jacobian import determinants
from spinemet.registration.motion import Array, RigidMotion
from spinemet.registration.result import Registration
from spinemet.registration.sides import SWAPPED, UNSURE, mirrored_ratio
from spinemet.registration.start import LEAST_OVERLAP, lattice, whole_agreement
from spinemet.registration.trust import LEVEL_MARGIN, SURE_LEVEL_MARGIN
from spinemet.registration.verdict import MAX_TURN_DEG

LEAST_DETERMINANT, MOST_DETERMINANT = 0.3, 3.0
"""Share of its volume to which, and by which, tissue may be squeezed and stretched before a look is asked for [D]."""
MOST_INVERSE_MM = 0.5
"""Largest distance between a point and itself after the way there and back [D]."""
RIGID_MM = 0.05
"""How exactly bones move rigidly, but where two of them touch."""
MOST_TOUCHING = 0.1
"""Share of the bone that may lie in cells shared with another bone, and so bend, before a look is asked for [D]."""
AS_GOOD, ELSEWHERE_MM = 0.97, 2.0
"""Share of the agreement with which another start counts as good as the chosen one, and how far off it may be [D]."""
MOST_BENT_MM = 1.0
"""How far 99.5 % of the bone may be off its rigid motion at most before a look is asked for [D]."""
SAMPLES = 20_000


class Outcome(str, Enum):
    """How a test ended."""

    PASSED = "passed"
    LOOK = "look"
    """Usable after a person looked."""
    FAILED = "failed"
    UNTESTED = "untested"


class Verdict(str, Enum):
    """What the tests say together."""

    USABLE = "usable"
    LOOK = "look first"
    UNTESTED = "untested"
    """Level or patient could not be tested: a person must confirm both before use."""
    REFUSED = "refused"


@dataclass(frozen=True)
class Check:
    """One test.

    :param value: None where it was not measured.
    :param unit: of the value, "" for a ratio.
    :param limit: what is asked for, in words.
    :param sentence: what to make of it; "" when passed.
    """

    name: str
    value: float | None
    unit: str
    limit: str
    outcome: Outcome
    sentence: str = ""


def checks(
    result: Registration, fixed: Image, moving: Image, vertebrae: LabelMap | None, field: Field | None
) -> tuple[Check, ...]:
    """All tests of a registration.

    :param field: of its motions; None without outlines.
    """
    return (*_whole(result, fixed, moving), *_bones(result), *_field(result, field, vertebrae))


def verdict_of(result: Registration, made: Sequence[Check]) -> Verdict:
    """The worst of the outcomes."""
    outcomes = {item.outcome for item in made}
    if result.problems or Outcome.FAILED in outcomes:
        return Verdict.REFUSED
    if Outcome.UNTESTED in outcomes:
        return Verdict.UNTESTED
    return Verdict.LOOK if Outcome.LOOK in outcomes else Verdict.USABLE


def require_usable(result: Registration, made: Sequence[Check]) -> None:
    """:raises BadInput: a test failed; the sentence says which and what to do."""
    failed = [item.sentence for item in made if item.outcome is Outcome.FAILED]
    sentences = list(dict.fromkeys([*result.problems, *failed]))
    if sentences:
        raise BadInput(" ".join(sentences))


def _whole(result: Registration, fixed: Image, moving: Image) -> list[Check]:
    overlap, turn = result.after.overlap, result.spine.angle_deg
    return [
        _agreement(result),
        _check(
            "overlap", overlap, "", f"≥ {LEAST_OVERLAP:g}", failed=overlap < LEAST_OVERLAP,
            sentence=f"The two images share only {overlap:.0%} of the region; choose images of the same part.",
        ),
        _check(
            "turn of the whole", turn, "deg", f"≤ {MAX_TURN_DEG:g}", failed=turn > MAX_TURN_DEG,
            sentence=f"The images would have to be turned by {turn:.0f}°; start it by landmarks.",
        ),
        _level(result),
        *_elsewhere(result, fixed, moving),
        _sides(result, fixed, moving),
    ]  # fmt: skip


def _elsewhere(result: Registration, fixed: Image, moving: Image) -> list[Check]:
    """Whether another start ended elsewhere and fits as well; with outlines the level's own test asks that."""
    if result.vertebrae or result.kept_header:
        return []
    points = result.spine.inverse.apply(lattice(moving))
    apart = [
        item.motion.distance(result.spine, points)
        for item in result.alternatives
        if whole_agreement(fixed, moving, item.motion).evidence >= AS_GOOD * result.after.evidence
    ]
    furthest = max(apart, default=0.0)
    return [
        _check(
            "distance to another place that fits as well", furthest, "mm", f"≤ {ELSEWHERE_MM:g}",
            look=furthest > ELSEWHERE_MM,
            sentence=f"Another place, {furthest:.0f} mm off, fits nearly as well: the images do not fix the motion.",
        )
    ]  # fmt: skip


def _agreement(result: Registration) -> Check:
    gain = result.after.evidence / max(result.before.evidence, 1e-9)
    return _check(
        "agreement over that at the start", min(gain, 999.0), "", "≥ 1", failed=not result.kept_header and gain < 1,
        sentence="The alignment found fits the images less well than their headers; start it by landmarks.",
    )  # fmt: skip


def _level(result: Registration) -> Check:
    margin, limit = result.level_margin, f"≥ {SURE_LEVEL_MARGIN:g}"
    name = "agreement over that one level off"
    if result.kept_header:
        return Check(name, margin, "", limit, Outcome.PASSED, "The common frame of reference gives the level.")
    if margin is None:
        return Check(
            name, None, "", limit, Outcome.UNTESTED,
            "Not tested: whether every level met its own, and whether both images show the same patient. Compare the "
            "pictures level by level before use, or give outlines of the vertebrae.",
        )  # fmt: skip
    if margin < LEVEL_MARGIN:
        return Check(name, margin, "", limit, Outcome.FAILED, _of(result.problems, "which vertebra is which"))
    if margin < SURE_LEVEL_MARGIN:
        return Check(name, margin, "", limit, Outcome.LOOK, _of(result.notes, "One level off"))
    return Check(name, margin, "", limit, Outcome.PASSED)


def _of(sentences: Sequence[str], words: str) -> str:
    """The sentence that the registration itself found."""
    return next((item for item in sentences if words in item), "Check the level.")


def _sides(result: Registration, fixed: Image, moving: Image) -> Check:
    centers = [item.center for item in result.vertebrae.values()]
    center: Array = np.mean(centers, axis=0) if centers else fixed.grid.center
    ratio = mirrored_ratio(fixed, moving, result.spine, center)
    name, limit = "mirrored image over the image as it is", f"< {UNSURE:g}"
    if ratio is None:
        return Check(name, None, "", limit, Outcome.UNTESTED, "Left and right could not be tested: check the sides.")
    if ratio >= SWAPPED:
        return Check(
            name, ratio, "", limit, Outcome.FAILED,
            "The moving image fits better when left and right are swapped; check the headers of both images.",
        )  # fmt: skip
    if ratio >= UNSURE:
        return Check(name, ratio, "", limit, Outcome.LOOK, "The images hardly tell left from right: check the sides.")
    return Check(name, ratio, "", limit, Outcome.PASSED)


def _bones(result: Registration) -> list[Check]:
    if not result.vertebrae:
        return []
    marked = [item for item in result.vertebrae.values() if item.marked]
    names = ", ".join(str(item.level) for item in marked)
    return [
        _check(
            "marked vertebrae", float(len(marked)), "", "0", look=bool(marked),
            sentence=f"Look at {names}: their own place is not sure.",
        )
    ]  # fmt: skip


def _field(result: Registration, field: Field | None, vertebrae: LabelMap | None) -> list[Check]:
    if field is None or vertebrae is None:
        return []
    cells = determinants(field.displacements, field.grid)
    low, high, folds = float(cells[0].min()), float(cells[1].max()), int((cells[0] <= 0).sum())
    contradiction = "the vertebrae's motions contradict each other. Correct them by hand, or use the whole spine's."
    result_checks = [
        _check(
            "folds", float(folds), "cells", "0", failed=folds > 0, sentence=f"The field folds: {contradiction}"
        ),
        _check(
            "smallest local volume", low, "", f"≥ {LEAST_DETERMINANT:g}", look=low < LEAST_DETERMINANT,
            sentence="Tissue between two bones is squeezed: look at the joints.",
        ),
        _check(
            "largest local volume", high, "", f"≤ {MOST_DETERMINANT:g}", look=high > MOST_DETERMINANT,
            sentence="Tissue between two bones is stretched: look at the discs.",
        ),
    ]  # fmt: skip
    if folds:
        return result_checks
    off = np.concatenate(list(bone_deviation(field, _motions(result), vertebrae).values()))
    bent, furthest = float(np.mean(off > RIGID_MM)), float(np.percentile(off, 99.5))
    there_and_back = inverse_errors(field)
    return [
        *result_checks,
        _check(
            "way there and back", float(there_and_back.max()), "mm", f"≤ {MOST_INVERSE_MM:g}",
            failed=bool(np.percentile(there_and_back, 99) > MOST_INVERSE_MM),
            look=bool(there_and_back.max() > MOST_INVERSE_MM),
            sentence=f"The field cannot be inverted everywhere: {contradiction}",
        ),
        _check(
            "share of bone that bends where bones touch", bent, "", f"≤ {MOST_TOUCHING:g}", look=bent > MOST_TOUCHING,
            sentence="Much of the bone touches another outline and does not move rigidly there.",
        ),
        _check(
            "how far bone bends there", furthest, "mm", f"≤ {MOST_BENT_MM:g}", look=furthest > MOST_BENT_MM,
            sentence="Neighboring bones would cross: look at their joints.",
        ),
    ]  # fmt: skip


def _motions(result: Registration) -> dict[Level, RigidMotion]:
    return {level: item.motion for level, item in result.vertebrae.items()}


def bone_deviation(field: Field, motions: Mapping[Level, RigidMotion], vertebrae: LabelMap) -> dict[Level, Array]:
    """How far the field's grid carries points of every bone beside where its rigid motion does, mm."""
    result = {}
    for level, value in vertebrae.levels.items():
        if level not in motions:
            continue
        mask = vertebrae.mask(value, 0)
        inside = np.argwhere(mask.array)[:, ::-1]
        points = mask.to_world(inside[:: max(1, len(inside) * len(motions) // SAMPLES)])
        result[level] = np.linalg.norm(field.on_grid(points) - motions[level].apply(points), axis=1)
    return result


def inverse_errors(field: Field) -> Array:
    """Distances in mm between points and themselves after the way there and back, on the fields as written."""
    rng = np.random.default_rng(0)
    moved = np.argwhere(np.abs(field.displacements).max(axis=-1) > RIGID_MM)[:, ::-1]
    if not len(moved):
        return np.zeros(1)
    chosen = moved[rng.integers(0, len(moved), SAMPLES)] + rng.uniform(-0.5, 0.5, (SAMPLES, 3))
    start = field.grid.to_world(chosen)
    there = start + field.residual(start)
    back = there + interpolated(field.backward, field.grid, there)
    return np.asarray(np.linalg.norm(back - start, axis=1))


def _check(
    name: str, value: float, unit: str, limit: str, *, failed: bool = False, look: bool = False, sentence: str
) -> Check:
    outcome = Outcome.FAILED if failed else Outcome.LOOK if look else Outcome.PASSED
    return Check(name, value, unit, limit, outcome, sentence if outcome is not Outcome.PASSED else "")
