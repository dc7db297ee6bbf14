"""Damaged outlines: nothing crashes, and what cannot be known is unknown or right, never sure and wrong."""

from __future__ import annotations

import numpy as np
import pytest

from anatomy_solids import Solid, stack, voxelize
from spinemet.anatomy import Column, LevelHint, Plane, measure_spine, measure_vertebra
from spinemet.anatomy.alignment.whole import measure_alignment
from spinemet.anatomy.canal_line import body_line, canal_line
from spinemet.case import Outline, Structure
from spinemet.errors import NotMeasurable
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

SOLID = Solid()
LEVELS = (Level.L1, Level.L2, Level.L3)
MIDDLE = 2  # value of L2
LAYERS = 28.0
"""Height in mm that 1 mm layers give the solid of 27 mm."""


def damaged(kind: str) -> LabelMap:
    """Three vertebrae, the middle one of which is damaged."""
    labels = stack(dict.fromkeys(LEVELS, SOLID))
    array = labels.image.array.copy()
    own = array == MIDDLE
    k, j, i = labels.region(MIDDLE)
    index = np.indices(array.shape)
    center = [(part.start + part.stop) / 2 for part in (k, j, i)]
    body = np.array([center[0], j.stop - 16.0, center[2]])
    if kind == "empty":
        array[own] = 0
    elif kind == "one voxel":
        array[own] = 0
        array[tuple(body.astype(int))] = MIDDLE
    elif kind == "two pieces":
        array[own & (np.abs(index[0] - center[0]) < 4)] = 0
    elif kind == "hole":
        array[own & (np.sum([(index[n] - body[n]) ** 2 for n in range(3)], axis=0) < 49)] = 0
    elif kind == "left half":
        array[own & (index[2] > center[2])] = 0
    elif kind == "upper half":
        array[own & (index[0] < center[0])] = 0
    elif kind == "front half":
        array[own & (index[1] < body[1])] = 0
    elif kind == "screws":
        for side in (-12, 12):
            array[own & ((index[0] - center[0] - 3) ** 2 + (index[2] - center[2] - side) ** 2 < 9)] = 0
    elif kind == "fused":
        array[(array == 0) & (index[0] > k.start - 12) & (np.hypot(index[1] - body[1], index[2] - body[2]) < 13)
              & (index[0] < k.stop)] = MIDDLE  # fmt: skip
        array[array == 3] = MIDDLE
    return LabelMap(labels.image.with_array(array), labels.outlines)


KINDS = ("empty", "one voxel", "two pieces", "hole", "left half", "upper half", "front half", "screws", "fused")


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_vertebra_gives_true_heights_or_none(kind):
    spine = measure_spine(damaged(kind))
    result = measure_alignment(spine)
    for measurement in (*result.whole, *(item for level in spine.vertebrae for item in result.at(level))):
        assert measurement.known or measurement.reason
    middle = spine.vertebrae.get(Level.L2)
    for plane in Plane if middle is not None else ():
        for column in Column:
            height = middle.height(column, plane)
            assert height.known or height.reason
            if height.known and kind in ("hole", "screws"):
                assert height.value == pytest.approx(LAYERS, abs=0.5)
            assert not height.known or height.value < LAYERS + 0.5, (kind, plane, column)
    # The neighbors know nothing of it; a fused one has swallowed L3.
    assert spine[Level.L1].height(Column.MIDDLE).value == pytest.approx(LAYERS, abs=0.2)


@pytest.mark.parametrize("kind", ["two pieces", "front half", "left half", "fused"])
def test_a_vertebra_that_is_not_whole_is_said_to_be_odd(kind):
    """All but one cut level: that is a crushed vertebra as far as an outline can tell, and measured as one."""
    middle = measure_spine(damaged(kind))[Level.L2]
    assert middle.reason or middle.notes, [str(item) for item in middle.measurements[:3]]


@pytest.mark.parametrize("kind", ["empty", "one voxel"])
def test_curves_pass_a_missing_vertebra(kind):
    spine = measure_spine(damaged(kind))
    for line in (body_line(spine), canal_line(spine)):
        assert set(line.knots) == {Level.L1, Level.L3}
        assert np.isfinite(line.points()).all()


def test_a_spine_without_bodies_has_no_curve_and_says_so():
    labels = LabelMap(Image(np.zeros((4, 4, 4), np.uint8), np.eye(4)), {1: Outline(Structure.VERTEBRA, Level.L1)})
    spine = measure_spine(labels)
    assert spine.vertebrae == {}
    with pytest.raises(NotMeasurable, match="Fewer than two"):
        body_line(spine)


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 5.0), (1.0, 1.0, 4.0), (4.0, 0.6, 0.6)])
def test_thick_slices_state_a_half_width_that_holds_the_truth(spacing):
    vertebra = measure_vertebra(voxelize(SOLID, spacing=spacing), Level.L3, hint=LevelHint())
    known = [vertebra.height(column, plane) for plane in Plane for column in Column]
    known = [item for item in known if item.known]
    assert np.mean([abs(item.value - SOLID.height) <= item.uncertainty for item in known] or [True]) >= 0.8
