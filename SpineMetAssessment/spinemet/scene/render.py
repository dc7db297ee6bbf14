"""A 3D picture of a scene, drawn off screen by Slicer's own displayable managers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from spinemet.errors import MissingDependency
from spinemet.evidence import Point
from spinemet.scene.session import in_application, module_logic, warnings_hidden
from spinemet.scene.views import VIEW_FROM

_MANAGERS = (
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
)
_CLOSED_SURFACE = "Closed surface"
_PROBE = """
import vtk
window = vtk.vtkRenderWindow()
window.SetOffScreenRendering(1)
window.SetSize(8, 8)
window.AddRenderer(vtk.vtkRenderer())
window.Render()
raise SystemExit(0 if window.SupportsOpenGL() else 1)
"""
_PROBE_SECONDS = 60


def render_3d(
    scene: Any,
    size: tuple[int, int] = (800, 800),
    *,
    view_from: Point = VIEW_FROM,
    background: Point = (1.0, 1.0, 1.0),
    evidence: bool = False,
) -> NDArray[np.uint8]:
    """Draw segmentations and models of the scene; the patient's head is up.

    :param size: width and height in pixels.
    :param view_from: direction (RAS) from the spine to the viewer; by default from the left and somewhat in front.
    :param evidence: draw the markups, too.
    :returns: (height, width, 3), top row first.
    :raises MissingDependency: OpenGL cannot be had on this machine.
    """
    require_opengl()
    with ExitStack() as stack:
        # Without a display, VTK warns about each kind of window that it tries before the one that works.
        stack.enter_context(warnings_hidden())
        stack.enter_context(_surfaces(scene))
        if not evidence:
            stack.enter_context(_markups_hidden(scene))
        renderer = vtk.vtkRenderer()
        renderer.SetBackground(*background)
        window = vtk.vtkRenderWindow()
        window.SetOffScreenRendering(1)
        window.SetSize(*size)
        window.SetMultiSamples(0)
        window.SetAlphaBitPlanes(1)
        renderer.UseFXAAOn()
        renderer.UseDepthPeelingOn()
        window.AddRenderer(renderer)
        interactor = vtk.vtkRenderWindowInteractor()
        interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        interactor.SetRenderWindow(window)
        group = stack.enter_context(_displayed(scene, renderer))
        group.RequestRender()
        _look(renderer, view_from)
        window.Render()
        picture = _pixels(window)
        window.Finalize()
        interactor.SetRenderWindow(None)
    return picture


def require_opengl() -> None:
    """:raises MissingDependency: this machine cannot draw in 3D off screen."""
    if not (in_application() or _opengl_works()):
        raise MissingDependency(
            "3D pictures need OpenGL, which this machine lacks; install it (on Debian: libegl1 libegl-mesa0 libgl1"
            " libglx-mesa0 libgl1-mesa-dri) and run again."
        )


@cache
def _opengl_works() -> bool:
    """Tried in another process, since VTK can abort the one that asks for OpenGL where there is none."""
    try:
        probe = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, timeout=_PROBE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0


@contextmanager
def _displayed(scene: Any, renderer: Any) -> Iterator[Any]:
    """A displayable manager group that draws the scene into the renderer, with a view node of its own."""
    factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
    if not in_application():
        # The factory outlives sessions; it needs the logic of the one that is open now.
        factory.SetMRMLApplicationLogic(module_logic("volumes").GetMRMLApplicationLogic())
        for name in _MANAGERS:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
    view = slicer.vtkMRMLViewNode()
    view.SetSingletonTag("SpineMetPicture")
    view.SetLayoutName("SpineMetPicture")
    view.SetBoxVisible(False)
    view.SetAxisLabelsVisible(False)
    view = scene.AddNode(view)
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.Initialize(factory, renderer)
    group.SetMRMLDisplayableNode(view)
    try:
        yield group
    finally:
        group.SetMRMLDisplayableNode(None)
        scene.RemoveNode(view)


@contextmanager
def _surfaces(scene: Any) -> Iterator[None]:
    """Closed surfaces for all segmentations; those made for the picture go again."""
    made = []
    for node in _nodes(scene, "vtkMRMLSegmentationNode"):
        if not node.GetSegmentation().ContainsRepresentation(_CLOSED_SURFACE):
            node.CreateClosedSurfaceRepresentation()
            made.append(node)
    try:
        yield
    finally:
        for node in made:
            node.RemoveClosedSurfaceRepresentation()


@contextmanager
def _markups_hidden(scene: Any) -> Iterator[None]:
    shown = [node for node in _nodes(scene, "vtkMRMLMarkupsDisplayNode") if node.GetVisibility()]
    for node in shown:
        node.SetVisibility(False)
    try:
        yield
    finally:
        for node in shown:
            node.SetVisibility(True)


def _look(renderer: Any, view_from: Point) -> None:
    center = np.array(renderer.ComputeVisiblePropBounds()).reshape(3, 2).mean(axis=1)
    camera = renderer.GetActiveCamera()
    camera.SetFocalPoint(*center)
    camera.SetPosition(*(center + np.array(view_from)))
    camera.SetViewUp(0.0, 0.0, 1.0)
    renderer.ResetCamera()
    camera.Zoom(1.25)


def _pixels(window: Any) -> NDArray[np.uint8]:
    grabber = vtk.vtkWindowToImageFilter()
    grabber.SetInput(window)
    grabber.ReadFrontBufferOff()
    grabber.Update()
    image = grabber.GetOutput()
    width, height, _ = image.GetDimensions()
    pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)
    return np.ascontiguousarray(pixels[::-1, :, :3])


def _nodes(scene: Any, kind: str) -> list[Any]:
    return [scene.GetNthNodeByClass(index, kind) for index in range(scene.GetNumberOfNodesByClass(kind))]
