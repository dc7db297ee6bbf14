"""Files: writing without halves (write aside, then rename into place), and reading JSON.

`written_file` and `written_folder` yield a temporary path beside the target. Only when the block ends without
an error does it replace the target; a full disk or a missing right becomes one sentence.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spinemet.errors import BadInput, OutputError


def read_json(path: str | os.PathLike[str], wanted: str) -> Any:
    """What a JSON file holds.

    :param wanted: what to choose instead, in words ("an assessment.json that SpineMet wrote").
    :raises BadInput: the file is missing or no JSON.
    """
    file = Path(path)
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{file.name} cannot be read; choose {wanted}.") from error
    except (ValueError, RecursionError) as error:
        # JSON may nest deeper than any reader follows; what SpineMet reads does not.
        raise BadInput(f"{file.name} is not valid JSON; choose {wanted}.") from error


@contextmanager
def written_file(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path with the target's suffixes to write to; it becomes `target` when the block succeeds.

    :raises OutputError: the folder cannot be written, or the disk is full.
    """
    path = Path(target)
    with _sentences(path), _beside(path) as folder:
        temporary = folder / path.name
        yield temporary
        temporary.replace(path)


@contextmanager
def written_folder(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty folder to fill; its entries move into `target` when the block succeeds.

    What `target` held under other names stays; entries of the same name are replaced.

    :raises OutputError: the folder cannot be written, or the disk is full.
    """
    path = Path(target)
    with _sentences(path):
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path} is a file; choose a folder for the results.")
        with _beside(path) as temporary:
            yield temporary
            path.mkdir(exist_ok=True)
            for entry in sorted(temporary.iterdir()):
                _replace(entry, path / entry.name)


def _replace(source: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    source.replace(target)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".writing-", dir=path.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(f"The disk is full while writing {path}; free space and run again.") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise OutputError(f"{path} cannot be written; choose a folder that you may write to.") from error
        raise
