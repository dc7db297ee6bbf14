"""Frames of reference: whether two things drawn or measured share one."""

from __future__ import annotations

import re

from spinemet.errors import BadInput
from spinemet.image import Image


def same_frame(one: str, other: str) -> bool | None:
    """Whether two frames of reference are the same; None when one of them is not known by a DICOM UID.

    Images from NIfTI or NRRD carry their file's name instead: nothing can be told from it.
    """
    if one == other:
        return True if one else None
    return False if _is_uid(one) and _is_uid(other) else None


def require_frame(frame: str, image: Image, what: str) -> None:
    """:raises BadInput: `what`, given in `frame`, lies in another frame of reference than the image."""
    if same_frame(frame, image.frame) is False:
        raise BadInput(
            f"{what} was made in another frame of reference than {image.name}; "
            "register the two images first, or choose the image that it belongs to."
        )


def _is_uid(text: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)+", text) is not None
