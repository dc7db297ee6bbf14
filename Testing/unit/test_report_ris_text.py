"""The text for the RIS says what was found, by whom, and what limits it; it never says who the patient is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spinemet.answers import Answers, LevelAnswers, Override
from spinemet.assess import assessment_by_hand
from spinemet.assessment import RESEARCH_USE, Assessment
from spinemet.case import ImageRef, Patient, Role, TimePoint
from spinemet.levels import Level
from spinemet.report.ris_text import ris_text

REF = ImageRef("ct", Role.CT, "frame", date="2026-03-02")


def scored(confirmed: bool = False, **said) -> Assessment:
    """T11 by pick-lists: junctional 3, and what is said."""
    entry = LevelAnswers(involved=True, reader="AB", **said)
    return assessment_by_hand(
        REF,
        Answers(confirmed, {Level.T11: entry}),
        patient=Patient("ID-77", "Roe^Richard", "M", "1950-01-02"),
        time_point=TimePoint("2026-03-02", "baseline"),
    )


ALL = {
    "pain": "mechanical",
    "alignment": "normal",
    "overrides": {
        "bone_lesion": Override(2, "", "AB"),
        "collapse": Override(3, "", "AB"),
        "posterolateral": Override(1, "", "AB"),
    },
}
"""3 + 3 + 2 + 0 + 3 + 1 = 12 with the junctional place: potentially unstable (7 to 12)."""


def test_a_level_that_is_fully_answered_is_said_with_its_total_and_category():
    text = ris_text(scored(confirmed=True, **ALL))
    assert "Worst level: T11, SINS 12, potentially unstable." in text
    assert "Measured in: CT 2026-03-02." in text
    assert "by AB" in text
    assert "unconfirmed" not in text


def test_an_unknown_component_is_said_with_its_possible_points_never_as_zero():
    text = ris_text(scored(pain="mechanical"))
    collapse = next(line for line in text.splitlines() if line.startswith("- ") and "ollapse" in line)
    assert "unknown (0/1/2/3 points possible)" in collapse
    assert "Levels unconfirmed" in text


def test_without_a_scored_level_the_text_says_so():
    text = ris_text(assessment_by_hand(REF, Answers()))
    assert "No level is scored" in text


@pytest.mark.parametrize("words", ["ID-77", "Roe", "Richard", "1950"])
def test_the_patient_is_not_named(words):
    assert words not in ris_text(scored(**ALL))


def test_warnings_and_research_use_end_the_text():
    text = ris_text(replace(scored(**ALL), warnings=("No CT was loaded.", "No CT was loaded.")))
    assert text.count("No CT was loaded.") == 1
    assert text.rstrip().endswith(RESEARCH_USE)


def test_an_image_without_a_date_says_so():
    bare = replace(REF, date="")
    assert "CT without date" in ris_text(assessment_by_hand(bare, Answers()))
