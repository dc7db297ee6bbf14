"""The text of an assessment written level by level is the assessment's JSON, also when only a part of it changed."""

from __future__ import annotations

import json
from dataclasses import replace

from spinemet.assessment import Assessment
from spinemet.levels import Level
from spinemet.scene.level_texts import LevelTexts


def test_the_text_is_the_assessments_json(an_assessment_of):
    assessment = an_assessment_of()
    assert json.loads(LevelTexts().text(assessment)) == assessment.to_json()


def test_after_a_change_of_one_level_the_text_is_that_of_the_whole(an_assessment_of):
    texts, first = LevelTexts(), an_assessment_of()
    texts.text(first)
    levels = tuple(replace(item, reason="seen") if item.level is Level.L4 else item for item in first.levels)
    second = replace(first, levels=levels, created="later")
    assert json.loads(texts.text(second)) == second.to_json()
    assert Assessment.from_json(json.loads(texts.text(second))) == second


def test_levels_that_stay_the_same_are_not_written_anew(an_assessment_of, monkeypatch):
    from spinemet.scene import level_texts

    texts, assessment = LevelTexts(), an_assessment_of()
    texts.text(assessment)
    written = []
    monkeypatch.setattr(level_texts, "to_plain", lambda value: written.append(value) or {})
    texts.text(replace(assessment, levels=tuple(replace(item) for item in assessment.levels)))
    assert written == []
