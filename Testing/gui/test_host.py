"""The GUI host can be opened here; where it cannot, the reason is said."""

from __future__ import annotations

import pytest


def test_the_host_opens(missing: str) -> None:
    if missing:
        pytest.skip(missing)
    from gui.host import open_application

    with open_application() as application:
        assert application.scene is not None
