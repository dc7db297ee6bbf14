"""Pictures of a scene, drawn off screen by Slicer's own displayable managers: 3D views and slice views."""

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
from spinemet.scene.views import AXIAL_PICTURE, PICTURE, VIEW_FROM

_IN_3D = (
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)
_IN_SLICES = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
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
    look_at: Point | None = None,
    height_mm: float | None = None,
) -> NDArray[np.uint8]:
    """Draw segmentations and models of the scene; the patient's head is up.

    :param size: width and height in pixels.
    :param view_from: direction (RAS) from the spine to the viewer; by default from the left and somewhat in front.
    :param evidence: draw the markups and the legend, too.
    :param look_at: middle of the picture (RAS); by default that of everything drawn.
    :param height_mm: height of what is seen; by default that of everything drawn.
    :returns: (height, width, 3), top row first.
    :raises MissingDependency: OpenGL cannot be had on this machine.
    """
    require_opengl()
    with ExitStack() as stack:
        # Without a display, VTK warns about each kind of window that it tries before the one that works.
        stack.enter_context(warnings_hidden())
        stack.enter_context(_surfaces(scene))
        if not evidence:
            stack.enter_context(_hidden(scene, "vtkMRMLMarkupsDisplayNode", "vtkMRMLColorLegendDisplayNode"))
        renderer = vtk.vtkRenderer()
        renderer.SetBackground(*background)
        renderer.UseFXAAOn()
        renderer.UseDepthPeelingOn()
        window = stack.enter_context(_window(renderer, size))
        view = slicer.vtkMRMLViewNode()
        view.SetBoxVisible(False)
        view.SetAxisLabelsVisible(False)
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        group = stack.enter_context(_displayed(scene, renderer, view, factory, _IN_3D))
        if evidence:
            stack.enter_context(_legends(scene))
        group.RequestRender()
        _look(renderer, view_from, look_at, height_mm)
        # What keeps its size on the screen depends on the camera, which is only known now.
        for node in _nodes(scene, "vtkMRMLMarkupsNode"):
            node.Modified()
        window.Render()
        return _pixels(window)


def render_slice(
    scene: Any,
    slice_node: Any,
    size: tuple[int, int] = (600, 600),
    *,
    background: Any = None,
    foreground: Any = None,
    foreground_opacity: float = 0.0,
) -> NDArray[np.uint8]:
    """Draw a slice view as Slicer would: the volumes, and what segmentations, models and markups show in it.

    :param slice_node: whose cut to draw; its field of view is fitted to the picture's shape, its center kept.
    :param size: width and height in pixels.
    :param background: volume node; by default that of the slice's composite node, if there is one.
    :param foreground: volume node drawn over it with `foreground_opacity`.
    :returns: (height, width, 3), top row first.
    :raises MissingDependency: OpenGL cannot be had on this machine.
    """
    require_opengl()
    with ExitStack() as stack:
        stack.enter_context(warnings_hidden())
        renderer = vtk.vtkRenderer()
        renderer.GetActiveCamera().ParallelProjectionOn()
        window = stack.enter_context(_window(renderer, size))
        view = slicer.vtkMRMLSliceNode()
        view.SetName(PICTURE)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        # What is meant for some views only (the names of levels) goes by the view's ID, that is, by its tag.
        tag = AXIAL_PICTURE if abs(slice_node.GetSliceToRAS().GetElement(2, 2)) > np.sqrt(0.5) else PICTURE
        group = stack.enter_context(_displayed(scene, renderer, view, factory, _IN_SLICES, tag))
        view = group.GetMRMLDisplayableNode()
        was_modifying = view.StartModify()
        view.GetSliceToRAS().DeepCopy(slice_node.GetSliceToRAS())
        width = slice_node.GetFieldOfView()[0]
        view.SetDimensions(*size, 1)
        view.SetFieldOfView(width, width * size[1] / size[0], slice_node.GetFieldOfView()[2])
        view.UpdateMatrices()
        view.EndModify(was_modifying)
        layers = slicer.vtkMRMLSliceLogic()
        layers.SetMRMLScene(scene)
        layers.SetSliceNode(view)
        shown = layers.GetSliceCompositeNode()
        volume = background if background is not None else _background_of(scene, slice_node)
        shown.SetBackgroundVolumeID(volume.GetID() if volume is not None else None)
        shown.SetForegroundVolumeID(foreground.GetID() if foreground is not None else None)
        shown.SetForegroundOpacity(foreground_opacity)
        layers.UpdatePipeline()
        connection = layers.GetImageDataConnection()
        actor = vtk.vtkActor2D()
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        if connection is not None:
            mapper.SetInputConnection(connection)
            actor.SetMapper(mapper)
            actor.GetProperty().SetDisplayLocationToBackground()
            renderer.AddViewProp(actor)
        stack.enter_context(_legends(scene))
        group.RequestRender()
        window.Render()
        picture = _pixels(window)
        model = layers.GetSliceModelNode()
        made = (shown, model, model.GetDisplayNode(), model.GetParentTransformNode())
        layers.SetSliceNode(None)
        layers.SetMRMLScene(None)
        for node in made:
            scene.RemoveNode(node)
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
def _window(renderer: Any, size: tuple[int, int]) -> Iterator[Any]:
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetSize(*size)
    window.SetMultiSamples(0)
    window.SetAlphaBitPlanes(1)
    window.AddRenderer(renderer)
    interactor = vtk.vtkRenderWindowInteractor()
    interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
    interactor.SetRenderWindow(window)
    try:
        yield window
    finally:
        window.Finalize()
        interactor.SetRenderWindow(None)


@contextmanager
def _displayed(
    scene: Any, renderer: Any, view: Any, factory: Any, managers: tuple[str, ...], tag: str = PICTURE
) -> Iterator[Any]:
    """A displayable manager group that draws the scene into the renderer, with a view node of its own."""
    if not in_application():
        # The factory outlives sessions; it needs the logic of the one that is open now.
        factory.SetMRMLApplicationLogic(module_logic("volumes").GetMRMLApplicationLogic())
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
    view.SetSingletonTag(tag)
    view.SetLayoutName(tag)
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
def _legends(scene: Any) -> Iterator[None]:
    """Copies of the shown legends: their manager notices only those that are added while it lives."""
    copies = []
    for legend in _nodes(scene, "vtkMRMLColorLegendDisplayNode"):
        carrier = legend.GetDisplayableNode()
        if legend.GetVisibility() and carrier is not None:
            copy = slicer.vtkMRMLColorLegendDisplayNode()
            copy.Copy(legend)
            copies.append(scene.AddNode(copy))
            carrier.AddAndObserveDisplayNodeID(copy.GetID())
            copy.Modified()
    try:
        yield
    finally:
        for copy in copies:
            scene.RemoveNode(copy)


@contextmanager
def _hidden(scene: Any, *kinds: str) -> Iterator[None]:
    shown = [node for kind in kinds for node in _nodes(scene, kind) if node.GetVisibility()]
    for node in shown:
        node.SetVisibility(False)
    try:
        yield
    finally:
        for node in shown:
            node.SetVisibility(True)


def _look(renderer: Any, view_from: Point, look_at: Point | None, height_mm: float | None) -> None:
    bounds = np.array(renderer.ComputeVisiblePropBounds()).reshape(3, 2)
    center = np.array(look_at) if look_at is not None else bounds.mean(axis=1)
    camera = renderer.GetActiveCamera()
    camera.SetFocalPoint(*center)
    camera.SetPosition(*(center + np.array(view_from)))
    camera.SetViewUp(0.0, 0.0, 1.0)
    renderer.ResetCamera()
    camera.Zoom(1.25)
    if height_mm is not None or look_at is not None:
        tall = height_mm if height_mm is not None else float(np.ptp(bounds[2]))
        away = tall / 2 / np.tan(np.radians(camera.GetViewAngle() / 2))
        direction = np.array(view_from) / np.linalg.norm(view_from)
        camera.SetFocalPoint(*center)
        camera.SetPosition(*(center + away * direction))
        renderer.ResetCameraClippingRange()


def _background_of(scene: Any, slice_node: Any) -> Any:
    for layers in _nodes(scene, "vtkMRMLSliceCompositeNode"):
        if layers.GetLayoutName() == slice_node.GetLayoutName():
            return scene.GetNodeByID(layers.GetBackgroundVolumeID() or "")
    return None


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
