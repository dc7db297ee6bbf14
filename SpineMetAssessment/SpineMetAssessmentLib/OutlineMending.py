"""OutlineMending: the tab of the Outline panel that mends the segment which is current in the editor."""

from functools import partial
from typing import Any

from slicer.i18n import tr as _

from SpineMetAssessmentLib.Panel import enable

_SLICES = (("sagittal slices", "sagittal"), ("axial slices", "axial"), ("coronal slices", "coronal"), ("find out", ""))


class OutlineMending:
    """Each button is one edit and one undo.

    :param panel: the Outline panel.
    """

    def __init__(self, panel: Any) -> None:
        import ctk

        self._panel = panel
        ui = panel.ui
        for text, plane in _SLICES:
            ui.betweenComboBox.addItem(text, plane)
        ui.smoothButton.clicked.connect(partial(self.onEdit, "smooth"))
        ui.fillButton.clicked.connect(partial(self.onEdit, "fill"))
        ui.betweenButton.clicked.connect(partial(self.onEdit, "between"))
        ui.splitButton.clicked.connect(partial(self.onEdit, "split"))
        ui.mirrorButton.clicked.connect(partial(self.onEdit, "mirror"))
        ui.mergeButton.clicked.connect(partial(self.onEdit, "merge"))
        for combo in (ui.betweenComboBox, ui.planeComboBox, ui.mergeComboBox):
            combo.scrollWheelEffect = ctk.ctkComboBox.NeverScroll

    def onEdit(self, name: str, *_clicked: Any) -> None:
        panel = self._panel
        logic, volume, segmentID = panel.logic, panel.clicks.volume, self._current()
        node = logic.segmentationOn(panel.parameterNode, volume)
        with panel.host.running(_("The segment could not be mended.")):
            if name == "merge":
                result = logic.mergeInto(node, volume, segmentID, _data(panel.ui.mergeComboBox))
            else:
                result = logic.mend(node, volume, segmentID, self._edit(name), name == "mirror")
            panel.saveForUndo(volume)
            logic.applyMend(panel.parameterNode, node, result)
            panel.host.showMessage(_DONE[name])
        panel.host.refresh()

    def _edit(self, name: str) -> Any:
        from spinemet.segmentation.edit import filled, mirrored, smoothed, split
        from spinemet.segmentation.interpolate import Plane, interpolated

        ui = self._panel.ui
        if name in ("split", "mirror"):
            plane = self._panel.logic.planeOfView(_data(ui.planeComboBox))
            change = split if name == "split" else mirrored
            return lambda labels, value: change(labels, value, plane)
        if name == "between":
            drawn = _data(ui.betweenComboBox)
            return lambda labels, value: interpolated(labels, value, Plane(drawn) if drawn else None)
        width = float(ui.smoothSpinBox.value if name == "smooth" else ui.fillSpinBox.value)
        change = smoothed if name == "smooth" else filled
        return lambda labels, value: change(labels, value, width)

    def _current(self) -> str:
        editor = self._panel.ui.segmentEditor
        return str(editor.currentSegmentID() or "") if editor.mrmlSegmentEditorNode() is not None else ""

    def show(self) -> None:
        """Show which segment would be mended, and what the buttons wait for."""
        panel = self._panel
        ui, logic, volume = panel.ui, panel.logic, panel.clicks.volume
        node = logic.segmentationOn(panel.parameterNode, volume) if panel.parameterNode is not None else None
        current = self._current()
        segmentation = node.GetSegmentation() if node else None
        segment = segmentation.GetSegment(current) if segmentation is not None and current else None
        waits = "" if segment is not None else _("Choose a segment in the table or in the editor first.")
        ui.mendSegmentLabel.text = segment.GetName() if segment is not None else _("none chosen")
        others = [key for key in segmentation.GetSegmentIDs() if key != current] if segmentation is not None else []
        names = {segmentation.GetSegment(key).GetName(): key for key in others} if others else {}
        panel.fill(ui.mergeComboBox, list(names.items()), _data(ui.mergeComboBox))
        panel.fill(ui.planeComboBox, [(name, name) for name in logic.viewNames()], _data(ui.planeComboBox))
        for button, tip in (
            (ui.smoothButton, _("Take steps and spikes off the border; the volume stays.")),
            (ui.fillButton, _("Fill holes that are closed on all sides.")),
            (ui.betweenButton, _("Outlined in some slices: fill in the ones between; those stay as they were drawn.")),
            (ui.splitButton, _("Cut the segment along the plane that the view shows; the upper part is named anew.")),
            (ui.mirrorButton, _("Add the mirror image beyond the plane that the view shows.")),
        ):
            enable(button, waits, tip)
        waits = waits or ("" if others else _("Waits for a second segment."))
        enable(ui.mergeButton, waits, _("Give all voxels to the other segment, and remove this one."))


_DONE = {
    "smooth": _("The border was smoothed."),
    "fill": _("Holes were filled."),
    "between": _("The slices between were filled in."),
    "split": _("The segment was split; name the upper part."),
    "mirror": _("The mirror image was added."),
    "merge": _("The segments were merged."),
}


def _data(combo: Any) -> str:
    return str(combo.itemData(combo.currentIndex) or "") if combo.count else ""
