"""Driving PlatformIO: its own core folder, no network, one sentence for what is missing."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tinyops.errors import ToolError
from tinyops.files import JsonObject, cache_folder, pretty_json, write_if_changed, writing
from tinyops.process import Completed, run

BUILD_TIMEOUT_S = 300
INSTALL_HINT = "pip install 'tinyops[build]', or run `tinyops lock` and have the new version reviewed"
# What a user's shell could change a build with.
FOREIGN_VARIABLES = ("CPATH", "C_INCLUDE_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX", "LIBRARY_PATH", "SCONSFLAGS")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
NO_NETWORK = "http://127.0.0.1:9"  # the discard port: refused at once, instead of after a minute


def dev_platform() -> Path:
    """The folder of the local dev platform, for `platform = symlink://`."""
    return (Path(__file__).parent / "platform").resolve()


def check_versions(wanted: Mapping[str, str]) -> None:
    """Raises ToolError unless each named Python distribution is here in exactly the locked version."""
    for name, version in wanted.items():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            raise ToolError(f"{name} is not installed, the lock wants {version}", hint=INSTALL_HINT) from None
        if found != version:
            raise ToolError(f"{name}: the lock wants {version}, {found} is installed", hint=INSTALL_HINT)


def build(
    project: Path,
    envs: Sequence[str],
    *,
    compiler: Path,
    measure: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Completed:
    """Runs PlatformIO on a rendered project. The caller checks that the artefacts exist.

    With `measure` the linker lets everything fit, so that the size of what does not can be told.
    `variables` are for the builder. Returns the ended program, also when it failed.
    """
    env = {
        **offline(prepare_core()),
        "TINYOPS_MEASURE": "1" if measure else "",
        "PATH": f"{compiler.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        **(variables or {}),
    }
    return run_project(project, envs, env, timeout_s=BUILD_TIMEOUT_S)


def run_project(project: Path, envs: Sequence[str], env: Mapping[str, str], *, timeout_s: float) -> Completed:
    """`pio run` with these variables and none of the user's that would change a build."""
    chosen = [argument for name in envs for argument in ("-e", name)]
    command = [*without_foreign_variables(env), sys.executable, "-m", "platformio", "run", "-d", str(project), *chosen]
    return run(command, timeout_s=timeout_s, env=env, check=False, what="PlatformIO")


def offline(core: Path) -> dict[str, str]:
    """The variables that PlatformIO runs with: it looks into this core folder, and reaches no network."""
    return {**quiet(core), **dict.fromkeys(PROXIES, NO_NETWORK), "PIP_NO_INDEX": "1"}


def quiet(core: Path) -> dict[str, str]:
    """The same without closing the network: no telemetry, no check for upgrades, no colours."""
    return {
        "PLATFORMIO_CORE_DIR": str(core),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_NO_ANSI": "true",
        "PLATFORMIO_RUN_JOBS": "2",
        "TINYOPS_PLATFORM": str(dev_platform()),
        "LC_ALL": "C",
    }


def prepare_core() -> Path:
    """PlatformIO's core folder for this dev platform, with what it would otherwise fetch. Returns its path."""
    wanted = _scons_package_version()
    identity = f"{dev_platform()}|{wanted}|{sys.prefix}|{importlib.metadata.version('platformio')}"
    core = cache_folder() / f"platformio-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    package = core / "packages" / "tool-scons"
    about: JsonObject = {"name": "tool-scons", "version": wanted}
    spec = {"owner": "platformio", "id": None, "name": "tool-scons", "requirements": None, "uri": None}
    with lock_folder(core):
        write_if_changed(package / "package.json", pretty_json({**about, "description": "SCons from pip"}))
        write_if_changed(package / ".piopm", pretty_json({**about, "type": "tool", "spec": spec}))
        write_if_changed(package / "scons.py", b"import SCons.Script\n\nSCons.Script.main()\n")
    return core


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Makes the folder and holds it against other processes of this machine; waits for its turn."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".tinyops-lock").open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sync_project(project: Path, files: Mapping[str, bytes], stamp: bytes) -> None:
    """Makes the folder hold exactly these files, rewriting only what changed; PlatformIO rebuilds by that.

    A new stamp (compiler, builder) drops the earlier build, which PlatformIO would not notice.
    """
    for path in [p for p in project.rglob("*") if p.is_file()]:
        place = path.relative_to(project)
        if place.as_posix() not in files and ".pio" not in place.parts and not place.name.startswith(".tinyops-"):
            path.unlink()
    for name, data in files.items():
        write_if_changed(project / name, data)
    marker = project / ".tinyops-stamp"
    if not marker.is_file() or marker.read_bytes() != stamp:
        for built in [p for p in project.rglob(".pio") if p.is_dir()]:
            shutil.rmtree(built, ignore_errors=True)
        write_if_changed(marker, stamp)


def _scons_package_version() -> str:
    """The version of its package tool-scons that PlatformIO asks for, without the operator before it."""
    try:
        from platformio.dependencies import get_core_dependencies
    except ImportError as error:
        raise ToolError("PlatformIO is not installed", hint=INSTALL_HINT) from error
    return str(get_core_dependencies()["tool-scons"]).lstrip("~^>= ")


def without_foreign_variables(ours: Mapping[str, str]) -> list[str]:
    """`env -u …` for what of the user's environment, and not of ours, would change a build."""
    foreign = [name for name in os.environ if name.startswith("PLATFORMIO_") or name in FOREIGN_VARIABLES]
    return ["env", *(argument for name in sorted(set(foreign) - set(ours)) for argument in ("-u", name))]
