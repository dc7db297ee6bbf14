"""OutlineLogic: label maps in, new segments with our terms, and the levels' names; nodes in, no widget."""

import json
from dataclasses import dataclass, replace
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from SpineMetAssessmentLib.LogicPart import LogicPart

LESIONS = "lesions"
"""Chosen in place of a numbering: every label is a lesion."""
UNDO_STEPS = 20


@dataclass(frozen=True)
class NamesBefore:
    """What a renaming changed: names, tags and terms by segment ID, and the answers that follow the levels."""

    segments: dict[str, tuple[str, dict[str, str], str]]
    answers: str
    readings: str


class OutlineLogic(LogicPart):
    """Imports, presets and names."""

    def forget(self) -> None:
        super().forget()
        self._named: list[NamesBefore] = []

    def numberings(self) -> list[str]:
        """The numberings of label maps that a person may choose."""
        from spinemet.study import NUMBERINGS

        return [item.name for item in NUMBERINGS]

    def levelNames(self) -> list[str]:
        """The levels that a bone may have, from head to tail."""
        from spinemet.levels import Level

        return [level.value for level in Level if level is not Level.OCC]

    def importLabels(self, parameterNode: Any, path: str, numbering: str = "", progress: Any = None) -> list[str]:
        """Add a label map's outlines to the chosen segmentation, or to a new one; returns notes for the user.

        :param numbering: one of `numberings()`, `LESIONS`, or empty to find it out.
        :raises spinemet.errors.SpineMetError: another grid, unknown numbers, or a level that is outlined already.
        """
        from spinemet.errors import BadInput
        from spinemet.progress import silent
        from spinemet.scene import image_from_volume, segmentation_from_labelmaps
        from spinemet.study import read_labels, read_lesions

        volume = parameterNode.referenceVolume
        if not volume:
            raise BadInput(_("Choose the image that the label map was drawn on first."))
        report = progress or silent
        report(0.1, _("Reading the label map"))
        image = image_from_volume(volume)
        labels = read_lesions(path, image) if numbering == LESIONS else read_labels(path, image, numbering or None)
        if not labels.present:
            raise BadInput(_("The label map is empty; choose the file with the outlines."))
        report(0.5, _("Adding the outlines"))
        node = parameterNode.segmentation
        if not node:
            parameterNode.segmentation = segmentation_from_labelmaps(slicer.mrmlScene, [labels], volume)
        else:
            self._requireNewLevels(node, labels)
            extra = segmentation_from_labelmaps(slicer.mrmlScene, [labels], volume)
            try:
                _copySegments(extra, node)
            finally:
                slicer.mrmlScene.RemoveNode(extra)
        self.updateLesionSegments(parameterNode)
        return [f"{labels.numbering}.", *labels.notes] if labels.numbering else list(labels.notes)

    def ensureSegmentation(self, parameterNode: Any) -> Any:
        """The chosen segmentation, or a new, empty one on the reference image.

        :raises spinemet.errors.BadInput: there is no image to outline on.
        """
        from spinemet.errors import BadInput
        from spinemet.scene import load_terminology

        if parameterNode.segmentation:
            return parameterNode.segmentation
        volume = parameterNode.referenceVolume
        if not volume:
            raise BadInput(_("Choose the image to outline on first."))
        load_terminology()
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", _("Spine segmentation"))
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        node.CreateDefaultDisplayNodes()
        parameterNode.segmentation = node
        return node

    def addSegment(self, parameterNode: Any, structure: str, level: str = "") -> str:
        """Add an empty segment with our name, term, tags and color; returns its ID.

        :param structure: one of the values of `spinemet.case.Structure`.
        :param level: of a vertebra; "S1" stands for the sacrum.
        :raises spinemet.errors.BadInput: this level is outlined already.
        """
        from spinemet.case import Outline, Structure
        from spinemet.codes import bone_of
        from spinemet.colors import STRUCTURE_COLORS
        from spinemet.levels import Level
        from spinemet.scene import outlines_of

        node = self.ensureSegmentation(parameterNode)
        kind = Structure(structure)
        if kind is Structure.LESION:
            taken = {item.lesion_id for item in outlines_of(node).values()}
            number = next(n for n in range(1, len(taken) + 2) if f"lesion-{n}" not in taken)
            outline = Outline(kind, lesion_id=f"lesion-{number}")
        elif kind is Structure.VERTEBRA:
            outline = bone_of(Level.parse(level))
            _requireFree(node, outline.level)
        else:
            outline = Outline(kind)
        segmentation = node.GetSegmentation()
        segmentID = segmentation.AddEmptySegment(segmentation.GenerateUniqueSegmentID(outline.lesion_id or level))
        segment = segmentation.GetSegment(segmentID)
        identify(segment, outline)
        segment.SetColor(*STRUCTURE_COLORS[outline.structure])
        self.updateLesionSegments(parameterNode)
        return str(segmentID)

    def levelsOf(self, segmentation: Any) -> dict[str, str]:
        """The level of every segment that is a bone, by segment ID, from head to tail."""
        found = {key: item.level for key, item in _bones(segmentation).items()}
        return {key: found[key].value for key in sorted(found, key=lambda key: found[key].order)}

    def setLevel(self, parameterNode: Any, segmentID: str, level: str) -> None:
        """Give one bone another level. What was answered stays with the level's name.

        :raises spinemet.errors.BadInput: another segment has this level.
        """
        from spinemet.codes import bone_of
        from spinemet.levels import Level

        node, place = parameterNode.segmentation, Level.parse(level)
        if _bones(node)[segmentID].level is place:
            return
        _requireFree(node, place)
        self._rememberNames(parameterNode)
        identify(node.GetSegmentation().GetSegment(segmentID), bone_of(place))

    def shiftLevels(self, parameterNode: Any, step: int) -> None:
        """Rename all vertebrae by one level; their lesions, answers and overrides go with them; a sacrum stays.

        The levels are unconfirmed then.

        :param step: 1 toward the tail (L3 becomes L4), −1 toward the head.
        :raises spinemet.errors.BadInput: a name would lie beyond the spine, or meet the sacrum's.
        """
        from spinemet.answers import Answers
        from spinemet.case import Structure
        from spinemet.errors import BadInput
        from spinemet.levels import Region, shifted

        node = parameterNode.segmentation
        bones = _bones(node) if node else {}
        if not bones:
            raise BadInput(_("No vertebra is outlined yet; there is nothing to rename."))
        named = {key: item for key, item in _named(node).items() if item.structure is not Structure.SACRUM}
        fixed = {item.level for item in bones.values() if item.structure is Structure.SACRUM}
        texts = {"": parameterNode.answers, **self.readings(parameterNode)}
        said = {reader: Answers.from_json(json.loads(text)) for reader, text in texts.items() if text}
        levels = {item.level for item in named.values()} | {level for item in said.values() for level in item.levels}
        if fixed:
            # What was answered below the first sacral level is as little counted as the sacrum itself.
            fixed |= {level for level in levels if level.region is Region.SACRAL}
        moved = shifted(levels, step, fixed=fixed)
        self._rememberNames(parameterNode)
        with slicer.util.NodeModify(node):
            for segmentID, outline in named.items():
                _rename(node.GetSegmentation().GetSegment(segmentID), outline, moved[outline.level])
        renamed = {
            reader: replace(
                item, levels={moved[level]: entry for level, entry in item.levels.items()}, levels_confirmed=False
            )
            for reader, item in said.items()
        }
        plain = {reader: json.dumps(item.to_json(), ensure_ascii=False) for reader, item in renamed.items()}
        with slicer.util.NodeModify(parameterNode):
            parameterNode.answers = plain.pop("", "")
            parameterNode.readings = json.dumps(plain, ensure_ascii=False) if plain else ""

    def canUndoNames(self) -> bool:
        """Whether a renaming can be taken back."""
        return bool(self._named)

    def undoNames(self, parameterNode: Any) -> None:
        """Take the last renaming back, with the answers that went with it."""
        before = self._named.pop()
        segmentation = parameterNode.segmentation.GetSegmentation()
        for segmentID, (name, tags, term) in before.segments.items():
            segment = segmentation.GetSegment(segmentID)
            if segment is not None:
                _write(segment, name, tags, term)
        with slicer.util.NodeModify(parameterNode):
            parameterNode.answers, parameterNode.readings = before.answers, before.readings

    def _rememberNames(self, parameterNode: Any) -> None:
        segmentation = parameterNode.segmentation.GetSegmentation()
        segments = {key: _read(segmentation.GetSegment(key)) for key in segmentation.GetSegmentIDs()}
        self._named.append(NamesBefore(segments, parameterNode.answers, parameterNode.readings))
        del self._named[:-UNDO_STEPS]

    def _requireNewLevels(self, node: Any, labels: Any) -> None:
        for level in labels.levels:
            _requireFree(node, level)


def _bones(node: Any) -> dict[str, Any]:
    from spinemet.case import Structure

    bones = (Structure.VERTEBRA, Structure.SACRUM)
    return {key: item for key, item in _named(node).items() if item.structure in bones}


def _named(node: Any) -> dict[str, Any]:
    """The segments that name a level: bones, and lesions said to be at one."""
    from spinemet.levels import Level
    from spinemet.scene import outlines_of

    return {key: item for key, item in outlines_of(node).items() if item.level not in (None, Level.OCC)}


def _rename(segment: Any, outline: Any, level: Any) -> None:
    """Give a bone, or what is said to be at a bone, another level."""
    from spinemet.case import Structure
    from spinemet.codes import TAG_LEVEL, bone_of

    if outline.structure is Structure.VERTEBRA:
        identify(segment, bone_of(level))
    else:
        segment.SetTag(TAG_LEVEL, level.value)


def _requireFree(node: Any, level: Any) -> None:
    from spinemet.errors import BadInput

    for item in _bones(node).values():
        if item.level is level:
            raise BadInput(
                _("{level} is outlined already, as {name}; choose another level, or another segmentation.").format(
                    level=level, name=item.name
                )
            )


def _copySegments(source: Any, target: Any) -> None:
    with slicer.util.NodeModify(target):
        for segmentID in source.GetSegmentation().GetSegmentIDs():
            target.GetSegmentation().CopySegmentFromSegmentation(source.GetSegmentation(), segmentID)


def identify(segment: Any, outline: Any) -> None:
    """Name, tags and term of a segment say what it is."""
    from spinemet.codes import entry_of, name_of, tags_of

    _write(segment, name_of(outline), tags_of(outline), entry_of(outline))


def _write(segment: Any, name: str, tags: dict[str, str], term: str) -> None:
    from spinemet.codes import TAG_LESION_ID, TAG_LEVEL, TAG_STRUCTURE

    segment.SetName(name)
    segment.SetNameAutoGenerated(False)
    segment.SetColorAutoGenerated(False)
    for tag in (TAG_STRUCTURE, TAG_LEVEL, TAG_LESION_ID):
        segment.RemoveTag(tag)
    for tag, text in tags.items():
        segment.SetTag(tag, text)
    segment.SetTerminology(term)


def _read(segment: Any) -> tuple[str, dict[str, str], str]:
    from spinemet.codes import TAG_LESION_ID, TAG_LEVEL, TAG_STRUCTURE

    tags = {}
    for tag in (TAG_STRUCTURE, TAG_LEVEL, TAG_LESION_ID):
        text = vtk.reference("")
        if segment.GetTag(tag, text):
            tags[tag] = str(text)
    return segment.GetName() or "", tags, segment.GetTerminology() or ""
