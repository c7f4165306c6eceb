"""Rendering a project: pure, complete, and safe against what specs and catalogues may say."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tinyops.boards import load_catalog
from tinyops.boards.model import BoardSpec
from tinyops.errors import SpecError
from tinyops.files import canonical_json
from tinyops.firmware import render_project
from tinyops.firmware.contract import read_contract
from tinyops.firmware.forms.bare_metal import family
from tinyops.firmware.project import with_model

ROOT = Path(__file__).parents[3]


def spec_of(name: str, **changes: Any) -> BoardSpec:
    board = load_catalog()[name]
    return board.spec.model_copy(update=changes)


def contract_of(spec: BoardSpec, **changes: Any) -> dict[str, Any]:
    return {
        "abi": 1,
        "input": {"sensor": "imu", "channels": ["ax", "ay"], "frame_values": 2},
        "output": {"classes": ["still", "*/ moving"], "type": "int8", "bytes": 2},
        "arena_bytes": spec.layout.arena_bytes if spec.layout else 4096,
        **changes,
    }


def render(name: str, **changes: Any) -> dict[str, bytes]:
    spec = spec_of(name, **changes)
    return render_project(
        board=name, spec=spec, fleet="wrist", sensor={"kind": "stream", "port": "serial"}, contract=contract_of(spec)
    )


@pytest.mark.parametrize("name", ["microbit", "nano33ble"])
def test_a_project_is_a_pure_function_without_paths_of_this_machine(name: str) -> None:
    files = render(name)
    assert files == render(name) and list(files) == sorted(files)
    everything = b"\n".join(files.values()).decode()
    assert str(ROOT) not in everything and str(Path.home()) + "/" not in everything
    assert not re.search(r"\{\{ |\{%", everything)
    assert {"platformio.ini", "src/main.c", "include/contract.h", f"link/{name}.ld"} <= set(files)


def test_the_contract_header_carries_digest_slots_and_arena() -> None:
    spec = spec_of("microbit")
    header = render("microbit")["include/contract.h"].decode()
    digest = hashlib.sha256(canonical_json(contract_of(spec))).digest()
    found = bytes(int(h, 16) for h in re.findall(r"0x([0-9a-f]{2})\b", header.split("CONTRACT_SHA256")[1]))
    assert found[:32] == digest
    assert "#define MODEL_SLOT_BYTES 85984u" in header
    assert "tinyops_model_slot = 0x00015020;" in render("microbit")["link/microbit.ld"].decode(), "behind a header"
    assert "#define ARENA_BYTES 10240u" in header and "#define FRAME_VALUES 2u" in header


def test_the_linker_script_is_the_catalogues_layout() -> None:
    files = render("nano33ble")
    script, other = files["link/nano33ble.ld"].decode(), files["link/nano33ble_b.ld"].decode()
    assert "ORIGIN = 0x00014100" in script and ": 113920" in script, "a slot but for its image's header and TLVs"
    assert other == script.replace("0x00014100", "0x00030100"), "the same for the other slot"
    assert ". += 8192;" in script and "ORIGIN = 0x20000000" in script
    assert "tinyops_boot_table = 0x00013f80;" in script, "the end of the bootloader's region"


def test_the_bootloader_is_the_catalogues_too() -> None:
    files = render("nano33ble")
    script = files["link/nano33ble-bootloader.ld"].decode()
    assert "flash (rx) : ORIGIN = 0x00010000" in script and "table (r) : ORIGIN = 0x00013f80, LENGTH = 128" in script
    assert "LENGTH = 262000" in script, "RAM below what a reset keeps"
    header = files["include/layout.h"].decode()
    assert '#define LAYOUT_BOARD "nano33ble"' in header and "LAYOUT_UNIT_BYTES 160u" in header
    assert "{0x00014000u, 114688u}, {0x00030000u, 114688u}" in header and "{0x000f2000u, 8192u}" in header
    assert files["include/layout.h"] == render("nano33ble", title="another")["include/layout.h"]
    assert b"LAYOUT_UNIT_BYTES 256u" in render("pico")["include/layout.h"], "whole pages"
    ini = files["platformio.ini"].decode()
    assert "[env:nano33ble-bootloader]" in ini and "[env:twin-bootloader]" in ini
    flags = json.loads(files["boards/tinyops-nano33ble-bootloader.json"])["build"]["cpu_flags"]
    assert "-mfloat-abi=soft" in flags and "-mfpu=fpv4-sp-d16" not in flags


def test_a_firmware_of_an_arduino_core_has_no_bootloader_and_one_slot() -> None:
    board = load_catalog()["nano33ble"].built_with("arduino")
    layout = board.spec.layout
    assert layout is not None and layout.own_bootloader is None and board.spec.update.kind == "usb-gateway"
    assert [(slot.origin, slot.bytes) for slot in layout.firmware] == [(0x10000, 0x3C000)]
    assert len(layout.model) == 2 and layout.state is not None, "models have theirs all the same"
    files = render_project(board="nano33ble", spec=board.spec, fleet="f", sensor={}, contract=contract_of(board.spec))
    assert "twin/include/layout.h" not in files and "src/boot/main.c" not in files


def test_only_a_board_without_a_machine_of_its_own_gets_a_twin_environment() -> None:
    assert "[env:twin]" in render("nano33ble")["platformio.ini"].decode()
    assert "src/mps2/port.c" in render("nano33ble")
    assert "[env:twin]" not in render("microbit")["platformio.ini"].decode()
    assert "src/mps2/port.c" not in render("microbit")


def test_the_pins_are_the_boards() -> None:
    assert "BOARD_TX_SELECT 24u" in render("microbit")["include/pins.h"].decode()
    pins = render("nano33ble")["include/pins.h"].decode()
    version_2 = render("microbit-v2")["include/pins.h"].decode()
    assert "BOARD_TX_SELECT 6u" in version_2 and "BOARD_RX_SELECT 40u" in version_2
    assert "BOARD_TX_SELECT 35u" in pins and "BOARD_RX_SELECT 42u" in pins and "0x50000300u" in pins


def test_a_board_with_an_operating_system_has_no_project() -> None:
    assert render("linux") == {}


def test_text_from_specs_cannot_leave_its_comment() -> None:
    title = "Evil */ int x; /*\n[env:other]\nboard = other"
    files = render("microbit", title=title)
    for name in ("include/contract.h", "src/main.c", "link/microbit.ld"):
        text = files[name].decode()
        assert text.count("/*") == text.count("*/"), name
    ini = files["platformio.ini"].decode()
    assert "\n[env:other]" not in ini and "\nboard = other" not in ini


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"abi": 2}, "abi is 2"),
        ({"input": None}, "not a contract"),
        ({"arena_bytes": "many"}, "arena_bytes is 'many'"),
        ({"arena_bytes": True}, "arena_bytes is True"),
        ({"arena_bytes": 0}, "arena_bytes is 0"),
        ({"input": {"frame_values": -1}}, "frame_values is -1"),
        ({"input": {"frame_values": 1 << 40}}, "frame_values is"),
    ],
)
def test_a_bad_contract_is_refused_by_field(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        read_contract(contract_of(spec_of("microbit"), **changes))


@pytest.mark.parametrize("value", [None, [], 3, "x", {"abi": 1}])
def test_what_is_no_contract_is_refused(value: object) -> None:
    with pytest.raises(SpecError, match="not a contract"):
        read_contract(value)


def test_a_contract_of_another_board_is_refused() -> None:
    spec = spec_of("microbit")
    with pytest.raises(SpecError, match="its arena of 4096 bytes is not microbit's of 10240"):
        render_project(board="microbit", spec=spec, fleet="f", sensor={}, contract=contract_of(spec, arena_bytes=4096))


def test_a_board_whose_pins_are_not_known_is_refused() -> None:
    spec = spec_of("microbit").model_copy(update={"pins": None})
    with pytest.raises(SpecError, match="does not know the pins"):
        render_project(board="other", spec=spec, fleet="f", sensor={}, contract=contract_of(spec))


def test_a_pin_of_a_port_that_the_chips_lack_is_refused() -> None:
    spec = spec_of("microbit")
    assert spec.pins is not None
    tx = spec.pins.tx.model_copy(update={"port": 2})
    spec = spec.model_copy(update={"pins": spec.pins.model_copy(update={"tx": tx})})
    with pytest.raises(SpecError, match="have no port 2"):
        render_project(board="microbit", spec=spec, fleet="f", sensor={}, contract=contract_of(spec))


def test_a_twin_has_the_boards_memories_where_its_machine_has_memory() -> None:
    script = render("nano33ble")["link/twin.ld"].decode()
    assert "tinyops_model_slot = 0x0004c020;" in script, "the board's own address, where the machine has memory"
    assert "flash (rx) : ORIGIN = 0x00014100" in script
    assert "flash (rx) : ORIGIN = 0x00000000" in render("nano33ble")["link/twin-bootloader.ld"].decode()
    script = render("nucleo-h743zi")["twin/link/twin.ld"].decode()
    assert "tinyops_model_slot = 0x00040000;" in script, "behind the firmware"
    assert "ram (rw) : ORIGIN = 0x20000000, LENGTH = DEFINED(tinyops_measure) ? 0x10000000 : 524288" in script
    script = render("pico2")["twin/link/twin.ld"].decode()
    assert "flash (rx) : ORIGIN = 0x10000000" in script
    assert "ram (rw) : ORIGIN = 0x38000000" in script


def test_a_board_without_a_port_of_its_own_has_a_project_for_its_twin() -> None:
    arduino, library = render("teensy41"), render("coral-micro")
    assert "src/main.cpp" in arduino and "twin/src/main.c" in arduino and "twin/src/mps2/port.c" in arduino
    assert b"-I src/fetched" in arduino["platformio.ini"]
    assert b"{0x60100000u, 3145728u}, {0x60400000u, 3145728u}" in arduino["include/layout.h"]
    assert b"{0x00000000u, 0u}, {0x00000000u, 0u}" in arduino["include/layout.h"], "firmware comes over a cable"
    assert "src/update/slots.c" in arduino and "src/vendor/vendor.c" not in arduino
    assert b"tinyops_boot_own" in arduino["src/main.cpp"] and b"tinyops_boot" not in arduino["twin/src/main.c"]
    without_log = render("uno-r4")
    assert b"-Wl,--defsym=tinyops_model_slot=0x00020000" in without_log["platformio.ini"]
    assert "src/vendor/vendor.c" in render("esp32")
    assert (
        b"-Wl,--defsym=tinyops_model_slot=0x60100020 -Wl,--defsym=tinyops_model_slot_b=0x60400020"
        in arduino["platformio.ini"]
    )
    assert (
        b"default_envs = twin" in library["twin/platformio.ini"]
        and b"default_envs = twin" in arduino["twin/platformio.ini"]
    )
    assert not any("riscv" in name for name in arduino)


def test_a_risc_v_firmware_brings_what_its_compiler_has_no_library_for() -> None:
    files = render("esp32c3")
    assert {"twin/src/riscv/startup.c", "twin/src/riscv/memory.c", "twin/src/riscv/string.h"} <= files.keys()
    build = json.loads(files["twin/boards/tinyops-virt.json"])["build"]
    assert (build["tools"], build["c_library"]) == ("riscv64-unknown-elf", False)
    assert b"tinyops_model_slot" not in files["twin/link/twin.ld"], "the model is linked in"


def test_a_pico_w_drives_neither_led_nor_supply_which_are_its_radios() -> None:
    assert b"#define BOARD_LED_PIN 25u" in render("pico")["include/pins.h"]
    assert b"#define BOARD_SUPPLY_PIN 29u" in render("pico")["include/pins.h"]
    assert b"BOARD_" not in render("pico-w")["include/pins.h"]


def test_a_core_without_start_up_code_is_refused() -> None:
    with pytest.raises(SpecError, match="no bare-metal firmware for a xtensa-lx6"):
        family("xtensa-lx6")


def test_a_linked_model_lies_in_every_project(tmp_path: Path) -> None:
    (tmp_path / "model.c").write_bytes(b"/* C */")
    files = with_model(render("esp32c3"), {"model.c": tmp_path / "model.c"})
    assert files["src/model/model.c"] == files["twin/src/model/model.c"] == b"/* C */"


def test_an_onboard_sensor_without_a_driver_is_not_hidden() -> None:
    spec = spec_of("nano33ble")
    files = render_project(board="nano33ble", spec=spec, fleet="f", sensor="onboard-imu", contract=contract_of(spec))
    assert b"onboard-imu; this version has no driver for it" in files["src/main.c"]


def test_board_files_of_platformio_are_json() -> None:
    for name, data in render("nano33ble").items():
        if name.startswith("boards/"):
            assert json.loads(data)["build"]["cpu_flags"][:1] == ["-mthumb"]


def sensing_project(sensor: str, channels: list[str], full_scale: list[float]) -> dict[str, bytes]:
    spec = spec_of("nano33ble", port="arduino")
    given = {"sensor": "imu", "channels": channels, "full_scale": full_scale, "frame_values": 2, "rate_hz": 10}
    return render_project(
        board="nano33ble",
        spec=spec,
        fleet="wrist",
        sensor={"kind": "onboard", "name": sensor},
        contract=contract_of(spec, input=given),
    )


def test_an_arduino_project_has_its_sensor_s_driver_and_no_other() -> None:
    files = sensing_project("onboard-imu", ["gz", "ax"], [35, 40])
    drivers = {n for n in files if n.startswith("src/arduino/") and n.endswith(".cpp")}
    assert drivers & {f"src/arduino/{n}.cpp" for n in ("lsm9ds1", "bmi270", "pdm", "ov7670")} == {
        "src/arduino/lsm9ds1.cpp"
    }
    assert {"src/arduino/sensor.h", "src/arduino/library.h", "src/arduino/imu.h"} <= files.keys()
    main = files["src/main.cpp"].decode()
    assert "channels[] = {5, 0};" in main and "counts[] = {9.362285714e+02f, 8.192000000e+02f};" in main
    assert "port.sensor = tinyops_arduino_sensor(" in main and "Input: onboard-imu, LSM9DS1" in main
    libraries = files["platformio.ini"].decode()
    assert "Arduino_LSM9DS1@" in libraries and "OV767X" not in libraries
    assert "twin/src/mps2/port.c" in files and not any("sensor.h" in n for n in files if n.startswith("twin/"))


def test_an_arduino_project_that_is_fed_by_its_host_has_no_driver() -> None:
    files = render("nano33ble", port="arduino")
    assert not {"src/arduino/sensor.h", "src/arduino/lsm9ds1.cpp"} & files.keys()
    assert b"sensor.h" not in files["src/main.cpp"] and b"lib_deps" not in files["platformio.ini"]


def test_channels_that_the_sensor_lacks_are_refused() -> None:
    with pytest.raises(SpecError, match="onboard-imu of nano33ble has no channel temperature"):
        sensing_project("onboard-imu", ["ax", "temperature"], [1, 1])
    with pytest.raises(SpecError, match="no driver for sensor 'nose'"):
        sensing_project("nose", ["ax"], [1])
    with pytest.raises(SpecError, match="full scale"):
        sensing_project("onboard-imu", ["ax", "ay"], [1])
