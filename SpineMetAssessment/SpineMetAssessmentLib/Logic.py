"""Logic: the parts of the module's logic in one class; the module file adds Slicer's base."""

from SpineMetAssessmentLib.EpiduralLogic import EpiduralLogic
from SpineMetAssessmentLib.LeftoverLogic import LeftoverLogic
from SpineMetAssessmentLib.LoadLogic import LoadLogic
from SpineMetAssessmentLib.OutlineClickLogic import OutlineClickLogic
from SpineMetAssessmentLib.OutlineEngineLogic import OutlineEngineLogic
from SpineMetAssessmentLib.OutlineLogic import OutlineLogic
from SpineMetAssessmentLib.OutlineMendLogic import OutlineMendLogic
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
    OutlineClickLogic,
    OutlineEngineLogic,
    OutlineMendLogic,
    EpiduralLogic,
    ViewLogic,
    ReaderLogic,
    ReportLogic,
    LeftoverLogic,
):
    """Nodes in, nodes and files out; the module file adds `wrap`, which gives a node its parameters."""
