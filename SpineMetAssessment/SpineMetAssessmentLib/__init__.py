"""The module's panels in the order of work. A new panel is one file, one .ui, their CMake entries and one line here."""

from SpineMetAssessmentLib.AssessPanel import AssessPanel

PANELS = (AssessPanel,)
