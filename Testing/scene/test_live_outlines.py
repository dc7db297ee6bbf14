"""The outline watch gives, after any edit, the label maps that reading everything anew would give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import slicer

from spinemet.scene import labelmaps_from_segmentation
from spinemet.scene.outline_watch import OutlineWatch


def _same(watch: OutlineWatch, node: Any, volume: Any, lesions: tuple[str, ...] = ()) -> None:
    now = watch.read()
    anew = labelmaps_from_segmentation(
        node, volume, [key for key in lesions if node.GetSegmentation().GetSegment(key)]
    )
    for mine, truth in zip(now, anew, strict=True):
        assert mine.fingerprint == truth.fingerprint
        assert {str(mine.outlines[value]) for value in mine.present} == {
            str(truth.outlines[value]) for value in truth.present
        }
        for value in mine.present:
            assert mine.region(value) == truth.region(
                next(key for key, item in truth.present.items() if str(item) == str(mine.outlines[value]))
            )
        assert sorted(mine.notes) == sorted(truth.notes)


def _voxels(node: Any, segment: str) -> np.ndarray:
    return slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, segment)


def _modified(node: Any, segment: str) -> None:
    node.GetSegmentation().GetSegment(segment).GetRepresentation("Binary labelmap").Modified()


@pytest.fixture
def a_watched_spine(a_session: Any, a_small_spine: Any, a_scene_of: Callable[..., Any]) -> tuple[Any, Any, Any]:
    volume, node = a_scene_of(a_session.scene, a_small_spine)
    watch = OutlineWatch(node, volume)
    watch.read()
    return watch, node, volume


def test_the_first_look_gives_what_reading_everything_gives(a_watched_spine: tuple[Any, Any, Any]) -> None:
    _same(*a_watched_spine)


@pytest.mark.parametrize("seed", range(12))
def test_any_strokes_are_found_wherever_they_fall(a_watched_spine: tuple[Any, Any, Any], seed: int) -> None:
    watch, node, volume = a_watched_spine
    random = np.random.default_rng(seed)
    segments = list(node.GetSegmentation().GetSegmentIDs())
    for _ in range(6):
        segment = segments[random.integers(len(segments))]
        voxels = _voxels(node, segment)
        corner = [int(random.integers(n)) for n in voxels.shape]
        box = tuple(slice(start, start + int(random.integers(1, 6))) for start in corner)
        # In a shared layer painting A over B takes B's voxels away.
        label = node.GetSegmentation().GetSegment(segment).GetLabelValue()
        voxels[box] = random.choice([0, label])
        _modified(node, segment)
        _same(watch, node, volume)


def test_an_unchanged_outline_keeps_its_digest_and_is_not_looked_at_again(
    a_watched_spine: tuple[Any, Any, Any],
) -> None:
    watch, node, _ = a_watched_spine
    before = watch.vertebrae
    kept = {str(before.outlines[value].level): before.digest(value) for value in before.present}
    segment = node.GetSegmentation().GetSegmentIdBySegmentName("L3 vertebra")
    label = node.GetSegmentation().GetSegment(segment).GetLabelValue()
    voxels = _voxels(node, segment)
    voxels[tuple(np.argwhere(voxels == label)[0])] = 0
    _modified(node, segment)
    watch.read()
    after = watch.vertebrae
    known = {str(after.outlines[value].level): digest for value, digest in after._digests.items()}
    assert known == {level: kept[level] for level in ("L4", "S1")}


def test_a_stroke_over_a_neighbor_is_found_in_both(a_watched_spine: tuple[Any, Any, Any]) -> None:
    watch, node, volume = a_watched_spine
    before = {str(watch.vertebrae.outlines[value].level) for value in watch.vertebrae.present}
    digests = {level: watch.vertebrae.digest(watch.vertebrae.value_of(level)) for level in watch.vertebrae.levels}
    segments = {name: node.GetSegmentation().GetSegmentIdBySegmentName(f"{name} vertebra") for name in ("L3", "L4")}
    label = {name: node.GetSegmentation().GetSegment(key).GetLabelValue() for name, key in segments.items()}
    voxels = _voxels(node, segments["L3"])
    assert np.shares_memory(voxels, _voxels(node, segments["L4"]))
    voxels[tuple(np.argwhere(voxels == label["L4"])[0])] = label["L3"]
    _modified(node, segments["L3"])
    _same(watch, node, volume)
    changed = {
        str(level)
        for level in watch.vertebrae.levels
        if watch.vertebrae.digest(watch.vertebrae.value_of(level)) != digests[level]
    }
    assert before == {"L3", "L4", "S1"}
    assert changed == {"L3", "L4"}


@pytest.mark.parametrize("change", ["remove", "rename", "empty", "lesion becomes nothing"])
def test_segments_that_go_or_change_their_meaning_are_noticed(
    a_watched_spine: tuple[Any, Any, Any], change: str
) -> None:
    watch, node, volume = a_watched_spine
    segmentation = node.GetSegmentation()
    segment = segmentation.GetSegmentIdBySegmentName("L4 vertebra")
    if change == "remove":
        segmentation.RemoveSegment(segment)
    elif change == "rename":
        for tag in ("SpineMet.Structure", "SpineMet.Level"):
            segmentation.GetSegment(segment).RemoveTag(tag)
        segmentation.GetSegment(segment).SetTerminology("")
        segmentation.GetSegment(segment).SetName("aorta")
    elif change == "empty":
        voxels = _voxels(node, segment)
        voxels[voxels == segmentation.GetSegment(segment).GetLabelValue()] = 0
        _modified(node, segment)
    else:
        segmentation.RemoveSegment("lesion-2")
    _same(watch, node, volume)


def test_a_layer_that_moves_and_shrinks_is_followed(a_watched_spine: tuple[Any, Any, Any]) -> None:
    watch, node, volume = a_watched_spine
    array = np.zeros((24, 40, 50), np.uint8)
    array[1:3, 2:5, 2:4] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, "lesion-2", volume)
    _same(watch, node, volume)
    array = np.zeros((24, 40, 50), np.uint8)
    array[20:23, 30:35, 40:44] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, "lesion-2", volume)
    _same(watch, node, volume)


def test_an_update_that_was_broken_off_is_made_good_by_the_next(a_watched_spine: tuple[Any, Any, Any]) -> None:
    watch, node, volume = a_watched_spine
    for start in (2, 15):
        segment = node.GetSegmentation().GetSegmentIdBySegmentName("L3 vertebra")
        _voxels(node, segment)[:, :start] = 0
        _modified(node, segment)
        steps = watch.update()
        for _ in range(2):
            next(steps)
        steps.close()
    _same(watch, node, volume)
