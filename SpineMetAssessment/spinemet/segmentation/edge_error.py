"""How far the edges of our own epidural outlines lie off; apart, since grading needs no outliner."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EDGE_ERROR_MM: Mapping[str, float] = MappingProxyType({"canal": 0.4, "sac": 0.3, "cord": 0.25, "tumor": 0.3})
"""How far the edges of what `outline_canal` and `outline_epidural_tumor` find lie off where they decide a grade,
beyond what voxels do, mm: `outline_error_mm` of `assess_epidural`. Ours, from synthetic segments; single edges lie
farther off than medians over cuts and rays do."""
