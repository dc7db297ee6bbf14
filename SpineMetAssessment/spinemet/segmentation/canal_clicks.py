"""Two clicks that say where the canal begins and ends: checked, and put in order from head to tail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.segmentation.clicks import Click

LEAST_APART_MM = 8.0
"""Two clicks that are closer do not tell which way the canal runs."""
LEAST_SLICES = 4
"""Fewer slices show no course of a canal."""
PROBE_MM = 2.0
AIR_HU = -300.0
"""Below lies air or lung [D]."""
NO_SIGNAL = 0.03
"""Share of an MR's bright signal below which there is only noise [D]."""

Array = NDArray[np.float64]


def canal_ends(image: Image, clicks: Sequence[Click], *, is_ct: bool) -> Array:
    """Positions (n, 3) RAS of the clicks from head to tail, whatever their order was.

    :raises BadInput: fewer than two clicks, a click outside of the image or in air, two at the same place, or an
        image of a few slices.
    """
    require_volume(image)
    chosen = [click for click in clicks if click.foreground]
    if len(chosen) < 2:
        raise BadInput("Two clicks are needed, one at each end of the canal; set the other one.")
    for click in chosen:
        require_tissue(image, click, is_ct=is_ct)
    places = np.array([click.position for click in chosen], dtype=float)
    # The head's end is the upper one, unless the clicks lie one behind the other.
    spread = np.ptp(places, axis=0)
    places = places[np.argsort(-places[:, 2] if spread[2] >= 0.2 * spread.max() else -places[:, 1])]
    if np.min(np.linalg.norm(np.diff(places, axis=0), axis=1)) < LEAST_APART_MM:
        raise BadInput(
            f"Two clicks in the canal lie less than {LEAST_APART_MM:.0f} mm apart; set one at the upper and one at the"
            " lower end of the stretch to outline."
        )
    return places


def require_volume(image: Image) -> None:
    """:raises BadInput: an image of a few slices."""
    if min(image.shape) < LEAST_SLICES:
        raise BadInput(
            f"{image.name} has only {min(image.shape)} slice(s); outlines from clicks need a volume of at least"
            f" {LEAST_SLICES}."
        )


def require_tissue(image: Image, click: Click, *, is_ct: bool) -> None:
    """:raises BadInput: the click lies outside of the image or in air."""
    click.index_in(image)
    part = image.crop_around(np.array([click.position]), PROBE_MM).array
    finite = part[np.isfinite(part)]
    level = float(np.max(finite)) if finite.size else -np.inf
    # A tenth of the voxels tells what is bright, and is quick.
    bright = 0.0 if is_ct else float(np.nanpercentile(image.array[::2, ::2, ::2], 99))
    if level < AIR_HU if is_ct else level <= NO_SIGNAL * bright:
        raise BadInput(f"{click.name[:1].upper()}{click.name[1:]} lies in air; set it on tissue.")
