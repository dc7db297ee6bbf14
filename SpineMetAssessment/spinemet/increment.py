"""Increment: recompute only what depends on what changed.

Every step of an assessment runs through `Increment.run` with the fingerprints of its inputs and parameters.
When they equal those of the last run of the same step at the same place, the kept result is returned. Live
grading after an edit and resuming an interrupted cohort are this one mechanism. Where somebody waits for the outcome
of an edit, a step can name inputs whose change can wait: see `begin`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.serialize import to_plain

T = TypeVar("T")


@dataclass
class Increment:
    """Kept results, one for each (step, place); a changed input replaces the result, so memory stays bounded."""

    kept: dict[tuple[str, str], tuple[tuple[str, str], Any]] = field(default_factory=dict)
    computed: list[tuple[str, str]] = field(default_factory=list)
    """The (step, place) pairs computed since `begin`; what is not listed was reused."""
    pending: list[tuple[str, str]] = field(default_factory=list)
    """The (step, place) pairs whose kept results were returned since `begin` though they should be computed again."""
    _hurry: bool = False
    _inside: int = 0

    def begin(self, *, hurry: bool = False) -> None:
        """Forget which steps were computed, keep their results.

        :param hurry: a step of which only inputs changed that `can_wait` returns its earlier result; `pending` names
            it. The same calls without hurry then bring everything up to date.
        """
        self.computed.clear()
        self.pending.clear()
        self._hurry, self._inside = hurry, 0

    def run(
        self,
        step: str,
        place: object,
        inputs: tuple[object, ...],
        compute: Callable[[], T],
        *,
        can_wait: tuple[object, ...] = (),
        waits: bool = True,
    ) -> T:
        """Return `compute()`, or its kept result while what it depends on is unchanged.

        A step that is computed gets nothing outdated: the steps within it do not wait.

        :param step: name of the step.
        :param place: what it is about (a Level, a lesion, "" for the whole study).
        :param inputs: everything that `compute` depends on, as accepted by `fingerprint`,
        :param can_wait: … but for these, on which it depends as well, though in a hurry their change can wait.
        :param waits: False where they changed too much for that.
        """
        key = (step, str(place))
        stamp = (fingerprint(*inputs), fingerprint(*can_wait))
        kept = self.kept.get(key)
        if kept is not None:
            result: T = kept[1]
            if kept[0] == stamp:
                return result
            if self._hurry and not self._inside and kept[0][0] == stamp[0] and can_wait and waits:
                self.pending.append(key)
                return result
        self._inside += 1
        try:
            result = compute()
        finally:
            self._inside -= 1
        self.kept[key] = (stamp, result)
        self.computed.append(key)
        return result

    def last(self, step: str, place: object) -> Any | None:
        """The kept result of a step at a place, whatever its inputs were; None where there is none."""
        kept = self.kept.get((step, str(place)))
        return None if kept is None else kept[1]

    def results(self, step: str) -> dict[str, Any]:
        """The kept results of a step, by place."""
        return {place: result for (name, place), (_, result) in self.kept.items() if name == step}


def fingerprint(*things: object) -> str:
    """Digest of images, label maps, arrays, dataclasses and plain values; equal digests mean equal things."""
    digest = hashlib.blake2b(digest_size=16)
    for thing in things:
        digest.update(_bytes(thing))
        digest.update(b"\0")
    return digest.hexdigest()


def _bytes(thing: object) -> bytes:
    if isinstance(thing, (Image, LabelMap)):
        return thing.fingerprint.encode()
    if type(thing) is str:
        # Most things are digests already.
        return f'"{thing}"'.encode()
    if isinstance(thing, (tuple, list)):
        return b"(" + b"\0".join(_bytes(item) for item in thing) + b")"
    if isinstance(thing, np.ndarray):
        return repr((thing.shape, thing.dtype.str)).encode() + np.ascontiguousarray(thing).tobytes()
    return json.dumps(to_plain(thing), sort_keys=True, default=str).encode()
