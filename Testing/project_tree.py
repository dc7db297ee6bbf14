"""What the module's folder holds, and what its CMake lists say; run it to rewrite the lists from the tree."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
MODULE_FOLDER = REPOSITORY / "SpineMetAssessment"
MODULE_CMAKE = MODULE_FOLDER / "CMakeLists.txt"
SCRIPTS, RESOURCES = "MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES"


def module_files() -> list[str]:
    """Every file below the module's folder that belongs to it, relative to that folder, sorted."""
    files = (path.relative_to(MODULE_FOLDER) for path in MODULE_FOLDER.rglob("*") if path.is_file())
    return sorted(file.as_posix() for file in files if not _is_generated(file) and file.name != MODULE_CMAKE.name)


def scripts() -> list[str]:
    """The Python files, which must be in MODULE_PYTHON_SCRIPTS."""
    return [file for file in module_files() if file.endswith(".py")]


def resources() -> list[str]:
    """Everything else, which must be in MODULE_PYTHON_RESOURCES: it is installed at the same relative place."""
    return [file for file in module_files() if not file.endswith(".py")]


def listed(name: str) -> list[str]:
    """The entries of the list `name` in the module's CMakeLists.txt."""
    entries = _list_pattern(name).search(MODULE_CMAKE.read_text(encoding="utf-8"))
    if entries is None:
        raise ValueError(f"SpineMetAssessment/CMakeLists.txt sets no {name}")
    return [_expanded(entry) for entry in entries[1].split()]


def repository_files() -> list[Path] | None:
    """Files under version control or about to be, None where this is no git checkout."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        return None
    return sorted(path for name in set(names) - {""} if (path := REPOSITORY / name).is_file())


def write_lists() -> None:
    """Rewrite both lists from the tree."""
    text = MODULE_CMAKE.read_text(encoding="utf-8")
    for name, files in ((SCRIPTS, scripts()), (RESOURCES, resources())):
        entries = "".join(f"  {_contracted(file)}\n" for file in files)
        text = _list_pattern(name).sub(lambda _, body=f"set({name}\n{entries}  )": body, text)
    MODULE_CMAKE.write_text(text, encoding="utf-8")


def _list_pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"set\({name}\s+([^)]*?)\s*\)")


def _expanded(entry: str) -> str:
    return entry.replace("${MODULE_NAME}", MODULE_FOLDER.name)


def _contracted(file: str) -> str:
    return "${MODULE_NAME}.py" if file == f"{MODULE_FOLDER.name}.py" else file


def _is_generated(file: Path) -> bool:
    return any(part == "__pycache__" or part.endswith((".egg-info", ".pyc")) or part[0] == "." for part in file.parts)


if __name__ == "__main__":
    write_lists()
    print(f"{MODULE_CMAKE.relative_to(REPOSITORY)}: {len(scripts())} scripts, {len(resources())} resources")
