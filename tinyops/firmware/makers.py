"""The makers' platforms of PlatformIO: what a project needs of them, what of it is at hand, and building with them.

A lock that pins a platform's packages says that a board is built with them; docs/decisions/0054-makers-platforms.md.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import socket
import sys
import tempfile
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tinyops.errors import RemoteError, ToolError
from tinyops.files import MIB, read_bounded
from tinyops.firmware import pio
from tinyops.process import Completed, run

CORE_VARIABLE = "TINYOPS_PIO_CORE"
PROBE = Path(__file__).parent / "probe.py"
FIXED_TIME = Path(__file__).parent / "fixed_time.py"
PROBE_TIMEOUT_S = 60
BUILD_TIMEOUT_S = 900  # a core for ESP32 takes minutes
INSTALL_TIMEOUT_S = 1800
CONNECT_TIMEOUT_S = 5
INSTALL_ROUNDS = 3  # the platform, then the packages that only it names, then what a library needs
OPTIONS = {"platform": "-p", "tool": "-t", "library": "-l"}


@dataclass(frozen=True)
class Need:
    """A package that a build takes; `spec` as PlatformIO writes it, `version` and `path` None where it is missing."""

    kind: Literal["platform", "tool", "library"]
    name: str
    spec: str
    folder: Path
    version: str | None
    path: Path | None


@dataclass(frozen=True)
class AtHand:
    """What of a board's platform, core, compiler and libraries is in PlatformIO's core folder."""

    core: Path
    needs: tuple[Need, ...]
    fault: str = ""  # why a platform that is there cannot be asked

    @property
    def missing(self) -> tuple[Need, ...]:
        return tuple(need for need in self.needs if need.version is None)

    @property
    def pins(self) -> dict[str, str]:
        """Each package's version, for the lock."""
        return {need.name: need.version for need in self.needs if need.version is not None}

    @property
    def complete(self) -> bool:
        return not self.missing and not self.fault

    @property
    def lacking(self) -> str:
        """One sentence on what is missing, and where; empty where nothing is."""
        if self.fault:
            return f"its platform in {self.core} cannot be used: {self.fault}"
        return "; ".join(f"{need.kind} {need.spec} is not in {need.folder}" for need in self.missing)

    @property
    def command(self) -> str:
        """What installs all that is missing."""
        return f"PLATFORMIO_CORE_DIR={shlex.quote(str(self.core))} pio pkg install -g {shlex.join(self.options)}"

    @property
    def options(self) -> list[str]:
        return [word for need in self.missing for word in (OPTIONS[need.kind], need.spec)]

    def check(self, board: str, pins: Mapping[str, str]) -> None:
        """Raises ToolError unless each package that the board needs is here in the lock's version."""
        if not self.complete:
            hint = f"{self.command}; or `tinyops lock --install`" if self.missing else "install the platform again"
            raise ToolError(f"{board}: the lock wants its maker's platform: {self.lacking}", hint=hint)
        wrong = [
            f"{name}: the lock wants {pins.get(name, 'none')}, {version} is in {self.core}"
            for name, version in self.pins.items()
            if pins.get(name) != version
        ]
        if wrong:
            hint = "install what the lock wants, or run `tinyops lock` and have the new versions reviewed"
            raise ToolError(f"{board}: {'; '.join(wrong)}", hint=hint)


def core_folder() -> Path:
    """PlatformIO's own core folder: the one that TINYOPS_PIO_CORE or PLATFORMIO_CORE_DIR names, or the user's."""
    named = os.environ.get(CORE_VARIABLE) or os.environ.get("PLATFORMIO_CORE_DIR")
    return Path(named).absolute() if named else Path.home() / ".platformio"


def probe(project: Path, envs: Sequence[str]) -> dict[str, AtHand]:
    """What each environment of a rendered project needs and has; nothing is installed, and no network reached."""
    if importlib.util.find_spec("platformio") is None:
        raise ToolError("PlatformIO is not installed", hint=pio.INSTALL_HINT)
    core = core_folder()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "needs.json"
        asked = core if core.is_dir() else Path(folder) / "core"  # PlatformIO makes the folder: asking makes nothing
        env = pio.offline(asked)
        command = [*pio.without_foreign_variables(env), sys.executable, str(PROBE), str(project), str(out), *envs]
        run(command, timeout_s=PROBE_TIMEOUT_S, env=env, what="PlatformIO")
        found = json.loads(read_bounded(out, MIB))
    return {env: _at_hand(core, asked, found[env]) for env in envs}


def _at_hand(core: Path, asked: Path, found: Sequence[Mapping[str, str]] | str) -> AtHand:
    if isinstance(found, str):
        return AtHand(core, (), found)
    return AtHand(core, tuple(_need(need, core / os.path.relpath(need["folder"], asked)) for need in found))


def _need(found: Mapping[str, str], folder: Path) -> Need:
    path = Path(found["path"]) if found["path"] else None
    kind: Literal["platform", "tool", "library"] = found["kind"]  # type: ignore[assignment]  # probe.py's own words
    return Need(kind, found["name"], found["spec"], folder, found["version"], path)


def build(project: Path, env: str, at_hand: AtHand) -> Completed:
    """`pio run` with what is at hand and no network; the same bytes in any folder. The caller checks what it made."""
    _place_libraries(project / ".pio" / "libdeps" / env, at_hand)
    flags = " ".join(shlex.quote(flag) for flag in _reproducible(project, at_hand))
    variables = {
        **pio.offline(at_hand.core),
        "SOURCE_DATE_EPOCH": "0",
        "PLATFORMIO_BUILD_FLAGS": flags,
        "PLATFORMIO_EXTRA_SCRIPTS": f"pre:{FIXED_TIME}",
    }
    return pio.run_project(project, [env], variables, timeout_s=BUILD_TIMEOUT_S)


def _place_libraries(folder: Path, at_hand: AtHand) -> None:
    """PlatformIO takes a project's libraries from the project alone, and would fetch them."""
    for need in at_hand.needs:
        if need.kind == "library" and need.path is not None:
            shutil.copytree(need.path, folder / need.path.name, dirs_exist_ok=True)


def _reproducible(project: Path, at_hand: AtHand) -> list[str]:
    """Flags that keep this machine's folders out of the bytes: what the compiler knows of them."""
    name = "file" if _maps_files(at_hand) else "debug"
    return [f"-f{name}-prefix-map={project}=/src", f"-f{name}-prefix-map={at_hand.core}=/platformio"]


def _maps_files(at_hand: AtHand) -> bool:
    """Whether each compiler is GCC 8 or newer, or Clang, which map more than what debuggers read."""
    folders = [need.path / "bin" for need in at_hand.needs if need.kind == "tool" and need.path is not None]
    compilers = [path for folder in folders for path in sorted(folder.glob("*-gcc"))]
    command = ["-ffile-prefix-map=/a=/b", "-E", "-x", "c", os.devnull]
    return all(run([gcc, *command], timeout_s=20, check=False).returncode == 0 for gcc in compilers)


# -- for those who let PlatformIO fetch --------------------------------------------------------


def install(project: Path, envs: Sequence[str], report: Callable[[str], None]) -> dict[str, AtHand]:
    """Lets PlatformIO fetch what the environments lack. Raises RemoteError at once where there is no network."""
    found = probe(project, envs)
    for _ in range(INSTALL_ROUNDS):
        lacking = [at_hand for at_hand in found.values() if at_hand.missing]
        if not lacking:
            break
        for at_hand in lacking:
            _fetch(at_hand, report)
        found = probe(project, envs)
    for env, at_hand in found.items():
        if not at_hand.complete:
            raise ToolError(f"{env}: after PlatformIO fetched what it wants, {at_hand.lacking}")
    return found


def _fetch(at_hand: AtHand, report: Callable[[str], None]) -> None:
    check_reachable(at_hand.missing)
    variables = pio.quiet(at_hand.core)
    command = [*pio.without_foreign_variables(variables), sys.executable, "-m", "platformio", "pkg", "install", "-g"]
    run([*command, *at_hand.options], timeout_s=INSTALL_TIMEOUT_S, env=variables, what="PlatformIO", on_line=report)


def check_reachable(needs: Iterable[Need]) -> None:
    """Raises RemoteError naming the first host that does not answer, before PlatformIO waits a minute for it."""
    proxy = next((os.environ[name] for name in pio.PROXIES if os.environ.get(name)), None)
    for host, port in sorted({_host(proxy or need.spec) for need in needs} - {("", 0)}):
        try:
            socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S).close()
        except OSError as error:
            raise RemoteError(
                f"PlatformIO's packages cannot be fetched: {host}:{port}: {error}",
                hint="copy PlatformIO's core folder from a machine that has them, "
                f"and name it with {CORE_VARIABLE}; without --install the board's project is released all the same",
            ) from None


def _host(address: str) -> tuple[str, int]:
    """Where a package or a proxy is; ("", 0) for a folder of this machine."""
    parts = urllib.parse.urlsplit(address)
    if parts.scheme == "file" or address.startswith("symlink://"):
        return "", 0
    if not parts.hostname:
        from platformio import __registry_mirror_hosts__

        return str(__registry_mirror_hosts__[0]), 443
    return parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)
