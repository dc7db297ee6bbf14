"""The module's panels in the order of work; a new one is a file, a .ui, their CMake entries and one line here."""

from SpineMetAssessmentLib.AssessPanel import AssessPanel
from SpineMetAssessmentLib.EpiduralPanel import EpiduralPanel
from SpineMetAssessmentLib.OutlinePanel import OutlinePanel
from SpineMetAssessmentLib.RegisterPanel import RegisterPanel
from SpineMetAssessmentLib.ReportPanel import ReportPanel
from SpineMetAssessmentLib.StudyPanel import StudyPanel

PANELS = (StudyPanel, RegisterPanel, OutlinePanel, AssessPanel, EpiduralPanel, ReportPanel)
