"""AssessLogic: from chosen nodes to the assessment in the scene; nodes in, no widget."""

import json
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from SpineMetAssessmentLib.AnswerLogic import AnswerLogic


class AssessLogic(AnswerLogic):
    """Lesion segments, assessing, whether its inputs changed since, and what an earlier time point said."""

    def forget(self) -> None:
        super().forget()
        self._store: Any = None
        # What the label maps were read from, and the OutlineWatch that keeps them current.
        self._watched: Any = (None, None)
        # The assessment's text node, and the inputs that it was made from.
        self._fresh: Any = (None, None)
        # The text that was read last, and what it said.
        self._read: Any = (None, None)
        # What was written of the last assessment, level by level, and the marks that were drawn of it.
        self._texts: Any = None
        self._drawn: Any = None
        # Whether what is shown may lack details, and is not in the scene's JSON.
        self._unkept = False
        # Assessments of other time points by node ID, with the time of their text.
        self._priors: dict[str, Any] = {}
        # The segmentation whose lesions were chosen last, by parameter node: IDs.
        self._outlinesOf: dict[str, str] = {}

    def lesionCandidates(self, segmentation) -> dict[str, bool]:
        """Segments that may be lesions, by ID: True where a tag or the name says so. Known bones are left out."""
        from spinemet.case import Structure
        from spinemet.scene import outlines_of

        words = ("lesion", "tumor", "tumour", "metasta")
        outlines = outlines_of(segmentation)
        found = {}
        for segmentID in segmentation.GetSegmentation().GetSegmentIDs():
            outline = outlines.get(segmentID)
            if outline is None:
                name = segmentation.GetSegmentation().GetSegment(segmentID).GetName().lower()
                found[segmentID] = any(word in name for word in words)
            elif outline.structure is Structure.LESION:
                found[segmentID] = True
        return found

    def updateLesionSegments(self, parameterNode: Any) -> None:
        """Let the lesion segments follow tags and names until a person chooses; drop those that are gone."""
        outlines = parameterNode.segmentation.GetID() if parameterNode.segmentation else ""
        before = self._outlinesOf.get(parameterNode.parameterNode.GetID(), outlines)
        self._outlinesOf[parameterNode.parameterNode.GetID()] = outlines
        if before != outlines and parameterNode.lesionsChosen:
            # Other outlines were chosen: which of them are lesions is an open question again.
            parameterNode.lesionsChosen = False
        if not parameterNode.segmentation:
            wanted = []
        else:
            candidates = self.lesionCandidates(parameterNode.segmentation)
            if parameterNode.lesionsChosen:
                wanted = [item for item in parameterNode.lesionSegmentIDs if item in candidates]
            else:
                wanted = [item for item, likely in candidates.items() if likely]
        if wanted != list(parameterNode.lesionSegmentIDs):
            parameterNode.lesionSegmentIDs = wanted

    def whatIsMissing(self, parameterNode: Any) -> str:
        """What assessing still waits for, in a sentence; empty when it can start."""
        missing = self._noImage(parameterNode)
        if missing:
            return missing
        if not parameterNode.segmentation:
            return _("Choose the segmentation that outlines the vertebrae.")
        if parameterNode.segmentation.GetSegmentation().GetNumberOfSegments() == 0:
            return _("The segmentation is empty: outline the vertebrae, or import a label map.")
        if not self.levelsOf(parameterNode.segmentation):
            return _("No segment is recognized as a vertebra; name the segments by level, such as L3 or vertebrae_L3.")
        return ""

    def presentLesions(self, parameterNode: Any) -> list[str]:
        """The chosen lesion segments that are still there."""
        segmentation = parameterNode.segmentation.GetSegmentation()
        return [item for item in parameterNode.lesionSegmentIDs if segmentation.GetSegment(item) is not None]

    def whyNotByHand(self, parameterNode: Any) -> str:
        """What scoring by pick-lists waits for, in a sentence; empty when it can start."""
        return self._noImage(parameterNode)

    def assess(self, parameterNode: Any, progress: Any = None) -> Any:
        """Assess the chosen nodes, show the result in the scene and return it, a spinemet Assessment.

        :raises spinemet.errors.SpineMetError: one sentence on what is wrong; the scene stays as it was.
        """
        from spinemet.errors import BadInput
        from spinemet.progress import part

        missing = self.whatIsMissing(parameterNode)
        if missing:
            raise BadInput(missing)
        self.updateLesionSegments(parameterNode)
        _image, _ref, vertebrae, lesions = self._readInputs(parameterNode)
        if not vertebrae.present:
            raise BadInput(_("Every vertebra's segment is empty; paint the vertebrae, or import a label map."))
        assessment = self.gradeOf(parameterNode)(vertebrae, lesions, part(progress, 0.1, 0.9))
        for _step in self.showSteps(parameterNode, assessment):
            pass
        return assessment

    def gradeOf(self, parameterNode: Any) -> Any:
        """What grades the label maps that it is given, with the answers of this moment; it touches no node."""
        from spinemet.increment import Increment

        self._store = self._store or Increment()
        image, ref = self._watch(parameterNode).image, self.roleOf(parameterNode.referenceVolume).ref
        known = {
            "patient": self.patient(parameterNode.referenceVolume),
            "time_point": self.timePoint(parameterNode),
            "answers": self.answers(parameterNode),
            "prior": self.prior(parameterNode),
        }
        return _Grade(self._store, image, ref, known)

    def showSteps(self, parameterNode: Any, assessment: Any, keep: bool = True) -> Any:
        """Show an assessment in the scene, in steps of a few milliseconds.

        :param keep: write it as JSON, too; otherwise `keepSteps` does when it is complete.
        """
        from spinemet.errors import BadInput
        from spinemet.scene.level_texts import LevelTexts
        from spinemet.scene.marks import KeptMarks, marks_from
        from spinemet.scene.result import show_steps

        self._texts = self._texts or LevelTexts()
        self._drawn = self._drawn or KeptMarks()
        try:
            previous = self.assessment(parameterNode)
        except BadInput:
            previous = None
        key = self._inputsNow(parameterNode)
        yield from show_steps(
            slicer.mrmlScene,
            assessment,
            volumes={assessment.reference: parameterNode.referenceVolume},
            segmentation=parameterNode.segmentation,
            existing=parameterNode.parameterNode,
            lesion_segment_ids=list(parameterNode.lesionSegmentIDs),
            previous=previous,
            marks=marks_from(assessment, self._store, kept=self._drawn) if self._store is not None else None,
            texts=self._texts,
            keep=keep,
        )
        text = self._textNode(parameterNode.parameterNode)
        self._fresh = (text, key)
        self._read = ((text, text.GetMTime()), assessment)
        self._unkept = not keep

    def keepSteps(self, parameterNode: Any) -> Any:
        """Write the assessment that was shown last as JSON, in steps of a few milliseconds."""
        assessment = self.assessment(parameterNode)
        written = yield from self._texts.steps(assessment)
        text = self._textNode(parameterNode.parameterNode)
        text.SetText(written)
        self._read = ((text, text.GetMTime()), assessment)
        self._unkept = False

    def completed(self, parameterNode: Any) -> Any:
        """The assessment with all its details, as it may leave the program; None before the first."""
        return self.assess(parameterNode) if self._unkept else self.assessment(parameterNode)

    def scoreByHand(self, parameterNode: Any) -> Any:
        """Score from answers alone, without any outline; returns the assessment.

        :raises spinemet.errors.SpineMetError: no image is chosen, or an answer is not a possible one.
        """
        from spinemet.assess import assessment_by_hand
        from spinemet.errors import BadInput

        missing = self._noImage(parameterNode)
        if missing:
            raise BadInput(missing)
        volume = parameterNode.referenceVolume
        assessment = assessment_by_hand(
            self.roleOf(volume).ref,
            self.answers(parameterNode),
            patient=self.patient(volume),
            time_point=self.timePoint(parameterNode),
        )
        for _step in self.showSteps(parameterNode, assessment):
            pass
        return assessment

    def regrade(self, parameterNode: Any, progress: Any = None) -> Any:
        """Grade again after an answer: with the outlines where they were measured, else from answers alone."""
        current = self.assessment(parameterNode)
        if self.measured(parameterNode):
            return self.assess(parameterNode, progress)
        if current is None and not self.whatIsMissing(parameterNode) and self._readInputs(parameterNode)[2].present:
            return self.assess(parameterNode, progress)
        return self.scoreByHand(parameterNode)

    def assessment(self, parameterNode: Any) -> Any:
        """The assessment that the scene holds for this time point, None before the first."""
        from spinemet.assessment import Assessment
        from spinemet.errors import BadInput

        text = self._textNode(parameterNode.parameterNode)
        if text is None:
            return None
        if self._read[0] != (text, text.GetMTime()):
            try:
                found = Assessment.from_json(json.loads(text.GetText() or ""))
            except ValueError as error:
                raise BadInput(_("The assessment stored in this scene is damaged; assess again.")) from error
            self._read = ((text, text.GetMTime()), found)
        return self._read[1]

    def measured(self, parameterNode: Any) -> bool:
        """Whether there is an assessment that was measured on outlines, and not said by people alone."""
        from spinemet.errors import BadInput

        try:
            assessment = self.assessment(parameterNode)
        except BadInput:
            return False
        return assessment is not None and bool(assessment.inputs)

    def stale(self, parameterNode: Any) -> tuple[str, ...]:
        """Which inputs changed since the assessment was made: "image", "vertebrae", "lesions", "outlines".

        In a reopened scene the voxels are compared, once; from then on modification times, which cost nothing while
        someone paints.
        """
        from spinemet import scene

        if not self.measured(parameterNode):
            return ()
        text = self._textNode(parameterNode.parameterNode)
        key = self._inputsNow(parameterNode)
        if self._fresh[0] is not text:
            changed = scene.stale_inputs(parameterNode.parameterNode)
            if changed:
                return changed
            self._fresh = (text, key)
        made = self._fresh[1]
        return tuple(name for name in key if key[name] != made[name])

    def prior(self, parameterNode: Any) -> Any:
        """The assessment of the nearest earlier time point of the scene, None when there is none."""
        node = self.priorNode(parameterNode)
        return self._readPrior(node) if node is not None else None

    def priorNode(self, parameterNode: Any) -> Any:
        """The parameter node of the nearest earlier time point that was assessed, None when there is none."""
        own = self.timePoint(parameterNode).date
        others = [node for node in self.getAllParameterNodes() if node is not parameterNode.parameterNode]
        if not own or not others:
            return None
        number = self.patient(parameterNode.referenceVolume).patient_id if parameterNode.referenceVolume else ""
        held = [(node, found) for node in others if (found := self._readPrior(node)) is not None]
        earlier = [
            (node, found.time_point.date)
            for node, found in held
            if "" < found.time_point.date < own
            and not (number and found.patient.patient_id and found.patient.patient_id != number)
        ]
        return max(earlier, key=lambda pair: pair[1], default=(None, ""))[0]

    def _readPrior(self, node: Any) -> Any:
        """The assessment that another time point's node holds; None without one, or where it is damaged."""
        from spinemet.assessment import Assessment

        text = self._textNode(node)
        if text is None:
            return None
        kept = self._priors.get(node.GetID())
        if kept is None or kept[0] != text.GetMTime():
            try:
                found = Assessment.from_json(json.loads(text.GetText() or ""))
            except ValueError:
                found = None
            kept = self._priors[node.GetID()] = (text.GetMTime(), found)
        return kept[1]

    def tableText(self, parameterNode: Any, separator: str = "\t") -> str:
        """The results as a table, a line for each level that was imaged, to paste into a sheet or save as CSV."""
        import csv
        import io

        from spinemet.scene.table import columns, rows

        assessment = self.completed(parameterNode)
        if assessment is None:
            return ""
        seen = [row for row, item in zip(rows(assessment), assessment.levels, strict=True) if _wasSeen(item)]
        text = io.StringIO()
        writer = csv.writer(text, delimiter=separator, lineterminator="\n")
        writer.writerow(columns())
        writer.writerows(seen)
        return text.getvalue()

    def writeTable(self, parameterNode: Any, path: str) -> None:
        """Write the results as CSV. :raises spinemet.errors.SpineMetError: nothing assessed, or no such folder."""
        from spinemet.errors import BadInput
        from spinemet.files import written_file

        text = self.tableText(parameterNode, ",")
        if not text:
            raise BadInput(_("There is no table yet; press Assess first."))
        with written_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8-sig")

    def focus(self, parameterNode: Any, level: str) -> None:
        """Show the marks of one level, and those of the whole spine."""
        from spinemet.levels import Level
        from spinemet.scene.mark_nodes import focus_on

        focus_on(parameterNode.parameterNode, Level.parse(level))

    def _noImage(self, parameterNode: Any) -> str:
        if parameterNode is None or not parameterNode.referenceVolume:
            return _("Choose the CT first.")
        return str(self.whyNotMeasurable(parameterNode.referenceVolume))

    def _textNode(self, node: Any) -> Any:
        from spinemet.scene.roles import ROLE_ASSESSMENT

        return node.GetNodeReference(ROLE_ASSESSMENT)

    def _readInputs(self, parameterNode: Any) -> Any:
        """Image, its reference, vertebrae and lesions; only what changed since is read anew, so answers are quick."""
        watch = self._watch(parameterNode)
        vertebrae, lesions = watch.read()
        return watch.image, self.roleOf(parameterNode.referenceVolume).ref, vertebrae, lesions

    def _watch(self, parameterNode: Any) -> Any:
        """What keeps the label maps of the chosen nodes current."""
        from spinemet.scene.outline_watch import OutlineWatch

        key = (self._inputsNow(parameterNode)["image"], _placeKey(parameterNode.segmentation))
        if self._watched[0] != key:
            self._watched = (key, OutlineWatch(parameterNode.segmentation, parameterNode.referenceVolume))
        watch = self._watched[1]
        watch.lesion_segment_ids = list(parameterNode.lesionSegmentIDs)
        return watch

    def _inputsNow(self, parameterNode: Any) -> dict[str, Any]:
        """Cheap to ask for; equal entries mean that this input is unchanged."""
        volume, segmentation = parameterNode.referenceVolume, parameterNode.segmentation
        image, outlines = [_placeKey(volume)], [_placeKey(segmentation)]
        if volume and volume.GetImageData():
            matrix = vtk.vtkMatrix4x4()
            volume.GetIJKToRASMatrix(matrix)
            image += [volume.GetImageData().GetMTime(), *(matrix.GetElement(n // 4, n % 4) for n in range(16))]
        if segmentation:
            segments = segmentation.GetSegmentation()
            for segmentID in segments.GetSegmentIDs():
                segment = segments.GetSegment(segmentID)
                voxels = segment.GetRepresentation(segments.GetSourceRepresentationName())
                outlines.append((segmentID, segment.GetName(), segment.GetLabelValue(), voxels and voxels.GetMTime()))
        return {"image": image, "outlines": outlines, "lesions": list(parameterNode.lesionSegmentIDs)}


class _Grade:
    """Grades label maps, with all that is known of the study."""

    def __init__(self, store: Any, image: Any, ref: Any, known: dict[str, Any]) -> None:
        self._store, self._image, self._ref, self._known = store, image, ref, known

    @property
    def pending(self) -> bool:
        """Whether the last call left something as it was before the edit."""
        return bool(self._store.pending)

    def __call__(self, vertebrae: Any, lesions: Any, progress: Any, *, details: bool = True) -> Any:
        from spinemet.assess import assess

        return assess(
            self._image,
            self._ref,
            vertebrae,
            lesions if lesions.present else None,
            store=self._store,
            details=details,
            progress=progress,
            **self._known,
        )


def _wasSeen(item: Any) -> bool:
    return item.status.value not in ("not imaged",) and (item.sins is not None or item.reason != "nothing is outlined")


def _placeKey(node: Any) -> Any:
    """Which node this is, and when the transforms above it last moved it."""
    parent = node.GetParentTransformNode() if node else None
    return (node.GetID() if node else "", parent.GetTransformToWorldMTime() if parent else 0)
