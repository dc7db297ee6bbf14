"""What a synthetic patient is asked to be: levels, lesions, collapses, epidural tumor, slips, posture, images."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from spinemet.case import Role
from spinemet.errors import BadInput
from spinemet.levels import Level
from spinemet.phantom.dimensions import SUPPORTED

KINDS = ("lytic", "blastic", "mixed")
SIDED_PARTS = ("pedicle", "facet", "lamina", "transverse")
PARTS = ("body", "spinous", *(f"{part}_{side}" for part in SIDED_PARTS for side in ("left", "right")))
"""Names of the parts of a vertebra; left and right are the patient's."""

ESCC_GRADES = ("0", "1a", "1b", "1c", "2", "3")
PAIN = ("mechanical", "occasional", "none")
ALIGNMENT = ("subluxation", "de novo deformity", "normal", "degenerative / old")


@dataclass(frozen=True)
class LesionSpec:
    """One bone lesion.

    :param kind: "lytic", "blastic" or "mixed" (both in lumps).
    :param body_share: share of the vertebral body that the lesion fills, 0 to 0.9.
    :param parts: other parts involved ("pedicle_left", "lamina_right", "spinous", …).
    :param part_share: share of each of those parts that the lesion fills, about.
    :param center: where in the body, as fractions (right, anterior, superior) of the half sizes.
    """

    level: Level
    kind: str
    body_share: float = 0.3
    parts: tuple[str, ...] = ()
    part_share: float = 0.7
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class CollapseSpec:
    """Height loss of a body per column, as a fraction of the intact height (0 to 0.85)."""

    level: Level
    anterior: float
    middle: float
    posterior: float

    @classmethod
    def wedge(cls, level: Level, loss: float) -> CollapseSpec:
        """The front gives way by `loss`, the back hardly."""
        return cls(level, loss, 0.55 * loss, 0.08 * loss)

    @classmethod
    def crush(cls, level: Level, loss: float) -> CollapseSpec:
        """The whole body gives way by `loss`."""
        return cls(level, loss, loss, 0.8 * loss)

    @classmethod
    def biconcave(cls, level: Level, loss: float) -> CollapseSpec:
        """The middle gives way by `loss`, the rims hardly."""
        return cls(level, 0.25 * loss, loss, 0.1 * loss)


@dataclass(frozen=True)
class EpiduralSpec:
    """Epidural extension of the lesion at `level`, built to an ESCC grade (Bilsky 2010)."""

    level: Level
    grade: str


@dataclass(frozen=True)
class ListhesisSpec:
    """Slip of `level`, and all above it, on the level below; millimeters, forward positive."""

    level: Level
    slip_mm: float


@dataclass(frozen=True)
class PostureSpec:
    """How the spine lies in the MR scanner, compared with the CT; sums over the whole spine, smooth along it.

    :param flexion_deg: forward bend; negative is more lordosis.
    :param offset_mm: RAS shift between the two scanners' coordinates.
    :param tilt_deg: how much the whole patient lies turned, about each axis.
    """

    flexion_deg: float = -7.0
    lateral_deg: float = 3.0
    twist_deg: float = 3.0
    offset_mm: tuple[float, float, float] = (12.0, -18.0, 25.0)
    tilt_deg: tuple[float, float, float] = (2.0, 1.5, -2.5)


@dataclass(frozen=True)
class MrSpec:
    """How the sagittal MR is acquired, where it differs from the protocol of its weighting.

    :param spacing: mm in plane (both) and between slices; None for the protocol's own.
    :param cut_mm: how much the field of view lacks at its upper and lower edge.
    :param noise: relative to the usual noise.
    """

    spacing: tuple[float, float, float] | None = None
    cut_mm: tuple[float, float] = (0.0, 0.0)
    noise: float = 1.0


@dataclass(frozen=True)
class AnswerSpec:
    """What a person says about an involved level: pain, and the alignment as judged."""

    level: Level
    pain: str
    alignment: str = "normal"


@dataclass(frozen=True)
class PatientSpec:
    """A synthetic patient; everything random in it comes from `seed`.

    :param levels: contiguous levels from head to tail, between T8 and S1.
    :param ct_size: voxels in a CT slice (i, j); None for as many as the spine needs, so that nothing is cut.
    :param ct_slices: number of CT slices; None for as many as the spine needs.
    :param ct_spacing: mm along i, j and k.
    :param ct_turn_deg: how far the CT's voxel axes are turned against the scanner's, about right, anterior, superior.
    :param ct_ends: levels through whose bodies the CT's upper and lower edge cut; None for a complete spine.
    :param lumbar_lordosis: scale of the discs' lordosis; 1 gives about 48° from L1 to S1.
    :param kyphosis_deg: extra kyphosis spread over T8 to T12.
    :param scoliosis_deg: Cobb angle of a thoracolumbar curve, convex to the right.
    :param size: scale of the whole patient.
    :param dose: relative CT dose; noise is 18 HU / √dose.
    :param trabecular_hu: mean HU of healthy trabecular bone.
    :param mr_plane: "sagittal" or "axial" slices of the T2 (T1 and STIR are always sagittal).
    :param mr: spacing, field of view and noise of the MR images.
    """

    seed: int = 0
    levels: tuple[Level, ...] = SUPPORTED
    ct_size: tuple[int, int] | None = (256, 256)
    ct_slices: int | None = None
    ct_spacing: tuple[float, float, float] = (0.8, 0.8, 1.0)
    ct_turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    ct_ends: tuple[Level | None, Level | None] = (None, None)
    lumbar_lordosis: float = 1.0
    kyphosis_deg: float = 0.0
    scoliosis_deg: float = 0.0
    size: float = 1.0
    dose: float = 1.0
    trabecular_hu: float = 175.0
    lesions: tuple[LesionSpec, ...] = ()
    collapses: tuple[CollapseSpec, ...] = ()
    epidural: tuple[EpiduralSpec, ...] = ()
    listhesis: tuple[ListhesisSpec, ...] = ()
    answers: tuple[AnswerSpec, ...] = ()
    posture: PostureSpec = field(default_factory=PostureSpec)
    modalities: tuple[Role, ...] = (Role.CT, Role.T1, Role.T2, Role.STIR, Role.PET)
    mr_plane: str = "sagittal"
    mr: MrSpec = field(default_factory=MrSpec)

    def __post_init__(self) -> None:
        first = SUPPORTED.index(self.levels[0]) if self.levels and self.levels[0] in SUPPORTED else -1
        if first < 0 or self.levels != SUPPORTED[first : first + len(self.levels)] or len(self.levels) < 3:
            raise BadInput("A synthetic patient needs three or more neighboring levels between T8 and S1.")
        if any(self.ct_turn_deg) and self.ct_size is not None:
            raise BadInput("A synthetic CT with turned axes finds its own size; set its size to None.")
        if Role.CT not in self.modalities:
            raise BadInput("A synthetic patient needs a CT; add CT to its modalities.")
        groups = (self.lesions, self.collapses, self.epidural, self.listhesis, self.answers)
        for named in (item.level for group in groups for item in group):
            if named not in self.levels:
                raise BadInput(f"{named} is not among the synthetic patient's levels.")
        for lesion in self.lesions:
            _check_lesion(lesion)
        if len({lesion.level for lesion in self.lesions}) < len(self.lesions):
            raise BadInput("A synthetic patient has at most one lesion at each level.")
        for collapse in self.collapses:
            if not all(0 <= loss <= 0.85 for loss in (collapse.anterior, collapse.middle, collapse.posterior)):
                raise BadInput(f"The height loss at {collapse.level} must lie between 0 and 0.85.")
        for epidural in self.epidural:
            _check_epidural(epidural, {lesion.level for lesion in self.lesions})
        for answer in self.answers:
            if answer.pain not in PAIN or answer.alignment not in ALIGNMENT:
                raise BadInput(f"The answers for {answer.level} are not among the options for pain and alignment.")

    def answer(self, level: Level) -> AnswerSpec:
        """What was said about `level`; no pain and normal alignment (a slip: subluxation) unless given."""
        for item in self.answers:
            if item.level is level:
                return item
        slipped = any(item.level is level for item in self.listhesis)
        return AnswerSpec(level, "none", "subluxation" if slipped else "normal")


CORD_ENDS = Level.L1
"""The conus lies at this level; below it there is no cord to compress."""


def _check_lesion(lesion: LesionSpec) -> None:
    if lesion.kind not in KINDS:
        raise BadInput(f'A lesion is lytic, blastic or mixed, not "{lesion.kind}".')
    if not 0 <= lesion.body_share <= 0.9 or (lesion.body_share == 0 and not lesion.parts):
        raise BadInput(f"The lesion at {lesion.level} must fill up to 0.9 of the body, or other parts.")
    if any(part not in PARTS or part == "body" for part in lesion.parts):
        raise BadInput(f"The lesion at {lesion.level} names an unknown part; use {', '.join(PARTS[1:])}.")
    if lesion.level is Level.S1 and lesion.parts:
        raise BadInput("Lesions of the sacrum are planted in its body only.")


def _check_epidural(epidural: EpiduralSpec, with_lesion: set[Level]) -> None:
    if epidural.grade not in ESCC_GRADES:
        raise BadInput(f'"{epidural.grade}" is not an ESCC grade; use {", ".join(ESCC_GRADES)}.')
    if epidural.level not in with_lesion:
        raise BadInput(f"Epidural tumor at {epidural.level} needs a lesion at that level.")
    if epidural.grade in ("1c", "2", "3") and epidural.level >= CORD_ENDS:
        raise BadInput(f"ESCC {epidural.grade} needs a cord; choose a level above {CORD_ENDS}.")


def random_spec(seed: int) -> PatientSpec:
    """An interesting patient for `seed`: a lytic wedge fracture, a blastic lesion, a mixed lesion of pedicles,
    a small lesion, epidural tumor on the cord, and now and then a slip or a scoliosis; normal levels between."""
    rng = np.random.default_rng([seed, 1])

    def uniform(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 3)

    def side() -> str:
        return "left" if rng.random() < 0.5 else "right"

    def offcenter(reach: float) -> tuple[float, float, float]:
        return (uniform(-reach, reach), uniform(-reach, reach), uniform(-reach / 2, reach / 2))

    fractured = (Level.L1, Level.L2, Level.L3)[rng.integers(3)]
    loss = uniform(0.55, 0.68)
    collapse = CollapseSpec.wedge(fractured, loss) if rng.random() < 0.6 else CollapseSpec.crush(fractured, loss)
    lesions = [
        LesionSpec(fractured, "lytic", uniform(0.55, 0.75), (), center=(0.0, uniform(0.0, 0.2), uniform(0.0, 0.15)))
    ]
    answers = [AnswerSpec(fractured, "mechanical", "de novo deformity")]

    low = Level.L4 if fractured is not Level.L3 else Level.L5
    pedicle = side()
    bilateral = rng.random() < 0.4
    mixed_parts = ("pedicle_left", "pedicle_right") if bilateral else (f"pedicle_{pedicle}", f"facet_{pedicle}")
    lesions.append(LesionSpec(low, "mixed", uniform(0.28, 0.42), mixed_parts, 0.75, offcenter(0.15)))
    answers.append(AnswerSpec(low, ("occasional", "mechanical")[rng.integers(2)]))

    cord_level = (Level.T10, Level.T11)[rng.integers(2)]
    grade = ("1b", "1c", "2", "3")[rng.integers(4)]
    cord_side = side()
    lesions.append(
        LesionSpec(cord_level, "lytic", uniform(0.56, 0.7), (f"pedicle_{cord_side}",), 0.75, (0.0, -0.35, 0.0))
    )
    collapses = [collapse]
    if rng.random() < 0.5:
        collapses.append(CollapseSpec.biconcave(cord_level, uniform(0.26, 0.42)))
    answers.append(AnswerSpec(cord_level, ("mechanical", "occasional")[rng.integers(2)]))

    lesions.append(LesionSpec(Level.T8, "blastic", uniform(0.18, 0.4), (), center=offcenter(0.25)))
    answers.append(AnswerSpec(Level.T8, ("none", "occasional")[rng.integers(2)]))

    listhesis: tuple[ListhesisSpec, ...] = ()
    small = Level.L5 if low is Level.L4 else Level.L1
    if rng.random() < 0.6:
        lesions.append(
            LesionSpec(small, ("blastic", "lytic")[rng.integers(2)], uniform(0.05, 0.12), (), center=offcenter(0.35))
        )
        answers.append(AnswerSpec(small, "none"))
    if rng.random() < 0.3:
        listhesis = (ListhesisSpec(low, uniform(4.5, 7.0)),)
        answers = [a if a.level is not low else AnswerSpec(low, a.pain, "subluxation") for a in answers]
    return PatientSpec(
        seed=seed,
        lumbar_lordosis=uniform(0.8, 1.15),
        kyphosis_deg=uniform(0.0, 8.0),
        scoliosis_deg=uniform(12.0, 18.0) if rng.random() < 0.2 else uniform(0.0, 3.0),
        size=uniform(0.94, 1.06),
        trabecular_hu=uniform(150.0, 200.0),
        lesions=tuple(sorted(lesions, key=lambda item: item.level.order)),
        collapses=tuple(collapses),
        epidural=(EpiduralSpec(cord_level, grade),),
        listhesis=listhesis,
        answers=tuple(sorted(answers, key=lambda item: item.level.order)),
        posture=PostureSpec(
            uniform(-9.0, -4.0), uniform(-3.5, 3.5), uniform(-4.0, 4.0),
            (uniform(-15, 15), uniform(-25, 25), uniform(-35, 35)),
            (uniform(-3, 3), uniform(-2, 2), uniform(-3, 3)),
        ),
    )  # fmt: skip
