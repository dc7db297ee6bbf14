"""When the tracer was injected and when the PET scan began, from a header's dates and times.

Follows the QIBA vendor-neutral pseudocode for SUV (clinical rules, section 7): the scan starts at the series time,
unless post-processing set that to later than the acquisition; then only GE's private scan time is known to be right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from spinemet.errors import NotMeasurable
from spinemet.study.dicom_object import text_of

GE_CREATOR, GE_SCAN_DATETIME = "GEMS_PETD_01", 0x0D
"""Private creator and element of (0009,100d), the scan's start."""
CLOCK_TOLERANCE_S = 1.0
"""Times that differ by no more are the same: headers round to a second (ours; 1e-4 of an SUV of fluorine-18)."""
SAME_INJECTION_S = 60.0
"""The injection's time of day and its date with time may differ by this much: one is often without seconds (ours)."""
LONGEST_WAIT_HALF_LIVES = 6.0
"""A scan later than this after the injection has too little activity left: a clock or date is wrong (ours)."""


def decay_seconds(headers: Sequence[Any], drug: Any, half_life_s: float) -> tuple[float, tuple[str, ...]]:
    """Seconds from injection to the start of the scan, and limits on how they were found.

    :param headers: pydicom datasets of all slices: beds are acquired one after another, and the first counts.
    :param drug: item of the radiopharmaceutical sequence (0054,0016).
    :raises NotMeasurable: a time is missing, or the times contradict each other.
    """
    scan, limits = scan_start(headers)
    injected, more = _injection(headers[0], drug, scan)
    waited = (scan - injected).total_seconds()
    if waited < 0:
        raise NotMeasurable("the header's injection lies after the start of the scan")
    if waited > LONGEST_WAIT_HALF_LIVES * half_life_s:
        raise NotMeasurable(
            f"the header puts the injection {waited / 3600:.1f} h before the scan, "
            f"more than {LONGEST_WAIT_HALF_LIVES:.0f} half-lives; a clock or date is wrong"
        )
    return waited, (*limits, *more)


def scan_start(headers: Sequence[Any]) -> tuple[datetime, tuple[str, ...]]:
    """Start of the scan, to which START-corrected values are decayed.

    :raises NotMeasurable: series or acquisition time is missing; or the series time is after the acquisition and the
        scanner is not GE's, or GE's private time is missing or after the acquisition, too.
    """
    first = headers[0]
    series = _date_time(first, "SeriesDate", "SeriesTime")
    if series is None:
        raise NotMeasurable("the series time is missing, so the decay before the scan is unknown")
    acquisitions = [_acquisition(header, series) for header in headers]
    if any(time is None for time in acquisitions):
        raise NotMeasurable("the acquisition time is missing, so it is unknown whether the series time is the scan's")
    earliest = min(time for time in acquisitions if time is not None)
    late = earliest + timedelta(seconds=CLOCK_TOLERANCE_S)
    if series <= late:
        return series, ()
    private = _ge_scan_time(first)
    if private is None:
        raise NotMeasurable(
            "the series time is later than the acquisition (the images were processed afterwards) "
            "and there is no private scan time of GE"
        )
    if private > late:
        raise NotMeasurable("both the series time and GE's private scan time are later than the acquisition")
    return private, ("start of the scan from GE's private (0009,100d), since the series time is that of processing",)


def _acquisition(header: Any, series: datetime) -> datetime | None:
    found = _date_time(header, "AcquisitionDate", "AcquisitionTime")
    if found is not None:
        return found
    found = parse_date_time(text_of(header, "AcquisitionDateTime"))
    if found is not None:
        return found.replace(tzinfo=None)
    time = parse_date_time(f"{series:%Y%m%d}{text_of(header, 'AcquisitionTime').replace(':', '')}")
    if time is None or not text_of(header, "AcquisitionTime"):
        return None
    # Without a date, the acquisition after midnight of a series begun before it is of the next day.
    return time + timedelta(days=1) if series - time > timedelta(hours=12) else time


def _injection(header: Any, drug: Any, scan: datetime) -> tuple[datetime, tuple[str, ...]]:
    """When the tracer was given: its date and time, else the last such time of day before the scan."""
    full = _local(parse_date_time(text_of(drug, "RadiopharmaceuticalStartDateTime")), header)
    clock = parse_date_time(f"{scan:%Y%m%d}{text_of(drug, 'RadiopharmaceuticalStartTime').replace(':', '')}")
    if not text_of(drug, "RadiopharmaceuticalStartTime"):
        clock = None
    if full is None and clock is None:
        raise NotMeasurable("the time of injection is missing, so the decay before the scan is unknown")
    if clock is None:
        assert full is not None
        return full, ()
    if clock > scan + timedelta(seconds=CLOCK_TOLERANCE_S):
        clock -= timedelta(days=1)
    clock = min(clock, scan)
    if full is None:
        limits = ("the header gives no date of injection: the last such time before the scan was taken",)
        return clock, limits if clock.date() != scan.date() else ()
    apart = abs((full - clock).total_seconds()) % 86400
    if min(apart, 86400 - apart) > SAME_INJECTION_S:
        raise NotMeasurable("the header gives two different times of injection")
    if full > scan + timedelta(seconds=CLOCK_TOLERANCE_S):
        raise NotMeasurable("the header's injection lies after the start of the scan")
    return min(full, scan), ()


def _ge_scan_time(header: Any) -> datetime | None:
    try:
        value = header.private_block(0x0009, GE_CREATOR)[GE_SCAN_DATETIME].value
    except (KeyError, AttributeError):
        return None
    found = parse_date_time(value.decode("ascii", "replace") if isinstance(value, bytes) else str(value))
    return found.replace(tzinfo=None) if found is not None else None


def _local(time: datetime | None, header: Any) -> datetime | None:
    """A time with an offset from UTC as the header's local time; None when the header does not say its own offset."""
    if time is None or time.tzinfo is None:
        return time
    offset = _offset(text_of(header, "TimezoneOffsetFromUTC"))
    return time.astimezone(offset).replace(tzinfo=None) if offset is not None else None


def _date_time(header: Any, date: str, time: str) -> datetime | None:
    day, clock = text_of(header, date).replace(".", ""), text_of(header, time).replace(":", "")
    return parse_date_time(day + clock) if len(day) == 8 and clock else None


def parse_date_time(text: str) -> datetime | None:
    """A DICOM DT (YYYYMMDDHH[MM[SS[.ffffff]]][&ZZXX]) with its offset where it has one; None when it is none."""
    match = re.fullmatch(r"(\d{8})(\d{2})(\d{2})?(\d{2})?(?:\.(\d{1,6})\d*)?([+-]\d{4})?", text.strip().strip("\0"))
    if match is None:
        return None
    day, hour, minute, second, fraction, zone = match.groups()
    try:
        found = datetime.strptime(day + hour + (minute or "00"), "%Y%m%d%H%M")
    except ValueError:
        return None
    found += timedelta(seconds=int(second or 0), microseconds=int((fraction or "0").ljust(6, "0")))
    return found.replace(tzinfo=_offset(zone)) if zone else found


def _offset(text: str | None) -> timezone | None:
    match = re.fullmatch(r"([+-])(\d{2})(\d{2})", (text or "").strip())
    if match is None:
        return None
    span = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-span if match[1] == "-" else span) if span < timedelta(hours=24) else None
