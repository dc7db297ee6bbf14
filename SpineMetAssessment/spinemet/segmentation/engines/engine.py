"""Engine: a program that outlines by itself, and what the rest of the library needs to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from spinemet.case import Outline, Role
from spinemet.errors import SpineMetError
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.progress import Progress

Cancel = Callable[[], bool]
"""Asked every tenth of a second; True stops the engine."""


class EngineFailed(SpineMetError):
    """An engine ended without a usable result; the message says what is known of the reason."""


class Engine(Protocol):
    """A program that outlines vertebrae by itself. Engines are found, never installed."""

    @property
    def key(self) -> str:
        """Its name on the command line and in the cache."""

    @property
    def title(self) -> str:
        """Its name for people."""

    @property
    def roles(self) -> frozenset[Role]:
        """The images that it is made for."""

    @property
    def identity(self) -> str:
        """What a result depends on beside the image: version and options."""

    @property
    def usual_seconds(self) -> float:
        """How long it takes where nothing was timed yet."""

    @property
    def margin_mm(self) -> float:
        """What it must see round the region that is asked for."""

    @property
    def labels(self) -> Mapping[int, Outline]:
        """What its numbers mean."""

    def available(self) -> str:
        """Why it cannot run here and what to do, in a sentence; empty when it can. Quick, and changes nothing."""

    def run(self, image: Image, progress: Progress | None = None, cancel: Cancel | None = None) -> LabelMap:
        """Its outlines on the image's grid, with its own numbers.

        :raises EngineFailed: it ended without a result.
        :raises Cancelled: `cancel` or `progress` said so; its processes are ended.
        """
