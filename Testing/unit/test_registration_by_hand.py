"""A registration corrected by hand: read back from its record, nudged, and levels found for points."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.case import Outline, Structure
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.registration import Agreement, LevelTest, Registration, RigidMotion, Trust, VertebraMotion
from spinemet.registration.by_hand import is_by_hand, level_at, moved_by_hand, nudged, registration_from
from spinemet.registration.record import RegistrationRecord, record_of

SPINE = RigidMotion.about([3.0, 1.0, 20.0], [0.1, -0.05, 0.2], [12.0, -7.0, 30.0])
CENTER = np.array([2.0, -4.0, 25.0])


@pytest.fixture
def found() -> Registration:
    vertebrae = {
        Level.L3: VertebraMotion(
            Level.L3,
            RigidMotion.shift([1.0, 0.0, 0.5]).after(SPINE),
            Trust.OWN,
            "",
            CENTER,
            0.9,
            Agreement(0.2, 0.9),
            Agreement(0.3, 0.9),
            0.6,
        ),
        Level.L4: VertebraMotion(Level.L4, SPINE, Trust.NEIGHBORS, "L4 moves with its neighbors: …", CENTER - 35, 0.2),
    }
    tests = (LevelTest(-1, 0.1), LevelTest(1, None))
    before, after = Agreement(0.1, 0.8), Agreement(0.25, 0.9)
    return Registration(SPINE, vertebrae, "the headers", (), tests, before, after, notes=("a note",))


def test_a_registration_comes_back_from_its_record(found: Registration) -> None:
    record = record_of(found, (), None, fixed="ct", moving="mr")
    back = registration_from(RegistrationRecord.from_json(record.to_json()))
    assert np.allclose(back.spine.matrix, SPINE.matrix)
    assert (back.start, back.level_tests, back.notes, back.usable) == (
        found.start,
        found.level_tests,
        found.notes,
        True,
    )
    for level, item in found.vertebrae.items():
        other = back.vertebrae[level]
        assert np.allclose(other.motion.matrix, item.motion.matrix)
        assert (other.trust, other.reason, other.spread_mm) == (item.trust, item.reason, item.spread_mm)
        assert np.allclose(other.center, item.center)
    assert back.level_margin == found.level_margin


def test_a_push_to_the_right_shows_the_bone_to_the_right(found: Registration) -> None:
    moved = nudged(found, Level.L3, (2.0, 0.0, -1.0), (0.0, 0.0, 0.0))
    there = found.vertebrae[Level.L3].motion.apply(CENTER)
    assert np.allclose(moved.vertebrae[Level.L3].motion.inverse.apply(there), np.add(CENTER, (2.0, 0.0, -1.0)))
    assert moved.vertebrae[Level.L4] is found.vertebrae[Level.L4]


def test_a_turn_about_the_axis_to_the_right_tips_the_front_upward(found: Registration) -> None:
    moved = nudged(found, Level.L3, (0.0, 0.0, 0.0), (10.0, 0.0, 0.0))
    ahead = np.add(CENTER, (0.0, 10.0, 0.0))
    there = found.vertebrae[Level.L3].motion.apply(ahead)
    angle = np.radians(10)
    shown = moved.vertebrae[Level.L3].motion.inverse.apply(there)
    assert np.allclose(shown, np.add(CENTER, (0.0, 10 * np.cos(angle), 10 * np.sin(angle))))


def test_what_was_pushed_is_marked_and_no_longer_has_an_error(found: Registration) -> None:
    moved = nudged(found, Level.L3, (1.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    item = moved.vertebrae[Level.L3]
    assert item.marked
    assert item.spread_mm is None
    assert is_by_hand(item.reason)
    assert list(moved_by_hand(moved)) == [Level.L3]
    assert moved_by_hand(found) == {}
    with pytest.raises(BadInput, match="T9 takes no part"):
        nudged(found, Level.T9, (1.0, 0.0, 0.0), (0.0, 0.0, 0.0))


def test_a_point_belongs_to_the_nearest_vertebra_within_reach() -> None:
    labels = np.zeros((30, 20, 20), np.uint8)
    labels[4:12, 5:15, 5:15] = 2
    labels[18:26, 5:15, 5:15] = 1
    names = {n: Outline(Structure.VERTEBRA, level) for n, level in ((1, Level.L3), (2, Level.L4))}
    find = level_at(LabelMap(Image(labels, np.diag([2.0, 2.0, 2.0, 1.0]), name="bones"), names), 5.0)
    assert find((20.0, 20.0, 44.0)) is Level.L3
    assert find((20.0, 20.0, 25.0)) is Level.L4
    assert find((20.0, 20.0, 29.0)) is None
    assert find((500.0, 0.0, 0.0)) is None
