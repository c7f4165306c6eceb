"""A maker's platform in a PlatformIO core folder, as its package manager leaves them: everything there but its name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tinyops.firmware import pio
from tinyops.toolchain import installed

FAKES = Path(__file__).parent / "maker"
THIN = Path(__file__).parents[1] / "runtime/arduino"
PLATFORM = {"platform": "maker/maker", "version": "1.2.3", "board": "maker_h743"}
PINS = {"maker": "1.2.3", "framework-maker": "3.1.0", "toolchain-maker": "2.0.5"}
BOARD_FILE = """\
apiVersion: tinyops/v1
kind: Board
metadata: {name: mine}
extends: nucleo-h743zi
spec:
  title: Mine
  arduino: {platform: maker/maker, version: 1.2.3, board: maker_h743}
  silicon: {run: false}
"""
TOOLS = ("gcc", "g++", "gcc-ar", "gcc-ranlib", "objcopy")


def write_core(core: Path, *, without: str = "", compiler: bool = True) -> None:
    """`without` names a package that is missing; without `compiler` that is a folder with nothing in it."""
    shutil.copytree(FAKES / "platform", core / "platforms/maker")
    _say("platform", core / "platforms/maker", "maker", "1.2.3")
    shutil.copytree(FAKES / "framework", core / "packages/framework-maker")
    for header in THIN.glob("*.h"):
        shutil.copy(header, core / "packages/framework-maker/core")
    _say("tool", core / "packages/framework-maker", "framework-maker", "3.1.0")
    binaries = core / "packages/toolchain-maker/bin"
    binaries.mkdir(parents=True)
    for tool in TOOLS if compiler else ():
        gcc = installed("arm-none-eabi-gcc").path
        (binaries / f"arm-none-eabi-{tool}").symlink_to(gcc.with_name(f"arm-none-eabi-{tool}"))
    _say("tool", binaries.parent, "toolchain-maker", "2.0.5")
    shutil.copytree(pio.prepare_core() / "packages/tool-scons", core / "packages/tool-scons")
    for folder in ("platforms", "packages"):
        if without and (core / folder / without).exists():
            shutil.rmtree(core / folder / without)


def write_library(core: Path, name: str, version: str, header: str) -> None:
    folder = core / "lib" / name
    (folder / "src").mkdir(parents=True)
    (folder / "src" / f"{name}.h").write_text(header)
    (folder / "library.json").write_text(json.dumps({"name": name, "version": version}))
    _say("library", folder, name, version)


def _say(kind: str, folder: Path, name: str, version: str) -> None:
    """PlatformIO's own record of an installed package."""
    spec = {"owner": "maker", "id": None, "name": name, "requirements": None, "uri": None}
    about: dict[str, Any] = {"type": kind, "name": name, "version": version, "spec": spec}
    (folder / ".piopm").write_text(json.dumps(about))
    if kind == "tool":
        (folder / "package.json").write_text(json.dumps({"name": name, "version": version, "description": name}))
