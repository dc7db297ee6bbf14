"""Clicks from Slicer's markups files: positions, labels, and files that hold none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spinemet.case import Structure
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.levels import Level
from spinemet.segmentation.clicks import Click, read_clicks, read_markups


def _file(folder: Path, points: list[dict[str, Any]], **markup: Any) -> Path:
    path = folder / "points.mrk.json"
    path.write_text(json.dumps({"markups": [{"type": "Fiducial", "controlPoints": points, **markup}]}))
    return path


@pytest.mark.parametrize(
    ("system", "expected"),
    [({"coordinateSystem": "LPS"}, (-1.0, -2.0, 3.0)), ({"coordinateSystem": "RAS"}, (1.0, 2.0, 3.0)),
     ({}, (-1.0, -2.0, 3.0))],
)  # fmt: skip
def test_positions_are_ras_whatever_the_file_says(
    tmp_path: Path, system: dict[str, str], expected: tuple[float, float, float]
) -> None:
    (click,) = read_clicks(_file(tmp_path, [{"label": "L3", "position": [1, 2, 3]}], **system))
    assert click == Click(expected, Level.L3, Structure.VERTEBRA, True)


@pytest.mark.parametrize(
    ("label", "level", "structure", "foreground"),
    [
        ("L3", Level.L3, Structure.VERTEBRA, True),
        ("T12 vertebra", Level.T12, Structure.VERTEBRA, True),
        ("Th1", Level.T1, Structure.VERTEBRA, True),
        ("S1", Level.S1, Structure.SACRUM, True),
        ("L2 lesion", Level.L2, Structure.LESION, True),
        ("cord", None, Structure.CORD, True),
        ("background", None, Structure.VERTEBRA, False),
        ("F-1", None, Structure.VERTEBRA, True),
        ("L-1", None, Structure.VERTEBRA, True),
        ("T2-3", None, Structure.VERTEBRA, True),
        ("L1 or L2", None, Structure.VERTEBRA, True),
    ],
)
def test_a_label_says_what_a_click_stands_for(
    tmp_path: Path, label: str, level: Level | None, structure: Structure, foreground: bool
) -> None:
    (click,) = read_clicks(_file(tmp_path, [{"label": label, "position": [0, 0, 0]}]))
    assert (click.level, click.structure, click.foreground) == (level, structure, foreground)


def test_the_name_of_a_list_stands_in_for_labels_that_say_nothing(tmp_path: Path) -> None:
    path = _file(tmp_path, [{"label": "tumor-1", "position": [0, 0, 0]}], name="tumor background")
    (click,) = read_clicks(path)
    assert (click.structure, click.foreground) == (Structure.LESION, False)


def test_a_line_keeps_its_kind_and_undefined_points_are_left_out(tmp_path: Path) -> None:
    points = [
        {"position": [0, 0, 0]},
        {"position": [0, 0, 0], "positionStatus": "undefined"},
        {"position": [0, 0, 9]},
    ]
    (markup,) = read_markups(_file(tmp_path, points, type="Curve"))
    assert (markup.kind, [click.position[2] for click in markup.clicks]) == ("Curve", [0.0, 9.0])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "holds no markups"),
        ('{"markups": []}', "holds no points"),
        ('{"markups": [{"controlPoints": [{"label": "L1"}]}]}', "has no position"),
        ('{"markups": [{"controlPoints": [{"position": [1, 2]}]}]}', "has no position"),
        ('{"markups": [{"controlPoints": [3]}]}', "damaged"),
        ('{"markups": [{"coordinateSystem": "IJK", "controlPoints": []}]}', "neither in LPS nor in RAS"),
        ('{"markups": [{"coordinateUnits": "cm", "controlPoints": []}]}', "not in millimeters"),
        ('{"markups": [{"controlPoints": [{"label": "T45", "position": [1, 2, 3]}]}]}', "not a vertebral level"),
    ],
)
def test_a_file_without_usable_points_gives_a_sentence(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "points.mrk.json"
    path.write_text(content)
    with pytest.raises(BadInput, match=words):
        read_clicks(path)


def test_a_click_knows_its_voxel_and_whether_it_lies_in_the_image() -> None:
    image = Image(np.zeros((4, 5, 6), np.int16), np.diag([1.0, 1.0, 2.0, 1.0]), name="ct")
    assert Click((5.2, 3.9, 6.9)).index_in(image) == (3, 4, 5)
    with pytest.raises(BadInput, match="The click at L3 lies outside of ct"):
        Click((5.2, 3.9, 8.0), Level.L3).index_in(image)
    with pytest.raises(BadInput, match="no position"):
        Click((0.0, float("nan"), 0.0))
