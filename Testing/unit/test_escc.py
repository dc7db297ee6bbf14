"""The ladder of ESCC: Bilsky's words, our millimeters, and what stays open within a measure's error."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spinemet.errors import BadInput
from spinemet.evidence import Measurement, Source, unknown
from spinemet.levels import Level
from spinemet.scores.escc import (
    HIGH_GRADE_IMAGING,
    HIGH_GRADE_NOMS,
    EsccMeasures,
    Grade,
    Thresholds,
    entered_grade,
    grade,
    grade_below_conus,
    grade_ct,
    unknown_grade,
    worst,
)

NAMES = {
    "thickness": ("epidural thickness", "mm"),
    "indentation": ("sac indentation", "mm"),
    "gap": ("tumor to cord", "mm"),
    "cord_loss": ("cord loss", "%"),
    "cord_loss_mm": ("cord loss as a length", "mm"),
    "cord_shift": ("cord shift", "mm"),
    "fluid_left": ("fluid left", "%"),
}
GRADE_2 = {
    "thickness": 6.0, "indentation": 4.0, "gap": 0.0, "cord_loss": 30.0, "cord_loss_mm": 2.0, "cord_shift": 0.5,
    "fluid_left": 50.0,
}  # fmt: skip


def measures(pixel=0.6, error=0.1, edge=None, **changed):
    values = {**GRADE_2, **changed}
    items = {
        key: unknown(*NAMES[key], "not outlined") if value is None
        else Measurement(*NAMES[key][:1], value, NAMES[key][1], "test", uncertainty=error)
        for key, value in values.items()
    }  # fmt: skip
    found = None if edge is None else Measurement("contact around the cord", edge, "mm", "test")
    return EsccMeasures(**items, pixel=pixel, contact_edge=found)


@pytest.mark.parametrize(("expected", "changed"), [
    ("0", {"thickness": 0.0, "indentation": 0.0, "gap": 4.0, "cord_loss": 0.0}),
    ("1a", {"thickness": 2.0, "indentation": 0.2, "gap": 4.0, "cord_loss": 0.0, "cord_loss_mm": 0.0}),
    ("1b", {"indentation": 2.0, "gap": 2.0, "cord_loss": 0.0, "cord_loss_mm": 0.0}),
    ("1c", {"cord_loss": 3.0, "cord_loss_mm": 0.2}),
    ("2", {}),
    ("3", {"fluid_left": 4.0}),
])  # fmt: skip
def test_each_step_of_the_ladder(expected, changed):
    found = grade(Level.T8, measures(**changed))
    assert found.grade is Grade(expected)
    assert found.possible == (Grade(expected),)
    assert not found.near_threshold
    assert found.source is Source.MEASURED


@pytest.mark.parametrize(("changed", "possible"), [
    ({"thickness": 1.55, "indentation": 0.0, "gap": 4.0, "cord_loss": 0.0}, ("0", "1a")),
    ({"indentation": 0.95, "gap": 3.0, "cord_loss": 0.0}, ("1a", "1b")),
    ({"gap": 0.35, "cord_loss": 2.0}, ("1b", "1c")),
    ({"cord_loss": 15.05}, ("1c", "2")),
    ({"fluid_left": 9.95}, ("2", "3")),
])  # fmt: skip
def test_a_measure_within_its_error_of_a_threshold_keeps_both_grades(changed, possible):
    found = grade(Level.T8, measures(**changed))
    assert tuple(item.value for item in found.possible) == possible
    assert found.near_threshold
    assert found.alternatives


def test_less_than_a_pixel_of_lost_cord_is_compression_by_share_and_stays_open():
    found = grade(Level.T8, measures(pixel=2.5, cord_loss_mm=2.0, cord_loss=30.0))
    assert found.grade is Grade.COMPRESSED
    assert Grade.ABUTTED in found.possible


def test_tumor_that_runs_along_the_cord_touches_it_whatever_the_slices():
    near = {"gap": 0.2, "cord_loss": 2.0, "cord_loss_mm": 0.1, "error": 0.5, "indentation": 3.0, "thickness": 6.0}
    assert Grade.DEFORMED in grade(Level.T8, measures(edge=0.5, **near)).possible
    assert Grade.DEFORMED not in grade(Level.T8, measures(edge=4.0, **near)).possible
    assert Grade.DEFORMED in grade(Level.T8, measures(edge=4.0, pixel=2.5, **near)).possible


def test_a_thin_cord_that_no_outlined_tumor_touches_is_never_a_sure_1b():
    found = grade(Level.T8, measures(gap=2.0, cord_loss=24.0))
    assert found.grade is Grade.DEFORMED
    assert Grade.COMPRESSED in found.possible
    assert any("all tumor outlined" in limit for limit in found.limits)
    assert Grade.OBLITERATED in grade(Level.T8, measures(gap=2.0, cord_loss=24.0, fluid_left=3.0)).possible


def test_outlines_that_may_be_off_do_not_touch_for_sure_by_running_along():
    near = {"gap": 0.2, "cord_loss": 2.0, "cord_loss_mm": 0.1, "error": 0.5, "edge": 4.0, "indentation": 3.0}
    assert not grade(Level.T8, measures(**near)).near_threshold
    drawn_by_program = replace(measures(**near), outline_error=0.8)
    assert Grade.DEFORMED in grade(Level.T8, drawn_by_program).possible


def test_a_cord_that_is_only_pushed_is_abutted_perhaps_compressed():
    found = grade(Level.T8, measures(cord_loss=2.0, cord_loss_mm=0.1, cord_shift=3.0))
    assert found.grade is Grade.ABUTTED
    assert Grade.COMPRESSED in found.possible


def test_coarse_pixels_do_not_call_a_mass_too_thin_that_dents_the_sac():
    found = grade(Level.T8, measures(pixel=1.5, thickness=2.8, cord_loss_mm=2.0))
    assert found.grade is Grade.COMPRESSED
    assert Grade.NONE in found.possible
    beside = grade(Level.T8, measures(pixel=1.5, thickness=2.0, indentation=0.2, gap=4.0, cord_loss=0.0))
    assert beside.grade is Grade.NONE
    assert Grade.EPIDURAL in beside.possible


def test_a_film_one_voxel_thick_leaves_1a_open():
    found = grade(Level.T8, measures(pixel=1.5, thickness=0.7, indentation=0.0, gap=4.0, cord_loss=0.0))
    assert found.grade is Grade.NONE
    assert found.possible == (Grade.NONE, Grade.EPIDURAL)


def test_where_no_fluid_is_left_and_the_cord_cannot_tell_the_fluid_does():
    found = grade(Level.T8, measures(pixel=3.7, cord_loss=14.0, error=20.0, fluid_left=2.0))
    assert found.grade is Grade.OBLITERATED
    assert Grade.ABUTTED in found.possible


def test_tumor_beside_the_canal_may_hide_between_wide_slices():
    none = {"thickness": 0.0, "indentation": 0.0, "gap": 4.0, "cord_loss": 0.0}
    seen = replace(measures(**none), lateral_pixel=3.5, tumor_beside=True)
    assert grade(Level.T8, seen).possible == (Grade.NONE, Grade.EPIDURAL)
    assert any("may hide" in limit for limit in grade(Level.T8, seen).limits)
    assert grade(Level.T8, replace(seen, tumor_beside=False)).possible == (Grade.NONE,)
    assert grade(Level.T8, replace(seen, lateral_pixel=1.0)).possible == (Grade.NONE,)


def test_contact_without_deformation_is_abutted_and_said_so():
    found = grade(Level.T8, measures(indentation=0.0, cord_loss=0.0, cord_loss_mm=0.0))
    assert found.grade is Grade.ABUTTED
    assert found.near_threshold
    assert any("not deformed" in limit for limit in found.limits)


def test_without_a_cord_reference_the_grade_stays_between_abutted_and_compressed():
    found = grade(Level.T8, measures(cord_loss=None, cord_loss_mm=None, cord_shift=None))
    assert found.grade is None
    assert tuple(item.value for item in found.possible) == ("1c", "2")
    assert "not outlined" in found.reason


def test_unknown_is_never_grade_0():
    found = grade(Level.T8, measures(thickness=None))
    assert found.grade is None
    assert found.source is Source.UNKNOWN
    assert len(found.possible) > 1
    assert unknown_grade(Level.T8, "not imaged").possible == tuple(Grade)


def test_wide_voxels_say_nothing_about_contact():
    found = grade(Level.T8, measures(pixel=3.6))
    assert {Grade.DEFORMED, Grade.ABUTTED, Grade.COMPRESSED} <= set(found.possible)
    assert any("no statement on contact" in limit for limit in found.limits)


def test_the_thresholds_can_be_overridden():
    assert grade(Level.T8, measures(), thresholds=Thresholds(cord_loss=0.5)).grade is Grade.ABUTTED


def test_both_senses_of_high_grade():
    abutted = grade(Level.T8, measures(cord_loss=2.0, cord_loss_mm=0.1))
    assert abutted.high_grade(HIGH_GRADE_NOMS) is False
    assert abutted.high_grade(HIGH_GRADE_IMAGING) is True
    unsure = grade(Level.T8, measures(cord_loss=15.05))
    assert unsure.high_grade(HIGH_GRADE_NOMS) is None
    assert unsure.high_grade(HIGH_GRADE_IMAGING) is True


def test_the_reason_has_the_millimeters():
    assert "6.0 ± 0.1 mm thick" in grade(Level.T8, measures()).reason
    assert "30 % less" in grade(Level.T8, measures()).reason
    assert "50 % of the fluid" in grade(Level.T8, measures()).reason
    assert grade(Level.T8, measures(thickness=0.0)).reason == "no tumor in the canal"


def test_below_the_conus_there_is_no_cord_to_compress():
    loss = Measurement("sac loss", 60.0, "%", "test", uncertainty=3.0)
    found = grade_below_conus(Level.L3, measures(fluid_left=3.0), loss)
    assert found.grade is Grade.DEFORMED
    assert set(found.possible) <= {Grade.NONE, Grade.EPIDURAL, Grade.DEFORMED}
    assert "unvalidated" in found.modified
    assert "60" in found.reason
    assert "effaced" in found.reason


@pytest.mark.parametrize(("share", "words"), [
    (10.0, "low grade"), (40.0, "low or high"), (70.0, "high grade"), (0.0, "no epidural tumor seen"),
])  # fmt: skip
def test_ct_alone_never_gives_a_grade(share, words):
    thick = Measurement("epidural thickness", 5.0 if share else 0.0, "mm", "test")
    found = grade_ct(Level.T8, thick, Measurement("share", share, "%", "test"))
    assert found.grade is None
    assert words in found.reason
    assert "MRI" in found.modified
    assert found.possible != (Grade.NONE,)


def test_a_person_wins_and_the_suggestion_stays_visible():
    computed = grade(Level.T8, measures())
    once = computed.overridden(Grade.ABUTTED, reason="cord only pushed", reader="R1")
    twice = once.overridden(Grade.OBLITERATED, reason="", reader="R2")
    assert once.grade is Grade.ABUTTED
    assert once.possible == (Grade.ABUTTED,)
    assert twice.suggested is computed
    with pytest.raises(BadInput):
        entered_grade(Level.T8, "1d", reader="R1")
    assert entered_grade(Level.T8, "1c", reader="R1").source is Source.ENTERED


def test_of_levels_alike_within_the_error_the_one_that_holds_most_of_the_tumor_is_worst():
    def level(name, loss, length):
        contact = Measurement("contact with the cord", length, "mm", "test", uncertainty=1.0)
        return grade(name, replace(measures(cord_loss=loss, error=3.0), contact_length=contact))

    edge, middle = level(Level.T9, 30.6, 5.6), level(Level.T10, 30.4, 16.9)
    assert worst([edge, middle]) is middle
    assert worst([level(Level.T9, 36.0, 5.6), middle]).level is Level.T9


def test_the_worst_level_is_the_one_with_the_highest_grade():
    low, high = grade(Level.T4, measures(gap=3.0, cord_loss=0.0)), grade(Level.T9, measures())
    assert worst([low, high, unknown_grade(Level.T12, "not imaged")]) is high
    assert worst([unknown_grade(Level.T12, "not imaged")]) is None
