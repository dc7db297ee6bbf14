"""A person's hand on a registration that stands: rebuild it from its record, nudge a vertebra, test and write it anew.

Key functions: `registration_from` reads a record back, `nudged` moves one vertebra, `concluded` blends, tests and
records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress, part
from spinemet.registration.field import Field, polyrigid
from spinemet.registration.metric import Agreement
from spinemet.registration.motion import RigidMotion
from spinemet.registration.quality import checks, require_usable
from spinemet.registration.record import RegistrationRecord, StartRow, VertebraRow, record_of
from spinemet.registration.result import LevelTest, Registration
from spinemet.registration.trust import Trust, VertebraMotion

BY_HAND = "was moved by hand; the images have not tested it since"


def registration_from(record: RegistrationRecord) -> Registration:
    """The registration that a record holds. The motions of other starts are not recorded: they are left out."""
    spine = RigidMotion(np.array(record.spine))
    return Registration(
        spine=spine,
        vertebrae={row.level: _motion(row) for row in record.vertebrae},
        start=record.start,
        alternatives=(),
        level_tests=tuple(LevelTest(row.step, row.agreement) for row in record.levels_off),
        before=_agreement(record.before),
        after=_agreement(record.after),
        kept_header=record.kept_header,
        problems=record.problems,
        notes=record.notes,
    )


def nudged(result: Registration, level: Level, shift_mm: ArrayLike, turn_deg: ArrayLike) -> Registration:
    """The registration with one vertebra of the moving image pushed, as it is seen on the fixed image.

    The vertebra is marked: nothing has tested it since.

    :param shift_mm: to the right, to the front and upward (RAS), mm.
    :param turn_deg: rotation vector about the same axes through the middle of the bone, degrees.
    :raises BadInput: the level takes no part in the registration.
    """
    found = result.vertebrae.get(level)
    if found is None:
        raise BadInput(f"{level} takes no part in this registration; choose one of its levels.")
    push = RigidMotion.about(found.center, np.radians(np.asarray(turn_deg, dtype=float)), shift_mm)
    moved = replace(
        found,
        motion=found.motion.after(push.inverse),
        trust=Trust.DOUBTFUL,
        reason=f"{level} {BY_HAND}.",
        before=None,
        after=None,
        spread_mm=None,
    )
    return replace(result, vertebrae={**result.vertebrae, level: moved})


def is_by_hand(reason: str) -> bool:
    """Whether the reason of a vertebra's mark is that a person moved it."""
    return BY_HAND in reason


def moved_by_hand(result: Registration) -> dict[Level, RigidMotion]:
    """The motions that a person gave, to start the optimizer from."""
    return {level: item.motion for level, item in result.vertebrae.items() if is_by_hand(item.reason)}


def concluded(
    result: Registration,
    fixed: Image,
    moving: Image,
    vertebrae: LabelMap | None,
    *,
    keys: tuple[str, str],
    progress: Progress | None = None,
) -> tuple[RegistrationRecord, Field | None]:
    """The record of a tested registration and its field; None where nothing bends.

    :param vertebrae: outlines in the fixed image.
    :param keys: of the fixed and the moving image.
    :raises BadInput: it must not be used; the sentence says why.
    """
    result.require_usable()
    motions = {level: item.motion for level, item in result.vertebrae.items()}
    bends = any(not np.allclose(motion.matrix, result.spine.matrix, atol=1e-9) for motion in motions.values())
    field = None
    if bends and vertebrae is not None:
        field = polyrigid(result.spine, motions, vertebrae, progress=part(progress, 0.0, 0.6))
    if progress is not None:
        progress(0.6, "testing the result")
    made = checks(result, fixed, moving, vertebrae, field)
    require_usable(result, made)
    return record_of(result, made, field, fixed=keys[0], moving=keys[1]), field


def level_at(vertebrae: LabelMap, reach_mm: float) -> Callable[[ArrayLike], Level | None]:
    """A function that names the outlined vertebra nearest to a point (RAS mm), None beyond `reach_mm`."""
    names = {value: level for level, value in vertebrae.levels.items()}

    def find(point: ArrayLike) -> Level | None:
        grid = vertebrae.image.grid
        try:
            region = grid.region_around(np.asarray(point, dtype=float)[None], reach_mm)
        except BadInput:
            return None
        values = vertebrae.image.array[region]
        places = np.argwhere(np.isin(values, list(names)))
        if not len(places):
            return None
        away = np.linalg.norm(grid.crop(region).to_world(places[:, ::-1]) - np.asarray(point, dtype=float), axis=1)
        nearest = int(np.argmin(away))
        return names[int(values[tuple(places[nearest])])] if away[nearest] <= reach_mm else None

    return find


def _motion(row: VertebraRow) -> VertebraMotion:
    def agreement(information: float | None) -> Agreement | None:
        return None if information is None else Agreement(information, row.in_view)

    return VertebraMotion(
        row.level,
        RigidMotion(np.array(row.matrix)),
        row.trust,
        row.reason,
        np.array(row.center),
        row.in_view,
        agreement(row.agreement_before),
        agreement(row.agreement),
        row.spread_mm,
    )


def _agreement(row: StartRow) -> Agreement:
    return Agreement(row.agreement, row.overlap)
