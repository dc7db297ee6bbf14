"""What the repository holds: versions that agree, small files, one spelling, and nothing of the machine it grew on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import spinemet
from project_tree import REPOSITORY, repository_files

LARGEST_FILE = 1_000_000  # bytes; the Extensions Index takes clones up to 100 MB, history included
TEXT = {".py", ".md", ".toml", ".txt", ".cff", ".json", ".s4ext", ".ui", ".html", ".css", ".js", ".yaml", ".yml", ""}
NOT_OURS = {"LICENSE.txt", "requirements.lock", "slicer_qt_api_subset.json"}
# Paths that exist on one machine only; each is put together so that this file does not hold it.
MACHINE_PATHS = re.compile(r"(?<![\w.~>$}])/(?:" + "|".join(("work", "tmp", "root", "home")) + r")/\w|[A-Z]:\\Users\\")
BRITISH = re.compile(
    r"(?<!\")\btumours?\b(?!\")|\b(?:centres?|centred|centring|colou?rised|colours?|coloured|neighbours?|neighbouring|behaviours?"
    r"|grey|labell(?:ed|ing)|modell(?:ed|ing)|travell(?:ed|ing)|signall(?:ed|ing)"
    r"|(?:milli|centi)?metres?|fibres?|oedema|haemorrhages?|licences?|artefacts?|catalogues?"
    r"|(?:normal|organ|optim|visual|initial|recogn|summar|minim|maxim|color|local|anonym)is(?:e|es|ed|ing|ation)"
    r"|analys(?:e|ed|ing)|favour(?:ite|able)?s?)\b",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """All files under version control or about to be."""
    found = repository_files()
    if found is None:
        pytest.skip("this is not a git checkout")
    return found


@pytest.fixture(scope="module")
def texts(files: list[Path]) -> dict[str, list[str]]:
    """Lines of every text file of our own, by relative path."""
    own = [file for file in files if file.suffix in TEXT and file.name not in NOT_OURS and file != Path(__file__)]
    return {file.relative_to(REPOSITORY).as_posix(): file.read_text(encoding="utf-8").splitlines() for file in own}


def test_the_versions_of_library_changelog_and_citation_agree() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\] - (?:Unreleased|\d{4}-\d{2}-\d{2})$", changelog, re.MULTILINE)
    cited = re.search(r"^version: (\S+)$", (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert cited is not None
    assert newest[1] == cited[1] == spinemet.__version__


def test_the_license_is_apache_2_in_full_and_named_alike() -> None:
    text = (REPOSITORY / "LICENSE.txt").read_text(encoding="utf-8")
    assert "Apache License\n" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert 'license = "Apache-2.0"' in (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert "license: Apache-2.0" in (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")


def test_the_files_that_a_reader_looks_for_are_there() -> None:
    wanted = (
        *("CMakeLists.txt", "SpineMetExtension.s4ext", "SpineMetExtension.json", "README.md", "LICENSE.txt"),
        *("CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "pyproject.toml", "Makefile", "requirements.lock"),
    )
    assert not [name for name in wanted if not (REPOSITORY / name).is_file()]


def test_no_file_is_large(files: list[Path]) -> None:
    large = [file.relative_to(REPOSITORY).as_posix() for file in files if file.stat().st_size > LARGEST_FILE]
    assert not large, "no data in git: make it, or fetch it through spinemet.samples"


def test_no_file_names_a_place_on_one_machine(texts: dict[str, list[str]]) -> None:
    hits = _hits(texts, MACHINE_PATHS)
    assert not hits


def test_the_spelling_is_that_of_the_united_states(texts: dict[str, list[str]]) -> None:
    hits = _hits(texts, BRITISH)
    assert not hits


def test_line_ends_are_unix(files: list[Path]) -> None:
    # The Extensions Index refuses others in a catalog entry.
    wrong = [file.name for file in files if file.suffix in TEXT and b"\r" in file.read_bytes()]
    assert not wrong


def test_every_python_file_says_in_its_first_line_what_it_is_about(texts: dict[str, list[str]]) -> None:
    silent = [
        name for name, lines in texts.items() if name.endswith(".py") and lines and not lines[0].startswith('"""')
    ]
    assert not silent


def test_the_lock_holds_what_the_project_asks_for_and_no_torch() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    locked = {name.lower() for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8").split("[project.scripts]")[0]
    asked = {name.lower() for name in re.findall(r'"([A-Za-z0-9_-]+)>=', project.split("dependencies", 1)[1])}
    assert asked
    assert asked <= locked, "run `make lock`"
    assert "torch" not in locked


def _hits(texts: dict[str, list[str]], pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {match[0]}"
        for name, lines in texts.items()
        for number, line in enumerate(lines, 1)
        for match in pattern.finditer(line)
    ]
