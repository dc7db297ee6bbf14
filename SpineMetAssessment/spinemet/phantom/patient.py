"""Create a synthetic patient: images, masks and truth from one spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spinemet.case import Outline, Role, Structure
from spinemet.image import Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.phantom.ct import make_ct
from spinemet.phantom.dimensions import BUILT, VERSE
from spinemet.phantom.identity import frame_uid
from spinemet.phantom.model import Model, build
from spinemet.phantom.mr import make_mr
from spinemet.phantom.paint import CANAL_LABEL, CORD_LABEL, FIRST_DISC_LABEL, SAC_LABEL, labels
from spinemet.phantom.pet import make_pet
from spinemet.phantom.solids import Array
from spinemet.phantom.spec import PatientSpec
from spinemet.phantom.truth import make_answers, make_truth
from spinemet.progress import Progress, part, silent


@dataclass(frozen=True, eq=False)
class SyntheticPatient:
    """A synthetic patient.

    :param images: CT in HU, MR in arbitrary units (int16), PET in SUV (float32), each in its own RAS frame; PET shares
        the CT's, the MR images share theirs.
    :param vertebrae: one value per level on the CT's grid, in VerSe's numbering; S1 is the first sacral segment.
    :param lesions: one value per lesion ("lesion-1" is 1) on the CT's grid, epidural tumor included.
    :param structures: canal, thecal sac, cord (nested: each label leaves out what lies within it) and discs.
    :param truth: what is true by construction, plain JSON values.
    :param answers: what patient and reader say, in the form of answers.json.
    """

    spec: PatientSpec
    model: Model
    images: Mapping[Role, Image]
    vertebrae: LabelMap
    lesions: LabelMap
    structures: LabelMap
    truth: dict[str, Any]
    answers: dict[str, Any]

    def masks_on(self, role: Role) -> tuple[LabelMap, LabelMap, LabelMap]:
        """True vertebrae, lesions and structures on the grid of another image, in that image's posture."""
        posture = self.model.mr if role.is_mr else self.model.ct
        image = self.images[role]
        return _label_maps(self.model, labels(self.model, posture, image.grid), image.grid, image.frame)


def create(spec: PatientSpec, progress: Progress | None = None) -> SyntheticPatient:
    """Build a synthetic patient; equal specs give equal patients, voxel by voxel."""
    report = progress or silent
    report(0.0, "shaping the spine")
    model = build(spec)
    ct, masks = make_ct(model, part(progress, 0.05, 0.6))
    images = {Role.CT: ct}
    for n, role in enumerate(role for role in spec.modalities if role is not Role.CT):
        report(0.6 + 0.08 * n, f"making the {role.value} image")
        images[role] = make_pet(model, ct.grid) if role is Role.PET else make_mr(model, role)
    images = {role: _framed(image, frame_uid(spec.seed, role)) for role, image in images.items()}
    report(0.95, "writing down the truth")
    grid, frame = ct.grid, images[Role.CT].frame
    vertebrae, lesions, structures = _label_maps(model, masks, grid, frame)
    truth = make_truth(model, {role: image.grid for role, image in images.items()})
    report(1.0, "synthetic patient ready")
    return SyntheticPatient(spec, model, images, vertebrae, lesions, structures, truth, make_answers(model))


def _framed(image: Image, frame: str) -> Image:
    return Image(image.array, image.ijk_to_ras, frame=frame, name=image.name)


def _label_maps(
    model: Model, masks: Mapping[str, Array], grid: Grid, frame: str
) -> tuple[LabelMap, LabelMap, LabelMap]:
    bones = {
        VERSE[level]: Outline(Structure.SACRUM if level is Level.S1 else Structure.VERTEBRA, level, frame=frame)
        for level in model.levels
    }
    tumors = {
        item.number: Outline(Structure.LESION, level, f"lesion-{item.number}", frame=frame)
        for level, item in model.lesions.items()
    }
    inner = {
        CANAL_LABEL: Outline(Structure.CANAL, frame=frame),
        SAC_LABEL: Outline(Structure.THECAL_SAC, frame=frame),
        CORD_LABEL: Outline(Structure.CORD, frame=frame),
    }
    inner |= {
        FIRST_DISC_LABEL + n: Outline(Structure.DISC, level, frame=frame, name=f"disc below {level}")
        for n, level in enumerate(BUILT[:-1])
        if level in model.levels[:-1]
    }

    def label_map(name: str, outlines: dict[int, Outline], numbering: str, *notes: str) -> LabelMap:
        return LabelMap(Image(masks[name], grid.ijk_to_ras, frame=frame, name=name), outlines, numbering, notes)

    return (
        label_map("vertebrae", bones, "VerSe"),
        label_map("lesions", tumors, "lesion number"),
        label_map("structures", inner, "phantom", "nested: the sac leaves out the cord, the canal leaves out the sac"),
    )
