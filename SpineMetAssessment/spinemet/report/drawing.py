"""A picture with sharp overlays: pixels as PNG, outlines and letters as SVG above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinemet.colors import RGB, hexadecimal
from spinemet.report.markup import Content, Markup, data_uri, join, tag
from spinemet.report.planes import Plane
from spinemet.report.png import png

SCALE_BARS_MM = (100, 50, 20, 10, 5)
FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Figure:
    """A finished picture.

    :param svg: the picture, self-contained.
    :param caption: what is shown, for people.
    :param width: width on the page in CSS pixels.
    """

    svg: Markup
    caption: str
    width: float = 0.0


class Drawing:
    """Collects what lies on one picture, in the picture's own display units, then becomes SVG.

    :param plane: where the pixels lie; gives the overlays their place.
    :param gray: (rows, columns) or (rows, columns, 3) of 8 bits, on the plane's pixels.
    :param width: width on the page in CSS pixels.
    :param dark: the picture is dark, so that words are white.
    """

    def __init__(self, plane: Plane, gray: NDArray[np.uint8], *, width: float, dark: bool = True) -> None:
        self._ink, self._halo = ("#fff", "rgba(0,0,0,.8)") if dark else ("#1b2530", "rgba(255,255,255,.9)")
        self.plane = plane
        self.scale = width / plane.shape[1]
        self.width, self.height = width, plane.shape[0] * self.scale
        self._parts: list[Markup] = [picture(gray, self.width, self.height)]

    def place(self, ras: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
        """Where a RAS point lies on the picture, projected along the normal."""
        pixel, _ = self.plane.project(ras)
        return float(pixel[0] + 0.5) * self.scale, float(pixel[1] + 0.5) * self.scale

    def add(self, *parts: Markup) -> None:
        self._parts.extend(parts)

    def outline(
        self,
        lines: list[NDArray[np.float64]],
        start: tuple[int, int],
        color: RGB,
        *,
        stroke: float = 1.5,
        fill: float = 0.0,
        dash: str | None = None,
    ) -> None:
        """Closed lines in (column, row) pixels, counted from the pixel `start` (row, column)."""
        shift = np.array([start[1] + 0.5, start[0] + 0.5])
        data = path_data([(line + shift) * self.scale for line in lines])
        if data:
            self.add(
                tag(
                    "path", d=data, stroke=hexadecimal(color), stroke_width=stroke, stroke_linejoin="round",
                    stroke_dasharray=dash, fill=hexadecimal(color) if fill else "none",
                    fill_opacity=fill or None, fill_rule="evenodd",
                )
            )  # fmt: skip

    def line(self, start: tuple[float, float], stop: tuple[float, float], color: str, **attributes: Content) -> None:
        self.add(tag("line", x1=start[0], y1=start[1], x2=stop[0], y2=stop[1], stroke=color, **attributes))

    def text(
        self, x: float, y: float, words: str, *, size: float = 12, anchor: str = "start", weight: str | None = None
    ) -> None:
        """Words with a rim of the opposite lightness, readable on any gray."""
        self.add(
            tag(
                "text", words, x=x, y=y, font_size=size, text_anchor=anchor, font_weight=weight, fill=self._ink,
                stroke=self._halo, stroke_width=2.5, stroke_linejoin="round", paint_order="stroke",
            )
        )  # fmt: skip

    def corners(self, left: Sequence[str], right: Sequence[str]) -> None:
        """Lines of text in the upper corners; the first line at the left is the title."""
        for anchor, x, lines in (("start", 6.0, left), ("end", self.width - 6, right)):
            for n, words in enumerate(lines):
                title = n == 0 and anchor == "start"
                weight = "bold" if title else None
                self.text(x, 17 + 15.0 * n, words, size=14 if title else 11.5, anchor=anchor, weight=weight)

    def letters(self) -> None:
        """The patient's directions at the four sides: R, L, A, P, S or I."""
        middle = self.height / 2 + 5
        self.text(6, middle, direction_letter(-self.plane.across), size=15, weight="bold")
        self.text(self.width - 6, middle, direction_letter(self.plane.across), size=15, weight="bold", anchor="end")
        x = self.width / 2
        self.text(x, 17, direction_letter(-self.plane.down), size=15, weight="bold", anchor="middle")
        self.text(x, self.height - 7, direction_letter(self.plane.down), size=15, weight="bold", anchor="middle")

    def scale_bar(self) -> None:
        """A bar of a round length that takes at most 35 % of the width, at the lower right."""
        unit = self.scale / self.plane.pixel
        length = next((mm for mm in SCALE_BARS_MM if mm * unit <= 0.35 * self.width), SCALE_BARS_MM[-1])
        self.add(*scale_bar(length, length * unit, self.width - 8, self.height - 9, self._ink, self._halo))

    def inner(self) -> Markup:
        """What was drawn, to be put into another picture."""
        return join(*self._parts)

    def svg(self, description: str) -> Markup:
        """The whole picture; `description` is read to those who cannot see it."""
        return svg(self.width, self.height, description, *self._parts)


def svg(width: float, height: float, description: str, *parts: Markup) -> Markup:
    """An SVG element that shrinks with the page."""
    return tag(
        "svg", tag("title", description), join(*parts), xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:.1f} {height:.1f}", width=round(width), height=round(height),
        role="img", aria_label=description, font_family=FONT,
    )  # fmt: skip


def picture(gray: NDArray[np.uint8], width: float, height: float) -> Markup:
    """Pixels as an image element from the upper left corner."""
    return tag("image", href=data_uri(png(gray)), x=0, y=0, width=width, height=height, preserveAspectRatio="none")


def scale_bar(mm: int, length: float, right: float, bottom: float, color: str, rim: str) -> list[Markup]:
    """A bar with end ticks and its length in words, ending at (right, bottom)."""
    left = right - length
    data = f"M{left:.2f} {bottom - 4:.2f}v4H{right:.2f}v-4"
    return [
        tag("path", d=data, fill="none", stroke=rim, stroke_width=3.5),
        tag("path", d=data, fill="none", stroke=color, stroke_width=1.5, class_="scale-bar"),
        tag(
            "text", f"{mm} mm", x=(left + right) / 2, y=bottom - 7, font_size=11, text_anchor="middle", fill=color,
            stroke=rim, stroke_width=2.5, paint_order="stroke",
        ),
    ]  # fmt: skip


def path_data(lines: Sequence[NDArray[np.float64]]) -> str:
    """Closed lines (n, 2) as the data of one SVG path."""
    return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line.tolist()) + "Z" for line in lines)


def direction_letter(direction: NDArray[np.float64]) -> str:
    """The patient's direction that a RAS vector mostly points to: R, L, A, P, S or I."""
    axis = int(np.argmax(np.abs(direction)))
    return ("RL", "AP", "SI")[axis][0 if direction[axis] > 0 else 1]


def shortened(words: str, length: int) -> str:
    """`words`, cut with an ellipsis when longer than `length`."""
    return words if len(words) <= length else words[: length - 1].rstrip() + "…"
