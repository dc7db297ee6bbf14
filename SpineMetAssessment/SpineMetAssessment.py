"""SpineMet in Slicer: module, parameter node, widget, logic and test; the panels are in SpineMetAssessmentLib."""

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class SpineMetAssessment(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("SpineMet Assessment")
        parent.categories = [
            translate("qSlicerAbstractCoreModule", "Oncology"),
            translate("qSlicerAbstractCoreModule", "Quantification"),
        ]
        parent.dependencies = ["Segmentations", "Markups", "Tables", "Texts", "SubjectHierarchy"]
        parent.contributors = ["SpineMet developers"]
        parent.helpText = _("""
Grades spinal metastases from outlined vertebrae and lesions: SINS for every level, with the measurement behind each
component and where to look. Choose the CT and its outlines, mark which segments are lesions, and press Assess.
<br><br><b>Research use only.</b> The software suggests, a clinician confirms. Not a medical device.
""")
        parent.acknowledgementText = _("""
Developed by the SpineMet developers. SINS: Fisher et al., Spine 2010;35:E1221. Research use only.
""")


@parameterNodeWrapper
class SpineMetAssessmentParameterNode:
    """One time point of one patient. Panels keep their own state under their own prefix in the same node.

    referenceVolume - The CT in which everything is measured.
    segmentation - Outlines of vertebrae and lesions.
    lesionSegmentIDs - The segments that are lesions.
    lesionsChosen - A person chose them; until then they follow tags and names.
    answers - What people said and decided, as JSON in the form of answers.json.
    """

    referenceVolume: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    lesionSegmentIDs: list[str]
    lesionsChosen: bool = False
    answers: str = ""


class SpineMetAssessmentWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Hosts the panels: gives each the parameter node, a place for messages, and progress that can be stopped."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panels = []
        self._parameterNode = None
        self._headers = {}
        self._running = False
        self._stopped = False

    def setup(self) -> None:
        ScriptedLoadableModuleWidget.setup(self)
        import ctk
        import qt

        from SpineMetAssessmentLib import PANELS

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SpineMetAssessment.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = SpineMetAssessmentLogic()

        for number, panelClass in enumerate(PANELS, start=1):
            panel = panelClass(self, slicer.util.loadUI(self.resourcePath(f"UI/{panelClass.__name__}.ui")))
            header = ctk.ctkCollapsibleButton()
            header.text = f"{number}  {panel.title}"
            frame = qt.QVBoxLayout(header)
            frame.addWidget(panel.widget)
            self.ui.panelsFrame.layout().addWidget(header)
            self._headers[panel] = header
            self.panels.append(panel)

        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)
        self.ui.stopButton.clicked.connect(self.onStop)
        self.showMessage("")
        self._showProgress(False)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        self.setParameterNode(None)
        for panel in self.panels:
            panel.cleanup()
        self.removeObservers()

    def enter(self) -> None:
        self.initializeParameterNode()

    def exit(self) -> None:
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event) -> None:
        self.setParameterNode(None)
        self.logic.forget()
        self.showMessage("")

    def onSceneEndClose(self, caller, event) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onNodeRemoved(self, caller, event) -> None:
        if self._parameterNode is None or slicer.mrmlScene.IsBatchProcessing():
            return
        if slicer.mrmlScene.IsNodePresent(self._parameterNode.parameterNode):
            self.refresh()
        else:
            self.initializeParameterNode()

    def onReload(self) -> None:
        """Reloading executes this file only; the library and the panels are dropped, so that they are read anew."""
        for name in list(sys.modules):
            if name.split(".")[0] in ("spinemet", "SpineMetAssessmentLib"):
                del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def initializeParameterNode(self) -> None:
        self.setParameterNode(self.logic.getParameterNode())
        self.logic.selectDefaults(self._parameterNode)

    def setParameterNode(self, parameterNode) -> None:
        """Hand the parameter node to the panels; None lets go of it."""
        if self._parameterNode:
            self.removeObserver(self._parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onModified)
        self._parameterNode = parameterNode
        for panel in self.panels:
            panel.setParameterNode(parameterNode)
        if parameterNode:
            self.addObserver(parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onModified)
        self.refresh()

    def _onModified(self, caller, event) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Let every panel show what the scene holds now, its state in its header; waits for a running step to end."""
        if self._running:
            return
        for number, panel in enumerate(self.panels, start=1):
            panel.refresh()
            state = panel.state()
            self._headers[panel].text = f"{number}  {panel.title}" + (f"  –  {state}" if state else "")

    def showMessage(self, text: str) -> None:
        """Show a sentence above the panels; an empty one hides the place."""
        self.ui.messageLabel.text = text
        self.ui.messageLabel.visible = bool(text)

    @contextlib.contextmanager
    def running(self, failed: str) -> Iterator[Any]:
        """Run a step: what goes wrong for the user becomes the message, and Stop ends it.

        Yields a `progress` for the library. Only the unexpected ends in a dialog, headed by `failed`.
        """
        from spinemet.errors import Cancelled, SpineMetError

        self.showMessage("")
        self._stopped = False
        self._running = True
        self._showProgress(True)
        try:
            with slicer.util.tryWithErrorDisplay(failed, waitCursor=True):
                try:
                    yield self._progress
                except Cancelled:
                    self.showMessage(_("Stopped; nothing was changed."))
                except SpineMetError as error:
                    logging.error("SpineMet: %s", error)
                    self.showMessage(str(error))
        finally:
            self._running = False
            self._showProgress(False)

    def onStop(self) -> None:
        self._stopped = True

    def _progress(self, fraction: float, text: str) -> None:
        from spinemet.errors import Cancelled

        self.ui.progressBar.value = int(100 * fraction)
        self.ui.progressBar.format = text
        slicer.app.processEvents()
        if self._stopped:
            raise Cancelled(_("Stopped by the user."))

    def _showProgress(self, visible: bool) -> None:
        self.ui.progressBar.value = 0
        self.ui.progressFrame.visible = visible
        self.ui.panelsFrame.enabled = not visible


class SpineMetAssessmentLogic(ScriptedLoadableModuleLogic):
    """Everything the module does, without widgets: nodes in, nodes and files out."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        # One parameter node for each time point.
        self.isSingletonParameterNode = False
        self.forget()

    def forget(self) -> None:
        """Let go of kept images and results; called when the scene closes."""
        self._store = None
        self._inputs = (None, None)
        # The assessment's text node, and the inputs that it was made from.
        self._fresh = (None, None)

    def getParameterNode(self) -> SpineMetAssessmentParameterNode:
        """The time point that holds an assessment, else the first one, else a new one."""
        nodes = self.getAllParameterNodes()
        assessed = [node for node in nodes if self._textNode(node) is not None]
        return SpineMetAssessmentParameterNode((assessed or nodes or [super().getParameterNode()])[0])

    def selectDefaults(self, parameterNode: SpineMetAssessmentParameterNode) -> None:
        """Choose the first segmentation and its volume where nothing is chosen, to save clicks."""
        scene = slicer.mrmlScene
        if not parameterNode.segmentation:
            parameterNode.segmentation = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
        if not parameterNode.referenceVolume:
            node = parameterNode.segmentation
            volume = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) if node else None
            parameterNode.referenceVolume = volume if isinstance(volume, vtkMRMLScalarVolumeNode) else self._firstCT()
        self.updateLesionSegments(parameterNode)

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

    def updateLesionSegments(self, parameterNode: SpineMetAssessmentParameterNode) -> None:
        """Let the lesion segments follow tags and names until a person chooses; drop those that are gone."""
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

    def whatIsMissing(self, parameterNode: SpineMetAssessmentParameterNode | None) -> str:
        """What assessing still waits for, in a sentence; empty when it can start."""
        if parameterNode is None or not parameterNode.referenceVolume:
            return _("Choose the CT first.")
        if not parameterNode.segmentation:
            return _("Choose the segmentation that outlines the vertebrae.")
        if parameterNode.segmentation.GetSegmentation().GetNumberOfSegments() == 0:
            return _("The segmentation is empty: outline the vertebrae, or import a label map.")
        return ""

    def answers(self, parameterNode: SpineMetAssessmentParameterNode) -> Any:
        """What people said so far, a spinemet Answers."""
        from spinemet.answers import Answers
        from spinemet.errors import BadInput

        if not parameterNode.answers:
            return Answers()
        try:
            return Answers.from_json(json.loads(parameterNode.answers))
        except ValueError as error:
            raise BadInput(_("The answers stored in this scene are damaged; load the scene again.")) from error

    def setAnswer(
        self,
        parameterNode: SpineMetAssessmentParameterNode,
        level: str,
        component: str,
        option: str,
        *,
        reason: str = "",
        reader: str = "",
    ) -> None:
        """Keep what a person picked for a SINS component of a level.

        :param option: one of `sins.OPTIONS[component]`; empty takes the answer back.
        """
        from spinemet.answers import Override
        from spinemet.levels import Level
        from spinemet.scores import sins

        points = sins.points_of(component, option) if option else None
        answers, place = self.answers(parameterNode), Level.parse(level)
        if component in ("pain", "alignment"):
            answers = answers.with_level(place, **{component: option or None, "reader": reader})
        else:
            overrides = {key: item for key, item in answers.at(place).overrides.items() if key != component}
            if points is not None:
                overrides[component] = Override(points, reason, reader)
            answers = answers.with_level(place, overrides=overrides)
        self._keep(parameterNode, answers)

    def setReason(
        self, parameterNode: SpineMetAssessmentParameterNode, level: str, component: str, reason: str
    ) -> None:
        """Give the reason for an override that stands already."""
        from dataclasses import replace

        from spinemet.levels import Level

        answers, place = self.answers(parameterNode), Level.parse(level)
        overrides = dict(answers.at(place).overrides)
        if component in overrides:
            overrides[component] = replace(overrides[component], reason=reason)
            self._keep(parameterNode, answers.with_level(place, overrides=overrides))

    def setLevelsConfirmed(self, parameterNode: SpineMetAssessmentParameterNode, confirmed: bool) -> None:
        """Keep whether a person confirmed the numbering of the vertebrae."""
        from dataclasses import replace

        self._keep(parameterNode, replace(self.answers(parameterNode), levels_confirmed=confirmed))

    def assess(self, parameterNode: SpineMetAssessmentParameterNode, progress: Any = None) -> Any:
        """Assess the chosen nodes, show the result in the scene and return it, a spinemet Assessment.

        :raises spinemet.errors.SpineMetError: one sentence on what is wrong; the scene stays as it was.
        """
        from spinemet import scene
        from spinemet.assess import assess
        from spinemet.case import TimePoint
        from spinemet.errors import BadInput
        from spinemet.increment import Increment
        from spinemet.progress import part

        missing = self.whatIsMissing(parameterNode)
        if missing:
            raise BadInput(missing)
        self.updateLesionSegments(parameterNode)
        image, ref, vertebrae, lesions = self._readInputs(parameterNode)
        if not vertebrae.present:
            raise BadInput(
                _("No segment is recognized as a vertebra; name the segments by level, such as L3 or vertebrae_L3.")
            )
        self._store = self._store or Increment()
        assessment = assess(
            image,
            ref,
            vertebrae,
            lesions if lesions.present else None,
            time_point=TimePoint(date=ref.date),
            answers=self.answers(parameterNode),
            store=self._store,
            progress=part(progress, 0.1, 0.9),
        )
        scene.show_assessment(
            slicer.mrmlScene,
            assessment,
            volumes={ref.key: parameterNode.referenceVolume},
            segmentation=parameterNode.segmentation,
            existing=parameterNode.parameterNode,
            lesion_segment_ids=list(parameterNode.lesionSegmentIDs),
        )
        self._fresh = (self._textNode(parameterNode.parameterNode), self._key(parameterNode))
        return assessment

    def assessment(self, parameterNode: SpineMetAssessmentParameterNode) -> Any:
        """The assessment that the scene holds for this time point, None before the first."""
        from spinemet.assessment import Assessment
        from spinemet.errors import BadInput

        text = self._textNode(parameterNode.parameterNode)
        if text is None:
            return None
        try:
            return Assessment.from_json(json.loads(text.GetText() or ""))
        except ValueError as error:
            raise BadInput(_("The assessment stored in this scene is damaged; assess again.")) from error

    def stale(self, parameterNode: SpineMetAssessmentParameterNode) -> tuple[str, ...]:
        """Which inputs changed since the assessment was made: "image", "vertebrae", "lesions", "outlines".

        In a reopened scene the voxels are compared, once; from then on modification times, which cost nothing while
        someone paints.
        """
        from spinemet import scene

        text = self._textNode(parameterNode.parameterNode)
        if text is None:
            return ()
        key = self._key(parameterNode)
        if self._fresh[0] is not text:
            changed = scene.stale_inputs(parameterNode.parameterNode)
            if changed:
                return changed
            self._fresh = (text, key)
        made = self._fresh[1]
        return tuple(name for name in key if key[name] != made[name])

    def exportReport(
        self, parameterNode: SpineMetAssessmentParameterNode, folder: str, progress: Any = None
    ) -> dict[str, Path]:
        """Write assessment.json and report.html to a folder, both or none; return their paths by name.

        :raises spinemet.errors.SpineMetError: nothing assessed yet, inputs changed, or the folder cannot be written.
        """
        from spinemet.errors import BadInput
        from spinemet.files import written_folder
        from spinemet.report import write_report

        assessment = self.assessment(parameterNode)
        if assessment is None:
            raise BadInput(_("There is nothing to report yet; press Assess first."))
        if self.stale(parameterNode):
            raise BadInput(_("The image or the outlines changed since the assessment; press Assess again."))
        image, ref, vertebrae, lesions = self._readInputs(parameterNode)
        with written_folder(folder) as temporary:
            assessment.save(temporary / "assessment.json")
            write_report(
                assessment,
                temporary,
                image=image,
                ref=ref,
                vertebrae=vertebrae,
                lesions=lesions if lesions.present else None,
                progress=progress,
            )
        return {"assessment": Path(folder) / "assessment.json", "report": Path(folder) / "report.html"}

    def jumpTo(self, position: tuple[float, float, float]) -> None:
        """Center all slice views on a point (RAS, mm)."""
        mode = slicer.vtkMRMLSliceNode.CenteredJumpSlice
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *position, mode)

    def _keep(self, parameterNode: SpineMetAssessmentParameterNode, answers: Any) -> None:
        parameterNode.answers = json.dumps(answers.to_json(), ensure_ascii=False)

    def _textNode(self, node: Any) -> Any:
        from spinemet.scene.result import ROLE_ASSESSMENT

        return node.GetNodeReference(ROLE_ASSESSMENT)

    def _readInputs(self, parameterNode: SpineMetAssessmentParameterNode) -> Any:
        """Image, its reference, vertebrae and lesions; kept while the nodes are unchanged, so answers are quick."""
        from spinemet import scene
        from spinemet.case import ImageRef, Role

        key = self._key(parameterNode)
        if self._inputs[0] != key:
            volume = parameterNode.referenceVolume
            image = scene.image_from_volume(volume)
            frame = image.frame or volume.GetID()
            ref = scene.ref_from_volume(volume) or ImageRef(key=volume.GetID(), role=Role.CT, frame=frame)
            labelmaps = scene.labelmaps_from_segmentation(
                parameterNode.segmentation, volume, list(parameterNode.lesionSegmentIDs)
            )
            self._inputs = (key, (image, ref, *labelmaps))
        return self._inputs[1]

    def _key(self, parameterNode: SpineMetAssessmentParameterNode) -> dict[str, Any]:
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

    def _firstCT(self) -> Any:
        """The first volume known as CT, else the first that is no label map; None in an empty scene."""
        from spinemet.case import Role
        from spinemet.scene import ref_from_volume

        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        volumes = [node for node in volumes if not node.IsA("vtkMRMLLabelMapVolumeNode")]
        refs = [(node, ref_from_volume(node)) for node in volumes]
        known = [node for node, ref in refs if ref is not None and ref.role is Role.CT]
        return next(iter(known or volumes), None)


def _placeKey(node: Any) -> Any:
    """Which node this is, and when the transforms above it last moved it."""
    parent = node.GetParentTransformNode() if node else None
    return (node.GetID() if node else "", parent.GetTransformToWorldMTime() if parent else 0)


class SpineMetAssessmentTest(ScriptedLoadableModuleTest):
    """Slicer's self-test: the logic says what it waits for. The panel's scenarios run in Testing/gui."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def test_what_is_missing_is_said(self) -> None:
        logic = SpineMetAssessmentLogic()
        parameterNode = logic.getParameterNode()
        self.assertIn("CT", logic.whatIsMissing(parameterNode))
        parameterNode.referenceVolume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
        self.assertIn("segmentation", logic.whatIsMissing(parameterNode))
