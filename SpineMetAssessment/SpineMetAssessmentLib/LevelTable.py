"""LevelTable: one row for each level, from head to tail, colored by grade; never teal for what was not scored."""

from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from SpineMetAssessmentLib import AssessWords

LEVEL, SINS, ESCC, COLLAPSE, BODY, TYPE, MARK = range(7)
WIDTHS = {LEVEL: 38, SINS: 132, ESCC: 38, COLLAPSE: 60, BODY: 44, TYPE: 46, MARK: 16}
_IN_SIGHT = 9
"""Rows that are shown without scrolling."""


class LevelTable:
    """Fills the table of levels.

    :param table: a QTableWidget with the seven columns.
    """

    def __init__(self, table: Any) -> None:
        self._table = table
        self.levels: list[str] = []
        # What each row shows.
        self._shown: list[Any] = []
        for column, width in WIDTHS.items():
            table.setColumnWidth(column, width)

    def show(self, assessment: Any, marks: Any, *, all_: bool, chosen: str) -> None:
        """Show an assessment.

        :param marks: gives the mark of a level ("✓", "·", "?").
        :param all_: list levels outside the image, too.
        """
        table = self._table
        rows = [item for item in assessment.levels if all_ or _isListed(item)]
        self.levels = [item.level.value for item in rows]
        contents = [_Row.of(item, marks(item), item is assessment.worst, assessment.epidural) for item in rows]
        table.blockSignals(True)
        if table.rowCount != len(rows) or len(self._shown) != len(rows):
            table.clearSpans()
            table.rowCount = len(rows)
            self._shown = [None] * len(rows)
            fitRows(table, len(rows) + 1, _IN_SIGHT)
        for row, content in enumerate(contents):
            if content != self._shown[row]:
                self._fillRow(row, content)
                self._shown[row] = content
        if chosen in self.levels:
            table.setCurrentCell(self.levels.index(chosen), LEVEL)
        else:
            table.setCurrentCell(-1, -1)
        table.blockSignals(False)

    def _fillRow(self, row: int, content: Any) -> None:
        import qt

        gray = qt.QBrush(qt.QColor(128, 128, 128))
        span = 1 if content.scored else MARK - SINS
        if self._table.columnSpan(row, SINS) != span:
            self._table.setSpan(row, SINS, 1, span)
        for column, (text, tip) in enumerate(zip(content.texts, content.tips, strict=True)):
            cell = qt.QTableWidgetItem(text)
            cell.setToolTip(tip)
            if not content.scored or (content.grade is None and column == SINS):
                cell.setForeground(gray)
            if content.scored and column == SINS:
                cell.setIcon(swatch(gradeColor(content.grade)))
            if column in (ESCC, COLLAPSE, BODY, MARK):
                cell.setTextAlignment(qt.Qt.AlignCenter)
            if content.worst and column == LEVEL:
                font = cell.font()
                font.setBold(True)
                cell.setFont(font)
            self._table.setItem(row, column, cell)


@dataclass(frozen=True)
class _Row:
    """What a row shows; `grade` is None where nothing is scored, or it is undecided."""

    texts: list[str]
    tips: list[str]
    scored: bool
    grade: Any
    worst: bool

    @classmethod
    def of(cls, item: Any, mark: str, worst: bool, epidural: Any) -> "_Row":
        if item.sins is None:
            texts = [item.level.value, item.status.value, "", "", "", "", ""]
            return cls(texts, [item.level.title, item.reason, "", "", "", "", ""], False, None, worst)
        texts, tips = _scored(item, mark)
        texts[ESCC], tips[ESCC] = _escc(item, epidural)
        return cls(texts, tips, True, item.sins.category, worst)


def _isListed(item: Any) -> bool:
    return item.status.value != "not imaged" and (item.sins is not None or item.reason != "nothing is outlined")


def _scored(item: Any, mark: str) -> tuple[list[str], list[str]]:
    result, words = item.sins, AssessWords
    kind = result.components["bone_lesion"]
    short = {"potentially unstable": _("potential")}.get(words.category(result), words.category(result))
    outdated = words.outdated(result)
    total = f"{words.totals(result)} {short if result.category is not None else '?'}"
    texts = [
        item.level.value,
        f"{total} …" if outdated else total,
        "–",
        words.percent(item.measurement("height loss")),
        words.percent(_withoutMargin(item.measurement("body involvement"))),
        kind.label if kind.known else "–",
        mark,
    ]
    lines = (words.category(result), outdated, words.allTotals(result), words.namedPoints(result))
    why = "\n".join(filter(None, lines))
    marks = {
        "✓": _("A person said or confirmed every component."),
        "·": _("Suggested, not yet confirmed by anyone."),
        "?": words.openQuestions(result),
    }
    tips = [item.level.title, why, _("Not graded."), "", "", words.source(kind), marks.get(mark, "")]
    return texts, tips


def _escc(item: Any, epidural: Any) -> tuple[str, str]:
    """ESCC grade of a level, with ≈ where another lies within the error, and its reason."""
    found = epidural.at(item.level) if epidural is not None else None
    if found is None:
        return "–", _("Not graded.")
    result = found.escc
    if result.grade is None:
        return "?", str(result.reason)
    return f"{result.grade.value}{'≈' if result.alternatives else ''}", str(result.reason)


def _withoutMargin(item: Any) -> Any:
    from dataclasses import replace

    return replace(item, uncertainty=None) if item is not None else None


def gradeColor(category: Any) -> list[int]:
    """RGB, 0 to 255, of a grade; gray while undecided."""
    from spinemet.colors import GRADE_COLORS

    return [round(255 * channel) for channel in GRADE_COLORS[category]]


def swatch(rgb: Any) -> Any:
    """A small square of one color."""
    import qt

    pixmap = qt.QPixmap(12, 12)
    pixmap.fill(qt.QColor(*rgb))
    icon = qt.QIcon(pixmap)
    # In a selected row Qt would tint it, and a grade must keep its color.
    icon.addPixmap(pixmap, qt.QIcon.Selected)
    return icon


def fitRows(view: Any, rows: int, most: int) -> None:
    """Make a list or table as high as its rows, so that neither empty space nor a short scroll remains."""
    height = 8 + 22 * max(1, min(rows, most))
    view.minimumHeight = height
    view.maximumHeight = height
