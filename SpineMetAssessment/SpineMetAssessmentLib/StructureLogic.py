"""StructureLogic: the structure sets that come with a study, as outlines on their images; nodes in, no widget."""

from typing import Any

import slicer
from slicer.i18n import tr as _

from SpineMetAssessmentLib.LogicPart import LogicPart


class StructureLogic(LogicPart):
    """Turns the contours of radiotherapy into segmentations."""

    def loadStructures(self, study: Any, volumes: dict[str, Any], progress: Any = None) -> tuple[dict[str, Any], str]:
        """Add a segmentation for each structure set of a study whose image was loaded.

        :param volumes: volume nodes by the key of their series.
        :returns: the segmentation nodes by the key of the series they were drawn on, and what to tell the user.
        :raises spinemet.errors.Cancelled: the user stopped.
        """
        from spinemet.case import Role
        from spinemet.errors import BadInput, Cancelled
        from spinemet.progress import part

        sets = [item for item in study.objects if item.ref.role is Role.RTSTRUCT]
        found: dict[str, Any] = {}
        said = []
        for number, item in enumerate(sets):
            share = part(progress, number / len(sets), (number + 1) / len(sets))
            try:
                key, node = self._loadSet(item, study, volumes, share)
                found.setdefault(key, node)
                said.append(node.GetName())
            except Cancelled:
                raise
            except BadInput as error:
                said.append(_("left out: {why}").format(why=str(error)))
        return found, _("Outlines of the study: {what}").format(what="; ".join(said)) if said else ""

    def _loadSet(self, item: Any, study: Any, volumes: dict[str, Any], progress: Any) -> tuple[str, Any]:
        """One structure set on its image: the series' key and the segmentation node."""
        from spinemet.errors import BadInput
        from spinemet.scene import image_from_volume, segmentation_from_labelmaps
        from spinemet.study.rtstruct import read_structures

        structures = read_structures(item.files[0])
        refs = [series.ref for series in study.series if series.ref.key in volumes]
        if structures.series_uids:
            drawn = [ref for ref in refs if ref.series_uid in structures.series_uids]
        else:
            # It does not say on which series it was drawn, but where the patient lay.
            drawn = [ref for ref in refs if ref.frame in {roi.frame for roi in structures.rois}]
        ref = next(iter(drawn), None)
        if ref is None:
            raise BadInput(_("{name} was drawn on an image that was not loaded.").format(name=item.source))
        volume = volumes[ref.key]
        maps = structures.label_maps(image_from_volume(volume), progress=progress)
        names = ", ".join(outline.name for labels in maps for outline in labels.present.values())
        name = _("{role} structures: {names}").format(role=ref.role.value, names=names)
        return ref.key, segmentation_from_labelmaps(slicer.mrmlScene, maps, volume, name)
