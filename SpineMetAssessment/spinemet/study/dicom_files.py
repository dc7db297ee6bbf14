"""DICOM files: which files are DICOM, and their headers with the place of the pixels."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spinemet.progress import Progress, silent
from spinemet.study.elements import Header, Parsed, read_elements
from spinemet.study.sources import Source, source_of

if TYPE_CHECKING:
    from spinemet.study.header_cache import HeaderCache

EARLIEST_YEAR = 1850
"""De-identification writes the year 1 where it takes a date away; nobody alive was born before this one."""
DIRECTORY = "1.2.840.10008.1.3.10"
"""SOP class of a DICOMDIR, which names files but is no object itself."""
_CLASS_OF_MODALITY = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "RTDOSE": "1.2.840.10008.5.1.4.1.1.481.2",
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
    "RTPLAN": "1.2.840.10008.5.1.4.1.1.481.5",
}
_NO_NAMES = frozenset(("", "anonymous", "anonymized", "unknown", "none", "no name", "noname"))
READERS = 4
"""Threads that read headers. Threads, not processes: in 3D Slicer a new process would be a new Slicer."""
_BATCH = 64


@dataclass(frozen=True, eq=False)
class DicomFile:
    """One DICOM file without its pixels.

    :param source: where its bytes come from.
    :param parsed: header and place of the pixels, see `elements`.
    """

    source: Source
    parsed: Parsed

    @property
    def path(self) -> Path:
        """Where the file is; for a member of an archive the archive's path with the member's name behind it."""
        return self.source.path

    @property
    def header(self) -> Header:
        """The elements named in `dictionary`: `header.get(keyword)`, `keyword in header`, `header.Rows`."""
        return self.parsed.header

    def dataset(self, *, pixels: bool = False) -> Any:
        """The whole file as a pydicom dataset. :raises OSError: the file cannot be read."""
        import warnings

        import pydicom

        with self.source.open() as stream, warnings.catch_warnings():
            # Odd values are judged here, in sentences; pydicom's warnings would print them beside.
            warnings.simplefilter("ignore")
            return pydicom.dcmread(stream, stop_before_pixels=not pixels, force=True)

    def text(self, keyword: str) -> str:
        """A header element as text without padding, several values parted by a backslash; "" when absent or empty."""
        value = self.header.get(keyword)
        if isinstance(value, list):
            return "\\".join(str(item) for item in value)
        return "" if value is None else str(value).strip()

    def values(self, keyword: str) -> list[str]:
        """The values of an element as upper-case texts; none when it is absent or empty."""
        return [item.strip().upper() for item in self.text(keyword).split("\\") if item.strip()]

    @cached_property
    def sop_class(self) -> str:
        """What kind of object this is; "" when nothing says so.

        De-identified files may say so in the file's meta header only, or by nothing but their modality.
        """
        known = self.text("SOPClassUID") or str(self.parsed.meta.get("MediaStorageSOPClassUID") or "")
        return known or _CLASS_OF_MODALITY.get(self.text("Modality").upper(), "")

    @cached_property
    def name(self) -> str:
        """The file's name for a sentence; where it holds a part of the patient's name or ID, the slice's number."""
        if not holds_identity(self.path.name, self):
            return self.path.name
        return f"image {self.text('InstanceNumber') or 'without number'}"

    @property
    def sop_instance(self) -> str:
        """Identity of this object; the path when the file has none."""
        known = self.text("SOPInstanceUID") or self.parsed.meta.get("MediaStorageSOPInstanceUID")
        return str(known or self.path)

    @property
    def syntax(self) -> str:
        """Transfer syntax UID; "" when the file has no meta header."""
        return self.parsed.syntax

    @property
    def has_pixels(self) -> bool:
        return self.parsed.has_pixels

    @cached_property
    def series_key(self) -> str:
        """The series UID; without one (some de-identification removes it) what else tells a folder's series apart."""
        uid = self.text("SeriesInstanceUID")
        if uid:
            return uid
        traits = (self.text(name) for name in ("Modality", "FrameOfReferenceUID", "SeriesNumber", "AcquisitionDate"))
        folder = zlib.crc32(str(self.path.parent).encode())
        return "-".join(filter(None, [*traits, f"{folder:08x}"]))


def read_headers(
    sources: Sequence[Source | Path],
    progress: Progress | None = None,
    cache: HeaderCache | None = None,
) -> tuple[list[DicomFile], list[Path], int]:
    """Headers of the DICOM files among `sources`, in their order.

    :returns: the files; the paths of DICOM files too damaged to say what they are; the number of other files.
    """
    report = progress or silent
    todo = [item if isinstance(item, Source) else source_of(item) for item in sources]
    batches = [todo[start : start + _BATCH] for start in range(0, len(todo), _BATCH)]
    files: list[DicomFile] = []
    damaged: list[Path] = []
    others = 0
    report(0.0, f"reading headers of {len(todo)} files")
    with ThreadPoolExecutor(READERS) as pool:
        pending = [pool.submit(_read_batch, batch, cache) for batch in batches]
        try:
            for number, future in enumerate(pending):
                for source, file in zip(batches[number], future.result(), strict=True):
                    if isinstance(file, DicomFile):
                        files.append(file)
                    elif file:
                        damaged.append(source.path)
                    else:
                        others += 1
                report((number + 1) / len(batches), f"reading headers of {len(todo)} files")
        finally:
            for future in pending:
                future.cancel()
    if cache is not None:
        cache.flush()
    return files, damaged, others


def _read_batch(sources: Sequence[Source], cache: HeaderCache | None) -> list[DicomFile | bool]:
    """For each source its file, True when it is damaged DICOM, False when it is none."""
    known = cache.find(sources) if cache is not None else {}
    result: list[DicomFile | bool] = []
    for source in sources:
        if source in known:
            parsed = known[source]
        else:
            try:
                with source.open() as stream:
                    parsed = read_elements(stream)
            except OSError:
                result.append(True)
                continue
            if cache is not None:
                cache.add(source, parsed)
        if parsed is None:
            result.append(False)
            continue
        file = DicomFile(source, parsed)
        result.append(file if file.sop_class else True)
    return result


def read_header(path: Path) -> DicomFile | None:
    """Header of one file; None when it is no DICOM object or too damaged to say what it is.

    :raises OSError: the file cannot be read.
    """
    source = source_of(path)
    with source.open() as stream:
        parsed = read_elements(stream)
    file = DicomFile(source, parsed) if parsed is not None else None
    return file if file is not None and file.sop_class else None


def plain_words(text: str) -> str:
    """Text without case, padding and the name's separators, so that spellings of one name are one."""
    return re.sub(r"[\s^]+", " ", text).strip().casefold()


def holds_identity(text: str, file: DicomFile) -> bool:
    """Whether a text holds a part of the name or the number of a file's patient."""
    lowered = text.casefold()
    secrets = [file.text("PatientID"), *re.split(r"[\s^=,]+", file.text("PatientName"))]
    return any(len(word) > 2 and word.casefold() in lowered for word in secrets if word.casefold() not in _NO_NAMES)


def iso_date(text: str) -> str:
    """DICOM date (YYYYMMDD, or a date and time) as an ISO date; "" when it is none, or one put in for none."""
    match = re.fullmatch(r"(\d{4})\.?(\d{2})\.?(\d{2})(\d{2}.*)?", text.strip())
    return "-".join(match.groups()[:3]) if match and int(match[1]) >= EARLIEST_YEAR else ""
