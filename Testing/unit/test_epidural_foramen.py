"""Foramina: contact of tumor and root, and Lee's grade, against synthetic foramina of known grade."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from escc_cases import outlines_of, places_of
from spinemet.anatomy.arch.pedicle import Side
from spinemet.anatomy.epidural.foramen import root_name
from spinemet.epidural import EpiduralOutlines, assess_epidural
from spinemet.errors import BadInput
from spinemet.levels import Level
from spinemet.phantom import ForamenSpec, SegmentSpec, create_segment
from spinemet.scores.lee import DEGENERATIVE, DIRECTIONS, lee, unknown_lee


@cache
def segment(level, side, grade, plane="axial", spacing=(0.6, 1.0)):
    return create_segment(SegmentSpec(
        level=level, grade="0", foramen=ForamenSpec(side, grade), modalities=(), spacing=spacing, plane=plane,
        tilt_deg=(5.0, 4.0, -6.0),
    ))  # fmt: skip


def foramina(seg, fat=False):
    outlines = outlines_of(seg)
    whole = EpiduralOutlines(
        outlines.canal, outlines.sac, outlines.cord, outlines.tumor, seg.roots, seg.foraminal_fat if fat else None
    )
    return assess_epidural(whole, places_of(seg)).foramina


@pytest.mark.parametrize("grade", [0, 1, 2, 3])
@pytest.mark.parametrize(("level", "side", "plane", "fat"), [
    (Level.T8, "left", "axial", True), (Level.C5, "right", "sagittal", False),
    pytest.param(Level.L4, "left", "sagittal", False, marks=pytest.mark.bars),
    pytest.param(Level.T2, "right", "axial", False, marks=pytest.mark.bars),
])  # fmt: skip
def test_the_grade_of_lee_that_was_built_is_found_on_its_side(level, side, plane, fat, grade):
    found = foramina(segment(level, side, grade, plane, (0.6, 1.0 if plane == "axial" else 1.5)), fat)
    assert {item.foramen.side.value for item in found} == {"left", "right"}
    for item in found:
        built = grade if item.foramen.side.value == side else 0
        assert item.lee.grade == built, item.sentence
        if built:
            assert item.foramen.gap.value <= 0.3 + item.foramen.gap.uncertainty
            assert item.foramen.contact.value > 2
            assert item.foramen.name in item.sentence
        else:
            assert item.foramen.contact.value == 0


def test_levels_and_roots_have_their_names():
    found = foramina(segment(Level.T8, "left", 1))
    assert {item.foramen.levels for item in found} == {(Level.T8, Level.T9)}
    assert {item.foramen.root for item in found} == {"T8"}
    assert root_name(Level.C5, Level.C6) == "C6"
    assert root_name(Level.C7, Level.T1) == "C8"
    assert root_name(Level.T1, Level.T2) == "T1"
    assert root_name(Level.L5, Level.S1) == "L5"


def test_left_is_the_patients_left():
    for item in foramina(segment(Level.T8, "left", 2)):
        middle = np.array(item.foramen.position)
        seg = segment(Level.T8, "left", 2)
        cord = seg.structures.image
        center = cord.to_world(np.argwhere(cord.array == 3)[:, ::-1]).mean(axis=0)
        assert (middle[0] < center[0]) == (item.foramen.side is Side.LEFT)


def test_voxels_as_wide_as_half_a_root_say_nothing_about_its_fat():
    found = foramina(segment(Level.T8, "left", 2, "axial", (0.6, 4.0)))
    assert found
    assert all(item.lee.grade is None and item.lee.reason for item in found)


def test_no_roots_no_foramina():
    assert foramina(create_segment(SegmentSpec(modalities=(), spacing=(0.8, 3.0)))) == ()
    with pytest.raises(BadInput):
        ForamenSpec("up", 1)
    with pytest.raises(BadInput):
        ForamenSpec("left", 4)


def test_lees_ladder():
    def lost(*names):
        return {name: (name in names,) for name in DIRECTIONS}

    assert lee(lost(), (False,)).grade == 0
    assert lee(lost("anterior", "superior"), (False,)).grade == 0
    assert lee(lost("anterior", "posterior"), (False,)).grade == 1
    assert lee(lost("superior", "inferior"), (False,)).grade == 1
    assert lee(lost(*DIRECTIONS), (False,)).grade == 2
    assert lee(lost(*DIRECTIONS), (True, False)).possible == (2, 3)
    unsure = {**lost("anterior", "posterior", "superior"), "inferior": (False, True)}
    assert lee(unsure, (False,)).possible == (1, 2)
    assert lee(lost(), (False,)).limits == (DEGENERATIVE,)
    assert unknown_lee("not outlined").grade is None
