"""Gathers what a container for another machine installs: our wheel, and every package of it for that machine.

python packaging/wheels.py FOLDER [aarch64|x86_64]

Versions are those that pip resolves here; packages that come as source only are taken so, and built in the container.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = "agent,serial"
PYTHON = "3.11"
PLATFORMS = ("manylinux_2_17_{}", "manylinux2014_{}", "manylinux_2_28_{}", "manylinux_2_34_{}")
SOURCE_ONLY = frozenset({"crcmod"})  # of smp; pure Python without a compiler would do, but its setup wants one
TOOLS = ("setuptools",)  # which builds that


def pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=900).stdout


def resolved(wheel: Path) -> dict[str, str]:
    """Names and versions of everything but our own."""
    report = json.loads(pip("install", "--dry-run", "--ignore-installed", "--report", "-", f"{wheel}[{EXTRAS}]"))
    found = {one["metadata"]["name"]: one["metadata"]["version"] for one in report["install"]}
    return {name: version for name, version in sorted(found.items()) if name != "tinyops"}


def main() -> None:
    folder, machine = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "aarch64"
    folder.mkdir(parents=True, exist_ok=True)
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("tinyops-*.whl")
    platforms = [word for name in PLATFORMS for word in ("--platform", name.format(machine))]
    target = [*platforms, "--python-version", PYTHON, "--implementation", "cp", "--abi", "cp311", "--abi", "abi3"]
    tools = dict.fromkeys(TOOLS, "")
    for name, version in {**resolved(wheel), **tools}.items():
        binary = ["--no-binary", name] if name in SOURCE_ONLY else ["--only-binary=:all:", *target, "--abi", "none"]
        pip("download", "--no-deps", *binary, "--dest", str(folder), f"{name}=={version}" if version else name)
        print(f"{name} {version}")


if __name__ == "__main__":
    main()
