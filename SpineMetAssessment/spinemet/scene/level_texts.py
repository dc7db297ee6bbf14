"""LevelTexts: the JSON of assessments that follow each other; only the levels that changed are written anew."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from spinemet.assessment import Assessment
from spinemet.serialize import to_plain


class LevelTexts:
    """Keeps the text of every level and of the whole spine, each with what it says."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, str]] = {}

    def text(self, assessment: Assessment) -> str:
        """The same JSON as that of `Assessment.to_json`."""
        steps = self.steps(assessment)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                written: str = end.value
                return written

    def steps(self, assessment: Assessment) -> Generator[None, None, str]:
        """The same, with a pause after everything that is written anew."""
        plain = replace(assessment, levels=(), spine=None).to_json()
        worst = assessment.worst
        plain["worst_level"] = worst.level.value if worst is not None else None
        texts = {name: _json(value) for name, value in plain.items()}
        levels = []
        for item in assessment.levels:
            yield
            levels.append(self._text(item.level.value, item))
        yield
        texts |= {"levels": f"[{', '.join(levels)}]", "spine": self._text("spine", assessment.spine)}
        yield
        return "{" + ", ".join(f"{_json(name)}: {text}" for name, text in texts.items()) + "}"

    def _text(self, name: str, value: Any) -> str:
        known = self._known.get(name)
        if known is None or known[0] != value:
            known = self._known[name] = (value, _json(to_plain(value)))
        return known[1]


def _json(plain: Any) -> str:
    return json.dumps(plain, ensure_ascii=False)
