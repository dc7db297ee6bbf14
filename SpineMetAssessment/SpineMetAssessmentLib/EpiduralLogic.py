"""EpiduralLogic: from outlines on an MR to ESCC grades in the assessment, by hand and live; nodes in, no widget."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SpineMetAssessmentLib.LiveLogic import DEBOUNCE_MS, STROKE_MS, LiveLogic
from SpineMetAssessmentLib.OutlineMarks import confirm, isUnedited, stampOf

PARTS = ("canal", "sac", "cord", "tumor")
SLICE_SECONDS = 0.012
"""How long one step of live grading may hold the main thread."""
_WORDS = {
    "canal": ("spinal canal", "canal", "spinal_canal"),
    "sac": ("thecal sac", "dural sac", "thecal_sac", "dural_sac", "sac"),
    "cord": ("spinal cord", "cord", "spinal_cord", "myelon"),
    "tumor": ("tumor", "tumour", "lesion", "metasta", "epidural"),
    "roots": ("nerve roots", "nerve root", "roots", "spinal nerve"),
}
AROUND_MM = 45.0
"""What lies farther from the canal than this changes no measure; leaving it out keeps live grading fast."""


@dataclass(frozen=True)
class EpiduralChoice:
    """What is graded.

    :param volume: the MR (or CT) volume node; None while none is chosen.
    :param segmentation: the segmentation node with its outlines.
    :param segments: segment IDs by name of the part, see `PARTS`.
    :param conus: name of the last level with cord, as a person says; empty where the outlined cord's end tells.
    """

    volume: Any = None
    segmentation: Any = None
    segments: tuple[tuple[str, tuple[str, ...]], ...] = ()
    conus: str = ""

    def of(self, part: str) -> tuple[str, ...]:
        """The segment IDs of a part."""
        return dict(self.segments).get(part, ())


class EpiduralLogic(LiveLogic):
    """Grades, keeps the grades in the assessment, and grades again after an edit.

    :param canalRegraded: called after a live regrade stands in the scene.
    :param canalFailed: called with a sentence when the canal cannot be graded as it is now.
    """

    def __init__(self) -> None:
        self.canalRegraded: Callable[[], None] | None = None
        self.canalFailed: Callable[[str], None] | None = None
        self._canalTimer: Any = None
        self._canalObserver = _Observer()
        super().__init__()

    def forget(self) -> None:
        self.unfollowCanal()
        self._canalStore: Any = None
        # By volume's ID: what the image was cropped from, and the crop.
        self._canalImages: dict[str, tuple[Any, Any]] = {}
        # The outlined vertebrae that were read last: their key, their places, and a mask of all of them.
        self._canalLevels: tuple[Any, Any, Any] = (None, None, None)
        # By segment's node and ID: its stamp, and whether it is as SpineMet outlined it.
        self._unedited: dict[tuple[str, str], tuple[Any, bool]] = {}
        # By parameter node's ID: the EpiduralDisease that was computed last, and the key of what it was made from.
        self._diseases: dict[str, tuple[Any, Any]] = {}
        super().forget()

    # What to grade

    def guessSegments(self, segmentation: Any) -> dict[str, tuple[str, ...]]:
        """The segments of each part, told by tags or terms, else by names."""
        from spinemet.case import Structure
        from spinemet.scene import outlines_of

        structures = {
            Structure.CANAL: "canal", Structure.THECAL_SAC: "sac", Structure.CORD: "cord", Structure.LESION: "tumor",
        }  # fmt: skip
        found: dict[str, list[str]] = {part: [] for part in (*PARTS, "roots")}
        outlines = outlines_of(segmentation)
        for segmentID in segmentation.GetSegmentation().GetSegmentIDs():
            outline = outlines.get(segmentID)
            name = (segmentation.GetSegmentation().GetSegment(segmentID).GetName() or "").strip().lower()
            if name in _WORDS["roots"]:
                part = "roots"
            elif outline is not None:
                part = structures.get(outline.structure, "")
            elif any(word in name for word in _WORDS["tumor"]):
                part = "tumor"
            else:
                part = next((key for key in ("cord", "sac", "canal") if name in _WORDS[key]), "")
            if part:
                found[part].append(segmentID)
        return {part: tuple(items) for part, items in found.items()}

    def guessEpidural(self, parameterNode: Any) -> tuple[Any, Any]:
        """The segmentation that outlines a canal or a sac, and the image it was drawn on; None where there is none."""
        from spinemet.epidural_files import PREFERRED

        held = []
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
            parts = self.guessSegments(node)
            if parts["canal"] or parts["sac"]:
                volume = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
                role = self.roleOf(volume).role if volume is not None else None
                rank = PREFERRED.index(role) if role in PREFERRED else len(PREFERRED)
                held.append((rank, len(held), volume, node))
        own = self.studyVolumes(parameterNode) if parameterNode is not None else self.volumes()
        if held:
            _rank, _number, volume, node = min(held, key=lambda item: item[:2])
            return (volume if volume in own else None), node
        for role in PREFERRED:
            for volume in own:
                if self.roleOf(volume).role is role:
                    return volume, None
        return None, None

    def whatEpiduralWaitsFor(self, parameterNode: Any, choice: EpiduralChoice) -> str:
        """What grading still waits for, in a sentence; empty when it can start."""
        if parameterNode is None or choice.volume is None:
            return _("Choose the MR on which canal, sac, cord and tumor are outlined.")
        refused = self.whyNotMeasurable(choice.volume)
        if refused:
            return str(refused)
        if choice.segmentation is None:
            return _("Choose the segmentation that outlines the canal on this image.")
        if not choice.of("canal") and not choice.of("sac"):
            return _("Choose the segment of the canal or of the thecal sac; outline it in Outline first.")
        return self._noLevels(parameterNode, choice)

    def levelsWords(self, parameterNode: Any, choice: EpiduralChoice) -> str:
        """Where the levels come from, in words; empty where nothing tells."""
        if parameterNode is None or choice.volume is None:
            return ""
        role = self.roleOf(choice.volume).role.value
        if choice.segmentation is not None and self._ownVertebrae(choice):
            return _("vertebrae outlined on the {role}").format(role=role)
        assessment = self.assessment(parameterNode)
        if assessment is None or not any(item.frame is not None for item in assessment.levels):
            return ""
        if choice.volume is parameterNode.referenceVolume:
            return _("vertebrae outlined on the {role}").format(role=role)
        return self._carried(parameterNode, choice)

    def levelsOn(self, parameterNode: Any, choice: EpiduralChoice) -> tuple[dict[Any, Any], str]:
        """A point (RAS) of each level on the image, and how it was found.

        :raises spinemet.errors.BadInput: nothing tells where the levels lie on the image.
        """
        from spinemet.epidural_files import places_of_labels
        from spinemet.errors import BadInput
        from spinemet.scene import labelmap_from_segmentation

        missing = self._noLevels(parameterNode, choice)
        if missing:
            raise BadInput(missing)
        words = self.levelsWords(parameterNode, choice)
        if self._ownVertebrae(choice):
            key = self._bonesKey(choice)
            if self._canalLevels[0] != key:
                labels = labelmap_from_segmentation(choice.segmentation, choice.volume, _isBone)
                places = self._canalIncrement().run("levels", "", (labels.image,), lambda: places_of_labels(labels))
                self._canalLevels = (key, places, labels.image.with_array(labels.image.array > 0))
            return self._canalLevels[1], words
        assessment = self.assessment(parameterNode)
        return {item.level: item.frame.origin for item in assessment.levels if item.frame is not None}, words

    def isMyelogram(self, volume: Any) -> bool:
        """Whether a CT has contrast in the sac, as its header, or its series' description says."""
        from spinemet.case import Role

        said = self.roleOf(volume)
        if said.role is not Role.CT:
            return False
        series = self._seriesOf(volume)
        if series is not None and "myelogram" in series.traits:
            return True
        words = re.findall(r"[a-z]+", f"{said.ref.description} {volume.GetName() or ''}".lower())
        return any(word.startswith("myelo") for word in words)

    def outlineErrors(self, choice: EpiduralChoice) -> dict[str, float]:
        """How far the edges of what SpineMet outlined may lie off, mm by part; nothing of what a person edited."""
        from spinemet.segmentation.edge_error import EDGE_ERROR_MM

        if choice.segmentation is None:
            return {}
        node = choice.segmentation
        return {
            part: length
            for part, length in EDGE_ERROR_MM.items()
            if any(self._isUnedited(node, segmentID) for segmentID in choice.of(part))
        }

    def confirmOutlines(self, choice: EpiduralChoice) -> None:
        """A person found the edges of these outlines right: they count as their own from now on."""
        confirm(choice.segmentation, [segmentID for part in PARTS for segmentID in choice.of(part)])

    def _isUnedited(self, node: Any, segmentID: str) -> bool:
        place, stamp = (node.GetID(), segmentID), stampOf(node, segmentID)
        kept = self._unedited.get(place)
        if kept is None or kept[0] != stamp:
            kept = self._unedited[place] = (stamp, isUnedited(node, segmentID))
        return kept[1]

    # Grading

    def gradeEpidural(self, parameterNode: Any, choice: EpiduralChoice, progress: Any = None) -> Any:
        """Grade every level, keep the result in the assessment and show it; returns a spinemet EpiduralDetails.

        :raises spinemet.errors.SpineMetError: one sentence on what is wrong; the scene stays as it was.
        """
        from spinemet.errors import BadInput

        missing = self.whatEpiduralWaitsFor(parameterNode, choice)
        if missing:
            raise BadInput(missing)
        self._stopCanal()
        key = self._canalKey(choice)
        disease, words = self._epiduralCall(parameterNode, choice)(progress)
        marrow = self._marrow(parameterNode, choice, disease)
        return self._keepDisease(parameterNode, choice, disease, words, key, marrow)

    def epidural(self, parameterNode: Any) -> Any:
        """What the scene's assessment says of epidural disease, a spinemet EpiduralDetails; None without any."""
        assessment = self.assessment(parameterNode) if parameterNode is not None else None
        return assessment.epidural if assessment is not None else None

    def hasGraded(self, parameterNode: Any) -> bool:
        """Whether the canal was graded in this session, so that it can be graded again by itself."""
        return parameterNode is not None and parameterNode.parameterNode.GetID() in self._diseases

    def epiduralStale(self, parameterNode: Any, choice: EpiduralChoice) -> bool:
        """Whether outlines or image changed since the grades were made, as far as this session knows."""
        kept = self._diseases.get(parameterNode.parameterNode.GetID())
        return kept is not None and kept[1] != self._canalKey(choice)

    def setEscc(self, parameterNode: Any, level: str, grade: str, reason: str = "") -> None:
        """Keep the ESCC grade that a person picked for a level; an empty one takes it back."""
        from spinemet.answers import EsccAnswer

        answer = EsccAnswer(grade, reason, parameterNode.reader) if grade else None
        self._change(parameterNode, level, lambda said: {"escc": answer})

    def applyEscc(self, parameterNode: Any) -> None:
        """Let the assessment say what people picked; without an assessment one is made from answers alone."""
        current = self.assessment(parameterNode)
        if current is None:
            self.scoreByHand(parameterNode)
        else:
            self._writeEpidural(parameterNode, self._answered(parameterNode, current))

    def showSteps(self, parameterNode: Any, assessment: Any, keep: bool = True) -> Any:
        # Who measures the CT knows nothing of the canal: what was graded there stays, with what people picked since.
        try:
            stored = self.assessment(parameterNode)
        except Exception:
            logging.exception("SpineMet: the earlier epidural grades could not be read")
            stored = None
        if stored is not None and assessment.epidural is None and stored.epidural is not None:
            known = [item for item in stored.images if item.key == stored.epidural.image]
            images = (*assessment.images, *(item for item in known if item not in assessment.images))
            assessment = replace(assessment, epidural=stored.epidural, images=images)
        yield from super().showSteps(parameterNode, self._answered(parameterNode, assessment), keep)

    # Views

    def showWorstCut(self, parameterNode: Any, level: str) -> bool:
        """Turn the views into a level's worst cut, perpendicular to the canal; False where there is none."""
        from spinemet.levels import Level
        from spinemet.scene.epidural import cut_across

        details = self.epidural(parameterNode)
        item = details.at(Level.parse(level)) if details is not None and level else None
        return item is not None and cut_across(slicer.mrmlScene, item)

    def showPlace(self, parameterNode: Any, place: float) -> None:
        """Turn the views into the cut at a place along the canal, mm."""
        from spinemet.scene import cut_to_frame, slice_nodes
        from spinemet.scene.epidural import frame_at

        frame = frame_at(self.epidural(parameterNode).profile, place)
        cut_to_frame(slice_nodes(slicer.mrmlScene), frame)

    def placeOf(self, parameterNode: Any, position: Any) -> float | None:
        """Where along the canal (mm) a point (RAS) lies; None away from it."""
        from spinemet.scene.epidural import place_of

        details = self.epidural(parameterNode)
        return place_of(details.profile, position) if details is not None else None

    def whyNotStraightened(self, parameterNode: Any, choice: EpiduralChoice) -> str:
        """Why the image cannot be bent straight, in a sentence; empty when it can."""
        if parameterNode is None or parameterNode.parameterNode.GetID() not in self._diseases:
            return _("Press Grade first: the image is bent along the canal that was outlined.")
        return "" if choice.volume is not None else _("Choose the MR first.")

    def straighten(self, parameterNode: Any, choice: EpiduralChoice) -> Any:
        """Bend the image straight along the canal; the volume node. :raises BadInput: nothing was graded."""
        from spinemet.errors import BadInput
        from spinemet.scene.epidural import show_straightened

        missing = self.whyNotStraightened(parameterNode, choice)
        if missing:
            raise BadInput(missing)
        disease, _key = self._diseases[parameterNode.parameterNode.GetID()]
        node = parameterNode.parameterNode
        folder = self._epiduralFolder(node)
        return show_straightened(slicer.mrmlScene, node, choice.volume, disease.frame, folder=folder)

    def showPlot(self, parameterNode: Any) -> bool:
        """Put the profile into Slicer's plot view; False where there is no chart."""
        from spinemet.scene.epidural import epidural_nodes

        chart = epidural_nodes(parameterNode.parameterNode).get("chart")
        selection = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSelectionNode")
        if chart is None or selection is None:
            return chart is not None
        selection.SetReferenceActivePlotChartID(chart.GetID())
        layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
        if layout is not None:
            layout.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView)
        return True

    # Live

    def followCanal(self, parameterNode: Any, choice: EpiduralChoice) -> None:
        """Grade again whenever these outlines change, once they were graded."""
        before = self._canalFollowed
        self._canalFollowed = (parameterNode, choice)
        if before is not None and before[1].segmentation is choice.segmentation:
            return
        self._canalObserver.removeObservers()
        if choice.segmentation is None:
            return
        holder = choice.segmentation.GetSegmentation()
        # Without call data: decoding it crashes where it is a bare text.
        for event in ("SegmentAdded", "SegmentRemoved", "SegmentModified", "SourceRepresentationModified"):
            self._canalObserver.addObserver(holder, getattr(holder, event), self.onCanalEdited)

    def unfollowCanal(self) -> None:
        """Stop grading by itself; the scene keeps the last result."""
        self._stopCanal()
        self._canalObserver.removeObservers()
        self._canalFollowed: Any = None
        self._canalSaid = ""

    @property
    def gradingCanal(self) -> bool:
        """Whether a regrade of the canal waits or runs."""
        waits = self._canalTimer is not None and self._canalTimer.active
        return bool(waits or self._canalCall is not None)

    def onCanalEdited(self, caller: Any, event: Any) -> None:
        """The outlines changed: grade again soon. Costs nothing, so painting does not wait."""
        if self._canalFollowed is None or self.showing:
            return
        parameterNode, choice = self._canalFollowed
        if parameterNode.parameterNode.GetID() in self._diseases and self.epiduralStale(parameterNode, choice):
            self._stopCanal()
            self._startCanal(DEBOUNCE_MS)

    def finishCanal(self) -> None:
        """Grade to the end now, for scripts and before anything that needs the result."""
        while self.gradingCanal:
            self._pulseCanal(stroke=False)

    def _startCanal(self, milliseconds: int) -> None:
        if self._canalTimer is None:
            import qt

            self._canalTimer = qt.QTimer()
            self._canalTimer.singleShot = True
            self._canalTimer.timeout.connect(self._pulseCanal)
        self._canalTimer.start(milliseconds)

    def _stopCanal(self) -> None:
        call = getattr(self, "_canalCall", None)
        if call is not None:
            call[0].stop()
        self._canalCall: Any = None
        if self._canalTimer is not None:
            self._canalTimer.stop()

    def _pulseCanal(self, stroke: bool = True) -> None:
        """One slice of work; the timer calls again until all is done."""
        from spinemet.errors import SpineMetError

        self._canalTimer.stop()
        if self._canalFollowed is None:
            return
        if stroke and _strokeGoesOn():
            self._startCanal(STROKE_MS)
            return
        try:
            done = self._stepCanal()
        except SpineMetError as error:
            self._failCanal(str(error))
            return
        except Exception:
            logging.exception("SpineMet: live grading of the canal failed")
            self._failCanal(_("Live grading failed; press Grade. What happened is in the log."))
            return
        if not done:
            self._startCanal(0)
        elif self.canalRegraded is not None:
            self.canalRegraded()

    def _stepCanal(self) -> bool:
        """Begin a regrade, or get on with it; True once its result stands in the scene."""
        from spinemet.scene.live import SlicedCall

        parameterNode, choice = self._canalFollowed
        if self._canalCall is None:
            key = self._canalKey(choice)
            self._canalCall = (SlicedCall(self._epiduralCall(parameterNode, choice)), key)
        call, key = self._canalCall
        if not call.run(SLICE_SECONDS):
            return False
        self._canalCall = None
        disease, words = call.result()
        self._canalSaid = ""
        self._keepDisease(parameterNode, choice, disease, words, key)
        return True

    def _failCanal(self, sentence: str) -> None:
        self._stopCanal()
        if sentence != self._canalSaid:
            self._canalSaid = sentence
            logging.error("SpineMet: %s", sentence)
        if self.canalFailed is not None:
            self.canalFailed(sentence)

    # How

    def _epiduralCall(self, parameterNode: Any, choice: EpiduralChoice) -> Callable[[Any], Any]:
        """Read the nodes now; the call that is returned measures and touches none of them."""
        from spinemet.epidural import EpiduralOutlines, assess_epidural
        from spinemet.errors import BadInput
        from spinemet.levels import Level
        from spinemet.scene.epidural import masks_of
        from spinemet.segmentation.tumor_correct import region_of

        wanted = {part: choice.of(part) for part in PARTS}
        wanted["roots"] = self.guessSegments(choice.segmentation)["roots"]
        masks = masks_of(choice.segmentation, choice.volume, wanted, around_mm=AROUND_MM)
        if "canal" not in masks:
            raise BadInput(_("The canal is not outlined on this image; outline it in Outline."))
        places, words = self.levelsOn(parameterNode, choice)
        role, store = self.roleOf(choice.volume).role, self._canalIncrement()
        tumor = masks.get("tumor")
        if tumor is None and choice.of("tumor"):
            # A segment that was chosen and is empty says that there is no tumor; none chosen says nothing.
            tumor = masks["canal"].with_array(masks["canal"].array & False)
        outlines = EpiduralOutlines(
            masks["canal"], masks.get("sac"), masks.get("cord"), tumor, roots=masks.get("roots")
        )
        grid = masks["canal"].grid
        images = self._imagesRound(parameterNode, choice, grid)
        bone = self._canalLevels[2] if self._ownVertebrae(choice) else None
        if bone is not None:
            bone = bone.crop(region_of(bone.grid, grid))
        conus = Level.parse(choice.conus) if choice.conus else None
        myelogram, errors = self.isMyelogram(choice.volume), self.outlineErrors(choice)

        def call(progress: Any) -> Any:
            disease = assess_epidural(
                outlines, places, role=role, myelogram=myelogram, images=images, bone=bone, conus=conus,
                outline_error_mm=errors, store=store, progress=progress,
            )  # fmt: skip
            return disease, words

        return call

    def _imagesRound(self, parameterNode: Any, choice: EpiduralChoice, grid: Any) -> dict[Any, Any]:
        """The graded image and what else of the study lies in its space, by role, round a grid; kept for reuse."""
        from spinemet.errors import SpineMetError
        from spinemet.scene import image_from_volume

        here = self.roleOf(choice.volume)
        found: dict[Any, Any] = {}
        for volume in (choice.volume, *self.studyVolumes(parameterNode)):
            said = self.roleOf(volume)
            alike = volume is choice.volume or (bool(here.ref.frame) and said.ref.frame == here.ref.frame)
            if not alike or said.role in found or not (said.role.is_mr or said.role.value == "CT"):
                continue
            parent = volume.GetParentTransformNode()
            moved = parent.GetTransformToWorldMTime() if parent else 0
            key = (volume.GetImageData().GetMTime(), moved, grid.shape, grid.place)
            kept = self._canalImages.get(volume.GetID())
            if kept is None or kept[0] != key:
                try:
                    kept = (key, image_from_volume(volume).crop_around(grid.corners, 2.0))
                except SpineMetError:
                    continue
                self._canalImages[volume.GetID()] = kept
            found[said.role] = kept[1]
        return found

    def _marrow(self, parameterNode: Any, choice: EpiduralChoice, disease: Any) -> Any:
        """Marrow of the levels that tumor involves, where vertebrae are outlined on this MR; not while one paints."""
        from spinemet.anatomy.epidural import marrow_of_levels
        from spinemet.scene import labelmap_from_segmentation
        from spinemet.scene.epidural import masks_of

        if not self.roleOf(choice.volume).role.is_mr or not self._ownVertebrae(choice):
            return {}
        tumor = masks_of(choice.segmentation, choice.volume, {"tumor": choice.of("tumor")}).get("tumor")
        if tumor is None:
            return {}
        labels = labelmap_from_segmentation(choice.segmentation, choice.volume, _isBone)
        images = self._imagesRound(parameterNode, choice, disease.cuts.grid)
        return marrow_of_levels(images, labels, tumor)

    def _keepDisease(
        self, parameterNode: Any, choice: EpiduralChoice, disease: Any, words: str, key: Any, marrow: Any = None
    ) -> Any:
        from spinemet.epidural import describe
        from spinemet.epidural_files import error_notes
        from spinemet.scene.epidural import rulers_of

        ref = self.roleOf(choice.volume).ref
        details = describe(
            disease, image=ref.key, role=ref.role, placed_by=words, answers=self.answers(parameterNode),
            marrow=marrow, notes=error_notes(self.outlineErrors(choice)),
        )  # fmt: skip
        if self.assessment(parameterNode) is None:
            # The canal alone: nothing else was measured, and nothing else is scored.
            if not parameterNode.referenceVolume:
                parameterNode.referenceVolume = choice.volume
            self.scoreByHand(parameterNode)
        current = self.assessment(parameterNode)
        known = any(item.key == ref.key for item in current.images)
        images = current.images if known else (*current.images, ref)
        worst = disease.worst
        rulers = rulers_of(disease.levels[worst.level], disease.cuts, disease.profile) if worst is not None else ()
        self._diseases[parameterNode.parameterNode.GetID()] = (disease, key)
        self._writeEpidural(parameterNode, replace(current, epidural=details, images=images), rulers)
        return details

    def _writeEpidural(self, parameterNode: Any, assessment: Any, rulers: Any = None) -> None:
        """Write an assessment of which only the epidural part is new."""
        from spinemet.scene.epidural import remove_epidural, show_epidural
        from spinemet.scene.level_texts import LevelTexts

        self._texts = self._texts or LevelTexts()
        node = parameterNode.parameterNode
        text = self._textNode(node)
        before = self._read[1]
        if before is not None and _withoutEscc(before.answers) == _withoutEscc(self.answers(parameterNode)):
            assessment = replace(assessment, answers=self.answers(parameterNode))
        text.SetText(self._texts.text(assessment))
        self._read = ((text, text.GetMTime()), assessment)
        if assessment.epidural is None:
            remove_epidural(slicer.mrmlScene, node)
        else:
            folder = self._epiduralFolder(node)
            show_epidural(slicer.mrmlScene, node, assessment.epidural, rulers=rulers, folder=folder)

    def _answered(self, parameterNode: Any, assessment: Any) -> Any:
        """The assessment with the grades that people picked in place of the suggestions."""
        from spinemet.details import CanalProfile, EpiduralDetails, EpiduralLevel
        from spinemet.scores import escc

        said = {
            level: item.escc
            for level, item in self.answers(parameterNode).levels.items()
            if item.escc is not None
        }  # fmt: skip
        details = assessment.epidural
        if details is None and not said:
            return assessment
        if details is None:
            role = next((item.role for item in assessment.images if item.key == assessment.reference), None)
            if role is None:
                return assessment
            empty = CanalProfile((), (), (), (), (), (), ())
            details = EpiduralDetails(assessment.reference, role, _("nobody outlined the canal"), (), empty)
        levels = []
        for item in details.levels:
            computed = item.escc.suggested or item.escc
            answer = said.pop(item.escc.level, None)
            if answer is not None and computed.source.value != "entered":
                grade = escc.Grade(answer.grade)
                result = computed.overridden(grade, reason=answer.reason, reader=answer.reader)
                levels.append(replace(item, escc=result))
            elif answer is not None:
                said[item.escc.level] = answer
            elif computed.source.value != "entered":
                levels.append(replace(item, escc=computed))
        for level, answer in said.items():
            result = escc.entered_grade(level, answer.grade, reader=answer.reader, reason=answer.reason)
            levels.append(EpiduralLevel(result))
        levels.sort(key=lambda item: item.escc.level.order)
        if not levels and not details.profile.places:
            return replace(assessment, epidural=None)
        return replace(assessment, epidural=replace(details, levels=tuple(levels)))

    def _noLevels(self, parameterNode: Any, choice: EpiduralChoice) -> str:
        if self.levelsWords(parameterNode, choice):
            return ""
        return _(
            "Nothing tells where the levels lie on this image: outline or import the vertebrae on it, or assess the CT"
            " in the same frame of reference, or register this image to it."
        )

    def _carried(self, parameterNode: Any, choice: EpiduralChoice) -> str:
        """How the assessment's levels come to lie on another image, in words; empty where they do not."""
        from spinemet.scene import registration_of

        if registration_of(choice.volume) is not None:
            return _("registration to the {role}").format(role=self.roleOf(parameterNode.referenceVolume).role.value)
        here, there = self.roleOf(choice.volume).ref, self.roleOf(parameterNode.referenceVolume).ref
        known = bool(here.frame) and here.frame == there.frame
        return _("the common frame of reference of both images") if known else ""

    def _ownVertebrae(self, choice: EpiduralChoice) -> bool:
        from spinemet.scene import outlines_of

        if choice.segmentation is None:
            return False
        drawn = choice.segmentation.GetNodeReference(choice.segmentation.GetReferenceImageGeometryReferenceRole())
        if drawn is not None and drawn is not choice.volume:
            return False
        return any(_isBone(item) for item in outlines_of(choice.segmentation).values())

    def _canalIncrement(self) -> Any:
        from spinemet.increment import Increment

        self._canalStore = self._canalStore or Increment()
        return self._canalStore

    def _bonesKey(self, choice: EpiduralChoice) -> Any:
        """Cheap to ask for; equal keys mean that no outlined vertebra changed."""
        from spinemet.scene import outlines_of

        segments = choice.segmentation.GetSegmentation()
        bones = tuple(key for key, item in outlines_of(choice.segmentation).items() if _isBone(item))
        names = tuple((key, segments.GetSegment(key).GetName()) for key in bones)
        return names, self._canalKey(replace(choice, segments=(("bones", bones),)))

    def _canalKey(self, choice: EpiduralChoice) -> Any:
        """Cheap to ask for; equal keys mean that nothing changed."""
        volume, segmentation = choice.volume, choice.segmentation
        key: list[Any] = [volume.GetID() if volume else "", segmentation.GetID() if segmentation else "", choice.conus]
        if volume and volume.GetImageData():
            key.append(volume.GetImageData().GetMTime())
        for node in (volume, segmentation):
            parent = node.GetParentTransformNode() if node else None
            key.append(parent.GetTransformToWorldMTime() if parent else 0)
        if segmentation:
            segments = segmentation.GetSegmentation()
            for part, items in choice.segments:
                for segmentID in items:
                    segment = segments.GetSegment(segmentID)
                    voxels = segment.GetRepresentation(segments.GetSourceRepresentationName()) if segment else None
                    key.append((part, segmentID, voxels.GetMTime() if voxels else 0))
            key.append(sorted(self.outlineErrors(choice)))
        return key

    def _epiduralFolder(self, node: Any) -> int:
        """The time point's folder, 0 where it has none."""
        from spinemet.scene.roles import ROLE_TABLE

        table = node.GetNodeReference(ROLE_TABLE)
        hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
        item = hierarchy.GetItemByDataNode(table) if table is not None else 0
        return int(hierarchy.GetItemParent(item)) if item else 0


class _Observer(VTKObservationMixin):
    """Holds the observers of the logic."""

    def __init__(self) -> None:
        VTKObservationMixin.__init__(self)


def _isBone(outline: Any) -> bool:
    from spinemet.case import Structure

    return outline.structure in (Structure.VERTEBRA, Structure.SACRUM) and outline.level is not None


def _withoutEscc(answers: Any) -> Any:
    """Answers as they would be had nobody picked an ESCC grade."""
    from spinemet.answers import LevelAnswers

    levels = {level: replace(item, escc=None) for level, item in answers.levels.items()}
    return replace(answers, levels={level: item for level, item in levels.items() if item != LevelAnswers()})


def _strokeGoesOn() -> bool:
    """Whether a mouse button is down: someone paints."""
    import qt

    return bool(slicer.app.mouseButtons() & qt.Qt.LeftButton)
