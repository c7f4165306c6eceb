"""Settings in flash: what C writes is what Python reads, and power may fail at any operation."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from tinyops.device.provision.format import Settings, Tag, decode_values, encode_copy, encode_values, find_values

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-I", str(RUNTIME / "include")]
SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
GEOMETRIES = [(4, 1024), (8, 2048), (1, 512), (256, 4096)]  # program unit and sector, bytes
KEYS = (b"\x11" * 32, b"\x22" * 32)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("settings") / "settings_flash"
    sources = [RUNTIME / "settings/settings.c", ROOT / "tests/runtime/settings_flash.c"]
    subprocess.run(["gcc", *STRICT, *SANITIZE, *sources, "-o", path], check=True)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two devices' values; the second are longer."""
    folder = tmp_path_factory.mktemp("values")
    old = Settings("b3f0", "wrist", "pico", KEYS, b"\x33" * 32, report_key=b"\x44" * 32)
    network = ("https://example.org/r", "plant", "pass word")
    new = Settings("b3f0", "ankle", "pico", KEYS[::-1], b"\x55" * 32, *network, b"\x66" * 32)
    paths = [folder / "old", folder / "new"]
    for path, settings in zip(paths, (old, new), strict=True):
        path.write_bytes(encode_values(settings))
    return paths


def lines_of(program: Path, unit: int, sector: int, cut: int, files: list[Path]) -> list[str]:
    command = [program, str(unit), str(sector), str(cut), *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(("unit", "sector"), GEOMETRIES)
def test_what_c_writes_is_what_python_encodes_and_reads(
    program: Path, files: list[Path], unit: int, sector: int
) -> None:
    counted, flash, public = lines_of(program, unit, sector, 0, files)
    assert counted.split()[1:] == ["0", *["2"] * 10]
    region = bytes.fromhex(flash)
    half = len(region) // 2
    for number, path in enumerate(files):
        copy = encode_copy(path.read_bytes(), number + 1, unit)
        assert region[number * half :][: len(copy)] == copy
        assert set(region[number * half + len(copy) : (number + 1) * half]) == {0xFF}
    values = files[1].read_bytes()
    assert find_values(region, unit) == (2, values)
    given = bytes.fromhex(public)
    assert values.startswith(given) and max(decode_values(given, where="C")) == Tag.WIFI_SSID
    assert b"pass word" in values and b"pass word" not in given and b"\x66" * 32 not in given


@pytest.mark.parametrize(("unit", "sector"), GEOMETRIES)
def test_a_cut_at_any_operation_leaves_the_old_or_the_new(
    program: Path, files: list[Path], unit: int, sector: int
) -> None:
    first = int(lines_of(program, unit, sector, 0, files[:1])[0].split()[0])
    total = int(lines_of(program, unit, sector, 0, files)[0].split()[0])
    header_units = -(-16 // unit)
    for cut in range(1, total + 1):
        counted, _, _, again = lines_of(program, unit, sector, cut, files)
        _, failed, *seen = counted.split()
        assert failed == "1"
        # Only in a header's own units may a cut leave it open which of the two counts.
        open_ = {first - header_units < cut <= first: {"0", "1"}, total - header_units < cut: {"1", "2"}}
        assert set(seen) <= open_.get(True, {"0"} if cut <= first else {"1"}), cut
        assert again == "0 2"


def test_a_header_that_reads_right_every_second_time_never_counts(program: Path, files: list[Path]) -> None:
    total = int(lines_of(program, 256, 4096, 0, files)[0].split()[0])
    counted, *_, again = lines_of(program, 256, 4096, -total, files)
    assert counted.split()[1:] == ["1", *["1"] * 10] and again == "0 2"


def test_sequences_count_modulo_2_to_the_32(program: Path, files: list[Path]) -> None:
    old, new = (path.read_bytes() for path in files)
    region = encode_copy(old, 2**32 - 1, 4).ljust(1024, b"\xff") + encode_copy(new, 0, 4).ljust(1024, b"\xff")
    assert find_values(region, 4) == (0, new)
    assert find_values(region[1024:] + region[:1024], 4) == (0, new)


@pytest.mark.parametrize(
    ("values", "status"),
    [
        (b"\x01", -5),  # ends in a head
        (b"\x02\x01\x00a\x01\x01\x00b", -5),  # tags fall
        (b"\x01\x01\x00a\x01\x01\x00b", -5),  # one stands twice
        (b"\x01\xff\xffa", -5),  # longer than all
        (b"", -4),
        (b"\x01" + struct.pack("<H", 894) + bytes(894), -4),
    ],
)
def test_values_that_are_none_are_refused_and_the_old_ones_stay(
    program: Path, files: list[Path], tmp_path: Path, values: bytes, status: int
) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(values)
    refused, counted, *_ = lines_of(program, 4, 1024, 0, [files[0], bad])
    assert refused == f"refused 2 {status}"
    assert set(counted.split()[2:]) == {"1"}


@pytest.mark.parametrize("cpu", ["cortex-m0", "cortex-m4"])
def test_it_builds_for_small_cores_without_a_library(tmp_path: Path, cpu: str) -> None:
    source, out = RUNTIME / "settings/settings.c", tmp_path / "settings.o"
    flags = ["-mthumb", f"-mcpu={cpu}", "-Os", "-ffreestanding", "-c"]
    subprocess.run(["arm-none-eabi-gcc", *STRICT, *flags, source, "-o", out], check=True)
    wanted = subprocess.run(["arm-none-eabi-nm", "-u", out], capture_output=True, text=True, check=True).stdout
    assert not [name for name in wanted.split() if name not in ("U",) and not name.startswith("__aeabi_")]
