"""OutlineClicks: the tab of the Outline panel that turns clicks in the views into outlines, with a live preview."""

from functools import partial
from typing import Any

import slicer
from slicer import vtkMRMLInteractionNode, vtkMRMLMarkupsNode
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SpineMetAssessmentLib.OutlineClickLogic import OWN, TumorChoice
from SpineMetAssessmentLib.Panel import enable
from SpineMetAssessmentLib.Placing import Placing

VERTEBRA, CANAL = "vertebra", "canal"
_TUMOR_TOOLS = {
    # kind of mark, and whether it lies inside of the tumor
    "insidePoint": ("point", True),
    "insideStroke": ("stroke", True),
    "tumorBox": ("box", True),
    "outsidePoint": ("point", False),
    "outsideStroke": ("stroke", False),
}
_NODES = {"point": "vtkMRMLMarkupsFiducialNode", "stroke": "vtkMRMLMarkupsCurveNode", "box": "vtkMRMLMarkupsROINode"}
_INSIDE, _OUTSIDE, _PLAIN = (0.0, 0.75, 0.55), (0.9, 0.4, 0.0), (0.35, 0.7, 0.95)
"""Colors of marks; color-blind readers tell them apart."""
_LIMITS = (
    ("anywhere", ()),
    ("in bone", ("bone",)),
    ("in the canal", ("canal",)),
    ("bone and beside", ("bone", "canal", "paraspinal tissue")),
)


class OutlineClicks(VTKObservationMixin):
    """One tool at a time places points; each finished mark is one step.

    :param panel: the Outline panel.
    """

    def __init__(self, panel: Any) -> None:
        VTKObservationMixin.__init__(self)
        import ctk
        import qt

        self._panel = panel
        self._filling = False
        self._busy = False
        self._tool = ""
        self._placing: Any = None
        self._said = ""
        ui = panel.ui
        self._soon = qt.QTimer()
        self._soon.singleShot = True
        self._soon.timeout.connect(self.take)
        self._refining = qt.QTimer()
        self._refining.singleShot = True
        self._refining.timeout.connect(self.onRefine)
        self._buttons = {
            VERTEBRA: ui.clickVertebraButton,
            CANAL: ui.clickCanalButton,
            **{name: getattr(ui, f"{name}Button") for name in _TUMOR_TOOLS},
        }
        for name, button in self._buttons.items():
            button.clicked.connect(partial(self.onTool, name))
        ui.clickImageComboBox.activated.connect(self.onImage)
        ui.clickLevelComboBox.addItems(panel.logic.levelNames())
        ui.clickLevelComboBox.activated.connect(self.onLevel)
        for text, within in _LIMITS:
            ui.tumorLimitComboBox.addItem(text, ",".join(within))
        for combo in (ui.tumorComboBox, ui.tumorLimitComboBox, ui.tumorMethodComboBox):
            combo.activated.connect(self.onTumorChoice)
        ui.acceptTumorButton.clicked.connect(self.onAccept)
        ui.undoMarkButton.clicked.connect(partial(self.onStep, True))
        ui.redoMarkButton.clicked.connect(partial(self.onStep, False))
        ui.endTumorButton.clicked.connect(self.onEnd)
        boxes = ("clickImage", "clickLevel", "tumor", "tumorLimit", "tumorMethod")
        for combo in (getattr(ui, f"{name}ComboBox") for name in boxes):
            combo.scrollWheelEffect = ctk.ctkComboBox.NeverScroll

    @property
    def volume(self) -> Any:
        """The image that is clicked into; the reference image until another one is chosen."""
        panel = self._panel
        node = panel.parameterNode
        if node is None:
            return None
        chosen = slicer.mrmlScene.GetNodeByID(panel.panelState.clickImage or "") if panel.panelState else None
        return chosen if chosen is not None else (node.referenceVolume or None)

    # What the user does

    def onTool(self, name: str, *_clicked: Any) -> None:
        """Take a tool up, or put it down."""
        was = self._tool
        self.stop()
        if was != name:
            self._start(name)
        self._panel.host.refresh()

    def onImage(self, *_index: Any) -> None:
        ui = self._panel.ui
        self.stop()
        self._panel.logic.endTumor()
        chosen = ui.clickImageComboBox.itemData(ui.clickImageComboBox.currentIndex)
        self._panel.panelState.clickImage = str(chosen or "")
        self._panel.host.refresh()

    def onLevel(self, *_index: Any) -> None:
        combo = self._panel.ui.clickLevelComboBox
        self._panel.panelState.presetLevel = combo.itemText(combo.currentIndex)
        self._panel.host.refresh()

    def onTumorChoice(self, *_index: Any) -> None:
        """Another lesion, limit or method: what is proposed now was made for the one before."""
        self._panel.logic.endTumor()
        self._panel.host.refresh()

    def onAccept(self, *_clicked: Any) -> None:
        panel = self._panel
        with panel.host.running(_("The tumor could not be written.")):
            self._accept()
            panel.host.showMessage(_("The tumor was outlined; strokes now correct it near themselves."))
        panel.host.refresh()

    def onStep(self, back: bool, *_clicked: Any) -> None:
        panel = self._panel
        with panel.host.running(_("The last mark could not be taken back.")):
            state = panel.logic.stepMark(back)
            if state.accepted is not None and state.proposal is None:
                self._accept()
        panel.host.refresh()

    def onEnd(self, *_clicked: Any) -> None:
        """Let go of the marks, and of what is proposed; the next tumor is a new one."""
        self.stop()
        self._panel.logic.endTumor()
        self._said = ""
        self._panel.ui.tumorComboBox.currentIndex = 0
        self._panel.host.refresh()

    def onRefine(self) -> None:
        """Make the proposal exact while the reader looks at the first one."""
        panel = self._panel
        if panel.parameterNode is None or self._busy or panel.logic.tumorState is None:
            return
        self._busy = True
        with panel.host.running(_("The outline could not be refined.")) as progress:
            panel.logic.refineTumor(progress)
        self._busy = False
        panel.host.refresh()

    # Points that come in

    def take(self) -> None:
        """Work on what was placed since; called after the mouse event, not within it."""
        panel = self._panel
        if self._busy or self._placing is None or panel.parameterNode is None:
            return
        marks = self._placing.finished(2 if self._tool == CANAL else 1)
        if not marks:
            if not self._placing.isPlacing:
                # The mouse was given another task.
                self.stop()
            panel.host.refresh()
            return
        self._busy = True
        try:
            for points in marks:
                self._step(points)
        finally:
            self._busy = False
        panel.host.refresh()

    def _step(self, points: list[Any]) -> None:
        panel, tool = self._panel, self._tool
        if tool == VERTEBRA:
            with panel.host.running(_("The vertebra could not be outlined.")) as progress:
                self._vertebra(points[0], progress)
        elif tool == CANAL:
            with panel.host.running(_("The canal could not be outlined.")) as progress:
                self._canal(points, progress)
        elif tool in _TUMOR_TOOLS:
            kind, inside = _TUMOR_TOOLS[tool]
            with panel.host.running(_("The tumor could not be outlined.")):
                self._mark(kind, points, inside)

    def _vertebra(self, position: Any, progress: Any) -> None:
        panel, volume = self._panel, self.volume
        level = panel.panelState.presetLevel
        whole = bool(panel.ui.clickWholeCheckBox.checked)
        self._placing.clear()
        labels = panel.logic.computeVertebra(panel.parameterNode, volume, position, level, whole, progress)
        panel.saveForUndo(volume)
        added = panel.logic.addOutlinesOf(panel.parameterNode, volume, labels)
        taken = panel.logic.levelsOf(panel.logic.segmentationOn(panel.parameterNode, volume)).values()
        panel.panelState.presetLevel = panel.logic.nextLevel(level, taken)
        said = _("{level} was outlined.").format(level=level)
        words = _("{n} outlines were added.").format(n=len(added)) if whole else said
        panel.host.showMessage(" ".join((words, *labels.notes)))

    def _canal(self, points: list[Any], progress: Any) -> None:
        panel, volume = self._panel, self.volume
        self._placing.clear()
        masks, notes = panel.logic.computeCanal(panel.parameterNode, volume, points, progress)
        panel.saveForUndo(volume)
        panel.logic.addCanal(panel.parameterNode, volume, masks)
        names = ", ".join(structure.value for structure in masks)
        panel.host.showMessage(" ".join((_("Outlined: {names}.").format(names=names), *notes)))
        self.stop()

    def _mark(self, kind: str, points: list[Any], inside: bool) -> None:
        panel = self._panel
        try:
            state = panel.logic.markTumor(panel.parameterNode, self._chosen(), kind, points, inside)
        except Exception:
            # A mark that cannot be used leaves nothing behind, not even itself.
            self._placing.drop()
            raise
        self._said = " ".join(f"{note[:1].upper()}{note[1:]}." for note in state.notes)
        if state.proposal is None:
            # A correction of what was accepted is an edit of its own.
            self._accept()
        else:
            self._refining.start(0)

    def _accept(self) -> None:
        panel, volume = self._panel, self.volume
        panel.saveForUndo(volume)
        self._lesion = panel.logic.acceptTumor(panel.parameterNode)
        if self._placing is not None:
            self._placing.clear()

    def _chosen(self) -> TumorChoice:
        ui, volume = self._panel.ui, self.volume
        state = self._panel.logic.tumorState
        segmentID = str(ui.tumorComboBox.itemData(ui.tumorComboBox.currentIndex) or "")
        within = str(ui.tumorLimitComboBox.itemData(ui.tumorLimitComboBox.currentIndex) or "")
        method = str(ui.tumorMethodComboBox.itemData(ui.tumorMethodComboBox.currentIndex) or OWN)
        if state is None:
            self._lesion = segmentID
        return TumorChoice(
            volume,
            self._lesion,
            tuple(name for name in within.split(",") if name),
            method,
            str(ui.serverLineEdit.text).strip(),
        )

    # Tools

    def _start(self, name: str) -> None:
        kind, inside = _TUMOR_TOOLS.get(name, ("point", True))
        color = _PLAIN if name in (VERTEBRA, CANAL) else _INSIDE if inside else _OUTSIDE
        self._tool = name
        self._placing = Placing(_NODES[kind], kind, color)
        self.addObserver(self._placing.node, vtkMRMLMarkupsNode.PointPositionDefinedEvent, self._onPlaced)
        interaction = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLInteractionNode")
        if interaction is not None:
            self.addObserver(interaction, vtkMRMLInteractionNode.EndPlacementEvent, self._onPlaced)
        self._placing.start()

    def stop(self) -> None:
        """Put the tool down; its points go with it."""
        self.removeObservers()
        self._soon.stop()
        if self._placing is not None:
            self._placing.end()
        self._placing, self._tool = None, ""

    def _onPlaced(self, caller: Any, event: Any) -> None:
        self._soon.start(0)

    def close(self) -> None:
        """The panel is not used again; what is proposed goes with it."""
        self.stop()
        self._refining.stop()
        self._panel.logic.endTumor()

    # What is shown

    _lesion = ""

    def show(self) -> None:
        """Show what can be clicked now, and what it waits for."""
        panel = self._panel
        ui, node, logic, volume = panel.ui, panel.parameterNode, panel.logic, self.volume
        images = logic.outlineImages(node) if node is not None else []
        panel.fill(
            ui.clickImageComboBox, [(item.GetName(), item.GetID()) for item in images], volume and volume.GetID()
        )
        if panel.panelState:
            found = ui.clickLevelComboBox.findText(panel.panelState.presetLevel)
            ui.clickLevelComboBox.currentIndex = max(0, found)
        lesions = logic.lesionsOn(node, volume) if node is not None and volume else {}
        entries = [(_("new lesion"), ""), *((name, key) for key, name in lesions.items())]
        data = ui.tumorComboBox.itemData(ui.tumorComboBox.currentIndex)
        panel.fill(ui.tumorComboBox, entries, self._lesion if logic.tumorState is not None else data)
        methods = logic.tumorMethods(str(ui.serverLineEdit.text).strip())
        chosen = str(ui.tumorMethodComboBox.itemData(ui.tumorMethodComboBox.currentIndex) or OWN)
        usable = [(title, key) for key, title, missing in methods if not missing]
        panel.fill(ui.tumorMethodComboBox, usable, chosen)
        lacking = " ".join(missing for _key, _title, missing in methods if missing)
        ui.tumorMethodComboBox.toolTip = " ".join(filter(None, (_("Who finds the tumor's border."), lacking)))
        self._showTools(node, volume)
        self._showTumor()

    def _showTools(self, node: Any, volume: Any) -> None:
        panel = self._panel
        tips = {
            VERTEBRA: _("Then click into the middle of the body of each vertebra; each click is one undo."),
            CANAL: _("Then click into the canal at the upper and at the lower end of the stretch to outline."),
            "insidePoint": _("Then click into the tumor; the outline shows at once."),
            "insideStroke": _("Then click along a line through the tumor; end it with a double click."),
            "tumorBox": _("Then click two opposite corners of a box round the tumor."),
            "outsidePoint": _("Then click where the outline must not be."),
            "outsideStroke": _("Then click along a line where the outline must not be; end it with a double click."),
        }
        for name, button in self._buttons.items():
            structure = name if name in (VERTEBRA, CANAL) else "lesion"
            waits = panel.logic.whyNotClick(node, volume, structure)
            enable(button, waits, tips[name])
            button.checked = name == self._tool
        ui = panel.ui
        is_ct = bool(volume) and panel.logic.roleOf(volume).role.value == "CT"
        ui.clickWholeCheckBox.enabled = is_ct
        ui.clickWholeCheckBox.toolTip = (
            _("Outline all vertebrae near the click, named by it.")
            if is_ct
            else _("In CT only: in MR click each body.")
        )

    def _showTumor(self) -> None:
        panel = self._panel
        ui, logic = panel.ui, panel.logic
        state = logic.tumorState
        proposed = state is not None and state.proposal is not None
        for button, able, tip, waits in (
            (
                ui.acceptTumorButton,
                proposed,
                _("Write the outline as it is shown."),
                _("Waits for a mark in a tumor."),
            ),
            (ui.undoMarkButton, logic.canUndoMark(), _("Take the last mark back."), _("No mark was set yet.")),
            (ui.redoMarkButton, logic.canRedoMark(), _("Set the mark again."), _("No mark was taken back.")),
            (
                ui.endTumorButton,
                state is not None,
                _("Let go of what is proposed, and of the marks; what was accepted stays."),
                _("Nothing is proposed."),
            ),
        ):
            button.enabled = able
            button.toolTip = tip if able else waits
        ui.endTumorButton.text = _("Discard") if proposed or state is None else _("Done")
        hint = self._hint(state, proposed)
        ui.clickHintLabel.text = hint
        ui.clickHintLabel.visible = bool(hint)

    def _hint(self, state: Any, proposed: bool) -> str:
        panel = self._panel
        if self._tool == VERTEBRA:
            return _("Click into the body of {level}.").format(level=panel.panelState.presetLevel)
        if self._tool == CANAL:
            return _("Click the other end.") if self._placing.waiting else _("Click one end of the canal.")
        if proposed:
            volume = _("Proposed: {ml:.1f} mL.").format(ml=state.proposal.volume_ml)
            return " ".join(filter(None, (volume, self._said, _("Mark more, or accept."))))
        if self._tool in _TUMOR_TOOLS:
            return _TUMOR_HINTS[_TUMOR_TOOLS[self._tool][0]]
        return ""


_TUMOR_HINTS = {
    "point": _("Click in a view."),
    "stroke": _("Click along the stroke; a double click ends it."),
    "box": _("Click two opposite corners."),
}
