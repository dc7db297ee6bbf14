"""Names of the parts of a vertebra, as values of a part map."""

from __future__ import annotations

from enum import IntEnum

from spinemet.anatomy.arch.pedicle import Side


class Part(IntEnum):
    """Value of each part in a part map; left and right are the patient's, a right part follows its left one."""

    BODY = 1
    PEDICLE_LEFT = 2
    PEDICLE_RIGHT = 3
    LAMINA_LEFT = 4
    LAMINA_RIGHT = 5
    SUPERIOR_ARTICULAR_LEFT = 6
    SUPERIOR_ARTICULAR_RIGHT = 7
    INFERIOR_ARTICULAR_LEFT = 8
    INFERIOR_ARTICULAR_RIGHT = 9
    PARS_LEFT = 10
    PARS_RIGHT = 11
    TRANSVERSE_LEFT = 12
    TRANSVERSE_RIGHT = 13
    SPINOUS = 14

    @property
    def side(self) -> Side | None:
        """None for body and spinous process."""
        if self in (Part.BODY, Part.SPINOUS):
            return None
        return Side.RIGHT if self % 2 else Side.LEFT

    @property
    def title(self) -> str:
        """In words, as in "left superior articular process"."""
        name = _TITLES[self.name.removesuffix("_LEFT").removesuffix("_RIGHT")]
        return f"{self.side.value} {name}" if self.side is not None else name

    @property
    def is_facet(self) -> bool:
        """Whether it belongs to the articular pillar: both articular processes and the pars between them."""
        return Part.SUPERIOR_ARTICULAR_LEFT <= self <= Part.PARS_RIGHT

    def on(self, side: Side) -> Part:
        """The same part of a side; body and spinous process have none."""
        return self if self.side is None else Part(self - self % 2 + (side is Side.RIGHT))


_TITLES = {
    "BODY": "vertebral body",
    "PEDICLE": "pedicle",
    "LAMINA": "lamina",
    "SUPERIOR_ARTICULAR": "superior articular process",
    "INFERIOR_ARTICULAR": "inferior articular process",
    "PARS": "pars interarticularis",
    "TRANSVERSE": "transverse process",
    "SPINOUS": "spinous process",
}
