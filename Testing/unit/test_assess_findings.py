"""What stands beside the score: breaks, extent, types, fracture, density; on CT, on MRI, in part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assess_patient import mr_only, patient, read_back, result, whole
from spinemet.assessment import Status
from spinemet.evidence import Measurement
from spinemet.levels import Level


def value(item: Measurement | None) -> float:
    assert item is not None and item.value is not None, item
    return item.value


def test_everything_measured_is_in_the_file_and_comes_back() -> None:
    plain = read_back(result())
    level = next(item for item in plain["levels"] if item["level"] == "L4")
    assert level["lesion"]["zones"]["zones"]
    assert level["body"]["rigidity"]
    assert len(plain["spine"]["segments"]) == 10


def test_the_planted_lesions_parts_and_body_are_named() -> None:
    shares = {
        item.name.removeprefix("lesion in "): item.value or 0.0
        for item in result()[Level.L4].measurements
        if item.name.startswith("lesion in ") and item.unit == "%"
    }
    assert shares["left pedicle"] > 50
    assert shares["right pedicle"] == 0
    truth = next(item for item in patient().truth["lesions"].values() if item["level"] == "L4")
    assert shares["vertebral body"] == pytest.approx(truth["body_share_percent"], abs=3)


def test_a_lytic_pedicle_has_a_broken_cortex_and_a_blastic_body_hides_its_own() -> None:
    assert "left pedicle" in {m.name.removeprefix("cortical break of the ") for m in result()[Level.L4].measurements}
    assert any("cortex broken" in text for text in result()[Level.L4].sins.components["posterolateral"].limits)
    hidden = result()[Level.T8].measurement("cortical break area")
    assert not hidden.known
    assert "dense" in hidden.reason


def test_the_crushed_body_is_graded_and_compared_with_what_it_was() -> None:
    level = result()[Level.L1]
    assert level.body.fracture.grade.points == 3
    assert level.body.fracture.shape == "wedge"
    left = value(level.measurement("sound body left of the expected body"))
    assert 0 < left < 60
    assert result()[Level.L2].body.fracture.grade.points == 0


def test_four_lesions_in_four_vertebrae_are_tomita_seven_and_one_alone_is_not() -> None:
    assert {item.lesion.tomita.type for item in result().scored} == {7}
    given = whole()
    array = np.where(given.bone(Level.L1), given.lesions.image.array, 0)
    alone = replace(given, lesions=replace(given.lesions, image=given.lesions.image.with_array(array)))
    found = alone.assessed()[Level.L1].lesion.tomita
    assert 7 not in found.possible
    assert "MRI needed" in found.reason


def test_the_planted_slip_is_found_with_its_grade() -> None:
    segment = next(item for item in result().spine.segments if item.above is Level.L4)
    assert segment.direction == "anterolisthesis"
    assert segment.meyerding == "I"
    assert segment.slip.value == pytest.approx(patient().spec.listhesis[0].slip_mm, abs=1.0)


def test_bone_quality_leaves_lesions_out_and_says_why_there_is_no_category() -> None:
    quality = result().spine.quality
    assert {level for level, item in quality.densities.items() if item.known} == {
        Level.T9, Level.T10, Level.T12, Level.L2, Level.L3, Level.L5,
    }  # fmt: skip
    assert quality.category == ""
    assert quality.reason == "L1: left out: a lesion"


def test_contrast_and_tube_voltage_are_warned_about() -> None:
    given = whole()
    warned = replace(given, ref=replace(given.ref, contrast=True, kvp=100.0)).assessed()
    assert any("Contrast" in text for text in warned.warnings)
    assert any("100 kVp" in text for text in warned.warnings)
    assert len(warned.spine.quality.warnings) == 2


def test_mri_alone_names_what_is_missing() -> None:
    found = mr_only().assessed()
    assert any("No CT" in text for text in found.warnings)
    level = found[Level.L1]
    assert level.sins.components["collapse"].points == 3
    assert not level.sins.components["bone_lesion"].known
    assert level.hardware is None
    assert found.spine.quality.reason.startswith("no CT")
    assert not level.measurement("axial rigidity against the neighbors").known
    read_back(found)


def test_ct_alone_never_excludes_epidural_tumor() -> None:
    assert result()[Level.L1].measurement("epidural volume").value == 0
    given = whole()
    array = np.where(given.bone(Level.L1), given.lesions.image.array, 0)
    alone = replace(given, lesions=replace(given.lesions, image=given.lesions.image.with_array(array)))
    assert 4 in alone.assessed()[Level.L1].lesion.tomita.possible


def test_a_partly_covered_spine_is_measured_where_it_is_whole() -> None:
    given = whole()
    size = given.image.shape[0]
    found = given.cropped(size // 4, size // 2).assessed()
    assert found[Level.L3].measurement("anterior height").known
    cut = found[Level.L4]
    assert cut.cut
    assert not cut.measurement("anterior height").known
    assert not cut.sins.components["collapse"].known
    assert found[Level.T11].status is Status.NOT_IMAGED
    read_back(found)
