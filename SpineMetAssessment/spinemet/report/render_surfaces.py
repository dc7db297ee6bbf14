"""Program of its own that renders outlines as surfaces: `python -m spinemet.report.render_surfaces FOLDER`.

Graphics drivers can abort a whole process; here that costs one picture and no result. `FOLDER` holds `scene.json` and
`masks.npz`, as :mod:`spinemet.report.surfaces` writes them; every view of the scene becomes a PNG beside them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMOOTHING_ITERATIONS = 20
SMOOTHING_PASS_BAND = 0.05
"""Of the windowed sinc filter: takes off voxel steps, keeps what is wider than about four voxels."""


def surface(mask: NDArray[np.uint8], ijk_to_ras: NDArray[np.float64]) -> Any:
    """Smooth closed surface (vtkPolyData, RAS mm) of a mask (k, j, i) of 0 and 1."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkCommonMath import vtkMatrix4x4
    from vtkmodules.vtkCommonTransforms import vtkTransform
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D, vtkPolyDataNormals, vtkWindowedSincPolyDataFilter
    from vtkmodules.vtkFiltersGeneral import vtkTransformPolyDataFilter

    shares, step = _evened(np.pad(mask, 1).astype(np.float32), ijk_to_ras)
    image = vtkImageData()
    image.SetDimensions(*shares.shape[::-1])
    image.SetOrigin(-1, -1, -1)
    image.SetSpacing(*step)
    image.GetPointData().SetScalars(numpy_to_vtk(shares.ravel(), deep=True))
    edges = vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, 0.5)
    edges.ComputeNormalsOff()
    matrix = vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(ijk_to_ras, dtype=float).ravel().tolist())
    transform = vtkTransform()
    transform.SetMatrix(matrix)
    placed = vtkTransformPolyDataFilter()
    placed.SetInputConnection(edges.GetOutputPort())
    placed.SetTransform(transform)
    smooth = vtkWindowedSincPolyDataFilter()
    smooth.SetInputConnection(placed.GetOutputPort())
    smooth.SetNumberOfIterations(SMOOTHING_ITERATIONS)
    smooth.SetPassBand(SMOOTHING_PASS_BAND)
    smooth.NormalizeCoordinatesOn()
    smooth.BoundarySmoothingOff()
    normals = vtkPolyDataNormals()
    normals.SetInputConnection(smooth.GetOutputPort())
    normals.SetAutoOrientNormals(True)
    normals.SplittingOff()
    normals.Update()
    return normals.GetOutput()


def _evened(shares: NDArray[np.float32], ijk_to_ras: NDArray[np.float64]) -> tuple[NDArray[np.float32], list[float]]:
    """Thick slices made thin by interpolation, which leaves no terraces; and the new step in old voxels (i, j, k)."""
    from scipy import ndimage

    spacing = np.linalg.norm(np.asarray(ijk_to_ras)[:3, :3], axis=0)
    factors = np.maximum(1, np.rint(spacing / spacing.min()))
    if factors.max() == 1:
        return shares, [1.0, 1.0, 1.0]
    size = (np.array(shares.shape[::-1]) - 1) * factors + 1
    finer = ndimage.zoom(shares, (size / shares.shape[::-1])[::-1], order=1, grid_mode=False)
    return np.asarray(finer), (1 / factors).tolist()


def render(folder: Path) -> None:
    """Render every view of `folder`/scene.json to `folder`/view<n>.png."""
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401  (registers the renderer)
    from vtkmodules.vtkIOImage import vtkPNGWriter
    from vtkmodules.vtkRenderingCore import (
        vtkActor,
        vtkPolyDataMapper,
        vtkRenderer,
        vtkRenderWindow,
        vtkWindowToImageFilter,
    )

    scene = json.loads((folder / "scene.json").read_text(encoding="utf-8"))
    renderer = vtkRenderer()
    renderer.SetBackground(1.0, 1.0, 1.0)
    with np.load(folder / "masks.npz") as masks:
        for part in scene["parts"]:
            mapper = vtkPolyDataMapper()
            mapper.SetInputData(surface(masks[part["mask"]], np.array(part["ijk_to_ras"])))
            mapper.ScalarVisibilityOff()
            actor = vtkActor()
            actor.SetMapper(mapper)
            looks = actor.GetProperty()
            looks.SetColor(*part["color"])
            looks.SetOpacity(part["opacity"])
            looks.SetAmbient(0.15)
            looks.SetDiffuse(0.85)
            looks.SetSpecular(0.15)
            looks.SetSpecularPower(20)
            renderer.AddActor(actor)
    window = vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(0)
    window.SetAlphaBitPlanes(1)
    window.AddRenderer(renderer)
    renderer.SetUseDepthPeeling(True)
    renderer.SetMaximumNumberOfPeels(6)
    renderer.SetUseFXAA(True)
    for number, view in enumerate(scene["views"]):
        window.SetSize(*view["size"])
        camera = renderer.GetActiveCamera()
        camera.ParallelProjectionOn()
        camera.SetFocalPoint(*view["center"])
        camera.SetPosition(*(np.array(view["center"]) - 1000.0 * np.array(view["into"])))
        camera.SetViewUp(*view["up"])
        camera.SetParallelScale(view["height"] / 2)
        renderer.ResetCameraClippingRange()
        window.Render()
        grab = vtkWindowToImageFilter()
        grab.SetInput(window)
        grab.ReadFrontBufferOff()
        writer = vtkPNGWriter()
        writer.SetInputConnection(grab.GetOutputPort())
        writer.SetFileName(str(folder / f"view{number}.png"))
        writer.Write()


if __name__ == "__main__":
    render(Path(sys.argv[1]))
