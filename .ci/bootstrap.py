"""Sets this checkout up: the Debian packages that are missing, then .venv with the pinned Python packages.

    python3 .ci/bootstrap.py [--tests]

`--tests` adds what only tests need: compilers and emulators of the architectures on which they run models.
Standard library only, in words that old Pythons can read: its first duty is to say what a machine lacks.
A finished set-up leaves its mark in .venv; the next run finds it and changes nothing. Exit status 70 when
the machine lacks something that cannot be installed from here.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
MARK = VENV / "tinyops-setup.json"
REQUIREMENTS = ROOT / ".ci" / "requirements.txt"
# Emulators from npm: what pins them, and where tinyops looks for them.
NPM_PINS = ROOT / "tinyops" / "twin" / "node"
NPM_FOLDER = VENV / "tinyops-node"
INPUTS = (ROOT / "pyproject.toml", REQUIREMENTS, Path(__file__).resolve())

OLDEST, NEWEST = (3, 11), (3, 13)  # TensorFlow 2.21 has no package for 3.14
EXIT_TOOL = 70
DISK_MB = 3_000  # .venv 2.1 GB, pip's cache 0.5 GB

# A program that must be on PATH, and the Debian package that has it: those of the example's six boards.
PROGRAMS = {
    "git": "git",
    "gcc": "gcc",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
    "qemu-aarch64": "qemu-user",
    "clang": "clang",
    "wasm-ld": "lld",
    "chromium": "chromium",
    "node": "nodejs",
    "npm": "npm",
}
# A file that a compiler must find, and the Debian package that has it.
COMPILER_FILES = {
    ("gcc", "crt1.o"): "libc6-dev",
    ("arm-none-eabi-gcc", "nano.specs"): "libnewlib-arm-none-eabi",
    ("aarch64-linux-gnu-gcc", "crt1.o"): "libc6-dev-arm64-cross",
}
# The same for the tests of other architectures (tests/fakes/platforms.py), of the libraries that are written, and of
# the programs that flash boards.
TEST_PROGRAMS = {
    "g++": "g++",
    "cmake": "cmake",
    "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf",
    "qemu-system-riscv32": "qemu-system-misc",
    "avr-gcc": "gcc-avr",
    "simavr": "simavr",
    "pkg-config": "pkg-config",
    "avrdude": "avrdude",
    "bossac": "bossa-cli",
    "dfu-util": "dfu-util",
    "openocd": "openocd",
    "teensy_loader_cli": "teensy-loader-cli",
    "arecord": "alsa-utils",
    "ffmpeg": "ffmpeg",
    "dbus-daemon": "dbus",
}
TEST_COMPILER_FILES = {
    ("avr-gcc", "avr6/libc.a"): "avr-libc",
    ("gcc", "libsimavr.so"): "libsimavr-dev",
    ("gcc", "libelf.so"): "libelf-dev",
    ("clang", "lib/linux/libclang_rt.fuzzer-x86_64.a"): "libclang-rt-dev",
}
# Files that are sources for some compiler, and the Debian package that has them.
TEST_FILES = {
    "/usr/share/arduino/hardware/arduino/avr/platform.txt": "arduino-core-avr",
    "/usr/sbin/nginx": "nginx-light",  # not on everybody's PATH
}
# Settings of a user's that would send packages elsewhere than into .venv.
FOREIGN_SETTINGS = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH", "PYTHONHOME", "PIP_CONSTRAINT")
PROBE = (
    "import importlib.util, json, sys; "
    "print(json.dumps([list(sys.version_info[:3]), sys.base_prefix, "
    "all(importlib.util.find_spec(m) for m in ('venv', 'ensurepip'))]))"
)


class CannotSetUp(Exception):
    """What is wrong, and what to type."""


class Python(NamedTuple):
    """An interpreter of this machine. `has_venv`: it can make virtual environments with pip in them."""

    path: str
    version: tuple[int, ...]
    prefix: str
    has_venv: bool


# -- Decisions: they touch nothing ---------------------------------------------------------------


def is_supported(version: Sequence[int]) -> bool:
    return OLDEST <= tuple(version[:2]) <= NEWEST


def dotted(version: Sequence[int]) -> str:
    return ".".join(str(part) for part in version)


def choose_python(found: Sequence[Python]) -> Python:
    """The first interpreter that will do, one that can make environments before one that cannot.

    Raises CannotSetUp when none is of a supported version.
    """
    good = [python for python in found if is_supported(python.version)]
    if good:
        return sorted(good, key=lambda python: not python.has_venv)[0]
    seen = ", ".join(f"{python.path} is {dotted(python.version)}" for python in found) or "there is no Python"
    raise CannotSetUp(
        f"Python {dotted(OLDEST)} to {dotted(NEWEST)} is needed (TensorFlow has packages for these); {seen}.\n"
        "On Ubuntu 22.04 type:\n\n    sudo apt-get install python3.11 python3.11-venv\n\nand then the same command "
        "again. Elsewhere install one of these versions, or open the folder in its devcontainer."
    )


def venv_package(python: Python) -> str | None:
    """The Debian package that lets an interpreter make environments, None when it can already.

    Raises CannotSetUp for an interpreter that is not Debian's.
    """
    if python.has_venv:
        return None
    if python.prefix != "/usr":
        raise CannotSetUp(
            f"{python.path} has no venv and ensurepip: install a complete Python, or put Debian's first on PATH"
        )
    return f"python{dotted(python.version[:2])}-venv"


def download_bytes(uris: str) -> int:
    """Sum of the sizes in what `apt-get --print-uris` prints: lines of 'uri' name size digest."""
    return sum(int(size) for size in re.findall(r"^'[^']+' \S+ (\d+)", uris, flags=re.MULTILINE))


def apt_command(packages: Sequence[str]) -> list[str]:
    return ["apt-get", "install", "--yes", "--no-install-recommends", *packages]


def explain_missing(packages: Sequence[str], has_apt: bool, has_sudo: bool) -> str:
    """The one message for a machine where packages are missing and cannot be installed from here."""
    names = " ".join(packages)
    if not has_apt:
        return (
            f"These are missing, by their Debian names: {names}.\n"
            "This is neither Debian nor Ubuntu: install them your system's way, or open the folder in its devcontainer."
        )
    command = f"apt-get install --no-install-recommends {names}"
    command = f"sudo {command}" if has_sudo else f'su -c "{command}"'
    return f"Debian packages are missing: {names}. Type:\n\n    {command}\n\nand then the same command again."


def announced_mb(requirements: str) -> int:
    """What the Python packages weigh, as `.ci/pin` measured it."""
    found = re.search(r"^# download: (\d+) MB", requirements, flags=re.MULTILINE)
    return int(found.group(1)) if found else 0


def next_action(mark: dict[str, str] | None, exists: bool, wanted: dict[str, str], works: bool) -> str:
    """`nothing`, `create`, `recreate` or `update`, for .venv as it is found.

    `mark` is what the last set-up left: it says `begun` before the first package is written and `done`
    after the last, so a set-up that was interrupted never counts. `works`: its Python starts.
    """
    if not exists:
        return "create"
    if not works or (mark is not None and (mark.get("state") != "done" or mark.get("root") != wanted["root"])):
        return "recreate"
    if mark is None or mark.get("inputs") != wanted["inputs"]:
        return "update"
    return "nothing"


# -- Looking at the machine ----------------------------------------------------------------------


def capture(command: Sequence[str]) -> str | None:
    """Standard output of a program, None when it is missing or fails."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def look_at(path: str) -> Python | None:
    """What an interpreter says of itself, None when it does not start."""
    printed = capture([path, "-I", "-c", PROBE])
    if printed is None:
        return None
    version, prefix, has_venv = json.loads(printed)
    return Python(path, tuple(version), prefix, has_venv)


def find_python() -> Python:
    """The interpreter that runs this, or a supported one on PATH."""
    mine = look_at(sys.executable)
    found = [mine] if mine else []
    if not (mine and is_supported(mine.version) and mine.has_venv):
        names = ["python3", *(f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1))]
        paths = [path for path in map(shutil.which, names) if path and path != sys.executable]
        found += [python for python in map(look_at, paths) if python]
    return choose_python(found)


def missing_packages(
    programs: dict[str, str] = PROGRAMS, files: dict[tuple[str, str], str] = COMPILER_FILES
) -> list[str]:
    """Debian packages whose program or file is not there."""
    missing = [package for program, package in programs.items() if shutil.which(program) is None]
    for (compiler, name), package in files.items():
        # A compiler prints the full path of a file that it finds, and the bare name of one it does not.
        printed = capture([compiler, f"-print-file-name={name}"])
        if printed is None or not Path(printed.strip()).is_absolute():
            missing.append(package)
    return missing


def root_prefix() -> list[str] | None:
    """What to put before a command so that it runs as root; None when that takes a password."""
    if os.geteuid() == 0:
        return []
    return ["sudo", "-n"] if capture(["sudo", "-n", "true"]) is not None else None


def wanted_mark() -> dict[str, str]:
    digest = hashlib.sha256()
    for path in INPUTS:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return {"state": "done", "root": str(ROOT), "inputs": digest.hexdigest()}


def read_mark() -> dict[str, str] | None:
    try:
        mark = json.loads(MARK.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return mark if isinstance(mark, dict) else {}


def venv_works(mark: dict[str, str] | None) -> bool:
    """Whether .venv's Python starts, is supported, and is the version that the packages were installed for."""
    python = look_at(str(VENV / "bin" / "python"))
    if python is None or not is_supported(python.version):
        return False
    return mark is None or mark.get("python", dotted(python.version)) == dotted(python.version)


# -- Changing it ---------------------------------------------------------------------------------


def say(text: str) -> None:
    print(f"set-up: {text}", flush=True)


def call(command: Sequence[str], what: str, env: dict[str, str] | None = None, *, quiet: bool = False) -> None:
    """Runs a program in plain sight, `quiet` for its errors only. Raises CannotSetUp when it fails."""
    output = subprocess.DEVNULL if quiet else None
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, env=env, close_fds=False)
    if done.returncode != 0:
        raise CannotSetUp(f"{what} failed (exit status {done.returncode}, see above). The same command tries again.")


def install_debian(packages: list[str]) -> None:
    """Installs Debian packages. Raises CannotSetUp, with the command to type, when that takes a password."""
    prefix = root_prefix() if shutil.which("apt-get") else None
    if prefix is None:
        raise CannotSetUp(explain_missing(packages, bool(shutil.which("apt-get")), bool(shutil.which("sudo"))))
    say(f"Debian packages are missing: {' '.join(packages)}. Reading the package lists (about 10 MB).")
    subprocess.run([*prefix, "apt-get", "update", "-qq"], stdin=subprocess.DEVNULL)  # old lists may still do
    uris = capture([*prefix, *apt_command(packages), "--print-uris", "-qq"]) or ""
    say(f"downloading {download_bytes(uris) / 1e6:.0f} MB and installing them through apt")
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    call([*prefix, *environment, *apt_command(packages), "-qq"], "apt-get install", quiet=not sys.stdout.isatty())


def install_for_tests() -> bool:
    """What only tests need; whether it was installed. Without the rights that is said, but for CI no error: those tests
    are skipped, by name.
    """
    missing = missing_packages(TEST_PROGRAMS, TEST_COMPILER_FILES)
    missing += [package for file, package in TEST_FILES.items() if not Path(file).exists()]
    try:
        if missing:
            install_debian(missing)
    except CannotSetUp as problem:
        if os.environ.get("CI") == "true":
            raise
        say(f"the tests that need them are skipped. {problem}")
        return False
    return bool(missing)


def install_from_npm(pins: Path = NPM_PINS, folder: Path = NPM_FOLDER) -> bool:
    """The emulators that are npm packages, in the versions of their lock; whether they were installed."""
    lock = pins / "package-lock.json"
    installed = folder / "node_modules" / ".package-lock.json"
    copy = folder / lock.name
    if installed.is_file() and copy.is_file() and copy.read_bytes() == lock.read_bytes():
        return False
    if shutil.which("npm") is None:
        raise CannotSetUp("npm is missing, which brings an emulator. Type: sudo apt-get install npm")
    folder.mkdir(parents=True, exist_ok=True)
    for path in (pins / "package.json", lock):
        shutil.copyfile(path, folder / path.name)
    call(["npm", "ci", "--prefix", str(folder), "--no-audit", "--no-fund"], "npm ci", quiet=not sys.stdout.isatty())
    return True


def write_mark(mark: dict[str, str]) -> None:
    VENV.mkdir(exist_ok=True)
    new = MARK.with_suffix(".new")
    new.write_text(json.dumps(mark, indent=2) + "\n")
    new.replace(MARK)


def check_disk() -> None:
    free_mb = shutil.disk_usage(ROOT).free // 1_000_000
    if free_mb < DISK_MB:
        raise CannotSetUp(
            f"{ROOT}: {free_mb:,} MB free, {DISK_MB:,} MB are needed: free some space and type the command again"
        )


def pip_environment() -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if name not in FOREIGN_SETTINGS}
    return {**env, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def install_python_packages(python: Python, action: str, wanted: dict[str, str]) -> None:
    """Makes .venv what the pinned files say. Whatever stops this half-way, the next run starts it again."""
    if action == "recreate":
        say("removing a .venv that is unfinished, or was made for another place or Python")
        shutil.rmtree(VENV)
    check_disk()
    size = announced_mb(REQUIREMENTS.read_text())
    say(
        f"Python {dotted(python.version)} packages into .venv: up to {size} MB to download (TensorFlow is 274 MB of it)"
    )
    begun = {**wanted, "state": "begun", "python": dotted(python.version)}
    write_mark(begun)
    if action != "update":
        call([python.path, "-I", "-m", "venv", str(VENV)], "making .venv")
    pip = [str(VENV / "bin" / "python"), "-I", "-m", "pip", "install", *([] if sys.stdout.isatty() else ["--quiet"])]
    call([*pip, "--require-hashes", "--requirement", str(REQUIREMENTS)], "pip install", pip_environment())
    # --no-build-isolation: what builds this package is pinned too.
    own = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    call([*pip, *own], "installing tinyops itself", pip_environment())
    write_mark({**begun, "state": "done"})


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Two set-ups of one checkout take turns, also with what an earlier one that was killed left running."""
    with Path(__file__).open() as stream:
        os.set_inheritable(stream.fileno(), True)  # the lock lasts as long as the last process that has it open
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up of this checkout is running: waiting for it")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def set_up(*, tests: bool = False) -> None:
    """The whole of it. Raises CannotSetUp."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise CannotSetUp(
            "TensorFlow and tflite-micro have packages for Linux on x86-64 only: open the folder in its devcontainer"
        )
    started = time.monotonic()
    mark, wanted = read_mark(), wanted_mark()
    action = next_action(mark, VENV.exists(), wanted, VENV.exists() and venv_works(mark))
    missing = missing_packages()
    python = find_python() if action in ("create", "recreate") else look_at(str(VENV / "bin" / "python"))
    assert python is not None
    wants_venv = venv_package(python) if action in ("create", "recreate") else None
    missing += [wants_venv] if wants_venv else []
    if missing:
        install_debian(missing)
    if action != "nothing":
        install_python_packages(python, action, wanted)
    if tests and install_for_tests():
        missing += ["for tests"]
    if install_from_npm():
        missing += ["from npm"]
    if missing or action != "nothing":
        say(f"done in {time.monotonic() - started:.0f} s")
    else:
        say("nothing to do, .venv and the Debian packages are there")


def main() -> int:
    try:
        with alone():
            set_up(tests="--tests" in sys.argv[1:])
    except CannotSetUp as problem:
        print(f"set-up: {problem}", file=sys.stderr)
        return EXIT_TOOL
    except OSError as problem:
        print(f"set-up: {problem.filename}: {problem.strerror}", file=sys.stderr)
        return EXIT_TOOL
    except KeyboardInterrupt:
        print("\nset-up: interrupted; the same command starts it again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
