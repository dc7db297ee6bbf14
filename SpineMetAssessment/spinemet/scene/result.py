"""The assessment in the scene: table, markups, graded bones and the JSON itself, in nodes that are updated in place.

One parameter node for each time point references everything. Reopening a scene reads the assessment back without
recomputing; `stale_inputs` says whether what it was made from has changed since.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import slicer

from spinemet.assessment import Assessment
from spinemet.case import Structure
from spinemet.colors import GRADE_COLORS
from spinemet.errors import BadInput
from spinemet.evidence import Point
from spinemet.levels import Level
from spinemet.scene.legend import remove_legend, show_legend
from spinemet.scene.level_texts import LevelTexts
from spinemet.scene.mark_nodes import mark_steps, remove_displayed, remove_marks
from spinemet.scene.marks import Mark, marks_of
from spinemet.scene.markups import evidence_of, fill_markups, set_display
from spinemet.scene.roles import (
    RESULT,
    ROLE_ASSESSMENT,
    ROLE_EVIDENCE,
    ROLE_REFERENCE,
    ROLE_SEGMENTATION,
    ROLE_TABLE,
    ROLE_VOLUMES,
)
from spinemet.scene.segmentations import labelmaps_from_segmentation, outlines_of
from spinemet.scene.session import in_application
from spinemet.scene.table import fill_table
from spinemet.scene.views import prepare_views
from spinemet.scene.volumes import image_from_volume

MODULE = "SpineMetAssessment"
LESION_SEGMENTS = "SpineMet.LesionSegmentIDs"
"""Parameter: the segments that the user chose as lesions, a JSON list of IDs."""
GRADED_OPACITY = 0.45
_FOLDER = "SpineMet.Folder"
_LEVEL = "SpineMet.Level"
_TIME_POINT = "SpineMet.TimePoint"
_DATE = "SpineMet.Date"


@dataclass(frozen=True)
class SceneResult:
    """The nodes that show one assessment.

    :param parameter_node: vtkMRMLScriptedModuleNode that references all others.
    :param table: vtkMRMLTableNode.
    :param text: vtkMRMLTextNode with the assessment as JSON.
    :param evidence: vtkMRMLMarkupsFiducialNode by scored level.
    :param folder: subject-hierarchy item that holds them.
    :param marks: native markups of `marks_of`, those that a person moved among them.
    """

    parameter_node: Any
    table: Any
    text: Any
    evidence: dict[Level, Any]
    folder: int
    marks: tuple[Any, ...] = ()


def show_assessment(
    scene: Any,
    assessment: Assessment,
    *,
    volumes: Mapping[str, Any],
    segmentation: Any = None,
    existing: Any = None,
    lesion_segment_ids: Collection[str] = (),
    surfaces: bool = False,
    marks: Iterable[Mark] | None = None,
) -> SceneResult:
    """Show an assessment, in the nodes of an earlier one where there is one.

    :param volumes: volume nodes by the key of their image; that of `assessment.reference` must be among them.
    :param segmentation: the node that was assessed; its bones take the colors of their grades.
    :param existing: parameter node to update; by default that of the same reference volume and time point.
    :param lesion_segment_ids: segments that the user chose as lesions.
    :param surfaces: also make closed surfaces for 3D views (seconds).
    :param marks: lines, angles, planes and names to draw; by default what can be told without the vertebrae.
    :raises BadInput: the reference volume is not among the volumes.
    """
    with _renders_blocked():
        steps = show_steps(
            scene,
            assessment,
            volumes=volumes,
            segmentation=segmentation,
            existing=existing,
            lesion_segment_ids=lesion_segment_ids,
            surfaces=surfaces,
            marks=marks,
        )
        while True:
            try:
                next(steps)
            except StopIteration as end:
                result: SceneResult = end.value
                return result


def show_steps(
    scene: Any,
    assessment: Assessment,
    *,
    volumes: Mapping[str, Any],
    segmentation: Any = None,
    existing: Any = None,
    lesion_segment_ids: Collection[str] = (),
    surfaces: bool = False,
    previous: Assessment | None = None,
    marks: Iterable[Mark] | None = None,
    texts: LevelTexts | None = None,
    keep: bool = True,
) -> Generator[None, None, SceneResult]:
    """What `show_assessment` does, in steps of a few milliseconds, so that nobody waits for a regrade.

    :param previous: what the scene shows now; nodes of levels that are the same in both are left alone.
    :param texts: what was written of the assessments before this one.
    :param keep: also write the JSON. Otherwise the caller does, once the assessment is complete.
    """
    reference = volumes.get(assessment.reference)
    if reference is None:
        raise BadInput("The image that was assessed is not among the volumes; load it into the scene first.")
    parameter = existing or _find(scene, assessment, reference) or _new_parameter_node(scene)
    was_modifying = parameter.StartModify()
    parameter.SetName(f"{MODULE} {_when(assessment)}")
    parameter.SetAttribute(_TIME_POINT, assessment.time_point.label)
    parameter.SetAttribute(_DATE, assessment.time_point.date)
    parameter.SetParameter(LESION_SEGMENTS, json.dumps(list(lesion_segment_ids)))
    parameter.SetNodeReferenceID(ROLE_REFERENCE, reference.GetID())
    _refer_to(parameter, ROLE_VOLUMES, volumes.values())
    parameter.SetNodeReferenceID(ROLE_SEGMENTATION, segmentation.GetID() if segmentation is not None else None)
    text = _own(scene, parameter, ROLE_ASSESSMENT, "vtkMRMLTextNode", f"SpineMet assessment {_when(assessment)}")
    table = _own(scene, parameter, ROLE_TABLE, "vtkMRMLTableNode", f"SpineMet results {_when(assessment)}")
    parameter.EndModify(was_modifying)
    yield
    fill_table(table, assessment)
    yield
    if keep:
        text.SetText((texts or LevelTexts()).text(assessment))
        yield
    evidence = yield from _show_evidence(scene, parameter, assessment, previous)
    if segmentation is not None:
        _color_bones(segmentation, assessment)
        yield
        show_legend(scene)
        if surfaces:
            segmentation.CreateClosedSurfaceRepresentation()
    folder = _folder(scene, assessment, reference, table)
    _file(scene, folder, [table, *evidence.values(), text], move=True)
    _file(scene, folder, [*volumes.values(), *([segmentation] if segmentation is not None else [])], move=False)
    yield
    drawn = yield from mark_steps(scene, parameter, marks_of(assessment) if marks is None else marks, folder=folder)
    yield
    if not in_application():
        prepare_views(scene, reference, _look_at(assessment, reference))
    return SceneResult(parameter, table, text, evidence, folder, tuple(drawn))


def remove_assessment(scene: Any, parameter_node: Any) -> None:
    """Take a time point's result out of the scene, and nothing else: images, outlines and their colors stay.

    Marks that a person moved go, too. Bones take their own colors again.
    """
    # It measures along the canal, which opening the module must not wait for.
    from spinemet.scene.epidural import remove_epidural

    segmentation = parameter_node.GetNodeReference(ROLE_SEGMENTATION)
    with _renders_blocked():
        remove_marks(scene, parameter_node)
        remove_epidural(scene, parameter_node)
        for role in (ROLE_EVIDENCE, ROLE_TABLE, ROLE_ASSESSMENT):
            count = parameter_node.GetNumberOfNodeReferences(role)
            for node in [parameter_node.GetNthNodeReference(role, index) for index in range(count)]:
                if node is not None:
                    remove_displayed(scene, node)
        if segmentation is not None:
            _plain_bones(segmentation)
        scene.RemoveNode(parameter_node)
        if not any(_parameter_nodes(scene)):
            remove_legend(scene)


def read_assessment(scene: Any) -> list[tuple[Any, Assessment]]:
    """The assessments that a scene holds, each with its parameter node; nothing is recomputed.

    :raises BadInput: a stored assessment is damaged or of a newer version.
    """
    return [(node, _stored(node)) for node in _parameter_nodes(scene)]


def stale_inputs(parameter_node: Any, answers: str | None = None) -> tuple[str, ...]:
    """Names of the inputs ("image", "vertebrae", "lesions", "answers") that changed since the assessment was made.

    An input whose node is gone has changed, too.

    :param answers: fingerprint of the answers as they are now; None leaves them out of the comparison.
    """
    assessment = _stored(parameter_node)
    made_from = assessment.inputs
    # What the scene does not hold (answers, parameters) counts as unchanged unless the caller knows better.
    now = {name: stamp for name, stamp in made_from.items() if name not in ("image", "vertebrae", "lesions")}
    if answers is not None:
        now["answers"] = answers
    # What can no longer be read has no fingerprint, and so differs.
    with suppress(BadInput):
        now.update(_fingerprints(parameter_node, made_from))
    return assessment.stale(now)


def _fingerprints(parameter_node: Any, made_from: Collection[str]) -> Iterator[tuple[str, str]]:
    """Fingerprints of the referenced nodes as they are now, by the name of the input, as far as they can be read."""
    reference = parameter_node.GetNodeReference(ROLE_REFERENCE)
    if reference is None:
        return
    yield "image", image_from_volume(reference).fingerprint
    segmentation = parameter_node.GetNodeReference(ROLE_SEGMENTATION)
    if segmentation is None:
        return
    chosen = json.loads(parameter_node.GetParameter(LESION_SEGMENTS) or "[]")
    present = [item for item in chosen if segmentation.GetSegmentation().GetSegment(item) is not None]
    vertebrae, lesions = labelmaps_from_segmentation(segmentation, reference, present)
    for name, labelmap in (("vertebrae", vertebrae), ("lesions", lesions)):
        # An assessment without lesions is not stale because there are still none.
        if labelmap.present or name in made_from:
            yield name, labelmap.fingerprint


def _stored(parameter_node: Any) -> Assessment:
    text = parameter_node.GetNodeReference(ROLE_ASSESSMENT)
    try:
        plain = json.loads(text.GetText() if text is not None else "")
    except ValueError as error:
        raise BadInput("The assessment stored in this scene is damaged; assess again.") from error
    return Assessment.from_json(plain)


def _parameter_nodes(scene: Any) -> Iterator[Any]:
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLScriptedModuleNode")):
        node = scene.GetNthNodeByClass(index, "vtkMRMLScriptedModuleNode")
        if node.GetAttribute("ModuleName") == MODULE and node.GetNodeReferenceID(ROLE_ASSESSMENT):
            yield node


def _find(scene: Any, assessment: Assessment, reference: Any) -> Any:
    wanted = (reference.GetID(), assessment.time_point.label, assessment.time_point.date)
    for node in _parameter_nodes(scene):
        found = (node.GetNodeReferenceID(ROLE_REFERENCE), node.GetAttribute(_TIME_POINT), node.GetAttribute(_DATE))
        if found == wanted:
            return node
    return None


def _new_parameter_node(scene: Any) -> Any:
    node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
    # The scene keeps its own reference from AddNode on.
    node.UnRegister(None)
    node.SetModuleName(MODULE)
    node.SetAttribute("ModuleName", MODULE)
    return scene.AddNode(node)


def _own(scene: Any, parameter: Any, role: str, kind: str, name: str) -> Any:
    """The node that the parameter node references in a role, made when it is not there."""
    node = parameter.GetNodeReference(role)
    if node is None:
        node = scene.AddNewNodeByClass(kind, name)
        parameter.SetNodeReferenceID(role, node.GetID())
    if node.GetAttribute(RESULT) != role:
        node.SetAttribute(RESULT, role)
    return node


def _refer_to(parameter: Any, role: str, nodes: Collection[Any]) -> None:
    """Reference just these nodes; who watches the parameter node hears of it once, and only of a change."""
    wanted = [node.GetID() for node in nodes]
    count = parameter.GetNumberOfNodeReferences(role)
    if wanted == [parameter.GetNthNodeReferenceID(role, index) for index in range(count)]:
        return
    was_modifying = parameter.StartModify()
    parameter.RemoveNodeReferenceIDs(role)
    for node_id in wanted:
        parameter.AddNodeReferenceID(role, node_id)
    parameter.EndModify(was_modifying)


def _show_evidence(
    scene: Any, parameter: Any, assessment: Assessment, previous: Assessment | None
) -> Generator[None, None, dict[Level, Any]]:
    count = parameter.GetNumberOfNodeReferences(ROLE_EVIDENCE)
    nodes = filter(None, (parameter.GetNthNodeReference(ROLE_EVIDENCE, index) for index in range(count)))
    before = {Level(node.GetAttribute(_LEVEL)): node for node in nodes}
    shown = {item.level: item for item in previous.levels} if previous is not None else {}
    now = {}
    for item in assessment.scored:
        if not evidence_of(item):
            continue
        node = before.pop(item.level, None)
        if node is None:
            node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", f"{item.level} evidence")
            node.SetAttribute(_LEVEL, item.level.value)
            set_display(node)
            fill_markups(node, item)
            yield
        elif shown.get(item.level) != item:
            fill_markups(node, item)
            yield
        now[item.level] = node
    _refer_to(parameter, ROLE_EVIDENCE, now.values())
    for node in before.values():
        remove_displayed(scene, node)
    return now


def _color_bones(segmentation: Any, assessment: Assessment) -> None:
    segmentation.CreateDefaultDisplayNodes()
    display = segmentation.GetDisplayNode()
    grades = {item.level: item.sins.category for item in assessment.levels if item.sins is not None}
    for segment_id, outline in outlines_of(segmentation).items():
        if outline.structure not in (Structure.VERTEBRA, Structure.SACRUM):
            continue
        was_graded = display.GetSegmentOverrideColor(segment_id)[0] >= 0
        if (outline.level in grades) != was_graded:
            # See-through, so that the lesion shows; set once, so that the user's own choice stays.
            display.SetSegmentOpacity3D(segment_id, GRADED_OPACITY if outline.level in grades else 1.0)
        if outline.level in grades:
            display.SetSegmentOverrideColor(segment_id, *GRADE_COLORS[grades[outline.level]])
        else:
            display.UnsetSegmentOverrideColor(segment_id)


def _plain_bones(segmentation: Any) -> None:
    """Bones without a grade: their own color, opaque."""
    display = segmentation.GetDisplayNode()
    for segment_id in segmentation.GetSegmentation().GetSegmentIDs() if display is not None else ():
        if display.GetSegmentOverrideColor(segment_id)[0] >= 0:
            display.UnsetSegmentOverrideColor(segment_id)
            display.SetSegmentOpacity3D(segment_id, 1.0)


def _folder(scene: Any, assessment: Assessment, reference: Any, table: Any) -> int:
    """The folder that holds the table already, else a new one beside the reference volume (under its study)."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    root = hierarchy.GetSceneItemID()
    name = f"SpineMet {_when(assessment)}"
    item = hierarchy.GetItemByDataNode(table)
    parent = hierarchy.GetItemParent(item) if item else 0
    if parent and hierarchy.GetItemLevel(parent) == "Folder":
        # The user may have put the results into a folder of their own; its name stays.
        if hierarchy.GetItemAttribute(parent, _FOLDER):
            hierarchy.SetItemName(parent, name)
        return int(parent)
    beside = hierarchy.GetItemByDataNode(reference)
    folder = hierarchy.CreateFolderItem(hierarchy.GetItemParent(beside) if beside else root, name)
    hierarchy.SetItemAttribute(folder, _FOLDER, "1")
    return int(folder)


def _file(scene: Any, folder: int, nodes: Collection[Any], *, move: bool) -> None:
    """Put nodes into the folder; those that already have a place keep it unless `move`."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for node in nodes:
        item = hierarchy.GetItemByDataNode(node)
        if not item:
            hierarchy.CreateItem(folder, node)
        elif move:
            hierarchy.SetItemParent(item, folder)


def _look_at(assessment: Assessment, reference: Any) -> Point:
    """The worst level, else the middle of the volume."""
    worst = assessment.worst
    if worst is not None and worst.position is not None:
        return worst.position
    x, y, z = image_from_volume(reference).grid.center
    return (float(x), float(y), float(z))


def _when(assessment: Assessment) -> str:
    return assessment.time_point.date or assessment.time_point.label


def _renders_blocked() -> AbstractContextManager[Any]:
    blocker: Callable[[], AbstractContextManager[Any]] = slicer.util.RenderBlocker if in_application() else nullcontext
    return blocker()
