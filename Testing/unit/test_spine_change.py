"""Alignment against a prior: a change shows only where it exceeds what both images are unsure of."""

from __future__ import annotations

import pytest

from anatomy_solids import Solid, turned
from spinemet.anatomy import measure_spine
from spinemet.anatomy.alignment.change import MORE, WITHIN, compare
from spinemet.anatomy.alignment.whole import Alignment, measure_alignment
from spinemet.levels import Level
from stacked_solids import Placed, label_map

PAIR = (Level.L1, Level.L2)
OBLIQUE = turned(pitch=14.0, roll=9.0)


def aligned(*, pitch: float = 0.0, slip: float = 0.0, levels: tuple[Level, ...] = PAIR) -> Alignment:
    """The first vertebra bent forward by −pitch degrees and moved forward by `slip` mm against the one below."""
    placed = [
        Placed(level, Solid(), (0.0, slip if n == 0 else 0.0, -38.0 * n), turned(pitch=pitch if n == 0 else 0.0))
        for n, level in enumerate(levels)
    ]
    return measure_alignment(measure_spine(label_map(placed, axes=OBLIQUE)))


def test_a_collapse_and_a_slip_between_two_images_are_shown_with_both_half_widths():
    prior = aligned()
    kyphosis = compare(aligned(pitch=-8.0), prior).kyphosis[PAIR]
    change = compare(aligned(slip=5.0), prior)
    slip = change.slips[PAIR]
    assert kyphosis.value == pytest.approx(8.0, abs=0.7)
    assert slip.value == pytest.approx(5.0, abs=0.5)
    assert kyphosis.uncertainty > prior.kyphosis[PAIR].uncertainty
    assert MORE in kyphosis.limits and change.shown == (slip,)


def test_the_same_patient_twice_shows_no_change():
    change = compare(aligned(), aligned())
    assert change.shown == ()
    assert WITHIN in change.kyphosis[PAIR].limits


def test_what_only_one_image_shows_is_unknown_with_the_reason():
    change = compare(aligned(), aligned(levels=(Level.L3, Level.L4)))
    assert "on the prior: L1 and L2 are not both outlined" in change.kyphosis[PAIR].reason
    assert change.kyphosis[Level.L3, Level.L4].reason.startswith("now: ")
    assert change.kyphosis[Level.L3, Level.L4].unit == "deg"


def test_two_postures_are_said():
    change = compare(aligned(), aligned(), postures=("supine", "prone"))
    assert any("prone on the prior" in limit for limit in change.kyphosis[PAIR].limits)
