"""Every text that the module shows can be translated: it stands in `_()`, whole, with named places to fill."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

MODULE = Path(__file__).resolve().parents[2] / "SpineMetAssessment"
SOURCES = sorted([MODULE / "SpineMetAssessment.py", *(MODULE / "SpineMetAssessmentLib").glob("*.py")])
SHOWN = {"text", "toolTip", "title", "placeholderText", "plainText", "format", "help", "helpText"}
"""Attributes by which a widget, a panel or the module shows a text."""
SAYS = {"showMessage", "setToolTip", "addItem", "setText", "BadInput", "running"}
"""Calls whose texts a person reads."""
WORD = re.compile(r"[A-Za-z]{3,}")
NAMES = {"SINS", "ESCC"}
"""Names of scores are the same in every language."""


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _translated(tree: ast.AST) -> set[ast.AST]:
    """All nodes below a call of `_`."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node.func) == "_"]
    return {below for call in calls for below in ast.walk(call)}


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _shown(tree: ast.AST) -> Iterator[ast.AST]:
    """What is assigned to something shown, or handed to a call that says it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(_name(target) in SHOWN for target in node.targets):
            yield node.value
        elif isinstance(node, ast.Call) and _name(node.func) in SAYS and node.args:
            yield node.args[0]


def _words(value: ast.AST, translated: set[ast.AST]) -> list[str]:
    """Words in plain texts of an expression; keys and markup are none."""
    found = []
    inside = {below for node in ast.walk(value) if isinstance(node, ast.Call) for below in ast.walk(node)}
    for node in ast.walk(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in translated | inside:
            found += [word for word in WORD.findall(re.sub("<[^>]*>", "", node.value)) if word not in NAMES]
    return found


@pytest.mark.parametrize("path", [path for path in SOURCES if path.stem != "Scenarios"], ids=lambda path: path.stem)
def test_no_shown_text_is_left_untranslated(path: Path) -> None:
    tree = _tree(path)
    translated = _translated(tree)
    assert not [(value.lineno, words) for value in _shown(tree) if (words := _words(value, translated))]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_text_to_translate_is_a_plain_literal(path: Path) -> None:
    """A translator's file holds literals; what is filled in has a name, so that it can move in the sentence."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Call) and _name(node.func) == "_" and len(node.args) == 1:
            (text,) = node.args
            assert isinstance(text, ast.Constant), f"line {node.lineno}"
            assert isinstance(text.value, str), f"line {node.lineno}"
            assert not re.search(r"\{\d*\}", text.value), f"line {node.lineno}"
