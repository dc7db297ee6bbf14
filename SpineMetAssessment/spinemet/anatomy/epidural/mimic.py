"""Benign things that press like tumor: bone, disc and fat, told by how they look beside tissue of the same image."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.case import Role
from spinemet.image import Image

BONE_HU = 150.0
"""On CT, what is denser than this in the canal is bone rather than soft tumor. Ours."""

FAT_HU = -20.0
"""On CT, what is less dense than this is fat. Ours."""

ALIKE = 0.25
"""Signals within this share of the span between fat and cord are alike. Ours."""

DARK = 0.6
"""On T2, disc is darker than this share of the cord. Ours."""

_FEWEST_VOXELS = 15

Mask = NDArray[np.bool_]


def benign_hints(
    images: Mapping[Role, Image],
    *,
    tumor: Image,
    canal: Image,
    sac: Image | None = None,
    cord: Image | None = None,
    bone: Image | None = None,
) -> tuple[str, ...]:
    """Sentences on what the "tumor" in the canal looks like, should it look like no tumor; empty otherwise.

    Nothing is decided by them: retropulsed bone, disc and lipomatosis are for a reader to tell from tumor.

    :param images: T1 and T2 of the same session, or CT; any grid in the outlines' space.
    :param tumor: with the others, boolean masks on one grid that hold one level.
    """
    inside = canal.array.astype(bool)
    sac_mask = np.zeros_like(inside) if sac is None else sac.array.astype(bool)
    presser = _core(tumor.array.astype(bool) & inside & ~sac_mask)
    if presser.sum() < _FEWEST_VOXELS:
        return ()
    free = _core(inside & ~sac_mask & ~tumor.array.astype(bool))
    marrow = None if bone is None else _core(bone.array.astype(bool) & ~tumor.array.astype(bool) & ~inside)
    soft = None if cord is None else _core(cord.array.astype(bool))
    hints = []
    if (ct := images.get(Role.CT)) is not None:
        density = _mean(ct, tumor, presser)
        if density is not None and density >= BONE_HU:
            hints.append(f"what presses has {density:.0f} HU: retropulsed bone, or blastic tumor?")
        if density is not None and density <= FAT_HU:
            hints.append(f"what presses has {density:.0f} HU: fat?")
    hints += _on_mr(
        {role: images[role] for role in (Role.T1, Role.T2) if role in images}, tumor, presser, free, marrow, soft
    )
    return tuple(f"{hint} Confirm that it is tumor." for hint in hints)


def _on_mr(
    images: Mapping[Role, Image], like: Image, presser: Mask, free: Mask, marrow: Mask | None, cord: Mask | None
) -> list[str]:
    signals = {role: _mean(image, like, presser) for role, image in images.items()}
    fat = {role: _mean(image, like, free) for role, image in images.items()}
    usual = {role: _mean(image, like, cord) for role, image in images.items()}
    bone = {role: _mean(image, like, marrow) for role, image in images.items()}
    if not images or any(value is None for value in signals.values()):
        return []

    def as_bright_as(other: Mapping[Role, float | None]) -> bool:
        alike = []
        for role, signal in signals.items():
            reference, bright, dark = other[role], fat[role], usual[role]
            if reference is None or bright is None or dark is None or signal is None:
                return False
            alike.append(abs(signal - reference) <= ALIKE * abs(bright - dark))
        return all(alike)

    names = " and ".join(role.value for role in images)
    t2, dark = signals.get(Role.T2), usual.get(Role.T2)
    if t2 is not None and dark is not None and t2 < DARK * dark:
        return [f"what presses is dark on T2 ({100 * t2 / dark:.0f} % of the cord): disc, or blastic tumor?"]
    # On T2 alone fat and tumor are too much alike to tell.
    if Role.T1 in images and as_bright_as(fat):
        return [f"what presses is as bright as fat on {names}: lipomatosis?"]
    if as_bright_as(bone):
        return [f"what presses is as bright as the vertebra's marrow on {names}: retropulsed bone?"]
    return []


def _core(mask: Mask) -> Mask:
    """The mask without its rim, which other tissue mixes into, where enough of it is left."""
    core: Mask = ndimage.binary_erosion(mask)
    return core if core.sum() >= _FEWEST_VOXELS else mask


def _mean(image: Image, like: Image, mask: Mask | None) -> float | None:
    """Median signal in a mask, None when too little of it lies in the image."""
    if mask is None or mask.sum() < _FEWEST_VOXELS:
        return None
    values = image.sample(like.to_world(np.argwhere(mask)[:, ::-1]))
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) >= _FEWEST_VOXELS else None
