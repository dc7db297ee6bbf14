"""From vertebra to vertebra: each starts where its neighbor went, and leans on its neighbors where it sees little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinemet.levels import Level
from spinemet.progress import Progress, silent
from spinemet.registration.align import Pair
from spinemet.registration.metric import Array
from spinemet.registration.motion import RigidMotion
from spinemet.registration.prior import like_neighbor
from spinemet.registration.rigid import Bone
from spinemet.registration.vertebra import Expected, Fit, follow, settle

JOINT_SHIFT_MM, JOINT_TURN_DEG = 1.5, 3.0
"""How much two neighbors' motions are expected to differ at the disc between them [D]."""
SAME_START_MM = 1.0
"""Starts that place a bone within this of each other lead to the same place: one is enough."""
LEAST_IN_VIEW = 0.25
"""Share of a bone that the moving image must show for its motion to be sought at all [D]."""


@dataclass(frozen=True, eq=False)
class Link:
    """One vertebra of the chain.

    :param motion: its own where `fit` says so, else its neighbors'.
    :param in_view: share of the bone that the moving image shows.
    :param fit: None when the image shows too little of it.
    """

    bone: Bone
    motion: RigidMotion
    in_view: float
    fit: Fit | None


@dataclass(frozen=True, eq=False)
class ByHand:
    """What a person says about single vertebrae.

    :param nudges: where a vertebra should be started, instead of from its neighbors.
    :param expected: landmarks of a vertebra: fixed and moving points and their weights.
    """

    nudges: dict[Level, RigidMotion]
    expected: dict[Level, Expected]


def follow_chain(
    pair: Pair, bones: list[Bone], spine: RigidMotion, hand: ByHand, progress: Progress | None = None
) -> list[Link]:
    """The motion of every vertebra, in the order of `bones` (from head to tail).

    :param spine: the motion of the whole spine.
    """
    report = progress or silent
    motions = {n: hand.nudges.get(bone.level, spine) for n, bone in enumerate(bones)}
    order = _outward(pair, bones, spine)
    found: set[int] = set()
    for done, n in enumerate(order):
        report(0.4 * done / len(order), f"following {bones[n].level}")
        neighbor = next((m for m in (n - 1, n + 1) if m in found), None)
        motions[n] = _followed(pair, bones, motions, n, neighbor, spine, hand)
        found.add(n)
    links: dict[int, Link] = {}
    for done, n in enumerate(order):
        report(0.4 + 0.6 * done / len(order), f"settling {bones[n].level}")
        links[n] = _settled(pair, bones, motions, n, spine, hand)
        motions[n] = links[n].motion
    return [links[n] for n in range(len(bones))]


def _outward(pair: Pair, bones: list[Bone], spine: RigidMotion) -> list[int]:
    """Indices from the vertebra that is most in the middle of the moving image outward."""
    seen = np.array([bone.in_view(pair.moving, spine) for bone in bones])
    middle = float(np.average(np.arange(len(bones)), weights=np.maximum(seen, 1e-3) ** 4))
    first = int(np.argmin(np.abs(np.arange(len(bones)) - middle)))
    order = [first]
    for reach in range(1, len(bones)):
        order += [n for n in (first - reach, first + reach) if 0 <= n < len(bones)]
    return order


def _followed(
    pair: Pair, bones: list[Bone], motions: dict[int, RigidMotion], n: int, neighbor: int | None,
    spine: RigidMotion, hand: ByHand,
) -> RigidMotion:  # fmt: skip
    bone = bones[n]
    starts = [hand.nudges.get(bone.level, spine)]
    expected = _landmarks(bone, hand)
    if neighbor is not None and bone.level not in hand.nudges:
        starts = [motions[neighbor]]
        if spine.distance(motions[neighbor], bone.points) > SAME_START_MM:
            starts.append(spine)
        expected = [*expected, _like(bones, motions, n, neighbor, 2.0)]
    if bone.in_view(pair.moving, starts[0]) < LEAST_IN_VIEW:
        return starts[0]
    tried = [item for start in starts if (item := follow(pair, bone, start, expected)) is not None]
    if not tried:
        return starts[0]
    return max(tried, key=lambda item: item.agreement.evidence).motion


def _settled(
    pair: Pair, bones: list[Bone], motions: dict[int, RigidMotion], n: int, spine: RigidMotion, hand: ByHand
) -> Link:
    bone = bones[n]
    neighbors = [m for m in (n - 1, n + 1) if 0 <= m < len(bones)]
    expected = [*_landmarks(bone, hand), *(_like(bones, motions, n, m, 1.0) for m in neighbors)]
    seen = bone.in_view(pair.moving, motions[n])
    fit = settle(pair, bone, motions[n], expected, spine) if seen >= LEAST_IN_VIEW else None
    return Link(bone, fit.motion if fit is not None else motions[n], seen, fit)


def _like(bones: list[Bone], motions: dict[int, RigidMotion], n: int, neighbor: int, width: float) -> Expected:
    """The expectation to move like a neighbor at the disc between, `width` times as loosely as usual."""
    joint: Array = (bones[n].center + bones[neighbor].center) / 2
    apart = max(1, abs(bones[n].level.order - bones[neighbor].level.order))
    width *= np.sqrt(apart)
    return like_neighbor(joint, motions[neighbor], JOINT_SHIFT_MM * width, JOINT_TURN_DEG * width)


def _landmarks(bone: Bone, hand: ByHand) -> list[Expected]:
    return [hand.expected[bone.level]] if bone.level in hand.expected else []
