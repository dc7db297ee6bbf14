"""Quality gates: every way to be wrong is refused or marked, with a sentence, and nothing good is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from spinemet import phantom
from spinemet.assessment import RESEARCH_USE
from spinemet.case import Outline, Role, Structure
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.registration import Agreement, LevelTest, Registration, RigidMotion, register
from spinemet.registration.field import polyrigid
from spinemet.registration.quality import (
    Check,
    Outcome,
    Verdict,
    bone_deviation,
    checks,
    require_usable,
    verdict_of,
)
from spinemet.registration.record import SCHEMA_FILE, SCHEMA_VERSION, RegistrationRecord, record_of
from spinemet.registration.sides import SWAPPED, mirrored_ratio
from spinemet.registration.trust import Trust, VertebraMotion

LEVELS = (Level.L1, Level.L2, Level.L3)


@pytest.fixture(scope="module")
def patient() -> phantom.SyntheticPatient:
    return phantom.create(
        phantom.PatientSpec(
            seed=302,
            levels=LEVELS,
            ct_size=(140, 140),
            ct_spacing=(1.2, 1.2, 1.5),
            modalities=(Role.CT, Role.T1),
            posture=phantom.PostureSpec(-3.0, 2.0, 1.0, (4.0, -6.0, 5.0), (1.0, 1.0, -1.0)),
        )
    )


@pytest.fixture(scope="module")
def found(patient) -> Registration:
    return register(patient.images[Role.CT], patient.images[Role.T1], patient.vertebrae)


def made(result: Registration, patient, field=None) -> dict[str, Check]:
    vertebrae = patient.vertebrae if field is not None else None
    return {
        item.name: item for item in checks(result, patient.images[Role.CT], patient.images[Role.T1], vertebrae, field)
    }


def field_of(result: Registration, vertebrae: LabelMap):
    return polyrigid(result.spine, {level: item.motion for level, item in result.vertebrae.items()}, vertebrae)


def test_a_good_registration_passes_every_test(patient, found):
    results = made(found, patient, field_of(found, patient.vertebrae))
    assert [item.name for item in results.values() if item.outcome is Outcome.FAILED] == []
    assert verdict_of(found, list(results.values())) in (Verdict.USABLE, Verdict.LOOK)
    require_usable(found, list(results.values()))


def test_a_mirrored_image_is_found_out(patient, found):
    ct, mr = patient.images[Role.CT], patient.images[Role.T1]
    axis = 2 - int(np.argmax(np.abs(mr.grid.directions[0])))
    swapped = mr.with_array(np.flip(mr.array, axis))
    center = np.mean([item.center for item in found.vertebrae.values()], axis=0)
    right, wrong = (mirrored_ratio(ct, item, found.spine, center) for item in (mr, swapped))
    print(f"mirrored over as it is: {right:.3f}; of the mirrored one {wrong:.3f}")
    assert right < 1.0
    assert wrong >= SWAPPED


@pytest.mark.parametrize(
    ("change", "name", "sentence"),
    [
        (
            {"after": Agreement(0.01, 1.0), "before": Agreement(0.2, 1.0)},
            "agreement over that at the start",
            "headers",
        ),
        ({"after": Agreement(9.0, 0.2)}, "overlap", "share only 20%"),
        ({"spine": RigidMotion.about([0, 0, 0], [1.0, 0, 0])}, "turn of the whole", "57°"),
        ({"level_tests": (LevelTest(1, 9.0),)}, "agreement over that one level off", "level"),
    ],
)
def test_a_result_that_fails_a_test_is_refused(patient, found, change, name, sentence):
    result = replace(found, **change)
    results = made(result, patient)
    assert results[name].outcome is Outcome.FAILED
    assert sentence in results[name].sentence
    assert verdict_of(result, list(results.values())) is Verdict.REFUSED
    with pytest.raises(BadInput, match=sentence):
        require_usable(result, list(results.values()))


def test_without_outlines_level_and_patient_are_untested(patient):
    result = register(patient.images[Role.CT], patient.images[Role.T1])
    results = list(made(result, patient).values())
    assert verdict_of(result, results) is Verdict.UNTESTED
    assert any("same patient" in item.sentence for item in results if item.outcome is Outcome.UNTESTED)


def test_marked_vertebrae_ask_for_a_look(patient, found):
    first = next(iter(found.vertebrae.values()))
    doubtful = replace(first, trust=Trust.DOUBTFUL, reason="L1 needs a look: of a test.")
    result = replace(found, vertebrae={**found.vertebrae, first.level: doubtful})
    results = made(result, patient)
    assert results["marked vertebrae"].outcome is Outcome.LOOK
    assert "L1" in results["marked vertebrae"].sentence


def test_motions_that_contradict_each_other_do_not_pass(patient, found):
    far = {
        level: replace(item, motion=RigidMotion.shift([0, 0, 40.0 * (-1) ** n]).after(item.motion))
        for n, (level, item) in enumerate(found.vertebrae.items())
    }
    result = replace(found, vertebrae=far)
    results = made(result, patient, field_of(result, patient.vertebrae))
    assert results["folds"].outcome is Outcome.FAILED
    assert verdict_of(result, list(results.values())) is Verdict.REFUSED


def test_how_far_bones_bend_is_measured_against_their_own_motions():
    array = np.zeros((30, 20, 20), np.uint8)
    array[4:12, 4:16, 4:16], array[18:26, 4:16, 4:16] = 1, 2
    labels = LabelMap(
        Image(array, np.diag([2.0, 2.0, 2.0, 1.0])),
        {1: Outline(Structure.VERTEBRA, Level.L3), 2: Outline(Structure.VERTEBRA, Level.L2)},
    )
    motions = {Level.L3: RigidMotion.shift([0, 0, 1]), Level.L2: RigidMotion.shift([0, 1, 0])}
    field = polyrigid(RigidMotion.identity(), motions, labels)
    own = bone_deviation(field, motions, labels)
    other = bone_deviation(field, {**motions, Level.L2: RigidMotion.shift([0, 4, 0])}, labels)
    assert max(item.max() for item in own.values()) < 0.01
    assert np.allclose(other[Level.L2], 3.0, atol=0.01)


@pytest.fixture(scope="module")
def record(patient, found) -> RegistrationRecord:
    field = field_of(found, patient.vertebrae)
    tests = checks(found, patient.images[Role.CT], patient.images[Role.T1], patient.vertebrae, field)
    return record_of(found, tests, field, fixed="ct", moving="t1")


def test_a_record_is_read_back_equal(record, tmp_path):
    path = tmp_path / "registration.json"
    path.write_text(json.dumps({**record.to_json(), "use": RESEARCH_USE}), encoding="utf-8")
    assert RegistrationRecord.load(path) == record


def test_the_schema_describes_what_is_written(record):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert SCHEMA_VERSION in schema["$id"]
    valid = json.loads(json.dumps({**record.to_json(), "use": RESEARCH_USE}))
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(valid)
    for key in valid:
        assert not validator.is_valid({name: value for name, value in valid.items() if name != key}), key
    assert not validator.is_valid({**valid, "more": 1})


@pytest.mark.parametrize("change", [{"schema": "other"}, {"version": "2.0"}, {"verdict": "fine"}, {"extra": 1}])
def test_other_files_are_not_read_as_a_record(record, change):
    with pytest.raises(BadInput):
        RegistrationRecord.from_json({**record.to_json(), **change})


def test_the_motions_of_a_record_are_those_of_the_result(record, found):
    assert np.allclose(record.spine, found.spine.matrix)
    for row in record.vertebrae:
        item: VertebraMotion = found.vertebrae[row.level]
        assert np.allclose(row.matrix, item.motion.matrix)
        apart = np.linalg.norm(item.motion.apply(item.center) - found.spine.apply(item.center))
        assert row.shift_mm == pytest.approx(apart, abs=1e-6)
