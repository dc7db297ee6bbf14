"""Epidural disease of one study: from outlines on an MR to the ESCC grade of every level, part by part.

Cuts are sampled and measured level by level through an `Increment`, so an edit at one level measures that level's
cuts anew; references and grades, which look at all cuts, cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spinemet.anatomy import epidural as anatomy
from spinemet.anatomy.epidural import CanalFrame, CutPlan, Cuts, LevelEpidural, Profile, Reference
from spinemet.case import Role
from spinemet.errors import NotMeasurable
from spinemet.evidence import Point
from spinemet.image import Image, Region
from spinemet.increment import Increment
from spinemet.levels import Level
from spinemet.progress import Progress, silent
from spinemet.scores import escc
from spinemet.scores.escc import EsccMeasures, EsccResult


@dataclass(frozen=True, eq=False)
class EpiduralOutlines:
    """What is outlined, as boolean masks on one grid: that of the image they were drawn on.

    :param canal: the bony canal.
    :param sac: the thecal sac, with or without the cord in it; None on a CT without contrast in the sac.
    :param cord: None where it was not outlined; unknown, then, is whether tumor touches it.
    :param tumor: all tumor, in the bone and in the canal; None when nobody outlined any.
    """

    canal: Image
    sac: Image | None = None
    cord: Image | None = None
    tumor: Image | None = None

    @property
    def given(self) -> dict[str, Image]:
        """The masks that are there, by name."""
        named = {"canal": self.canal, "sac": self.sac, "cord": self.cord, "tumor": self.tumor}
        return {name: mask for name, mask in named.items() if mask is not None}


@dataclass(frozen=True, eq=False)
class EpiduralDisease:
    """Everything measured along the canal, and the grades.

    :param levels: measures of every level whose place is known.
    :param results: grade of each of them.
    :param conus: the last level that the outlined cord reaches within the image, None when its end is not seen.
    """

    frame: CanalFrame
    cuts: Cuts
    profile: Profile
    reference: Reference
    levels: Mapping[Level, LevelEpidural]
    results: Mapping[Level, EsccResult]
    conus: Level | None

    @property
    def worst(self) -> EsccResult | None:
        """The worst level, None when none could be graded."""
        return escc.worst(list(self.results.values()))


def assess_epidural(
    outlines: EpiduralOutlines,
    places: Mapping[Level, Point],
    *,
    role: Role = Role.T2,
    conus: Level | None = None,
    store: Increment | None = None,
    progress: Progress | None = None,
) -> EpiduralDisease:
    """Grade every level from outlines on its image's own grid.

    :param places: a point (RAS) of each level, such as the center of its body.
    :param role: what image the outlines were drawn on; on a plain CT no grade is given, only what it suggests.
    :param conus: the level of the conus as a person says; otherwise it is where the outlined cord is seen to end.
    :raises NotMeasurable: the canal is not outlined over enough length, or no level's place is known.
    :raises GridMismatch: the masks lie on different grids.
    """
    if not places:
        raise NotMeasurable("No vertebral level is known along the canal; outline or name at least one vertebra.")
    report, store = progress or silent, store or Increment()
    canal = outlines.canal
    report(0.0, "following the canal")
    frame = store.run("canal frame", "", (canal,), lambda: anatomy.canal_frame(canal))
    plan = store.run("cut plan", "", (canal,), lambda: anatomy.plan_cuts(frame, canal))
    pieces = []
    parts = _parts(plan)
    for number, part in enumerate(parts):
        report(number / len(parts), "cutting the canal")
        pieces.append(_piece(plan, part, number, outlines, store))
    cuts = anatomy.joined_cuts([cut for cut, _ in pieces])
    profile = anatomy.joined([measured for _, measured in pieces])
    reference = anatomy.references(cuts, profile)
    spans = anatomy.level_spans(cuts, places)
    levels = {level: anatomy.measure_level(level, span, cuts, profile, reference) for level, span in spans.items()}
    seen = _conus(levels, cuts, profile)
    end = conus or seen
    results = {level: _grade(item, role, end) for level, item in levels.items()}
    report(1.0, "epidural disease graded")
    return EpiduralDisease(frame, cuts, profile, reference, levels, results, end)


_PART_MM = 15.0
"""Cuts are sampled and kept in stretches of this length, so that an edit costs one stretch."""


def _parts(plan: CutPlan) -> list[slice]:
    size = max(1, round(_PART_MM / plan.spacing))
    return [slice(start, min(start + size, len(plan.s))) for start in range(0, len(plan.s), size)]


def _piece(
    plan: CutPlan, part: slice, number: int, outlines: EpiduralOutlines, store: Increment
) -> tuple[Cuts, Profile]:
    region = _region(plan, part)
    crops = {name: mask.crop(region) for name, mask in outlines.given.items()}

    def measure() -> tuple[Cuts, Profile]:
        whole = {"canal": outlines.canal, "cord": outlines.cord, "tumor": outlines.tumor}
        sac = outlines.sac if outlines.sac is not None else outlines.canal.with_array(_empty(outlines.canal))
        cuts = anatomy.sample_cuts(plan, part=part, sac=sac, **_present(whole))
        return cuts, anatomy.measure_profile(cuts)

    return store.run("epidural cuts", str(number), (plan.s, *(crops[name] for name in sorted(crops))), measure)


def _present(masks: Mapping[str, Image | None]) -> dict[str, Image]:
    return {name: mask for name, mask in masks.items() if mask is not None}


def _empty(like: Image) -> np.ndarray:
    return np.zeros(like.shape, bool)


def _region(plan: CutPlan, part: slice) -> Region:
    """The voxels that the cuts of a part can see."""
    first, last = plan.points(slice(part.start, part.start + 1)), plan.points(slice(part.stop - 1, part.stop))
    middle = plan.points(slice((part.start + part.stop) // 2, (part.start + part.stop) // 2 + 1))
    corners = [
        block[:, :: block.shape[1] - 1, :: block.shape[2] - 1].reshape(-1, 3) for block in (first, middle, last)
    ]
    return plan.grid.region_around(np.concatenate(corners), float(plan.grid.spacing.max()) * 1.5)


def _conus(levels: Mapping[Level, LevelEpidural], cuts: Cuts, profile: Profile) -> Level | None:
    """The level in which the outlined cord is seen to end: whole cuts without cord follow below it."""
    with_cord = np.flatnonzero(profile.cord_area > 0)
    if not len(with_cord):
        return None
    last = int(with_cord[-1])
    after = profile.complete[last + 1 :] & (profile.sac_area[last + 1 :] > 0)
    if after.sum() * cuts.spacing < _SEEN_MM:
        return None
    return next((level for level, item in levels.items() if item.span[0] <= cuts.s[last] < item.span[1]), None)


_SEEN_MM = 10.0
"""The cord's end counts as seen when this much sac without cord follows within the image."""


def _grade(item: LevelEpidural, role: Role, conus: Level | None) -> EsccResult:
    if item.cut is None:
        return escc.unknown_grade(item.level, item["epidural thickness"].reason)
    if role is Role.CT:
        return escc.grade_ct(item.level, item["epidural thickness"], item["epidural share of the canal"])
    measures = escc_measures(item)
    limits = _limits(item)
    if conus is not None and item.level > conus:
        return escc.grade_below_conus(item.level, measures, item["sac loss"], limits=limits)
    return escc.grade(item.level, measures, limits=limits)


def escc_measures(item: LevelEpidural) -> EsccMeasures:
    """What the ladder asks for, from a level's measures."""
    return EsccMeasures(
        item["epidural thickness"], item["sac indentation"], item["tumor to cord"], item["cord loss"],
        item["cord loss as a length"], item["cord shift"], item["fluid left"], item.pixel,
    )  # fmt: skip


def _limits(item: LevelEpidural) -> tuple[str, ...]:
    compressed = item["cord loss"].value
    if compressed is not None and compressed >= 100 * escc.DEFAULT.cord_loss:
        return ("outlines of a compressed cord are unreliable: confirm the grade on the image",)
    return ()
