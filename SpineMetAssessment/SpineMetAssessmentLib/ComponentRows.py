"""ComponentRows: the six components of a level: value, points, who said so, the way to the evidence, and its image."""

from collections.abc import Callable
from functools import partial
from typing import Any

from slicer.i18n import tr as _

from SpineMetAssessmentLib import AssessWords
from SpineMetAssessmentLib.AnswerLogic import ASKED

COMPONENTS = ("location", "pain", "bone_lesion", "alignment", "collapse", "posterolateral")
_UNLIMITED = 16777215
"""Qt's QWIDGETSIZE_MAX."""
_KINDS = ("Label", "ComboBox", "PointsLabel", "SourceLabel", "EvidenceButton", "NoteLabel")


class ComponentRows:
    """Two lines for each component: its pick-list, and in gray what lies behind it.

    :param ui: the panel's widgets; "bone_lesion" is boneLesion… there.
    :param picked: called with component and option when a person picks.
    :param evidence: called with the component when a person asks for its evidence.
    """

    def __init__(self, ui: Any, picked: Callable[..., None], evidence: Callable[..., None]) -> None:
        import ctk

        self._ui = ui
        self._picked = picked
        for component in COMPONENTS:
            combo = self.widget(component, "ComboBox")
            # A turn of the wheel over the panel must not change an answer.
            combo.scrollWheelEffect = ctk.ctkComboBox.NeverScroll
            combo.activated.connect(partial(self._onPicked, component))
            self.widget(component, "EvidenceButton").clicked.connect(partial(evidence, component))

    def widget(self, component: str, kind: str) -> Any:
        """The widget of a component's row, by the end of its name."""
        first, *rest = component.split("_")
        return getattr(self._ui, first + "".join(word.capitalize() for word in rest) + kind)

    def setVisible(self, visible: bool) -> None:
        for component in COMPONENTS:
            for kind in _KINDS:
                self.widget(component, kind).visible = visible

    def show(self, item: Any, said: Any, image: str, isConfirmed: Callable[[Any, Any], bool]) -> None:
        """Show a scored level.

        :param said: the LevelAnswers.
        :param image: name and date of the image that was measured in.
        """
        for component in COMPONENTS:
            finding = item.sins.components[component]
            self._show(component, finding, said, image, isConfirmed(said, finding))
            button = self.widget(component, "EvidenceButton")
            button.enabled = finding.position is not None or item.position is not None
            button.toolTip = (
                _("Show the evidence here and in all slice views.")
                if button.enabled
                else _("Nothing was outlined or measured here.")
            )

    def _onPicked(self, component: str, *_index: Any) -> None:
        combo = self.widget(component, "ComboBox")
        self._picked(component, str(combo.itemData(combo.currentIndex) or ""))

    def _show(self, component: str, finding: Any, said: Any, image: str, confirmed: bool) -> None:
        import html

        from spinemet.scores import sins

        combo = self.widget(component, "ComboBox")
        combo.clear()
        combo.addItem(_openEntry(component, finding), "")
        for option, points in sins.OPTIONS[component].items():
            combo.addItem(f"{option} ({points})", option)
        chosen = _chosen(component, said)
        combo.currentIndex = max(0, combo.findData(chosen)) if chosen else 0
        combo.toolTip = finding.threshold or finding.reason
        self.widget(component, "PointsLabel").text = AssessWords.points(finding)
        source = self.widget(component, "SourceLabel")
        source.text = AssessWords.source(finding) + (" ✓" if confirmed else "")
        source.toolTip = ", ".join(filter(None, (finding.source.value, finding.reader, finding.reason)))
        note = self.widget(component, "NoteLabel")
        text = _note(component, finding, image)
        note.text = f'<span style="color:gray">{html.escape(text)}</span>' if text else ""
        note.visible = bool(text)
        # A grid keeps room for hidden texts that wrap.
        note.maximumHeight = _UNLIMITED if text else 0


def _chosen(component: str, said: Any) -> Any:
    from spinemet.scores import sins

    if component in ASKED:
        return getattr(said, component)
    override = said.overrides.get(component)
    named = {points: option for option, points in reversed(sins.OPTIONS[component].items())}
    return named[override.points] if override else None


def _openEntry(component: str, finding: Any) -> str:
    """The first entry of a pick-list: nobody answered, or what was measured."""
    if component in ASKED:
        return _("not asked yet")
    if finding.suggested is not None:
        return _("back to {what}").format(what=AssessWords.suggestion(finding.suggested))
    return AssessWords.suggestion(finding)


def _note(component: str, finding: Any, image: str) -> str:
    """What lies behind a component, in one line: the suggestion if it was overridden, the measurement, its image."""
    parts = []
    if finding.suggested is not None and finding.suggested.known:
        parts.append(_("suggested: {what}").format(what=AssessWords.suggestion(finding.suggested)))
    elif not finding.known and component not in ASKED:
        parts.append(finding.reason)
    measured = AssessWords.measured(finding)
    if measured:
        parts += [measured, image]
    if finding.near_threshold and not parts:
        parts.append(finding.threshold)
    return " · ".join(filter(None, parts))
