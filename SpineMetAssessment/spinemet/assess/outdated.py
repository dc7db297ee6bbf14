"""Which components of a score are still as they were before an edit, while their measuring waits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from spinemet.evidence import OUTDATED, Source
from spinemet.scores.sins import SinsResult

STEPS = {
    "bone_lesion": {"trabecular"},
    "alignment": {"alignment candidates"},
    "collapse": {"collapse", "parts"},
    "posterolateral": {"parts", "cortex", "broken parts", "posterolateral"},
}
"""The steps behind each component. Hints are none: one that waits moves nothing by more than a tenth of its ±."""


def with_outdated(result: SinsResult, pending: Collection[tuple[str, str]]) -> SinsResult:
    """The result, with a limit at every component that nobody entered and that a pending step lies behind.

    :param pending: the (step, place) pairs that were asked for this level and wait.
    """
    waiting = {step for step, _ in pending}
    components = {
        name: replace(finding, limits=(*finding.limits, OUTDATED))
        if waiting & STEPS.get(name, set()) and finding.source in (Source.MEASURED, Source.UNKNOWN)
        else finding
        for name, finding in result.components.items()
    }
    return replace(result, components=components) if components != result.components else result
