"""Deformities that a person should look at: planted ones are found, healthy spines have none, and nothing scores."""

from __future__ import annotations

from functools import cache

import pytest

from spinemet import phantom
from spinemet.anatomy import Spine, measure_spine
from spinemet.anatomy.alignment.deformity import alignment_candidates
from spinemet.case import Role
from spinemet.levels import Level
from spinemet.phantom import CollapseSpec, ListhesisSpec, PatientSpec
from spinemet.scores import sins

LEVELS = (Level.T11, Level.T12, Level.L1, Level.L2, Level.L3, Level.L4, Level.L5, Level.S1)


@cache
def spine(*, slip: float = 0.0, wedge: float = 0.0, seed: int = 3) -> Spine:
    """L4 slipped on L5 by `slip` mm, L1 wedged by the share `wedge`."""
    spec = PatientSpec(
        seed=seed,
        levels=LEVELS,
        modalities=(Role.CT,),
        listhesis=(ListhesisSpec(Level.L4, slip),) if slip else (),
        collapses=(CollapseSpec.wedge(Level.L1, wedge),) if wedge else (),
    )
    return measure_spine(phantom.create(spec).vertebrae)


@pytest.mark.parametrize("level", [level for level in LEVELS if level is not Level.S1])
def test_a_healthy_spine_has_no_candidates(level):
    assert alignment_candidates(level, spine()) == ()


def test_a_planted_slip_is_a_candidate_at_both_of_its_vertebrae_only():
    found = {level: alignment_candidates(level, spine(slip=6.0)) for level in LEVELS}
    assert [level for level in LEVELS if found[level]] == [Level.L4, Level.L5]
    (candidate,) = found[Level.L4]
    assert candidate.value == pytest.approx(6.0, abs=0.5)
    assert candidate.position is not None
    assert any("anterolisthesis" in limit for limit in candidate.limits)
    assert any("a person confirms" in limit for limit in candidate.limits)


def test_a_wedged_body_is_a_kyphosis_of_its_own_level():
    found = {level: alignment_candidates(level, spine(wedge=0.5)) for level in LEVELS}
    assert [level for level in LEVELS if found[level]] == [Level.L1]
    assert all(item.unit == "deg" and item.value >= 10 for item in found[Level.L1])


def test_against_a_prior_only_the_change_counts():
    now, prior = spine(wedge=0.5), spine()
    against = [item for item in alignment_candidates(Level.L1, now, prior) if "prior" in item.name]
    assert len(against) == 2
    assert not [item for item in alignment_candidates(Level.L1, now, now) if "prior" in item.name]
    slipped = alignment_candidates(Level.L4, spine(slip=6.0), prior)
    assert any("on the prior" in limit for item in slipped for limit in item.limits)


def test_candidates_never_score_unconfirmed():
    candidates = alignment_candidates(Level.L4, spine(slip=6.0))
    finding = sins.alignment(None, candidates=candidates)
    assert finding.points is None
    assert finding.measurements == candidates
    assert 4 in finding.possible
