"""A hint that a dense lesion may be an enostosis (bone island); never more than a hint.

Ulano 2016 (AJR 207:362): mean ≥885 HU or maximum ≥1060 HU told enostoses from untreated sclerotic metastases. The
rule failed in biopsied sclerotic lesions, so it never changes what a lesion counts for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinemet.anatomy.bone.density import depth_below_surface
from spinemet.anatomy.sampling import crop_like
from spinemet.anatomy.vertebra import Vertebra
from spinemet.case import ImageRef, Role
from spinemet.evidence import Measurement, unknown
from spinemet.image import Image

MEAN_HU = 885.0
MAX_HU = 1060.0
"""Ulano 2016: at or above one of these an enostosis is likelier than an untreated sclerotic metastasis."""
KVP = 120.0
"""The thresholds hold at this tube voltage, without contrast medium."""
BELOW_SURFACE_MM = 2.0
"""Cortex in the outline is left out: it is dense by itself [D]."""
LEAST_ML = 0.05
DENSE_HU = 300.0
"""A lesion with a mean below this is not sclerotic, and its densest voxel says nothing [D]."""


@dataclass(frozen=True)
class EnostosisHint:
    """Whether a lesion is as dense as enostoses are.

    :param likely: None when the rule does not apply, for `reason`.
    """

    likely: bool | None
    mean: Measurement
    maximum: Measurement
    reason: str = ""

    def text(self) -> str:
        """A sentence for the reader; empty without a hint."""
        if not self.likely:
            return ""
        return "as dense as an enostosis (bone island); a hint only, it does not change the score"


def enostosis_hint(
    ct: Image | None, ref: ImageRef, vertebra: Vertebra, lesion: Image, *, treated: bool | None
) -> EnostosisHint:
    """Compare a lesion's density with that of enostoses.

    :param ref: says tube voltage and contrast medium; unknown ones forbid the comparison.
    :param lesion: boolean crop on the grid of `vertebra.mask`.
    :param treated: whether the lesion was treated; None when nobody said.
    :raises GridMismatch: lesion or CT lies on another grid.
    """
    reason = _forbidden(ct, ref, treated)
    if reason or ct is None:
        return _none(reason)
    vertebra.mask.require_grid(lesion)
    inside = lesion.array & (depth_below_surface(vertebra.mask.array, vertebra.mask.grid) > BELOW_SURFACE_MM)
    count = int(np.count_nonzero(inside))
    if count * lesion.voxel_volume / 1000 < LEAST_ML:
        return _none(f"too little of the lesion lies deeper than {BELOW_SURFACE_MM:g} mm in the bone")
    values = crop_like(ct, vertebra.mask.grid).array[inside]
    k, j, i = (float(axis.mean()) for axis in np.nonzero(inside))
    x, y, z = lesion.to_world([i, j, k]).tolist()
    method = f"lesion deeper than {BELOW_SURFACE_MM:g} mm in the bone"
    error = float(values.std(dtype=float) / np.sqrt(count))
    mean = Measurement("mean HU in the bone", float(values.mean(dtype=float)), "HU", method, (x, y, z), 1.96 * error)
    maximum = Measurement("highest HU in the bone", float(values.max()), "HU", method, (x, y, z))
    assert mean.value is not None and maximum.value is not None
    dense = mean.value >= DENSE_HU
    return EnostosisHint(dense and (mean.value >= MEAN_HU or maximum.value >= MAX_HU), mean, maximum)


def _forbidden(ct: Image | None, ref: ImageRef, treated: bool | None) -> str:
    """Why the thresholds may not be applied, or ""."""
    if ct is None or ref.role is not Role.CT:
        return "no CT"
    if ref.kvp != KVP:
        return "the tube voltage is not known" if ref.kvp is None else f"taken at {ref.kvp:g} kVp, not at {KVP:g}"
    if ref.contrast is not False:
        return "contrast-enhanced CT" if ref.contrast else "whether contrast medium was given is not known"
    if treated is not False:
        return "treated lesions turn sclerotic" if treated else "whether the lesion was treated is not known"
    return ""


def _none(reason: str) -> EnostosisHint:
    return EnostosisHint(
        None, unknown("mean HU in the bone", "HU", reason), unknown("highest HU in the bone", "HU", reason), reason
    )
