"""RegisterPanel: one series brought onto another, judged level by level, looked at, corrected by hand and undone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import slicer
from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

from SpineMetAssessmentLib.LevelTable import fitRows
from SpineMetAssessmentLib.Panel import Panel, enable
from SpineMetAssessmentLib.RegisterLogic import COMPARISONS, FLICKERING, RegisterInput

_LEVEL, _TRUST, _MOVED, _ERROR, _LANDMARKS = range(5)
_WIDTHS = {_LEVEL: 44, _TRUST: 96, _MOVED: 98, _ERROR: 50, _LANDMARKS: 66}
_ROWS_IN_SIGHT = 12
_FLICKER_MS = 800
"""Slow enough to be followed, and far from what may provoke a seizure (3 Hz)."""
FIXED, MOVING = 0, 1


@parameterNodeWrapper
class RegisterPanelState:
    """What the panel remembers with the scene.

    fixedVolume - The image that stays; the reference image until another one is chosen.
    movingVolume - The image that is brought onto it.
    segmentation - Vertebrae on the fixed image.
    fixedLandmarks, movingLandmarks - Points on either image, in pairs.
    startFromLandmarks - The registration starts from them; otherwise they measure its error.
    """

    fixedVolume: vtkMRMLScalarVolumeNode
    movingVolume: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    fixedLandmarks: vtkMRMLMarkupsFiducialNode
    movingLandmarks: vtkMRMLMarkupsFiducialNode
    startFromLandmarks: bool = False


class RegisterPanel(Panel):
    """Register, judge, compare, correct, undo."""

    title = _("Register")
    help = _(
        "Bring an MR or PET onto the CT: every outlined vertebra moves by itself, the space between bends. Only"
        " transforms are put above the moving image; undo takes them away. Look at every level that is marked, with"
        " the checkerboard or the edges. Without outlines only one motion is found and the level stays untested."
    )
    StateClass = RegisterPanelState

    def setup(self) -> None:
        import ctk
        import qt

        self._filling = False
        self._refused = ""
        self._level = ""
        self._rows: list[str] = []
        self._first = True
        ui = self.ui
        self._flickerTimer = qt.QTimer()
        self._flickerTimer.interval = _FLICKER_MS
        self._flickerTimer.timeout.connect(self.onFlicker)
        ui.fixedComboBox.activated.connect(partial(self.onVolume, FIXED))
        ui.movingComboBox.activated.connect(partial(self.onVolume, MOVING))
        ui.registerButton.clicked.connect(partial(self.onRegister, False))
        ui.againButton.clicked.connect(partial(self.onRegister, True))
        ui.undoButton.clicked.connect(self.onUndo)
        ui.compareComboBox.addItem(_("as the views were"), "")
        for how in COMPARISONS:
            ui.compareComboBox.addItem(how, how)
        ui.compareComboBox.activated.connect(self.onCompare)
        ui.opacitySlider.valueChanged.connect(self.onOpacity)
        ui.fixedPointButton.clicked.connect(partial(self.onPlace, FIXED))
        ui.movingPointButton.clicked.connect(partial(self.onPlace, MOVING))
        ui.nudgeButton.clicked.connect(self.onNudge)
        ui.levelTable.cellClicked.connect(self.onRow)
        for column, width in _WIDTHS.items():
            ui.levelTable.setColumnWidth(column, width)
        for combo in (ui.fixedComboBox, ui.movingComboBox, ui.compareComboBox):
            combo.scrollWheelEffect = ctk.ctkComboBox.NeverScroll

    def setParameterNode(self, parameterNode: Any) -> None:
        if parameterNode is None:
            self._stopComparing()
            self._refused = ""
        super().setParameterNode(parameterNode)

    def exit(self) -> None:
        self._stopComparing()

    def cleanup(self) -> None:
        self._flickerTimer.stop()
        super().cleanup()

    def shortcuts(self) -> list[tuple[str, str, Callable[[], None]]]:
        return [
            ("Alt+C", _("checkerboard on and off"), self.onCheckerboard),
            ("Alt+F", _("flicker between before and after"), self.onBeforeAfter),
        ]

    def state(self) -> str:
        if self._refused:
            return _("refused")
        record = self._record()
        if record is None:
            return ""
        if not record.vertebrae:
            return _("levels untested")
        trusted = sum(not row.marked for row in record.vertebrae)
        return _("{n} of {all} levels trusted").format(n=trusted, all=len(record.vertebrae))

    def refresh(self) -> None:
        if self._filling:
            return
        self._filling = True
        try:
            self._chooseDefaults()
            self._showSeries()
            record = self._record()
            distances, mismatch = self._distances()
            self._showLevels(record, distances)
            self._showVerdict(record)
            self._showLandmarks(distances, mismatch)
            self._showButtons(record)
            self._followLandmarks()
        finally:
            self._filling = False

    # What the user does

    def onVolume(self, side: int, *_index: Any) -> None:
        combo = (self.ui.fixedComboBox, self.ui.movingComboBox)[side]
        node = slicer.mrmlScene.GetNodeByID(combo.itemData(combo.currentIndex) or "")
        self._stopComparing()
        self._refused = ""
        if side == FIXED:
            self.panelState.fixedVolume = node
        else:
            self.panelState.movingVolume = node
        self.host.refresh()

    def onRegister(self, again: bool, *_clicked: Any) -> None:
        with self._step(_("The images could not be registered.")) as progress:
            record = self.logic.registerSeries(self.parameterNode, self._chosen(), again=again, progress=progress)
            self._compareAgain()
            self.host.showMessage(_("Registered: {verdict}.").format(verdict=record.verdict.value))
        self.host.refresh()

    def onNudge(self, *_clicked: Any) -> None:
        ui, level = self.ui, self._level
        shift = (ui.rightSpinBox.value, ui.anteriorSpinBox.value, ui.superiorSpinBox.value)
        turn = (ui.turnRightSpinBox.value, ui.turnAnteriorSpinBox.value, ui.turnSuperiorSpinBox.value)
        with self._step(_("The vertebra could not be moved.")) as progress:
            self.logic.nudge(self.parameterNode, self._chosen(), level, shift, turn, progress)
            self._compareAgain()
            for box in self._nudgeBoxes():
                box.value = 0.0
            self.host.showMessage(_("{level} was moved; look at it, or register again from here.").format(level=level))
        self.host.refresh()

    def onUndo(self, *_clicked: Any) -> None:
        with self._step(_("The registration could not be taken back.")):
            self.logic.undoRegistration(self._chosen().moving)
            self._compareAgain()
        self.host.refresh()

    def onCompare(self, *_index: Any) -> None:
        ui = self.ui
        how = str(ui.compareComboBox.itemData(ui.compareComboBox.currentIndex) or "")
        self._flickerTimer.stop()
        shown = False
        with self.host.running(_("The images could not be compared.")) as progress:
            self.logic.compare(self._chosen(), how, self._opacity(), progress)
            shown = True
        if not shown:
            ui.compareComboBox.currentIndex = 0
        elif how in FLICKERING:
            self._first = True
            self._flickerTimer.start()
        self.host.refresh()

    def onFlicker(self) -> None:
        if self.parameterNode is None:
            self._flickerTimer.stop()
            return
        self._first = not self._first
        self.logic.flick(self._chosen(), self._how(), self._first, self._opacity())

    def onOpacity(self, *_value: Any) -> None:
        if not self._filling:
            self.logic.setOpacity(self._opacity())

    def onCheckerboard(self) -> None:
        self._toggle("checkerboard")

    def onBeforeAfter(self) -> None:
        self._toggle("before / after")

    def onPlace(self, side: int, *_clicked: Any) -> None:
        with self.host.running(_("No point could be placed.")):
            node = self.logic.addLandmark(self._chosen(), side)
            if side == FIXED:
                self.panelState.fixedLandmarks = node
            else:
                self.panelState.movingLandmarks = node
            self.host.showMessage(_("Click at the place in a view of the image."))
        self.host.refresh()

    def onRow(self, row: int, _column: int) -> None:
        self._level = self._rows[row]
        record = self._record()
        for item in record.vertebrae if record is not None else ():
            if item.level.value == self._level:
                self.logic.jumpTo(item.center, self.parameterNode, self._level)
        self.host.refresh()

    # What is shown

    def _step(self, failed: str) -> Any:
        """Run a step; what forbids its result stays in the panel until the next one."""
        return _Refusable(self, self.host.running(failed))

    def _chosen(self) -> RegisterInput:
        state = self.panelState
        lists = (state.fixedLandmarks, state.movingLandmarks)
        return RegisterInput(
            state.fixedVolume,
            state.movingVolume,
            state.segmentation,
            lists if any(lists) else None,
            bool(state.startFromLandmarks) and all(lists),
        )

    def _record(self) -> Any:
        if self.panelState is None or not self.panelState.movingVolume:
            return None
        return self.logic.record(self.panelState.movingVolume)

    def _chooseDefaults(self) -> None:
        """The reference image and its outlines; the first other image of the study."""
        state, shared = self.panelState, self.parameterNode
        if state is None:
            return
        if not state.fixedVolume and shared.referenceVolume:
            state.fixedVolume = shared.referenceVolume
        if not state.segmentation and shared.segmentation and state.fixedVolume is shared.referenceVolume:
            state.segmentation = shared.segmentation
        if not state.movingVolume and state.fixedVolume:
            others = [node for node in self.logic.studyVolumes(shared) if node is not state.fixedVolume]
            state.movingVolume = next(iter(others), None)

    def _showSeries(self) -> None:
        ui, state = self.ui, self.panelState
        nodes = self.logic.studyVolumes(self.parameterNode) if self.parameterNode is not None else []
        for combo, current, empty in (
            (ui.fixedComboBox, state.fixedVolume if state else None, _("Choose the image that stays")),
            (ui.movingComboBox, state.movingVolume if state else None, _("Choose the image to bring onto it")),
        ):
            combo.clear()
            combo.addItem(empty, "")
            for node in nodes:
                combo.addItem(self.logic.seriesTitle(node), node.GetID())
            combo.currentIndex = max(0, combo.findData(current.GetID())) if current else 0
            combo.enabled = bool(nodes)
            combo.toolTip = self.logic.seriesTitle(current) if current else _("Waits for an image.")

    def _distances(self) -> tuple[list[Any], str]:
        from spinemet.errors import SpineMetError

        if self.panelState is None:
            return [], ""
        try:
            return self.logic.landmarkDistances(self._chosen()), ""
        except SpineMetError as error:
            return [], str(error)

    def _showLevels(self, record: Any, distances: list[Any]) -> None:
        import qt

        table = self.ui.levelTable
        rows = record.vertebrae if record is not None else ()
        self._rows = [row.level.value for row in rows]
        if self._level not in self._rows:
            self._level = ""
        table.blockSignals(True)
        table.rowCount = len(rows)
        for number, row in enumerate(rows):
            apart = [item.nowMm for item in distances if item.level == row.level.value]
            texts = [
                row.level.value,
                _trustWords(row),
                f"{row.shift_mm:.1f} mm {row.turn_deg:.1f}°",
                f"±{row.spread_mm:.1f}" if row.spread_mm is not None else "–",
                f"{max(apart):.1f}" if apart else "–",
            ]
            for column, text in enumerate(texts):
                cell = qt.QTableWidgetItem(text)
                cell.setToolTip(row.reason or _("Every test passed."))
                if row.marked:
                    font = cell.font()
                    font.setBold(True)
                    cell.setFont(font)
                table.setItem(number, column, cell)
        fitRows(table, len(rows) + 1, _ROWS_IN_SIGHT)
        table.visible = bool(rows)
        table.setCurrentCell(self._rows.index(self._level) if self._level else -1, _LEVEL)
        table.blockSignals(False)

    def _showVerdict(self, record: Any) -> None:
        label = self.ui.verdictLabel
        lines = []
        if self._refused:
            lines = ["<b>{word}</b> {why}".format(word=_("Refused."), why=_plain(self._refused))]
            if record is not None:
                lines.append(_("The earlier registration stands."))
        elif record is not None:
            start = _("started from {start}").format(start=_plain(record.start))
            lines = [f"<b>{_plain(_VERDICTS[record.verdict.value])}</b> ({start})"]
            lines += [_plain(item.sentence) for item in record.checks if item.outcome.value in ("look", "untested")]
            lines += [_plain(row.reason) for row in record.vertebrae if row.marked]
            lines += [_plain(note) for note in record.notes]
        label.text = "<br>".join(dict.fromkeys(line for line in lines if line))
        label.visible = bool(lines)

    def _showLandmarks(self, distances: list[Any], mismatch: str) -> None:
        used = bool(self.panelState and self.panelState.startFromLandmarks)
        if mismatch:
            text = mismatch
        elif not distances:
            text = _("No pairs yet. Three or more that do not lie on one line can start the registration.")
        else:
            mean = sum(item.nowMm for item in distances) / len(distances)
            before = sum(item.beforeMm for item in distances) / len(distances)
            text = _("{n} pairs: {now:.1f} mm apart on average, {before:.1f} mm by the headers.").format(
                n=len(distances), now=mean, before=before
            )
            if used:
                text += " " + _("They are used, so this is no measure of the error.")
        self.ui.landmarksLabel.text = text

    def _showButtons(self, record: Any) -> None:
        ui, state = self.ui, self.panelState
        chosen = self._chosen() if state is not None else RegisterInput(None, None)
        waits = self.logic.whyNotRegister(chosen)
        enable(
            ui.registerButton, waits, _("Find the motion of the spine and of every outlined vertebra, and test it.")
        )
        needed = "" if record is not None else _("Waits for a registration.")
        enable(ui.againButton, waits or needed, _("Start from what is shown, with what you moved and placed."))
        enable(ui.undoButton, needed, _("Take the last step back; before the first there was no transform."))
        matched = record is not None and self.logic.registeredOnto(chosen.moving) is chosen.fixed
        compared = "" if matched else _("Waits for a registration of these two images.")
        enable(ui.compareComboBox, compared, _("Both images over each other in the slice views."))
        how = self._how()
        ui.opacitySlider.enabled = how in ("blend", "before / after")
        ui.opacitySlider.toolTip = (
            _("How much of the moving image is shown.")
            if ui.opacitySlider.enabled
            else _("For blend and before / after.")
        )
        enable(ui.fixedPointButton, "" if chosen.fixed else waits, _("Click a place in the fixed image."))
        enable(ui.movingPointButton, "" if chosen.moving else waits, _("Click the same place in the moving image."))
        level = self._level
        ui.nudgeLabel.text = (
            _("Nudge {level}").format(level=level) if level else _("Nudge: choose a level in the table")
        )
        nudges = compared or ("" if level else _("Waits for a level chosen in the table."))
        enable(ui.nudgeButton, nudges, _("Move this vertebra of the moving image by these amounts."))
        for box in self._nudgeBoxes():
            box.enabled = not nudges

    def _followLandmarks(self) -> None:
        """Distances follow the points while they are dragged."""
        self.removeObservers(self._onPoint)
        if self.panelState is None:
            return
        for node in (self.panelState.fixedLandmarks, self.panelState.movingLandmarks):
            if node is not None:
                self.addObserver(node, vtkMRMLMarkupsFiducialNode.PointEndInteractionEvent, self._onPoint)
                self.addObserver(node, vtkMRMLMarkupsFiducialNode.PointPositionDefinedEvent, self._onPoint)

    def _onPoint(self, caller: Any, event: Any) -> None:
        self.host.refreshSoon()

    def _nudgeBoxes(self) -> list[Any]:
        ui = self.ui
        return [
            ui.rightSpinBox,
            ui.anteriorSpinBox,
            ui.superiorSpinBox,
            ui.turnRightSpinBox,
            ui.turnAnteriorSpinBox,
            ui.turnSuperiorSpinBox,
        ]

    def _how(self) -> str:
        return str(self.ui.compareComboBox.itemData(self.ui.compareComboBox.currentIndex) or "")

    def _opacity(self) -> float:
        return float(self.ui.opacitySlider.value) / 100

    def _toggle(self, how: str) -> None:
        combo = self.ui.compareComboBox
        if self.panelState is not None and combo.enabled:
            combo.currentIndex = 0 if self._how() == how else combo.findData(how)
            self.onCompare()

    def _compareAgain(self) -> None:
        """Show the comparison as the registration is now; end it where there is none any more."""
        chosen, how = self._chosen(), self._how()
        if not how:
            return
        if self.logic.registeredOnto(chosen.moving) is chosen.fixed:
            self.logic.compare(chosen, how, self._opacity())
        else:
            self._stopComparing()

    def _stopComparing(self) -> None:
        self._flickerTimer.stop()
        self.logic.stopComparing()
        self.ui.compareComboBox.currentIndex = 0


class _Refusable:
    """The host's `running`, which also keeps the sentence of a refusal for the panel."""

    def __init__(self, panel: RegisterPanel, running: Any) -> None:
        self._panel, self._running = panel, running

    def __enter__(self) -> Any:
        self._panel._refused = ""
        return self._running.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
        from spinemet.errors import Cancelled, SpineMetError

        if isinstance(error, SpineMetError) and not isinstance(error, Cancelled):
            self._panel._refused = str(error)
        return self._running.__exit__(kind, error, trace)


_VERDICTS = {
    "usable": _("Usable."),
    "look first": _("Usable after a look."),
    "untested": _("Untested: confirm level and patient before use."),
    "refused": _("Refused."),
}


def _trustWords(row: Any) -> str:
    from spinemet.registration.by_hand import is_by_hand

    if is_by_hand(row.reason):
        return _("! by hand")
    return {
        "own": _("✓ its own"),
        "doubtful": _("! its own, look"),
        "spine": _("✓ with the spine"),
        "neighbors": _("! neighbors'"),
    }[row.trust.value]


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
