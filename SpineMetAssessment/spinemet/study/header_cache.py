"""Headers kept between runs, so that an archive that was indexed before is not read again.

Headers name patients. So nothing is kept unless a folder is given for it, only its owner may read that folder, and
it must be deleted like the images themselves. A file is known by its place, size and time of change; only a digest
of these is kept.
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path

from spinemet.study.elements import CODES, Header, Parsed
from spinemet.study.sources import Source

FILE = "headers.sqlite"
VERSION = 1
"""Raise it when `dictionary` or `elements` change what they keep."""
LARGEST_KEPT = 1 << 16
"""Bytes; larger headers (enhanced multi-frame objects) are read again instead."""

_FIXED = struct.Struct("<BQqI??")
_ELEMENT = struct.Struct("<I2sI")
_SEQUENCE = b"SQ"


class HeaderCache:
    """Headers of files by what the files looked like when they were read."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        path = folder / FILE
        try:
            self._database = self._open(path)
        except sqlite3.DatabaseError:
            # A cache may be thrown away at any time, a damaged one at once.
            path.unlink(missing_ok=True)
            self._database = self._open(path)
        path.chmod(0o600)
        self._new: list[tuple[bytes, bytes]] = []

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        database = sqlite3.connect(path, check_same_thread=False)
        database.execute("CREATE TABLE IF NOT EXISTS headers (key BLOB PRIMARY KEY, data BLOB) WITHOUT ROWID")
        return database

    def find(self, sources: Sequence[Source]) -> dict[Source, Parsed | None]:
        """What is known of files; None for those that are no DICOM."""
        keys = {_key(source): source for source in sources}
        marks = ",".join("?" * len(keys))
        with self._lock:
            query = f"SELECT key, data FROM headers WHERE key IN ({marks})"
            rows = self._database.execute(query, list(keys)).fetchall()
        found: dict[Source, Parsed | None] = {}
        for key, data in rows:
            try:
                found[keys[key]] = _unpack(zlib.decompress(data)) if data else None
            except (zlib.error, struct.error, ValueError, KeyError):
                continue
        return found

    def add(self, source: Source, parsed: Parsed | None) -> None:
        """Remember a header; written by `flush`."""
        data = _pack(parsed) if parsed is not None else b""
        if len(data) <= LARGEST_KEPT:
            with self._lock:
                self._new.append((_key(source), zlib.compress(data, 1) if data else b""))

    def flush(self) -> None:
        """Write what was added. A full disk or a lock of another process only means that nothing is remembered."""
        with self._lock:
            new, self._new = self._new, []
            try:
                with self._database:
                    self._database.executemany("INSERT OR REPLACE INTO headers VALUES (?, ?)", new)
            except sqlite3.Error:
                return

    def close(self) -> None:
        """Close the file; the cache cannot be used any more."""
        self._database.close()


def _key(source: Source) -> bytes:
    text = f"{VERSION}|{source.path.absolute()}|{source.size}|{source.stamp}"
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _pack(parsed: Parsed) -> bytes:
    length = -1 if parsed.pixel_length is None else parsed.pixel_length
    start = _FIXED.pack(
        parsed.has_pixels, parsed.pixel_start, length, parsed.pixel_tag, parsed.implicit, parsed.broken
    )
    order = b">" if parsed.header.order == ">" else b"<"
    return start + order + _pack_header(parsed.meta) + _pack_header(parsed.header)


def _pack_header(header: Header) -> bytes:
    parts = []
    for tag, representation, raw in header.raw():
        if representation == "SQ":
            data = struct.pack("<I", len(raw)) + b"".join(_pack_header(item) for item in raw)
        else:
            data = bytes(raw)
        parts.append(_ELEMENT.pack(tag, representation.encode(), len(data)) + data)
    body = b"".join(parts)
    charset = "\\".join(header.charset).encode()
    return struct.pack("<HII", len(charset), len(parts), len(body)) + charset + body


def _unpack(data: bytes) -> Parsed:
    has_pixels, start, length, tag, implicit, broken = _FIXED.unpack_from(data)
    order = data[_FIXED.size : _FIXED.size + 1].decode()
    meta, place = _unpack_header(data, _FIXED.size + 1, "<")
    header, _ = _unpack_header(data, place, order)
    syntax = meta.get("TransferSyntaxUID")
    return Parsed(
        meta,
        header,
        syntax if isinstance(syntax, str) else "",
        start,
        None if length < 0 else length,
        bool(has_pixels),
        tag,
        implicit,
        broken,
    )


def _unpack_header(data: bytes, place: int, order: str) -> tuple[Header, int]:
    charset_length, count, _ = struct.unpack_from("<HII", data, place)
    place += 10
    charset = data[place : place + charset_length].decode()
    header = Header(order, tuple(charset.split("\\")))
    place += charset_length
    for _ in range(count):
        tag, representation, length = _ELEMENT.unpack_from(data, place)
        place += _ELEMENT.size
        if representation == _SEQUENCE:
            inside, items = place + 4, []
            for _ in range(struct.unpack_from("<I", data, place)[0]):
                item, inside = _unpack_header(data, inside, order)
                items.append(item)
            header.put(tag, "SQ", items)
        else:
            header.put_shared(tag, CODES[representation], data[place : place + length])
        place += length
    return header, place
