"""What was found beside the scores, at a level and along the spine, as plain values that an Assessment keeps.

Numbers stay Measurements of their level; here stands what is more than a number: kinds, types, zones, curves.
"""

from __future__ import annotations

from dataclasses import dataclass

from spinemet.anatomy.alignment.cobb import Curve
from spinemet.anatomy.arch.pedicle import Side
from spinemet.anatomy.bone.fracture import Fracture
from spinemet.anatomy.bone.quality import BoneQuality
from spinemet.anatomy.lesions.metal import Foreign
from spinemet.anatomy.lesions.tomita import TomitaType
from spinemet.anatomy.lesions.wbb import WbbZones
from spinemet.case import Role
from spinemet.evidence import Measurement, Point
from spinemet.levels import Level
from spinemet.scores.escc import EsccResult
from spinemet.scores.escc import worst as worst_escc


@dataclass(frozen=True)
class Hardware:
    """Metal or cement that the CT shows at a level; a person confirms it.

    :param suggested: whether the level looks instrumented or cemented.
    :param affected: why density and cortex cannot be read here; empty when they can.
    """

    kind: Foreign
    suggested: bool
    affected: str = ""


@dataclass(frozen=True)
class Break:
    """A break of the cortex over a lesion.

    :param part: where most of it lies; "" when the vertebra was not parted.
    :param posterior_wall: whether it opens toward the canal.
    """

    area: Measurement
    part: str
    posterior_wall: bool


@dataclass(frozen=True)
class LesionDetails:
    """What the lesions of one vertebra do beside what SINS asks for.

    :param breaks: the largest first.
    :param enostosis: a hint that the lesion may be a bone island, or why there is none.
    """

    breaks: tuple[Break, ...]
    zones: WbbZones
    tomita: TomitaType
    enostosis: str = ""


@dataclass(frozen=True)
class PedicleAxis:
    """Where a pedicle is narrowest and where it points to.

    :param center: of the isthmus, RAS.
    :param axis: unit vector toward the front, RAS.
    """

    side: Side
    center: Point
    axis: Point


@dataclass(frozen=True)
class RigidityCurve:
    """Axial and bending rigidity of a body, slice by slice.

    :param heights: of the slices along the superior axis, mm from the body's middle.
    :param axial: EA in kN; `bending` the lesser EI in N·m².
    """

    level: Level
    heights: tuple[float, ...]
    axial: tuple[float, ...]
    bending: tuple[float, ...]


@dataclass(frozen=True)
class BodyDetails:
    """What a vertebra's form and density say beside what SINS asks for.

    :param rigidity: the vertebra's own curve first, then those of the neighbors it was compared with; empty where no
        lesion involves the level.
    """

    fracture: Fracture
    rigidity: tuple[RigidityCurve, ...] = ()
    pedicles: tuple[PedicleAxis, ...] = ()


@dataclass(frozen=True)
class Segment:
    """Two neighboring vertebrae.

    :param slip: of the upper on the lower one, forward positive; `share` of the lower endplate's depth.
    :param direction: "anterolisthesis", "retrolisthesis", "lateral slip to the left", or "" below what counts.
    :param meyerding: "I" to "V", both where the ± reaches the next ("I or II"), or "".
    """

    above: Level
    below: Level
    kyphosis: Measurement
    slip: Measurement
    lateral: Measurement
    share: Measurement
    rotation: Measurement
    direction: str = ""
    meyerding: str = ""


@dataclass(frozen=True)
class SpineDetails:
    """Alignment and bone quality of the whole spine.

    :param posture: how the patient lay.
    :param curves: coronal Cobb angle, largest kyphosis and largest lordosis with their end vertebrae.
    :param regions: thoracic kyphosis, lumbar lordosis and the pelvis.
    """

    posture: str
    segments: tuple[Segment, ...]
    curves: tuple[Curve, ...]
    regions: tuple[Measurement, ...]
    quality: BoneQuality


@dataclass(frozen=True)
class CanalCut:
    """The worst cut of a level, perpendicular to the canal: its middle and unit vectors, RAS."""

    center: Point
    right: Point
    anterior: Point


@dataclass(frozen=True)
class EpiduralLevel:
    """Epidural disease at one level.

    :param escc: the grade, or why there is none; an override keeps what was suggested.
    :param position: where to look (RAS); None when the canal is not outlined there.
    :param measurements: everything measured in the worst cut.
    """

    escc: EsccResult
    position: Point | None = None
    cut: CanalCut | None = None
    measurements: tuple[Measurement, ...] = ()


@dataclass(frozen=True)
class CanalProfile:
    """What was measured along the canal, one value per cut; None where something is not outlined.

    :param places: mm along the canal's centerline, from the head down.
    :param levels: the level of each cut.
    :param centers: of the canal in each cut, RAS.
    :param canal_share: share of the canal that epidural tumor takes, %.
    :param cord_depth: of the cord from back to front, mm; `expected_depth` as it would be without tumor.
    :param fluid: fluid against its reference, %.
    """

    places: tuple[float, ...]
    levels: tuple[Level | None, ...]
    centers: tuple[Point, ...]
    canal_share: tuple[float | None, ...]
    cord_depth: tuple[float | None, ...]
    expected_depth: tuple[float | None, ...]
    fluid: tuple[float | None, ...]


@dataclass(frozen=True)
class RootDetails:
    """One foramen whose nerve root was outlined.

    :param above: the vertebra above it, `below` the one below it.
    :param root: name of the root that leaves here ("C8", "T9").
    :param lee: Lee's grade (2010), None while unknown; `possible` every grade that the measures leave open.
    :param measurements: distance of tumor, length of contact and loss of the root's area.
    """

    above: Level
    below: Level
    side: Side
    root: str
    lee: int | None
    possible: tuple[int, ...]
    reason: str
    position: Point
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True)
class MarrowDetails:
    """The marrow of one level that tumor involves on MRI: values with their caveats, no verdict."""

    level: Level
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True)
class EpiduralDetails:
    """Epidural disease of the whole study, measured on one image.

    :param image: key of the image that sac, cord and tumor were outlined on.
    :param placed_by: how the levels were found on that image.
    :param conus: level in which the cord ends, None when its end is not seen.
    :param foramina: sentences about nerve roots; `roots` the same as values.
    :param marrow: the levels that tumor involves, where vertebrae were outlined on the image.
    :param notes: what a reader must know about the outlines.
    """

    image: str
    role: Role
    placed_by: str
    levels: tuple[EpiduralLevel, ...]
    profile: CanalProfile
    conus: Level | None = None
    foramina: tuple[str, ...] = ()
    roots: tuple[RootDetails, ...] = ()
    marrow: tuple[MarrowDetails, ...] = ()
    notes: tuple[str, ...] = ()

    def at(self, level: Level) -> EpiduralLevel | None:
        """The entry of a level, None where the image does not reach."""
        return next((item for item in self.levels if item.escc.level is level), None)

    @property
    def worst(self) -> EpiduralLevel | None:
        """The worst level, None when none could be graded."""
        found = worst_escc([item.escc for item in self.levels])
        return None if found is None else self.at(found.level)
