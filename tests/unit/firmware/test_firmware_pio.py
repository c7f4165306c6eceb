"""Preparing PlatformIO: what is written, what is refused, before anything is built."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tinyops.artifacts import Step
from tinyops.boards.layout import Region
from tinyops.errors import DoesNotFit, SpecError, ToolError
from tinyops.firmware import pio
from tinyops.firmware.building import check_lock
from tinyops.firmware.contract import read_contract_file
from tinyops.firmware.elf import ElfSizes, check_fit, measure


def test_a_project_folder_holds_exactly_the_rendered_files(tmp_path: Path) -> None:
    pio.sync_project(tmp_path, {"a/x.c": b"1", "b.ini": b"2"}, b"stamp")
    before = (tmp_path / "a/x.c").stat().st_mtime_ns
    (tmp_path / "a/stale.c").write_bytes(b"old")
    (tmp_path / ".pio/build").mkdir(parents=True)
    (tmp_path / ".pio/build/kept.o").write_bytes(b"o")
    pio.sync_project(tmp_path, {"a/x.c": b"1", "b.ini": b"3"}, b"stamp")
    assert (tmp_path / "a/x.c").stat().st_mtime_ns == before
    assert (tmp_path / "b.ini").read_bytes() == b"3"
    assert not (tmp_path / "a/stale.c").exists() and (tmp_path / ".pio/build/kept.o").exists()


def test_another_compiler_drops_the_earlier_build(tmp_path: Path) -> None:
    pio.sync_project(tmp_path, {}, b"one")
    (tmp_path / ".pio").mkdir()
    pio.sync_project(tmp_path, {}, b"two")
    assert not (tmp_path / ".pio").exists()


def test_the_cache_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "c"))
    assert pio.cache_folder() == tmp_path / "c"
    monkeypatch.delenv("TINYOPS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert pio.cache_folder() == tmp_path / "tinyops"


def test_scons_stands_in_for_platformios_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("platformio")
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path))
    core = pio.prepare_core()
    about = json.loads((core / "packages/tool-scons/.piopm").read_text())
    assert about["spec"]["owner"] == "platformio"  # without it PlatformIO asks its registry
    assert about["version"][0].isdigit()
    assert pio.prepare_core() == core


def test_another_version_than_the_locks_is_refused_with_both() -> None:
    with pytest.raises(ToolError, match=r"pytest: the lock wants 0\.0\.1, \S+ is installed"):
        pio.check_versions({"pytest": "0.0.1"})
    with pytest.raises(ToolError, match="no-such-thing is not installed, the lock wants 1"):
        pio.check_versions({"no-such-thing": "1"})


def test_other_firmware_sources_than_the_locks_are_refused() -> None:
    pytest.importorskip("platformio")
    import importlib.metadata as installed

    lock = {name: installed.version(name) for name in ("platformio", "scons")} | {"firmware": "sha256:" + "0" * 64}
    with pytest.raises(ToolError, match="firmware sources of another version"):
        check_lock(Step("firmware", "f/b", {}, lock))


def test_users_variables_that_change_a_build_are_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORMIO_BUILD_FLAGS", "-DEVIL")
    monkeypatch.setenv("CPATH", "/elsewhere")
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", "/elsewhere")
    command = pio.without_foreign_variables({"PLATFORMIO_CORE_DIR": "/ours"})
    removed = {command[i + 1] for i, word in enumerate(command) if word == "-u"}
    assert {"PLATFORMIO_BUILD_FLAGS", "CPATH"} <= removed and "PLATFORMIO_CORE_DIR" not in removed


def test_what_does_not_fit_names_memory_and_bytes() -> None:
    flash, ram = Region(origin=0, bytes=1000), Region(origin=0x20000000, bytes=500)
    check_fit("b", ElfSizes(1000, 400), flash, ram, 100)
    with pytest.raises(
        DoesNotFit, match=r"b: .*firmware slot: 1,001 of 1,000 bytes, 1 too many; RAM: 502 .* 2 too many"
    ):
        check_fit("b", ElfSizes(1001, 402), flash, ram, 100)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF" + bytes(60), b"text"])
def test_what_is_no_firmware_cannot_be_measured(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("elftools")
    (tmp_path / "firmware.elf").write_bytes(content)
    with pytest.raises(ToolError, match=r"firmware\.elf: not a firmware"):
        measure(tmp_path / "firmware.elf", Region(origin=0, bytes=1000))


def test_a_contract_file_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "contract.json").write_bytes(b"{")
    with pytest.raises(SpecError, match="not JSON"):
        read_contract_file(tmp_path / "contract.json")
