"""How far the edges of outlines may lie off, beyond what voxels do to any outline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from spinemet.errors import BadInput


@dataclass(frozen=True)
class OutlineError:
    """How far each structure's edge may lie from where it is, mm (95 of 100 edges lie nearer); 0 as a person drew it.

    Widens the ± of every measure that rests on the edge, and with it the grades that are left open.
    """

    canal: float = 0.0
    sac: float = 0.0
    cord: float = 0.0
    tumor: float = 0.0

    def __post_init__(self) -> None:
        if not all(np.isfinite(value) and value >= 0 for value in self._values):
            raise BadInput("The error of an outline is a length of 0 mm or more.")

    @classmethod
    def of(cls, given: float | Mapping[str, float]) -> OutlineError:
        """From one length for every structure, or from lengths by name ("canal", "sac", "cord", "tumor").

        :raises BadInput: negative, or no such structure.
        """
        names = [item.name for item in fields(cls)]
        if isinstance(given, Mapping):
            if unknown := sorted(set(given) - set(names)):
                raise BadInput(f'There is no outline named "{unknown[0]}"; use {", ".join(names)}.')
            return cls(**{name: float(value) for name, value in given.items()})
        return cls(*(float(given) for _ in names))

    @property
    def _values(self) -> tuple[float, ...]:
        return (self.canal, self.sac, self.cord, self.tumor)

    @property
    def any(self) -> bool:
        """Whether an edge is said to be off at all."""
        return max(self._values) > 0

    def joint(self, *names: str) -> float:
        """Error of a length between edges of these structures, mm: each is off on its own."""
        return float(np.sqrt(sum(getattr(self, name) ** 2 for name in names)))
