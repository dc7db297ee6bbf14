"""SpineMet: spinal metastases from images to a graded spine, without Qt.

Research use only: the software suggests, a clinician confirms.
"""

__version__ = "0.1.0"
