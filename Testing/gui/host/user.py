"""What a user does: click, pick from a list, type, select a row. Disabled or hidden widgets refuse, as they do."""

from __future__ import annotations

from typing import Any

from PySide6 import QtWidgets

from __feature__ import true_property  # noqa: F401  # isort: skip


def _usable(widget: Any) -> None:
    if not widget.enabled:
        raise AssertionError(f"{widget.objectName} is disabled: {widget.toolTip}")


def click(button: Any) -> None:
    _usable(button)
    button.click()
    QtWidgets.QApplication.processEvents()


def pick(combo: Any, text: str) -> None:
    """Choose the entry that begins with `text`."""
    _usable(combo)
    entries = [combo.itemText(n) for n in range(combo.count)]
    index = next((n for n, entry in enumerate(entries) if entry.startswith(text)), None)
    if index is None:
        raise AssertionError(f"{combo.objectName} has no entry '{text}', only {entries}")
    combo.currentIndex = index
    combo.activated.emit(index)
    QtWidgets.QApplication.processEvents()


def type_text(edit: Any, text: str) -> None:
    _usable(edit)
    edit.text = text
    edit.textEdited.emit(text)
    edit.editingFinished.emit()
    QtWidgets.QApplication.processEvents()


def select_row(table: Any, first: str) -> int:
    """Click the row whose first cell shows `first`; return its index."""
    _usable(table)
    for row in range(table.rowCount):
        if table.item(row, 0).text() == first:
            table.setCurrentCell(row, 0)
            table.cellClicked.emit(row, 0)
            QtWidgets.QApplication.processEvents()
            return row
    raise AssertionError(f"{table.objectName} has no row {first}")


def texts(table: Any) -> list[list[str]]:
    """The texts of all cells, row by row."""
    return [
        [table.item(row, column).text() if table.item(row, column) else "" for column in range(table.columnCount)]
        for row in range(table.rowCount)
    ]
