"""Roles by which a time point's parameter node refers to its nodes; apart, so that asking for one imports nothing."""

from __future__ import annotations

ROLE_ASSESSMENT = "SpineMet.Assessment"
ROLE_TABLE = "SpineMet.Table"
ROLE_EVIDENCE = "SpineMet.Evidence"
ROLE_REFERENCE = "SpineMet.ReferenceVolume"
ROLE_VOLUMES = "SpineMet.Volumes"
ROLE_SEGMENTATION = "SpineMet.Segmentation"
RESULT = "SpineMet.Result"
"""Attribute of the tables, texts, plots and epidural marks that belong to one time point: the role they have there."""
