"""Bring an image into the space of another one, with the spine's own bend.

Key functions: `register` finds one motion for the spine and one for every vertebra, tests the level and says how far
each can be trusted; `Hand` and `Landmark` take what a person knows better; `RigidMotion` carries points from the fixed
to the moving image (RAS mm).
"""

from spinemet.registration.hand import Hand, Landmark
from spinemet.registration.metric import Agreement
from spinemet.registration.motion import RigidMotion
from spinemet.registration.register import register
from spinemet.registration.result import LevelTest, Registration
from spinemet.registration.start import Candidate
from spinemet.registration.trust import Trust, VertebraMotion

__all__ = [
    "Agreement",
    "Candidate",
    "Hand",
    "Landmark",
    "LevelTest",
    "Registration",
    "RigidMotion",
    "Trust",
    "VertebraMotion",
    "register",
]
