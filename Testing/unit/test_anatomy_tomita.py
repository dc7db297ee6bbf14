"""Tomita's anatomical type from sites and extension, and what stays open when something was not seen."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.anatomy import Involvement
from spinemet.anatomy.lesions.extent import LesionExtent
from spinemet.anatomy.lesions.tomita import Site, assess_tomita, sites_of, tomita_type
from spinemet.evidence import Measurement, unknown
from spinemet.levels import Level

B, P, L = Site.BODY, Site.PEDICLE, Site.LAMINA


@pytest.mark.parametrize(
    ("sites", "epidural", "paravertebral", "adjacent_level", "multiple", "expected"),
    [
        ({B}, False, False, False, False, (1,)),
        ({L}, False, False, False, False, (1,)),
        ({P}, False, False, False, False, (1,)),
        ({B, P}, False, False, False, False, (2,)),
        ({P, L}, False, False, False, False, (2,)),
        ({B, L}, False, False, False, False, (3,)),
        ({B, P, L}, False, False, False, False, (3,)),
        ({B}, True, False, False, False, (4,)),
        ({B, P}, True, True, False, False, (5,)),
        ({B}, False, True, False, False, (5,)),
        ({B}, None, True, False, False, (5,)),
        ({B}, True, True, True, False, (6,)),
        ({B}, True, True, True, True, (7,)),
        ({B}, None, False, False, False, (1, 4)),
        ({B}, True, None, False, False, (4, 5)),
        (None, False, False, False, False, (1, 2, 3)),
        (None, None, None, False, False, (1, 2, 3, 4, 5)),
        (None, None, None, True, False, (6,)),
    ],
)
def test_the_highest_type_that_applies(sites, epidural, paravertebral, adjacent_level, multiple, expected):
    found = tomita_type(
        sites, epidural=epidural, paravertebral=paravertebral, adjacent_level=adjacent_level, multiple=multiple
    )
    assert found.possible == expected
    assert (found.type is None) == (len(expected) > 1)
    assert bool(found.reason) == (found.type is None)


def extent(level: Level, parts: dict[str, float], epidural: float = 0.0, paraspinal: float = 0.0) -> LesionExtent:
    none = np.zeros((0, 3))
    return LesionExtent(
        level,
        {name: Measurement(name, share, "%", "test") for name, share in parts.items()},
        Measurement("epidural volume", epidural, "mL", "test"),
        Measurement("paraspinal volume", paraspinal, "mL", "test"),
        Measurement("epidural thickness", 4.0 if epidural else 0.0, "mm", "test"),
        Measurement("paraspinal thickness", 9.0 if paraspinal else 0.0, "mm", "test"),
        {},
        none,
        none,
        none,
        0.001,
    )


def test_sites_come_from_the_names_of_the_parts():
    found = sites_of(
        extent(Level.L2, {"body": 40.0, "left pedicle": 60.0, "left lamina": 2.0, "spinous process": 0.0})
    )
    assert found == {B, P}
    assert sites_of(extent(Level.L2, {"body": 0.0, "left pedicle": 0.0, "left superior articular process": 30.0})) == {
        L
    }
    assert sites_of(extent(Level.L2, {"body": 2.0, "left pedicle": 1.0})) == {B}


def test_body_and_arch_alone_leave_the_arch_open():
    assert sites_of(extent(Level.L2, {"body": 40.0, "arch": 0.0})) == {B}
    assert sites_of(extent(Level.L2, {"body": 40.0, "arch": 20.0})) is None


def test_a_ct_alone_does_not_exclude_epidural_tumor():
    one = Involvement({Level.L2: {1: 5.0}})
    alone = assess_tomita(extent(Level.L2, {"body": 40.0, "arch": 0.0}), one)
    assert alone.possible == (1, 4)
    assert "MRI" in alone.reason
    assert assess_tomita(extent(Level.L2, {"body": 40.0, "arch": 0.0}), one, epidural_seen=True).type == 1


def test_one_tumor_in_two_vertebrae_is_adjacent_and_two_tumors_are_multiple():
    here = extent(Level.L2, {"body": 40.0, "arch": 0.0})
    assert assess_tomita(here, Involvement({Level.L2: {1: 5.0}, Level.L3: {1: 2.0}})).type == 6
    assert assess_tomita(here, Involvement({Level.L2: {1: 5.0}, Level.L3: {2: 2.0}})).type == 7
    skipped = Involvement({Level.L2: {1: 5.0}, Level.L4: {1: 2.0}})
    assert assess_tomita(here, skipped).type == 7
    four = Involvement({level: {1: 5.0} for level in (Level.L1, Level.L2, Level.L3, Level.L4)})
    assert assess_tomita(here, four).type == 7


def test_unknown_extension_leaves_types_open():
    found = extent(Level.L2, {"body": 40.0, "arch": 0.0})
    blind = LesionExtent(
        found.level, found.parts, unknown("epidural volume", "mL", "no canal"),
        unknown("paraspinal volume", "mL", "no canal"), unknown("epidural thickness", "mm", "no canal"),
        unknown("paraspinal thickness", "mm", "no canal"), {}, found.inside, found.inside, found.inside, 0.001,
    )  # fmt: skip
    assert assess_tomita(blind, Involvement({Level.L2: {1: 5.0}})).possible == (1, 4, 5)
