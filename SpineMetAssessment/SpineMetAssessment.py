"""SpineMet in Slicer: module, parameter node, widget, logic and test; what they do is in SpineMetAssessmentLib."""

import sys

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

from SpineMetAssessmentLib import PANELS, Scenarios
from SpineMetAssessmentLib.Host import Host
from SpineMetAssessmentLib.Logic import Logic
from SpineMetAssessmentLib.Samples import makeSyntheticPatient
from SpineMetAssessmentLib.Startup import registerAtStartup


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
Grades spinal metastases from outlined vertebrae and lesions: SINS and ESCC for every level, with the measurement
behind each grade and where to look. Work from top to bottom: Study loads images and says what they stand for, Register
brings MR and PET onto the CT, Outline imports or paints vertebrae and lesions, Assess grades stability, Epidural
grades the canal, Report previews and exports. Each panel can be used alone. The ? at the top explains the open panels
and lists the keys.
<br><br><b>Research use only.</b> The software suggests, a clinician confirms. Not a medical device.
""")
        parent.acknowledgementText = _("""
Developed by the SpineMet developers. SINS: Fisher et al., Spine 2010;35:E1221. Research use only.
""")
        registerAtStartup()


@parameterNodeWrapper
class SpineMetAssessmentParameterNode:
    """One time point of one patient. Panels keep their own state under their own prefix in the same node.

    referenceVolume - The image in which everything is measured, a CT where there is one.
    segmentation - Outlines of vertebrae and lesions.
    lesionSegmentIDs - The segments that are lesions.
    lesionsChosen - A person chose them; until then they follow tags and names.
    answers - What the reader said and decided, as JSON in the form of answers.json.
    reader - Who reads now.
    blinded - A new reader starts without the answers of the others, and does not see them.
    readings - The answers of the other readers, as JSON by reader.
    timePoint - "baseline", "follow-up 1", …
    openPanels - Class names of the unfolded panels.
    """

    referenceVolume: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    lesionSegmentIDs: list[str]
    lesionsChosen: bool = False
    answers: str = ""
    reader: str = ""
    blinded: bool = False
    readings: str = ""
    timePoint: str = "baseline"
    openPanels: str = "StudyPanel AssessPanel"


class SpineMetAssessmentWidget(ScriptedLoadableModuleWidget, Host):
    """Follows the scene and the application; the panels do the rest."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        Host.__init__(self)
        self.logic = None

    def setup(self) -> None:
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SpineMetAssessment.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = SpineMetAssessmentLogic()
        self.setupPanels(PANELS)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(scene, scene.NodeAddedEvent, self.onNodeAdded)
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)
        self.addObserver(scene, scene.EndBatchProcessEvent, self.onBatchEnd)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        self.exit()
        for panel in self.panels:
            panel.cleanup()
        self.removeObservers()
        self.logic.forget()

    def enter(self) -> None:
        self.removeOrphans()
        self.initializeParameterNode()
        for panel in self.panels:
            panel.enter()
        self.installShortcuts()

    def exit(self) -> None:
        self.removeShortcuts()
        for panel in self.panels:
            panel.exit()
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event) -> None:
        for panel in self.panels:
            panel.exit()
        self.setParameterNode(None)
        self.logic.forget()
        self.showMessage("")

    def onSceneEndClose(self, caller, event) -> None:
        self._reenter()

    def onSceneEndImport(self, caller, event) -> None:
        self.setParameterNode(None)
        self.logic.dropEmptyTimePoints()
        self._reenter()

    def onNodeAdded(self, caller, event) -> None:
        # In a batch the end is waited for.
        if self._parameterNode is not None and not slicer.mrmlScene.IsBatchProcessing():
            self.refreshSoon()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeRemoved(self, caller, event, node) -> None:
        scene = slicer.mrmlScene
        if scene.IsClosing():
            return
        self.logic.noteRemoved(node)
        self.orphansLeft = True
        if not scene.IsBatchProcessing():
            self.onBatchEnd(caller, event)

    def onBatchEnd(self, caller, event) -> None:
        """Nodes were removed, one or many: let go of them, and clear away what they left behind."""
        if self._parameterNode is None or not self.orphansLeft:
            return
        self.logic.letGoOfRemoved()
        if slicer.mrmlScene.IsNodePresent(self._parameterNode.parameterNode):
            self.refreshSoon()
        else:
            self.removeOrphans()
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

    def _reenter(self) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()
            for panel in self.panels:
                panel.enter()


class SpineMetAssessmentLogic(Logic, ScriptedLoadableModuleLogic):
    """Everything the module does, without widgets: nodes in, nodes and files out. Its parts are in the library."""

    def __init__(self) -> None:
        super().__init__()
        # One parameter node for each time point.
        self.isSingletonParameterNode = False

    def getParameterNode(self) -> SpineMetAssessmentParameterNode:
        """The current time point, else one that holds an assessment, else a new one."""
        return self.wrap(self.currentNode() or super().getParameterNode())

    def wrap(self, node) -> SpineMetAssessmentParameterNode:
        """A node of this module with its parameters as attributes."""
        return SpineMetAssessmentParameterNode(node)


class SpineMetAssessmentTest(ScriptedLoadableModuleTest):
    """Slicer's self-test: the scenarios that are also run outside Slicer, through the panels of the open module."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def test_what_is_missing_is_said(self) -> None:
        Scenarios.saysWhatIsMissing(self._widget(), self._volume())

    def test_outlines_are_added_named_and_moved_with_their_answers(self) -> None:
        Scenarios.namesMoveWithTheirAnswers(self._widget(), self._volume())

    def test_a_blinded_reader_starts_without_answers(self) -> None:
        Scenarios.readersAreBlinded(self._widget())

    def test_a_session_comes_back_from_its_saved_scene(self) -> None:
        import tempfile

        makeSyntheticPatient(None)
        with tempfile.TemporaryDirectory() as folder:
            Scenarios.wholeSession(self._widget(), folder)

    def test_a_level_is_scored_by_pick_lists_alone(self) -> None:
        import tempfile

        volume, widget = self._volume(), self._widget()
        widget.logic.setRole(volume, "CT")
        widget._parameterNode.referenceVolume = volume
        with tempfile.TemporaryDirectory() as folder:
            Scenarios.sessionByHand(widget, folder, "T11")

    def _widget(self):
        slicer.util.selectModule("SpineMetAssessment")
        widget = slicer.modules.SpineMetAssessmentWidget
        widget.initializeParameterNode()
        return widget

    def _volume(self):
        import numpy as np

        volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "image")
        slicer.util.updateVolumeFromArray(volume, np.zeros((4, 4, 4), np.int16))
        return volume
