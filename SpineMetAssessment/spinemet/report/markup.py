"""HTML and SVG built from elements; text is escaped by construction, so names from files can do no harm."""

from __future__ import annotations

import base64
import html


class Markup(str):
    """Text that is already HTML or SVG."""

    __slots__ = ()


Content = object
"""What an element may hold: markup stays, everything else is written out and escaped; None is left out."""


def escape(value: Content) -> Markup:
    """`value` as markup; what is not yet markup is escaped."""
    if value is None:
        return Markup("")
    return value if isinstance(value, Markup) else Markup(html.escape(str(value), quote=True))


def join(*children: Content) -> Markup:
    """Several pieces as one, each escaped unless it is markup."""
    return Markup("".join(escape(child) for child in children))


def tag(name: str, /, *children: Content, **attributes: Content) -> Markup:
    """One element. ``class_`` stands for ``class``, an underscore for a hyphen; None leaves an attribute out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def data_uri(png: bytes) -> str:
    """A PNG as an address that carries the picture itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


_VOID = frozenset({"br", "img", "meta"})


def _short(value: Content) -> Content:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
