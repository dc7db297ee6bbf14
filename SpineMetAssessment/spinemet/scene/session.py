"""A MRML session without the Slicer application: scene, logics and file input and output on slicer-core.

Inside the application nothing is set up: the application's own scene is the session.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import slicer
import vtk

from spinemet.errors import BadInput

_MODULE_LOGICS = {
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Models": "vtkSlicerModelsLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Transforms": "vtkSlicerTransformLogic",
}


@dataclass
class Session:
    """A scene with the logics that serve it.

    :param scene: the vtkMRMLScene.
    :param application_logic: vtkSlicerApplicationLogic, None inside the application (ask the application there).
    :param logics: module logics by the module's name; empty inside the application.
    """

    scene: Any
    application_logic: Any = None
    logics: dict[str, Any] = field(default_factory=dict)


def in_application() -> bool:
    """Whether this runs inside the Slicer application."""
    return hasattr(getattr(slicer, "app", None), "coreIOManager")


def current_scene() -> Any:
    """The application's scene, or that of the headless session that is open.

    :raises BadInput: no session is open.
    """
    scene = getattr(slicer, "mrmlScene", None)
    if scene is None:
        raise BadInput("No scene is open; open a headless session first.")
    return scene


def module_logic(name: str) -> Any:
    """The logic of a Slicer module, named as in `slicer.modules` ("terminologies")."""
    return getattr(slicer.modules, name).logic()


@contextmanager
def warnings_hidden() -> Iterator[None]:
    """Keep VTK's own warnings off the terminal; what fails inside says so in a sentence of ours."""
    shown = vtk.vtkObject.GetGlobalWarningDisplay()
    vtk.vtkObject.SetGlobalWarningDisplay(0)
    try:
        yield
    finally:
        vtk.vtkObject.SetGlobalWarningDisplay(shown)


@contextmanager
def headless_session() -> Iterator[Session]:
    """Open a MRML session; sessions may follow each other, and may be nested.

    Sets `slicer.mrmlScene` and `slicer.modules`, so that Slicer's own `slicer.util` works. Inside the Slicer
    application this is the application's scene, which stays as it is afterwards.
    """
    if in_application():
        yield Session(current_scene())
        return
    names = ("mrmlScene", "modules")
    before = {name: getattr(slicer, name, None) for name in names}
    folder = tempfile.mkdtemp(prefix="spinemet-scene-")
    session = _open(folder)
    slicer.mrmlScene = session.scene
    slicer.modules = SimpleNamespace(**{name.lower(): _Module(logic) for name, logic in session.logics.items()})
    try:
        yield session
    finally:
        for name, value in before.items():
            setattr(slicer, name, value)
        _close(session)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Module:
    """What `slicer.modules.<name>` offers without the application: its logic."""

    _logic: Any

    def logic(self) -> Any:
        return self._logic


def _open(folder: str) -> Session:
    scene = slicer.vtkMRMLScene()
    application = slicer.vtkSlicerApplicationLogic()
    application.SetTemporaryPath(folder)
    # Without a cache and an input-output manager, reading a scene bundle fails.
    cache = slicer.vtkCacheManager()
    cache.SetRemoteCacheDirectory(folder)
    cache.SetMRMLScene(scene)
    manager = slicer.vtkDataIOManager()
    manager.SetCacheManager(cache)
    scene.SetCacheManager(cache)
    scene.SetDataIOManager(manager)
    application.SetMRMLScene(scene)
    colors = application.GetColorLogic()
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    application.SetModuleLogic("Colors", colors)
    application.SetSliceLogics(vtk.vtkCollection())
    application.SetViewLogics(vtk.vtkCollection())
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    # In the application the module Colors registers it.
    scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())
    logics = {"Colors": colors}
    for name, kind in _MODULE_LOGICS.items():
        logic = getattr(slicer, kind)()
        logic.SetMRMLApplicationLogic(application)
        # Given a scene, this logic looks for Slicer's own term files, which slicer-core lacks; it works without one.
        if name != "Terminologies":
            logic.SetMRMLScene(scene)
        application.SetModuleLogic(name, logic)
        logics[name] = logic
    return Session(scene, application, logics)


def _close(session: Session) -> None:
    """Empty the scene first, then part it from the logics, so that nothing observes a scene that is gone."""
    session.scene.Clear(1)
    for name in session.logics:
        session.application_logic.SetModuleLogic(name, None)
    session.logics.clear()
    session.application_logic.SetMRMLScene(None)
    session.scene.SetDataIOManager(None)
    session.scene.SetCacheManager(None)
