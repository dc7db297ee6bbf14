"""OutlineEngines: the tab of the Outline panel with a button for each engine, its time, its progress and its end."""

from functools import partial
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SpineMetAssessmentLib.Job import Job
from SpineMetAssessmentLib.Panel import enable


class OutlineEngines(VTKObservationMixin):
    """One engine at a time works beside the window; its outlines come in as one edit.

    It goes on while another module is open; what it found is then written when this one is entered again.

    :param panel: the Outline panel.
    """

    def __init__(self, panel: Any) -> None:
        VTKObservationMixin.__init__(self)
        import qt

        self._panel = panel
        self._job: Any = None
        self._title = ""
        # For which time point and image it works.
        self._for: tuple[Any, Any] = (None, None)
        self._found: tuple[Any, Any] | None = None
        self._buttons: list[Any] = []
        self._soon = qt.QTimer()
        self._soon.singleShot = True
        self._soon.timeout.connect(self._deliver)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._onSceneCloses)
        panel.ui.engineCancelButton.clicked.connect(self.onCancel)
        panel.ui.serverLineEdit.editingFinished.connect(panel.host.refresh)

    @property
    def running(self) -> bool:
        """Whether an engine works now."""
        return self._job is not None and bool(self._job.running)

    def onEngine(self, index: int, *_clicked: Any) -> None:
        panel = self._panel
        offer = panel.logic.engineOffers(panel.clicks.volume)[index]
        with panel.host.running(_("The engine could not be started.")):
            volume = panel.clicks.volume
            around = bool(panel.ui.engineAroundCheckBox.checked)
            work = panel.logic.engineWork(panel.parameterNode, volume, offer.engine, around)
            self._title, self._for = offer.title, (panel.parameterNode, volume)
            self._job = Job(work, self._onTold, self._onDone)
            panel.host.showMessage(
                _("{title} works; it takes about {time}. You may go on meanwhile.").format(
                    title=offer.title, time=offer.time
                )
            )
        panel.host.refresh()

    def onCancel(self, *_clicked: Any) -> None:
        if self.running:
            self._job.stop()
            self._panel.ui.engineCancelButton.enabled = False

    def close(self) -> None:
        """The panel is not used again: what works for it ends."""
        self.removeObservers()
        self._onSceneCloses(None, None)

    def _onSceneCloses(self, caller: Any, event: Any) -> None:
        if self._job is not None:
            self._job.abandon()
        self._soon.stop()
        self._job, self._found, self._for = None, None, (None, None)

    def _onTold(self, fraction: float, text: str) -> None:
        bar = self._panel.ui.engineProgressBar
        bar.value = int(100 * fraction)
        bar.format = text

    def _onDone(self, run: Any, error: Any) -> None:
        self._job, self._found = None, (run, error)
        self._deliver()

    def _deliver(self) -> None:
        """Write what the engine found; while the module is left it waits."""
        panel = self._panel
        if self._found is None or panel.parameterNode is None:
            return
        (run, error), (node, volume) = self._found, self._for
        self._found, self._for = None, (None, None)
        if not all(slicer.mrmlScene.IsNodePresent(item) for item in (node.parameterNode, volume)):
            return
        with panel.host.running(_("{title} could not outline.").format(title=self._title)):
            if error is not None:
                raise error
            labels, notes = panel.logic.newOfEngine(node, volume, run)
            if node.parameterNode is panel.parameterNode.parameterNode:
                panel.saveForUndo(volume)
            added = panel.logic.addOutlinesOf(node, volume, labels)
            said = _("{title} added {n} outlines; check the levels.").format(title=self._title, n=len(added))
            panel.host.showMessage(" ".join((said, *notes)))
        panel.host.refresh()

    def show(self) -> None:
        """One button for each engine that is made for this image; disabled ones say what they lack."""
        import qt

        if self._found is not None:
            self._soon.start(0)
        panel = self._panel
        ui = panel.ui
        offers = panel.logic.engineOffers(panel.clicks.volume if panel.parameterNode is not None else None)
        while len(self._buttons) < len(offers):
            button = qt.QPushButton()
            button.clicked.connect(partial(self.onEngine, len(self._buttons)))
            ui.engineFrame.layout().addWidget(button)
            self._buttons.append(button)
        for number, button in enumerate(self._buttons):
            button.visible = number < len(offers)
            if number >= len(offers):
                continue
            offer = offers[number]
            waits = offer.missing or (_("Waits for the engine that works.") if self.running else "")
            state = _("cannot run here") if offer.missing else _("about {time}").format(time=offer.time)
            button.text = f"{offer.title}  –  {state}"
            enable(button, waits, _("Outline all vertebrae of this image; what is outlined already stays."))
        missing = sum(bool(offer.missing) for offer in offers)
        ui.engineLabel.text = _(
            "Programs that outline by themselves; {n} of {all} can run here. None is needed, none is ever installed."
        ).format(n=len(offers) - missing, all=len(offers))
        ui.engineProgressBar.visible = self.running
        ui.engineCancelButton.visible = self.running
        ui.engineCancelButton.enabled = self.running
        if not self.running:
            ui.engineProgressBar.value = 0
