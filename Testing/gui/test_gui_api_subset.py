"""The module uses no name outside the list of what PythonQt exposes, and the list copied here is the list."""

from __future__ import annotations

import ast
import enum
import json
import os
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from gui.host import api, qt_modules
from gui.host.strict import is_widget_class
from gui.host.widgets import STAND_INS

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "SpineMetAssessment"
SOURCES = sorted([MODULE / "SpineMetAssessment.py", *(MODULE / "SpineMetAssessmentLib").glob("*.py")])
UI_FILES = sorted((MODULE / "Resources" / "UI").glob("*.ui"))
PREFIXES = ("ctk", "qMRML", "qSlicer")


def _trees() -> list[tuple[str, ast.Module]]:
    return [(path.name, ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES]


def _attributes(tree: ast.AST, owner: str) -> set[str]:
    """Names read from the plain name `owner`, as in `qt.QLabel`."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == owner}


def test_the_subset_equals_the_full_list_where_that_is_present() -> None:
    data = Path(os.environ.get("SPINEMET_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    full = data.parent / "design" / "slicer_qt_api.json"
    if not full.is_file():
        pytest.skip("the full list of what PythonQt exposes is not beside the repository")
    entries = json.loads(full.read_text(encoding="utf-8"))
    for name in api.listed_classes():
        listed = json.loads(api.FILE.read_text(encoding="utf-8"))[name]
        assert listed == entries[name], f"{name}: run Testing/gui/make_api_subset.py"


@pytest.mark.parametrize("path", UI_FILES, ids=lambda path: path.name)
def test_every_widget_class_of_a_ui_file_is_listed_or_qts_own(path: Path) -> None:
    names = {str(item.get("class")) for item in ElementTree.parse(path).iter("widget")}
    ours = {name for name in names if name.startswith(PREFIXES)}
    assert ours <= set(STAND_INS)
    assert all(is_widget_class(name) for name in names - ours)


@pytest.mark.parametrize("path", UI_FILES, ids=lambda path: path.name)
def test_every_custom_widget_of_a_ui_file_is_declared(path: Path) -> None:
    tree = ElementTree.parse(path)
    used = {str(item.get("class")) for item in tree.iter("widget") if str(item.get("class")).startswith(PREFIXES)}
    declared = {item.findtext("class", "") for item in tree.iter("customwidget")}
    assert used == declared


@pytest.mark.parametrize("path", UI_FILES, ids=lambda path: path.name)
def test_every_mrml_widget_of_a_ui_file_gets_the_scene(path: Path) -> None:
    tree = ElementTree.parse(path)
    widgets = [item for item in tree.iter("widget") if str(item.get("class")).startswith("qMRML")]
    names = {str(item.get("name")) for item in widgets if "setMRMLScene" in api.entry(str(item.get("class"))).methods}
    root = str(widgets[0].get("name"))
    connected = {
        item.findtext("receiver", "")
        for item in tree.iter("connection")
        if item.findtext("signal", "").startswith("mrmlSceneChanged")
    }
    assert names - {root} == connected


@pytest.mark.parametrize(("name", "tree"), _trees(), ids=[path.name for path in SOURCES])
def test_every_qt_ctk_and_slicer_class_of_the_code_exists(application: Any, name: str, tree: ast.Module) -> None:
    import slicer

    qt, ctk = qt_modules.make_qt(), qt_modules.make_ctk()
    for owner, module in (("qt", qt), ("ctk", ctk), ("slicer", slicer)):
        missing = [item for item in _attributes(tree, owner) if not hasattr(module, item)]
        assert not missing


@pytest.mark.parametrize(("name", "tree"), _trees(), ids=[path.name for path in SOURCES])
def test_enumerators_are_written_as_pythonqt_has_them(name: str, tree: ast.Module) -> None:
    qt = qt_modules.make_qt()
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute)):
            continue
        if not (isinstance(node.value.value, ast.Name) and node.value.value.id == "qt"):
            continue
        # qt.Qt.UserRole, not qt.Qt.ItemDataRole.UserRole
        found = getattr(getattr(qt, node.value.attr), node.attr)
        assert not (isinstance(found, type) and issubclass(found, enum.Enum)), f"qt.{node.value.attr}.{node.attr}"


@pytest.mark.parametrize(("name", "tree"), _trees(), ids=[path.name for path in SOURCES])
def test_nothing_uses_what_only_pyside_has(name: str, tree: ast.Module) -> None:
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    # The clipboard is no widget: its text is set by a method in both.
    used = {node.attr for node in attributes if not ast.unparse(node.value).endswith(".clipboard()")}
    assert not used & {"emit", "currentData", "objectName", "setContentsMargins", "setEnabled", "setText", "isChecked"}


@pytest.mark.parametrize(("name", "tree"), _trees(), ids=[path.name for path in SOURCES])
def test_texts_for_translation_are_plain_literals(name: str, tree: ast.Module) -> None:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    for call in (call for call in calls if call.func.id == "_"):
        assert len(call.args) == 1
        assert isinstance(call.args[0], ast.Constant), f"line {call.lineno}: translate first, then format"


def test_the_module_imports_nothing_heavy_when_slicer_starts() -> None:
    allowed = {"slicer", "vtk"} | sys.stdlib_module_names
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
        names |= {str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)}
        roots = {name.split(".")[0] for name in names}
        assert roots <= allowed | {"SpineMetAssessmentLib"}, path.name


def test_no_part_of_the_logic_hides_a_private_name_of_another() -> None:
    """All parts are mixed into one class: two of the same name would be one."""
    homes: dict[str, list[str]] = {}
    for name, tree in _trees():
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and name.endswith("Logic.py")]
        for item in (item for kind in classes if not kind.name.startswith("_") for item in kind.body):
            if isinstance(item, ast.FunctionDef) and item.name.startswith("_") and not item.name.startswith("__"):
                homes.setdefault(item.name, []).append(name)
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_the_logic_has_no_widgets_and_no_dialogs() -> None:
    source = ast.parse((MODULE / "SpineMetAssessment.py").read_text(encoding="utf-8"))
    whole: list[ast.AST] = [tree for name, tree in _trees() if name.endswith(("Logic.py", "LogicPart.py"))]
    whole += [node for node in source.body if isinstance(node, ast.ClassDef) and node.name.endswith("Logic")]
    assert len(whole) > 5
    for logic in whole:
        _require_no_widgets(logic)


def _require_no_widgets(logic: ast.AST) -> None:
    names = {node.id for node in ast.walk(logic) if isinstance(node, ast.Name)}
    imported = {alias.name for node in ast.walk(logic) if isinstance(node, ast.Import) for alias in node.names}
    assert "ctk" not in names | imported
    # Live grading waits by timers and asks for the mouse buttons; these are no widgets.
    assert _attributes(logic, "qt") <= {"QTimer", "Qt"}
    dotted = {ast.unparse(node) for node in ast.walk(logic) if isinstance(node, ast.Attribute)}
    assert {item for item in dotted if item.startswith("slicer.app.")} <= {"slicer.app.mouseButtons"}
    assert not [
        node.attr for node in ast.walk(logic) if isinstance(node, ast.Attribute) and node.attr.endswith("ErrorDisplay")
    ]
