"""Lee's grade of a neural foramen (Lee 2010, AJR 194:1095): how much of the fat round the root is lost.

0 none; 1 fat lost in two opposing directions; 2 in all four; 3 the root is deformed, too. It was made for
degenerative stenosis: here it only describes how tight tumor makes a foramen, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

DIRECTIONS = ("anterior", "superior", "posterior", "inferior")

DEGENERATIVE = "Lee's grades were made for degenerative stenosis, not for tumor"


@dataclass(frozen=True)
class LeeResult:
    """Lee's grade of one foramen.

    :param grade: 0 to 3, None while unknown.
    :param possible: every grade that the measures leave open, ascending.
    :param reason: one sentence.
    """

    grade: int | None
    possible: tuple[int, ...]
    reason: str
    limits: tuple[str, ...] = (DEGENERATIVE,)

    @property
    def near_threshold(self) -> bool:
        return self.grade is not None and len(self.possible) > 1


def lee(lost: Mapping[str, tuple[bool, ...]], deformed: tuple[bool, ...]) -> LeeResult:
    """Grade a foramen.

    :param lost: by direction, the answers left open to "is the fat gone?", the likelier first.
    :param deformed: the answers left open to "is the root deformed?", the likelier first.
    """
    answers = [lost[name] for name in DIRECTIONS]
    possible = {_grade(fat, root) for fat in product(*answers) for root in deformed}
    found = _grade(tuple(item[0] for item in answers), deformed[0])
    gone = [name for name in DIRECTIONS if lost[name][0]]
    words = f"fat round the root lost {', '.join(gone)}" if gone else "fat round the root kept"
    return LeeResult(found, tuple(sorted(possible)), words + (", root deformed" if deformed[0] else ""))


def unknown_lee(reason: str) -> LeeResult:
    """A foramen that could not be graded."""
    return LeeResult(None, (0, 1, 2, 3), reason)


def _grade(lost: tuple[bool, ...], deformed: bool) -> int:
    if deformed:
        return 3
    if all(lost):
        return 2
    anterior, superior, posterior, inferior = lost
    return 1 if (anterior and posterior) or (superior and inferior) else 0
