"""The candidates on the bones, each against the same spine one level up and down."""

from __future__ import annotations

import numpy as np

from spinemet.errors import BadInput
from spinemet.progress import Progress, part
from spinemet.registration.align import Pair
from spinemet.registration.result import LevelTest
from spinemet.registration.rigid import Bone, best_on_bones, one_level_off
from spinemet.registration.start import Candidate

MOST_LEVELS_OFF = 3
LEVEL_CHANGE = 1.1
"""How many times more information one level off must give before it is preferred [D]."""
SAME_LEVEL_MM = 8.0
"""A descent from one level off that ends this near has come back to the chosen level."""


def best_level(
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
