"""Small pieces that several parts of the report share: badges, values, pictures with captions."""

from __future__ import annotations

from collections.abc import Sequence

from spinemet.assessment import Assessment
from spinemet.colors import GRADE_COLORS, RGB, hexadecimal
from spinemet.evidence import Measurement
from spinemet.report import wording
from spinemet.report.drawing import Figure
from spinemet.report.markup import Content, Markup, tag
from spinemet.scores.sins import SinsResult

_POSITIONS = {
    "HF": "head first",
    "FF": "feet first",
    "S": "supine",
    "P": "prone",
    "DL": "left side down",
    "DR": "right side down",
}
_DIGITS = {"HU": 0, "mm²": 0}


def figure(picture: Figure, class_: str | None = None) -> Markup:
    """A picture with its caption."""
    return tag("figure", picture.svg, tag("figcaption", picture.caption), class_=class_)


def facts(lines: Sequence[tuple[str, Content]]) -> Markup:
    """Questions and their answers, a line each."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", words)) for name, words in lines), class_="facts")


def facts_table(caption: str, titles: Sequence[str], rows: Sequence[Markup]) -> Markup:
    """Rows under titles, scrolling sideways on a small screen."""
    head = tag("thead", tag("tr", *(tag("th", title, scope="col") for title in titles)))
    return tag("table", tag("caption", caption), head, tag("tbody", *rows), class_="values")


def swatch(color: RGB) -> Markup:
    return tag("span", class_="swatch", style=f"background:{hexadecimal(color)}")


def grade_badge(result: SinsResult) -> Markup:
    """The category in words on its color."""
    return tag("span", wording.category(result), class_="badge", style=f"background:{grade_color(result)}")


def grade_color(result: SinsResult) -> str:
    return hexadecimal(GRADE_COLORS[result.category])


def value_text(measurement: Measurement | None) -> str:
    """A value with ± and unit; an unknown one with its reason; "–" for none."""
    if measurement is None:
        return "–"
    words = measurement.text(_DIGITS.get(measurement.unit, 1))
    if not measurement.known:
        return words
    if words.startswith("-") and not float(words.split()[0]):
        words = words[1:]
    words = words.replace(" deg", "°").replace("-", "\N{MINUS SIGN}")
    return words.replace(" ", "\N{NO-BREAK SPACE}")


def sentence(words: str) -> str:
    """`words` with a capital and a full stop."""
    words = words.strip()
    return words and words[0].upper() + words[1:] + ("" if words[-1] in ".!?" else ".")


def reference_of(assessment: Assessment) -> str:
    """The image that was measured in, in words."""
    for ref in assessment.images:
        if ref.key == assessment.reference:
            words = [ref.role.value, ref.description, ref.date, position_words(ref.patient_position)]
            return ", ".join(word for word in words if word)
    return "unknown image"


def position_words(code: str) -> str:
    """ "HFS" as "head first, supine"; an unknown code as it is."""
    head, lies = _POSITIONS.get(code[:2]), _POSITIONS.get(code[2:])
    return f"{head}, {lies}" if head and lies else code
