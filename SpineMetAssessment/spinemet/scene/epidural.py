"""Epidural disease in the scene: outlines of canal, sac, cord and tumor in; marks, rulers, profile and plot out.

Key functions: `masks_of` reads what is outlined on an MR; `show_epidural` writes a result into nodes that the time
point's parameter node refers to, in place; `cut_across` turns the views into a cut; `straightened` bends the image
straight along the canal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

from spinemet.anatomy.epidural import CanalFrame, Cuts, LevelEpidural, Profile
from spinemet.anatomy.frame import VertebraFrame
from spinemet.case import Structure
from spinemet.colors import EVIDENCE, LESION, RGB, STRUCTURE_COLORS
from spinemet.details import CanalProfile, EpiduralDetails, EpiduralLevel
from spinemet.evidence import Point
from spinemet.image import Image, Region
from spinemet.levels import Level
from spinemet.scene.cuts import cut_to_frame, slice_nodes
from spinemet.scene.mark_nodes import remove_displayed
from spinemet.scene.markups import GLYPH_MM, SHOWS, TEXT_SCALE
from spinemet.scene.roles import RESULT
from spinemet.scene.segmentations import layers_of, placed_on
from spinemet.scene.volumes import image_data, image_from_volume, vtk_matrix

ROLE_EPIDURAL = "SpineMet.Epidural"
"""Reference role of the time point's parameter node, one for each kind of node: `SpineMet.Epidural.grades`, …"""
CUT_WIDTH_MM = 60.0
"""Width of a view zoomed on a cut of the canal."""
STRAIGHT_FIELD_MM = 60.0
"""Width and depth of the straightened volume."""
STRAIGHT_VOXEL_MM = (1.0, 0.6, 0.6)
"""Right, anterior and along the canal."""
_CURVE_STEP_MM = 6.0
_FOLDER_NAME = "Epidural"
_COLUMNS = (
    ("along the canal (mm)", ""),
    ("tumor, % of the canal", "canal_share"),
    ("fluid left (%)", "fluid"),
    ("cord depth (mm)", "cord_depth"),
    ("expected cord depth (mm)", "expected_depth"),
)
_SERIES_COLORS: tuple[RGB, ...] = (LESION, STRUCTURE_COLORS[Structure.CANAL], STRUCTURE_COLORS[Structure.CORD],
                                   (0.5, 0.5, 0.5))  # fmt: skip


@dataclass(frozen=True)
class Ruler:
    """A line of known length in a cut, RAS mm; it is as long as the measurement says."""

    name: str
    ends: tuple[Point, Point]


def masks_of(
    node: Any, volume: Any, wanted: Mapping[str, Collection[str]], *, around_mm: float | None = None
) -> dict[str, Image]:
    """Outlines on a volume's own grid, in the world, as boolean masks by name; names without voxels are left out.

    The canal holds the sac and the sac the cord, whether they were outlined one inside the other or side by side.

    :param wanted: segment IDs by name: "canal", "sac", "cord" and "tumor".
    :param around_mm: only so far round canal and sac, where what lies farther away does not matter; the masks then lie
        on that part of the grid. None for the whole of it.
    :raises BadInput: not a labelmap segmentation, or a non-linear transform above it or above the volume.
    """
    image = image_from_volume(volume)
    ids = [item for items in wanted.values() for item in items if node.GetSegmentation().GetSegment(item) is not None]
    found: list[tuple[str, Region, NDArray[np.bool_]]] = []
    for layer, labels in layers_of(node, list(dict.fromkeys(ids))):
        placed = placed_on(layer, image.grid)
        if placed is None:
            continue
        for name, items in wanted.items():
            values = [value for value, key in labels.items() if key in items]
            if values:
                same = placed.array == values[0] if len(values) == 1 else np.isin(placed.array, values)
                found.append((name, placed.region, same))
    kept = _round([item for item in found if item[0] in ("canal", "sac")], image, around_mm)
    crop = image.crop(kept)
    arrays: dict[str, NDArray[np.bool_]] = {}
    for name, region, mask in found:
        array = arrays.setdefault(name, np.zeros(crop.shape, bool))
        shared = [
            slice(max(own.start, all_.start), max(min(own.stop, all_.stop), max(own.start, all_.start)))
            for own, all_ in zip(region, kept, strict=True)
        ]
        inner = tuple(slice(s.start - own.start, s.stop - own.start) for s, own in zip(shared, region, strict=True))
        outer = tuple(slice(s.start - all_.start, s.stop - all_.start) for s, all_ in zip(shared, kept, strict=True))
        array[outer] |= mask[inner]
    for outer_name, inner_name in (("sac", "cord"), ("canal", "sac")):
        if outer_name in arrays and inner_name in arrays:
            arrays[outer_name] |= arrays[inner_name]
    return {
        name: Image(array, crop.ijk_to_ras, frame=image.frame, name=name)
        for name, array in arrays.items()
        if array.any()
    }


def _round(found: Sequence[tuple[str, Region, NDArray[np.bool_]]], image: Image, around_mm: float | None) -> Region:
    """The part of the grid that holds some masks with a margin; all of it without a margin or a mask."""
    whole = (slice(0, image.shape[0]), slice(0, image.shape[1]), slice(0, image.shape[2]))
    boxes = []
    for _, region, mask in found if around_mm is not None else ():
        filled = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        if len(filled[0]):
            boxes.append([(part.start + n[0], part.start + n[-1]) for part, n in zip(region, filled, strict=True)])
    if not boxes or around_mm is None:
        return whole
    margins = np.ceil(around_mm / image.spacing[::-1]).astype(int)
    k, j, i = (
        slice(max(0, int(min(box[axis][0] for box in boxes) - margins[axis])),
              min(image.shape[axis], int(max(box[axis][1] for box in boxes) + margins[axis] + 1)))
        for axis in range(3)
    )  # fmt: skip
    return (k, j, i)


def rulers_of(item: LevelEpidural, cuts: Cuts, profile: Profile) -> tuple[Ruler, ...]:
    """Lines in the worst cut of a level: thickness of the epidural tumor and depth of the cord, where measured."""
    if item.cut is None or item.position is None:
        return ()
    found = []
    right, anterior, _ = cuts.frame.axes(cuts.s[item.cut])
    thickness, depth = item["epidural thickness"], item["cord depth"]
    toward = profile.toward[item.cut]
    if thickness.value and np.isfinite(toward).all():
        way = toward[0] * right + toward[1] * anterior
        found.append(_ruler(f"tumor {thickness.text()}", np.array(item.position), way, thickness.value))
    center = profile.cord_center[item.cut] + profile.canal_center[item.cut]
    if depth.value and np.isfinite(center).all():
        middle = np.array(cuts.position(item.cut, float(center[0]), float(center[1])))
        found.append(_ruler(f"cord {depth.text()}", middle, anterior, depth.value))
    return tuple(found)


def show_epidural(
    scene: Any, parameter: Any, details: EpiduralDetails, *, rulers: Sequence[Ruler] | None = None, folder: int = 0
) -> dict[str, Any]:
    """Show a result, in the nodes of an earlier one where there is one; the nodes by name.

    :param parameter: the time point's parameter node.
    :param rulers: of the worst cut; None leaves those that are there.
    :param folder: subject-hierarchy item under which a folder "Epidural" is made; 0 for the scene.
    """
    grades = _own(scene, parameter, "grades", "vtkMRMLMarkupsFiducialNode", "ESCC grades")
    _fill_grades(grades, details)
    nodes = {"grades": grades}
    if len(details.profile.places) > 1:
        curve = _own(scene, parameter, "curve", "vtkMRMLMarkupsCurveNode", "Canal centerline")
        _fill_curve(curve, details.profile)
        table = _own(scene, parameter, "table", "vtkMRMLTableNode", "Profile along the canal")
        _fill_table(table, details.profile)
        nodes |= {"curve": curve, "table": table, **_plot(scene, parameter, table)}
    if rulers is not None:
        kept = []
        for number, ruler in enumerate(rulers):
            line = _own(scene, parameter, f"ruler {number}", "vtkMRMLMarkupsLineNode", "Ruler")
            line.SetName(f"{ruler.name} (worst cut)")
            _set_points(line, ruler.ends, ())
            nodes[f"ruler {number}"] = line
            kept.append(f"ruler {number}")
        for name in [name for name in epidural_nodes(parameter) if name.startswith("ruler") and name not in kept]:
            _remove(scene, parameter, name)
    _file(scene, folder, nodes.values())
    return nodes


def epidural_nodes(parameter: Any) -> dict[str, Any]:
    """The nodes that show a time point's epidural disease, by name."""
    roles: list[str] = []
    parameter.GetNodeReferenceRoles(roles)
    own = [role for role in roles if role.startswith(f"{ROLE_EPIDURAL}.")]
    found = {role.removeprefix(f"{ROLE_EPIDURAL}."): parameter.GetNodeReference(role) for role in own}
    return {name: node for name, node in found.items() if node is not None}


def remove_epidural(scene: Any, parameter: Any) -> None:
    """Take a time point's epidural marks, tables and plots out of the scene."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    nodes = epidural_nodes(parameter)
    folders = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in nodes.values()}
    for name in nodes:
        _remove(scene, parameter, name)
    for item in folders:
        if hierarchy.GetItemName(item) == _FOLDER_NAME and not hierarchy.GetNumberOfItemChildren(item):
            hierarchy.RemoveItem(item)


def cut_across(scene: Any, item: EpiduralLevel, *, group: int = 0, width_mm: float = CUT_WIDTH_MM) -> bool:
    """Turn the slice views of a group into a level's worst cut, perpendicular to the canal; False without one."""
    if item.cut is None:
        return False
    cut = item.cut
    frame = VertebraFrame.from_directions(cut.center, np.cross(cut.right, cut.anterior), cut.anterior)
    cut_to_frame(slice_nodes(scene, group), frame, cut.center, width_mm)
    return True


def place_of(profile: CanalProfile, position: Point) -> float | None:
    """Where along the canal (mm) a point (RAS) lies; None without a profile, or farther than 40 mm from it."""
    if not profile.places:
        return None
    distances = np.linalg.norm(np.array(profile.centers) - np.array(position), axis=1)
    nearest = int(np.argmin(distances))
    return profile.places[nearest] if distances[nearest] <= _NEAR_MM else None


_NEAR_MM = 40.0


def frame_at(profile: CanalProfile, place: float) -> VertebraFrame:
    """Frame of the canal at a place along it (mm): superior along the centerline, anterior as the patient faces."""
    centers, places = np.array(profile.centers), np.array(profile.places)
    at = int(np.argmin(np.abs(places - place)))
    low, high = max(at - 2, 0), min(at + 2, len(places) - 1)
    superior = centers[low] - centers[high]
    return VertebraFrame.from_directions(centers[at], superior, (0.0, 1.0, 0.0))


def straightened(volume: Any, frame: CanalFrame) -> Image:
    """The image bent straight along the canal's centerline: rows follow it, so lengths are true only near it.

    Lies in the world upright at the middle of the canal. Linear interpolation; what is outside the image is its least
    value.

    :raises BadInput: the volume holds no voxels, or lies under a non-linear transform.
    """
    image = image_from_volume(volume)
    low, high = frame.ends
    dx, dy, dz = STRAIGHT_VOXEL_MM
    across = np.arange(-STRAIGHT_FIELD_MM / 2, STRAIGHT_FIELD_MM / 2 + 1e-6, dx)
    depth = np.arange(-STRAIGHT_FIELD_MM / 2, STRAIGHT_FIELD_MM / 2 + 1e-6, dy)
    along = np.arange(high, low, -dz)
    centers = frame.center(along)
    right, anterior, _ = frame.axes(along)
    points = (
        centers[:, None, None]
        + depth[None, :, None, None] * anterior[:, None, None]
        + across[None, None, :, None] * right[:, None, None]
    )
    values = image.sample(points, order=1, outside=float(image.array.min()))
    x, y, z = frame.center((low + high) / 2)
    matrix = np.diag([dx, dy, dz, 1.0])
    matrix[:3, 3] = (x + across[0], y + depth[0], z - len(along) * dz / 2)
    return Image(np.asarray(values, dtype=np.float32), matrix, name=f"{image.name} straightened along the canal")


def show_straightened(scene: Any, parameter: Any, volume: Any, frame: CanalFrame, *, folder: int = 0) -> Any:
    """Put the straightened image into the scene, in the node of an earlier one where there is one."""
    image = straightened(volume, frame)
    node = _own(scene, parameter, "straightened", "vtkMRMLScalarVolumeNode", image.name)
    node.SetName(image.name)
    node.SetDescription("Bent straight along the canal: look at it, measure elsewhere.")
    # No image of the patient lies there: it must not be chosen to measure in.
    node.SetAttribute("SpineMet.Refusal", "This image was bent straight along the canal; measure in the original.")
    node.SetIJKToRASMatrix(vtk_matrix(image.ijk_to_ras))
    node.SetAndObserveImageData(image_data(image.array))
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    _file(scene, folder, [node])
    return node


def _ruler(name: str, middle: NDArray[np.float64], way: NDArray[np.float64], length: float) -> Ruler:
    a, b = (middle + sign * length / 2 * way for sign in (-1, 1))
    return Ruler(name, ((float(a[0]), float(a[1]), float(a[2])), (float(b[0]), float(b[1]), float(b[2]))))


def _own(scene: Any, parameter: Any, name: str, kind: str, title: str) -> Any:
    role = f"{ROLE_EPIDURAL}.{name}"
    node = parameter.GetNodeReference(role)
    if node is None:
        node = scene.AddNewNodeByClass(kind, title)
        parameter.SetNodeReferenceID(role, node.GetID())
        if node.IsA("vtkMRMLMarkupsNode"):
            _set_display(node, name)
    if node.GetAttribute(RESULT) != role:
        node.SetAttribute(RESULT, role)
    return node


def _remove(scene: Any, parameter: Any, name: str) -> None:
    role = f"{ROLE_EPIDURAL}.{name}"
    node = parameter.GetNodeReference(role)
    parameter.SetNodeReferenceID(role, None)
    if node is not None:
        remove_displayed(scene, node)


def _set_display(node: Any, name: str) -> None:
    """How marks look until the user changes it."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    color = STRUCTURE_COLORS[Structure.CORD] if name == "curve" else EVIDENCE
    display.SetAttribute(SHOWS, "1")
    display.SetColor(*color)
    display.SetSelectedColor(*color)
    display.SetUseGlyphScale(False)
    display.SetGlyphSize(0.4 if name == "curve" else GLYPH_MM)
    display.SetTextScale(TEXT_SCALE)
    display.SetPointLabelsVisibility(name == "grades")
    display.SetPropertiesLabelVisibility(name.startswith("ruler"))
    node.SetLocked(True)


def _fill_grades(node: Any, details: EpiduralDetails) -> None:
    """A point at every level where epidural tumor was found, or whose grade is open or a person's."""
    points, labels, says = [], [], []
    for item in details.levels:
        result = item.escc
        if item.position is None or (result.grade is not None and result.grade.value == "0" and not result.reader):
            continue
        points.append(item.position)
        labels.append(f"{result.level} ESCC {result.grade.value if result.grade else '?'}")
        says.append(result.reason)
    _set_points(node, points, labels)
    for index, text in enumerate(says):
        node.SetNthControlPointDescription(index, text)


def _fill_curve(node: Any, profile: CanalProfile) -> None:
    spacing = abs(profile.places[-1] - profile.places[0]) / max(len(profile.places) - 1, 1)
    step = max(1, round(_CURVE_STEP_MM / max(spacing, 1e-6)))
    chosen = [*profile.centers[:-1:step], profile.centers[-1]]
    _set_points(node, chosen, ())


def _set_points(node: Any, points: Sequence[Point], labels: Sequence[str]) -> None:
    was_modifying = node.StartModify()
    node.SetLocked(False)
    if node.GetNumberOfControlPoints() != len(points):
        node.RemoveAllControlPoints()
    for index, point in enumerate(points):
        if index < node.GetNumberOfControlPoints():
            node.SetNthControlPointPositionWorld(index, *point)
        else:
            node.AddControlPointWorld(*point)
    for index, label in enumerate(labels):
        node.SetNthControlPointLabel(index, label)
    node.SetLocked(True)
    node.EndModify(was_modifying)


def _fill_table(node: Any, profile: CanalProfile) -> None:
    was_modifying = node.StartModify()
    node.SetLocked(False)
    node.RemoveAllColumns()
    for title, name in _COLUMNS:
        values = getattr(profile, name) if name else profile.places
        column = vtk.vtkDoubleArray()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(float("nan") if value is None else value)
        node.AddColumn(column)
    levels = vtk.vtkStringArray()
    levels.SetName("level")
    for level in profile.levels:
        levels.InsertNextValue(level.value if isinstance(level, Level) else "")
    node.AddColumn(levels)
    node.SetLocked(True)
    node.EndModify(was_modifying)


def _plot(scene: Any, parameter: Any, table: Any) -> dict[str, Any]:
    """Series and chart for Slicer's plot view; the chart's series follow the table by themselves."""
    nodes = {}
    along = _COLUMNS[0][0]
    for (title, _), color in zip(_COLUMNS[1:], _SERIES_COLORS, strict=True):
        series = _own(scene, parameter, f"series {title}", "vtkMRMLPlotSeriesNode", title)
        if series.GetTableNodeID() != table.GetID():
            series.SetAndObserveTableNodeID(table.GetID())
            series.SetXColumnName(along)
            series.SetYColumnName(title)
            series.SetPlotType(series.PlotTypeScatter)
            series.SetMarkerStyle(series.MarkerStyleNone)
            series.SetColor(*color)
            if title.startswith("expected"):
                series.SetLineStyle(series.LineStyleDash)
        nodes[f"series {title}"] = series
    chart = _own(scene, parameter, "chart", "vtkMRMLPlotChartNode", "Profile along the canal")
    if chart.GetNumberOfPlotSeriesNodes() == 0:
        for series in nodes.values():
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
        chart.SetTitle("Along the canal, from the head")
        chart.SetXAxisTitle(along)
        chart.SetYAxisTitle("% or mm")
    return {**nodes, "chart": chart}


def _file(scene: Any, folder: int, nodes: Iterable[Any]) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    parent = folder or hierarchy.GetSceneItemID()
    place = hierarchy.GetItemChildWithName(parent, _FOLDER_NAME) or hierarchy.CreateFolderItem(parent, _FOLDER_NAME)
    for node in nodes:
        item = hierarchy.GetItemByDataNode(node)
        if not item:
            hierarchy.CreateItem(place, node)
