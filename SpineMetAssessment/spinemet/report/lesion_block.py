"""What the lesions of a level do beside the score: extent, cortex, zones, type; the detail folded away."""

from __future__ import annotations

from collections.abc import Iterable

from spinemet.assessment import LevelAssessment
from spinemet.details import Break, LesionDetails
from spinemet.evidence import Measurement
from spinemet.report.markup import Content, Markup, tag
from spinemet.report.pieces import figure, sentence, value_text
from spinemet.report.wbb_ring import wbb_ring

LEAST_SHARE = 1.0
"""Parts with less lesion than this (%) are not named."""
_PART = "lesion in "


def lesion_facts(item: LevelAssessment, *, canal_seen: bool) -> list[tuple[str, Content]]:
    """One line for each question a surgeon asks of a lesion, known or not.

    :param canal_seen: whether the image shows the canal's soft tissue (MRI).
    """
    details = item.lesion
    if details is None:
        return []
    return [
        ("Extent", _extent(item)),
        ("Beyond the bone", _outside(item, canal_seen)),
        ("Cortex", _cortex(item, details.breaks)),
        ("Posterior wall", _wall(item)),
        *_expected(item),
        ("Tomita", details.tomita.text()),
        ("WBB", details.zones.text()),
        *([("Bone island?", sentence(details.enostosis))] if _tells(details) else []),
    ]


def lesion_details(item: LevelAssessment) -> Markup | None:
    """The ring of the WBB zones and the share of every part, folded away."""
    details = item.lesion
    if details is None:
        return None
    ring = wbb_ring(details.zones, item.level.value)
    parts = parts_table(item)
    if ring is None and parts is None:
        return None
    return tag(
        "details",
        tag("summary", f"Zones and parts of {item.level}: where the lesion lies"),
        tag("div", figure(ring) if ring else None, parts, class_="figures"),
    )


def parts_table(item: LevelAssessment) -> Markup | None:
    """Share of every part that is lesion, most involved first; parts without any lesion in one line."""
    shares = _shares(item)
    held = [m for m in shares if (m.value or 0.0) > 0]
    free = any(m.value == 0 for m in shares)
    unknowns: dict[str, list[str]] = {}
    for m in shares:
        if not m.known:
            unknowns.setdefault(m.reason, []).append(_name(m))
    if not shares:
        return None
    rows = [tag("tr", tag("th", _name(m), scope="row"), tag("td", value_text(m))) for m in held]
    lines = ["No lesion in any other part."] if free else []
    lines += [f"Unknown: {', '.join(names)} ({reason})." for reason, names in unknowns.items()]
    return tag(
        "table",
        tag("caption", "Lesion by part, share of the part’s volume."),
        tag("tbody", *rows),
        tag("tfoot", *(tag("tr", tag("td", tag("small", line), colspan=2)) for line in lines)) if lines else None,
        class_="parts",
    )


def _shares(item: LevelAssessment) -> list[Measurement]:
    found = {m.name: m for m in item.measurements if m.name.startswith(_PART) and m.unit == "%"}
    # Not a share of a part: how much of the lesion lies in the body.
    found.pop("lesion in the body", None)
    return sorted(found.values(), key=lambda m: -(m.value if m.value is not None else -1.0))


def _name(share: Measurement) -> str:
    return share.name.removeprefix(_PART)


def _extent(item: LevelAssessment) -> str:
    shares = _shares(item)
    held = [f"{_name(m)} {value_text(m)}" for m in shares if (m.value or 0.0) >= LEAST_SHARE]
    unknowns = [m for m in shares if not m.known]
    if not held:
        return f"unknown ({unknowns[0].reason})" if unknowns else "no part holds more than a trace"
    return ", ".join(held)


def _outside(item: LevelAssessment, canal_seen: bool) -> str:
    words = []
    for kind in ("epidural", "paraspinal"):
        volume, thickness = (item.measurement(f"{kind} {what}") for what in ("volume", "thickness"))
        if volume is None:
            continue
        if not volume.value:
            unseen = " (MRI needed to exclude it)" if kind == "epidural" and not canal_seen else ""
            words.append(f"{kind} {f'none outlined{unseen}' if volume.known else value_text(volume)}")
            continue
        words.append(f"{kind} {value_text(volume)}, up to {value_text(thickness)} from the bone")
    return "; ".join(words)


def _cortex(item: LevelAssessment, breaks: Iterable[Break]) -> str:
    area, covered = item.measurement("cortical break area"), item.measurement("cortex over the lesion")
    if area is None or not area.known:
        return value_text(area)
    found = [f"{one.part or 'place not named'} {value_text(one.area)}" for one in breaks]
    limits = f" ({'; '.join(area.limits)})" if area.limits else ""
    if not found:
        over = f" over {value_text(covered)} of lesion" if covered is not None and covered.value else ""
        return f"no break found{over}{limits}"
    return f"broken: {', '.join(found)}{limits}"


def _wall(item: LevelAssessment) -> str:
    area = item.measurement("posterior wall break area")
    if area is None or not area.known:
        return value_text(area)
    return f"broken, {value_text(area)}" if area.value else "no break found"


def _expected(item: LevelAssessment) -> list[tuple[str, Content]]:
    left = item.measurement("sound body left of the expected body")
    return [] if left is None else [("Sound body left", f"{value_text(left)} {left.method}".strip())]


def _tells(details: LesionDetails) -> bool:
    return bool(details.enostosis) and not details.enostosis.startswith("not compared")
