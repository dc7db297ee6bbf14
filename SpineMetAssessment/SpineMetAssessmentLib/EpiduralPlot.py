"""EpiduralPlot: the profile along the canal as a small picture, with a mark where the cursor is."""

from typing import Any

from slicer.i18n import tr as _

WIDTH, HEIGHT = 372, 132
_LEFT, _RIGHT, _TOP, _ROW, _GAP = 30, 6, 14, 46, 12


class EpiduralPlot:
    """Draws two rows: tumor and fluid in percent, and the depth of the cord beside the expected one in mm.

    :param label: the QLabel that shows the picture.
    """

    def __init__(self, label: Any) -> None:
        self._label = label
        # The picture follows the panel; the panel is never as wide as the picture asks for.
        label.minimumWidth = 1

    def show(self, details: Any, place: float | None, worst: float | None) -> None:
        """Draw the profile of a spinemet EpiduralDetails.

        :param place: where the cursor is, mm along the canal.
        :param worst: where the worst cut is.
        """
        import qt

        profile = details.profile
        palette = self._label.palette
        self._paper, self._ink = palette.color(qt.QPalette.Base), palette.color(qt.QPalette.Text)
        pixmap = qt.QPixmap(WIDTH, HEIGHT)
        pixmap.fill(self._paper)
        painter = qt.QPainter(pixmap)
        font = painter.font()
        font.setPixelSize(10)
        painter.setFont(font)
        low, high = profile.places[0], profile.places[-1]
        unit = (WIDTH - _LEFT - _RIGHT) / max(high - low, 1e-6)

        def across(value: float) -> int:
            return round(_LEFT + (value - low) * unit)

        self._drawLevels(painter, profile, across)
        purple, blue, green = _colors(isDark(self._label))
        rows = (
            (((profile.canal_share, purple, False), (profile.fluid, blue, False)), 100.0, "%"),
            (((profile.cord_depth, green, False), (profile.expected_depth, green, True)), 10.0, "mm"),
        )
        for number, (lines, least, word) in enumerate(rows):
            top = _TOP + number * (_ROW + _GAP) + 4
            peak = max(least, *(value for line, _color, _dashed in lines for value in line if value is not None), 0.0)
            self._drawAxis(painter, top, peak, word)
            for line, color, dashed in lines:
                self._drawLine(painter, line, profile.places, color, dashed, across, top, peak)
        for where, color, style in ((worst, (128, 128, 128), qt.Qt.DotLine), (place, (213, 94, 0), qt.Qt.SolidLine)):
            if where is not None:
                pen = qt.QPen(qt.QColor(*color))
                pen.setStyle(style)
                pen.setWidth(2 if style == qt.Qt.SolidLine else 1)
                painter.setPen(pen)
                painter.drawLine(across(where), _TOP, across(where), HEIGHT - 4)
        painter.end()
        self._label.pixmap = pixmap

    def _between(self, share: float) -> Any:
        """A color between paper (0) and ink (1)."""
        import qt

        paper, ink = self._paper, self._ink
        pairs = ((paper.red(), ink.red()), (paper.green(), ink.green()), (paper.blue(), ink.blue()))
        return qt.QColor(*(round((1 - share) * a + share * b) for a, b in pairs))

    def _drawLevels(self, painter: Any, profile: Any, across: Any) -> None:
        import qt

        spans: dict[str, list[float]] = {}
        for place, level in zip(profile.places, profile.levels, strict=True):
            if level is not None:
                spans.setdefault(level.value, []).append(place)
        for number, (name, places) in enumerate(spans.items()):
            left, right = across(places[0]), across(places[-1])
            if number % 2 == 0:
                painter.fillRect(qt.QRect(left, _TOP, right - left, HEIGHT - _TOP - 4), self._between(0.07))
            painter.setPen(qt.QPen(self._ink))
            painter.drawText((left + right) // 2 - 8, _TOP - 3, name)

    def _drawAxis(self, painter: Any, top: int, peak: float, word: str) -> None:
        import qt

        painter.setPen(qt.QPen(self._between(0.22)))
        for tick in (0.0, peak):
            y = round(top + _ROW - tick / peak * _ROW)
            painter.drawLine(_LEFT, y, WIDTH - _RIGHT, y)
        painter.setPen(qt.QPen(self._ink))
        painter.drawText(2, top + 9, f"{peak:.0f}")
        painter.drawText(2, top + _ROW // 2 + 4, word)
        painter.drawText(2, top + _ROW, "0")

    def _drawLine(
        self, painter: Any, line: Any, places: Any, color: Any, dashed: bool, across: Any, top: int, peak: float
    ) -> None:
        import qt

        pen = qt.QPen(qt.QColor(*color))
        pen.setWidth(1 if dashed else 2)
        if dashed:
            pen.setStyle(qt.Qt.DashLine)
        painter.setPen(pen)
        before = None
        for place, value in zip(places, line, strict=True):
            here = None if value is None else (across(place), round(top + _ROW - value / peak * _ROW))
            if before is not None and here is not None:
                painter.drawLine(*before, *here)
            before = here


def isDark(widget: Any) -> bool:
    """Whether a widget shows bright text on dark."""
    import qt

    return bool(widget.palette.color(qt.QPalette.Base).lightness() < 128)


def legend(dark: bool = False) -> str:
    """What the lines are, as rich text."""
    names = (_("tumor, % of the canal"), _("fluid left, %"), _("cord depth, mm (thin: expected)"))
    colors = ["#{:02x}{:02x}{:02x}".format(*color) for color in _colors(dark)]
    pairs = zip(colors, names, strict=True)
    return "  ".join(f'<span style="color:{color}">▬</span> {name}' for color, name in pairs)


def _colors(dark: bool) -> Any:
    """RGB, 0 to 255, of tumor, fluid and cord."""
    if dark:
        return (225, 120, 205), (105, 180, 225), (110, 200, 125)
    from spinemet.colors import LESION

    return tuple(round(255 * channel) for channel in LESION), (31, 86, 115), (44, 122, 63)
