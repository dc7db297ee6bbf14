"""The WBB ring: sectors stand where the original puts them, sides carry letters, unknown zones give no picture."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from spinemet.anatomy.lesions.wbb import Layer, WbbZones, Zone
from spinemet.report.wbb_ring import WIDTH, wbb_ring


def zones(*cells: tuple[int, Layer]) -> WbbZones:
    return WbbZones(tuple(Zone(n, layer, 0.5, 30.0, 40.0, (0.0, 0.0, 0.0)) for n, layer in cells))


def words(svg: str) -> dict[str, tuple[float, float]]:
    """Every text in the picture and where it stands."""
    root = ET.fromstring(svg)
    return {
        (node.text or ""): (float(node.get("x", "0")), float(node.get("y", "0")))
        for node in root.iter()
        if node.tag.endswith("text")
    }


@pytest.mark.parametrize("from_above", [True, False])
def test_the_numbers_run_clockwise_seen_from_above_from_the_left_half_of_the_spinous_process(from_above):
    figure = wbb_ring(zones((6, Layer.B)), "L3", from_above=from_above)
    assert figure is not None
    at = words(figure.svg)
    left = -1 if from_above else 1
    middle = WIDTH / 2
    for sector in range(1, 13):
        x, y = at[str(sector)]
        assert ((x - middle) * left > 0) == (sector <= 6), sector
        assert (y > 200) == (sector in (1, 2, 3, 10, 11, 12)), sector
    assert (at["L"][0] - middle) * left > 0 > (at["R"][0] - middle) * left
    assert at["P"][1] > at["A"][1]


def test_the_picture_says_its_numbering_and_its_view():
    above, below = (wbb_ring(zones((6, Layer.B)), "L3", from_above=view) for view in (True, False))
    assert above is not None
    assert below is not None
    for text in (above.caption, above.svg):
        assert "clockwise seen from above" in text
    assert "seen from above" in above.caption
    assert "seen from below" in below.caption


def test_only_zones_with_lesion_are_filled_and_say_how_much():
    figure = wbb_ring(zones((6, Layer.B), (7, Layer.D)), "L3")
    assert figure is not None
    titles = re.findall(r"<title>(sector [^<]*)</title>", figure.svg)
    assert [title.split(":")[0] for title in titles] == ["sector 6, layer B", "sector 7, layer D"]
    assert "0.50 mL" in titles[0]


def test_unknown_zones_give_no_picture():
    assert wbb_ring(WbbZones((), "the body was not found"), "L3") is None
