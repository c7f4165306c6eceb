"""Boards whose maker's bootloader has two slots: an ESP32's bootloader on the host, and power that fails at each step.

Its own code and ESP-IDF's record of what to start (otadata), as ESP-IDF 4.4 and arduino-esp32 2.0.17 have them; never
run on silicon.
"""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakes.compiled import BASE
from fakes.esp_image import esp_image
from fakes.faults import count_faults
from tinyops.boards.loader import load_catalog
from tinyops.firmware.fetched import signature_sources
from tinyops.images.build import body_max, build_image
from tinyops.images.definition import Kind
from tinyops.images.sign import sign_image
from tinyops.manifest.keys import SigningKey
from tinyops.specs.lock import SOURCES
from tinyops.twin.slot_images import slot_files

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME, THIN = ROOT / "tinyops/runtime", ROOT / "tests/runtime/arduino"
SANITIZE = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
CXX = ["-std=gnu++11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-DARDUINO_ARCH_ESP32"]
SLOTS = (0x10000, 0x150000)
ARDUINO = ("update_esp32.cpp", "flash_esp32.cpp")


@dataclass(frozen=True)
class Built:
    """Objects of a program, by source: one of them may be built again from another text."""

    folder: Path
    sources: tuple[Path, ...]

    def compile(self, source: Path, folder: Path, text: str | None = None) -> Path:
        """The object, of the source or of a copy with another text."""
        includes = ("include", "port/arduino", "signature", "vendor", "update")
        places = [*(RUNTIME / name for name in includes), self.folder, THIN, ROOT / "tests/fuzz"]
        language = (
            ["g++", *CXX] if source.suffix == ".cpp" else ["gcc", *(() if source.parent == self.folder else BASE)]
        )
        copy = folder / source.name
        if text is not None:
            copy.write_text(text)
            language.append("-w")
        flags = [argument for path in places for argument in ("-I", str(path))]
        command = [*language, *SANITIZE, *flags, "-c", str(source if text is None else copy)]
        subprocess.run([*command, "-o", str(copy.with_suffix(".o"))], check=True, timeout=120)
        return copy.with_suffix(".o")

    def link(self, program: Path, instead: dict[str, Path] | None = None) -> Path:
        objects = {source.stem: self.folder / f"{source.stem}.o" for source in self.sources} | (instead or {})
        subprocess.run(["g++", *SANITIZE, *map(str, objects.values()), "-o", str(program)], check=True, timeout=120)
        return program


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("vendor")
    for name, data in signature_sources(SOURCES, lambda _: None).items():
        (folder / name).write_bytes(data)
    patterns = ("update/*.c", "digest/*.c", "signature/*.c", "vendor/*.c", "boot/table.c")
    sources = [path for pattern in patterns for path in sorted(RUNTIME.glob(pattern))]
    sources += [*(RUNTIME / "port/arduino" / name for name in ARDUINO), THIN / "esp_ota_host.cpp"]
    made = Built(folder, (*sources, THIN / "vendor_ab.cpp", folder / "monocypher.c"))
    for source in made.sources:
        made.compile(source, folder)
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder, key = tmp_path_factory.mktemp("images"), SigningKey.generate()
    bodies = [esp_image(random.Random(number).randbytes(5000 + 16 * number)) for number in range(4)]  # noqa: S311
    filling = next(slot_files(load_catalog()["esp32"].spec)).bytes
    bodies.append(esp_image(bytes(5000)).ljust(body_max(Kind.FIRMWARE, "esp32", filling), b"\1"))
    made = [bodies[0]]
    for number, slot in ((1, 1), (2, 0), (3, 0), (4, 0)):
        image = build_image(
            bodies[number],
            kind=Kind.FIRMWARE,
            board="esp32",
            contract=bytes(32),
            counter=1,
            load_address=SLOTS[slot],
        )
        made.append(sign_image(image, key))
    made[3] = made[3][:-1] + bytes([made[3][-1] ^ 1])
    made.insert(4, key.public.raw)
    paths = [folder / str(number) for number in range(len(made))]
    for path, data in zip(paths, made, strict=True):
        path.write_bytes(data)
    return [str(path) for path in paths]


def run(program: Path, files: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *files], capture_output=True, text=True, timeout=120, check=False)


def test_power_may_fail_at_any_operation_of_an_update(built: Built, files: list[str]) -> None:
    done = run(built.link(built.folder / "vendor_ab"), files)
    assert done.returncode == 0, done.stderr
    *scenarios, last = done.stdout.splitlines()
    counted = {name: list(map(int, numbers)) for name, *numbers in (line.rsplit(maxsplit=3) for line in scenarios)}
    names = ["update", "trial", "self-test", "forged", "another", "after a cable"]
    assert list(counted) == names and last == "without trials: refused"
    for name, (operations, cuts, trials) in counted.items():
        assert cuts >= 1.5 * operations and operations > 20, name
        assert (trials >= operations) == (name in ("update", "trial", "self-test", "after a cable")), name
    count_faults("power cuts, boards with an A/B of their makers'", sum(cuts for _, cuts, _ in counted.values()))


STAY = "slots->images[FIRMWARE].state != TINYOPS_TRIAL_PENDING) {"
MAKER_FIRST = "port->update->confirm(port->context) != 0"
BROKEN = {
    "the core confirms": ("arduino/update_esp32.cpp", 'extern "C" bool verifyRollback', "bool verifyRollback"),
    "a record that is written twice": ("vendor/vendor.c", "!was_idle ||", "0 ||"),
    "first bytes at once": ("vendor/vendor.c", "page == 1u && self->held == number", "page == 0x7fffffffu"),
    "what was pending is not cancelled": ("vendor/vendor.c", STAY, "slots->images[FIRMWARE].state != 7u) {"),
    "the log does not follow": ("vendor/vendor.c", "if (image->trial != running) {", "if (image->trial > 7u) {"),
    "the maker keeps nothing": ("vendor/vendor.c", MAKER_FIRST, "0"),
    "a bootloader without trials": ("arduino/update_esp32.cpp", "!= ESP_OTA_IMG_NEW", "== ESP_OTA_IMG_INVALID"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_each_rule_is_needed(what: str, tmp_path: Path, built: Built, files: list[str]) -> None:
    name, old, new = BROKEN[what]
    source = next(source for source in built.sources if source.match(name))
    assert old in source.read_text()
    broken = built.compile(source, tmp_path, source.read_text().replace(old, new))
    done = run(built.link(tmp_path / "vendor_ab", {source.stem: broken}), files)
    assert done.returncode != 0 and "does not hold" in done.stderr, done.stdout
