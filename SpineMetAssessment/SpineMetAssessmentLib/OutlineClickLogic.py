"""OutlineClickLogic: vertebrae, tumors and the canal from what a person clicked in the views; nodes in, no widget.

Every step is first computed, then written: `compute…` and `propose…` change nothing, `add…` and `accept…` do. So the
panel can save the segmentation for undoing in between, and what fails leaves all as it was.
"""

from dataclasses import dataclass
from typing import Any

import slicer
from slicer.i18n import tr as _

from SpineMetAssessmentLib.Background import inBackground
from SpineMetAssessmentLib.LogicPart import LogicPart
from SpineMetAssessmentLib.OutlineMarks import isUnedited, markUnedited

PREVIEW = "SpineMet.TumorPreview"
"""Singleton tag of the segmentation that shows a tumor before it is accepted."""
OWN, GROW, NNINTERACTIVE = "own", "grow", "nninteractive"
"""Who finds a tumor's border: our cut, Slicer's grow from seeds, a server."""


@dataclass(frozen=True)
class TumorChoice:
    """What holds for the tumor that is outlined.

    :param volume: the image.
    :param segmentID: the lesion's segment; empty for a new one.
    :param within: parts of the body to which it is limited, as values of `spinemet…tumor_limits.Within`.
    :param method: `OWN`, `GROW` or `NNINTERACTIVE`.
    :param server: address of nnInteractive's server.
    """

    volume: Any
    segmentID: str = ""
    within: tuple[str, ...] = ()
    method: str = OWN
    server: str = ""


class OutlineClickLogic(LogicPart):
    """One step for each click."""

    def forget(self) -> None:
        super().forget()
        self._tumorSession: Any = None
        self._tumorChoice: TumorChoice | None = None
        self._server: Any = None

    # Where to

    def outlineImages(self, parameterNode: Any) -> list[Any]:
        """The images of this patient on which outlining by clicks makes sense."""
        from spinemet.case import Role

        found = [node for node in self.studyVolumes(parameterNode) if not node.GetHideFromEditors()]
        wanted = {Role.CT, Role.T1, Role.T1_GD, Role.T2, Role.STIR, Role.PET}
        return [node for node in found if self.roleOf(node).role in wanted or node is parameterNode.referenceVolume]

    def segmentationOn(self, parameterNode: Any, volume: Any, make: bool = False) -> Any:
        """The segmentation of an image: the time point's on its reference image, one of its own on every other.

        :param make: make it where it is missing; otherwise None.
        """
        if volume is None or not volume:
            return None
        if volume is parameterNode.referenceVolume:
            return self.ensureSegmentation(parameterNode) if make else (parameterNode.segmentation or None)
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
            reference = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
            if reference is volume and not node.GetHideFromEditors() and node is not parameterNode.segmentation:
                return node
        if not make:
            return None
        from spinemet.scene import load_terminology

        load_terminology()
        name = _("Outlines on {name}").format(name=volume.GetName())
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        node.CreateDefaultDisplayNodes()
        return node

    def whyNotClick(self, parameterNode: Any, volume: Any, structure: str) -> str:
        """Why a structure cannot be outlined by clicks in an image, in a sentence; empty when it can."""
        from spinemet.case import Role

        if parameterNode is None or not volume:
            return _("Choose the image in Study first.")
        refused = self.whyNotMeasurable(volume)
        if refused:
            return str(refused)
        role = self.roleOf(volume).role
        if structure != "lesion" and role is Role.PET:
            return _("PET shows neither bone nor canal; choose the CT or an MR.")
        if structure == "canal" and role is not Role.CT and role not in (Role.T1, Role.T1_GD, Role.T2, Role.STIR):
            return _("The canal is outlined in CT, T1, T2 or STIR; choose another image.")
        return ""

    # Vertebrae

    def computeVertebra(
        self, parameterNode: Any, volume: Any, position: Any, level: str, whole: bool = False, progress: Any = None
    ) -> Any:
        """What one click outlines, a spinemet LabelMap of levels that are not outlined yet.

        :param position: RAS, mm.
        :param whole: all vertebrae near the click, named by it (CT).
        :raises spinemet.errors.SpineMetError: the click cannot be used, or the level is outlined already.
        """
        from spinemet.case import Role, Structure
        from spinemet.codes import bone_of
        from spinemet.errors import BadInput
        from spinemet.levels import Level
        from spinemet.progress import silent
        from spinemet.scene import image_from_volume
        from spinemet.segmentation.clicks import Click
        from spinemet.segmentation.mr_vertebrae import outline_bodies
        from spinemet.segmentation.vertebrae_ct import outline_vertebrae

        image, place = image_from_volume(volume), Level.parse(level)
        bones = self._bonesOn(parameterNode, volume)
        taken = set(bones.levels) if bones is not None else set()
        if place in taken and not whole:
            raise BadInput(
                _("{level} is outlined already; choose another level, or delete that outline.").format(level=level)
            )
        click = Click(tuple(float(x) for x in position), place, bone_of(place).structure)
        click.index_in(image)
        if self.roleOf(volume).role is Role.CT:
            work = _vertebraWork(outline_vertebrae, image, click, whole)
        else:
            work = _vertebraWork(outline_bodies, image, click, None)
        labels = inBackground(work, progress or silent)
        keep = {
            value: item
            for value, item in labels.present.items()
            if item.structure in (Structure.VERTEBRA, Structure.SACRUM, Structure.DISC) and item.level not in taken
        }
        array = labels.image.array.copy()
        if bones is not None:
            array[bones.image.array > 0] = 0
        from dataclasses import replace

        fresh = replace(labels, image=image.with_array(array), outlines=keep)
        if not fresh.present:
            raise BadInput(_("The click lies in what is outlined already; click into another vertebra."))
        return fresh

    def addOutlinesOf(self, parameterNode: Any, volume: Any, labels: Any) -> list[str]:
        """New segments for all outlines of a label map on the image's grid; returns their IDs."""
        from spinemet.scene.outline_nodes import add_outlines

        node = self.segmentationOn(parameterNode, volume, make=True)
        added = add_outlines(node, volume, labels)
        self.updateLesionSegments(parameterNode)
        return added

    def nextLevel(self, level: str, taken: Any = ()) -> str:
        """The level to click after this one: the next one toward the tail that is free."""
        from spinemet.levels import Level, adjacent

        here: Any = Level.parse(level)
        held = {Level.parse(item) for item in taken}
        while here is not None and (here in held or here.value == level):
            here = adjacent(here, 1)
        return level if here is None else here.value

    # Canal, sac and cord

    def computeCanal(self, parameterNode: Any, volume: Any, positions: Any, progress: Any = None) -> Any:
        """Canal, and in MR sac and cord, between clicks: whole masks by structure, and notes.

        :raises spinemet.errors.SpineMetError: the clicks cannot be used.
        """
        from spinemet.case import Role, Structure
        from spinemet.progress import silent
        from spinemet.scene import image_from_volume
        from spinemet.segmentation.canal_ct import canal_in_ct
        from spinemet.segmentation.canal_mr import outline_canal
        from spinemet.segmentation.clicks import Click

        image, role = image_from_volume(volume), self.roleOf(volume).role
        clicks = [Click(tuple(float(x) for x in place), None, Structure.CANAL) for place in positions]
        if role is Role.CT:
            labels = inBackground(lambda report: canal_in_ct(image, clicks, report), progress or silent)
        else:
            labels = inBackground(lambda report: outline_canal(image, clicks, role, report).labels, progress or silent)
        array, masks = labels.image.array, {}
        # Nested: each label leaves out what lies within it.
        for value in sorted(labels.present):
            masks[labels.outlines[value].structure] = image.with_array(array >= value)
        return masks, list(labels.notes)

    def addCanal(self, parameterNode: Any, volume: Any, masks: Any) -> list[str]:
        """Add the masks to the segments of their structures, made where they are missing; returns their IDs."""
        from spinemet.case import Outline
        from spinemet.scene import outlines_of
        from spinemet.scene.outline_nodes import mask_of, set_mask

        node = self.segmentationOn(parameterNode, volume, make=True)
        changed = []
        for structure, mask in masks.items():
            own = [key for key, item in outlines_of(node).items() if item.structure is structure]
            segmentID = own[0] if own else self._addSegmentFor(node, Outline(structure, frame=mask.frame))
            before = mask_of(node, volume, segmentID)
            # What a person drew before stays a person's, though some is added.
            ours = before is None or isUnedited(node, segmentID)
            set_mask(node, segmentID, mask if before is None else _together(mask, before))
            if ours:
                markUnedited(node, [segmentID])
            changed.append(segmentID)
        return changed

    # Tumors

    def tumorMethods(self, server: str = "") -> list[tuple[str, str, str]]:
        """Who can find a tumor's border: key, name, and why it cannot be used here."""
        from spinemet.segmentation.engines.nninteractive import NnInteractive

        engine = NnInteractive(server)
        missing = engine.available()
        # Who chooses it must know where the image goes.
        away = not missing and engine.leaves_the_computer
        name = _("nnInteractive, sends the image to {host}").format(host=engine.host) if away else "nnInteractive"
        return [
            (OWN, _("graph cut"), ""),
            (GROW, _("Slicer's grow from seeds"), ""),
            (NNINTERACTIVE, name, missing),
        ]

    def markTumor(self, parameterNode: Any, choice: TumorChoice, kind: str, points: Any, inside: bool) -> Any:
        """Take a mark and propose an outline, shown as a preview; returns a spinemet TumorState.

        :param kind: "point", "stroke" or "box"; a box by two opposite corners.
        :param points: RAS, mm.
        :raises spinemet.errors.SpineMetError: the mark cannot be used; nothing changes.
        """
        from spinemet.segmentation.tumor_strokes import Box, Stroke

        places = tuple(tuple(float(x) for x in point) for point in points)
        session = self._sessionFor(parameterNode, choice)
        state = session.add(Box((places[0], places[1])) if kind == "box" else Stroke(places, inside))
        self._tumorSession, self._tumorChoice = session, choice
        self._showPreview(state)
        return state

    def refineTumor(self, progress: Any = None) -> Any:
        """Make the proposal exact; the window stays alive meanwhile."""
        from spinemet.progress import silent

        session = self._tumorSession
        if session is None:
            return None
        state = inBackground(lambda _report: session.refine(), progress or silent)
        if session is self._tumorSession:
            self._showPreview(state)
        return state

    @property
    def tumorState(self) -> Any:
        """What stands of the tumor that is being outlined, a spinemet TumorState; None when there is none."""
        return self._tumorSession.state if self._tumorSession is not None else None

    def canUndoMark(self) -> bool:
        return self._tumorSession is not None and bool(self._tumorSession.can_undo)

    def canRedoMark(self) -> bool:
        return self._tumorSession is not None and bool(self._tumorSession.can_redo)

    def stepMark(self, back: bool) -> Any:
        """Take the last mark back, or take it again."""
        state = self._tumorSession.undo() if back else self._tumorSession.redo()
        self._showPreview(state)
        return state

    def acceptTumor(self, parameterNode: Any) -> str:
        """Write the tumor as it is shown into its segment, a new one where none was chosen; returns its ID.

        :raises spinemet.errors.BadInput: there is nothing to accept.
        """
        from dataclasses import replace

        from spinemet.case import Outline, Structure
        from spinemet.errors import BadInput
        from spinemet.scene import outlines_of
        from spinemet.scene.outline_nodes import mask_of, set_mask
        from spinemet.segmentation.tumor_in_canal import CanalProposal

        if self._tumorSession is None or self._tumorChoice is None:
            raise BadInput(_("There is no outline to accept yet; mark the tumor first."))
        choice = self._tumorChoice
        proposal = self._tumorSession.state.proposal
        mask = self._tumorSession.accept().mask
        node = self.segmentationOn(parameterNode, choice.volume, make=True)
        segmentID = choice.segmentID
        if not segmentID or node.GetSegmentation().GetSegment(segmentID) is None:
            taken = {item.lesion_id for item in outlines_of(node).values()}
            number = next(n for n in range(1, len(taken) + 2) if f"lesion-{n}" not in taken)
            segmentID = self._addSegmentFor(node, Outline(Structure.LESION, lesion_id=f"lesion-{number}"))
        ours = mask_of(node, choice.volume, segmentID) is None or isUnedited(node, segmentID)
        set_mask(node, segmentID, mask)
        if ours:
            markUnedited(node, [segmentID])
        if isinstance(proposal, CanalProposal):
            self._giveWay(node, proposal.canal)
        self._tumorChoice = replace(choice, segmentID=segmentID)
        self._removePreview()
        self.updateLesionSegments(parameterNode)
        return str(segmentID)

    def endTumor(self) -> None:
        """Let go of the tumor that is being outlined; what was accepted stays, a preview goes."""
        self._tumorSession, self._tumorChoice = None, None
        if self._server is not None:
            self._server.close()
            self._server = None
        self._removePreview()

    def lesionsOn(self, parameterNode: Any, volume: Any) -> dict[str, str]:
        """Names of the lesions outlined on an image by segment ID."""
        from spinemet.case import Structure
        from spinemet.scene import outlines_of

        node = self.segmentationOn(parameterNode, volume)
        found = outlines_of(node) if node else {}
        return {key: item.name or key for key, item in found.items() if item.structure is Structure.LESION}

    def _sessionFor(self, parameterNode: Any, choice: TumorChoice) -> Any:
        """The running session where it is of the same tumor, else a new one from what is outlined."""
        from spinemet.scene import image_from_volume
        from spinemet.scene.outline_nodes import mask_of
        from spinemet.segmentation.tumor_correct import Setting
        from spinemet.segmentation.tumor_session import TumorSession

        if self._tumorSession is not None and self._tumorChoice == choice:
            return self._tumorSession
        image = image_from_volume(choice.volume)
        node = self.segmentationOn(parameterNode, choice.volume)
        accepted = mask_of(node, choice.volume, choice.segmentID) if node and choice.segmentID else None
        setting = Setting(role=self.roleOf(choice.volume).role, limit=self._limitOf(parameterNode, choice, image))
        canal = self._canalFor(parameterNode, choice, image)
        return TumorSession(image, setting=setting, engine=self._growerOf(choice), accepted=accepted, canal=canal)

    def _canalFor(self, parameterNode: Any, choice: TumorChoice, image: Any) -> Any:
        """The canal outlined on an MR, in which our own outliner seeks tumor where a mark runs in it; else None."""
        import numpy as np

        from spinemet.case import Outline, Structure
        from spinemet.labelmap import LabelMap
        from spinemet.scene import outlines_of
        from spinemet.scene.outline_nodes import mask_of
        from spinemet.segmentation.canal_mr import CANAL, CORD, SAC, CanalOutline
        from spinemet.segmentation.tumor_correct import placed

        limited = bool(choice.within) and "canal" not in choice.within
        node = self.segmentationOn(parameterNode, choice.volume)
        if choice.method != OWN or limited or not node or not self.roleOf(choice.volume).role.is_mr:
            return None
        values = {Structure.CANAL: CANAL, Structure.THECAL_SAC: SAC, Structure.CORD: CORD}
        array = np.zeros(image.shape, np.uint8)
        whole = tuple(slice(0, n) for n in image.shape)
        for key, item in outlines_of(node).items():
            mask = mask_of(node, choice.volume, key) if item.structure in values else None
            if mask is not None:
                np.maximum(array, placed(mask, image, whole) * np.uint8(values[item.structure]), out=array)
        if not (array == CANAL).any():
            return None
        outlines = {value: Outline(structure, frame=image.frame) for structure, value in values.items()}
        nothing = image.with_array(np.zeros(image.shape, bool))
        return CanalOutline(LabelMap(image.with_array(array), outlines), nothing, (), np.zeros((0, 3)))

    def _giveWay(self, node: Any, canal: Any) -> None:
        """Sac and cord without what was found to be tumor; those that a person drew or edited stay as they are."""
        from spinemet.case import Structure
        from spinemet.scene import outlines_of
        from spinemet.scene.outline_nodes import set_mask

        for key, item in outlines_of(node).items():
            if item.structure in (Structure.THECAL_SAC, Structure.CORD) and isUnedited(node, key):
                set_mask(node, key, canal.mask(item.structure))
                markUnedited(node, [key])

    def _growerOf(self, choice: TumorChoice) -> Any:
        if choice.method == GROW:
            from spinemet.scene.outline_engines import GrowFromSeeds

            return GrowFromSeeds()
        if choice.method == NNINTERACTIVE:
            from spinemet.segmentation.engines.nninteractive import NnInteractive

            self._server = NnInteractive(choice.server)
            return self._server
        return None

    def _limitOf(self, parameterNode: Any, choice: TumorChoice, image: Any) -> Any:
        from spinemet.errors import BadInput
        from spinemet.scene.outline_nodes import layers_from_segmentation
        from spinemet.segmentation.tumor_limits import Within, limit_to

        if not choice.within:
            return None
        node = self.segmentationOn(parameterNode, choice.volume)
        if not node:
            raise BadInput(_("Nothing is outlined to which the tumor could be limited; outline the vertebra first."))
        return limit_to([Within(name) for name in choice.within], layers_from_segmentation(node, choice.volume), image)

    def _bonesOn(self, parameterNode: Any, volume: Any) -> Any:
        from spinemet.case import Structure
        from spinemet.scene import labelmap_from_segmentation

        node = self.segmentationOn(parameterNode, volume)
        if not node:
            return None
        bones = (Structure.VERTEBRA, Structure.SACRUM)
        return labelmap_from_segmentation(node, volume, lambda outline: outline.structure in bones)

    def _addSegmentFor(self, node: Any, outline: Any) -> str:
        """An empty segment with our name, term, tags and color; returns its ID."""
        from spinemet.codes import name_of
        from spinemet.colors import STRUCTURE_COLORS
        from SpineMetAssessmentLib.OutlineLogic import identify

        segmentation = node.GetSegmentation()
        wanted = outline.lesion_id or name_of(outline).replace(" ", "_")
        segmentID = segmentation.AddEmptySegment(segmentation.GenerateUniqueSegmentID(wanted))
        segment = segmentation.GetSegment(segmentID)
        identify(segment, outline)
        segment.SetColor(*STRUCTURE_COLORS[outline.structure])
        return str(segmentID)

    def _showPreview(self, state: Any) -> None:
        """Show a proposal over everything else; what was accepted stands in its segment."""
        from spinemet.scene.outline_nodes import set_mask

        if self._tumorChoice is None or state.mask is None:
            self._removePreview()
            return
        node = slicer.mrmlScene.GetSingletonNode(PREVIEW, "vtkMRMLSegmentationNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentationNode")
            # The scene keeps its own reference from AddNode on.
            node.UnRegister(None)
            node.SetSingletonTag(PREVIEW)
            node.SetName(_("Tumor, not accepted yet"))
            node.SetHideFromEditors(True)
            node.SetSaveWithScene(False)
            node = slicer.mrmlScene.AddNode(node)
            node.CreateDefaultDisplayNodes()
            node.GetDisplayNode().SetOpacity2DFill(0.15)
        node.SetReferenceImageGeometryParameterFromVolumeNode(self._tumorChoice.volume)
        node.SetAndObserveTransformNodeID(self._tumorChoice.volume.GetTransformNodeID())
        segmentation = node.GetSegmentation()
        if segmentation.GetNumberOfSegments() == 0:
            segmentation.AddEmptySegment("preview", _("Tumor, not accepted yet"), [1.0, 0.75, 0.1])
        set_mask(node, "preview", state.mask)

    def _removePreview(self) -> None:
        node = slicer.mrmlScene.GetSingletonNode(PREVIEW, "vtkMRMLSegmentationNode") if slicer.mrmlScene else None
        if node is not None:
            slicer.mrmlScene.RemoveNode(node)


def _vertebraWork(outline: Any, image: Any, click: Any, whole: bool | None) -> Any:
    def work(report: Any) -> Any:
        if whole is None:
            return outline(image, [click], report)
        return outline(image, [click], report, whole=whole).labels

    return work


def _together(mask: Any, before: Any) -> Any:
    """A mask on the whole grid with an earlier one, on a crop of it, added."""
    import numpy as np

    array = mask.array.copy()
    start = np.rint(mask.to_index(before.to_world(np.zeros(3)))).astype(int)[::-1]
    region = tuple(slice(int(a), int(a) + n) for a, n in zip(start, before.shape, strict=True))
    array[region] |= before.array
    return mask.with_array(array)
