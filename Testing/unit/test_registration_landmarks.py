"""Landmark files of 3D Slicer: coordinate systems, pairing, levels, and refusal of what cannot be right."""

from __future__ import annotations

import json

import numpy as np
import pytest

from spinemet.errors import BadInput
from spinemet.levels import Level
from spinemet.registration import RigidMotion
from spinemet.registration.landmarks import landmark_errors, level_in, read_landmarks

FIXED = {"L3 pedicle": [10.0, -20.0, 30.0], "T12": [11.0, 0.0, 120.0], "mark": [-5.0, 6.0, 7.0]}
MOVING = {"L3 pedicle": [12.0, -20.0, 33.0], "T12": [13.0, 1.0, 121.0], "mark": [0.0, 0.0, 0.0]}


def markup(points: dict[str, list[float]], system: str = "RAS") -> dict:
    sign = np.array([-1, -1, 1] if system == "LPS" else [1, 1, 1])
    return {
        "type": "Fiducial",
        "coordinateSystem": system,
        "coordinateUnits": "mm",
        "controlPoints": [
            {"label": label, "position": (np.array(place) * sign).tolist(), "positionStatus": "defined"}
            for label, place in points.items()
        ],
    }


def write(path, *markups) -> object:
    path.write_text(json.dumps({"markups": list(markups)}), encoding="utf-8")
    return path


@pytest.mark.parametrize("systems", [("LPS", "LPS"), ("RAS", "LPS"), ("RAS", "RAS")])
def test_pairs_are_read_in_ras_whatever_the_file_says(tmp_path, systems):
    pairs = read_landmarks([write(tmp_path / "p.mrk.json", markup(FIXED, systems[0]), markup(MOVING, systems[1]))])
    assert [label for label, _ in pairs] == list(FIXED)
    for label, pair in pairs:
        assert np.allclose(pair.fixed, FIXED[label])
        assert np.allclose(pair.moving, MOVING[label])
    assert [pair.level for _, pair in pairs] == [Level.L3, Level.T12, None]


def test_slicer_writes_lps_where_nothing_is_said(tmp_path):
    silent = markup(FIXED, "LPS")
    del silent["coordinateSystem"]
    pairs = read_landmarks([write(tmp_path / "p.mrk.json", silent, markup(MOVING))])
    assert np.allclose(pairs[0][1].fixed, FIXED["L3 pedicle"])


def test_two_files_and_another_order_give_the_same_pairs(tmp_path):
    backward = dict(reversed(MOVING.items()))
    one = read_landmarks(
        [write(tmp_path / "f.mrk.json", markup(FIXED)), write(tmp_path / "m.mrk.json", markup(backward))]
    )
    other = read_landmarks([write(tmp_path / "p.mrk.json", markup(FIXED), markup(MOVING))])
    assert one == other


def test_points_with_other_names_belong_together_by_order_and_unplaced_ones_do_not_count(tmp_path):
    fixed = markup({"F-1": [0.0, 0, 0], "L2-1": [1.0, 0, 0]})
    moving = markup({"M-1": [0.0, 0, 5], "M-2": [1.0, 0, 5]})
    moving["controlPoints"].append({"label": "M-3", "position": [], "positionStatus": "undefined"})
    pairs = read_landmarks([write(tmp_path / "p.mrk.json", fixed, moving)])
    assert [pair.level for _, pair in pairs] == [None, Level.L2]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"markups": []}, "no markups"),
        ([], "no markups"),
        ({"markups": [markup(FIXED)]}, "1 point lists"),
        ({"markups": [markup(FIXED), markup({"a": [0, 0, 0]})]}, "3 landmarks and the moving image 1"),
        ({"markups": [markup({"L3": [0, 0, 0]}), markup({"L4": [0, 0, 0]})]}, "different levels"),
        ({"markups": [{"controlPoints": [{"position": [0, 0]}]}] * 2}, "position"),
        ({"markups": [{**markup(FIXED), "coordinateSystem": "IJK"}] * 2}, "coordinate system"),
        ({"markups": [{**markup(FIXED), "coordinateUnits": "inch"}] * 2}, "needed in mm"),
        ({"markups": [{"controlPoints": [{"position": [0, 0, float("nan")]}]}] * 2}, "position"),
    ],
)
def test_files_that_cannot_be_right_are_refused_with_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "p.mrk.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BadInput, match=sentence):
        read_landmarks([path])


@pytest.mark.parametrize(
    ("label", "level"),
    [("L3", Level.L3), ("T12-1", Level.T12), ("l3 left", Level.L3), ("F-1", None), ("T1", Level.T1), ("", None)],
)
def test_a_level_is_read_from_the_start_of_a_label(label, level):
    assert level_in(label) is level


def test_the_error_of_a_pair_is_its_distance_after_the_motion(tmp_path):
    pairs = read_landmarks([write(tmp_path / "p.mrk.json", markup(FIXED), markup(MOVING))])
    spine, own = RigidMotion.shift([2.0, 0, 0]), RigidMotion.shift([2.0, 0.0, 3.0])
    errors = landmark_errors(
        pairs, spine.apply, lambda level, p: own.apply(p) if level is Level.L3 else spine.apply(p)
    )
    assert errors[0].before_mm == pytest.approx(np.sqrt(13))
    assert errors[0].spine_mm == pytest.approx(3.0)
    assert errors[0].after_mm == pytest.approx(0.0)
    assert errors[1].after_mm == pytest.approx(np.sqrt(2))
