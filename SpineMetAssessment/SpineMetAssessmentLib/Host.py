"""Host: runs the panels of the module: their headers, messages, progress that can be stopped, keys and help."""

import contextlib
import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SpineMetAssessmentLib.Rollback import Rollback
from SpineMetAssessmentLib.ViewRow import ViewRow

_SHOWING_MS = 20
"""While a result is being written into the scene, a refresh waits for so long at a time."""


class Host(VTKObservationMixin):
    """Mixed into the module's widget, which has `logic`, `ui`, `resourcePath` and `initializeParameterNode`."""

    logic: Any
    ui: Any

    def __init__(self) -> None:
        VTKObservationMixin.__init__(self)
        self.panels: list[Any] = []
        self._parameterNode: Any = None
        self._headers: dict[Any, Any] = {}
        self._shortcuts: list[Any] = []
        self._running = False
        self._stopped = False
        self._filling = False
        self._soon: Any = None
        self.orphansLeft = False
        self._view: Any = None
        self._message = ""
        # Sentences on what cannot be shown as the scene is now.
        self._complaints: list[str] = []
        # Those of them that are in the log already.
        self._logged: set[str] = set()
        self._depth = 0

    def setupPanels(self, panelClasses: Any) -> None:
        """Build the panels under the head, in the order given."""
        import ctk
        import qt

        for number, panelClass in enumerate(panelClasses, start=1):
            panel = panelClass(self, slicer.util.loadUI(self.resourcePath(f"UI/{panelClass.__name__}.ui")))
            header = ctk.ctkCollapsibleButton()
            header.text = f"{number}  {panel.title}"
            header.toolTip = panel.help
            frame = qt.QVBoxLayout(header)
            frame.addWidget(panel.widget)
            header.contentsCollapsed.connect(partial(self.onCollapsed, panelClass.__name__))
            self.ui.panelsFrame.layout().addWidget(header)
            self._headers[panel] = header
            self.panels.append(panel)
        self._soon = qt.QTimer()
        self._soon.singleShot = True
        self._soon.timeout.connect(self._onSoon)
        self._view = ViewRow(self)
        ui = self.ui
        ui.stopButton.clicked.connect(self.onStop)
        ui.studyButton.clicked.connect(partial(self.openPanel, "StudyPanel"))
        ui.worstButton.clicked.connect(self.onShowWorst)
        ui.helpButton.toggled.connect(self.onHelp)
        ui.helpLabel.visible = False
        self.showMessage("")
        self._showProgress(False)

    def panel(self, name: str) -> Any:
        """The panel of a class name, None when there is none."""
        return next((panel for panel in self.panels if type(panel).__name__ == name), None)

    def openPanel(self, name: str, *_clicked: Any) -> None:
        """Unfold a panel; the others stay as they are."""
        panel = self.panel(name)
        if panel is not None:
            self._headers[panel].collapsed = False

    def useTimePoint(self, node: Any) -> None:
        """Show another time point, given by its parameter node."""
        self.logic.setCurrent(node)
        self.initializeParameterNode()

    def setParameterNode(self, parameterNode: Any) -> None:
        """Hand the parameter node to the panels; None lets go of it."""
        if self._parameterNode:
            self.removeObserver(self._parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onModified)
        self._soon.stop()
        self._parameterNode = parameterNode
        for panel in self.panels:
            panel.setParameterNode(parameterNode)
        if parameterNode:
            self.addObserver(parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onModified)
        self.refresh()

    def refresh(self) -> None:
        """Let every panel show what the scene holds now, its state in its header; waits for a running step to end."""
        if self._running:
            return
        self._complaints = []
        # What a panel chooses by itself may call this again.
        self._depth += 1
        try:
            self._showAll()
        finally:
            self._depth -= 1
            if not self._depth:
                self._logged &= set(self._complaints)
            self._showMessages()

    def _showAll(self) -> None:
        open_ = self._parameterNode.openPanels.split() if self._parameterNode else None
        for number, panel in enumerate(self.panels, start=1):
            state = ""
            with self._said():
                panel.refresh()
            with self._said():
                state = panel.state()
            self._headers[panel].text = f"{number}  {panel.title}" + (f"  –  {state}" if state else "")
            if open_ is not None:
                self._filling = True
                self._headers[panel].collapsed = type(panel).__name__ not in open_
                self._filling = False
        with self._said():
            self._view.refresh()
        self._showHead()

    def refreshSoon(self) -> None:
        """Refresh once what happens now is over; many calls make one refresh."""
        self._soon.start(0)

    def removeOrphans(self) -> None:
        """Remove what of ours belonged to nodes that were removed, where any were."""
        if self.orphansLeft:
            self.orphansLeft = False
            self.logic.removeOrphans()

    def showMessage(self, text: str) -> None:
        """Show a sentence above the panels; an empty one takes it away."""
        self._message = text
        self._showMessages()

    def complain(self, error: Any) -> None:
        """What cannot be shown as the scene is now is said as long as that lasts, and logged once."""
        sentence = str(error)
        if sentence not in self._complaints:
            self._complaints.append(sentence)
        if sentence not in self._logged:
            self._logged.add(sentence)
            logging.error("SpineMet: %s", sentence)
        self._showMessages()

    @contextlib.contextmanager
    def running(self, failed: str) -> Iterator[Any]:
        """Run a step: what goes wrong for the user becomes the message, and Stop ends it.

        Yields a `progress` for the library. What a step that fails added to the scene is taken away again. Only the
        unexpected ends in a dialog, headed by `failed`.
        """
        from spinemet.errors import Cancelled, SpineMetError

        self.showMessage("")
        self._stopped = False
        self._running = True
        self._showProgress(True)
        before = Rollback(slicer.mrmlScene)
        try:
            with slicer.util.tryWithErrorDisplay(failed, waitCursor=True):
                try:
                    yield self._progress
                except Cancelled:
                    before.undo()
                    self.showMessage(_("Stopped; nothing was changed."))
                except SpineMetError as error:
                    before.undo()
                    logging.error("SpineMet: %s", error)
                    self.showMessage(str(error))
                    # The refresh that follows may meet the same.
                    self._logged.add(str(error))
                except Exception:
                    before.undo()
                    self.showMessage(_("{failed} What happened is in the log.").format(failed=failed))
                    raise
        finally:
            self._running = False
            self._showProgress(False)

    def onStop(self) -> None:
        self._stopped = True

    def onCollapsed(self, name: str, collapsed: bool) -> None:
        if self._filling or self._parameterNode is None:
            return
        open_ = [item for item in self._parameterNode.openPanels.split() if item != name]
        self._parameterNode.openPanels = " ".join(open_ if collapsed else [*open_, name])
        if self.ui.helpButton.checked:
            self.onHelp(True)

    def onShowWorst(self) -> None:
        """All views go to the worst level."""
        worst = self.logic.worstPlace(self._parameterNode)
        if worst is not None:
            level, position = worst
            self.logic.jumpTo(position, self._parameterNode, level)

    def onHelp(self, shown: bool) -> None:
        """Show what the open panels are for, and the keys."""
        texts = [
            f"<b>{panel.title}</b> {panel.help}"
            for panel in self.panels
            if panel.help and not self._headers[panel].collapsed
        ]
        keys = [f"{keys}: {what}" for keys, what, _call in self.shortcuts()]
        texts += ["<b>{title}</b> {keys}".format(title=_("Keys"), keys="; ".join(keys))] if keys else []
        self.ui.helpLabel.text = "<br>".join(texts)
        self.ui.helpLabel.visible = shown

    def shortcuts(self) -> list[Any]:
        """Keys, what they do, and what to call: of all panels, and of the views."""
        return [*(item for panel in self.panels for item in panel.shortcuts()), *self._view.shortcuts()]

    def installShortcuts(self) -> None:
        """The panels' keys, while the module is open."""
        import qt

        self.removeShortcuts()
        for keys, _what, call in self.shortcuts():
            shortcut = qt.QShortcut(qt.QKeySequence(keys), self.parent)
            shortcut.context = qt.Qt.ApplicationShortcut
            shortcut.activated.connect(call)
            self._shortcuts.append(shortcut)

    def removeShortcuts(self) -> None:
        for shortcut in self._shortcuts:
            shortcut.enabled = False
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []

    def _onSoon(self) -> None:
        if self.logic.showing:
            # Nodes come and go by themselves now.
            self._soon.start(_SHOWING_MS)
            return
        self.removeOrphans()
        self.refresh()

    def _onModified(self, caller: Any, event: Any) -> None:
        if self.logic.showing:
            # Many changes, after the last of which the panels are told.
            return
        if not self._running:
            with self._said():
                self.logic.updateLesionSegments(self._parameterNode)
        self.refresh()

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        """What cannot be shown becomes a sentence above the panels."""
        from spinemet.errors import SpineMetError

        try:
            yield
        except SpineMetError as error:
            self.complain(error)

    def _showMessages(self) -> None:
        text = "\n".join(dict.fromkeys(filter(None, (self._message, *self._complaints))))
        self.ui.messageLabel.text = text
        self.ui.messageLabel.visible = bool(text)

    def _showHead(self) -> None:
        ui, node = self.ui, self._parameterNode
        study, answer, worst = "", "", None
        with self._said():
            study = self.logic.studyLine(node)
        with self._said():
            answer = " · ".join(filter(None, (self.logic.answerLine(node), *(x.headline() for x in self.panels))))
            worst = self.logic.worstPlace(node)
        ui.studyLabel.text, ui.answerLabel.text = study, answer
        ui.worstButton.enabled = worst is not None
        ui.worstButton.toolTip = (
            _("All views go to the worst level.") if ui.worstButton.enabled else _("Waits for a level that is scored.")
        )

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
