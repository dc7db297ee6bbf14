"""Engines: other programs that outline by themselves, found where they are installed, run as processes of their own.

Key functions: `all_engines` and `engine_named`; `running.run_engine`, which crops, remembers and checks. Nothing is
ever installed or downloaded by SpineMet, and no image leaves the computer unless a person names a server.
"""

from __future__ import annotations

from spinemet.case import Role
from spinemet.errors import BadInput
from spinemet.segmentation.engines.engine import Cancel, Engine, EngineFailed
from spinemet.segmentation.engines.own import OwnOutlines
from spinemet.segmentation.engines.running import EngineRun, expected_seconds, run_engine
from spinemet.segmentation.engines.spineps import Spineps
from spinemet.segmentation.engines.totalsegmentator import TotalSegmentator
from spinemet.segmentation.engines.totalspineseg import TotalSpineSeg

__all__ = [
    "Cancel",
    "Engine",
    "EngineFailed",
    "EngineRun",
    "all_engines",
    "engine_named",
    "expected_seconds",
    "run_engine",
    "why_not",
]


def all_engines() -> tuple[Engine, ...]:
    """All engines that SpineMet knows, whether they are installed or not."""
    return (
        OwnOutlines(),
        TotalSegmentator(fast=True),
        TotalSegmentator(),
        TotalSegmentator(mr=True),
        TotalSpineSeg(),
        Spineps(),
        Spineps(t1=True),
    )


def engine_named(key: str) -> Engine:
    """The engine of that key. :raises BadInput: there is none."""
    for engine in all_engines():
        if engine.key == key.strip().lower():
            return engine
    known = ", ".join(engine.key for engine in all_engines())
    raise BadInput(f'There is no engine "{key}"; choose one of {known}.')


def why_not(engine: Engine, role: Role) -> str:
    """Why an engine cannot outline an image of this role here; empty when it can."""
    if role not in engine.roles:
        made_for = ", ".join(sorted(item.value for item in engine.roles))
        return f"{engine.title} is made for {made_for}, not for {role.value}; choose another engine or image."
    return engine.available()
