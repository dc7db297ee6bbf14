"""Layouts of views: to assess, to compare with a prior, to check a registration, and for surgeons.

Slicer does not save layout descriptions with scenes: `register_layouts` is called at every start and after every
reload. The CT's views are Slicer's own (Red, Yellow, Green, 1), so that other modules work in them; views of the MR
and of the prior are added. Views of one view group follow each other; the prior has a group of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

PRIOR_GROUP = 1
"""View group of the prior's views; all others are in group 0, Slicer's default."""
MR_SAGITTAL, MR_AXIAL = "SpineMetMRSagittal", "SpineMetMRAxial"
PRIOR_SAGITTAL, PRIOR_AXIAL = "SpineMetPriorSagittal", "SpineMetPriorAxial"
TABLE = "SpineMetTable"
MR_VIEWS = (MR_SAGITTAL, MR_AXIAL)
PRIOR_VIEWS = (PRIOR_SAGITTAL, PRIOR_AXIAL)
SAGITTAL_VIEWS = ("Yellow", MR_SAGITTAL, PRIOR_SAGITTAL)


class Layout(IntEnum):
    """Numbers of our layouts. Slicer's own stay below 1000; extensions choose at random above."""

    ASSESS = 55301
    PRIOR = 55302
    REGISTER = 55303
    SURGEON = 55304

    @property
    def title(self) -> str:
        return _TITLES[self]


_TITLES = {
    Layout.ASSESS: "SpineMet Assess",
    Layout.PRIOR: "SpineMet Prior beside current",
    Layout.REGISTER: "SpineMet Register",
    Layout.SURGEON: "SpineMet Surgeon",
}


def register_layouts(layout_node: Any) -> None:
    """Make our layouts known to a vtkMRMLLayoutNode; again after a reload, with what the file says then."""
    for layout in Layout:
        description = describe(layout)
        if not layout_node.IsLayoutDescription(int(layout)):
            layout_node.AddLayoutDescription(int(layout), description)
        elif layout_node.GetLayoutDescription(int(layout)) != description:
            layout_node.SetLayoutDescription(int(layout), description)


def describe(layout: Layout) -> str:
    """A layout in Slicer's XML."""
    red, yellow, green = (_slice(name, *view) for name, view in _STANDARD.items())
    mr_sagittal = _slice(MR_SAGITTAL, "Sagittal", "MR", "#5c8fd6")
    mr_axial = _slice(MR_AXIAL, "Axial", "MR", "#2f5f9f")
    prior_sagittal = _slice(PRIOR_SAGITTAL, "Sagittal", "prior", "#b58ad6", PRIOR_GROUP)
    prior_axial = _slice(PRIOR_AXIAL, "Axial", "prior", "#7d5aa0", PRIOR_GROUP)
    if layout is Layout.ASSESS:
        return _rows(_columns(yellow, mr_sagittal, _THREE_D), _columns(red, mr_axial, _TABLE))
    if layout is Layout.PRIOR:
        return _rows(_columns(yellow, prior_sagittal, _THREE_D), _columns(red, prior_axial, _TABLE))
    if layout is Layout.REGISTER:
        return _columns(_rows(red, green), yellow)
    return _columns((_THREE_D, 3), (_rows(yellow, red, green), 1))


_STANDARD = {
    "Red": ("Axial", "R", "#F34A33"),
    "Yellow": ("Sagittal", "Y", "#EDD54C"),
    "Green": ("Coronal", "G", "#6EB04B"),
}
_THREE_D = (
    '<view class="vtkMRMLViewNode" singletontag="1"><property name="viewlabel" action="default">1</property></view>'
)
_TABLE = (
    f'<view class="vtkMRMLTableViewNode" singletontag="{TABLE}">'
    '<property name="viewlabel" action="default">T</property></view>'
)


def _slice(tag: str, orientation: str, label: str, color: str, group: int = 0) -> str:
    return (
        f'<view class="vtkMRMLSliceNode" singletontag="{tag}">'
        f'<property name="orientation" action="default">{orientation}</property>'
        f'<property name="viewlabel" action="default">{label}</property>'
        f'<property name="viewcolor" action="default">{color}</property>'
        f'<property name="viewgroup" action="default">{group}</property></view>'
    )


def _columns(*items: str | tuple[str, int]) -> str:
    return _box("horizontal", items)


def _rows(*items: str | tuple[str, int]) -> str:
    return _box("vertical", items)


def _box(kind: str, items: tuple[str | tuple[str, int], ...]) -> str:
    """Items side by side or above each other; an item may come with its share of the room."""
    parts = [item if isinstance(item, tuple) else (item, 1) for item in items]
    inner = "".join(f'<item splitSize="{share * 500}">{content}</item>' for content, share in parts)
    return f'<layout type="{kind}" split="true">{inner}</layout>'


@dataclass(frozen=True)
class Shown:
    """Which volume nodes to show in which views; None leaves a view empty."""

    ct: Any = None
    mr: Any = None
    prior: Any = None
    table: Any = None


def fill_views(scene: Any, shown: Shown) -> None:
    """Put the volumes and the table into the views that exist, and link the views of each group."""
    by_view = dict.fromkeys(("Red", "Yellow", "Green"), shown.ct)
    by_view |= dict.fromkeys(MR_VIEWS, shown.mr) | dict.fromkeys(PRIOR_VIEWS, shown.prior)
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        layers = scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
        if layers.GetLayoutName() not in by_view:
            continue
        volume = by_view[layers.GetLayoutName()]
        was_modifying = layers.StartModify()
        # Linked views would take over each other's volume: the link comes after it.
        layers.SetLinkedControl(False)
        layers.SetBackgroundVolumeID(volume.GetID() if volume is not None else None)
        layers.EndModify(was_modifying)
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        layers = scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
        if layers.GetLayoutName() in by_view:
            layers.SetHotLinkedControl(True)
            layers.SetLinkedControl(True)
    view = scene.GetSingletonNode(TABLE, "vtkMRMLTableViewNode")
    if view is not None and shown.table is not None:
        view.SetTableNodeID(shown.table.GetID())


def flicker(layers: Any) -> None:
    """Show the other one of the two images in a slice view; called by a timer or a key, two registered images flicker.

    :param layers: the view's vtkMRMLSliceCompositeNode.
    """
    layers.SetForegroundOpacity(0.0 if layers.GetForegroundOpacity() > 0.5 else 1.0)
