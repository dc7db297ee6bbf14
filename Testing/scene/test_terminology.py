"""Our terminology context: every level, in Slicer's own format, readable by Slicer's own logic."""

from __future__ import annotations

import json

import pytest
import slicer

from spinemet.case import Outline, Structure
from spinemet.codes import CONTEXT, entry_of, outline_of
from spinemet.colors import GRADE_COLOR_NAMES, GRADE_COLORS, STRUCTURE_COLORS, hexadecimal
from spinemet.levels import Level
from spinemet.scene import load_terminology
from spinemet.scene.terminology import CONTEXT_FILE, context
from spinemet.scores.sins import Category

LEVELS = [level for level in Level if level is not Level.OCC]


@pytest.fixture
def a_terminology(a_session):
    load_terminology()
    return slicer.modules.terminologies.logic()


def types_in(category: int) -> list[dict]:
    return json.loads(CONTEXT_FILE.read_text(encoding="utf-8"))["SegmentationCodes"]["Category"][category]["Type"]


def test_the_file_is_what_the_levels_make():
    assert json.loads(CONTEXT_FILE.read_text(encoding="utf-8")) == context()


def test_every_level_from_c1_to_s5_with_t13_and_l6_is_there():
    meanings = {item["CodeMeaning"] for item in types_in(0)}
    wanted = [f"C{n}" for n in range(1, 8)] + [f"T{n}" for n in range(1, 14)]
    wanted += [f"L{n}" for n in range(1, 7)] + [f"S{n}" for n in range(1, 6)]
    assert {f"{name} vertebra" for name in wanted} < meanings
    assert {"Sacrum", "Spinal canal", "Thecal sac", "Spinal cord", "Intervertebral disc"} < meanings


def test_published_codes_are_used_and_private_ones_say_so():
    codes = {item["CodeMeaning"]: (item["CodingSchemeDesignator"], item["CodeValue"]) for item in types_in(0)}
    assert codes["C1 vertebra"] == ("SCT", "14806007")
    assert codes["L3 vertebra"] == ("SCT", "36470004")
    assert codes["T13 vertebra"][0] == codes["L6 vertebra"][0] == codes["S2 vertebra"][0] == "99SPINEMET"
    assert len(set(codes.values())) == len(codes)


def test_every_entry_has_what_slicers_format_asks_for():
    for category in (0, 1):
        for item in types_in(category):
            assert {"CodeMeaning", "CodingSchemeDesignator", "CodeValue"} <= set(item)
            assert len(item["recommendedDisplayRGBValue"]) == 3
            assert all(0 <= channel <= 255 for channel in item["recommendedDisplayRGBValue"])


def test_slicer_loads_the_context_and_finds_the_categories(a_terminology):
    assert a_terminology.IsTerminologyContextLoaded(CONTEXT)
    assert a_terminology.GetNumberOfCategoriesInTerminology(CONTEXT) == 2


@pytest.mark.parametrize(
    "outline",
    [
        *(Outline(Structure.VERTEBRA, level) for level in LEVELS if not level.value.startswith("S")),
        *(Outline(Structure.SACRUM, Level(f"S{n}")) for n in range(1, 6)),
        Outline(Structure.LESION),
        Outline(Structure.CANAL),
        Outline(Structure.THECAL_SAC),
        Outline(Structure.CORD),
        Outline(Structure.DISC),
    ],
    ids=lambda outline: f"{outline.structure.value} {outline.level or ''}",
)
def test_slicer_reads_every_entry_and_so_do_we(a_terminology, outline):
    entry = slicer.vtkSlicerTerminologyEntry()
    assert a_terminology.DeserializeTerminologyEntry(entry_of(outline), entry)
    assert a_terminology.UpdateEntryFromLoadedTerminologies(entry, [], [])
    color = [round(255 * channel) for channel in STRUCTURE_COLORS[outline.structure]]
    assert list(entry.GetTypeObject().GetRecommendedDisplayRGBValue()) == color
    assert outline_of(entry_of(outline)) == outline


def test_what_our_context_does_not_hold_has_no_entry():
    assert entry_of(Outline(Structure.OTHER)) == ""
    assert entry_of(Outline(Structure.VERTEBRA, Level.OCC)) == ""


def test_a_sacrum_without_a_level_is_the_whole_one():
    assert outline_of(entry_of(Outline(Structure.SACRUM))) == Outline(Structure.SACRUM, Level.S1)


@pytest.mark.parametrize("text", ["", "~", "nonsense", "a~b~c~d", "ctx~SCT^1^m~SCT^2^t~^^~~^^~^^"])
def test_foreign_entries_name_nothing(text):
    assert outline_of(text) is None


def test_an_entry_of_another_context_is_understood_by_its_code():
    entry = "Another list~SCT^123037004^Anatomical Structure~SCT^36470004^Third lumbar vertebra~^^~~^^~^^"
    assert outline_of(entry) == Outline(Structure.VERTEBRA, Level.L3)


def test_every_category_has_a_color_of_its_own_with_a_name():
    assert set(GRADE_COLORS) == set(GRADE_COLOR_NAMES) == {*Category, None}
    assert len(set(GRADE_COLORS.values())) == 4
    assert hexadecimal(GRADE_COLORS[Category.STABLE]) == "#009e8e"


def test_grades_differ_in_lightness_too():
    def lightness(color):
        linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in color]
        return 116 * (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]) ** (1 / 3) - 16

    values = sorted(
        lightness(GRADE_COLORS[category]) for category in (Category.POTENTIALLY_UNSTABLE, Category.UNSTABLE)
    )
    assert values[1] - values[0] > 10
