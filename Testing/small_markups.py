"""Markups files as 3D Slicer writes them, for tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path


def markups(name: str, points: Sequence[tuple[str, Sequence[float]]], kind: str = "Fiducial") -> dict:
    """One list: label and RAS position of each point; written in LPS, as Slicer does."""
    return {
        "type": kind,
        "name": name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "controlPoints": [
            {
                "id": str(n),
                "label": label,
                "position": [-float(place[0]), -float(place[1]), float(place[2])],
                "positionStatus": "defined",
            }
            for n, (label, place) in enumerate(points, start=1)
        ],
    }


def write_markups(path: Path, *lists: dict) -> Path:
    """Write lists into one .mrk.json."""
    path.write_text(json.dumps({"markups": list(lists)}), encoding="utf-8")
    return path
