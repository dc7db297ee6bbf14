"""A strict host for the Slicer module without the Slicer application.

PySide6 (offscreen) stands in for PythonQt's `qt`, slicer-core gives real MRML, and small stand-ins cover the ctk and
MRML widgets, the parameter node wrapper and the scripted module's base classes. A name that PythonQt would not have
raises AttributeError here, when read and when written.

Key functions: `open_application` opens the host; `Application.open_module` builds the module's panel; `click`,
`pick`, `type_text` act as a user would; `answer` answers what would open a dialog or the desktop.
"""

from gui.host.application import Application, open_application
from gui.host.static_calls import answer
from gui.host.user import click, pick, select_row, texts, type_text

__all__ = ["Application", "answer", "click", "open_application", "pick", "select_row", "texts", "type_text"]
