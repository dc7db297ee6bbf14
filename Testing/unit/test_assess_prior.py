"""An assessment against an earlier one of the same patient: heights, change of alignment, and names shifted by one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from assess_patient import CT, Given, patient, read_back, result, whole
from spinemet import phantom
from spinemet.answers import Answers
from spinemet.assess import assess
from spinemet.assessment import Assessment
from spinemet.case import Patient, Role, TimePoint
from spinemet.errors import BadInput
from spinemet.levels import Level

CRUSHED = Level.L1
THEN, NOW = TimePoint("2026-01-05"), TimePoint("2026-03-02")


@cache
def before() -> Assessment:
    """The same patient before the collapse and the slip."""
    spec = replace(patient().spec, modalities=(Role.CT,), collapses=(), listhesis=())
    made = phantom.create(spec)
    return assess(
        made.images[Role.CT], CT, made.vertebrae, made.lesions, answers=Answers.from_json(made.answers),
        time_point=THEN, patient=Patient("P1"),
    )  # fmt: skip


def compared(given: Given, prior: Assessment) -> Assessment:
    return assess(
        given.image, given.ref, given.vertebrae, given.lesions, answers=given.answers, prior=prior,
        time_point=NOW, patient=Patient("P1"),
    )  # fmt: skip


@cache
def after() -> Assessment:
    return compared(whole(), before())


def test_the_same_vertebra_on_the_prior_is_the_reference_of_its_height():
    loss = after()[CRUSHED].measurement("height loss")
    truth = patient().truth["levels"][str(CRUSHED)]["height_loss_percent"]
    assert "prior" in loss.method
    assert abs(loss.value - max(max(row.values()) for row in truth.values())) <= loss.uncertainty
    assert "prior" not in result()[CRUSHED].measurement("height loss").method
    reference = after()[CRUSHED].measurement("reference middle height")
    earlier = before()[CRUSHED].measurement("middle height")
    assert reference.value == pytest.approx(earlier.value)
    assert reference.position is None


def test_the_change_of_kyphosis_and_slip_is_evidence_of_alignment():
    slip = patient().truth["listhesis"]
    level = Level(next(iter(slip)))
    finding = after()[level].sins.components["alignment"]
    changes = {item.name: item for item in finding.measurements if item.name.startswith("change of slip")}
    change = next(item for name, item in changes.items() if f"{level} on" in name)
    assert abs(change.value - slip[str(level)]["slip_mm"]) <= change.uncertainty
    assert any("a person confirms" in limit for limit in change.limits)
    assert after()[level].measurement(change.name) == change
    assert not any("change of" in item.name for item in result()[level].measurements)
    bent = [item for item in after()[CRUSHED].sins.components["alignment"].measurements if "kyphosis" in item.name]
    assert any(item.name.startswith("change of segmental kyphosis") for item in bent)


def test_the_file_says_what_it_was_compared_with_and_is_valid():
    assert after().parameters["prior"] == THEN.date
    assert Assessment.from_json(read_back(after())).parameters == after().parameters


def test_a_prior_read_from_its_file_gives_the_same_result():
    again = compared(whole(), Assessment.from_json(before().to_json()))
    for level in (CRUSHED, Level.L4):
        assert again[level] == after()[level]


def test_a_body_that_was_crushed_already_is_no_reference_for_itself():
    later = replace(result(), time_point=THEN)
    found = compared(whole(), later)[CRUSHED]
    assert "prior" not in found.measurement("height loss").method
    assert found.measurement("height loss").value > 30
    assert any("no reference on the prior: it had lost" in note for note in found.notes)


def test_a_level_that_the_prior_does_not_show_is_compared_with_its_neighbors():
    kept = tuple(item for item in before().levels if item.level is not CRUSHED)
    loss = compared(whole(), replace(before(), levels=kept))[CRUSHED].measurement("height loss")
    assert loss.value is not None and "neighbors" in loss.method


def test_metal_on_the_prior_bars_its_heights():
    levels = {**before().answers.levels}
    levels[CRUSHED] = replace(before().answers.at(CRUSHED), instrumented=True)
    prior = replace(before(), answers=replace(before().answers, levels=levels))
    loss = compared(whole(), prior)[CRUSHED].measurement("height loss")
    assert "neighbors" in loss.method


def test_a_prior_without_alignment_still_lends_its_heights():
    found = compared(whole(), replace(before(), spine=None))[CRUSHED]
    assert "prior" in found.measurement("height loss").method
    assert not any("change of" in item.name for item in found.measurements)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"patient": Patient("P2")}, "another patient"),
        ({"time_point": NOW}, "choose an earlier one"),
        ({"time_point": TimePoint("2026-05-01")}, "not before 2026-03-02"),
    ],
)
def test_what_cannot_be_a_prior_is_refused(changes, said):
    with pytest.raises(BadInput, match=said) as error:
        compared(whole(), replace(before(), **changes))
    assert "P1" not in str(error.value) and "P2" not in str(error.value)


def test_body_involvement_is_also_given_of_the_volume_that_the_body_had():
    found = result()[CRUSHED]
    expected = found.measurement("expected body volume")
    shares = [item for item in found.measurements if "expected" in item.name and item.unit == "%"]
    intact = patient().model.shapes[CRUSHED].intact
    volume = np.pi * intact.size.width * intact.size.depth * intact.mean_height / 4000
    assert expected.value == pytest.approx(volume, rel=0.15)
    assert shares and all(item.known for item in shares)
    assert set(shares) <= set(found.sins.components["collapse"].measurements)
