"""Fixtures that all tests share: where real images are, and whether they are here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spinemet import samples
from spinemet.errors import MissingDependency

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real images beside the repository; skips where it is absent."""
    folder = Path(os.environ.get("SPINEMET_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the real images beside the repository are absent (set SPINEMET_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def totalsegmentator_files() -> Path:
    """Reference files of the totalsegmentator source package; skips without PyPI."""
    return _sample("totalsegmentator")


@pytest.fixture(scope="session")
def tptbox_files() -> Path:
    """Test files of the tptbox wheel; skips without PyPI."""
    return _sample("tptbox")


def _sample(name: str) -> Path:
    try:
        return samples.fetch(name)
    except MissingDependency as error:
        pytest.skip(str(error))
