"""What a person knows better than the images: a start, landmarks, lines and nudges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spinemet.evidence import Point
from spinemet.levels import Level
from spinemet.registration.motion import Array, RigidMotion


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
    :param lines: points along the canal or the spine in the fixed and in the moving image, (n, 3) RAS mm from head to
        tail; they need not start at the same level.
    """

    start: RigidMotion | None = None
    landmarks: tuple[Landmark, ...] = ()
    nudges: Mapping[Level, RigidMotion] = field(default_factory=dict)
    lines: tuple[Array, Array] | None = None
