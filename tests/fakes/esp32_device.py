"""An ESP32 as a process: a rendered Arduino program, its core's functions, its maker's bootloader, its flash a file."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from fakes.pty_board import terminal
from tinyops.firmware.fetched import signature_sources
from tinyops.specs.lock import SOURCES

ROOT = Path(__file__).parents[2]
THIN = ROOT / "tests/runtime/arduino"
SANITIZE = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-pthread")
RESETS_MAX = 50
HOSTS = ("host_line.cpp", "esp32_host.cpp", "esp_ota_host.cpp", "esp32_program.cpp")
RP2_HOSTS = ("host_line.cpp", "no_hardware.cpp", "rp2_program.cpp")
MBED_HOSTS = ("host_line.cpp", "host_ble.cpp", "no_hardware.cpp", "mbed_program.cpp")


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """A rendered project's sources; the header of what is fetched for it, where it checks signatures."""
    for name, data in files.items():
        if name.startswith(("include/", "src/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    if any(name.startswith("src/signature/") for name in files):
        (folder / "fetched").mkdir()
        for name, data in signature_sources(SOURCES, lambda _: None).items():
            (folder / "fetched" / name).write_bytes(data)


def compile_program(files: Mapping[str, bytes], folder: Path, models: Mapping[str, str] | None = None) -> Path:
    """An ESP32's whole program with its model; and beside it one each with another model's C, by name."""
    return compile_for("ARDUINO_ARCH_ESP32", HOSTS, files, folder, models)


def compile_for(
    core: str,
    hosts: Sequence[str],
    files: Mapping[str, bytes],
    folder: Path,
    models: Mapping[str, str] | None = None,
    *,
    flags: Sequence[str] = (),
) -> Path:
    """The whole program, for this machine; `hosts` stand for the core's functions, `flags` are the project's own."""
    unpack(files, folder)
    places = (folder / "include", folder / "src/arduino", folder / "fetched", THIN)
    common = [f"-D{core}", *flags, *(argument for place in places for argument in ("-I", str(place))), *SANITIZE]
    model = folder / "src/model.c"
    for name, text in (models or {}).items():
        (folder / f"{name}.c").write_text(text)
    sources = [*folder.glob("src/**/*.c*"), *folder.glob("fetched/*.c"), *(THIN / name for name in hosts)]
    objects = {source: folder / f"{source.parent.name}-{source.stem}.o" for source in sources}
    objects |= {folder / f"{name}.c": folder / f"{name}.o" for name in models or ()}
    for source, made in objects.items():
        language = ["g++", "-std=gnu++11"] if source.suffix == ".cpp" else ["gcc", "-std=c99"]
        subprocess.run([*language, *common, "-c", str(source), "-o", str(made)], check=True, timeout=120)
    apart = model if model in objects else THIN / hosts[0]
    shared = [str(objects[source]) for source in sources if source != apart]
    programs = {"program": objects.get(model, objects[THIN / hosts[0]])} | {
        name: folder / f"{name}.o" for name in models or ()
    }
    for name, own in programs.items():
        subprocess.run(["g++", *SANITIZE, *shared, str(own), "-o", str(folder / name)], check=True, timeout=120)
    return folder / "program"


@contextmanager
def powered(program: Path, flash: Path, **environment: str) -> Iterator[str]:
    """The board with power; yields its port. A reset or a crash ends the process, and the next one begins after it."""
    with terminal() as (far, port):
        env = {**os.environ, "FLASH": str(flash), "BLE": f"{flash}.ble", **environment}
        off = threading.Event()
        process = subprocess.Popen([str(program)], stdin=far, stdout=far, env=env)

        def start_again() -> None:
            nonlocal process
            for _ in range(RESETS_MAX):
                process.wait()
                if off.is_set():
                    return
                process = subprocess.Popen([str(program)], stdin=far, stdout=far, env=env)

        supervisor = threading.Thread(target=start_again)
        supervisor.start()
        try:
            yield port
        finally:
            off.set()
            while supervisor.is_alive():
                process.kill()
                supervisor.join(timeout=0.05)
            process.wait(timeout=20)
