"""Copy the entries of the widget classes that the module uses out of the full list of what PythonQt exposes.

    python Testing/gui/make_api_subset.py FULL_LIST.json

Run it after the module starts to use another class: add the class to `CLASSES`, then run this.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

SUBSET = Path(__file__).with_name("slicer_qt_api_subset.json")
CLASSES = (
    "ctkCollapsibleButton",
    "ctkComboBox",
    "ctkDICOMDatabase",
    "ctkPathLineEdit",
    "qMRMLNodeComboBox",
    "qMRMLSegmentEditorWidget",
    "qMRMLWidget",
    "qSlicerApplication",
    "qSlicerScriptedLoadableModule",
    "qSlicerScriptedLoadableModuleWidget",
)


def subset(full: dict[str, dict]) -> dict[str, dict]:
    """The entries of `CLASSES` and of all their bases that the full list knows."""
    wanted, found = list(CLASSES), {}
    while wanted:
        name = wanted.pop()
        if name in full and name not in found:
            found[name] = full[name]
            wanted.extend(full[name]["bases"])
    return dict(sorted(found.items()))


if __name__ == "__main__":
    entries = subset(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    SUBSET.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(entries)} classes written")
