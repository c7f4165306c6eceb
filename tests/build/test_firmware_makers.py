"""Firmware built with the platform of a board's maker: what is at hand, what is missing, what goes wrong."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from test_firmware_build import build, facts_of, ignore, step_for

from fakes.makers import PINS, PLATFORM, write_core, write_library
from tinyops import twin
from tinyops.artifacts import Step
from tinyops.boards.model import BoardSpec
from tinyops.errors import DoesNotFit, ToolError
from tinyops.files import digest_file
from tinyops.firmware import makers
from tinyops.firmware.elf import flash_image
from tinyops.link.smp.definition import MESSAGE_LARGE

pytestmark = pytest.mark.build

NAME = "nucleo-h743zi"


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TINYOPS_PIO_CORE", str(tmp_path / "core"))
    return tmp_path / "core"


def step(pins: dict[str, str] | None = None, **arduino: Any) -> Step:
    """Of the board with this maker's platform, and without a twin, which other tests build."""
    facts = facts_of(NAME)
    facts["arduino"] = {**facts["arduino"], **PLATFORM, **arduino}
    facts["twin"] = {"kind": "none", "machine": "", "same_machine": False, "not_covered": []}
    found = step_for(NAME, facts)
    found.lock["platform"] = pins if pins is not None else {**PINS, "tool-scons": _scons_version()}
    return found


def _scons_version() -> str:
    from platformio.dependencies import get_core_dependencies

    return str(get_core_dependencies()["tool-scons"]).lstrip("~")


def test_what_is_at_hand_is_built_and_measured_in_its_elf(core: Path, tmp_path: Path) -> None:
    write_core(core)
    facts, files = build(step(), tmp_path)
    assert set(files) == {"firmware.elf", "firmware.bin", "project.zip"}
    assert facts["image"] is True and facts["packages"]["maker"] == "1.2.3"
    spec = BoardSpec.model_validate(step().settings["facts"])
    assert spec.memory is not None and spec.layout is not None
    image = flash_image(tmp_path / "out/firmware.elf", spec.memory, spec.layout.firmware[0])
    assert image == (tmp_path / "out/firmware.bin").read_bytes()
    assert facts["flash_bytes"] == len(image)
    # 128 KiB that the linker script keeps for heap and stack are no use of the firmware's
    assert spec.layout.arena_bytes < facts["static_ram_bytes"] < spec.layout.arena_bytes + MESSAGE_LARGE + 4096
    inputs = {path.name: path for path in (tmp_path / "out").iterdir()} | {"contract.json": tmp_path / "contract.json"}
    proven = twin.run(Step("twin", f"f/{NAME}", step().settings, {}), inputs, tmp_path, ignore)
    assert proven["proof"] == {"model": "built", "firmware": "built"} and proven["vectors"] == 0


def test_two_folders_give_the_same_bytes_and_keep_their_names_out_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = []
    for folder in (tmp_path / "one", tmp_path / "another-much-longer-name"):
        monkeypatch.setenv("TINYOPS_CACHE", str(folder / "cache"))
        monkeypatch.setenv("TINYOPS_PIO_CORE", str(folder / "core"))
        write_core(folder / "core")
        build(step(), folder)
        digests.append({path.name: digest_file(path) for path in (folder / "out").iterdir()})
        assert str(folder).encode() not in (folder / "out/firmware.elf").read_bytes()
    assert digests[0] == digests[1]


def test_without_pins_it_is_only_rendered_though_everything_is_at_hand(core: Path, tmp_path: Path) -> None:
    write_core(core)
    facts, files = build(step({}), tmp_path)
    assert list(files) == ["project.zip"] and facts["image"] is False


@pytest.mark.parametrize("package", ["framework-maker", "toolchain-maker", "maker", "tool-scons"])
def test_a_missing_package_is_named_with_its_folder_and_what_installs_it(
    package: str, core: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_core(core, without=package)

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("PlatformIO was run")

    monkeypatch.setattr("tinyops.firmware.makers.build", never)
    with pytest.raises(ToolError, match=f"{NAME}: the lock wants its maker's platform: .*{package}@") as error:
        build(step(), tmp_path)
    assert str(core / ("platforms" if package == "maker" else "packages")) in error.value.message
    assert f"PLATFORMIO_CORE_DIR={core} pio pkg install -g " in error.value.hint and package in error.value.hint


def test_another_version_than_the_locks_is_refused_with_both(core: Path, tmp_path: Path) -> None:
    write_core(core)
    with pytest.raises(ToolError, match=r"toolchain-maker: the lock wants 2\.0\.4, 2\.0\.5 is in "):
        build(step({**PINS, "tool-scons": _scons_version(), "toolchain-maker": "2.0.4"}), tmp_path)


def test_a_platform_that_does_not_know_the_board_says_so(core: Path, tmp_path: Path) -> None:
    write_core(core)
    with pytest.raises(ToolError, match=r"its platform in .* cannot be used: Unknown board ID 'nosuch'"):
        build(step(board="nosuch"), tmp_path)


def test_a_build_that_hangs_is_ended_at_its_limit(core: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_core(core)
    monkeypatch.setattr("tinyops.firmware.makers.BUILD_TIMEOUT_S", 4)
    with pytest.raises(ToolError, match="PlatformIO: stopped after 4 s without an end"):
        build(step(options={"board_build.hangs": "yes"}), tmp_path)


def test_an_artefact_of_an_earlier_build_does_not_stand_for_a_missing_one(core: Path, tmp_path: Path) -> None:
    write_core(core)
    found = step()
    found.settings["facts"]["flash_tool"] = {"kind": "copy", "file": "bin"}
    build(found, tmp_path)
    main = core / "platforms/maker/builder/main.py"
    main.write_text(main.read_text().replace('== "bin"', '== "nothing"'))
    with pytest.raises(ToolError, match=r"made no firmware\.bin"):
        build(found, tmp_path)


def test_a_platform_that_makes_no_flat_file_gets_one_from_its_elf(core: Path, tmp_path: Path) -> None:
    write_core(core)
    _, ours = build(step(options={"board_build.makes": "elf"}), tmp_path)
    shutil.rmtree(tmp_path / "cache")
    _, theirs = build(step(), tmp_path)
    assert ours["firmware.bin"] == theirs["firmware.bin"]


def test_a_slot_that_is_too_small_is_told_by_bytes(core: Path, tmp_path: Path) -> None:
    write_core(core)
    found = step()
    found.settings["facts"]["memory"]["flash"][0]["erase_bytes"] = 2048
    found.settings["facts"]["layout"]["firmware"][0]["bytes"] = 2048
    with pytest.raises(DoesNotFit, match=rf"{NAME}: .*firmware slot: [\d,]+ of 2,048 bytes, [\d,]+ too many"):
        build(found, tmp_path)


def test_ram_is_told_by_bytes_with_the_stack(core: Path, tmp_path: Path) -> None:
    write_core(core)
    found = step()
    found.settings["facts"]["memory"]["ram"]["bytes"] = 262144 + 16384
    with pytest.raises(
        DoesNotFit, match=r"RAM: [\d,]+ of 278,528 bytes \([\d,]+ static with the arena, 16,384 stack\)"
    ):
        build(found, tmp_path)


def test_a_layout_that_the_makers_linker_script_does_not_follow_is_refused(core: Path, tmp_path: Path) -> None:
    write_core(core)
    found = step()
    slot = found.settings["facts"]["layout"]["firmware"][0]
    slot["origin"], slot["bytes"] = 0x08020000, 0x20000
    with pytest.raises(
        ToolError, match="its linker script puts it at 0x8000000, the firmware slot starts at 0x8020000"
    ):
        build(found, tmp_path)


def test_an_error_of_the_makers_linker_is_shown(core: Path, tmp_path: Path) -> None:
    write_core(core)
    script = core / "packages/framework-maker/core/link.ld"
    script.write_text(script.read_text().replace("LENGTH = 512K", "LENGTH = 128K"))
    with pytest.raises(ToolError, match=r"PlatformIO with maker/maker@1\.2\.3 failed: exit status 1") as error:
        build(step(), tmp_path)
    assert "overflowed" in error.value.message


def test_a_drivers_library_comes_from_the_core_folder(core: Path, tmp_path: Path) -> None:
    write_core(core)
    write_library(core, "Marker", "0.4.2", "#define MARKER 1\n")
    libraries = ["maker/Marker@0.4.2"]
    pins = {**PINS, "tool-scons": _scons_version(), "Marker": "0.4.2"}
    facts, _ = build(step(pins, libraries=libraries), tmp_path)
    assert facts["packages"]["Marker"] == "0.4.2"
    shutil.rmtree(core / "lib")
    with pytest.raises(ToolError, match=rf"library maker/Marker@0\.4\.2 is not in {core / 'lib'}") as error:
        build(step(pins, libraries=libraries), tmp_path)
    assert "-l maker/Marker@0.4.2" in error.value.hint


def test_platformio_fetches_what_is_missing_when_asked(core: Path, tmp_path: Path) -> None:
    """For real, from packages that lie in folders: PlatformIO's own package manager, and no network."""
    source = tmp_path / "shelf"
    write_core(source)
    platform = source / "platforms/maker"
    about = platform / "platform.json"
    text = about.read_text()
    for name, version in (("toolchain-maker", "~2.0.0"), ("framework-maker", "3.1.0")):
        text = text.replace(f'"version": "{version}"', f'"version": "file://{source}/packages/{name}"')
    about.write_text(text)
    (core / "packages").mkdir(parents=True)
    shutil.copytree(source / "packages/tool-scons", core / "packages/tool-scons")
    named = platform.rename(platform.with_name("maker#1.2.3"))
    for record in source.rglob(".piopm"):
        record.unlink()
    project = tmp_path / "project"
    project.mkdir()
    (project / "platformio.ini").write_text(
        f"[env:it]\nplatform = file://{named}\nframework = arduino\nboard = maker_h743\n"
    )
    said: list[str] = []
    found = makers.install(project, ["it"], said.append)["it"]
    assert found.complete and {"maker", "framework-maker", "toolchain-maker"} < set(found.pins) and said
