"""What people say is read exactly, and a slip in the file is named."""

from __future__ import annotations

import json

import pytest

from spinemet.answers import Answers, LevelAnswers, Override
from spinemet.errors import BadInput
from spinemet.levels import Level


def test_answers_survive_their_file_form(tmp_path):
    answers = Answers(
        levels_confirmed=True,
        levels={
            Level.L2: LevelAnswers(
                "mechanical", "normal", reader="A", overrides={"collapse": Override(2, "old film", "A")}
            ),
            Level.T10: LevelAnswers(instrumented=True),
        },
    )
    file = tmp_path / "answers.json"
    file.write_text(json.dumps(answers.to_json()))
    assert Answers.load(file) == answers


def test_levels_may_be_written_as_people_write_them():
    answers = Answers.from_json({"levels": {"th12": {"pain": "none"}}})
    assert answers.at(Level.T12).pain == "none"


def test_pain_of_one_level_says_nothing_about_another():
    answers = Answers().with_level(Level.L1, pain="mechanical")
    assert answers.at(Level.L2).pain is None


@pytest.mark.parametrize(
    ("plain", "named"),
    [
        ({"levels": {"T14": {}}}, "T14"),
        ({"levels": {"L1": {"pian": "none"}}}, "pian"),
        ({"levels": {"L1": {"pain": 3}}}, "pain"),
        ({"levels": {"L1": {}, "l1": {}}}, "L1"),
        ({"level": {}}, "level"),
        ([], "answers"),
        ({"levels": {"L1": {"overrides": {"collapse": {"points": "2"}}}}}, "points"),
    ],
)
def test_a_slip_is_named(plain, named):
    with pytest.raises(BadInput, match=named):
        Answers.from_json(plain)


def test_a_broken_file_is_named(tmp_path):
    file = tmp_path / "answers.json"
    file.write_text("{")
    with pytest.raises(BadInput, match=r"answers\.json is not valid JSON"):
        Answers.load(file)
    with pytest.raises(BadInput, match=r"missing\.json cannot be read"):
        Answers.load(tmp_path / "missing.json")
