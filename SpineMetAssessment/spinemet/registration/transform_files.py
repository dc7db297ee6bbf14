"""A registration as transform files for other programs: ITK's .h5 and .tfm, a displacement field as .nii.gz.

All of them map LPS points of the image onto which is resampled to the image that is resampled, as ITK and 3D Slicer
read them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from spinemet.registration.field import Field
from spinemet.registration.result import Registration
from spinemet.registration.warp import (
    displacement_image,
    linear_transform,
    to_fixed_transform,
    to_moving_transform,
)

SPINE = "spine.tfm"
ONTO_FIXED, ONTO_MOVING, DISPLACEMENT = "onto_fixed.h5", "onto_moving.h5", "displacement.nii.gz"


def write_transforms(result: Registration, field: Field | None, folder: Path) -> dict[str, str]:
    """Write the transforms of a registration into a folder; returns the files' names by what they hold.

    - `spine.tfm`: the motion of the whole spine, for resampling the moving image onto the fixed one.
    - `onto_fixed.h5`: with the bend, likewise; `onto_moving.h5`: for resampling the fixed image onto the moving one.
    - `displacement.nii.gz`: all of `onto_fixed.h5` as one field of vectors in LPS mm, valid on its grid only.
    """
    sitk.WriteTransform(linear_transform(result.spine), str(folder / SPINE))
    files = {"motion of the spine": SPINE}
    if field is None:
        return files
    sitk.WriteTransform(to_moving_transform(field), str(folder / ONTO_FIXED))
    sitk.WriteTransform(to_fixed_transform(field), str(folder / ONTO_MOVING))
    whole = sitk.Cast(displacement_image(total_displacements(field), field.grid), sitk.sitkVectorFloat32)
    sitk.WriteImage(whole, str(folder / DISPLACEMENT), useCompression=True)
    return {
        **files,
        "transform onto the fixed image": ONTO_FIXED,
        "transform onto the moving image": ONTO_MOVING,
        "displacement field": DISPLACEMENT,
    }


def total_displacements(field: Field) -> np.ndarray:
    """From every node of the field's grid to its place in the moving image, (k, j, i, 3) RAS mm."""
    k, j, i = np.indices(field.grid.shape)
    nodes = field.grid.to_world(np.stack([i, j, k], axis=-1))
    return np.asarray(field.spine.apply(nodes + field.displacements) - nodes, dtype=np.float32)
