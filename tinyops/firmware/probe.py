"""Run in a process of its own: what a project's environments need of PlatformIO, and what of it is installed.

`python probe.py PROJECT OUT ENV...` writes OUT, JSON: for each environment a list of needs, or a sentence on why they
cannot be told. A platform's own code runs here, as it does when PlatformIO builds; nothing is installed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main(project: str, out: str, *envs: str) -> None:
    os.chdir(project)
    from platformio.project.config import ProjectConfig

    config = ProjectConfig.get_instance(str(Path(project) / "platformio.ini"))
    Path(out).write_text(json.dumps({env: _environment(config, env) for env in envs}))


def _environment(config: Any, env: str) -> list[dict[str, str | None]] | str:
    try:
        return list(_needs(config, env))
    except Exception as error:  # a platform's code may raise anything: a board that it does not know, to begin with
        return str(error) or type(error).__name__


def _needs(config: Any, env: str) -> Iterator[dict[str, str | None]]:
    from platformio.dependencies import get_core_dependencies
    from platformio.package.manager.library import LibraryPackageManager
    from platformio.package.manager.platform import PlatformPackageManager
    from platformio.package.manager.tool import ToolPackageManager
    from platformio.package.meta import PackageSpec
    from platformio.platform.factory import PlatformFactory

    platforms, tools = PlatformPackageManager(), ToolPackageManager()
    wanted = PackageSpec(config.get(f"env:{env}", "platform"))
    found = platforms.get_package(wanted)
    yield _need("platform", platforms, wanted)
    scons = get_core_dependencies()["tool-scons"]
    yield _need("tool", tools, PackageSpec(owner="platformio", name="tool-scons", requirements=scons))
    if found is not None:
        platform = PlatformFactory.new(found)
        platform.ensure_engine_compatible()
        platform.board_config(config.get(f"env:{env}", "board"))  # raises for a board that it does not know
        platform.configure_project_packages(env, [])
        required = sorted(name for name, options in platform.packages.items() if not options.get("optional"))
        yield from (_need("tool", tools, platform.get_package_spec(name)) for name in required)
    libraries = LibraryPackageManager(config.get("platformio", "globallib_dir"))
    yield from (_need("library", libraries, PackageSpec(text)) for text in config.get(f"env:{env}", "lib_deps", []))


def _need(kind: str, manager: Any, spec: Any) -> dict[str, str | None]:
    package = manager.get_package(spec)
    return {
        "kind": kind,
        "name": package.metadata.name if package else spec.name,
        "spec": spec.as_dependency() if spec.uri is None else spec.uri.removeprefix("git+"),
        "folder": manager.package_dir,
        "version": str(package.metadata.version) if package else None,
        "path": package.path if package else None,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
