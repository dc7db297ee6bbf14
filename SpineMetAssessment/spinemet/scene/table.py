"""The results table: one row for each level, every cell in words, since an unknown score is not a number."""

from __future__ import annotations

from typing import Any

import vtk

from spinemet.assessment import Assessment, LevelAssessment
from spinemet.evidence import Finding, Measurement
from spinemet.scores.sins import COMPONENTS, SinsResult

_TITLES = {name: name.replace("_", " ").capitalize() for name in COMPONENTS}


def columns() -> tuple[str, ...]:
    """Names of the columns, in order."""
    components = [part for name in COMPONENTS for part in (_TITLES[name], f"{_TITLES[name]} source")]
    return ("Level", "Status", "SINS", "Category", *components, "Height loss", "Body involvement", "Remarks")


def rows(assessment: Assessment) -> list[tuple[str, ...]]:
    """The table's text, a row for each level of the assessment from head to tail."""
    return [_row(item) for item in assessment.levels]


def fill_table(node: Any, assessment: Assessment) -> None:
    """Write the assessment into a vtkMRMLTableNode, replacing what it held."""
    # The file form is tab separated lines, whose reader ends a cell at a straight quotation mark.
    wanted = [tuple(" ".join(cell.replace('"', "'").split()) for cell in row) for row in rows(assessment)]
    was_modifying = node.StartModify()
    if not _update(node.GetTable(), wanted):
        node.RemoveAllColumns()
        for name, cells in zip(columns(), zip(*wanted, strict=True), strict=True):
            column = vtk.vtkStringArray()
            column.SetName(name)
            for cell in cells:
                column.InsertNextValue(cell)
            node.AddColumn(column)
        node.SetUseFirstColumnAsRowHeader(True)
        node.SetLocked(True)
    node.EndModify(was_modifying)


def _update(table: Any, wanted: list[tuple[str, ...]]) -> bool:
    """Write the cells that changed; False, and nothing written, where the table has other rows or columns."""
    names = [table.GetColumnName(index) for index in range(table.GetNumberOfColumns())]
    if names != list(columns()) or table.GetNumberOfRows() != len(wanted):
        return False
    changed = False
    for index, cells in enumerate(zip(*wanted, strict=True)):
        column = table.GetColumn(index)
        for row, cell in enumerate(cells):
            if column.GetValue(row) != cell:
                column.SetValue(row, cell)
                changed = True
    if changed:
        table.Modified()
    return True


def _row(item: LevelAssessment) -> tuple[str, ...]:
    head = (item.level.value, item.status.value)
    if item.sins is None:
        return (*head, *[""] * (len(columns()) - 3), item.reason)
    result = item.sins
    components = [
        text for name in COMPONENTS for text in (_points(result.components[name]), _source(result.components[name]))
    ]
    collapse = result.components["collapse"]
    category = result.category.value if result.category else "undecided"
    remarks = [item.reason, *result.limits, *(limit for part in result.components.values() for limit in part.limits)]
    return (
        *head,
        _totals(result),
        category,
        *components,
        *(_measurement(collapse, index) for index in range(2)),
        "; ".join(dict.fromkeys(filter(None, remarks))),
    )


def _totals(result: SinsResult) -> str:
    """ "14", "12 (possible 10, 12)" near a threshold, "10, 11, 13" while undecided."""
    possible = ", ".join(map(str, result.possible_totals))
    if result.total is None or len(result.possible_totals) == 1:
        return possible
    return f"{result.total} (possible {possible})"


def _points(finding: Finding) -> str:
    possible = ", ".join(map(str, finding.possible))
    waits = " (being measured again)" if finding.outdated else ""
    if finding.points is None:
        return f"unknown ({possible}){waits}"
    return (possible if len(finding.possible) == 1 else f"{finding.points} (possible {possible})") + waits


def _source(finding: Finding) -> str:
    words = [finding.label or finding.reason, finding.reader]
    return ": ".join([finding.source.value, *filter(None, words)])


def _measurement(finding: Finding, index: int) -> str:
    """Height loss (0) or body involvement (1), also when a person's points stand in place of the computed ones."""
    measurements: tuple[Measurement, ...] = (finding.suggested or finding).measurements
    return measurements[index].text(0) if index < len(measurements) else ""
