"""Alignment now against a prior: change of angle, slip and rotation per segment, with the ± of both.

Angles and slips belong to the segments themselves, so both images need no common place; how the patient lay still
bends the spine, and two different postures are said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinemet.anatomy.alignment.whole import Alignment, Pair
from spinemet.evidence import Measurement, unknown

WITHIN = "within the ± of both: no change shown"
MORE = "more than the ± of both"


@dataclass(frozen=True)
class AlignmentChange:
    """Now minus prior of everything that both images show; what only one shows is unknown, with the reason.

    :param kyphosis: by pair, degrees, kyphosis positive; `slips` in mm, forward positive; `rotations` in degrees.
    :param whole: coronal Cobb angle, T1–T12 and L1–S1, degrees.
    """

    kyphosis: dict[Pair, Measurement]
    slips: dict[Pair, Measurement]
    rotations: dict[Pair, Measurement]
    whole: tuple[Measurement, ...]

    @property
    def shown(self) -> tuple[Measurement, ...]:
        """The changes that exceed the ± of both images, segments first."""
        listed = (*self.kyphosis.values(), *self.slips.values(), *self.rotations.values(), *self.whole)
        return tuple(item for item in listed if MORE in item.limits)


def compare(now: Alignment, prior: Alignment, *, postures: tuple[str, str] | None = None) -> AlignmentChange:
    """Change of alignment from `prior` to `now`.

    :param postures: how the patient lay now and then, where known.
    """
    limits: tuple[str, ...] = ()
    if postures is not None and postures[0] != postures[1]:
        limits = (f"{postures[0]} now, {postures[1]} on the prior: posture alone changes angles",)
    pairs = list(dict.fromkeys((*now.kyphosis, *prior.kyphosis)))
    return AlignmentChange(
        {pair: _change(_of(now.kyphosis, pair), _of(prior.kyphosis, pair), limits) for pair in pairs},
        {pair: _change(_slip(now, pair), _slip(prior, pair), limits) for pair in pairs},
        {pair: _change(_of(now.rotations, pair), _of(prior.rotations, pair), limits) for pair in pairs},
        tuple(
            _change(one, other, limits)
            for one, other in zip(
                (now.coronal.angle, *now.regions), (prior.coronal.angle, *prior.regions), strict=True
            )
        ),
    )


def _of(measured: dict[Pair, Measurement], pair: Pair) -> Measurement:
    return measured.get(pair) or unknown(f"{pair[0]}–{pair[1]}", "", f"{pair[0]} and {pair[1]} are not both outlined")


def _slip(alignment: Alignment, pair: Pair) -> Measurement:
    slip = alignment.slips.get(pair)
    return slip.sagittal if slip is not None else _of({}, pair)


def _change(now: Measurement, then: Measurement, limits: tuple[str, ...]) -> Measurement:
    unit = now.unit or then.unit
    name = f"change of {now.name if now.unit else then.name}"
    if now.value is None:
        return unknown(name, unit, f"now: {now.reason}")
    if then.value is None:
        return unknown(name, unit, f"on the prior: {then.reason}")
    margin = float(np.hypot(now.uncertainty or 0.0, then.uncertainty or 0.0))
    change = now.value - then.value
    return Measurement(
        name, change, unit, f"{now.value:.1f} now, {then.value:.1f} on the prior", now.position, margin,
        limits=(MORE if abs(change) > margin else WITHIN, *limits),
    )  # fmt: skip
