"""Write the pictures of the scene that the README shows: the synthetic patient, assessed, as Slicer draws it.

python Testing/pictures.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "SpineMetAssessment"))

from spinemet.assess import assess
from spinemet.case import Role, TimePoint
from spinemet.increment import Increment
from spinemet.scene import (
    Group,
    Look,
    add_synthetic_patient,
    focus_on,
    headless_session,
    image_from_volume,
    jump_to,
    labelmaps_from_segmentation,
    marks_from,
    ref_from_volume,
    render_3d,
    render_slice,
    set_look,
    show_assessment,
    show_clipping_plane,
    show_group,
)
from spinemet.scene.sample import DATE

BACKGROUND = (0.10, 0.10, 0.12)
GAP = 4
"""Pixels between pictures that stand beside each other."""


def take(folder: Path) -> None:
    """Write scene.png, slices.png and surgeon.png into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with headless_session() as session:
        scene = session.scene
        volumes, segmentation, answers = add_synthetic_patient(scene, roles=(Role.CT,))
        ct = volumes[Role.CT]
        vertebrae, lesions = labelmaps_from_segmentation(segmentation, ct)
        store = Increment()
        ref = ref_from_volume(ct)
        assessment = assess(
            image_from_volume(ct), ref, vertebrae, lesions, answers=answers, store=store, time_point=TimePoint(DATE)
        )
        shown = show_assessment(
            scene,
            assessment,
            volumes={ref.key: ct},
            segmentation=segmentation,
            marks=marks_from(assessment, store),
            surfaces=True,
        )
        worst = assessment.worst
        parameter = shown.parameter_node
        whole = render_3d(scene, (540, 720), evidence=True, background=BACKGROUND)
        focus_on(parameter, worst.level)
        close = _close(scene, worst.frame.origin, (-1.0, 0.35, 0.2), 115.0, (540, 720))
        _write(folder / "scene.png", _beside(whole, close))
        sagittal = _cut(scene, worst, "Yellow", 92.0, (540, 540))
        show_group(parameter, Group.WBB, True)
        axial = _cut(scene, worst, "Red", 110.0, (540, 540))
        _write(folder / "slices.png", _beside(sagittal, axial))
        for group in (Group.WBB, Group.HEIGHTS, Group.ANGLES, Group.PARTS, Group.SLIPS):
            show_group(parameter, group, False)
        set_look(segmentation, Look.GHOST)
        ghost = _close(scene, worst.frame.origin, (-0.6, 0.6, 0.5), 130.0, (540, 540))
        set_look(segmentation, Look.SOLID)
        show_clipping_plane(scene, segmentation, worst.frame)
        opened = _close(scene, worst.frame.origin, (1.0, 0.45, 0.25), 150.0, (540, 540))
        _write(folder / "surgeon.png", _beside(ghost, opened))


def _close(
    scene: Any, center: tuple[float, ...], view_from: tuple[float, ...], height_mm: float, size: tuple[int, int]
) -> NDArray[np.uint8]:
    return render_3d(
        scene,
        size,
        evidence=True,
        background=BACKGROUND,
        look_at=center,
        height_mm=height_mm,
        view_from=view_from,
    )


def _cut(scene: Any, item: Any, view: str, width_mm: float, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A slice view through the middle of a vertebra, in its own frame."""
    jump_to(scene, item.frame.origin, frame=item.frame, width_mm=width_mm)
    return render_slice(scene, scene.GetSingletonNode(view, "vtkMRMLSliceNode"), size)


def _beside(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.uint8]:
    gap = np.full((left.shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def _write(path: Path, picture: NDArray[np.uint8]) -> None:
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    height, width, _ = picture.shape
    image = vtk.vtkImageData()
    image.SetDimensions(width, height, 1)
    pixels = np.ascontiguousarray(picture[::-1]).reshape(-1, 3)
    image.GetPointData().SetScalars(numpy_to_vtk(pixels, deep=True))
    writer = vtk.vtkPNGWriter()
    writer.SetFileName(str(path))
    writer.SetCompressionLevel(9)
    writer.SetInputData(image)
    writer.Write()


if __name__ == "__main__":
    take(Path(sys.argv[1]))
