"""OutlineEngineLogic: programs that outline by themselves: which can run here, for how long, and what they found."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from SpineMetAssessmentLib.LogicPart import LogicPart


@dataclass(frozen=True)
class EngineOffer:
    """One engine for one image.

    :param seconds: how long it will take.
    :param missing: why it cannot run, in a sentence; empty when it can.
    """

    engine: Any
    title: str
    seconds: float
    missing: str

    @property
    def time(self) -> str:
        """The time for people: "4 min"."""
        from spinemet.segmentation.engines.running import spoken

        return str(spoken(self.seconds))


class OutlineEngineLogic(LogicPart):
    """Engines are found, never installed."""

    def engineOffers(self, volume: Any) -> list[EngineOffer]:
        """The engines for an image's kind, those that can run first; without an image all, with what they wait for."""
        from spinemet.errors import SpineMetError
        from spinemet.scene import image_from_volume
        from spinemet.segmentation.engines import expected_seconds, why_not

        offers = []
        role = self.roleOf(volume).role if volume else None
        try:
            image = image_from_volume(volume) if volume else None
        except SpineMetError:
            # What is wrong with it is said by whoever starts an engine.
            image = None
        for engine in self.knownEngines():
            if role is not None and role not in engine.roles:
                continue
            missing = _("Choose the image in Study first.") if role is None else why_not(engine, role)
            seconds = engine.usual_seconds if image is None else expected_seconds(engine, image)
            offers.append(EngineOffer(engine, engine.title, seconds, missing))
        return sorted(offers, key=lambda offer: bool(offer.missing))

    def knownEngines(self) -> list[Any]:
        """All engines; Slicer's own TotalSegmentator in place of a missing one of the same kind."""
        from dataclasses import replace

        from spinemet.scene.outline_engines import modules_totalsegmentator
        from spinemet.segmentation.engines import all_engines
        from spinemet.segmentation.engines.totalsegmentator import TotalSegmentator

        command, weights = modules_totalsegmentator()
        found: list[Any] = []
        for engine in all_engines():
            if command and isinstance(engine, TotalSegmentator):
                engine = replace(engine, command=command, weights=weights, host=_("Slicer's module"))
            found.append(engine)
        return found

    def engineWork(self, parameterNode: Any, volume: Any, engine: Any, around: bool) -> Callable[[Any, Any], Any]:
        """What runs beside the window: `work(progress, cancel)` gives a spinemet EngineRun and touches no node.

        :param around: show the engine only what lies round the outlines that exist.
        :raises spinemet.errors.SpineMetError: it cannot run.
        """
        from spinemet.errors import BadInput
        from spinemet.scene import image_from_volume
        from spinemet.segmentation.engines import run_engine, why_not

        missing = self.whyNotMeasurable(volume) or why_not(engine, self.roleOf(volume).role)
        if missing:
            raise BadInput(missing)
        image = image_from_volume(volume)
        points = self._outlinedCorners(parameterNode, volume) if around else None
        if around and not points:
            raise BadInput(_("Nothing is outlined yet round which the engine could look; let it see the whole image."))

        def work(progress: Any, cancel: Any) -> Any:
            return run_engine(engine, image, around=points, progress=progress, cancel=cancel)

        return work

    def newOfEngine(self, parameterNode: Any, volume: Any, run: Any) -> tuple[Any, list[str]]:
        """What of an engine's outlines is new: a label map, and notes on what was kept instead.

        :raises spinemet.errors.BadInput: all of it is outlined already.
        """
        from dataclasses import replace

        from spinemet.case import Structure
        from spinemet.errors import BadInput
        from spinemet.scene import outlines_of

        labels, notes = run.labels, list(run.notes)
        node = self.segmentationOn(parameterNode, volume)
        held = {(item.structure, item.level) for item in outlines_of(node).values()} if node else set()
        fresh = {
            value: item
            for value, item in labels.present.items()
            if (item.structure, item.level) not in held
            or (item.level is None and item.structure is Structure.VERTEBRA)
        }
        kept = [
            str(item.level or item.structure.value) for value, item in labels.present.items() if value not in fresh
        ]
        if not fresh:
            raise BadInput(_("All that the engine found is outlined already; delete what it shall outline anew."))
        if kept:
            notes.append(_("Kept as they were: {names}.").format(names=", ".join(kept)))
        bones = self._bonesOn(parameterNode, volume)
        if bones is not None:
            array = labels.image.array.copy()
            array[bones.image.array > 0] = 0
            labels = replace(labels, image=labels.image.with_array(array))
        return labels.renamed(fresh), notes

    def _outlinedCorners(self, parameterNode: Any, volume: Any) -> list[Any]:
        """RAS corners of what is outlined on an image."""
        bounds = [0.0] * 6
        node = self.segmentationOn(parameterNode, volume)
        if not node or node.GetSegmentation().GetNumberOfSegments() == 0:
            return []
        node.GetRASBounds(bounds)
        if bounds[0] > bounds[1]:
            return []
        return [(x, y, z) for x in bounds[:2] for y in bounds[2:4] for z in bounds[4:]]
