"""The JSON schema describes what an Assessment writes, and refuses everything else."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from report_study import make_sins, make_study
from spinemet.answers import Answers, Override
from spinemet.assessment import SCHEMA_FILE, SCHEMA_VERSION, Assessment, LevelAssessment, Status
from spinemet.evidence import unknown
from spinemet.levels import Level
from spinemet.scores import sins

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def plain(assessment: Assessment) -> Any:
    return json.loads(json.dumps(assessment.to_json(), allow_nan=False))


@pytest.fixture
def valid() -> Any:
    return plain(make_study().assessment)


def scored(document: Any) -> Any:
    return next(item for item in document["levels"] if item["sins"])


def component(document: Any, name: str) -> Any:
    return scored(document)["sins"]["components"][name]


def test_an_assessment_with_a_scored_level_is_valid(validator: Any, valid: Any) -> None:
    validator.validate(valid)


def test_an_assessment_without_lesions_is_valid(validator: Any) -> None:
    validator.validate(plain(make_study(lesions=()).assessment))


def test_an_override_of_an_override_is_valid(validator: Any) -> None:
    result = make_sins(Level.L3)
    changed = result.components["bone_lesion"].overridden(1, reason="sclerotic rim", reader="Q", label="mixed")
    changed = changed.overridden(0, reason="second look", reader="R", label="blastic")
    study = make_study()
    item = study.assessment[Level.L3]
    score = sins.score((result.components | {"bone_lesion": changed}).values())
    validator.validate(plain(study.with_level(replace(item, sins=score)).assessment))


def test_a_level_on_which_everything_is_unknown_is_valid(validator: Any) -> None:
    loss, share = unknown("height loss", "%", "no reference"), unknown("body involved", "%", "no body")
    findings = (
        sins.location(Level.L3), sins.pain(None), sins.bone_lesion(unknown("lytic share", "%", "no reference")),
        sins.alignment(None), sins.collapse(loss, share), sins.posterolateral({"left": None, "right": None}),
    )  # fmt: skip
    item = replace(make_study().assessment[Level.L3], sins=sins.score(findings), measurements=(loss, share))
    validator.validate(plain(make_study().with_level(item).assessment))


def test_flagged_variants_and_empty_identity_are_valid(validator: Any) -> None:
    study = make_study()
    levels = (*study.assessment.levels, LevelAssessment(Level.L6, Status.NOT_ASSESSABLE, "confirm the numbering"))
    patient = type(study.assessment.patient)()
    validator.validate(plain(study.with_assessment(levels=levels, patient=patient, created="").assessment))


def test_answers_and_overrides_are_valid(validator: Any) -> None:
    override = Override(3, reason="wedge of an old fracture", reader="Q")
    answers = Answers(True).with_level(Level.L3, pain="none", reader="Q", overrides={"collapse": override})
    validator.validate(plain(make_study().with_assessment(answers=answers).assessment))


def test_the_schema_accepts_the_version_that_is_written(validator: Any, valid: Any) -> None:
    assert valid["version"] == SCHEMA_VERSION
    assert SCHEMA_VERSION in validator.schema["$id"]


def test_what_the_schema_accepts_is_read_back_equal(validator: Any, valid: Any) -> None:
    validator.validate(valid)
    assert plain(Assessment.from_json(valid)) == valid


def put(value: Any, *path: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


def in_scored(value: Any, *path: Any) -> Callable[[Any], None]:
    return lambda document: put(value, *path)(scored(document))


def in_component(name: str, **values: Any) -> Callable[[Any], None]:
    return lambda document: component(document, name).update(values)


MUTATIONS: dict[str, Callable[[Any], None]] = {
    "another kind of file": put("something else", "schema"),
    "another major version": put("2.0", "version"),
    "an unknown field": put(1, "surprise"),
    "an unknown field of the patient": put("x", "patient", "address"),
    "a date that is not ISO": put("02.03.2026", "time_point", "date"),
    "an unknown role": put("MRT", "images", 0, "role"),
    "an image without its key": lambda d: d["images"][0].pop("key"),
    "an unknown worst level": put("L7", "worst_level"),
    "a level that does not exist": put("T14", "levels", 3, "level"),
    "an unknown status": put("fine", "levels", 3, "status"),
    "a level not imaged but scored": in_scored("not imaged", "status"),
    "a scored level without score": in_scored(None, "sins"),
    "a missing component": lambda d: scored(d)["sins"]["components"].pop("pain"),
    "a seventh component": lambda d: scored(d)["sins"]["components"].update(age=component(d, "pain")),
    "a component in another's place": in_component("pain", component="alignment"),
    "pain of 2 points": in_component("pain", points=2, possible=[2], source="entered"),
    "pain that could be 2": in_component("pain", possible=[0, 2]),
    "collapse of 4 points": in_component("collapse", points=4, possible=[4]),
    "points that are unknown": in_component("collapse", source="unknown"),
    "unknown pain with points": in_component("pain", points=0),
    "nothing possible": in_component("pain", possible=[]),
    "an unknown source": in_component("pain", source="guessed"),
    "an override without what it replaced": in_component("collapse", source="overridden"),
    "points as text": in_component("collapse", points="2"),
    "a total of 19": in_scored(19, "sins", "total"),
    "a possible total of -1": in_scored([-1, 3], "sins", "possible_totals"),
    "an unknown category": in_scored("indeterminate", "sins", "category"),
    "a measurement without a name": in_scored("", "measurements", 0, "name"),
    "an unknown value without reason": in_scored(None, "measurements", 0, "value"),
    "a negative uncertainty": in_scored(-1.0, "measurements", 0, "uncertainty"),
    "a position with two numbers": in_scored([1.0, 2.0], "position"),
    "a frame without its origin": lambda d: scored(d)["frame"].pop("origin"),
    "an axis longer than one": in_scored([3.0, 0.0, 0.0], "frame", "right"),
    "a fingerprint that is a number": put(7, "inputs", "ct"),
    "warnings as one text": put("careful", "warnings"),
    "answers about a level that does not exist": lambda d: d["answers"]["levels"].update(L9={}),
    "pain of a kind that does not exist": lambda d: d["answers"]["levels"].update(
        L3={"pain": "some", "alignment": None, "instrumented": False, "reader": "", "overrides": {}}
    ),
    "an answer to a question nobody asks": lambda d: d["answers"].update(mood="good"),
    "confirmed as text": put("yes", "numbering", "confirmed"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_schema_refuses(name: str, validator: Any, valid: Any) -> None:
    changed = copy.deepcopy(valid)
    MUTATIONS[name](changed)
    assert changed != valid
    assert not validator.is_valid(changed)


def test_every_object_of_the_schema_is_closed(validator: Any) -> None:
    def check(schema: Any, where: str) -> None:
        if isinstance(schema, dict):
            if schema.get("type") == "object" and "properties" in schema:
                assert schema.get("additionalProperties") is False, where
                assert sorted(schema["required"]) == sorted(schema["properties"]), where
            for key, value in schema.items():
                check(value, f"{where}/{key}")

    check(validator.schema, "")


def test_a_file_of_version_1_0_is_read_and_says_nothing_about_hardware(valid: Any) -> None:
    older = copy.deepcopy(valid)
    older["version"] = "1.0"
    older.pop("spine")
    for level in older["levels"]:
        for name in ("notes", "hardware", "lesion", "body"):
            level.pop(name)
    older["answers"]["levels"] = {
        "L3": {"pain": "none", "alignment": None, "instrumented": False, "reader": "", "overrides": {}},
        "L4": {"pain": None, "alignment": None, "instrumented": True, "reader": "Q", "overrides": {}},
    }
    read = Assessment.from_json(older)
    assert read.spine is None
    assert read[Level.L3].lesion is None
    assert read.answers.at(Level.L3).instrumented is None, "nobody had been asked"
    assert read.answers.at(Level.L4).instrumented is True
    assert read.answers.at(Level.L3).pain == "none"
