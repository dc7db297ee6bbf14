"""Child processes of engines: found where they are installed, watched, and ended with all their own children."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from spinemet.errors import Cancelled
from spinemet.progress import Progress, silent
from spinemet.segmentation.engines.engine import Cancel, EngineFailed

_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 3.0
"""Between asking a process to end and ending it."""
_REASONS = (
    (r"out of memory|MemoryError|bad_alloc|Cannot allocate", "the memory is too small; choose a smaller region"),
    (r"No space left|Errno 28", "the disk is full; free space and run again"),
    (r"license", "it asks for a license of its own; see its documentation"),
    (r"URLError|ConnectionError|Max retries|Name or service|getaddrinfo", "it wanted to download its weights and could"
     " not; fetch them once with its own command"),
    (r"No module named|ModuleNotFoundError|ImportError", "its installation is incomplete; install it again"),
)  # fmt: skip


def find_command(executable: str, package: str, main: str, variable: str) -> tuple[str, ...]:
    """The command that starts a program, empty when it is not installed.

    Looked for in this order: the environment variable, the search path, the scripts of this Python, and the package
    in this Python.

    :param executable: name of its console script.
    :param package: name by which it is imported; it is looked for, not imported.
    :param main: "module:function" behind the console script.
    :param variable: environment variable with the path of the executable, where a person chose one.
    """
    chosen = os.environ.get(variable, "")
    if chosen:
        path = shutil.which(chosen)
        return (path,) if path else ()
    for folder in (None, sysconfig.get_path("scripts"), str(Path(sys.executable).parent)):
        path = shutil.which(executable, path=folder) if folder else shutil.which(executable)
        if path:
            return (path,)
    if is_installed(package):
        module, function = main.split(":")
        return (python(), "-c", f"import sys; from {module} import {function} as main; sys.exit(main())")
    return ()


def not_installed(title: str, variable: str) -> str:
    """The sentence for a program that `find_command` does not find.

    :param variable: see `find_command`.
    """
    return (
        f"{title} is not installed; install it as its documentation says, or name its executable in the environment"
        f" variable {variable}."
    )


def is_installed(package: str) -> bool:
    """Whether a package can be imported here, without importing it."""
    from importlib.util import find_spec

    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def python() -> str:
    """The interpreter for child processes; in Slicer it is called PythonSlicer."""
    return shutil.which("PythonSlicer") or sys.executable


def version_of(package: str, command: Sequence[str]) -> str:
    """Version of an installed package, else when its executable was last changed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        pass
    with contextlib.suppress(OSError, IndexError):
        return f"changed {Path(command[-1]).stat().st_mtime_ns}"
    return "unknown"


def run_command(
    command: Sequence[str],
    title: str,
    *,
    folder: Path,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a program to its end in a folder of its own.

    :param title: what to call it in messages.
    :param environment: variables beside those of this process.
    :raises EngineFailed: it could not be started, or ended with an error.
    :raises Cancelled: stopped by `cancel`, or raised by `progress`; then it and all its children have ended.
    """
    report = progress or silent
    try:
        child = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            start_new_session=os.name != "nt",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) if os.name == "nt" else 0,
        )
    except OSError as error:
        raise EngineFailed(f"{title} could not be started; check its installation.") from error
    assert child.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_read, args=(child.stdout, lines), daemon=True)
    reader.start()
    tail = [""]
    try:
        while child.poll() is None:
            if cancel is not None and cancel():
                raise Cancelled(f"{title} was stopped; nothing was changed.")
            tail = _latest(lines, tail)
            # How far it is nobody knows: its own bars start anew with every model.
            report(0.0, f"{title} works")
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_LOOK_SECONDS)
    except BaseException:
        end_group(child)
        raise
    finally:
        reader.join(1.0)
    tail = _latest(lines, tail)
    if child.returncode != 0:
        raise EngineFailed(f"{title} ended with an error: {_reason(tail, child.returncode)}.")


def end_group(child: subprocess.Popen[bytes]) -> None:
    """End a process and everything that it started."""
    _signal(child, hard=False)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_GRACE_SECONDS)
    # Also when the process itself has ended: its children may not have heard.
    _signal(child, hard=True)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_GRACE_SECONDS)


def _signal(child: subprocess.Popen[bytes], *, hard: bool) -> None:
    if os.name == "nt":
        if hard:
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(child.pid)], capture_output=True, check=False)
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        # The child leads a session of its own, so its number is that of its group.
        os.killpg(child.pid, signal.SIGKILL if hard else signal.SIGTERM)


def _read(stream: IO[bytes], lines: queue.Queue[str]) -> None:
    with contextlib.suppress(ValueError, OSError):
        for raw in stream:
            # Progress bars rewrite their line.
            for line in re.split(r"[\r\n]+", raw.decode("utf-8", "replace")):
                if line.strip():
                    lines.put(line.strip())
    stream.close()


def _latest(lines: queue.Queue[str], tail: list[str]) -> list[str]:
    found = list(tail)
    with contextlib.suppress(queue.Empty):
        while True:
            found.append(lines.get_nowait())
    return found[-60:]


def _reason(tail: Sequence[str], code: int) -> str:
    # The program's own words may name files, so only what is recognized is passed on.
    for pattern, words in _REASONS:
        if any(re.search(pattern, line, re.IGNORECASE) for line in tail):
            return words
    if code < 0:
        return f"it was ended from outside (signal {-code}), perhaps for want of memory"
    return f"it gave no reason that is known here (code {code}); run it by hand to see what it says"
