"""CellCombos: a column of pick-lists in a table, kept while the rows stay the same."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

_ROW, _FRAME = 26, 26
"""Height of a row, and of the table's header with its frame, in pixels."""


class CellCombos:
    """One combo box in each row of a table.

    :param picked: called with the row's key and the text that a person chose.
    :param options: the entries of every list.
    """

    def __init__(
        self, table: Any, column: int, options: Sequence[str], picked: Callable[[str, str], None], tip: str
    ) -> None:
        self._table, self._column, self._options = table, column, list(options)
        self._picked, self._tip = picked, tip
        self._combos: dict[str, Any] = {}

    def show(self, values: Mapping[str, str], rowsInSight: int) -> None:
        """Show one row for each key, in their order, with its value chosen; the table is as high as its rows."""
        import ctk

        table = self._table
        if list(values) != list(self._combos):
            table.rowCount = 0
            table.rowCount = len(values)
            self._combos = {}
            for row, key in enumerate(values):
                combo = ctk.ctkComboBox()
                # A turn of the wheel over the table must not change a choice.
                combo.scrollWheelEffect = ctk.ctkComboBox.NeverScroll
                combo.toolTip = self._tip
                combo.addItems(self._options)
                combo.activated.connect(partial(self._onActivated, key, combo))
                table.setCellWidget(row, self._column, combo)
                self._combos[key] = combo
        for key, value in values.items():
            self._combos[key].currentIndex = max(0, self._combos[key].findText(value))
        height = _FRAME + _ROW * max(1, min(len(values), rowsInSight))
        table.minimumHeight = height
        table.maximumHeight = height
        table.visible = bool(values)

    def _onActivated(self, key: str, combo: Any, *_index: Any) -> None:
        self._picked(key, combo.itemText(combo.currentIndex))
