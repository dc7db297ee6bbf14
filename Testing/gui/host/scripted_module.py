"""Stand-ins for `slicer.ScriptedLoadableModule` and `slicer.i18n`, as the originals behave without developer mode."""

from __future__ import annotations

import types
import unittest
from pathlib import Path
from typing import Any

import slicer

from gui.host import qt_modules


class ScriptedLoadableModule:
    def __init__(self, parent: Any) -> None:
        super().__init__()
        self.parent = parent
        self.moduleName = type(self).__name__
        folder = Path(parent.path).parent
        for suffix in (".svg", ".png"):
            icon = folder / "Resources" / "Icons" / (self.moduleName + suffix)
            if icon.is_file():
                parent.icon = qt_modules.QtGui.QIcon(str(icon))
                break

    def resourcePath(self, filename: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / filename)


class ScriptedLoadableModuleWidget:
    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.parent = parent
        self.layout = parent.layout()

    def resourcePath(self, filename: str) -> str:
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def cleanup(self) -> None:
        pass

    def setup(self) -> None:
        pass

    def onReload(self) -> None:
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node:
                node.SetAttribute("ModuleName", self.moduleName)
                return node
        nodes = self.getAllParameterNodes()
        return nodes[0] if nodes else slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list[Any]:
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> Any:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        pass

    def runTest(self) -> None:
        for name in (name for name in dir(self) if name.startswith("test")):
            self.setUp()
            getattr(self, name)()
            self.tearDown()


def make_module() -> types.ModuleType:
    """The module `slicer.ScriptedLoadableModule`."""
    module = types.ModuleType("slicer.ScriptedLoadableModule", __doc__)
    kinds = (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    )
    for kind in kinds:
        setattr(module, kind.__name__, kind)
    module.__all__ = [kind.__name__ for kind in kinds]  # type: ignore[attr-defined]
    return module


def make_i18n() -> types.ModuleType:
    """The module `slicer.i18n`, in the source language."""
    module = types.ModuleType("slicer.i18n", __doc__)
    module.tr = lambda text: text  # type: ignore[attr-defined]
    module.translate = lambda context, text: text  # type: ignore[attr-defined]
    return module
