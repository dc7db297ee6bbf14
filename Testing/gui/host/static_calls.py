"""Answers in place of Qt's static calls: what a dialog would return, what the desktop would open.

A class of PySide6 cannot be patched reliably: with true properties it keeps a dictionary for each feature, and a
change made while another one is in force is neither seen nor undone. So the name in the host's `qt` is replaced.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest


def answer(monkeypatch: pytest.MonkeyPatch, name: str, **calls: Callable[..., Any]) -> None:
    """Let `qt.<name>` have these static calls alone, until the test ends.

    :raises AttributeError: Qt lacks one of them.
    """
    qt = sys.modules["qt"]
    for call in calls:
        getattr(getattr(qt, name), call)
    monkeypatch.setattr(qt, name, SimpleNamespace(**calls))
