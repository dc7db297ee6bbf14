"""What people read: report.html with its pictures.

Key functions: `write_report` writes the page; `figures.overview`, `figures.axial_cut` and `figures.sagittal_cut` draw.
"""

from spinemet.report.page import write_report

__all__ = ["write_report"]
