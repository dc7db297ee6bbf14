"""SINS against Fisher's table, the published counts and the vectors of the rule book."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest

from spinemet.errors import BadInput
from spinemet.evidence import Finding, Measurement, Source, unknown
from spinemet.levels import Level
from spinemet.scores import sins
from spinemet.scores.sins import Category

POINTS = {
    "location": (0, 1, 2, 3),
    "pain": (0, 1, 3),
    "bone_lesion": (0, 1, 2),
    "alignment": (0, 2, 4),
    "collapse": (0, 1, 2, 3),
    "posterolateral": (0, 1, 3),
}


def findings(*points: int | None) -> list[Finding]:
    return [
        Finding(name, p, (p,) if p is not None else POINTS[name], Source.UNKNOWN if p is None else Source.ENTERED)
        for name, p in zip(sins.COMPONENTS, points, strict=True)
    ]


def measured(value: float, plus_minus: float | None = None) -> Measurement:
    return Measurement("x", value, "%", "test", uncertainty=plus_minus)


def test_all_1296_combinations_give_the_published_counts():
    results = [sins.score(findings(*points)) for points in product(*POINTS.values())]
    assert len(results) == 1296
    totals = Counter(result.total for result in results)
    assert [totals[n] for n in range(19)] == [
        1, 5, 14, 31, 56, 87, 120, 147, 164, 165, 151, 126, 94, 64, 38, 20, 9, 3, 1,
    ]  # fmt: skip
    categories = Counter(result.category for result in results)
    assert categories == {Category.STABLE: 314, Category.POTENTIALLY_UNSTABLE: 847, Category.UNSTABLE: 135}


@pytest.mark.parametrize(
    ("points", "total", "category"),
    [
        ((3, 3, 2, 0, 2, 1), 11, "potentially unstable"),
        ((1, 0, 0, 0, 0, 0), 1, "stable"),
        ((3, 3, 2, 4, 3, 3), 18, "unstable"),
        ((0, 0, 0, 0, 0, 0), 0, "stable"),
        ((2, 1, 1, 0, 1, 0), 5, "stable"),
        ((1, 3, 2, 0, 0, 0), 6, "stable"),
        ((1, 3, 2, 0, 1, 0), 7, "potentially unstable"),
        ((3, 3, 2, 2, 2, 0), 12, "potentially unstable"),
        ((3, 3, 2, 2, 2, 1), 13, "unstable"),
    ],
)
def test_the_vectors_of_the_rule_book(points, total, category):
    result = sins.score(findings(*points))
    assert (result.total, result.possible_totals, result.category) == (total, (total,), Category(category))
    assert result.consultation_advised is (total >= 7)


def test_missing_pain_leaves_three_totals_and_never_b_plus_2():
    result = sins.score(findings(3, None, 2, 0, 2, 3))
    assert result.total is None
    assert result.possible_totals == (10, 11, 13)
    assert result.category is None
    assert result.unknown == ("pain",)


@pytest.mark.parametrize("present", list(product([True, False], repeat=6)))
def test_every_pattern_of_unknown_components_gives_exactly_the_reachable_totals(present):
    points = [3, 1, 2, 0, 2, 1]
    result = sins.score(findings(*(p if here else None for p, here in zip(points, present, strict=True))))
    axes = [(p,) if here else POINTS[n] for n, p, here in zip(POINTS, points, present, strict=True)]
    reachable = sorted({sum(combination) for combination in product(*axes)})
    assert list(result.possible_totals) == reachable
    assert result.total == (sum(points) if all(present) else None)
    bands = {0 if t <= 6 else 1 if t <= 12 else 2 for t in reachable}
    assert (result.category is None) == (len(bands) > 1)


def test_a_category_is_reported_when_all_possible_totals_agree():
    result = sins.score(findings(1, None, 0, 0, 0, 0))
    assert result.possible_totals == (1, 2, 4)
    assert result.category is Category.STABLE
    assert result.consultation_advised is False


@pytest.mark.parametrize(
    ("names", "name", "points"),
    [
        ("Occ C1 C2 C7 T1 T2 T11 T12 L1 L5 S1", "junctional", 3),
        ("C3 C4 C5 C6 L2 L3 L4", "mobile", 2),
        ("T3 T4 T5 T6 T7 T8 T9 T10", "semirigid", 1),
        ("S2 S3 S4 S5", "rigid", 0),
    ],
)
def test_location_follows_fishers_table(names, name, points):
    for text in names.split():
        finding = sins.location(Level.parse(text))
        assert (finding.points, finding.source) == (points, Source.MEASURED)
        assert name in finding.label


def test_transitional_and_unconfirmed_levels_are_flagged():
    assert any("transitional" in limit for limit in sins.location(Level.L6).limits)
    assert any("transitional" in limit for limit in sins.location(Level.T13).limits)
    assert sins.location(Level.L3, confirmed=False).limits == ("levels unconfirmed",)
    assert sins.location(Level.L3).limits == ()


@pytest.mark.parametrize(("answer", "points"), [("mechanical", 3), ("occasional", 1), ("none", 0)])
def test_pain_is_3_1_0(answer, points):
    assert sins.pain(answer).points == points
    assert sins.pain(answer).source is Source.ENTERED


def test_pain_that_nobody_asked_for_stays_open():
    assert sins.pain(None).possible == (0, 1, 3)
    with pytest.raises(BadInput, match="mechanical"):
        sins.pain("severe")


def test_alignment_is_scored_only_when_a_person_confirms():
    candidate = Measurement("translation", 5.0, "mm", "test")
    assert sins.alignment(None, candidates=(candidate,)).points is None
    assert sins.alignment(None, candidates=(candidate,)).measurements == (candidate,)
    assert sins.alignment("subluxation").points == 4
    assert sins.alignment("degenerative / old").points == 0


@pytest.mark.parametrize(
    ("share", "plus_minus", "points", "possible"),
    [
        (90, None, 2, (2,)), (75, None, 2, (2,)), (74.9, None, 1, (1,)), (50, None, 1, (1,)),
        (25, None, 0, (0,)), (0, None, 0, (0,)), (73, 5, 1, (1, 2)), (27, 5, 1, (0, 1)), (50, 30, 1, (0, 1, 2)),
    ],
)  # fmt: skip
def test_bone_lesion_by_the_lytic_share(share, plus_minus, points, possible):
    finding = sins.bone_lesion(measured(share, plus_minus))
    assert (finding.points, finding.possible) == (points, possible)
    assert finding.near_threshold == (len(possible) > 1)


def test_an_unmeasured_lesion_type_stays_open():
    finding = sins.bone_lesion(unknown("lytic share", "%", "MRI only"))
    assert (finding.points, finding.possible, finding.reason) == (None, (0, 1, 2), "MRI only")


@pytest.mark.parametrize(
    ("loss", "plus_minus", "involved", "points", "possible"),
    [
        (52, None, 10, 3, (3,)),
        (32, None, 10, 2, (2,)),
        (50, None, 10, 2, (2,)),
        (51, 4, 10, 3, (2, 3)),
        (48, 4, 10, 2, (2, 3)),
        (5, None, 10, 0, (0,)),
        (5, None, 60, 1, (1,)),
        (0, None, 50, 0, (0,)),
        (14, None, 10, 0, (0,)),
        (17, None, 10, 2, (0, 2)),
        (17, None, 80, 2, (1, 2)),
        (12, 4, 10, 0, (0, 2)),
        (22, 4, 10, 2, (0, 2)),
        (25, 4, 10, 2, (2,)),
    ],
)
def test_collapse_by_the_worst_height_loss(loss, plus_minus, involved, points, possible):
    finding = sins.collapse(measured(loss, plus_minus), measured(involved))
    assert (finding.points, finding.possible) == (points, possible)


def test_exactly_half_is_flagged_as_undefined_in_the_source():
    finding = sins.collapse(measured(50), measured(0))
    assert finding.points == 2
    assert finding.near_threshold
    assert any("undefined" in limit for limit in finding.limits)


def test_collapse_with_a_neighbor_of_24_and_26_mm():
    for own, points in ((12.0, 3), (17.0, 2), (12.5, 2)):
        loss = 100 * (1 - 2 * own / (24 + 26))
        assert sins.collapse(measured(loss), measured(0)).points == points


@pytest.mark.parametrize(
    ("involved", "possible"),
    [
        (measured(10, 2), (0, 2, 3)),
        (measured(90, 2), (1, 2, 3)),
        (measured(50, 2), (0, 1, 2, 3)),
        (unknown("i", "%", "no body"), (0, 1, 2, 3)),
    ],
)
def test_collapse_without_a_reference_is_unknown(involved, possible):
    finding = sins.collapse(unknown("loss", "%", "no usable neighbor"), involved)
    assert (finding.points, finding.possible, finding.reason) == (None, possible, "no usable neighbor")


def test_a_small_loss_without_involvement_is_unknown_not_zero():
    finding = sins.collapse(measured(3), unknown("involvement", "%", "body not found"))
    assert (finding.points, finding.possible) == (None, (0, 1))


@pytest.mark.parametrize(
    ("left", "right", "points", "possible"),
    [
        (True, True, 3, (3,)), (True, False, 1, (1,)), (False, True, 1, (1,)), (False, False, 0, (0,)),
        (None, False, None, (0, 1)), (None, True, None, (1, 3)), (None, None, None, (0, 1, 3)),
    ],
)  # fmt: skip
def test_posterolateral_by_side(left, right, points, possible):
    finding = sins.posterolateral({"left": left, "right": right})
    assert (finding.points, finding.possible) == (points, possible)


def test_the_worst_level_counts_undecided_ones_with_their_worst_case():
    results = {
        Level.T9: sins.score(findings(1, 3, 2, 0, 0, 0)),
        Level.L1: sins.score(findings(3, None, 2, 0, 2, 3)),
        Level.L5: sins.score(findings(3, 3, 2, 2, 1, 0)),
    }
    assert sins.worst(results) is Level.L1
    assert sins.worst({}) is None


def test_levels_are_never_summed_and_components_never_doubled():
    with pytest.raises(ValueError, match="twice"):
        sins.score([*findings(0, 0, 0, 0, 0, 0), *findings(0, 0, 0, 0, 0, 0)])
    with pytest.raises(ValueError, match="missing"):
        sins.score(findings(0, 0, 0, 0, 0, 0)[:5])
    with pytest.raises(ValueError, match="not possible"):
        sins.score([*findings(0, 0, 0, 0, 0, 0)[:5], Finding("posterolateral", 2, (2,), Source.ENTERED)])


def test_a_near_threshold_component_keeps_its_other_total_in_sight():
    items = findings(1, 3, 2, 0, 0, 0)
    items[4] = Finding("collapse", 0, (0, 2), Source.MEASURED, near_threshold=True)
    result = sins.score(items)
    assert (result.total, result.possible_totals, result.category) == (6, (6, 8), None)
    assert result.consultation_advised is None


def test_the_location_of_the_occiput_is_junctional_although_it_is_never_listed():
    assert sins.location_class(Level.OCC) == "junctional"
    assert Level.OCC not in Level.ordinary()
