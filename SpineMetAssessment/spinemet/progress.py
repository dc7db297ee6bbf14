"""Progress of long steps: one callable reports and cancels.

A step that may take longer than a second accepts ``progress: Progress | None`` and calls it with the
fraction done (0 to 1) and a short text. To cancel, the callable raises :class:`spinemet.errors.Cancelled`.
"""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]


def silent(fraction: float, text: str) -> None:
    """Report nothing, cancel nothing."""


def part(progress: Progress | None, start: float, stop: float) -> Progress:
    """Return a progress for a sub-step that fills the span from `start` to `stop` of the whole."""
    report = progress or silent
    return lambda fraction, text: report(start + (stop - start) * fraction, text)
