"""Outlines that overlap, in one .seg.nrrd: each label map is a layer of the file, as in 3D Slicer's own files."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from spinemet.case import Outline, Structure
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.study.labels import write_labels
from spinemet.study.lattice import on_grid
from spinemet.study.segments import read_segments, segment_metadata
from spinemet.study.unedited import marks_of_labels
from spinemet.study.volumes import read_array, read_info, write_sitk


def write_layers(layers: Sequence[LabelMap], path: str | os.PathLike[str], *, unedited: bool = False) -> None:
    """Write label maps of one grid as the layers of a .seg.nrrd; those without voxels are left out.

    :param unedited: a program made the outlines; the file says so for as long as nobody edits them.

    :raises BadInput: nothing is outlined, another suffix, or a sheared grid, which the file cannot hold.
    :raises GridMismatch: the label maps lie on different grids.
    :raises OutputError: the folder cannot be written, or the disk is full.
    """
    target = Path(path)
    kept = [labels for labels in layers if labels.present]
    if not target.name.lower().endswith(".seg.nrrd"):
        raise BadInput(f'"{target.name}" cannot hold names and levels; choose a name that ends in .seg.nrrd.')
    if not kept:
        raise BadInput("Nothing is outlined, so there is nothing to write.")
    if len(kept) == 1:
        write_labels(kept[0].renamed(kept[0].present), target, unedited=unedited)
        return
    for labels in kept[1:]:
        kept[0].image.require_grid(labels.image)
    highest = max(max(labels.present) for labels in kept)
    dtype = np.uint8 if highest < 256 else np.uint16
    stacked = [np.where(np.isin(item.image.array, list(item.present)), item.image.array, 0) for item in kept]
    volume = sitk.GetImageFromArray(np.stack(stacked, axis=-1).astype(dtype), isVector=True)
    volume.CopyInformation(kept[0].image.to_sitk())
    for key, text in _metadata(kept, unedited).items():
        volume.SetMetaData(key, text)
    write_sitk(volume, target)


def read_layers(path: str | os.PathLike[str], reference: Image | None = None) -> list[LabelMap]:
    """All segments of a .seg.nrrd, as one label map for each of its layers; what is not ours is `Structure.OTHER`.

    :param reference: image on whose grid the outlines must lie.
    :raises BadInput: unreadable, or no segmentation file.
    :raises GridMismatch: another grid than the reference's.
    """
    file = Path(path)
    if not file.exists():
        raise BadInput(f"{file} does not exist.")
    info = read_info(file, components=True)
    segments = read_segments(info.metadata, file.name)
    if not segments:
        raise BadInput(f"{file.name} names no segments; choose a .seg.nrrd that 3D Slicer or SpineMet wrote.")
    array = read_array(info)
    if info.components == 1:
        array = array[..., None]
    result = []
    for layer in range(array.shape[-1]):
        own = [item for item in segments if item.layer == layer or info.components == 1]
        if not own:
            continue
        plain = Image(np.ascontiguousarray(array[..., layer]), info.grid.ijk_to_ras, name=file.name)
        image = on_grid(plain, reference, crop_allowed=True)
        named = {item.value: item.outline or Outline(Structure.OTHER, name=item.name) for item in own}
        outlines = {value: replace(item, frame=image.frame or item.frame) for value, item in named.items()}
        result.append(LabelMap(image, outlines, "segment names"))
    return result


def _metadata(layers: Sequence[LabelMap], unedited: bool) -> dict[str, str]:
    """Header keys of all layers, their segments counted through."""
    keys: dict[str, str] = {}
    first = 0
    for number, labels in enumerate(layers):
        extents = {
            value: tuple(n for part in labels.region(value)[::-1] for n in (part.start, part.stop - 1))
            for value in labels.present
        }
        marks = marks_of_labels(labels) if unedited else {}
        for key, text in segment_metadata(labels.present, extents, labels.image.shape[::-1], marks).items():
            match = re.fullmatch(r"Segment(\d+)_(\w+)", key)
            if match is None:
                keys[key] = text
                continue
            own = {"ID": f"Segment_{first + int(match[1]) + 1}", "Layer": str(number)}
            keys[f"Segment{first + int(match[1])}_{match[2]}"] = own.get(match[2], text)
        first += len(labels.present)
    return keys
