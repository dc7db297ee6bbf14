"""LiveLogic: grades again after every edit of outlines or marks, without keeping anybody waiting; no widget.

The logic owns the observers, so that they outlive the panel and work from the Segment Editor module, too.
"""

import logging
from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SpineMetAssessmentLib.AssessLogic import AssessLogic

DEBOUNCE_MS = 2
"""Edits that follow each other this closely are graded together; one that comes later begins the grading anew."""
RESTED_MS = 300
"""Without live grading the outlines are looked at once they have rested this long."""
STROKE_MS = 40
"""While a mouse button is down, someone paints: look again after this time."""
LIVE = "AssessPanel.live"
"""Parameter of the time point's node: "False" switches live grading off."""


class LiveLogic(AssessLogic):
    """Follows one time point; `regraded` and `failed` tell whoever shows the results.

    :param regraded: called after a new assessment stands in the scene.
    :param failed: called with a sentence when the study cannot be graded as it is now.
    :param outdated: called when the outlines rest after an edit while live grading is off or nothing was assessed.
    """

    def __init__(self) -> None:
        self._timer: Any = None
        self._observer = _Observer()
        self.regraded: Callable[[], None] | None = None
        self.failed: Callable[[str], None] | None = None
        self.outdated: Callable[[], None] | None = None
        super().__init__()

    def forget(self) -> None:
        self.unfollow()
        super().forget()

    def isLive(self, parameterNode: Any) -> bool:
        """Whether edits of this time point are graded at once."""
        return parameterNode.parameterNode.GetParameter(LIVE) != "False"

    def follow(self, parameterNode: Any) -> None:
        """Grade this time point again whenever its outlines or marks change; only one is followed at a time."""
        segmentation = parameterNode.segmentation
        followed = self._followed.parameterNode if self._followed is not None else None
        if followed is parameterNode.parameterNode and segmentation is self._segmentation:
            self._followed = parameterNode
            return
        self.unfollow()
        if not segmentation:
            return
        self._followed, self._segmentation = parameterNode, segmentation
        holder = segmentation.GetSegmentation()
        # Without call data: decoding it crashes where it is a bare text.
        for event in ("SegmentAdded", "SegmentRemoved", "SegmentModified", "SourceRepresentationModified"):
            self._observer.addObserver(holder, getattr(holder, event), self.onEdited)
        self._observeMarks()

    def letGoOfRemoved(self) -> None:
        """Stop following where a person deleted what is followed; whatever runs for it is given up."""
        node = self._followed
        if node is None:
            return
        held = (node.parameterNode, self._segmentation, node.referenceVolume)
        if not all(item and slicer.mrmlScene.IsNodePresent(item) for item in held):
            self.unfollow()

    def unfollow(self) -> None:
        """Stop grading by itself; the scene keeps the last result."""
        if getattr(self, "_grading", None) is not None:
            self._grading.stop()
        self._observer.removeObservers()
        self._grading: Any = None
        self._followed: Any = None
        self._segmentation: Any = None
        self._marks: list[Any] = []
        self._said = ""
        self._waits = False
        if self._timer is not None:
            self._timer.stop()

    @property
    def grading(self) -> bool:
        """Whether a regrade waits or runs."""
        waits = self._timer is not None and self._timer.active
        return bool(waits or (self._grading is not None and self._grading.busy))

    @property
    def showing(self) -> bool:
        """Whether a result is being written into the scene: nodes come and go, and a refresh follows by itself."""
        return self._grading is not None and bool(self._grading.showing)

    def assess(self, parameterNode: Any, progress: Any = None) -> Any:
        if self._grading is not None:
            self._grading.stop()
        assessment = super().assess(parameterNode, progress)
        self._said = ""
        if self._followed is not None:
            self._observeMarks()
        return assessment

    def onEdited(self, caller: Any, event: Any) -> None:
        """The outlines changed: grade again soon. Costs nothing, so painting does not wait."""
        if self._followed is not None:
            self._start(DEBOUNCE_MS if self._gradesNow() else RESTED_MS)

    def onMarkMoved(self, caller: Any, event: Any) -> None:
        """A person moved a mark: what it measures now stands in place of the computed value."""
        from spinemet.answers import HandMeasurement
        from spinemet.scene.mark_nodes import hand_place, hand_places, moved_measurements

        node = self._followed
        if node is None or self.showing:
            return
        moved: dict[tuple[str, str], Any] = {}
        for item in moved_measurements(slicer.mrmlScene, node.parameterNode):
            if hand_place(item):
                moved[hand_place(item)] = item
        # What this mark measured before it was put back is computed again.
        hands: dict[tuple[str, str], Any] = dict.fromkeys(set(hand_places(caller)) - moved.keys())
        for place, item in moved.items():
            if item.node_id == caller.GetID():
                hands[place] = HandMeasurement(round(item.value, 2), item.unit, item.points, node.reader)
        self.setMeasurements(node, hands)
        self._start(DEBOUNCE_MS)

    def finishGrading(self) -> None:
        """Grade to the end now, for scripts and before anything that needs the result."""
        while self.grading:
            self._pulse(stroke=False)

    def completed(self, parameterNode: Any) -> Any:
        self.finishGrading()
        return super().completed(parameterNode)

    def _start(self, milliseconds: int) -> None:
        if self._timer is None:
            import qt

            self._timer = qt.QTimer()
            self._timer.singleShot = True
            self._timer.timeout.connect(self._pulse)
        self._waits = True
        self._timer.start(milliseconds)

    def _pulse(self, stroke: bool = True) -> None:
        """One slice of work; the timer calls again until all is done."""
        from spinemet.errors import SpineMetError

        self._timer.stop()
        if self._followed is None:
            return
        if stroke and _strokeGoesOn():
            self._timer.start(STROKE_MS)
            return
        if self._waits and not self.showing and not self._gradesNow():
            self._waits = False
            if self._grading is not None:
                self._grading.stop()
            if self.outdated is not None:
                self.outdated()
            return
        try:
            # What is being shown is shown to the end first.
            if self._waits and not self.showing:
                self._begin()
            found = self._grading.step()
        except SpineMetError as error:
            self._fail(str(error))
            return
        except Exception:
            logging.exception("SpineMet: live grading failed")
            self._fail(_("Live grading failed; press Assess. What happened is in the log."))
            return
        if self._grading is not None and self._grading.busy:
            self._timer.start(0)
        if found is not None:
            self._said = ""
            self._observeMarks()
            if self.regraded is not None:
                self.regraded()

    def _gradesNow(self) -> bool:
        """Whether an edit is graded by itself: that is switched on, and the study was measured once."""
        node = self._followed
        text = self._textNode(node.parameterNode)
        return text is not None and self.isLive(node) and self._fresh[0] is text and self.measured(node)

    def _begin(self) -> None:
        from spinemet.errors import BadInput
        from spinemet.scene.live import LiveGrading

        self._waits = False
        node = self._followed
        missing = self.whatIsMissing(node)
        if missing:
            raise BadInput(missing)
        self.updateLesionSegments(node)
        if self._grading is not None:
            self._grading.stop()
        self._grading = LiveGrading(
            self._watch(node),
            self.gradeOf(node),
            lambda assessment: self.showSteps(node, assessment, keep=False),
            lambda _assessment: self.keepSteps(node),
        )
        self._grading.begin()

    def _fail(self, sentence: str) -> None:
        if self._grading is not None:
            self._grading.stop()
        if sentence != self._said:
            self._said = sentence
            logging.error("SpineMet: %s", sentence)
        if self.failed is not None:
            self.failed(sentence)

    def _observeMarks(self) -> None:
        """Observe the marks that are there now; they come and go with the levels that are scored."""
        from spinemet.scene.mark_nodes import mark_nodes

        marks = mark_nodes(self._followed.parameterNode)
        event = slicer.vtkMRMLMarkupsNode.PointEndInteractionEvent
        for mark in self._marks:
            if mark not in marks:
                self._observer.removeObserver(mark, event, self.onMarkMoved)
        for mark in marks:
            if mark not in self._marks:
                self._observer.addObserver(mark, event, self.onMarkMoved)
        self._marks = marks


class _Observer(VTKObservationMixin):
    """Holds the observers of the logic."""

    def __init__(self) -> None:
        VTKObservationMixin.__init__(self)


def _strokeGoesOn() -> bool:
    """Whether a mouse button is down: someone paints, or drags a mark."""
    import qt

    return bool(slicer.app.mouseButtons() & qt.Qt.LeftButton)
