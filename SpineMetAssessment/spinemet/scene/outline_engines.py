"""Programs that come with Slicer or its extensions, handed in as engines: segmentation/ does not import `slicer`."""

from __future__ import annotations

import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from spinemet.image import Image
from spinemet.scene.volumes import image_data, voxels, vtk_matrix


@dataclass(frozen=True)
class GrowFromSeeds:
    """Slicer's grow-from-seeds as a `SeedEngine`: needs no package."""

    name: str = "Slicer's grow from seeds"

    def grow(self, image: Image, seeds: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """The tumor (k, j, i), from seeds on the image's grid: 1 inside, 2 outside, 0 open."""
        # It never looks at the outermost voxels, so these are copied beyond the edge.
        grower = slicer.vtkImageGrowCutSegment()
        grower.SetIntensityVolume(_oriented(image, np.pad(image.array.astype(np.float32), 1, mode="edge")))
        grower.SetSeedLabelVolume(_oriented(image, np.pad(seeds.astype(np.int16), 1, mode="edge")))
        grower.Update()
        return np.asarray(voxels(grower.GetOutput())[1:-1, 1:-1, 1:-1] == 1)


def modules_totalsegmentator() -> tuple[tuple[str, ...], Path | None]:
    """The command that Slicer's module TotalSegmentator starts, and the folder of its weights where it names one.

    Empty where the module, or the package that it installs when it is first used, is missing: nothing is installed.
    """
    module = getattr(slicer.modules, "totalsegmentator", None)
    if module is None:
        return (), None
    folder = sysconfig.get_path("scripts")
    script = next(
        (path for name in ("TotalSegmentator", "TotalSegmentator.exe") if (path := Path(folder, name)).is_file()), None
    )
    python = shutil.which("PythonSlicer")
    if script is None or python is None:
        return (), None
    weights = getattr(_logic_of(module), "totalSegmentatorWeightsPath", None)
    return (python, str(script)), Path(weights) if weights else None


def _logic_of(module: Any) -> Any:
    widget = module.widgetRepresentation() if hasattr(module, "widgetRepresentation") else None
    return getattr(widget.self(), "logic", None) if widget is not None else None


def _oriented(image: Image, array: NDArray[Any]) -> Any:
    data = image_data(array, slicer.vtkOrientedImageData)
    data.SetImageToWorldMatrix(vtk_matrix(image.ijk_to_ras))
    return data
