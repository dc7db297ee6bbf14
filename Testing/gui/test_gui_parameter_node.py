"""The stand-in for the parameter node wrapper behaves as Slicer's does."""

from __future__ import annotations

import pathlib
from typing import Annotated, Any

import pytest

import gui.host  # noqa: F401  (PySide6 must be loaded before the next line)

from __feature__ import true_property  # noqa: F401  # isort: skip


@pytest.fixture
def wrapper(application: Any) -> type:
    from slicer import vtkMRMLScalarVolumeNode
    from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

    class State:
        volume: vtkMRMLScalarVolumeNode
        names: list[str]
        share: Annotated[float, WithinRange(0, 1)] = 0.5
        count: int = 3
        on: bool = False
        text: str = "start"
        place: pathlib.Path = pathlib.Path("here")
        kind: Annotated[str, Choice(["lytic", "blastic"])] = "lytic"

    # The annotations are resolved here, since this file postpones them.
    State.__annotations__ = {
        "volume": vtkMRMLScalarVolumeNode,
        "names": list[str],
        "share": Annotated[float, WithinRange(0, 1)],
        "count": int,
        "on": bool,
        "text": str,
        "place": pathlib.Path,
        "kind": Annotated[str, Choice(["lytic", "blastic"])],
    }
    made: type = parameterNodeWrapper(State)
    return made


@pytest.fixture
def node(application: Any) -> Any:
    return application.scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "state")


def test_defaults_are_written_into_the_node(wrapper: type, node: Any) -> None:
    state = wrapper(node)
    assert (state.volume, state.names, state.share, state.count, state.on) == (None, [], 0.5, 3, False)
    assert (state.text, state.place, state.kind) == ("start", pathlib.Path("here"), "lytic")
    assert node.GetParameter("count") == "3"


def test_two_wrappers_share_a_node_under_different_prefixes(wrapper: type, node: Any) -> None:
    first, second = wrapper(node), wrapper(node, "Other.")
    first.text, second.text = "one", "two"
    assert (first.text, second.text) == ("one", "two")
    assert node.GetParameter("Other.text") == "two"


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("share", 1.5, ValueError),
        ("count", "3", TypeError),
        ("count", True, TypeError),
        ("text", None, ValueError),
        ("kind", "mixed", ValueError),
        ("volume", "vtkMRMLScalarVolumeNode1", TypeError),
    ],
)
def test_a_value_of_the_wrong_type_or_range_is_refused(
    wrapper: type, node: Any, name: str, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        setattr(wrapper(node), name, value)


def test_a_list_changed_in_place_is_written_back(wrapper: type, node: Any) -> None:
    wrapper(node).names.append("Lesion, the 'first'")
    assert list(wrapper(node).names) == ["Lesion, the 'first'"]


def test_values_and_node_references_survive_saving_and_loading(wrapper: type, application: Any, tmp_path: Any) -> None:
    import slicer

    from spinemet.scene import open_scene, save_scene

    scene = application.scene
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    state = wrapper(scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "state"))
    state.volume, state.names, state.on, state.text = volume, ["a", "b"], True, "L3: – “quoted” <b>"
    save_scene(scene, tmp_path / "scene.mrb")
    scene.Clear(1)
    open_scene(tmp_path / "scene.mrb", scene)
    again = wrapper(slicer.util.getFirstNodeByClassByName("vtkMRMLScriptedModuleNode", "state"))
    assert again.volume.GetName() == "CT"
    assert (list(again.names), again.on, again.text) == (["a", "b"], True, "L3: – “quoted” <b>")


def test_widgets_are_bound_in_both_directions_until_disconnected(wrapper: type, node: Any) -> None:
    import qt
    import slicer

    state = wrapper(node)
    edit, box, selector = qt.QLineEdit(), qt.QCheckBox(), slicer.qMRMLNodeComboBox()
    selector.noneEnabled = True
    selector.setMRMLScene(slicer.mrmlScene)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    tag = state.connectParametersToGui({"text": edit, "on": box, "volume": selector})
    assert edit.text == "start"
    edit.text = "typed"
    box.checked = True
    selector.setCurrentNode(volume)
    assert (state.text, state.on, state.volume) == ("typed", True, volume)
    state.text, state.volume = "set", None
    assert (edit.text, selector.currentNode()) == ("set", None)
    state.disconnectGui(tag)
    edit.text = "afterwards"
    assert state.text == "set"
    selector.setMRMLScene(None)


def test_widgets_are_found_by_their_dynamic_property(wrapper: type, node: Any) -> None:
    import qt

    ui = type("", (), {})()
    ui.edit = qt.QLineEdit()
    ui.edit.setProperty("SlicerParameterName", "text")
    ui.other = qt.QLabel("unbound")
    wrapper(node).connectGui(ui)
    assert ui.edit.text == "start"


def test_a_widget_without_a_connector_makes_connecting_raise(wrapper: type, node: Any) -> None:
    import ctk
    import qt

    state = wrapper(node)
    with pytest.raises(RuntimeError, match="Unable to create GUI connector"):
        state.connectParametersToGui({"text": ctk.ctkCollapsibleButton()})
    with pytest.raises(RuntimeError, match="Choice annotation"):
        state.connectParametersToGui({"text": qt.QComboBox()})
    with pytest.raises(ValueError, match="Cannot find a param"):
        state.connectParametersToGui({"texts": qt.QLineEdit()})


def test_a_type_without_a_serializer_is_refused(application: Any) -> None:
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    class State:
        values: complex

    State.__annotations__ = {"values": complex}
    with pytest.raises(TypeError, match="Unable to create serializer"):
        parameterNodeWrapper(State)
