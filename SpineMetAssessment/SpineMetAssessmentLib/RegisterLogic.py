"""RegisterLogic: one series brought onto another, tested, looked at, corrected by hand and undone; no widget."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import slicer
from slicer.i18n import tr as _

from SpineMetAssessmentLib.Background import inBackground
from SpineMetAssessmentLib.LogicPart import LogicPart

UNDO_STEPS = 10
LANDMARK_REACH_MM = 5.0
"""How far outside its outline a landmark may lie and still belong to a vertebra."""
AROUND_MM = 60.0
"""How far from the vertebrae the comparison reaches."""
BLEND, CHECKERBOARD, EDGES, BEFORE_AFTER, BOTH = "blend", "checkerboard", "edges", "before / after", "fixed / moving"
COMPARISONS = (BLEND, CHECKERBOARD, EDGES, BEFORE_AFTER, BOTH)
"""Ways to look at a registration; the last two flicker."""
FLICKERING = (BEFORE_AFTER, BOTH)


@dataclass(frozen=True)
class RegisterInput:
    """What is registered onto what.

    :param fixed, moving: volume nodes.
    :param segmentation: vertebrae on the fixed volume, or None.
    :param landmarks: two markups nodes, on the fixed and on the moving image, or None.
    :param fromLandmarks: start from the landmarks; otherwise they measure the error.
    """

    fixed: Any
    moving: Any
    segmentation: Any = None
    landmarks: tuple[Any, Any] | None = None
    fromLandmarks: bool = False


@dataclass(frozen=True)
class LandmarkDistance:
    """How far a pair of landmarks lies apart, mm: by the headers, and as the images lie now.

    :param level: name of the vertebra, "" where it belongs to none.
    """

    label: str
    level: str
    beforeMm: float
    nowMm: float


class RegisterLogic(LogicPart):
    """Registers, shows, compares, nudges, undoes."""

    def forget(self) -> None:
        super().forget()
        self._registered: list[tuple[str, Any]] = []
        self._comparison: Any = None
        self._flicker: tuple[Any, Any] | None = None
        self._levels: tuple[Any, dict[Any, Any]] = (None, {})

    # Register

    def seriesTitle(self, volume: Any) -> str:
        """Role, date and name of a volume, as a person tells series apart."""
        words = (self.roleOf(volume).role.value, self.date(volume))
        return " ".join(word for word in words if word) + f" – {volume.GetName()}"

    def whyNotRegister(self, chosen: RegisterInput) -> str:
        """What registering waits for, in a sentence; empty when it can start."""
        if not chosen.fixed:
            return _("Choose the fixed image; it stays where it is.")
        if not chosen.moving:
            return _("Choose the moving image; it is brought onto the fixed one.")
        if chosen.fixed is chosen.moving:
            return _("Choose two different images.")
        return ""

    def registerSeries(
        self, parameterNode: Any, chosen: RegisterInput, *, again: bool = False, progress: Any = None
    ) -> Any:
        """Register, test, and put the transforms above the moving volume; returns the record.

        :param again: start from the registration as it stands, with what a person moved.
        :raises spinemet.errors.SpineMetError: it cannot be done, or a test forbids its use; the scene is as before.
        """
        from spinemet.errors import BadInput
        from spinemet.progress import part, silent
        from spinemet.registration import Hand, register
        from spinemet.registration.by_hand import concluded, moved_by_hand
        from spinemet.scene.register_views import unregistered_image

        waits = self.whyNotRegister(chosen)
        if waits:
            raise BadInput(waits)
        self._requireSamePatient(chosen)
        self._requireLandmarksLieRight(chosen)
        fixed, moving = _fixedImage(chosen.fixed), unregistered_image(chosen.moving)
        vertebrae = self._vertebrae(chosen)
        pairs = tuple(pair for _label, pair in self._pairs(chosen)) if chosen.fromLandmarks else ()
        if chosen.fromLandmarks and not pairs:
            raise BadInput(_("There is no pair of landmarks to start from; place a point in both images."))
        earlier = self.registration(chosen.moving) if again else None
        hand = Hand(landmarks=pairs)
        if earlier is not None:
            hand = Hand(start=earlier.spine, landmarks=pairs, nudges=moved_by_hand(earlier))
        keys = (self._imageKey(chosen.fixed), self._imageKey(chosen.moving))

        def work(report: Callable[[float, str], None]) -> Any:
            result = register(fixed, moving, vertebrae, hand=hand, progress=part(report, 0.0, 0.7))
            return concluded(result, fixed, moving, vertebrae, keys=keys, progress=part(report, 0.7, 1.0))

        record, field = inBackground(work, progress or silent)
        self._requireStillThere(chosen)
        self._showRegistration(parameterNode, chosen, record, field)
        return record

    def nudge(
        self,
        parameterNode: Any,
        chosen: RegisterInput,
        level: str,
        shiftMm: tuple[float, float, float],
        turnDeg: tuple[float, float, float],
        progress: Any = None,
    ) -> Any:
        """Push one vertebra of the moving image as it is seen on the fixed one; returns the record.

        :param shiftMm: to the right, to the front, upward.
        :param turnDeg: about the same axes.
        :raises spinemet.errors.SpineMetError: nothing is registered, or the push folds the image.
        """
        from spinemet.errors import BadInput
        from spinemet.levels import Level
        from spinemet.progress import silent
        from spinemet.registration.by_hand import concluded, nudged
        from spinemet.scene.register_views import fixed_of, require_unchanged, unregistered_image

        standing = self.registration(chosen.moving) if chosen.moving else None
        vertebrae = self._vertebrae(chosen)
        if standing is None or vertebrae is None:
            raise BadInput(_("Register with outlined vertebrae first; then each can be moved by hand."))
        if fixed_of(chosen.moving) is not chosen.fixed:
            raise BadInput(
                _("The moving image was registered onto another image; choose that one as the fixed image.")
            )
        require_unchanged(chosen.moving)
        result = nudged(standing, Level.parse(level), shiftMm, turnDeg)
        fixed, moving = _fixedImage(chosen.fixed), unregistered_image(chosen.moving)
        keys = (self._imageKey(chosen.fixed), self._imageKey(chosen.moving))
        record, field = inBackground(
            lambda report: concluded(result, fixed, moving, vertebrae, keys=keys, progress=report), progress or silent
        )
        self._requireStillThere(chosen)
        self._showRegistration(parameterNode, chosen, record, field)
        return record

    def record(self, moving: Any) -> Any:
        """The record of the registration that a volume lies under, a spinemet RegistrationRecord; None without one."""
        from spinemet.registration.record import RegistrationRecord
        from spinemet.scene.register_views import kept_record

        plain = kept_record(moving) if moving else None
        return RegistrationRecord.from_json(plain) if plain is not None else None

    def registration(self, moving: Any) -> Any:
        """The registration that a volume lies under, a spinemet Registration; None without one."""
        from spinemet.registration.by_hand import registration_from

        record = self.record(moving)
        return registration_from(record) if record is not None else None

    def registeredOnto(self, moving: Any) -> Any:
        """The fixed volume of a moving one, None without a registration."""
        from spinemet.scene.register_views import fixed_of

        return fixed_of(moving) if moving else None

    # Undo

    def undoRegistration(self, moving: Any) -> None:
        """Put the registration back as it stood before the last step; before the first there was none."""
        from spinemet.scene.register_views import restore

        steps = [n for n, (key, _before) in enumerate(self._registered) if key == moving.GetID()]
        before = self._registered.pop(steps[-1])[1] if steps else None
        self.stopComparing()
        with slicer.util.RenderBlocker():
            restore(slicer.mrmlScene, moving, before)

    # Landmarks

    def addLandmark(self, chosen: RegisterInput, side: int, position: tuple[float, float, float] | None = None) -> Any:
        """A list of points on the fixed (0) or the moving image (1), made where it is missing; returns its node.

        :param position: where to put a point (world, mm); without it the mouse places the next one.
        """
        node = chosen.landmarks[side] if chosen.landmarks else None
        volume = (chosen.fixed, chosen.moving)[side]
        if node is None:
            title = _("Landmarks fixed") if side == 0 else _("Landmarks moving")
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", title)
            node.CreateDefaultDisplayNodes()
            node.SetControlPointLabelFormat("%d")
            if volume is not None:
                node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        if position is not None:
            node.AddControlPointWorld(position)
        else:
            _place(node)
        return node

    def landmarkDistances(self, chosen: RegisterInput) -> list[LandmarkDistance]:
        """How far the pairs lie apart now and by the headers.

        :raises spinemet.errors.BadInput: the lists do not match.
        """
        import numpy as np

        from spinemet.scene.register_views import lies

        if chosen.landmarks is None or None in chosen.landmarks or not chosen.moving:
            return []
        moving = chosen.landmarks[1]
        now = dict(zip(_points(moving, lies(chosen.moving)).values(), _worldPoints(moving), strict=True))
        found = []
        for label, pair in self._pairs(chosen):
            here, there = np.array(pair.fixed), (np.array(pair.moving), np.array(now[pair.moving]))
            before, after = (float(np.linalg.norm(place - here)) for place in there)
            found.append(LandmarkDistance(label, str(pair.level or ""), before, after))
        return found

    # Compare

    def compare(self, chosen: RegisterInput, how: str, opacity: float = 0.5, progress: Any = None) -> None:
        """Show both images over each other in the slice views.

        :param how: one of `COMPARISONS`; "" puts back what the views showed.
        :raises spinemet.errors.BadInput: nothing is registered.
        """
        from spinemet.errors import BadInput
        from spinemet.scene.register_views import Comparison

        self.stopComparing()
        if not how:
            return
        if chosen.moving is None or self.registeredOnto(chosen.moving) is not chosen.fixed:
            raise BadInput(_("Register the two images first; then they can be compared."))
        derived = self._derived(chosen, how, progress) if how in (CHECKERBOARD, EDGES) else None
        shown = Comparison(slicer.mrmlScene)
        self._comparison = shown
        with slicer.util.RenderBlocker():
            if how == BLEND:
                shown.show(chosen.fixed, chosen.moving, opacity)
            elif how == BOTH:
                shown.show(chosen.fixed, chosen.moving, 1.0)
            elif how == BEFORE_AFTER:
                self._flicker = (chosen.moving, shown.unregistered(chosen.moving))
                shown.show(chosen.fixed, chosen.moving, opacity)
            elif how == CHECKERBOARD:
                shown.show(shown.volume(*derived, _("Checkerboard")), None)
            else:
                labels = shown.label_volume(*derived, _("Edges of the moving image"))
                shown.show(chosen.fixed, None, 0.0, labels)

    def flick(self, chosen: RegisterInput, how: str, first: bool, opacity: float = 0.5) -> None:
        """Show the first or the second of the two things that flicker."""
        if self._comparison is None:
            return
        if how == BEFORE_AFTER and self._flicker is not None:
            self._comparison.show(chosen.fixed, self._flicker[0 if first else 1], opacity)
        elif how == BOTH:
            self._comparison.set_opacity(1.0 if first else 0.0)

    def setOpacity(self, opacity: float) -> None:
        """Of the moving image over the fixed one, 0 to 1."""
        if self._comparison is not None:
            self._comparison.set_opacity(opacity)

    def stopComparing(self) -> None:
        """Put back what the views showed."""
        shown, self._comparison, self._flicker = self._comparison, None, None
        if shown is not None:
            shown.close()

    # Parts

    def _showRegistration(self, parameterNode: Any, chosen: RegisterInput, record: Any, field: Any) -> None:
        import numpy as np

        from spinemet.scene import show_registration
        from spinemet.scene.register_views import folder_of, keep_record, snapshot

        scene, moving = slicer.mrmlScene, chosen.moving
        before = snapshot(moving)
        also = [chosen.landmarks[1]] if chosen.landmarks and chosen.landmarks[1] else []
        with slicer.util.RenderBlocker():
            show_registration(
                scene,
                moving,
                np.array(record.spine),
                grid=field.grid if field is not None else None,
                displacements=field.displacements if field is not None else None,
                also=also,
                folder=folder_of(scene, parameterNode.parameterNode),
            )
            keep_record(scene, moving, chosen.fixed, record.to_json())
        self._registered.append((moving.GetID(), before))
        del self._registered[:-UNDO_STEPS]

    def _derived(self, chosen: RegisterInput, how: str, progress: Any) -> Any:
        """The array (k, j, i) of a checkerboard or of edges round the vertebrae, and its grid."""
        import numpy as np

        from spinemet.progress import silent
        from spinemet.registration import compare
        from spinemet.registration.warp import image_onto_fixed
        from spinemet.scene.register_views import outside_value, unregistered_image, window_of

        fixed = _fixedImage(chosen.fixed)
        centers = [row.center for row in self.record(chosen.moving).vertebrae]
        if centers:
            fixed = fixed.crop_around(np.array(centers), AROUND_MM)
        moving, field = unregistered_image(chosen.moving), self._field(chosen.moving, fixed.grid)
        windows, outside = (window_of(chosen.fixed), window_of(chosen.moving)), outside_value(chosen.moving)

        def work(report: Callable[[float, str], None]) -> Any:
            report(0.0, "carrying the moving image over")
            carried = image_onto_fixed(field, moving, fixed.grid, outside=outside)
            report(0.4, "carrying the moving image over")
            reach = moving.with_array(np.ones(moving.shape, np.uint8))
            inside = image_onto_fixed(field, reach, fixed.grid, nearest=True).array > 0
            report(0.7, how)
            gray = compare.gray(carried.array, *windows[1])
            if how == EDGES:
                return compare.edges(gray, inside, fixed.grid.spacing)
            return compare.checkerboard(compare.gray(fixed.array, *windows[0]), gray, inside, fixed.grid.spacing)

        array = inBackground(work, progress or silent)
        self._requireStillThere(chosen)
        return array, fixed.grid

    def _field(self, moving: Any, grid: Any) -> Any:
        from spinemet.registration.field import Field
        from spinemet.scene.register_views import bend_of

        spine, bend = self.registration(moving).spine, bend_of(moving)
        return Field.of_spine(spine, grid) if bend is None else Field(spine, *bend)

    def _vertebrae(self, chosen: RegisterInput) -> Any:
        from spinemet.case import Structure
        from spinemet.scene import labelmap_from_segmentation

        if not chosen.segmentation:
            return None
        return labelmap_from_segmentation(
            chosen.segmentation, chosen.fixed, lambda item: item.structure is Structure.VERTEBRA
        )

    def _pairs(self, chosen: RegisterInput) -> list[tuple[str, Any]]:
        """Pairs of landmarks with their labels, in the world as it is without the registration."""
        from dataclasses import replace

        import numpy as np

        from spinemet.registration.landmarks import paired
        from spinemet.scene.register_views import lies

        if chosen.landmarks is None or None in chosen.landmarks:
            return []
        fixed = dict(zip(_points(chosen.landmarks[0], np.eye(4)), _worldPoints(chosen.landmarks[0]), strict=True))
        pairs = paired(fixed, _points(chosen.landmarks[1], lies(chosen.moving)))
        if not chosen.segmentation:
            return pairs
        levels = self._levelsOfPoints(chosen, [pair.fixed for _label, pair in pairs if pair.level is None])
        return [(label, pair if pair.level else replace(pair, level=levels[pair.fixed])) for label, pair in pairs]

    def _levelsOfPoints(self, chosen: RegisterInput, points: list[tuple[float, float, float]]) -> dict[Any, Any]:
        """The vertebra nearest to each point; looked up once, as reading the outlines takes a while."""
        from spinemet.registration.by_hand import level_at

        segmentation = chosen.segmentation
        key = (segmentation.GetID(), segmentation.GetSegmentation().GetMTime(), chosen.fixed.GetID())
        known = self._levels[1] if self._levels[0] == key else {}
        if any(point not in known for point in points):
            find = level_at(self._vertebrae(chosen), LANDMARK_REACH_MM)
            known = {point: find(point) for point in points}
        self._levels = (key, known)
        return known

    def _requireSamePatient(self, chosen: RegisterInput) -> None:
        from spinemet.errors import BadInput

        numbers = [self.patient(node).patient_id for node in (chosen.fixed, chosen.moving)]
        if all(numbers) and numbers[0] != numbers[1]:
            raise BadInput(_("The two images are of different patients, as their headers say; choose images of one."))

    def _requireLandmarksLieRight(self, chosen: RegisterInput) -> None:
        from spinemet.errors import BadInput

        node = chosen.landmarks[1] if chosen.landmarks else None
        if node is not None and node.GetParentTransformNode() is not chosen.moving.GetParentTransformNode():
            raise BadInput(
                _("{name} lies under another transform than the moving image; place the points anew.").format(
                    name=node.GetName()
                )
            )

    def _requireStillThere(self, chosen: RegisterInput) -> None:
        from spinemet.errors import Cancelled

        if not all(slicer.mrmlScene.IsNodePresent(node) for node in (chosen.fixed, chosen.moving)):
            raise Cancelled(_("The images were removed in the meantime."))

    def _imageKey(self, volume: Any) -> str:
        return str(self.roleOf(volume).ref.key)


def _fixedImage(volume: Any) -> Any:
    from spinemet.scene import image_from_volume

    return image_from_volume(volume)


def _points(node: Any, lies: Any) -> dict[str, tuple[float, float, float]]:
    """Defined points by their labels in a node's own coordinates, carried by a 4×4 matrix."""
    import numpy as np

    found: dict[str, tuple[float, float, float]] = {}
    for index in _defined(node):
        label = node.GetNthControlPointLabel(index) or str(index + 1)
        x, y, z = (float(v) for v in (lies @ np.array([*node.GetNthControlPointPosition(index), 1.0]))[:3])
        found[label if label not in found else f"{label} ({index + 1})"] = (x, y, z)
    return found


def _worldPoints(node: Any) -> list[tuple[float, float, float]]:
    found = []
    for index in _defined(node):
        x, y, z = (float(v) for v in node.GetNthControlPointPositionWorld(index))
        found.append((x, y, z))
    return found


def _defined(node: Any) -> list[int]:
    return [n for n in range(node.GetNumberOfControlPoints())
            if node.GetNthControlPointPositionStatus(n) == node.PositionDefined]  # fmt: skip


def _place(node: Any) -> None:
    """Let the mouse place the next point into a list."""
    scene = slicer.mrmlScene
    selection = scene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    interaction = scene.GetFirstNodeByClass("vtkMRMLInteractionNode")
    if selection is None or interaction is None:
        return
    selection.SetReferenceActivePlaceNodeClassName(node.GetClassName())
    selection.SetActivePlaceNodeID(node.GetID())
    interaction.SetPlaceModePersistence(0)
    interaction.SetCurrentInteractionMode(interaction.Place)
