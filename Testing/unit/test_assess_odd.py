"""Odd outlines through the whole assessment: never a crash, never a confident wrong number."""

from __future__ import annotations

import numpy as np
import pytest

from assess_patient import Given, fused, halved, in_two_pieces, one_voxel, patient, read_back, result, whole, with_hole
from spinemet.levels import Level

COLUMNS = ("anterior", "middle", "posterior")
ODD = {
    "half of it": lambda given: halved(given, Level.L1),
    "two pieces": lambda given: in_two_pieces(given, Level.L1),
    "one voxel": lambda given: one_voxel(given, Level.L1),
    "a hole": lambda given: with_hole(given, Level.L1),
    "two vertebrae under one label": lambda given: fused(given, Level.L1, Level.L2),
    "nothing": lambda given: given.with_bone(Level.L1, np.zeros(given.image.shape, bool)),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_outlines_never_give_a_confident_wrong_number(name: str) -> None:
    given: Given = ODD[name](whole())
    found = given.assessed()
    read_back(found)
    level = found[Level.L1]
    truth = patient().truth["levels"]["L1"]["heights_mm"]["mid"]
    for column in COLUMNS:
        height = level.measurement(f"{column} height")
        if height is not None and height.known:
            assert height.value == pytest.approx(truth[column], abs=height.uncertainty + 0.3), column
    if level.sins is not None:
        collapse = level.sins.components["collapse"]
        assert 3 in collapse.possible
        assert collapse.points in (3, None)
    sound = result()[Level.L3].measurement("anterior height")
    assert found[Level.L3].measurement("anterior height").value == pytest.approx(sound.value, abs=0.5)
