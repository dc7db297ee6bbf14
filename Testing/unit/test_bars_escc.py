"""The bars of ESCC on synthetic segments with their true masks: grades, flags, measures, and what must not matter.

Phantom accuracy is not clinical accuracy. A few segments run in `make test`, all in `make bars`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from escc_cases import (
    CASES,
    SAMPLE,
    Trial,
    outlines_of,
    places_of,
    spec_of,
    trials,
    tried,
    true_measure,
)
from escc_truth import STORED, changed, construction, stored
from spinemet.epidural import assess_epidural
from spinemet.phantom import create_segment
from spinemet.phantom.segment_spec import DIRECTIONS, GRADES

EXACT = 0.95
"""Share of the segments with slices of at most 2 mm whose grade is exact."""
HIGH = 0.98
"""Share of all segments whose low or high grade (2–3) is right."""
FLAGGED_AT_MOST = 0.15
"""Share of all segments for which more than one grade is said to be possible."""
FINE_MM = 2.0

WHOLE = pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.bars)], ids=["sample", "whole"])


def test_the_cases_cover_what_they_are_asked_to_cover():
    specs = [spec_of(number) for number in range(1, CASES + 1)]
    assert len(specs) >= 150
    assert {spec.grade for spec in specs} == set(GRADES)
    assert {spec.direction for spec in specs} == set(DIRECTIONS)
    assert {str(spec.level)[0] for spec in specs} == {"C", "T", "L"}
    assert {spec.spacing[1] for spec in specs} >= {0.6, 4.0}
    assert {spec.plane for spec in specs} == {"axial", "sagittal"}


@WHOLE
def test_grades_are_exact_and_never_more_than_one_off(whole):
    found = trials(whole)
    fine = [item for item in found if item.slices <= FINE_MM]
    exact, flagged = np.mean([item.exact for item in fine]), np.mean([item.result.near_threshold for item in found])
    high = np.mean([item.high_right for item in found])
    wrong = [item.line() for item in found if not item.exact or item.result.near_threshold]
    print("\n" + "\n".join(wrong))
    every = np.mean([item.exact for item in found])
    print(f"{len(found)} cases: exact {exact:.1%} of {len(fine)} at ≤2 mm, {every:.1%} of all")
    print(f"low/high {high:.1%}; flagged {flagged:.1%}")
    assert max(item.off_by for item in found) <= 1
    assert exact >= (EXACT if whole else 0.8)
    assert high >= HIGH
    if whole:
        assert flagged <= FLAGGED_AT_MOST


@WHOLE
def test_every_missed_grade_is_flagged_with_the_right_one(whole):
    assert not [item.line() for item in trials(whole) if item.truth not in item.result.possible]


@WHOLE
@pytest.mark.parametrize(("measure", "truth"), [
    ("tumor to cord", "gap"), ("epidural thickness", "thickness"), ("sac indentation", "indentation"),
    ("cord depth", "cord_ap"),
])  # fmt: skip
def test_lengths_are_within_half_a_voxel(whole, measure, truth):
    """Of the voxel along the length that is measured: what one acquired voxel smears together in that direction."""
    errors, held = [], []
    for item in trials(whole):
        found = item.disease.levels[item.segment.spec.level]
        value = found[measure].value
        if item.slices > FINE_MM or value is None or item.truth.value == "0":
            continue
        built = construction(item)
        error = value - (built[truth] if truth in built else max(0.0, true_measure(item, truth)))
        errors.append(error / _voxel_along(item, measure))
        held.append(abs(error) <= found[measure].uncertainty)
    inside, sizes = float(np.mean(np.abs(errors) <= 0.5)), np.abs(errors)
    print(f"\n{measure}: n={len(errors)} median {np.median(errors):+.2f} voxels, p95 {np.percentile(sizes, 95):.2f},"
          f" largest {sizes.max():.2f}; {inside:.0%} within half, {np.mean(held):.0%} within the ±")  # fmt: skip
    assert abs(np.median(errors)) <= (0.2 if whole else 0.3)
    assert inside >= (0.95 if whole else 0.8)
    assert sizes.max() <= 1.0
    assert not whole or np.mean(held) >= 0.9


def _voxel_along(item: Trial, measure: str) -> float:
    found = item.disease.levels[item.segment.spec.level]
    assert found.cut is not None
    return item.disease.cuts.resolution(found.cut, (0.0, 1.0)) if measure == "cord depth" else found.pixel


@WHOLE
@pytest.mark.parametrize("name", ["canal", "sac", "cord", "epidural"])
def test_areas_are_what_half_a_voxel_of_the_rim_allows(whole, name):
    errors = []
    for item in trials(whole):
        cut = item.disease.levels[item.segment.spec.level].cut
        if item.slices > FINE_MM or cut is None:
            continue
        truth = true_measure(item, f"{'presser' if name == 'epidural' else name}_area")
        value = float(getattr(item.disease.profile, f"{name}_area")[cut])
        rim = 2 * np.sqrt(np.pi * max(truth, 20.0))
        pixel = float(np.mean([item.disease.cuts.resolution(cut, way) for way in ((1.0, 0.0), (0.0, 1.0))]))
        errors.append((value - truth) / (rim * pixel))
    print(f"\n{name}: median {np.median(errors):+.2f}, largest {np.max(np.abs(errors)):.2f} voxels of the rim")
    assert np.max(np.abs(errors)) <= 0.5


TURNED = [
    {"pose_deg": (14.0, -10.0, 20.0)},
    {"tilt_deg": (10.0, 8.0, -12.0)},
    {"plane": "sagittal"},
]


@pytest.mark.parametrize("change", TURNED, ids=lambda item: next(iter(item)))
@pytest.mark.parametrize("number", [1, *(pytest.param(n, marks=pytest.mark.bars) for n in (2, 3, 4, 5, 6))])
def test_a_turned_patient_or_volume_keeps_the_grade(number, change):
    spec = replace(spec_of(number), spacing=(0.6, 1.0), direction="ventral", **change)
    found = tried(number, create_segment(spec))
    assert found.exact or found.truth in found.result.possible
    assert found.off_by <= 1
    assert found.exact


@WHOLE
@pytest.mark.parametrize("order", STORED)
def test_a_grade_that_changes_with_how_the_volume_is_stored_was_flagged(whole, order):
    """Forty cases of all planes and slices: stored otherwise, cropped, or resampled to 0.7 mm, another way round.

    Cropping leaves some of the short segments a canal hardly longer than wide, which has no course: unknown, with the
    reason, and no grade.
    """
    moved, lost, cases = [], 0, trials(whole)[: 40 if whole else 4]
    for item in cases:
        outlines, level = outlines_of(item.segment), item.segment.spec.level
        after = assess_epidural(changed(outlines, lambda mask: stored(mask, order)), places_of(item.segment))
        again = after.results[level]
        if again.grade is None and item.result.grade is not None:
            assert order == "cropped" and again.reason
            lost += 1
        elif again.grade is not item.result.grade:
            moved.append((item.result.near_threshold or again.near_threshold, item.line()))
    print(f"\n{order}: {len(moved)} changed, {lost} unknown")
    assert all(flagged for flagged, _ in moved), moved
    assert lost <= (len(cases) + 9) // 10


def test_the_sample_is_part_of_the_bar():
    assert set(SAMPLE) <= set(range(1, CASES + 1))
