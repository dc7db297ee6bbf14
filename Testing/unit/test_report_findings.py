"""What stands beside the score in the report: the answer in a line, its ±, and the detail folded away."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from functools import cache

import pytest

from assess_patient import mr_only, result
from spinemet.anatomy.bone.quality import BoneQuality
from spinemet.assessment import Assessment
from spinemet.details import RigidityCurve
from spinemet.evidence import Measurement, unknown
from spinemet.levels import Level
from spinemet.report.alignment_section import alignment, bone_quality, segments_table
from spinemet.report.body_block import body_details, body_facts, pedicles_table
from spinemet.report.density_chart import density_chart
from spinemet.report.lesion_block import lesion_details, lesion_facts
from spinemet.report.level_section import level_section
from spinemet.report.pieces import value_text
from spinemet.report.rigidity_chart import rigidity_chart


def words(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", markup)).replace("\N{NO-BREAK SPACE}", " ")


def lines(level: Level, *, canal_seen: bool = False) -> dict[str, str]:
    item = result()[level]
    return {name: words(str(text)) for name, text in [*lesion_facts(item, canal_seen=canal_seen), *body_facts(item)]}


@cache
def mr() -> Assessment:
    return mr_only().assessed()


def test_a_lesion_is_told_in_lines_with_their_uncertainty() -> None:
    found = lines(Level.L4)
    assert re.search(r"left pedicle \d+\.\d ± \d+\.\d %", found["Extent"])
    assert re.search(r"broken: .*mm²", found["Cortex"])
    assert found["Tomita"] == "type 7: multiple or skip lesions"
    assert found["WBB"].startswith("sectors")
    assert "Genant 0" in found["Fracture"]
    assert re.search(r"axial \d+\.\d ± \d+\.\d %", found["Rigidity"])


def test_on_ct_no_epidural_outline_excludes_nothing_and_on_mri_it_may() -> None:
    assert "MRI needed to exclude it" in lines(Level.L4)["Beyond the bone"]
    assert "MRI needed" not in lines(Level.L4, canal_seen=True)["Beyond the bone"]


def test_a_crushed_body_names_its_grade_and_what_is_left() -> None:
    found = lines(Level.L1)
    assert "Genant 3, severe (wedge)" in found["Fracture"]
    assert "±" in found["Sound body left"]


def test_what_cannot_be_seen_says_why() -> None:
    assert lines(Level.T8)["Cortex"].startswith("unknown (the lesion is nearly as dense")
    item = mr()[Level.L1]
    facts = dict(body_facts(item))
    assert str(facts["Rigidity"]) == "unknown (no CT: rigidity is estimated from density)"


def test_details_are_folded_and_hold_the_ring_the_chart_and_the_pedicles() -> None:
    item = result()[Level.L4]
    folded = [lesion_details(item), *body_details(item, result())]
    assert all(part.startswith("<details>") for part in folded)
    text = " ".join(words(part) for part in folded)
    for title in ("WBB", "Axial rigidity EA", "L4–L5", "L4 left", "Toward the midline"):
        assert title in text


def test_a_question_to_a_person_stands_out() -> None:
    item = replace(
        result()[Level.L4], notes=("instrumented or cemented? The CT shows metal here; confirm or deny it",)
    )
    assert '<p class="warning">Instrumented or cemented?' in level_section(item, [], result())


def test_every_pedicle_has_both_sizes_or_a_reason() -> None:
    text = words(pedicles_table(result().levels) or "")
    assert text.count("left") == text.count("right") == 10
    reason = replace(result()[Level.L3], measurements=(unknown("left pedicle width", "mm", "no pedicle is found"),))
    assert "unknown: no pedicle is found" in words(pedicles_table([reason]) or "")


def test_alignment_names_curves_slips_and_what_was_not_measured() -> None:
    text = words(alignment(result()) or "")
    assert re.search(r"L4 on L5: anterolisthesis, \d\.\d ± \d\.\d mm, Meyerding I", text)
    assert re.search(r"Largest lordosis\s+\d+\.\d ± \d+\.\d°", text), "a lordosis needs no sign"
    assert "pelvic incidence" in text
    assert "femoral heads are not given" in text


def test_unknown_segments_show_a_question_mark_and_the_reason() -> None:
    segment = replace(result().spine.segments[0], slip=unknown("slip", "mm", "T9 is cut"))
    row = words(segments_table([segment]))
    assert " ? " in row
    assert "T9 is cut" in row


def test_an_older_assessment_without_alignment_has_no_such_section() -> None:
    older = replace(result(), spine=None)
    assert alignment(older) is None
    assert bone_quality(older) is None


def test_bone_quality_draws_known_levels_and_names_the_others() -> None:
    text = words(bone_quality(result()) or "")
    assert "No category: L1: left out: a lesion." in text
    assert "T8, T11, L1, L4: left out: a lesion" in text
    assert "no CT" in words(bone_quality(mr()) or "")


@pytest.mark.parametrize("low", [-80.0, 0.0, 400.0])
def test_a_density_dot_stands_at_its_value(low: float) -> None:
    densities = {
        level: Measurement(f"trabecular density of {level}", value, "HU", "", uncertainty=5.0)
        for level, value in ((Level.L1, low), (Level.L2, low + 50.0))
    }
    chart = density_chart(BoneQuality(densities, "", "x"))
    first, second = (float(y) for y in re.findall(r'cy="([\d.]+)"', chart.svg))
    ticks = {
        int(v): float(y) - 4 for y, v in re.findall(r'y="([\d.]+)"[^>]*text-anchor="end"[^>]*>(-?\d+)', chart.svg)
    }
    unit = (ticks[0] - ticks[50]) / 50
    assert first == pytest.approx(ticks[0] - low * unit, abs=0.2)
    assert first - second == pytest.approx(50 * unit, abs=0.2)


def test_the_weakest_slice_is_marked() -> None:
    curve = RigidityCurve(Level.L2, (-5.0, 0.0, 5.0), (900.0, 400.0, 800.0), (60.0, 50.0, 70.0))
    chart = rigidity_chart((curve, replace(curve, level=Level.L1, axial=(1000.0, 1000.0, 1000.0))))
    first = re.search(r'<circle cx="([\d.]+)"', chart.svg)
    assert float(first.group(1)) == pytest.approx(46 + 400 / 1080 * 232, abs=0.2)
    assert "no strength follows" in chart.caption
    assert rigidity_chart(()) is None


def test_values_are_written_as_people_write_them() -> None:
    assert (
        value_text(Measurement("a", -0.04, "deg", "", uncertainty=0.5))
        == "0.0\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.5°"
    )
    assert value_text(Measurement("a", -12.3, "deg", "")) == "\N{MINUS SIGN}12.3°"
    assert value_text(unknown("a", "mm", "cut")) == "unknown (cut)"
