"""Height loss by the rule of clinical-rules section 1, on piles of solids of known heights."""

from __future__ import annotations

import pytest

from anatomy_solids import Solid, stack
from spinemet.anatomy import Column, collapse, fractured_levels, measure_spine
from spinemet.levels import Level

T11, T12, L1, L2, L3, L4, L5 = (Level(name) for name in ("T11", "T12", "L1", "L2", "L3", "L4", "L5"))


def spine(**heights: float | Solid):
    solids = {Level(k): v if isinstance(v, Solid) else Solid(height=v) for k, v in heights.items()}
    return measure_spine(stack(solids, spacing=0.8))


@pytest.fixture(scope="module")
def five():
    return spine(T12=23, L1=24, L2=12, L3=26, L4=27)


def test_the_published_vectors_hold(five):
    result = collapse(L2, five, involved={L2})
    assert result.loss.value == pytest.approx(52.0, abs=2.5)
    assert result.neighbors == (L1, L3)
    assert result.references[Column.MIDDLE].value == pytest.approx(25.0, abs=0.5)


@pytest.mark.parametrize(("height", "loss"), [(17, 32), (12.5, 50), (24.9, 0)])
def test_the_loss_is_one_minus_twice_the_height_over_both_neighbors(height, loss):
    measured = collapse(L2, spine(L1=24, L2=height, L3=26), involved={L2}).loss
    assert measured.value == pytest.approx(loss, abs=3.0)
    assert abs(measured.value - loss) <= measured.uncertainty + 0.5


def test_every_loss_carries_its_margin_from_the_voxel_size(five):
    result = collapse(L2, five, involved={L2})
    assert all(item.uncertainty and 0.3 < item.uncertainty < 6 for item in result.columns.values())


def test_an_involved_neighbor_is_passed_over_and_distance_decides(five):
    result = collapse(L2, five, involved={L2, L1})
    assert result.neighbors == (T12, L3)
    share = five.distance(T12, L2) / five.distance(T12, L3)
    assert result.references[Column.ANTERIOR].value == pytest.approx(23 + 3 * share, abs=0.5)
    assert any("nearest usable" in text for text in result.loss.limits)


def test_one_neighbor_is_flagged():
    result = collapse(L1, spine(L1=20, L2=25, L3=26), involved={L1})
    assert result.neighbors == (L2,)
    assert any("one neighbor only (L2)" in text for text in result.loss.limits)


def test_one_neighbor_tells_the_loss_less_surely_than_two(five):
    two = collapse(L2, five, involved={L2}).columns[Column.MIDDLE]
    one = collapse(L2, five, involved={L2, L1, T12}).columns[Column.MIDDLE]
    assert one.limits and not two.limits
    assert one.uncertainty > 1.2 * two.uncertainty


def test_no_neighbor_leaves_collapse_unknown_with_the_height_curve(five):
    result = collapse(L2, five, involved=set(five.vertebrae))
    assert result.loss.value is None and result.loss.reason
    assert [level for level, _ in result.curve] == [T12, L1, L2, L3, L4]


def test_cemented_neighbors_are_no_reference(five):
    assert collapse(L2, five, involved={L2}, excluded={L3}).neighbors == (L1, L4)


def test_a_wedged_neighbor_is_taken_for_fractured():
    result = spine(T12=23, L1=Solid(height=19, wedge=26), L2=18, L3=26, L4=27)
    assert L1 in fractured_levels(result, {L2})
    assert collapse(L2, result, involved={L2}).neighbors == (T12, L3)


def test_a_crushed_neighbor_is_taken_for_fractured():
    result = spine(T11=22, T12=23, L1=14, L2=18, L3=26, L4=27)
    assert L1 in fractured_levels(result, {L2})


def test_the_posterior_height_of_l5_has_no_reference():
    result = collapse(L5, spine(L3=26, L4=27, L5=20), involved={L5})
    assert result.columns[Column.POSTERIOR].value is None
    assert result.columns[Column.ANTERIOR].value == pytest.approx(26, abs=3)
    assert any("wedge-shaped" in text for text in result.loss.limits)
    assert any("posterior column unknown" in text for text in result.loss.limits)


def test_a_body_higher_than_its_reference_has_lost_nothing_and_says_so():
    loss = collapse(L2, spine(L1=22, L2=27, L3=23), involved={L2}).loss
    assert loss.value == 0.0
    assert any("higher than the reference" in text for text in loss.limits)


def test_a_prior_comes_before_the_neighbors(five):
    before = spine(L2=25)
    result = collapse(L2, five, involved={L2}, prior=before[L2].heights)
    assert result.loss.value == pytest.approx(52, abs=2.5)
    assert result.neighbors == ()
    assert "prior" in result.loss.method


def test_the_worst_of_the_three_columns_counts():
    result = collapse(L2, spine(L1=25, L2=Solid(height=19, wedge=20), L3=25), involved={L2})
    worst = max(item.value for item in result.columns.values())
    assert result.loss.value == worst == result.columns[Column.POSTERIOR].value


@pytest.mark.parametrize("level", [Level.C1, Level.C2, Level.S1, Level.T5])
def test_levels_without_a_measured_body_are_unknown_with_a_reason(five, level):
    assert collapse(level, five, involved={level}).loss.reason
