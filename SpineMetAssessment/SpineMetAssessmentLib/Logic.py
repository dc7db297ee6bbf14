"""Logic: the parts of the module's logic in one class; the module file adds Slicer's base."""

from SpineMetAssessmentLib.EpiduralLogic import EpiduralLogic
from SpineMetAssessmentLib.LoadLogic import LoadLogic
from SpineMetAssessmentLib.OutlineLogic import OutlineLogic
from SpineMetAssessmentLib.ReaderLogic import ReaderLogic
from SpineMetAssessmentLib.RegisterLogic import RegisterLogic
from SpineMetAssessmentLib.ReportLogic import ReportLogic
from SpineMetAssessmentLib.StudyLogic import StudyLogic
from SpineMetAssessmentLib.TimePointLogic import TimePointLogic
from SpineMetAssessmentLib.ViewLogic import ViewLogic


class Logic(
    TimePointLogic,
    StudyLogic,
    LoadLogic,
    RegisterLogic,
    OutlineLogic,
    EpiduralLogic,
    ViewLogic,
    ReaderLogic,
    ReportLogic,
):
    """Nodes in, nodes and files out; the module file adds `wrap`, which gives a node its parameters."""
