"""Where a file's bytes come from: the disk, or a member of a zip archive that is never unpacked as a whole."""

from __future__ import annotations

import os
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

# Guards against archives that are made to fill the memory (ours).
LARGEST_MEMBER = 1 << 32
LARGEST_RATIO = 300
"""Deflated air compresses to about 1:200; beyond this a member is no image but a bomb."""
MOST_MEMBERS = 300_000
ARCHIVE_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises on damaged, encrypted or exotically packed archives."""


@dataclass(frozen=True, eq=False)
class Source:
    """One file, or one member of an archive.

    :param path: where it is; for a member the archive's path with the member's name behind it.
    :param size: bytes.
    :param stamp: time of change in ns (of the archive, for a member).
    """

    path: Path
    size: int
    stamp: int
    archive: Archive | None = None
    member: str = ""

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The bytes from the start. :raises OSError: cannot be opened, or the archive is damaged."""
        if self.archive is None:
            # Unbuffered: headers and pixels are read in large pieces anyway.
            with self.path.open("rb", buffering=0) as stream:
                yield _Whole(stream)  # type: ignore[misc]
            return
        try:
            with self.archive.opened.open(self.member) as packed:
                yield packed  # type: ignore[misc]
        except ARCHIVE_DAMAGE as error:
            raise OSError(f"{self.archive.path.name} is damaged or locked") from error

    def read(self, start: int, count: int) -> bytes:
        """`count` bytes from `start`, fewer where the file ends. :raises OSError: see `open`."""
        with self.open() as stream:
            if start:
                stream.seek(start)
            return stream.read(count)


class _Whole:
    """A raw file whose read gives all that was asked for, as buffered files do."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.seek = stream.seek
        self.tell = stream.tell
        self.readinto = stream.readinto

    def read(self, count: int = -1) -> bytes:
        if count < 0:
            return bytes(self._stream.readall())
        data = self._stream.read(count)
        while len(data) < count:
            more = self._stream.read(count - len(data))
            if not more:
                break
            data += more
        return bytes(data)


@dataclass(eq=False)
class Archive:
    """An open zip archive. Its members are read one at a time by each thread."""

    path: Path
    _local: threading.local = field(default_factory=threading.local, repr=False)

    @property
    def opened(self) -> zipfile.ZipFile:
        """The archive, opened once by each thread: members share the position in the file."""
        known: zipfile.ZipFile | None = getattr(self._local, "file", None)
        if known is None:
            known = self._local.file = zipfile.ZipFile(self.path)
        return known


@dataclass
class Found:
    """What lies in a folder.

    :param files: all that may be images, in order of folder and name.
    :param notes: sentences on what could not be looked into.
    """

    files: list[Source] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def walk(root: Path) -> Found:
    """All files under a folder, and the members of zip archives; hidden ones and links to folders are left out."""
    found = Found()
    folders = [str(root)]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            found.notes.append("A folder could not be opened; check that you may read it.")
            continue
        deeper = []
        for entry in inside:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                deeper.append(entry.path)
            else:
                _add(entry, found)
        folders += reversed(deeper)
    return found


def source_of(path: Path) -> Source:
    """A file on the disk as a source. :raises OSError: it is not there."""
    state = path.stat()
    return Source(path, state.st_size, state.st_mtime_ns)


def disc_of(path: Path) -> Path:
    """The folder of a DICOMDIR, which only lists what lies there (and often wrongly); any other path as it is."""
    return path.parent if path.name.upper() == "DICOMDIR" and path.is_file() else path


def is_zip(path: Path) -> bool:
    """Whether a file is a zip archive by its name and its first bytes."""
    if path.suffix.lower() != ".zip":
        return False
    with path.open("rb") as stream:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def members(path: Path) -> Found:
    """The members of a zip archive that may be images."""
    found = Found()
    archive = Archive(path)
    try:
        infos = archive.opened.infolist()
    except (OSError, *ARCHIVE_DAMAGE):
        found.notes.append(f"{path.name} is damaged or no zip archive; copy it again.")
        return found
    if len(infos) > MOST_MEMBERS:
        found.notes.append(f"{path.name} has {len(infos)} members, too many to look into; unpack it first.")
        return found
    stamp = path.stat().st_mtime_ns
    suspect = locked = nested = 0
    for info in infos:
        name = info.filename.rsplit("/", 1)[-1]
        if info.is_dir() or name.startswith("."):
            continue
        if info.flag_bits & 1:
            locked += 1
        elif info.file_size > LARGEST_MEMBER or info.file_size > LARGEST_RATIO * max(info.compress_size, 1024):
            suspect += 1
        elif name.lower().endswith((".zip", ".7z", ".tar", ".tgz", ".rar")):
            nested += 1
        else:
            found.files.append(Source(path / info.filename, info.file_size, stamp, archive, info.filename))
    for count, what in (
        (locked, "are locked by a password; unpack the archive with it first"),
        (suspect, "claim to unpack to an impossible size and were not opened"),
        (nested, "are archives themselves; unpack them first"),
    ):
        if count:
            found.notes.append(f"{count} files in {path.name} {what}.")
    return found


def _add(entry: os.DirEntry[str], found: Found) -> None:
    try:
        if not entry.is_file():
            return
        state = entry.stat()
        path = Path(entry.path)
        if entry.name.lower().endswith(".zip") and is_zip(path):
            inner = members(path)
            found.files += inner.files
            found.notes += inner.notes
        else:
            found.files.append(Source(path, state.st_size, state.st_mtime_ns))
    except OSError:
        found.notes.append("A file could not be opened; check that you may read it.")
