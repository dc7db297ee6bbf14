"""The host is strict: what PythonQt would refuse fails here, too."""

from __future__ import annotations

from typing import Any

import pytest

import gui.host  # noqa: F401  (PySide6 must be loaded before the next line)

from __feature__ import true_property  # noqa: F401  # isort: skip

from gui.host import api
from gui.host.strict import stand_in


def test_setting_an_unknown_name_of_a_qt_widget_fails(application: Any) -> None:
    import qt

    label = qt.QLabel("text")
    with pytest.raises(AttributeError, match="has no property 'txt'"):
        label.txt = "other"


@pytest.mark.parametrize("name", ["qMRMLNodeComboBox", "qMRMLWidget"])
def test_setting_an_unknown_name_of_an_mrml_widget_fails(application: Any, name: str) -> None:
    import slicer

    with pytest.raises(AttributeError):
        getattr(slicer, name)().currentNodes = None


def test_reading_an_unknown_name_of_a_ctk_widget_fails(application: Any) -> None:
    import ctk

    with pytest.raises(AttributeError):
        _ = ctk.ctkCollapsibleButton().isCollapsed
    with pytest.raises(AttributeError):
        _ = ctk.ctkPathLineEdit().text


def test_calling_a_property_fails_as_in_pythonqt(application: Any) -> None:
    import qt

    with pytest.raises(TypeError):
        qt.QCheckBox().checked()
    with pytest.raises(TypeError):
        qt.QCheckBox().checked(True)


def test_a_qt_setter_is_not_let_through_in_place_of_its_property(application: Any) -> None:
    import qt

    with pytest.raises((AttributeError, TypeError)):
        qt.QLabel().setText("text")


def test_an_unknown_widget_class_fails(application: Any) -> None:
    import ctk
    import qt
    import slicer

    with pytest.raises(AttributeError):
        _ = qt.QLable
    with pytest.raises(AttributeError):
        _ = ctk.ctkNoSuchWidget
    with pytest.raises(AttributeError):
        _ = slicer.qMRMLNoSuchWidget


def test_a_property_takes_only_values_of_its_type(application: Any) -> None:
    import slicer

    with pytest.raises(ValueError, match="takes bool"):
        slicer.qMRMLNodeComboBox().noneEnabled = "yes"


def test_a_listed_method_without_behavior_says_so_instead_of_doing_nothing(application: Any) -> None:
    import slicer

    with pytest.raises(NotImplementedError, match="renameCurrentNode"):
        slicer.qMRMLNodeComboBox().renameCurrentNode()


def test_a_stand_in_cannot_have_a_name_that_the_list_lacks() -> None:
    from PySide6 import QtWidgets

    class Wrong(QtWidgets.QWidget):
        def currentNodes(self) -> None:
            """Not in the list."""

    with pytest.raises(TypeError, match="currentNodes"):
        stand_in("qMRMLNodeComboBox")(Wrong)


def test_a_class_outside_the_list_is_refused() -> None:
    with pytest.raises(KeyError):
        api.entry("qMRMLNoSuchWidget")


def test_names_of_listed_bases_are_inherited() -> None:
    entry = api.entry("qSlicerScriptedLoadableModuleWidget")
    assert {"reload", "isEntered", "setMRMLScene"} <= entry.names
    assert entry.base == "QWidget"


UI = """<ui version="4.0"><class>Box</class><widget class="qMRMLWidget" name="Box">
<layout class="QVBoxLayout" name="box"><item>
<widget class="qMRMLNodeComboBox" name="selector">{property}</widget>
</item></layout></widget>
<connections><connection><sender>Box</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
<receiver>selector</receiver><slot>{slot}(vtkMRMLScene*)</slot></connection></connections></ui>"""


def _load(tmp_path: Any, property_name: str, slot: str) -> Any:
    import slicer

    file = tmp_path / "Box.ui"
    line = f'<property name="{property_name}"><bool>true</bool></property>'
    file.write_text(UI.format(property=line, slot=slot), encoding="utf-8")
    return slicer.util.loadUI(str(file))


def test_a_ui_file_with_properties_and_connections_of_the_list_is_loaded(application: Any, tmp_path: Any) -> None:
    import slicer

    widget = _load(tmp_path, "noneEnabled", "setMRMLScene")
    ui = slicer.util.childWidgetVariables(widget)
    assert ui.selector.noneEnabled is True
    widget.setMRMLScene(slicer.mrmlScene)
    assert ui.selector.mrmlScene() is slicer.mrmlScene
    with pytest.raises(AttributeError):
        _ = widget.selector  # PySide6's loader would set it, PythonQt's does not


def test_a_ui_file_with_an_unknown_property_fails(application: Any, tmp_path: Any) -> None:
    with pytest.raises(AttributeError, match="noneEnable"):
        _load(tmp_path, "noneEnable", "setMRMLScene")


def test_a_ui_file_that_connects_to_an_unknown_slot_fails(application: Any, tmp_path: Any) -> None:
    with pytest.raises(AttributeError, match="setScene"):
        _load(tmp_path, "noneEnabled", "setScene")


def test_an_exception_in_a_slot_is_not_swallowed(application: Any) -> None:
    import qt

    button = qt.QPushButton("text")
    button.clicked.connect(lambda: 1 / 0)
    button.click()
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        application.settle()


def test_the_node_list_follows_the_scene(application: Any) -> None:
    import slicer

    combo = slicer.qMRMLNodeComboBox()
    combo.noneEnabled = True
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    combo.showChildNodeTypes = False
    combo.setMRMLScene(slicer.mrmlScene)
    seen: list[Any] = []
    combo.currentNodeChanged.connect(seen.append)
    first = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "first")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "no scalar volume in this list")
    assert (combo.nodeCount(), combo.currentNode()) == (1, None)
    combo.setCurrentNode(first)
    assert combo.currentNode() is first
    slicer.mrmlScene.RemoveNode(first)
    assert combo.currentNode() is None
    assert seen == [first, None]
    combo.setMRMLScene(None)


def test_without_none_as_a_choice_the_first_node_is_taken(application: Any) -> None:
    import slicer

    combo = slicer.qMRMLNodeComboBox()
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    combo.setMRMLScene(slicer.mrmlScene)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "first")
    assert combo.currentNode() is node
    combo.setMRMLScene(None)


def test_what_the_host_installs_is_gone_afterwards() -> None:
    import sys

    import slicer

    from gui.host import open_application

    with open_application():
        assert "qt" in sys.modules
    assert not {"qt", "ctk", "slicer.i18n", "SpineMetAssessment"} & set(sys.modules)
    assert not hasattr(slicer, "app")


def test_a_timer_that_shoots_once_rests_afterwards(application: Any) -> None:
    import qt

    fired: list[int] = []
    timer = qt.QTimer()
    timer.singleShot = True
    timer.timeout.connect(lambda: fired.append(1))
    timer.start(0)
    for _ in range(5):
        application.settle()
    assert (fired, timer.active) == ([1], False)
