"""Expected volume of a collapsed body: piles of solids of known volume, and a synthetic body before it collapsed."""

from __future__ import annotations

import pytest

from anatomy_solids import Solid, stack
from spinemet.anatomy import measure_spine
from spinemet.anatomy.bone.expected_volume import expected_body_volume, involvement_of_expected
from spinemet.evidence import Measurement, unknown
from spinemet.levels import Level

T12, L1, L2, L3, L4, S1 = (Level(name) for name in ("T12", "L1", "L2", "L3", "L4", "S1"))


@pytest.fixture(scope="module")
def crushed():
    """L2 has lost half of its height; its neighbors are alike."""
    solids = {level: Solid(height=13 if level is L2 else 26) for level in (T12, L1, L2, L3, L4)}
    return measure_spine(stack(solids, spacing=0.8))


def test_a_crushed_body_is_expected_to_have_had_its_neighbors_volume(crushed):
    expected = expected_body_volume(L2, crushed, involved={L2})
    assert expected.value == pytest.approx(crushed[L1].body_volume.value, rel=0.03)
    assert crushed[L2].body_volume.value == pytest.approx(expected.value / 2, rel=0.06)
    assert 0 < expected.uncertainty < 0.15 * expected.value


def test_involved_and_cemented_neighbors_are_passed_over(crushed):
    assert not expected_body_volume(L2, crushed, involved={L2, L1}, excluded={L3}).limits
    one = expected_body_volume(L2, crushed, involved={L2, L1, T12})
    assert one.limits == ("one neighbor only (L3)",)
    assert one.uncertainty > 0.14 * one.value


def test_without_a_neighbor_it_is_unknown_with_a_reason(crushed):
    assert "no unfractured" in expected_body_volume(L2, crushed, involved=set(crushed.vertebrae)).reason
    assert "S1" in expected_body_volume(S1, crushed, involved=set()).reason
    assert "not outlined" in expected_body_volume(Level.T5, crushed, involved=set()).reason


def test_a_lesion_that_fills_a_crushed_body_fills_half_of_what_it_was(crushed):
    expected = expected_body_volume(L2, crushed, involved={L2})
    whole = Measurement("body involvement", 100.0, "%", "told", uncertainty=1.0)
    share = involvement_of_expected(whole, crushed[L2].body_volume, expected)
    assert share.value == pytest.approx(50.0, abs=3.0)
    assert abs(share.value - 50.0) <= share.uncertainty


def test_what_is_unknown_of_it_stays_unknown(crushed):
    whole = Measurement("body involvement", 40.0, "%", "told", uncertainty=1.0)
    nothing = unknown("expected body volume", "mL", "no neighbor")
    assert involvement_of_expected(whole, crushed[L2].body_volume, nothing).reason == "no neighbor"


@pytest.mark.parametrize("name", ["wedge", "crush"])
def test_the_volume_of_a_synthetic_body_before_its_collapse_lies_within_the_interval(name):
    from spinemet import phantom
    from spinemet.case import Role
    from spinemet.phantom.lesion import sample_bone

    levels = (L1, L2, L3)
    spec = phantom.PatientSpec(
        seed=11, levels=levels, ct_size=None, ct_spacing=(1.2, 1.2, 1.2), modalities=(Role.CT,),
        collapses=(getattr(phantom.CollapseSpec, name)(L2, 0.5),),
    )  # fmt: skip
    patient = phantom.create(spec)
    spine = measure_spine(patient.vertebrae)
    samples = sample_bone(patient.model.shapes[L2].intact, 0.6)
    before = float((samples.part == 0).sum()) * samples.volume / 1000
    expected = expected_body_volume(L2, spine, involved={L2})
    assert abs(expected.value - before) <= expected.uncertainty
    assert spine[L2].body_volume.value < 0.9 * before
