"""The steps of a study, each with what it depends on: asked for when needed, kept while that stays the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spinemet import anatomy
from spinemet.anatomy import (
    BoneReference,
    CollapseMeasurement,
    Column,
    LesionMeasures,
    Part,
    Parts,
    Pedicle,
    Posterolateral,
    Side,
    Spine,
    Vertebra,
    fractured_levels,
)
from spinemet.anatomy.alignment.angles import posture_of
from spinemet.anatomy.alignment.change import AlignmentChange
from spinemet.anatomy.alignment.deformity import alignment_candidates
from spinemet.anatomy.alignment.whole import Alignment, measure_alignment
from spinemet.anatomy.bone.density import trabecular
from spinemet.anatomy.bone.quality import BoneQuality, bone_quality, trabecular_density
from spinemet.anatomy.bone.rigidity import FARTHEST_NEIGHBOR, Rigidity, RigidityProfile, rigidity, rigidity_profile
from spinemet.anatomy.by_hand import with_hand_alignment
from spinemet.anatomy.heights import Heights
from spinemet.anatomy.kept import kept
from spinemet.anatomy.lesions.cortex import CorticalBreaks, CorticalShell, cortical_breaks, cortical_shell
from spinemet.anatomy.lesions.extent import LesionExtent, expected_body_volume, expected_involvement, measure_extent
from spinemet.anatomy.lesions.metal import Foreign, MetalFinding, find_metal
from spinemet.anatomy.lesions.posterolateral import broken_parts
from spinemet.anatomy.lesions.wbb import WbbZones, wbb_zones
from spinemet.anatomy.sampling import region_of
from spinemet.answers import Answers
from spinemet.assess.prior import alignment_change, change_at, prior_heights
from spinemet.assessment import Assessment
from spinemet.case import ImageRef, Role, Structure
from spinemet.evidence import Measurement
from spinemet.image import Image
from spinemet.image import Region as ImageRegion
from spinemet.increment import Increment, fingerprint
from spinemet.labelmap import LabelMap
from spinemet.levels import Level, Region

SOUND_WITHIN = 2
"""Cortex is compared with that of vertebrae at most this many levels away [D]: it thickens along the spine."""


@dataclass(frozen=True, eq=False)
class MeasuredStudy:
    """One study and everything that can be measured of it."""

    image: Image
    ref: ImageRef
    vertebrae: LabelMap
    lesions: LabelMap | None
    spine: Spine
    involvement: anatomy.Involvement
    answers: Answers
    store: Increment
    shape: str
    """Fingerprint of all that `spine` was measured from."""
    prior: Assessment | None = None
    """An earlier assessment of the same patient."""

    @property
    def ct(self) -> Image | None:
        """The image as Hounsfield units, None when it is no CT."""
        return self.image if self.ref.role is Role.CT else None

    @property
    def involved(self) -> Collection[Level]:
        """Levels with an outlined lesion."""
        return self.involvement.levels.keys()

    @cached_property
    def diseased(self) -> frozenset[Level]:
        """Levels with a lesion, outlined or said by a person: never a reference."""
        return frozenset(self.involved) | {level for level, said in self.answers.levels.items() if said.involved}

    @property
    def posture(self) -> str:
        """How the patient lay."""
        return posture_of(self.ref.patient_position)

    @cached_property
    def metal(self) -> dict[Level, MetalFinding]:
        """Metal and cement at every outlined level."""
        return {level: self._metal(vertebra) for level, vertebra in self.spine.vertebrae.items()}

    def _metal(self, vertebra: Vertebra) -> MetalFinding:
        ct, level = self.ct, vertebra.level
        found = self.store.run("metal", level, (ct, vertebra.mask), lambda: find_metal(ct, vertebra))
        if found.kind is not Foreign.METAL:
            return found
        others = [self.spine[item].mask for item in self.spine.vertebrae if 0 < abs(item.order - level.order) <= 2]
        return self.store.run(
            "whose metal", level, (ct, vertebra.mask, *others), lambda: find_metal(ct, vertebra, others=others)
        )

    @cached_property
    def unreadable(self) -> frozenset[Level]:
        """Levels whose density and cortex cannot be read: said to be instrumented, or with metal in or near them."""
        return self._said | {level for level, found in self.metal.items() if found.affected}

    @cached_property
    def unusable(self) -> frozenset[Level]:
        """Levels whose form is no reference: instrumented or cemented, unless a person said that they are not."""
        said_not = {level for level, said in self.answers.levels.items() if said.instrumented is False}
        return self.unreadable - (said_not - self._said)

    @cached_property
    def _said(self) -> frozenset[Level]:
        return frozenset(level for level, said in self.answers.levels.items() if said.instrumented)

    def streaks(self, level: Level) -> str:
        """Why density and cortex cannot be read at a level, or ""."""
        if level in self._said:
            return "instrumented or cemented: density and cortex cannot be read"
        return self.metal[level].affected

    @cached_property
    def alignment(self) -> Alignment:
        """Angles and slips between all vertebrae."""
        return self._alignment()

    def _alignment(self) -> Alignment:
        """The same, asked for anew: a step that is computed must not get it as it was before an edit."""
        found = self.store.run(
            "alignment", "", (self.posture,), lambda: measure_alignment(self.spine, posture=self.posture),
            can_wait=(self.shape,),
        )  # fmt: skip
        by_hand = {level: said.measurements for level, said in self.answers.levels.items()}
        return with_hand_alignment(found, self.spine, by_hand)

    def candidates(self, level: Level) -> tuple[Measurement, ...]:
        """Measurements that a person may confirm as a deformity."""
        return self.store.run(
            "alignment candidates", level, (self.posture,),
            lambda: alignment_candidates(
                level, self.spine, unusable=self.unusable, posture=self.posture, measured=self._alignment()
            ),
            can_wait=(self.shape, sorted(self.unusable)),
        )  # fmt: skip

    @cached_property
    def fractured(self) -> frozenset[Level]:
        """Levels whose own form looks fractured."""
        return frozenset(fractured_levels(self.spine, {*self.diseased, *self.unreadable}))

    @cached_property
    def quality(self) -> BoneQuality:
        """Trabecular density along the spine."""
        bodies = [_form(item) for item in self.spine.vertebrae.values()]
        ref = self.ref
        return self.store.run(
            "bone quality", "", (),
            lambda: bone_quality(
                self.ct, self.spine, involved=self.diseased, excluded=self.unreadable, contrast=ref.contrast,
                kvp=ref.kvp, density_of=self._density,
            ),
            can_wait=(self.ct, *bodies, *self._barred(set(self.spine.vertebrae)), ref),
        )  # fmt: skip

    def _density(self, vertebra: Vertebra, limits: tuple[str, ...]) -> Measurement:
        ct = self.ct
        assert ct is not None
        return self.store.run(
            "density", vertebra.level, (ct, *_form(vertebra), vertebra.depth.value, limits),
            lambda: trabecular_density(ct, vertebra, limits),
        )  # fmt: skip

    @cached_property
    def canal(self) -> Image | None:
        """The outlined canal with all that lies in it, None when it was not outlined."""
        return self._union(Structure.CANAL, Structure.THECAL_SAC, Structure.CORD)

    @cached_property
    def sac(self) -> Image | None:
        """The outlined thecal sac with the cord, None when it was not outlined."""
        return self._union(Structure.THECAL_SAC, Structure.CORD)

    def _union(self, first: Structure, *others: Structure) -> Image | None:
        if not self.vertebrae.values(first):
            return None
        values = [value for structure in (first, *others) for value in self.vertebrae.values(structure)]
        regions = [self.vertebrae.region(value) for value in values]
        k, j, i = (slice(min(s.start for s in own), max(s.stop for s in own)) for own in zip(*regions, strict=True))
        crop = self.vertebrae.image.crop((k, j, i))
        return crop.with_array(np.isin(crop.array, values))

    def loss(self, level: Level) -> CollapseMeasurement:
        """Height loss against the same vertebra on the prior, else against the neighbors."""
        heights = self._before(level)[0]
        everything = (self._compared, heights)
        return self.store.run(
            "collapse", level, (*_sized_form(self.spine[level]), *(everything if level in self.involved else ())),
            lambda: anatomy.collapse(
                level, self.spine, involved=self.diseased, excluded=self.unusable, prior=heights
            ),
            can_wait=everything,
        )  # fmt: skip

    @cached_property
    def _compared(self) -> str:
        """Fingerprint of the spine as bodies are compared along it."""
        return fingerprint(self.shape, sorted(self.diseased), sorted(self.unusable))

    def _before(self, level: Level) -> tuple[Heights | None, str]:
        """Heights of the same vertebra on the prior, or why they are no reference."""
        return prior_heights(self.prior, level) if self.prior is not None else (None, "")

    def prior_note(self, level: Level) -> str:
        """Why the prior is no reference for the height of a body that it shows, or ""."""
        return self._before(level)[1]

    @cached_property
    def _change(self) -> AlignmentChange | None:
        """Change of alignment since the prior."""
        return alignment_change(self.alignment, self.posture, self.prior) if self.prior is not None else None

    def changes(self, level: Level) -> tuple[Measurement, ...]:
        """Change of kyphosis and slip at a level since the prior."""
        return change_at(level, self._change) if self._change is not None else ()

    def reference(self, level: Level) -> BoneReference:
        """Density of the uninvolved bone near a level."""
        return anatomy.bone_reference(
            self.ct, self.spine, level, involved=self.diseased, excluded=self.unreadable, sample=self._trabecular
        )

    def _trabecular(self, vertebra: Vertebra) -> NDArray[np.float32]:
        ct = self.ct
        assert ct is not None
        return self.store.run(
            "trabecular", vertebra.level, (), lambda: trabecular(ct, vertebra.mask, vertebra.body),
            can_wait=(ct, *_form(vertebra)),
        )  # fmt: skip

    def lesion_mask(self, level: Level) -> Image:
        """Lesions on the crop of a vertebra, metal and cement taken out."""
        vertebra, lesions, foreign = self.spine[level], self.lesions, self.metal[level].voxels
        assert lesions is not None

        def compute() -> Image:
            outlined = anatomy.lesion_mask(vertebra, lesions, self.involvement.levels[level])
            return outlined if foreign is None else outlined.with_array(outlined.array & ~foreign)

        return self.store.run("lesion mask", level, (self._lesion_voxels(level), vertebra.mask, foreign), compute)

    def lesion(self, level: Level, mask: Image, reference: BoneReference) -> LesionMeasures:
        """Share of the body, lytic and blastic bone."""
        vertebra, streaks = self.spine[level], self.streaks(level)
        ct = None if streaks else self.ct
        # In a hurry the parts may still be those of the outline before: the body then ends at a plane.
        body = self.parts(level).body_of(vertebra.mask)
        found = self.store.run(
            "lesion", level, (ct, *_form(vertebra), mask, reference, body is not None),
            lambda: anatomy.measure_lesion(ct, vertebra, mask, reference, body=body),
        )  # fmt: skip
        if not streaks:
            return found
        names = ("mean_hu", "lytic_fraction", "blastic_fraction", "lytic_share")
        return replace(found, **{name: replace(getattr(found, name), reason=streaks) for name in names})

    def parts(self, level: Level) -> Parts:
        """Parts of a vertebra."""
        vertebra = self.spine[level]
        return self.store.run("parts", level, (), lambda: anatomy.partition(vertebra), can_wait=_form(vertebra))

    def pedicles(self, level: Level) -> dict[Side, Pedicle]:
        """Both pedicles of a vertebra; empty where body and arch were not parted."""
        vertebra = self.spine[level]
        if not vertebra.measured or level < Level.C3:
            return {}
        if level in self.involved and (found := self.parts(level).pedicles):
            return dict(found)
        return self.store.run("pedicles", level, (), lambda: anatomy.pedicles(vertebra), can_wait=_form(vertebra))

    def shell(self, vertebra: Vertebra) -> CorticalShell:
        """Surface and cortex of a vertebra."""
        ct = self.ct
        return self.store.run("shell", vertebra.level, (ct, vertebra.mask), lambda: cortical_shell(ct, vertebra))

    def breaks(self, level: Level, mask: Image) -> CorticalBreaks:
        """Breaks of the cortex over the lesions of a vertebra."""
        vertebra, neighbors, streaks = self.spine[level], self._sound(level), self.streaks(level)
        return self.store.run(
            "cortex", level, (self.ct, streaks),
            lambda: cortical_breaks(
                self.ct, vertebra, mask, neighbors=neighbors, parts=self._part_masks(level), streaks=streaks,
                shell_of=self.shell,
            ),
            can_wait=(mask, *(part for item in (vertebra, *neighbors) for part in _sized_form(item))),
        )  # fmt: skip

    def _sound(self, level: Level) -> list[Vertebra]:
        """Neighbors with intact cortex that the image shows well."""
        return [
            item
            for other, item in self.spine.vertebrae.items()
            if other not in self.diseased
            and other not in self.unreadable
            and item.measured
            and other.region is not Region.SACRAL
            and 0 < abs(other.order - level.order) <= SOUND_WITHIN
        ]

    def _part_masks(self, level: Level) -> dict[str, NDArray[np.bool_]] | None:
        """Masks of the parts by their names in words; None where the vertebra was not parted."""
        parts = self.parts(level)
        return {part.title: parts.mask(part) for part in Part} if parts.parted else None

    def posterolateral(self, level: Level, mask: Image, breaks: CorticalBreaks) -> Posterolateral:
        """Lesion in pedicles, facets and costovertebral joints."""
        vertebra, streaks = self.spine[level], self.streaks(level)
        # Without a CT a break is read from outlines alone: too little to decide on.
        found = [(item.points, item.area.value) for item in breaks.breaks] if self.ct is not None else []
        broken, doubtful = self.store.run(
            "broken parts", level, (self._lesion_voxels(level),),
            lambda: broken_parts(self.parts(level), mask, breaks) if found else ((), ()),
            can_wait=(*_form(vertebra), mask, found, breaks.broken),
        )  # fmt: skip
        return self.store.run(
            "posterolateral", level, (self._lesion_voxels(level), streaks),
            lambda: anatomy.posterolateral(
                self.parts(level), vertebra, mask, broken=broken, doubtful=doubtful, streaks=streaks
            ),
            can_wait=(*_form(vertebra), mask, broken, doubtful),
        )  # fmt: skip

    def _lesion_voxels(self, level: Level) -> list[str]:
        """Digests of the lesions of a level, whatever the outline of the bone."""
        assert self.lesions is not None
        return [self.lesions.digest(value).hex() for value in self.involvement.levels[level]]

    def extent(self, level: Level) -> tuple[LesionExtent, WbbZones]:
        """How far the lesions of a level reach, and the zones they lie in."""
        lesions = self.lesions
        assert lesions is not None
        values = self.involvement.levels[level]
        owners = [other for other, found in self.involvement.levels.items() if found.keys() & values.keys()]
        near = [*owners, *self._overlapping(lesions, values)]
        outlines = [part for other in dict.fromkeys(near) for part in _form(self.spine[other])]
        voxels = [lesions.mask(value, 0) for value in values]
        return self.store.run(
            "extent", level, (), lambda: self._extent(level, lesions),
            can_wait=(*outlines, *voxels, owners, self.canal, self.sac),
        )  # fmt: skip

    def _extent(self, level: Level, lesions: LabelMap) -> tuple[LesionExtent, WbbZones]:
        parts = self._part_masks(level)
        found = measure_extent(level, self.spine, lesions, self.involvement, parts=parts, canal=self.canal)
        return found, wbb_zones(self.spine[level], found, canal=self.canal, sac=self.sac)

    def _overlapping(self, lesions: LabelMap, values: Collection[int]) -> list[Level]:
        """Levels whose crops overlap the bounding region of one of the lesions."""
        regions = [lesions.region(value) for value in values]
        return [
            level
            for level, box in self._boxes.items()
            if any(
                all(a.start < b.stop and b.start < a.stop for a, b in zip(box, region, strict=True))
                for region in regions
            )
        ]

    @cached_property
    def _boxes(self) -> dict[Level, ImageRegion]:
        """Where the crops of the vertebrae lie in the image."""
        return {level: region_of(item.mask.grid, self.image.grid) for level, item in self.spine.vertebrae.items()}

    def expected(self, level: Level, loss: CollapseMeasurement, lesion: LesionMeasures) -> tuple[Measurement, ...]:
        """Lesion and sound bone against the volume that the body had before it collapsed."""
        vertebra = self.spine[level]
        volume = expected_body_volume(level, self.spine, loss.neighbors)
        in_body = (lesion.volume.value or 0.0) * (lesion.body_part.value or 0.0) / 100
        return (volume, *expected_involvement(vertebra, in_body, volume))

    def rigidity(self, level: Level) -> Rigidity:
        """Rigidity of a body against its neighbors'."""
        near = {other for other in self.spine.vertebrae if abs(other.order - level.order) <= FARTHEST_NEIGHBOR}
        bodies = [_form(self.spine[other]) for other in sorted(near)]
        streaks = self.streaks(level)
        ct = None if streaks else self.ct
        found = self.store.run(
            "rigidity", level, (),
            lambda: rigidity(
                level, ct, self.spine, involved=self.diseased, excluded=self.unreadable,
                profile_of=lambda vertebra: self.rigidity_profile(vertebra.level),
            ),
            can_wait=(ct, *bodies, *self._barred(near)),
        )  # fmt: skip
        if not streaks:
            return found
        axial, bending, axial_ratio, bending_ratio = (
            replace(item, reason=streaks)
            for item in (found.axial, found.bending, found.axial_ratio, found.bending_ratio)
        )
        return Rigidity(axial, bending, axial_ratio, bending_ratio)

    def _barred(self, levels: set[Level]) -> tuple[list[Level], ...]:
        """Which of some levels are no reference, by why."""
        return tuple(sorted(levels & set(found)) for found in (self.diseased, self.unreadable, self.fractured))

    def rigidity_profile(self, level: Level) -> RigidityProfile | None:
        """Rigidity of a body slice by slice; None where it cannot be read."""
        ct, vertebra = self.ct, self.spine[level]
        if ct is None:
            return None
        return self.store.run(
            "rigidity profile", level, (), lambda: rigidity_profile(ct, vertebra), can_wait=(ct, *_form(vertebra))
        )


@kept
def _form(vertebra: Vertebra) -> tuple[str, ...]:
    """Fingerprint of what every measurement of a vertebra's own depends on."""
    return (fingerprint(vertebra.mask, vertebra.frame, vertebra.wall),)


def _sized_form(vertebra: Vertebra) -> tuple[object, ...]:
    """The same, with the height by which vertebrae are scaled to each other: a person may have measured it."""
    return (*_form(vertebra), vertebra.height(Column.POSTERIOR).value)
