"""Answers: what only people know or decide, by level.

Pain is asked at each level and never copied. A person's override of a computed component wins and survives
every recompute. The file form is `answers.json`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spinemet.errors import BadInput
from spinemet.files import read_json
from spinemet.levels import Level
from spinemet.serialize import from_plain, to_plain


@dataclass(frozen=True)
class Override:
    """Points that a person gave to a component in place of the suggestion."""

    points: int
    reason: str = ""
    reader: str = ""


@dataclass(frozen=True)
class LevelAnswers:
    """What a person said about one level.

    :param pain: "mechanical", "occasional", "none", or None while nobody asked.
    :param alignment: "subluxation", "de novo deformity", "normal", "degenerative / old", or None.
    :param instrumented: hardware or cement at this level: SINS does not apply.
    :param reader: who answered.
    :param overrides: by component name.
    """

    pain: str | None = None
    alignment: str | None = None
    instrumented: bool = False
    reader: str = ""
    overrides: dict[str, Override] = field(default_factory=dict)


@dataclass(frozen=True)
class Answers:
    """All answers of one patient at one time point.

    :param levels_confirmed: a person confirmed the numbering of the vertebrae.
    """

    levels_confirmed: bool = False
    levels: dict[Level, LevelAnswers] = field(default_factory=dict)

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
                now.instrumented or before.instrumented,
                now.reader or before.reader,
                {**before.overrides, **now.overrides},
            )
        return Answers(self.levels_confirmed or earlier.levels_confirmed, levels)
