"""Metal: suggested to a person, never a reference, and only screws within the bone end a score by themselves."""

from __future__ import annotations

from dataclasses import replace

from assess_patient import read_back, whole, with_screws
from spinemet.assessment import Status
from spinemet.levels import Level


def test_screws_in_the_bone_end_the_score_and_ask() -> None:
    found = with_screws(whole(), Level.L4).assessed()
    level = found[Level.L4]
    assert level.status is Status.NOT_ASSESSABLE
    assert "unless a person says otherwise" in level.reason
    assert level.hardware.suggested
    assert level.lesion_ids, "its lesions are not forgotten"
    assert found[Level.L3].hardware is None, "screws in L4 are not L3's"
    assert Level.L4 not in {m.level for m in found[Level.L1].body.rigidity}
    read_back(found)


def test_a_person_who_denies_it_gets_a_score_without_density() -> None:
    given = with_screws(whole(), Level.L4)
    denied = replace(given, answers=given.answers.with_level(Level.L4, instrumented=False)).assessed()[Level.L4]
    assert denied.status is Status.SCORED
    parts = denied.sins.components
    assert not parts["bone_lesion"].known
    assert not parts["posterolateral"].known
    assert "cannot be read" in parts["bone_lesion"].reason
    assert parts["collapse"].known


def test_a_level_said_to_be_instrumented_is_not_scored_and_no_reference() -> None:
    given = whole()
    said = replace(given, answers=given.answers.with_level(Level.L2, instrumented=True, reader="AB")).assessed()
    assert said[Level.L2].reason == "instrumented or cemented (entered by AB): SINS does not apply"
    assert "L2" not in said[Level.L1].measurement("reference anterior height").method


def test_a_level_that_a_person_calls_diseased_is_no_reference_and_metal_in_it_still_asks() -> None:
    given = whole()
    said = replace(given, answers=given.answers.with_level(Level.L2, involved=True)).assessed()
    assert "L2" not in said[Level.L1].measurement("reference anterior height").method
    screwed = with_screws(given, Level.L4)
    asked = replace(screwed, answers=given.answers.with_level(Level.L4, involved=True)).assessed()
    assert asked[Level.L4].status is Status.NOT_ASSESSABLE
