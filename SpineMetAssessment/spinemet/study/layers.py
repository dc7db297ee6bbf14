"""Masks that may overlap, as a few label maps: each mask goes to the first map in which it meets no other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spinemet.case import Outline
from spinemet.image import Image
from spinemet.labelmap import LabelMap


def label_layers(masks: Mapping[int, tuple[Image, Outline]], on: Image, notes: tuple[str, ...] = ()) -> list[LabelMap]:
    """Label maps on the grid of `on`, with the masks' keys as values; masks that overlap are in different ones.

    :param masks: positive values with boolean crops of the grid of `on` and what they enclose; empty ones are left
        out.
    """
    dtype = np.uint8 if max(masks, default=0) < 256 else np.int32
    layers: list[tuple[np.ndarray, dict[int, Outline]]] = []
    for value, (mask, outline) in masks.items():
        if not mask.array.any():
            continue
        start = np.rint(on.to_index(mask.to_world(np.zeros(3)))).astype(int)[::-1]
        region = tuple(slice(int(a), int(a) + n) for a, n in zip(start, mask.shape, strict=True))
        free = (layer for layer in layers if not layer[0][region][mask.array].any())
        layer = next(free, None)
        if layer is None:
            layer = (np.zeros(on.shape, dtype=dtype), {})
            layers.append(layer)
        layer[0][region][mask.array] = value
        layer[1][value] = outline
    return [
        LabelMap(Image(array, on.ijk_to_ras, frame=on.frame, name="regions"), outlines, notes=notes)
        for array, outlines in layers
    ]
