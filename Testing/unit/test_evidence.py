"""Unknown is never zero, and an override never hides the suggestion."""

from __future__ import annotations

import pytest

from spinemet.evidence import Finding, Measurement, Source, unknown


def test_an_unknown_measurement_must_say_why():
    with pytest.raises(ValueError, match="why"):
        Measurement("height", None, "mm", "endplates")


def test_nan_is_not_a_value():
    with pytest.raises(ValueError, match="NaN"):
        Measurement("height", float("nan"), "mm", "endplates")


def test_text_shows_uncertainty_and_unit_or_the_reason():
    assert Measurement("loss", 56.04, "%", "m", uncertainty=4.2).text() == "56.0 ± 4.2 %"
    assert Measurement("share", 12.0, "%", "m").text(0) == "12 %"
    assert unknown("loss", "%", "no neighbor").text() == "unknown (no neighbor)"


def test_points_and_source_must_agree():
    with pytest.raises(ValueError, match="source"):
        Finding("pain", None, (0, 1, 3), Source.MEASURED)
    with pytest.raises(ValueError, match="source"):
        Finding("pain", 3, (3,), Source.UNKNOWN)
    with pytest.raises(ValueError, match="among"):
        Finding("pain", 3, (0, 1), Source.ENTERED)
    with pytest.raises(ValueError, match="no possible"):
        Finding("pain", None, (), Source.UNKNOWN)
    with pytest.raises(ValueError, match="ascending"):
        Finding("pain", None, (3, 1), Source.UNKNOWN)


def test_an_override_keeps_the_first_suggestion_even_when_repeated():
    computed = Finding("collapse", 2, (2, 3), Source.MEASURED, "<50 %", near_threshold=True)
    once = computed.overridden(3, reason="fracture line", reader="A")
    twice = once.overridden(1, reason="old film", reader="B")
    assert (twice.points, twice.possible, twice.source) == (1, (1,), Source.OVERRIDDEN)
    assert twice.suggested == computed
    assert not twice.near_threshold
    assert (twice.reason, twice.reader) == ("old film", "B")


def test_a_finding_points_to_its_first_placed_measurement():
    nowhere = Measurement("a", 1.0, "mm", "m")
    here = Measurement("b", 1.0, "mm", "m", position=(1.0, 2.0, 3.0))
    assert Finding("collapse", 2, (2,), Source.MEASURED, measurements=(nowhere, here)).position == (1.0, 2.0, 3.0)
    assert Finding("collapse", 2, (2,), Source.MEASURED).position is None
