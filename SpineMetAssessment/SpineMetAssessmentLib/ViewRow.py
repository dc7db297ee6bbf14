"""ViewRow: how the views look: layout, cuts, bone in 3D, marks; unfolded by the button "View" in the module's head."""

from collections.abc import Callable
from functools import partial
from typing import Any

from slicer.i18n import tr as _

from SpineMetAssessmentLib.Panel import enable
from SpineMetAssessmentLib.ViewLogic import CUTS

_COLUMNS = 2


class ViewRow:
    """The widgets under "View".

    :param host: the module's widget.
    """

    def __init__(self, host: Any) -> None:
        import ctk

        self._host = host
        self._filling = False
        self._marks: dict[str, Any] = {}
        ui = host.ui
        for combo in (ui.layoutComboBox, ui.boneComboBox, ui.cutComboBox):
            combo.scrollWheelEffect = ctk.ctkComboBox.NeverScroll
        ui.layoutComboBox.activated.connect(self.onLayout)
        ui.boneComboBox.activated.connect(self.onBone)
        ui.cutComboBox.activated.connect(self.onCut)
        ui.alongCheckBox.toggled.connect(self.onAlong)
        ui.linkCheckBox.toggled.connect(self.onLink)
        ui.viewButton.toggled.connect(self.onUnfold)
        ui.viewFrame.visible = False

    def shortcuts(self) -> list[tuple[str, str, Callable[[], None]]]:
        """Keys of the views."""
        return [
            ("Alt+O", _("outlines off and on"), self.onOutlines),
            ("Alt+S", _("along the vertebra, or Slicer's own planes"), self.onTurn),
        ]

    def refresh(self) -> None:
        """Show how the views are now."""
        ui, logic, node = self._host.ui, self._host.logic, self._node
        ui.viewButton.enabled = node is not None
        if node is None or not ui.viewButton.checked:
            return
        self._filling = True
        try:
            layout = logic.layout()
            ui.layoutComboBox.enabled = layout is not None
            ui.layoutComboBox.toolTip = (
                _("Views side by side, filled with the images of this time point.")
                if layout is not None
                else _("There is no window to lay out.")
            )
            _choose(ui.layoutComboBox, layout)
            outlined = bool(node.segmentation)
            for combo, value, tip in (
                (ui.boneComboBox, logic.look(node), _("How bone looks in 3D; making its surfaces takes seconds.")),
                (ui.cutComboBox, logic.cut(node), _("Cut bone open through the level; drag the plane in 3D.")),
            ):
                combo.enabled = outlined
                combo.toolTip = tip if outlined else _("Waits for outlines.")
                _choose(combo, value)
            ui.alongCheckBox.checked = logic.cutsAlong(node)
            why = logic.whyNoLink(node)
            if why and logic.priorLinked:
                logic.unlinkPrior()
            enable(ui.linkCheckBox, why, _("The prior's views follow to the same vertebra."))
            ui.linkCheckBox.checked = logic.priorLinked
            shown = logic.shownMarks(node)
            for group, box in self._marks.items():
                box.checked = group in shown
        finally:
            self._filling = False

    def _fill(self) -> None:
        """Fill the lists when they are first seen: what they offer takes a moment to import."""
        import qt

        ui, logic = self._host.ui, self._host.logic
        self._fillCombo(ui.layoutComboBox, _("as it is"), logic.layouts())
        self._fillCombo(ui.boneComboBox, _("not shown"), [(look, look) for look in logic.looks()])
        self._fillCombo(ui.cutComboBox, _("whole"), [(cut, _("cut {plane}").format(plane=cut)) for cut in CUTS])
        for number, group in enumerate(logic.markGroups()):
            box = qt.QCheckBox(group)
            box.name = f"marks{number}CheckBox"
            box.toolTip = _("Show these marks in the views.")
            box.toggled.connect(partial(self.onMarks, group))
            ui.marksFrame.layout().addWidget(box, number // _COLUMNS, number % _COLUMNS)
            self._marks[group] = box

    def onUnfold(self, unfolded: bool) -> None:
        if unfolded and not self._marks:
            self._fill()
        self._host.ui.viewFrame.visible = unfolded
        self._host.refresh()

    def onLayout(self, index: int) -> None:
        number = self._host.ui.layoutComboBox.itemData(index)
        if number:
            self._do(self._host.logic.showLayout, int(number))

    def onBone(self, index: int) -> None:
        look = str(self._host.ui.boneComboBox.itemData(index) or "")
        self._do(self._host.logic.setLook, look, long=True)

    def onCut(self, index: int) -> None:
        cut = str(self._host.ui.cutComboBox.itemData(index) or "")
        self._do(self._host.logic.setCut, cut, self._level(), long=True)

    def onAlong(self, along: bool) -> None:
        self._do(self._host.logic.setCutsAlong, along, self._level())

    def onTurn(self) -> None:
        if self._node is not None:
            self.onAlong(not self._host.logic.cutsAlong(self._node))

    def onLink(self, linked: bool) -> None:
        logic = self._host.logic
        self._do(logic.linkPrior if linked else lambda _node: logic.unlinkPrior())

    def onMarks(self, group: str, shown: bool) -> None:
        self._do(self._host.logic.showMarks, group, shown)

    def onOutlines(self) -> None:
        if self._node is not None:
            self._host.logic.toggleOutlines(self._node)

    @property
    def _node(self) -> Any:
        return self._host._parameterNode

    def _level(self) -> str:
        panel = self._host.panel("AssessPanel")
        level = panel.level() if panel is not None else None
        return level.level.value if level is not None else ""

    def _do(self, change: Callable[..., None], *arguments: Any, long: bool = False) -> None:
        """Change the views. :param long: it takes a `progress`, by which it can be stopped."""
        if self._filling or self._node is None:
            return
        with self._host.running(_("The views could not be changed.")) as progress:
            change(self._node, *arguments, **({"progress": progress} if long else {}))
        self._host.refresh()

    def _fillCombo(self, combo: Any, first: str, entries: Any) -> None:
        combo.addItem(first, "")
        for value, text in entries:
            combo.addItem(text, value)


def _choose(combo: Any, value: Any) -> None:
    combo.currentIndex = max(0, combo.findData(value)) if value else 0
