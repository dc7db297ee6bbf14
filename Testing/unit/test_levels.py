"""Level names are exact, ordered and coded."""

from __future__ import annotations

import pytest

from spinemet.errors import BadInput
from spinemet.levels import Level, Region, adjacent


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("T1", Level.T1), ("T10", Level.T10), ("t11", Level.T11), ("Th12", Level.T12), ("D4", Level.T4),
        ("T09", Level.T9), ("L 5", Level.L5), ("l-3", Level.L3), ("C7", Level.C7), ("S1", Level.S1),
        ("Occ", Level.OCC), ("C0", Level.OCC), ("T13", Level.T13), ("L6", Level.L6), (" C2 ", Level.C2),
    ],
)  # fmt: skip
def test_names_are_parsed_exactly(text, level):
    assert Level.parse(text) is level


@pytest.mark.parametrize(
    "text", ["", "T", "T0", "T14", "L7", "C8", "S6", "T1-T2", "T100", "X3", "L3 vertebra", "1", "TT1"]
)
def test_what_names_no_level_is_refused(text):
    with pytest.raises(BadInput, match="not a vertebral level"):
        Level.parse(text)


def test_t1_is_never_taken_for_t10_to_t12():
    assert {Level.parse(f"T{n}") for n in (1, 10, 11, 12)} == {Level.T1, Level.T10, Level.T11, Level.T12}


def test_levels_are_ordered_from_head_to_tail_with_variants_in_place():
    assert Level.OCC < Level.C1 < Level.C7 < Level.T1 < Level.T9 < Level.T10 < Level.T12 < Level.T13 < Level.L1
    assert Level.L5 < Level.L6 < Level.S1 < Level.S5
    assert sorted([Level.S1, Level.T13, Level.C2, Level.L6]) == [Level.C2, Level.T13, Level.L6, Level.S1]


def test_an_assessment_lists_29_ordinary_levels():
    assert len(Level.ordinary()) == 7 + 12 + 5 + 5
    assert not any(level.is_variant for level in Level.ordinary())
    assert [level for level in Level if level.is_variant] == [Level.T13, Level.L6]


def test_neighbors_pass_over_variants_that_are_not_there():
    assert adjacent(Level.T12, 1) is Level.L1
    assert adjacent(Level.T12, 1, {Level.T13}) is Level.T13
    assert adjacent(Level.T13, -1) is Level.T12
    assert adjacent(Level.S1, -1) is Level.L5
    assert adjacent(Level.S5, 1) is None
    assert adjacent(Level.OCC, -1) is None


def test_every_vertebra_from_c1_to_l5_has_its_own_snomed_code():
    codes = [level.snomed_code for level in Level.ordinary() if level.region is not Region.SACRAL]
    assert None not in codes
    assert len(set(codes)) == 24
    # Spot checks against the published table.
    assert Level.T12.snomed_code == "23215003"
    assert Level.L3.snomed_code == "36470004"
    assert Level.T13.snomed_code is None


@pytest.mark.parametrize(
    ("level", "region", "number"),
    [
        (Level.C1, Region.CERVICAL, 1),
        (Level.T13, Region.THORACIC, 13),
        (Level.S4, Region.SACRAL, 4),
        (Level.OCC, Region.OCCIPUT, 0),
    ],
)
def test_region_and_number_follow_from_the_name(level, region, number):
    assert level.region is region
    assert level.number == number
