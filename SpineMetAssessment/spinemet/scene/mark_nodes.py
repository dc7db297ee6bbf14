"""Marks in the scene: native markups that a reader can drag, updated in place and never over a person's hand.

Each node remembers in its attributes what it shows and where it was computed to be. A node that lies elsewhere was
moved by a person: it stays where it is, and `moved_measurements` tells its new value. Key functions: `show_marks`,
`moved_measurements`, `put_back`, `focus_on`, `show_group`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from spinemet.anatomy.by_hand import KYPHOSIS, SLIP, height_name, is_height
from spinemet.anatomy.heights import Column
from spinemet.colors import EVIDENCE, RGB
from spinemet.evidence import Point
from spinemet.levels import Level
from spinemet.scene.layouts import MR_AXIAL, PRIOR_AXIAL, SAGITTAL_VIEWS
from spinemet.scene.marks import HIDDEN_AT_FIRST, INVOLVED_SECTORS, Group, Kind, Mark, value_of
from spinemet.scene.markups import SHOWS, serves_nothing
from spinemet.scene.views import AXIAL_PICTURE, PICTURE

ROLE_MARKS = "SpineMet.Marks"
KEY = "SpineMet.Mark"
MOVED_MM = 0.05
MOVED_COSINE = 0.99999
"""A plane whose normal turned by more than a quarter of a degree was turned by a person."""
_COMPUTED = "SpineMet.Computed"
_FOCUS = "SpineMet.FocusLevel"
_SHOWN = "SpineMet.ShownGroups"
_FOLDER, _FOLDER_NAME = "SpineMet.MeasurementsFolder", "Measurements"
MARKS_IN_A_STEP = 8
_PRINTED = "%.1f %s"

COLORS: dict[Group, RGB] = {
    Group.LABELS: (1.0, 1.0, 1.0),
    Group.HEIGHTS: EVIDENCE,
    Group.ENDPLATES: (0.941, 0.894, 0.259),
    Group.ANGLES: (0.941, 0.894, 0.259),
    Group.SLIPS: (0.941, 0.894, 0.259),
    Group.PARTS: (0.918, 0.600, 0.847),
    Group.BREAKS: (0.902, 0.100, 0.294),
    Group.WBB: (0.800, 0.800, 0.800),
    Group.CURVES: EVIDENCE,
    Group.COBB: (0.941, 0.894, 0.259),
}
"""Apart from all grades; yellow is Okabe and Ito's."""
LINE_MM, RING_MM = 0.8, 0.4
GLYPH_MM = 2.0
BREAK_GLYPH_MM = 1.2
NO_GLYPH_MM = 0.1
TEXT_SCALE = 2.2
NAME_SCALE = 3.2
"""Percent of the view's height, as Slicer scales labels."""
PLANE_OPACITY = 0.25
AXIAL = tuple(f"vtkMRMLSliceNode{tag}" for tag in ("Red", MR_AXIAL, PRIOR_AXIAL, AXIAL_PICTURE))
NOT_AXIAL = (
    *(f"vtkMRMLSliceNode{tag}" for tag in (*SAGITTAL_VIEWS, "Green", PICTURE)),
    *(f"vtkMRMLViewNode{tag}" for tag in ("1", "2", PICTURE)),
)
"""IDs of views, standing or to come: a singleton's ID follows from its tag."""


@dataclass(frozen=True)
class MovedMeasurement:
    """A measurement whose mark a person moved.

    :param levels: the level, or both levels of a pair.
    :param name: the measurement's name in the assessment.
    :param value: new value in `unit`.
    :param points: RAS, where the ends are now.
    :param node_id: of the markup that was moved; that of the plane for a height between moved endplates.
    """

    levels: tuple[Level, ...]
    name: str
    value: float
    unit: str
    points: tuple[Point, ...]
    node_id: str


def show_marks(scene: Any, parameter: Any, marks: Iterable[Mark], *, folder: int = 0) -> list[Any]:
    """Show marks in the nodes of earlier ones; make what is missing, remove what is gone, keep what a person moved.

    Only nodes whose mark changed are touched, so that after an edit a call with all marks costs little.

    :param parameter: the time point's parameter node, which references the marks.
    :param folder: subject-hierarchy item under which the measurements lie.
    """
    steps = mark_steps(scene, parameter, marks, folder=folder)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            nodes: list[Any] = end.value
            return nodes


def mark_steps(
    scene: Any, parameter: Any, marks: Iterable[Mark], *, folder: int = 0
) -> Generator[None, None, list[Any]]:
    """What `show_marks` does, a few marks at a time; whoever stops half-way leaves nothing without its place."""
    before = {node.GetAttribute(KEY): node for node in mark_nodes(parameter)}
    now = []
    for number, mark in enumerate(marks, start=1):
        node = before.pop(mark.key, None)
        if node is None:
            node = _make(scene, mark)
            parameter.AddNodeReferenceID(ROLE_MARKS, node.GetID())
            _file(scene, folder, node)
            _apply_visibility(parameter, [node])
        elif node.GetAttribute(_COMPUTED) != mark.text and not _moved(node):
            _fill(node, mark)
        now.append(node)
        if number % MARKS_IN_A_STEP == 0:
            yield
    kept = [node for node in before.values() if _moved(node)]
    gone = [node for node in before.values() if node not in kept]
    _remove(scene, gone)
    if len(now) + len(kept) != parameter.GetNumberOfNodeReferences(ROLE_MARKS):
        was_modifying = parameter.StartModify()
        parameter.RemoveNodeReferenceIDs(ROLE_MARKS)
        for node in (*now, *kept):
            parameter.AddNodeReferenceID(ROLE_MARKS, node.GetID())
        parameter.EndModify(was_modifying)
    return [*now, *kept]


def mark_nodes(parameter: Any) -> list[Any]:
    """The markups of a time point that are still in the scene."""
    count = parameter.GetNumberOfNodeReferences(ROLE_MARKS)
    nodes = (parameter.GetNthNodeReference(ROLE_MARKS, index) for index in range(count))
    return [node for node in nodes if node is not None and node.GetAttribute(KEY)]


def moved_nodes(parameter: Any) -> list[Any]:
    """The markups of a time point that a person moved."""
    return [node for node in mark_nodes(parameter) if _moved(node)]


def moved_measurements(scene: Any, parameter: Any) -> tuple[MovedMeasurement, ...]:
    """What a person measured anew by moving marks of a time point, with the new values.

    A moved endplate gives new heights: the height's line, kept in its direction, between the planes as they are now.
    A height whose own line was moved takes that line's length.
    """
    shown = [_Shown(node) for node in mark_nodes(parameter) if node.GetScene() is scene]
    found = [item for mark in shown if mark.moved for item in mark.measured()]
    planes = [mark for mark in shown if mark.kind is Kind.PLANE and mark.moved]
    for plane in planes:
        heights = [mark for mark in shown if mark.group is Group.HEIGHTS and mark.levels == plane.levels]
        others = [mark for mark in planes if mark.levels == plane.levels]
        if plane is others[0]:
            found += [_between_planes(height, others) for height in heights if not height.moved]
    return tuple(found)


def hand_place(moved: MovedMeasurement) -> tuple[str, str] | None:
    """Level and name under which the answers keep a moved measurement; None when they have no place for it.

    A height that was moved to nothing is no height.
    """
    if is_height(moved.name) and moved.value <= 0:
        return None
    return _place_of(moved.levels, moved.name)


def hand_places(node: Any) -> tuple[tuple[str, str], ...]:
    """Levels and names of all that is measured by hand when this mark is moved."""
    mark = _Shown(node)
    if mark.kind is Kind.PLANE:
        return tuple((mark.levels[0].value, height_name(column)) for column in Column)
    place = _place_of(mark.levels, mark.plain["name"])
    return (place,) if place else ()


def _place_of(levels: tuple[Level, ...], name: str) -> tuple[str, str] | None:
    if is_height(name):
        return levels[0].value, name
    if len(levels) == 2 and name.startswith(f"{KYPHOSIS} "):
        return levels[0].value, KYPHOSIS
    return (levels[0].value, SLIP) if len(levels) == 2 and name.startswith(f"{SLIP} of ") else None


def put_back(parameter: Any, node_ids: Collection[str] | None = None) -> None:
    """Move marks back to where they were computed; by default all of a time point."""
    for node in moved_nodes(parameter):
        if node_ids is None or node.GetID() in node_ids:
            _place(node, _Shown(node).computed)


def focus_on(parameter: Any, level: Level | None) -> None:
    """Show the marks of one level and those of the whole spine; None shows all levels' marks again."""
    if parameter.GetAttribute(_FOCUS) != (level.value if level else None):
        parameter.SetAttribute(_FOCUS, level.value if level else None)
        _apply_visibility(parameter, mark_nodes(parameter))


def show_group(parameter: Any, group: Group, shown: bool) -> None:
    """Show or hide a kind of marks; kept in the parameter node, so it survives saving."""
    groups = shown_groups(parameter)
    wanted = groups | {group} if shown else groups - {group}
    parameter.SetAttribute(_SHOWN, json.dumps(sorted(item.value for item in wanted)))
    _apply_visibility(parameter, [node for node in mark_nodes(parameter) if _group(node) is group])


def shown_groups(parameter: Any) -> frozenset[Group]:
    """The kinds of marks that are shown."""
    stored = parameter.GetAttribute(_SHOWN)
    if stored is None:
        return frozenset(Group) - HIDDEN_AT_FIRST
    known = {group.value: group for group in Group}
    return frozenset(known[item] for item in json.loads(stored) if item in known)


def remove_marks(scene: Any, parameter: Any) -> None:
    """Remove all marks of a time point, the moved ones too, and their folders."""
    _remove(scene, mark_nodes(parameter))
    parameter.RemoveNodeReferenceIDs(ROLE_MARKS)


def remove_displayed(scene: Any, node: Any) -> None:
    """Remove a node with its place in the subject hierarchy and the display and storage nodes that serve it alone."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    place = hierarchy.GetItemByDataNode(node)
    if place:
        hierarchy.RemoveItem(place, False, False)
    count = node.GetNumberOfDisplayNodes() if node.IsA("vtkMRMLDisplayableNode") else 0
    displays = [node.GetNthDisplayNode(index) for index in range(count)]
    storage = node.GetStorageNode() if node.IsA("vtkMRMLStorableNode") else None
    for item in (*displays, storage, node):
        if item is not None:
            scene.RemoveNode(item)


def remove_orphans(scene: Any, parameters: Iterable[Any], roles: Collection[str]) -> None:
    """Remove what a person left behind by deleting other nodes: marks that no time point refers to, display nodes.

    :param parameters: the parameter nodes of all time points.
    :param roles: node references by which they hold our markups.
    """
    held = {
        node.GetNthNodeReferenceID(role, index)
        for node in parameters
        for role in roles
        for index in range(node.GetNumberOfNodeReferences(role))
    }
    for node in _nodes(scene, "vtkMRMLMarkupsNode"):
        if any(node.GetAttribute(name) for name in (KEY, "SpineMet.Level")) and node.GetID() not in held:
            remove_displayed(scene, node)
    for display in _nodes(scene, "vtkMRMLMarkupsDisplayNode"):
        if display.GetAttribute(SHOWS) and serves_nothing(display):
            scene.RemoveNode(display)


def _nodes(scene: Any, kind: str) -> list[Any]:
    return [scene.GetNthNodeByClass(index, kind) for index in range(scene.GetNumberOfNodesByClass(kind))]


@dataclass(frozen=True)
class _Geometry:
    """Where a mark is: its points, and the normal of a plane."""

    points: NDArray[np.float64]
    normal: NDArray[np.float64] | None = None

    def differs(self, other: _Geometry) -> bool:
        if self.points.shape != other.points.shape:
            return True
        if self.points.size and np.abs(self.points - other.points).max() > MOVED_MM:
            return True
        if self.normal is None or other.normal is None:
            return (self.normal is None) != (other.normal is None)
        return float(self.normal @ other.normal) < MOVED_COSINE


@dataclass(frozen=True)
class _Shown:
    """A markup of ours as it lies in the scene."""

    node: Any
    plain: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plain", json.loads(self.node.GetAttribute(_COMPUTED)))

    @property
    def kind(self) -> Kind:
        return Kind(self.plain["kind"])

    @property
    def group(self) -> Group:
        return Group(self.plain["group"])

    @property
    def levels(self) -> tuple[Level, ...]:
        return tuple(Level(name) for name in self.plain["levels"])

    @property
    def axis(self) -> Point | None:
        return tuple(self.plain["axis"]) if self.plain["axis"] is not None else None

    @cached_property
    def computed(self) -> _Geometry:
        normal = np.array(self.axis) if self.kind is Kind.PLANE else None
        return _Geometry(np.array(self.plain["points"], dtype=float).reshape(-1, 3), normal)

    @cached_property
    def now(self) -> _Geometry:
        if self.kind is Kind.PLANE:
            return _Geometry(
                np.array([self.node.GetCenterWorld()], dtype=float), np.array(self.node.GetNormalWorld(), dtype=float)
            )
        count = self.node.GetNumberOfControlPoints()
        points = [self.node.GetNthControlPointPositionWorld(index) for index in range(count)]
        return _Geometry(np.array(points, dtype=float).reshape(-1, 3))

    @cached_property
    def moved(self) -> bool:
        return self.now.differs(self.computed)

    def measured(self) -> Iterator[MovedMeasurement]:
        value = value_of(self.kind, self.now.points, self.axis)
        if value is not None and self.plain["unit"]:
            yield self._measurement(value, self.now.points, self.node)

    def _measurement(self, value: float, points: NDArray[np.float64], node: Any) -> MovedMeasurement:
        places = tuple((float(x), float(y), float(z)) for x, y, z in points)
        return MovedMeasurement(self.levels, self.plain["name"], value, self.plain["unit"], places, node.GetID())


def _between_planes(height: _Shown, planes: list[_Shown]) -> MovedMeasurement:
    """A height whose line stayed, but whose endplates were moved: its ends slide along its own direction."""
    ends = height.now.points.copy()
    way = ends[0] - ends[1]
    way /= np.linalg.norm(way)
    for plane in planes:
        end = 0 if plane.plain["name"].startswith("superior") else 1
        normal = plane.now.normal
        assert normal is not None
        slope = float(way @ normal)
        if abs(slope) > 0.1:
            ends[end] += way * float((plane.now.points[0] - ends[end]) @ normal) / slope
    return height._measurement(float((ends[0] - ends[1]) @ way), ends, planes[0].node)


def _moved(node: Any) -> bool:
    return _Shown(node).moved


def _group(node: Any) -> Group:
    return Group(json.loads(node.GetAttribute(_COMPUTED))["group"])


def _make(scene: Any, mark: Mark) -> Any:
    node = scene.CreateNodeByClass(f"vtkMRMLMarkups{mark.kind.value}Node")
    # The scene keeps its own reference from AddNode on.
    node.UnRegister(None)
    node.SetName(mark.title)
    node.SetAttribute(KEY, mark.key)
    node = scene.AddNode(node)
    _fill(node, mark)
    node.CreateDefaultDisplayNodes()
    _set_display(node.GetDisplayNode(), mark)
    if mark.group is Group.LABELS:
        _part_views(scene, node)
    return node


def _part_views(scene: Any, node: Any) -> None:
    """Names of levels lie before and behind a lateral cut, too; in an axial one they would lie upon each other."""
    axial = slicer.vtkMRMLMarkupsDisplayNode()
    axial.CopyContent(node.GetDisplayNode())
    axial.SetSliceProjection(False)
    axial.SetVisibility3D(False)
    lateral = node.GetDisplayNode()
    for view in NOT_AXIAL:
        lateral.AddViewNodeID(view)
    for view in AXIAL:
        axial.AddViewNodeID(view)
    node.AddAndObserveDisplayNodeID(scene.AddNode(axial).GetID())


def _fill(node: Any, mark: Mark) -> None:
    """Write a mark into its node."""
    was_modifying = node.StartModify()
    node.SetAttribute(_COMPUTED, mark.text)
    node.SetName(mark.title)
    node.SetDescription(mark.description)
    if mark.kind is Kind.PLANE:
        node.SetPlaneType(node.PlaneTypePointNormal)
        node.SetSizeMode(node.SizeModeAbsolute)
        node.SetSize(*(mark.size or (1.0, 1.0)))
    _place(node, _Shown(node).computed)
    for index, label in enumerate(mark.labels):
        node.SetNthControlPointLabel(index, label)
    if mark.unit:
        measurement = node.GetMeasurement("angle" if mark.kind is Kind.ANGLE else "length")
        measurement.SetPrintFormat(_PRINTED)
    # What nothing is graded by cannot be dragged.
    locked = mark.kind in (Kind.POINTS, Kind.CLOSED_CURVE, Kind.CURVE) or mark.group is Group.COBB
    node.SetLocked(locked)
    node.EndModify(was_modifying)


def _place(node: Any, geometry: _Geometry) -> None:
    was_modifying = node.StartModify()
    if geometry.normal is not None:
        node.SetCenterWorld(*geometry.points[0])
        node.SetNormalWorld(*geometry.normal)
    else:
        if node.GetNumberOfControlPoints() != len(geometry.points):
            node.RemoveAllControlPoints()
        for index, point in enumerate(geometry.points):
            if index < node.GetNumberOfControlPoints():
                node.SetNthControlPointPositionWorld(index, *point)
            else:
                node.AddControlPointWorld(*point)
    node.EndModify(was_modifying)


def _set_display(display: Any, mark: Mark) -> None:
    """How a mark looks until the user changes it."""
    color = COLORS[Group.PARTS] if mark.name == INVOLVED_SECTORS else COLORS[mark.group]
    was_modifying = display.StartModify()
    display.SetAttribute(SHOWS, "1")
    display.SetColor(*color)
    display.SetSelectedColor(*color)
    display.SetActiveColor(1.0, 1.0, 1.0)
    display.SetUseGlyphScale(False)
    display.SetGlyphSize(BREAK_GLYPH_MM if mark.group is Group.BREAKS else GLYPH_MM)
    display.SetTextScale(NAME_SCALE if mark.group is Group.LABELS else TEXT_SCALE)
    display.SetCurveLineSizeMode(display.UseLineDiameter)
    display.SetLineDiameter(RING_MM if mark.kind is Kind.CLOSED_CURVE else LINE_MM)
    display.SetPointLabelsVisibility(mark.kind is Kind.POINTS and bool(mark.labels))
    display.SetPropertiesLabelVisibility(False)
    display.SetOccludedVisibility(mark.group in (Group.LABELS, Group.HEIGHTS, Group.ANGLES, Group.SLIPS))
    display.SetOccludedOpacity(1.0 if mark.group is Group.LABELS else 0.5)
    display.SetFillOpacity(PLANE_OPACITY)
    if mark.kind is Kind.PLANE:
        display.SetHandlesInteractive(False)
    if mark.group is Group.LABELS:
        display.SetGlyphSize(NO_GLYPH_MM)
        display.SetSliceProjection(True)
        display.SetSliceProjectionUseFiducialColor(True)
        display.SetSliceProjectionOpacity(1.0)
    display.EndModify(was_modifying)


def _apply_visibility(parameter: Any, nodes: Iterable[Any]) -> None:
    shown, focus = shown_groups(parameter), parameter.GetAttribute(_FOCUS)
    for node in nodes:
        plain = json.loads(node.GetAttribute(_COMPUTED))
        near = not focus or not plain["levels"] or focus in plain["levels"]
        visible = near and Group(plain["group"]) in shown
        for index in range(node.GetNumberOfDisplayNodes()):
            display = node.GetNthDisplayNode(index)
            if bool(display.GetVisibility()) != visible:
                display.SetVisibility(visible)
            if plain["unit"] and bool(display.GetPropertiesLabelVisibility()) != bool(focus):
                # Values of all levels at once would cover each other.
                display.SetPropertiesLabelVisibility(bool(focus))


def _file(scene: Any, folder: int, node: Any) -> None:
    """Put a node into the folder "Measurements" below the time point's, and there into that of its level or pair."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    place = _folder_in(hierarchy, folder or hierarchy.GetSceneItemID(), _FOLDER_NAME)
    name = "–".join(json.loads(node.GetAttribute(_COMPUTED))["levels"])
    if name:
        place = _folder_in(hierarchy, place, name)
    own = hierarchy.GetItemByDataNode(node)
    if own:
        hierarchy.SetItemParent(own, place)
    else:
        hierarchy.CreateItem(place, node)


def _folder_in(hierarchy: Any, parent: int, name: str) -> int:
    item = hierarchy.GetItemChildWithName(parent, name)
    if not item:
        item = hierarchy.CreateFolderItem(parent, name)
        hierarchy.SetItemAttribute(item, _FOLDER, "1")
    return int(item)


def _drop_empty(scene: Any, items: Iterable[int]) -> None:
    """Remove folders of ours that hold nothing any more, and then those around them."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    gone = {0}
    for first in items:
        item = first
        while item not in gone and hierarchy.GetItemAttribute(item, _FOLDER):
            if hierarchy.GetNumberOfItemChildren(item):
                break
            parent = int(hierarchy.GetItemParent(item))
            hierarchy.RemoveItem(item)
            gone.add(item)
            item = parent


def _remove(scene: Any, nodes: list[Any]) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folders = {int(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))) for node in nodes}
    for node in nodes:
        remove_displayed(scene, node)
    _drop_empty(scene, folders)
