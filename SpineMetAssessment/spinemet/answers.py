"""Answers: what only people know or decide, by level.

Pain is asked at each level and never copied. A person's override of a computed component wins and survives
every recompute. The file form is `answers.json`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spinemet.errors import BadInput
from spinemet.evidence import Point
from spinemet.files import read_json
from spinemet.levels import Level
from spinemet.serialize import from_plain, to_plain

TREATMENTS = ("none", "radiotherapy", "surgery", "ablation or cement", "systemic only")
"""Earlier treatment of a level; after a local one SINS was never validated."""
LOCAL_TREATMENTS = ("radiotherapy", "surgery", "ablation or cement")
FRANKEL = ("A", "B", "C", "D", "E")
"""Neurology by Frankel: A no function below the level … E normal."""
KPS = tuple(range(10, 101, 10))
"""Karnofsky performance status."""


@dataclass(frozen=True)
class Override:
    """Points that a person gave to a component in place of the suggestion."""

    points: int
    reason: str = ""
    reader: str = ""


@dataclass(frozen=True)
class EsccAnswer:
    """The ESCC grade that a person picked.

    :param grade: "0", "1a", "1b", "1c", "2" or "3".
    """

    grade: str
    reason: str = ""
    reader: str = ""


@dataclass(frozen=True)
class HandMeasurement:
    """A length or angle that a person measured on the images; it stands in place of the computed one.

    :param value: in `unit`.
    :param points: where it was measured, RAS mm; the ends of a line.
    """

    value: float
    unit: str = "mm"
    points: tuple[Point, ...] = ()
    reader: str = ""


@dataclass(frozen=True)
class LevelAnswers:
    """What a person said about one level.

    :param pain: "mechanical", "occasional", "none", or None while nobody asked.
    :param alignment: "subluxation", "de novo deformity", "normal", "degenerative / old", or None.
    :param instrumented: hardware or cement at this level: SINS does not apply; None while nobody said.
    :param reader: who answered.
    :param overrides: by component name.
    :param treatment: one of `TREATMENTS`, or None while nobody asked.
    :param treatment_date: of the last one, ISO 8601, as precise as known; "" when unknown.
    :param confirmed: the points that a person confirmed, by component; a suggestion that changes later is open again.
    :param confirmed_by: who confirmed.
    :param involved: a lesion is here, says a person, whether one is outlined or not: the level is scored.
    :param measurements: what a person measured by hand, by the measurement's name ("anterior height").
    :param escc: the ESCC grade that a person picked; it stands in place of the suggestion.
    """

    pain: str | None = None
    alignment: str | None = None
    instrumented: bool | None = None
    reader: str = ""
    overrides: dict[str, Override] = field(default_factory=dict)
    treatment: str | None = None
    treatment_date: str = ""
    confirmed: dict[str, int] = field(default_factory=dict)
    confirmed_by: str = ""
    measurements: dict[str, HandMeasurement] = field(default_factory=dict)
    involved: bool = False
    escc: EsccAnswer | None = None

    @property
    def treated(self) -> bool:
        """Whether a local treatment came before the images."""
        return self.treatment in LOCAL_TREATMENTS


@dataclass(frozen=True)
class Answers:
    """All answers of one patient at one time point.

    :param levels_confirmed: a person confirmed the numbering of the vertebrae.
    :param primary: the primary tumor, in words; "" while nobody asked.
    :param kps: Karnofsky performance status, one of `KPS`.
    :param neurology: Frankel grade, one of `FRANKEL`.
    """

    levels_confirmed: bool = False
    levels: dict[Level, LevelAnswers] = field(default_factory=dict)
    primary: str = ""
    kps: int | None = None
    neurology: str | None = None

    def at(self, level: Level) -> LevelAnswers:
        """The answers for a level; all open when nobody answered."""
        return self.levels.get(level, LevelAnswers())

    def with_level(self, level: Level, **changes: Any) -> Answers:
        """A copy with some answers of one level changed."""
        return replace(self, levels={**self.levels, level: replace(self.at(level), **changes)})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values in the form of `answers.json`."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @classmethod
    def from_json(cls, plain: Any) -> Answers:
        """Read the form of `answers.json`.

        :raises BadInput: an unknown level, component, answer or field; the sentence names it.
        """
        if isinstance(plain, dict) and isinstance(plain.get("levels"), dict):
            levels: dict[str, Any] = {}
            for name, answer in plain["levels"].items():
                level = Level.parse(name).value
                if level in levels:
                    raise BadInput(f"answers: the level {level} stands there twice.")
                levels[level] = answer
            plain = {**plain, "levels": levels}
        return from_plain(cls, plain, "answers")

    @classmethod
    def load(cls, path: str | Path) -> Answers:
        """Read an `answers.json`. :raises BadInput: missing, not JSON, or with unknown content."""
        return cls.from_json(read_json(path, "a file as `spinemet assess --help` shows"))

    def completed_by(self, earlier: Answers) -> Answers:
        """These answers, and those of `earlier` where these say nothing."""
        levels = dict(earlier.levels)
        for level, now in self.levels.items():
            before = earlier.at(level)
            levels[level] = LevelAnswers(
                now.pain if now.pain is not None else before.pain,
                now.alignment if now.alignment is not None else before.alignment,
                now.instrumented if now.instrumented is not None else before.instrumented,
                now.reader or before.reader,
                {**before.overrides, **now.overrides},
                now.treatment if now.treatment is not None else before.treatment,
                now.treatment_date or before.treatment_date,
                {**before.confirmed, **now.confirmed},
                now.confirmed_by or before.confirmed_by,
                {**before.measurements, **now.measurements},
                now.involved or before.involved,
                now.escc or before.escc,
            )
        return Answers(
            self.levels_confirmed or earlier.levels_confirmed,
            levels,
            self.primary or earlier.primary,
            self.kps if self.kps is not None else earlier.kps,
            self.neurology if self.neurology is not None else earlier.neurology,
        )
