"""Errors as sentences: what was wrong, in which series or file, and what to do."""

from __future__ import annotations


class SpineMetError(Exception):
    """Base of all errors meant for a user's eyes; the message is one plain sentence without PHI."""


class BadInput(SpineMetError):
    """A file, series or answer cannot be used as it is."""


class GridMismatch(BadInput):
    """Two images that must share a voxel grid do not."""


class OutputError(SpineMetError):
    """A result could not be written; nothing half written is left behind."""


class NotMeasurable(SpineMetError):
    """A quantity cannot be measured here; callers turn this into an unknown, never into zero."""


class MissingDependency(SpineMetError):
    """An optional package or system library is needed for what was asked."""


class Cancelled(SpineMetError):
    """The user stopped a long step; raised by a progress callable, passed through by the library."""
