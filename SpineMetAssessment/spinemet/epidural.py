"""Epidural disease of one study: from outlines on an MR to the ESCC grade of every level, part by part.

Cuts are sampled and measured level by level through an `Increment`, so an edit at one level measures that level's
cuts anew; references and grades, which look at all cuts, cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy import epidural as anatomy
from spinemet.anatomy.epidural import (
    CanalFrame,
    CutPlan,
    Cuts,
    Foramen,
    LevelEpidural,
    OutlineError,
    Profile,
    Reference,
)
from spinemet.answers import Answers
from spinemet.case import Role
from spinemet.details import CanalCut, CanalProfile, EpiduralDetails, EpiduralLevel, MarrowDetails, RootDetails
from spinemet.errors import BadInput, NotMeasurable
from spinemet.evidence import Measurement, Point
from spinemet.image import Image
from spinemet.increment import Increment
from spinemet.levels import Level
from spinemet.progress import Progress, silent
from spinemet.scores import escc
from spinemet.scores.escc import EsccMeasures, EsccResult
from spinemet.scores.lee import LeeResult, lee, unknown_lee


@dataclass(frozen=True, eq=False)
class EpiduralOutlines:
    """What is outlined, as boolean masks on one grid: that of the image they were drawn on.

    :param canal: the bony canal.
    :param sac: the thecal sac, with or without the cord in it; None on a CT without contrast in the sac.
    :param cord: None where it was not outlined; unknown, then, is whether tumor touches it.
    :param tumor: all tumor, in the bone and in the canal; empty where there is none, None when nobody looked: then
        nothing is graded.
    :param roots: the nerve roots in the foramina of both sides; None when nobody outlined any.
    :param fat: fat in the foramina; without it, fat counts as lost where tumor lies.
    """

    canal: Image
    sac: Image | None = None
    cord: Image | None = None
    tumor: Image | None = None
    roots: Image | None = None
    fat: Image | None = None

    @property
    def given(self) -> dict[str, Image]:
        """The masks that are there, by name."""
        named = {"canal": self.canal, "sac": self.sac, "cord": self.cord, "tumor": self.tumor}
        return {name: mask for name, mask in named.items() if mask is not None}


@dataclass(frozen=True)
class GradedForamen:
    """One foramen and Lee's grade of it."""

    foramen: Foramen
    lee: LeeResult

    @property
    def sentence(self) -> str:
        """Where, which root, what: for a report."""
        touch = self.foramen.contact.value
        near = f"tumor along {touch:.0f} mm of the root" if touch else "no tumor at the root"
        grade = "unknown" if self.lee.grade is None else str(self.lee.grade)
        return f"{self.foramen.name}, root {self.foramen.root}: {near}; Lee {grade}, {self.lee.reason}"


@dataclass(frozen=True, eq=False)
class EpiduralDisease:
    """Everything measured along the canal, and the grades.

    :param foramina: every foramen whose root is outlined.
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
    foramina: tuple[GradedForamen, ...] = ()

    @property
    def unreliable(self) -> NDArray[np.bool_]:
        """The cuts (n,) in which the cord has lost so much that its outline cannot be relied on."""
        lost = np.nan_to_num(anatomy.cord_losses(self.cuts, self.profile, self.reference)[0])
        pressed = self.profile.gap <= escc.DEFAULT.contact_at_most_mm
        return np.asarray((lost >= escc.DEFAULT.cord_loss) & pressed)

    @property
    def worst(self) -> EsccResult | None:
        """The worst level, None when none could be graded."""
        return escc.worst(list(self.results.values()))


def assess_epidural(
    outlines: EpiduralOutlines,
    places: Mapping[Level, Point],
    *,
    role: Role = Role.T2,
    myelogram: bool = False,
    images: Mapping[Role, Image] | None = None,
    bone: Image | None = None,
    conus: Level | None = None,
    outline_error_mm: float | Mapping[str, float] = 0.0,
    store: Increment | None = None,
    progress: Progress | None = None,
) -> EpiduralDisease:
    """Grade every level from outlines on its image's own grid.

    :param places: a point (RAS) of each level, such as the center of its body.
    :param role: what image the outlines were drawn on; on a plain CT no grade is given, only what it suggests.
    :param myelogram: the CT has contrast in the sac, so that sac and cord are measured on it as on an MR.
    :param images: MR or CT images in the outlines' space; what presses is compared with fat, bone and fluid on them.
    :param bone: mask of the vertebrae on the outlines' grid, for that comparison.
    :param conus: the level of the conus as a person says; otherwise it is where the outlined cord is seen to end.
    :param outline_error_mm: how far the outlines' edges may lie off (95 of 100 lie nearer), beyond what voxels do to
        any outline: 0 as a person drew them, more where a program outlined; one length for all, or lengths by name
        ("canal", "sac", "cord", "tumor"). It widens the ± of every measure, and with it the grades left open.
    :raises NotMeasurable: the canal is not outlined over enough length, or no level's place is known.
    :raises GridMismatch: the masks lie on different grids.
    :raises BadInput: the canal's outline leaves no room round the sac, or an outline's error is no length.
    """
    error = OutlineError.of(outline_error_mm)
    if not places:
        raise NotMeasurable("No vertebral level is known along the canal; outline or name at least one vertebra.")
    report, store = progress or silent, store or Increment()
    canal = outlines.canal
    report(0.0, "following the canal")
    points = [places[level] for level in sorted(places, key=lambda item: item.order)]
    line = store.run("canal frame", "", (canal,), lambda: anatomy.canal_frame(canal))
    frame = store.run("canal's front", "", (canal, points), lambda: anatomy.facing(line, points))
    plan = store.run("cut plan", "", (canal, points), lambda: anatomy.plan_cuts(frame, canal))
    pieces = []
    parts, drawn = _parts(plan), _together(outlines)
    for number, part in enumerate(parts):
        report(number / len(parts), "cutting the canal")
        pieces.append(_piece(plan, part, number, outlines, drawn, store))
    cuts = anatomy.joined_cuts([cut for cut, _ in pieces])
    profile = anatomy.joined([measured for _, measured in pieces])
    if outlines.sac is not None and np.array_equal(profile.canal_area, profile.sac_area):
        raise BadInput("The canal is outlined no wider than the thecal sac; outline the bony canal round it.")
    reference = anatomy.references(cuts, profile)
    spans = anatomy.level_spans(cuts, places)
    if outlines.tumor is None:
        # No outline of tumor is not the absence of tumor.
        levels = {level: anatomy.unmeasured_level(level, span, NO_TUMOR) for level, span in spans.items()}
    else:
        levels = {
            level: anatomy.measure_level(level, span, cuts, profile, reference, error) for level, span in spans.items()
        }
    seen = _conus(levels, cuts, profile)
    end = conus or seen
    plain_ct = role is Role.CT and not myelogram
    results = {
        level: _grade(item, plain_ct, end, _role_limits(role) + _mimics(item, cuts, outlines, images, bone, store))
        for level, item in levels.items()
    }
    foramina = _foramina(frame, spans, outlines, store)
    report(1.0, "epidural disease graded")
    return EpiduralDisease(frame, cuts, profile, reference, levels, results, end, foramina)


NO_TUMOR = "nobody outlined tumor on this image; outline it, or say with an empty outline that there is none"


def _foramina(
    frame: CanalFrame, spans: Mapping[Level, tuple[float, float]], outlines: EpiduralOutlines, store: Increment
) -> tuple[GradedForamen, ...]:
    roots, tumor, fat = outlines.roots, outlines.tumor, outlines.fat
    if roots is None or not roots.array.any():
        return ()
    # Only what lies round the roots can change them.
    region = roots.grid.region_around(roots.to_world(np.argwhere(roots.array)[:, ::-1]), _ROUND_ROOTS_MM)
    roots, tumor, fat = (None if item is None else item.crop(region) for item in (roots, tumor, fat))
    assert roots is not None
    inputs = (frame.centers, [list(span) for span in spans.values()], roots, tumor, fat)
    found = store.run(
        "foramina", "", inputs,
        lambda: anatomy.measure_foramina(frame, spans, roots=roots, tumor=tumor, fat=fat),
    )  # fmt: skip
    return tuple(GradedForamen(item, _lee(item)) for item in found)


_ROUND_ROOTS_MM = 12.0


def _lee(item: Foramen) -> LeeResult:
    return lee(item.lost, item.deformed) if item.lost else unknown_lee(item.reason)


def _role_limits(role: Role) -> tuple[str, ...]:
    if role in (Role.T2, Role.CT):
        return ()
    return (f"graded on {role.value}: fluid and cord part best on T2",)


def _mimics(
    item: LevelEpidural, cuts: Cuts, outlines: EpiduralOutlines, images: Mapping[Role, Image] | None,
    bone: Image | None, store: Increment,
) -> tuple[str, ...]:  # fmt: skip
    """What presses may be no tumor: sentences that name what it looks like."""
    if not images or item.cut is None or outlines.tumor is None or not item["epidural thickness"].value:
        return ()
    inside = np.flatnonzero((cuts.s >= item.span[0]) & (cuts.s < item.span[1]))
    region = cuts.plan.region(slice(int(inside[0]), int(inside[-1]) + 1))
    crops = {name: mask.crop(region) for name, mask in outlines.given.items()}
    bones = None if bone is None else bone.crop(region)
    masks = {name: crops.get(name) for name in ("sac", "cord")}
    found: tuple[str, ...] = store.run(
        "epidural mimics", str(item.level), (*crops.values(), bones, list(images.items())),
        lambda: anatomy.benign_hints(images, tumor=crops["tumor"], canal=crops["canal"], bone=bones, **masks),
    )  # fmt: skip
    return found


_PART_MM = 6.0
"""Cuts are sampled and kept in stretches of this length, so that an edit costs one stretch."""


def _parts(plan: CutPlan) -> list[slice]:
    size = max(1, round(_PART_MM / plan.spacing))
    return [slice(start, min(start + size, len(plan.s))) for start in range(0, len(plan.s), size)]


def _piece(
    plan: CutPlan, part: slice, number: int, outlines: EpiduralOutlines, drawn: Image, store: Increment
) -> tuple[Cuts, Profile]:
    def measure() -> tuple[Cuts, Profile]:
        whole = {"canal": outlines.canal, "cord": outlines.cord, "tumor": outlines.tumor}
        sac = outlines.sac if outlines.sac is not None else outlines.canal.with_array(_empty(outlines.canal))
        cuts = anatomy.sample_cuts(plan, part=part, sac=sac, **_present(whole))
        return cuts, anatomy.measure_profile(cuts)

    return store.run(
        "epidural cuts", str(number), (plan.s, sorted(outlines.given), drawn.crop(plan.region(part))), measure
    )


def _together(outlines: EpiduralOutlines) -> Image:
    """All outlines as one image, a bit each: what changed anywhere is found by looking once."""
    for mask in outlines.given.values():
        outlines.canal.require_grid(mask)
    drawn = np.zeros(outlines.canal.shape, np.uint8)
    for bit, (_, mask) in enumerate(sorted(outlines.given.items())):
        drawn |= mask.array.astype(bool, copy=False).view(np.uint8) << bit
    return outlines.canal.with_array(drawn)


def _present(masks: Mapping[str, Image | None]) -> dict[str, Image]:
    return {name: mask for name, mask in masks.items() if mask is not None}


def _empty(like: Image) -> np.ndarray:
    return np.zeros(like.shape, bool)


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


def _grade(item: LevelEpidural, plain_ct: bool, conus: Level | None, known: tuple[str, ...]) -> EsccResult:
    if item.cut is None:
        result = escc.unknown_grade(item.level, item["epidural thickness"].reason)
        return replace(result, modified=escc.CT_ONLY) if plain_ct else result
    if plain_ct:
        result = escc.grade_ct(item.level, item["epidural thickness"], item["epidural share of the canal"])
        return replace(result, limits=(*result.limits, *known))
    measures = escc_measures(item)
    limits = known + _limits(item)
    if conus is not None and item.level > conus:
        return escc.grade_below_conus(item.level, measures, item["sac loss"], limits=limits)
    return escc.grade(item.level, measures, limits=limits)


def escc_measures(item: LevelEpidural) -> EsccMeasures:
    """What the ladder asks for, from a level's measures."""
    return EsccMeasures(
        item["epidural thickness"], item["sac indentation"], item["tumor to cord"], item["cord loss"],
        item["cord loss as a length"], item["cord shift"], item["fluid left"], item.pixel,
        item["contact around the cord"], item.lateral_pixel,
        item["clearance to the thecal sac"].value is not None or item["clearance to the cord"].value is not None,
        item["contact with the cord"], item["cord depth"], item["expected cord depth"],
        item.outlines.joint("tumor", "cord"),
    )  # fmt: skip


def _limits(item: LevelEpidural) -> tuple[str, ...]:
    compressed = item["cord loss"].value
    if compressed is not None and compressed >= 100 * escc.DEFAULT.cord_loss:
        return ("outlines of a compressed cord are unreliable: confirm the grade on the image",)
    return ()


def describe(
    disease: EpiduralDisease, *, image: str, role: Role, placed_by: str, answers: Answers | None = None,
    marrow: Mapping[Level, tuple[Measurement, ...]] | None = None, notes: tuple[str, ...] = (),
) -> EpiduralDetails:  # fmt: skip
    """What an assessment keeps: grades with what people said, measures, and the profile along the canal.

    :param image: key of the image that was outlined.
    :param placed_by: how the levels were found on it, in words.
    :param marrow: measures of the levels that tumor involves, as `anatomy.epidural.marrow_of_levels` gives them.
    :param notes: what a reader must know about the outlines.
    """
    said = answers or Answers()
    levels = tuple(_entry(disease, level, said) for level in sorted(disease.levels, key=lambda item: item.order))
    picked = [
        level for level, answer in said.levels.items() if answer.escc is not None and level not in disease.levels
    ]
    return EpiduralDetails(
        image, role, placed_by, (*levels, *(_picked(level, said) for level in picked)), _curves(disease),
        disease.conus, tuple(item.sentence for item in disease.foramina),
        tuple(_root(item) for item in disease.foramina),
        tuple(MarrowDetails(level, items) for level, items in (marrow or {}).items()), notes,
    )  # fmt: skip


def _root(item: GradedForamen) -> RootDetails:
    foramen, lee_result = item.foramen, item.lee
    return RootDetails(
        *foramen.levels, foramen.side, foramen.root, lee_result.grade, lee_result.possible, lee_result.reason,
        foramen.position, (foramen.gap, foramen.contact, foramen.area_loss),
    )  # fmt: skip


def _picked(level: Level, said: Answers) -> EpiduralLevel:
    answer = said.at(level).escc
    assert answer is not None
    return EpiduralLevel(escc.entered_grade(level, answer.grade, reader=answer.reader, reason=answer.reason))


def _entry(disease: EpiduralDisease, level: Level, said: Answers) -> EpiduralLevel:
    item, result, answer = disease.levels[level], disease.results[level], said.at(level).escc
    if answer is not None:
        chosen = escc.entered_grade(level, answer.grade, reader=answer.reader, reason=answer.reason)
        assert chosen.grade is not None
        result = result.overridden(chosen.grade, reason=answer.reason, reader=answer.reader)
    cut = None
    if item.cut is not None:
        right, anterior, _ = disease.frame.axes(disease.cuts.s[item.cut])
        cut = CanalCut(disease.cuts.position(item.cut), _point(right), _point(anterior))
    return EpiduralLevel(result, item.position, cut, tuple(item.measurements.values()))


def _curves(disease: EpiduralDisease) -> CanalProfile:
    cuts, profile, reference = disease.cuts, disease.profile, disease.reference
    spans = {level: item.span for level, item in disease.levels.items()}
    with np.errstate(invalid="ignore", divide="ignore"):
        fluid = np.where(reference.fluid_area > 0, 100 * profile.fluid_area / reference.fluid_area, np.nan)
    whole = profile.complete
    measured = any(item.cut is not None for item in disease.levels.values())

    def row(values: NDArray[np.float64]) -> tuple[float | None, ...]:
        known = (whole & np.isfinite(values)).tolist()
        return tuple(round(value, 2) if usable else None for value, usable in zip(values.tolist(), known, strict=True))

    return CanalProfile(
        tuple(round(float(s), 2) for s in cuts.s),
        tuple(next((level for level, (a, b) in spans.items() if a <= s < b), None) for s in cuts.s),
        tuple(_point(center) for center in disease.frame.center(cuts.s)),
        row(100 * profile.canal_share if measured else np.full(len(cuts.s), np.nan)),
        row(profile.cord_ap),
        row(reference.cord_ap),
        row(fluid),
    )


def _point(values: NDArray[np.float64]) -> Point:
    x, y, z = values.tolist()
    return (round(x, 4), round(y, 4), round(z, 4))
