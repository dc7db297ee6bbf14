"""Dataclasses survive JSON, and damage is named."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from spinemet.errors import BadInput
from spinemet.evidence import Finding, Measurement, Source
from spinemet.levels import Level
from spinemet.serialize import from_plain, to_plain


@dataclass(frozen=True)
class Nested:
    level: Level
    pair: tuple[float, float]
    many: tuple[int, ...] = ()
    by_level: dict[Level, Finding] = field(default_factory=dict)
    maybe: Measurement | None = None
    flag: bool = False


FULL = Nested(
    Level.T12,
    (1.0, -2.5),
    (1, 2),
    {
        Level.L1: Finding("pain", None, (0, 1, 3), Source.UNKNOWN, reason="ask").overridden(
            3, reason="said", reader="A"
        )
    },
    Measurement("h", 3.0, "mm", "m", position=(1.0, 2.0, 3.0), uncertainty=0.5, limits=("a",)),
    True,
)


@pytest.mark.parametrize("thing", [FULL, Nested(Level.C1, (0.0, 0.0))])
def test_json_brings_the_same_object_back(thing):
    assert from_plain(Nested, json.loads(json.dumps(to_plain(thing)))) == thing


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"level": "T14"}, "T14"),
        ({"pair": [1.0]}, "pair"),
        ({"pair": "ab"}, "pair"),
        ({"many": [1, "2"]}, r"many\[1\]"),
        ({"flag": 1}, "flag"),
        ({"extra": 1}, "extra"),
        ({"maybe": {"name": "h"}}, "lacks the field"),
        ({"by_level": []}, "by_level"),
        ({"by_level": {"L1": {"component": "pain", "points": 7, "possible": [0], "source": "measured"}}}, "pain"),
    ],
)
def test_damage_is_named(change, named):
    with pytest.raises(BadInput, match=named):
        from_plain(Nested, {**to_plain(FULL), **change})


def test_a_missing_field_is_named():
    plain = to_plain(FULL)
    del plain["level"]
    with pytest.raises(BadInput, match="lacks the field level"):
        from_plain(Nested, plain)
