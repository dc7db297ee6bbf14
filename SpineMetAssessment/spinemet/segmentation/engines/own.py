"""SpineMet's own outlining of vertebrae in CT without a click, behind the protocol of the engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spinemet import __version__
from spinemet.case import Outline, Role
from spinemet.errors import Cancelled
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.progress import Progress, silent
from spinemet.segmentation.engines.engine import Cancel
from spinemet.segmentation.vertebrae_ct import outline_vertebrae


@dataclass(frozen=True)
class OwnOutlines:
    """All vertebrae that a CT shows, without their levels: these need one click of a person."""

    key: str = "spinemet"
    title: str = "SpineMet"
    roles: frozenset[Role] = frozenset((Role.CT,))
    usual_seconds: float = 30.0
    margin_mm: float = 20.0

    @property
    def identity(self) -> str:
        return f"{self.key} {__version__}"

    @property
    def labels(self) -> Mapping[int, Outline]:
        """Its numbers count from the head and name no level."""
        return {}

    def available(self) -> str:
        return ""

    def run(self, image: Image, progress: Progress | None = None, cancel: Cancel | None = None) -> LabelMap:
        report = progress or silent

        def watched(fraction: float, text: str) -> None:
            if cancel is not None and cancel():
                raise Cancelled("The outlining was stopped; nothing was changed.")
            report(fraction, text)

        return outline_vertebrae(image, (), watched).labels
