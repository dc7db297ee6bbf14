"""Who the synthetic patient claims to be: names and UIDs that follow from the seed and look synthetic."""

from __future__ import annotations

from spinemet.case import Role

DATE = "20260302"
MR_DATE = "20260304"


def patient_name(seed: int) -> str:
    """Obviously synthetic name, also used as the ID with a dash."""
    return f"SYNTHETIC^SEED{seed}"


def uid(seed: int, *parts: str) -> str:
    """A UID that is always the same for a seed and the parts of its name."""
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=["spinemet phantom", str(seed), *parts]))


def session(role: Role) -> str:
    """CT and PET come from one scanner, the MR series from another."""
    return "MR" if role.is_mr else "PETCT"


def frame_uid(seed: int, role: Role) -> str:
    """Frame of reference, shared by the series of one session."""
    return uid(seed, "frame", session(role))
