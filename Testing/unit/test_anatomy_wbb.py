"""WBB zones against small balls placed round the canal at known hours, whatever the pose and the grid."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from anatomy_solids import Solid, turned, voxelize
from spinemet import anatomy
from spinemet.anatomy.lesions.canal_room import canal_room
from spinemet.anatomy.lesions.extent import measure_extent
from spinemet.anatomy.lesions.wbb import Layer, WbbZones, Zone, sector_of, wbb_zones
from spinemet.case import Outline, Structure
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

SOLID = Solid()
CANAL = np.array([0.0, -SOLID.depth / 2 - SOLID.canal, 0.0])
CENTER = np.array([12.0, -30.0, 55.0])
WAYS = {
    "straight": {"spacing": (1.2, 1.2, 1.2)},
    "turned": {"spacing": (1.0, 1.0, 1.5), "pose": turned(pitch=18, roll=-12, yaw=20)},
    "mirrored, oblique": {
        "spacing": (1.1, 1.1, 1.5),
        "axes": turned(pitch=-14, roll=10, yaw=30) @ np.diag([-1.0, 1.0, 1.0]),
        "pose": turned(yaw=-15),
    },
}


def at(sector: int, radius: float, height: float = 0.0) -> np.ndarray:
    """Own coordinates at the middle of a sector: clockwise from above, from the back over the left."""
    angle = np.radians(30.0 * (sector - 0.5))
    return CANAL + np.array([-radius * np.sin(angle), -radius * np.cos(angle), height])


@cache
def scene(name: str) -> tuple[Image, np.ndarray, anatomy.Vertebra]:
    """A solid on a grid, its voxels in own coordinates, and as measured."""
    how = WAYS[name]
    image, pose = voxelize(SOLID, center=CENTER, **how), how.get("pose", np.eye(3))
    k, j, i = np.indices(image.shape)
    own = (image.to_world(np.stack([i, j, k], axis=-1)) - CENTER) @ pose
    hint = anatomy.LevelHint(tuple(pose[:, 2]), tuple(pose[:, 1]))
    return image, own.astype(np.float32), anatomy.measure_vertebra(image, Level.L2, hint=hint)


def zones(balls: list[tuple[np.ndarray, float]], *, way: str = "straight", sac_radius: float = 0.0) -> WbbZones:
    """Zones of a lesion made of balls in own coordinates."""
    image, own, vertebra = scene(way)
    lesion = np.zeros(image.shape, dtype=bool)
    for center, radius in balls:
        lesion |= np.linalg.norm(own - center, axis=-1) <= radius
    lesions = LabelMap(image.with_array(lesion.astype(np.uint8)), {1: Outline(Structure.LESION, lesion_id="lesion-1")})
    spine = anatomy.Spine({Level.L2: vertebra})
    found = measure_extent(Level.L2, spine, lesions, anatomy.Involvement({Level.L2: {1: 1.0}}))
    sac: Image | None = None
    if sac_radius:
        sac = image.with_array(np.hypot(own[..., 0] - CANAL[0], own[..., 1] - CANAL[1]) <= sac_radius)
    return wbb_zones(vertebra, found, sac=sac)


@pytest.mark.parametrize("way", WAYS)
def test_a_ball_in_the_canal_lies_in_its_own_sector_of_layer_d(way):
    for sector in range(1, 13):
        found = zones([(at(sector, 6.2), 1.5)], way=way)
        best = max(found.zones, key=lambda zone: zone.volume)
        assert (best.sector, best.layer) == (sector, Layer.D)
        assert best.share > 70.0


@pytest.mark.parametrize("way", WAYS)
def test_a_ball_in_soft_tissue_lies_in_its_own_sector_of_layer_a(way):
    for sector in range(1, 13):
        radius = 52.0 if sector in (5, 6, 7, 8) else 33.0
        found = zones([(at(sector, radius), 3.0)], way=way)
        assert {(zone.sector, zone.layer) for zone in found.zones} == {(sector, Layer.A)}


@pytest.mark.parametrize("way", WAYS)
def test_deep_bone_is_nearer_to_the_canal_than_superficial_bone(way):
    for sector in (6, 7):
        assert zones([(at(sector, 17.0), 3.0)], way=way).involved == {(sector, Layer.C)}
        assert zones([(at(sector, 34.0), 3.5)], way=way).involved == {(sector, Layer.B)}


def test_left_and_right_are_the_patients():
    left, right = zones([(at(3, 12.0, 3.0), 2.5)]), zones([(at(10, 12.0, 3.0), 2.5)])
    assert left.zones[0].position[0] < CENTER[0] < right.zones[0].position[0]
    assert left.sectors == (3,)
    assert right.sectors == (10,)


def test_within_an_outlined_sac_a_tumor_is_intradural():
    inner, outer = (at(7, 2.5), 1.4), (at(7, 7.4), 1.2)
    assert {layer for _, layer in zones([inner], sac_radius=5.0).involved} <= {Layer.E}
    both = zones([inner, outer], sac_radius=5.0)
    assert {zone.layer for zone in both.zones} == {Layer.D, Layer.E}
    assert any("no thecal sac" in limit for limit in zones([inner]).limits)


def test_shares_add_up_to_the_whole_lesion():
    found = zones([(at(6, 20.0), 8.0), (at(9, 5.0), 3.0), (at(2, 33.0), 3.0)])
    assert sum(zone.share for zone in found.zones) == pytest.approx(100.0)


def test_sectors_are_written_as_runs_round_the_clock():
    def of(*sectors: int) -> str:
        return WbbZones(tuple(Zone(n, Layer.B, 1.0, 10.0, 50.0, (0, 0, 0)) for n in sectors)).text()

    assert of(4, 5, 6) == "sectors 4–6, layers B"
    assert of(1, 2, 5, 12) == "sectors 5, 12–2, layers B"
    assert of(*range(1, 13)) == "sectors 1–12, layers B"


def test_every_direction_has_a_sector():
    image = voxelize(SOLID, center=CENTER)
    vertebra = anatomy.measure_vertebra(image, Level.L2, hint=anatomy.LevelHint())
    room = canal_room(vertebra)
    angles = np.radians(np.arange(0.0, 360.0, 0.5))
    around = np.stack([-np.sin(angles), -np.cos(angles), 0 * angles], axis=1) * 10 + CANAL + CENTER
    assert set(sector_of(room, around)) == set(range(1, 13))


def test_without_a_body_the_zones_are_unknown_with_a_reason():
    image = voxelize(SOLID, center=CENTER)
    scrap = image.with_array(np.zeros(image.shape, dtype=bool))
    vertebra = anatomy.measure_vertebra(scrap, Level.L2, hint=anatomy.LevelHint())
    lesions = LabelMap(image.with_array(image.array.astype(np.uint8)), {1: Outline(Structure.LESION)})
    spine = anatomy.Spine({Level.L2: vertebra})
    extent = measure_extent(Level.L2, spine, lesions, anatomy.Involvement({Level.L2: {1: 1.0}}))
    found = wbb_zones(vertebra, extent)
    assert not found.known
    assert not found.involved
    assert extent.epidural.value is None
