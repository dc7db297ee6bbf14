"""nnInteractive through its client: a server that a person named grows tumors from strokes.

The image's region goes to that server. Without a server named, nothing is sent anywhere. The calls are those of
`nnInteractiveRemoteInferenceSession` (nninteractive-client 2).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.case import Outline, Structure
from spinemet.errors import BadInput, Cancelled
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.progress import Progress, silent
from spinemet.segmentation.engines.child import is_installed
from spinemet.segmentation.engines.engine import Cancel, EngineFailed

SERVER = "SPINEMET_NNINTERACTIVE"
"""Environment variable with the server's address, such as http://127.0.0.1:1527."""
INSIDE, OUTSIDE = 1, 2
MOST_STROKES = 24
"""Strokes lie in single slices; of each kind the largest are sent."""


@dataclass
class NnInteractive:
    """A `SeedEngine` for tumor sessions; also runs by itself on seeds.

    :param server: address; empty for that of the environment.
    """

    server: str = ""
    key: str = "nninteractive"
    title: str = "nnInteractive"
    name: str = "nnInteractive"
    _session: Any = field(default=None, repr=False)
    _shown: str = field(default="", repr=False)

    @property
    def labels(self) -> Mapping[int, Outline]:
        return {1: Outline(Structure.LESION)}

    @property
    def address(self) -> str:
        return self.server or os.environ.get(SERVER, "")

    @property
    def host(self) -> str:
        """The computer that the address names; empty when it names none."""
        return urlsplit(self.address).hostname or ""

    @property
    def leaves_the_computer(self) -> bool:
        """Whether the image is sent to another computer."""
        return self.host not in ("", "localhost", "127.0.0.1", "::1")

    def available(self) -> str:
        if not is_installed("nnInteractive"):
            return "nnInteractive's client is not installed; it is the package nninteractive-client."
        if not self.address:
            return "nnInteractive needs a server; name its address (http://127.0.0.1:1527 on this computer)."
        if urlsplit(self.address).scheme not in ("http", "https") or not self.host:
            return "The address of nnInteractive's server is not one; it looks like http://127.0.0.1:1527."
        return ""

    def grow(self, image: Image, seeds: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """The tumor (k, j, i) from seeds on the image's grid: 1 inside, 2 outside, 0 open.

        :raises EngineFailed: the server cannot be reached, or refuses.
        """
        return np.asarray(self.run(image, seeds=seeds).image.array > 0)

    def run(
        self,
        image: Image,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
        *,
        seeds: NDArray[np.uint8] | None = None,
    ) -> LabelMap:
        """One outline (1) from seeds, as `grow`.

        :raises BadInput: no client, no server, or no seed inside.
        :raises EngineFailed: the server cannot be reached, or refuses.
        :raises Cancelled: between two strokes.
        """
        missing = self.available()
        if missing:
            raise BadInput(missing)
        if seeds is None or not (seeds == INSIDE).any():
            raise BadInput("nnInteractive needs a stroke inside of the tumor; draw one.")
        report = progress or silent
        try:
            session = self._open(image)
            session.reset_interactions()
            strokes = list(_strokes(seeds))
            for number, (part, bounds, inside) in enumerate(strokes, start=1):
                if cancel is not None and cancel():
                    raise Cancelled("nnInteractive was stopped; nothing was changed.")
                report(number / (len(strokes) + 1), "nnInteractive works")
                session.add_scribble_interaction(
                    part, include_interaction=inside, run_prediction=number == len(strokes), interaction_bbox=bounds
                )
            mask = np.asarray(session.target_buffer) > 0
        except (Cancelled, BadInput):
            raise
        except Exception as error:
            self.close()
            raise EngineFailed(f"nnInteractive's server {_why(error)}; check the server and its address.") from error
        return LabelMap(image.with_array(mask.astype(np.uint8)), dict(self.labels), self.title)

    def close(self) -> None:
        """Let go of the server's session."""
        session, self._session, self._shown = self._session, None, ""
        if session is not None:
            try:
                session.close()
            except Exception:
                # It is gone already.
                return

    def _open(self, image: Image) -> Any:
        """A session that holds this image; the image is sent once, not with every stroke."""
        if self._session is None:
            from nnInteractive.inference.remote import (  # type: ignore[import-not-found, unused-ignore]
                nnInteractiveRemoteInferenceSession,
            )

            self._session = nnInteractiveRemoteInferenceSession(server_url=self.address)
        if self._shown != image.fingerprint:
            self._session.set_image(np.ascontiguousarray(image.array, dtype=np.float32)[None])
            self._session.set_target_buffer(np.zeros(image.shape, np.uint8))
            self._shown = image.fingerprint
        return self._session


def _strokes(seeds: NDArray[np.uint8]) -> Iterator[tuple[NDArray[np.uint8], list[list[int]], bool]]:
    """Seeds as strokes in single slices, with the half-open bounds of each; those outside of the tumor first."""
    # The faces of a region count as outside for programs that grow to a border; as strokes they would say nothing.
    inner = np.zeros(seeds.shape, bool)
    inner[1:-1, 1:-1, 1:-1] = True
    for kind in (OUTSIDE, INSIDE):
        mask = seeds == kind
        if kind == OUTSIDE:
            mask &= inner
        slices = [(int(count), k) for k, count in enumerate(mask.sum(axis=(1, 2))) if count]
        for _, k in sorted(sorted(slices, reverse=True)[:MOST_STROKES]):
            box = ndimage.find_objects(mask[k].astype(np.uint8))[0]
            bounds = [[k, k + 1], *([part.start, part.stop] for part in box)]
            yield mask[k : k + 1, box[0], box[1]].astype(np.uint8), bounds, kind == INSIDE


def _why(error: Exception) -> str:
    kind = type(error).__name__
    if "Connect" in kind or "Timeout" in kind:
        return "cannot be reached"
    if "Capacity" in kind:
        return "has no place left for another user"
    if "Expired" in kind:
        return "ended the session"
    return f"refused ({kind})"
