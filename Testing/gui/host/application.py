"""The application around the module: `slicer.app`, `slicer.modules`, a scene with slice views, module loading."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.machinery
import importlib.util
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import slicer
import slicer.util
from PySide6 import QtCore, QtGui, QtWidgets

from __feature__ import true_property  # noqa: F401  # isort: skip

from gui.host import dicom, parameter_node, qt_modules, scripted_module
from gui.host.strict import stand_in
from gui.host.widgets import STAND_INS

MODULE_FILE = Path(__file__).resolve().parents[3] / "SpineMetAssessment" / "SpineMetAssessment.py"
MODULE = MODULE_FILE.stem
_FEATURE = "from __feature__ import true_property"


@stand_in("qSlicerScriptedLoadableModule")
class _ModuleParent(QtWidgets.QWidget):
    """What a module's constructor gets: title, texts and icon; here also the file's path, which Slicer sets."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._value_path = str(path)
        self._value_name = path.stem


@stand_in("qSlicerScriptedLoadableModuleWidget")
class _Representation(QtWidgets.QWidget):
    """The C++ widget that holds a module's panel and forwards enter, exit and reload to it."""

    _value_isEntered = False

    def __init__(self, application: Application) -> None:
        super().__init__()
        QtWidgets.QVBoxLayout(self)
        self._application = application
        self._python: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        self.mrmlSceneChanged.emit(scene)

    def self(self) -> Any:
        return self._python

    def reload(self) -> None:
        self._python = getattr(sys.modules[MODULE], f"{MODULE}Widget")(self)
        setattr(slicer.modules, f"{MODULE}Widget", self._python)
        self._python.setup()

    def enter(self) -> None:
        self._value_isEntered = True
        self._python.enter()

    def exit(self) -> None:
        self._value_isEntered = False
        self._python.exit()


class _LoadedModule:
    """`slicer.modules.<name>`."""

    def __init__(self, path: Path, representation: Any, module: Any) -> None:
        self.path, self.name = str(path), path.stem
        self._representation, self._module = representation, module

    def widgetRepresentation(self) -> Any:
        return self._representation


@stand_in("qSlicerApplication")
class _SlicerApp(QtWidgets.QWidget):
    """`slicer.app`: of all its names those with behavior here; pauses of rendering are counted."""

    _paused = 0
    _layoutManager: Any = None
    """None, as without a main window; a test may put one here."""

    def layoutManager(self) -> Any:
        return self._layoutManager

    def mrmlScene(self) -> Any:
        return slicer.mrmlScene

    def pauseRender(self) -> None:
        self._paused += 1

    def resumeRender(self) -> None:
        self._paused -= 1


def _of_qt_application(app: Any) -> None:
    # Names that Qt's QApplication and Slicer's PythonQt decorators give to slicer.app; slicer.util calls them.
    kind = type(app)
    kind.processEvents = staticmethod(QtWidgets.QApplication.processEvents)
    kind.setOverrideCursor = staticmethod(lambda cursor: QtWidgets.QApplication.setOverrideCursor(cursor))
    kind.restoreOverrideCursor = staticmethod(QtWidgets.QApplication.restoreOverrideCursor)
    kind.clipboard = staticmethod(QtWidgets.QApplication.clipboard)
    kind.testingEnabled = staticmethod(lambda: True)
    kind.mouseButtons = staticmethod(QtWidgets.QApplication.mouseButtons)
    kind.connect = staticmethod(lambda signal, slot: None)


class Application:
    """The open host.

    :param errors: tracebacks of exceptions in slots and observers, which Qt and VTK would only print.
    """

    def __init__(self, session: Any) -> None:
        self.session = session
        self.errors: list[str] = []
        self.module: Any = None
        self.representation: Any = None

    @property
    def scene(self) -> Any:
        return slicer.mrmlScene

    @property
    def widget(self) -> Any:
        """The module's Python widget."""
        return self.representation.self()

    def open_module(self) -> Any:
        """Load the module, build its panel and enter it, as choosing it in Slicer does; return its widget."""
        parent = _ModuleParent(MODULE_FILE)
        source = _load_module()
        self.module = getattr(source, MODULE)(parent)
        self.representation = _Representation(self)
        setattr(slicer.modules, MODULE.lower(), _LoadedModule(MODULE_FILE, self.representation, self.module))
        self.representation.reload()
        self.representation.show()
        self.representation.enter()
        self.settle()
        return self.widget

    def close_scene(self) -> None:
        self.scene.Clear(0)
        self.settle()

    def settle(self) -> None:
        """Let queued signals and timers that are due run, then raise what went wrong in a slot or observer."""
        for _ in range(3):
            QtWidgets.QApplication.processEvents()
        if self.errors:
            found, self.errors = self.errors, []
            raise AssertionError("an exception in a slot or observer:\n" + "\n".join(found))

    def grab(self, path: Path, width: int = 420) -> tuple[int, int]:
        """Write a picture of the panel at that width and at the height that it asks for; return its size."""
        panel = self.representation
        panel.resize(width, max(panel.minimumSizeHint.height(), panel.heightForWidth(width)))
        self.settle()
        picture = panel.grab()
        if not picture.save(str(path)):
            raise OSError(f"{path} cannot be written")
        return picture.width(), picture.height()


class _FeatureFinder(importlib.machinery.PathFinder):
    """Gives the module and its library Qt properties as attributes, as PythonQt does."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Any:
        if not name.startswith(MODULE):
            return None
        spec = super().find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _FeatureLoader(spec.loader.name, spec.loader.path)
        return spec


class _FeatureLoader(importlib.machinery.SourceFileLoader):
    def exec_module(self, module: Any) -> None:
        exec(_FEATURE, module.__dict__)
        super().exec_module(module)


def _load_module() -> Any:
    loader = _FeatureLoader(MODULE, str(MODULE_FILE))
    spec = importlib.util.spec_from_file_location(MODULE, MODULE_FILE, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    loader.exec_module(module)
    return module


@contextlib.contextmanager
def open_application() -> Iterator[Application]:
    """Install the host, yield it, and take everything away again.

    :raises AssertionError: on leaving, when an exception in a slot or observer went unnoticed.
    """
    from spinemet.scene import headless_session

    _qt_application()
    # slicer.util's own functions speak PythonQt, too.
    exec(_FEATURE, slicer.util.__dict__)
    with headless_session() as session, _installed(), _kept_modules(), warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*observer")
        for name in ("Red", "Green", "Yellow"):
            logic = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLScene(session.scene)
            logic.AddSliceNode(name)
            session.application_logic.GetSliceLogics().AddItem(logic)
        application = Application(session)
        before = sys.excepthook
        sys.excepthook = lambda *error: application.errors.append("".join(traceback.format_exception(*error)))
        try:
            yield application
            application.settle()
        finally:
            sys.excepthook = before
            if application.representation is not None:
                application.widget.cleanup()
                application.representation.hide()
                application.representation.deleteLater()
                QtWidgets.QApplication.processEvents()


@functools.cache
def _pin_none() -> None:
    # PySide6 6.12 gives back a reference to None that it never took, at every call without a result. From Python 3.12
    # on None is immortal; before, a long session would free it and abort.
    if sys.version_info < (3, 12):
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40


def _qt_application() -> Any:
    _pin_none()
    existing = QtWidgets.QApplication.instance()
    if existing is not None:
        return existing
    QtCore.qInstallMessageHandler(_show_message)
    application = QtWidgets.QApplication([])
    application.setStyle("Fusion")
    if "DejaVu Sans" in QtGui.QFontDatabase.families():
        application.setFont(QtGui.QFont("DejaVu Sans", 9))
    return application


def _show_message(kind: Any, context: Any, text: str) -> None:
    # The offscreen platform says this whenever a window's least size changes.
    if "propagateSizeHints" not in text:
        print(text, file=sys.stderr)


def has_fonts() -> bool:
    """Whether text can be drawn; without any font pictures of the panel show none."""
    _qt_application()
    return bool(QtGui.QFontDatabase.families())


@contextlib.contextmanager
def _installed() -> Iterator[None]:
    modules = {
        "qt": qt_modules.make_qt(),
        "ctk": qt_modules.make_ctk(),
        "slicer.ScriptedLoadableModule": scripted_module.make_module(),
        "slicer.i18n": scripted_module.make_i18n(),
        "slicer.parameterNodeWrapper": parameter_node.make_module(),
        "DICOMLib": dicom.make_dicom_lib(),
    }
    app = _SlicerApp()
    _of_qt_application(app)
    names = {"app": app, "dicomDatabase": dicom.ctkDICOMDatabase()} | {
        name: kind for name, kind in STAND_INS.items() if name.startswith("qMRML")
    }
    names |= {name.split(".")[1]: module for name, module in modules.items() if "." in name}
    finder = _FeatureFinder
    sys.modules.update(modules)
    sys.meta_path.insert(0, finder)
    for name, value in names.items():
        setattr(slicer, name, value)
    # These go through the application's file manager and main window, which slicer-core does not have.
    files = {
        "saveScene": _save_scene,
        "loadScene": _load_scene,
        "selectModule": _select_module,
        "showStatusMessage": lambda message, duration=0: None,
    }
    before = {name: getattr(slicer.util, name) for name in files}
    for name, function in files.items():
        setattr(slicer.util, name, function)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(slicer.util, name, function)
        for name in names:
            delattr(slicer, name)
        sys.meta_path.remove(finder)
        for name in modules:
            sys.modules.pop(name, None)


def _save_scene(filename: str, properties: Any = None) -> bool:
    return bool(slicer.mrmlScene.WriteToMRB(filename))


def _load_scene(filename: str, properties: Any = None) -> bool:
    return bool(slicer.mrmlScene.ReadFromMRB(filename))


def _select_module(module: str) -> None:
    if not slicer.modules.SpineMetAssessmentWidget.parent.isEntered:
        slicer.modules.SpineMetAssessmentWidget.parent.enter()


@contextlib.contextmanager
def _kept_modules() -> Iterator[None]:
    """A reload drops spinemet from sys.modules; other tests keep the classes that they imported."""

    def ours(name: str) -> bool:
        return name.split(".")[0] in ("spinemet", MODULE, f"{MODULE}Lib")

    before = {name: module for name, module in sys.modules.items() if ours(name)}
    try:
        yield
    finally:
        for name in [name for name in sys.modules if ours(name)]:
            del sys.modules[name]
        sys.modules.update(before)


@contextlib.contextmanager
def dark_palette(dark: bool = True) -> Iterator[None]:
    """The application in dark colors, as Slicer's dark theme has them; with False as it is."""
    application = _qt_application()
    before = application.palette()
    if dark:
        palette = QtGui.QPalette(QtGui.QColor(53, 53, 53))
        palette.setColor(QtGui.QPalette.Base, QtGui.QColor(35, 35, 35))
        application.setPalette(palette)
    try:
        yield
    finally:
        application.setPalette(before)
