"""registration.html: one self-contained page by which a person judges a registration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spinemet.assessment import RESEARCH_USE
from spinemet.files import written_file
from spinemet.report.drawing import Figure
from spinemet.report.markup import Content, Markup, join, tag
from spinemet.report.page import POLICY, STYLE_FILE
from spinemet.report.pieces import facts_table, figure, sentence

PAGE_NAME = "registration.html"

Record = Mapping[str, Any]
"""What registration.json holds."""

_VERDICTS = {
    "usable": "Usable: every test passed.",
    "look first": "Look first: some places ask for a person's eye.",
    "untested": "UNTESTED: nobody checked level and patient. A person must confirm both before use.",
    "refused": "Refused: do not use.",
}
_TRUST = {
    "own": "own",
    "doubtful": "own, doubtful",
    "spine": "moves with the spine",
    "neighbors": "moves with its neighbors",
}


def write_registration_page(
    record: Record, pictures: Mapping[str, Sequence[Figure]], names: tuple[str, str], folder: Path
) -> Path:
    """Write `folder`/registration.html, whole or not at all, and return its path.

    :param record: plain values as in registration.json.
    :param pictures: rows of pictures under their headings.
    :param names: of the fixed and of the moving image, for people.
    :raises OutputError: the folder cannot be written, or the disk is full.
    """
    target = Path(folder) / PAGE_NAME
    with written_file(target) as temporary:
        temporary.write_text(render_registration(record, pictures, names), encoding="utf-8")
    return target


def render_registration(record: Record, pictures: Mapping[str, Sequence[Figure]], names: tuple[str, str]) -> str:
    """The whole page as text."""
    body = join(
        _header(names),
        tag(
            "main",
            _answer(record),
            *(
                tag("section", tag("h2", title), tag("div", *(figure(item) for item in row), class_="figures"))
                for title, row in pictures.items()
            ),
            _vertebrae(record["vertebrae"]),
            _landmarks(record),
            _checks(record["checks"]),
            _starts(record),
        ),
        tag("footer", f"SpineMet. {RESEARCH_USE}"),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", "SpineMet registration"),
        tag("style", Markup(STYLE_FILE.read_text(encoding="utf-8"))),
    )
    return f'<!DOCTYPE html>\n<html lang="en">{head}<body>{body}</body></html>\n'


def _header(names: tuple[str, str]) -> Markup:
    facts: list[tuple[str, Content]] = [("Fixed image", names[0]), ("Moving image", names[1])]
    return tag(
        "header",
        tag("div", tag("h1", "SpineMet registration"), tag("p", RESEARCH_USE, class_="use"), class_="title"),
        tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts)),
    )


def _answer(record: Record) -> Markup:
    verdict = str(record["verdict"])
    looks = [item["sentence"] for item in record["checks"] if item["outcome"] != "passed" and item["sentence"]]
    said = list(dict.fromkeys([*record["problems"], *looks]))
    return join(
        tag("p", tag("strong", _VERDICTS[verdict]), class_="note" if verdict == "usable" else "warning"),
        *(tag("p", sentence(words), class_="warning") for words in said),
        *(tag("p", sentence(words), class_="note") for words in record["notes"] if words not in said),
    )


def _vertebrae(rows: Sequence[Record]) -> Markup | None:
    if not rows:
        return None
    table = facts_table(
        "Shift and turn are those beyond the motion of the whole spine.",
        ("Level", "Motion", "In view", "Shift", "Turn", "Agreement: spine → own", "Expected error", "To look at"),
        [
            _row(
                item["level"], _TRUST[item["trust"]], f"{100 * item['in_view']:.0f} %", f"{item['shift_mm']:.1f} mm",
                f"{item['turn_deg']:.1f}°", _change(item["agreement_before"], item["agreement"]),
                "–" if item["spread_mm"] is None else f"{item['spread_mm']:.1f} mm", item["reason"] or "–",
            )
            for item in rows
        ],
    )  # fmt: skip
    return tag("section", tag("h2", "Vertebrae"), table)


def _landmarks(record: Record) -> Markup | None:
    tables = [
        facts_table(
            caption,
            ("Landmark", "By the headers", "By the whole spine", "By its own motion"),
            [
                _row(item["label"], *(f"{item[key]:.1f} mm" for key in ("before_mm", "spine_mm", "after_mm")))
                for item in record[name]
            ],
        )
        for name, caption in (
            ("landmarks", "Pairs that the registration did not use: what is left between them is its error."),
            ("used_landmarks", "Pairs that the registration started from: what is left is no measure of its error."),
        )
        if record[name]
    ]
    return tag("section", tag("h2", "Landmarks"), *tables) if tables else None


def _checks(rows: Sequence[Record]) -> Markup:
    table = facts_table(
        "Every test of this registration.",
        ("Test", "Value", "Asked for", "Outcome"),
        [
            _row(
                item["name"],
                "not measured" if item["value"] is None else f"{item['value']:.3g} {item['unit']}".strip(),
                f"{item['limit']} {item['unit']}".strip(), item["outcome"],
            )
            for item in rows
        ],
    )  # fmt: skip
    return tag("section", tag("h2", "Tests"), table)


def _starts(record: Record) -> Markup:
    rows = [
        *(
            _row(name, f"{item['agreement']:.3f}", f"{item['overlap']:.0%}")
            for name, item in (
                (f"{record['start']} (chosen)", record["after"]),
                *((item["origin"], item) for item in record["alternatives"]),
            )
        ),
        *(
            _row(
                f"one level {'down' if item['step'] > 0 else 'up'} from the chosen one",
                "could not be tried" if item["agreement"] is None else f"{item['agreement']:.3f}", "–",
            )
            for item in record["levels_off"]
        ),
    ]  # fmt: skip
    table = facts_table("Agreement in nats per point.", ("Start", "Agreement", "Overlap"), rows)
    return tag("section", tag("h2", "Starts that were tried"), table)


def _change(before: float | None, after: float | None) -> str:
    return "–" if before is None or after is None else f"{before:.3f} → {after:.3f}"


def _row(name: Content, *values: Content) -> Markup:
    return tag("tr", tag("th", name, scope="row"), *(tag("td", value) for value in values))
