"""Registration: one motion for the spine, one for every vertebra, and what speaks for and against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spinemet.errors import BadInput
from spinemet.levels import Level
from spinemet.registration.metric import Agreement
from spinemet.registration.motion import RigidMotion
from spinemet.registration.start import Candidate
from spinemet.registration.trust import VertebraMotion


@dataclass(frozen=True)
class LevelTest:
    """What the images say to the spine one level up or down.

    :param step: +1 puts every vertebra where the one below it belongs, −1 the one above.
    :param information: of the bones there, in nats per point; None when it could not be tried.
    """

    step: int
    information: float | None


@dataclass(frozen=True, eq=False)
class Registration:
    """The result.

    :param spine: motion of the whole spine, fixed to moving, RAS.
    :param vertebrae: motion of every outlined vertebra; empty without outlines.
    :param start: where the spine's motion was started from, in words.
    :param alternatives: other starts that were tried, with their agreement.
    :param level_tests: the same one level up and down.
    :param before: agreement of the headers' own place with the images, on the bones (or the whole images).
    :param after: agreement of `spine`.
    :param kept_header: the headers' alignment was kept, since both images share a frame of reference and the images
        do not contradict it.
    :param problems: sentences; a registration with a problem must not be used.
    :param notes: sentences for the reader that do not forbid its use.
    """

    spine: RigidMotion
    vertebrae: Mapping[Level, VertebraMotion]
    start: str
    alternatives: tuple[Candidate, ...]
    level_tests: tuple[LevelTest, ...]
    before: Agreement
    after: Agreement
    kept_header: bool = False
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        return not self.problems

    @property
    def level_margin(self) -> float | None:
        """Information at the chosen level over that one level off; None when it was not tested."""
        others = [test.information for test in self.level_tests if test.information is not None]
        return max(self.after.information, 0.0) / max(*others, 1e-3) if others else None

    def require_usable(self) -> None:
        """:raises BadInput: the registration has a problem."""
        if self.problems:
            raise BadInput(" ".join(self.problems))

    def motion_of(self, level: Level) -> RigidMotion:
        """Of a vertebra, or of the spine where it is not outlined."""
        found = self.vertebrae.get(level)
        return self.spine if found is None else found.motion
