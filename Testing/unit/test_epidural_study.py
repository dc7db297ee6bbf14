"""Epidural disease of one study: levels, conus, CT, missing outlines, edits, and what must not change the grade."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from escc_cases import outlines_of, places_of
from escc_truth import changed, stored
from spinemet.case import Role
from spinemet.epidural import EpiduralOutlines, assess_epidural
from spinemet.errors import BadInput, NotMeasurable
from spinemet.increment import Increment
from spinemet.levels import Level
from spinemet.phantom import SegmentSpec, create_segment
from spinemet.scores.escc import Grade


@cache
def segment(**asked):
    return create_segment(SegmentSpec(**{"modalities": (), "spacing": (0.7, 2.0), **asked}))


def assessed(seg, outlines=None, **asked):
    return assess_epidural(outlines or outlines_of(seg), places_of(seg), **asked)


def test_only_the_level_with_tumor_is_graded_up():
    seg = segment(level=Level.T8, grade="2", half_length_mm=8.0)
    found = assessed(seg)
    assert {level: item.grade for level, item in found.results.items()} == {
        Level.T7: Grade.NONE, Level.T8: Grade.COMPRESSED, Level.T9: Grade.NONE,
    }  # fmt: skip
    assert found.worst is found.results[Level.T8]
    assert found.levels[Level.T8].position is not None


def test_every_measure_has_its_error_and_what_was_built():
    seg = segment(level=Level.T8, grade="2")
    truth, level = seg.truth, assessed(seg).levels[Level.T8]
    assert all(item.uncertainty is not None for item in level.measurements.values() if item.known)
    worst, reference = truth["worst"], truth["reference"]
    mscc = 100 * (1 - worst["cord_ap"] / reference["cord_ap"])
    for name, value in (
        ("cord compression (MSCC)", mscc),
        ("cord share of the canal (aSCOR)", 100 * worst["cord_area"] / worst["canal_area"]),
        ("sac loss", 100 * (1 - worst["sac_area"] / reference["sac_area"])),
        ("fluid left", 100 * worst["fluid_area"] / reference["fluid_area"]),
        ("epidural area", worst["presser_area"]),
        ("clearance to the cord", 0.0),
    ):
        found = level[name]
        assert abs(found.value - value) <= 2 * found.uncertainty, (name, found.text(), value)
    # The front of the tumor is flat, so the canal's free depth is what its thickness leaves.
    depth = seg.spec.room_mm + 15.8
    assert level["canal compromise"].value == pytest.approx(100 * worst["thickness"] / depth, abs=4)


def test_the_cord_is_called_unreliable_exactly_where_it_is_compressed():
    seg = segment(level=Level.T8, grade="2")
    found = assessed(seg)
    where = np.abs(found.cuts.s - found.cuts.s[found.levels[Level.T8].cut])
    assert found.unreliable[where < 4].all()
    assert not found.unreliable[where > seg.spec.half_length_mm + 2].any()
    assert any("unreliable" in limit for limit in found.results[Level.T8].limits)
    for grade in ("1b", "1c"):
        spared = assessed(segment(level=Level.T8, grade=grade))
        assert not spared.unreliable.any()
        assert not any("unreliable" in limit for limit in spared.results[Level.T8].limits)


def test_bone_tumor_alone_has_a_clearance_and_no_grade_above_0():
    found = assessed(segment(level=Level.T8, grade="0"))
    level = found.levels[Level.T8]
    assert found.results[Level.T8].grade is Grade.NONE
    assert level["clearance to the cord"].value > 3
    assert level["epidural tumor around the canal"].value == 0
    assert found.levels[Level.T7]["clearance to the cord"].value is None


def test_circumferential_tumor_surrounds_the_sac():
    around = assessed(segment(level=Level.T8, grade="1b", direction="circumferential")).levels[Level.T8]
    assert around["epidural tumor around the canal"].value > 95
    ventral = assessed(segment(level=Level.T8, grade="1b")).levels[Level.T8]
    assert ventral["epidural tumor around the canal"].value < 70


def test_below_the_conus_the_wording_is_modified():
    seg = segment(level=Level.L3, grade="1b")
    without_cord = replace(outlines_of(seg), cord=None)
    found = assessed(seg, without_cord, conus=Level.L1).results[Level.L3]
    assert found.grade is Grade.DEFORMED
    assert "unvalidated" in found.modified
    assert Grade.ABUTTED not in found.possible
    # A conus that nobody saw is never assumed: without a cord, nothing is sure.
    unseen = assessed(seg, without_cord).results[Level.L3]
    assert unseen.grade is None
    assert "cord" in unseen.reason


def test_the_conus_is_where_the_cord_is_seen_to_end():
    seg = segment(level=Level.T12, grade="1b", neighbors=2)
    whole = outlines_of(seg)
    assert assessed(seg, whole).conus is None
    world = whole.cord.grid.to_world(np.argwhere(whole.cord.array)[:, ::-1])
    end = places_of(seg)[Level.L1][2]
    cut = whole.cord.array.copy()
    cut[tuple(np.argwhere(whole.cord.array)[world[:, 2] < end].T)] = False
    assert assessed(seg, replace(whole, cord=whole.cord.with_array(cut))).conus is Level.L1


def test_plain_ct_gives_classes_and_a_myelogram_a_grade():
    seg = segment(level=Level.T8, grade="2")
    outlines = outlines_of(seg)
    plain = assessed(seg, EpiduralOutlines(outlines.canal, tumor=outlines.tumor), role=Role.CT).results[Level.T8]
    assert plain.grade is None
    assert "MRI" in plain.modified
    clean = assessed(seg, EpiduralOutlines(outlines.canal), role=Role.CT).results[Level.T8]
    assert clean.possible != (Grade.NONE,)
    assert assessed(seg, role=Role.CT, myelogram=True).results[Level.T8].grade is Grade.COMPRESSED


def test_contrast_enhanced_t1_is_graded_and_says_so():
    found = assessed(segment(level=Level.T8, grade="1b"), role=Role.T1_GD).results[Level.T8]
    assert found.grade is Grade.DEFORMED
    assert any("T2" in limit for limit in found.limits)


@pytest.mark.parametrize(("missing", "open_grades"), [
    ({"cord": None}, {"1b", "1c", "2"}), ({"sac": None, "cord": None}, {"1a", "1b", "1c", "2", "3"}),
])  # fmt: skip
def test_missing_outlines_leave_the_grade_open(missing, open_grades):
    seg = segment(level=Level.T8, grade="2")
    found = assessed(seg, replace(outlines_of(seg), **missing)).results[Level.T8]
    assert found.grade is None
    assert {item.value for item in found.possible} <= open_grades | {"2", "3"}
    assert found.reason


@pytest.mark.parametrize("role", [Role.T2, Role.CT])
def test_tumor_that_nobody_outlined_is_unknown_not_0(role):
    seg = segment(level=Level.T8, grade="2")
    found = assessed(seg, replace(outlines_of(seg), tumor=None), role=role)
    assert found.worst is None
    for level, result in found.results.items():
        assert (result.grade, set(result.possible)) == (None, set(Grade)), level
        assert "nobody outlined tumor" in result.reason
        assert not any(item.known for item in found.levels[level].measurements.values())


def test_an_empty_outline_says_that_there_is_no_tumor():
    seg = segment(level=Level.T8, grade="2")
    whole = outlines_of(seg)
    found = assessed(seg, replace(whole, tumor=whole.canal.with_array(np.zeros(whole.canal.shape, bool))))
    assert {result.grade for result in found.results.values()} == {Grade.NONE}


def test_a_canal_as_narrow_as_the_sac_is_refused():
    seg = segment(level=Level.T8, grade="2")
    whole = outlines_of(seg)
    with pytest.raises(BadInput, match="bony canal"):
        assessed(seg, replace(whole, canal=whole.sac))


def test_a_canal_outside_the_image_is_unknown_not_0():
    seg = segment(level=Level.T8, grade="2")
    places = places_of(seg)
    up = np.array(places[Level.T7]) * 2 - np.array(places[Level.T8])
    found = assess_epidural(outlines_of(seg), {**places, Level.T6: tuple(up)})
    assert found.results[Level.T6].grade is None
    with pytest.raises(NotMeasurable):
        assess_epidural(outlines_of(seg), {})


@pytest.mark.parametrize("grade", ["1a", "1c", "3"])
@pytest.mark.parametrize("order", ["flipped", "permuted", "cropped", "other orientation"])
def test_how_the_volume_is_stored_changes_no_grade(grade, order):
    seg = segment(level=Level.T8, grade=grade)
    outlines, places = outlines_of(seg), places_of(seg)
    before = assess_epidural(outlines, places).results[Level.T8]
    after = assess_epidural(changed(outlines, lambda mask: stored(mask, order)), places).results[Level.T8]
    assert after.grade is before.grade


def test_outlines_of_a_program_carry_a_wider_error_and_leave_more_open():
    seg = segment(level=Level.T8, grade="1b")
    drawn = assessed(seg)
    found = assessed(seg, outline_error_mm={"tumor": 2.0, "cord": 0.3})
    before, after = drawn.levels[Level.T8], found.levels[Level.T8]
    assert drawn.results[Level.T8].possible == (Grade.DEFORMED,)
    assert found.results[Level.T8].grade is Grade.DEFORMED
    assert {Grade.DEFORMED, Grade.ABUTTED} <= set(found.results[Level.T8].possible)
    gap = "tumor to cord"
    assert after[gap].value == before[gap].value
    assert after[gap].uncertainty == pytest.approx(np.sqrt(before[gap].uncertainty ** 2 + 2.0**2 + 0.3**2))
    assert after["sac loss"].uncertainty == before["sac loss"].uncertainty
    for name, item in assessed(seg, outline_error_mm=0.5).levels[Level.T8].measurements.items():
        assert not item.known or name == "contact with the cord" or item.uncertainty > before[name].uncertainty, name
    for wrong in (-1.0, {"fat": 1.0}, float("nan")):
        with pytest.raises(BadInput):
            assessed(seg, outline_error_mm=wrong)


def test_an_edit_at_one_level_measures_only_what_it_touched():
    seg = segment(level=Level.T8, grade="2", neighbors=2)
    outlines, places, store = outlines_of(seg), places_of(seg), Increment()
    first = assess_epidural(outlines, places, store=store)
    parts = len(store.results("epidural cuts"))
    store.begin()
    assert assess_epidural(outlines, places, store=store).results == first.results
    assert store.computed == []
    edited = outlines.tumor.array.copy()
    k = int(np.rint(outlines.tumor.to_index(places[Level.T8])[2]))
    edited[k : k + 2, ::3] = False
    store.begin()
    found = assess_epidural(replace(outlines, tumor=outlines.tumor.with_array(edited)), places, store=store)
    assert {step for step, _ in store.computed} == {"epidural cuts"}
    assert len(store.computed) <= 3 < parts
    fresh = assess_epidural(replace(outlines, tumor=outlines.tumor.with_array(edited)), places)
    assert found.results == fresh.results


@pytest.mark.parametrize(("mimic", "words"), [
    (None, ""), ("retropulsed bone", "retropulsed bone"), ("disc", "disc"), ("lipomatosis", "lipomatosis"),
])  # fmt: skip
@pytest.mark.parametrize("level", [Level.C6, Level.T8])
def test_benign_mimics_are_named(mimic, words, level):
    seg = segment(level=level, grade="1c", mimic=mimic, modalities=(Role.T1, Role.T2), spacing=(0.7, 3.0), seed=3)
    outlines = outlines_of(seg)
    if mimic:
        outlines = replace(outlines, tumor=seg.mimic)
    bone = outlines.canal.with_array(seg.vertebrae.image.array > 0)
    limits = assessed(seg, outlines, images=seg.images, bone=bone).results[level].limits
    hints = [limit for limit in limits if "what presses" in limit]
    assert len(hints) == bool(mimic)
    assert not mimic or words in hints[0]
    t2_only = assessed(seg, outlines, images={Role.T2: seg.images[Role.T2]}, bone=bone).results[level].limits
    assert mimic or not any("what presses" in limit for limit in t2_only)


@pytest.mark.parametrize(("mimic", "words"), [("retropulsed bone", "bone"), ("lipomatosis", "fat"), (None, "")])
def test_mimics_on_ct_are_named_by_their_density(mimic, words):
    seg = segment(level=Level.T8, grade="1c", mimic=mimic, modalities=(Role.CT,))
    outlines = outlines_of(seg)
    tumor = outlines.tumor if mimic is None else seg.mimic
    found = assessed(seg, EpiduralOutlines(outlines.canal, tumor=tumor), role=Role.CT, images=seg.images)
    hints = [limit for limit in found.results[Level.T8].limits if "what presses" in limit]
    assert len(hints) == bool(mimic)
    assert not mimic or words in hints[0]
