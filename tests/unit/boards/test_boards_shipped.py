"""Every board that is shipped: what its file says can be so, and claims nothing that nobody saw."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tinyops.boards import Board, load_catalog
from tinyops.boards.machines import QEMU
from tinyops.boards.mcus import FAMILIES, mcu_fault
from tinyops.boards.model import BARE_METAL_PORTS, BoardSpec
from tinyops.firmware.forms.arduino import SENSORS
from tinyops.firmware.project import RUNTIME

CATALOG = load_catalog()
# Those of the issue that asked for a catalogue, by the names that they have here.
WANTED = {"pico", "pico-w", "nano33ble", "raspberrypi4", "jetson-nano", "coral-dev-board", "phone", "esp32", "esp32s3"}
WANTED |= {"microbit", "microbit-v2", "uno-r4", "mega2560", "linux", "pico2", "coral-micro", "esp32c3", "teensy41"}
WANTED |= {"nucleo-h743zi"}
UNITS = {"m/s2", "rad/s", "g", "dps", "1"}
boards = pytest.mark.parametrize("board", CATALOG.values(), ids=lambda board: board.name)


def test_the_boards_that_were_asked_for_are_there() -> None:
    assert CATALOG.keys() >= WANTED


@boards
def test_slots_lie_in_one_flash_on_its_sectors(board: Board) -> None:
    layout, memory = board.spec.layout, board.spec.memory
    if layout is None or memory is None:
        assert board.spec.twin.kind in ("native", "qemu-user", "browser")
        return
    assert len(layout.model) in (0, 2), "an update needs a spare slot"
    assert len({slot.bytes for slot in layout.model}) <= 1, "an image fits both slots or none"
    for name, region in layout.named():
        (flash,) = [f for f in memory.flash if f.origin <= region.origin and region.end <= f.end]
        assert (region.origin - flash.origin) % flash.erase_bytes == 0, name
        assert region.bytes % flash.erase_bytes == 0, name
    if layout.settings is not None:
        (flash,) = [f for f in memory.flash if f.origin <= layout.settings.origin < f.end]
        assert layout.settings.bytes >= 2 * flash.erase_bytes, "two copies, switched atomically"


@boards
def test_twins_are_known_and_say_what_they_leave_out(board: Board) -> None:
    twin = board.spec.twin
    assert twin.not_covered
    assert twin.kind != "qemu" or board.spec.cpu in QEMU[twin.machine].cpus
    assert twin.kind != "none" or not twin.same_machine


@boards
def test_what_a_cable_needs_is_there(board: Board) -> None:
    spec = board.spec
    if "usb" in spec.transports:
        assert spec.usb and spec.flash_tool is not None
        assert len(set(spec.usb)) == len(spec.usb)
    if spec.flash_tool is not None and spec.flash_tool.kind == "copy":
        assert spec.flash_tool.volume
    assert spec.flash_tool is None or (spec.flash_tool.file == "uf2") == spec.mcu.startswith("RP2")


@boards
def test_sensors_have_known_units_and_rates_or_a_size(board: Board) -> None:
    for sensor in board.spec.sensors:
        assert set(sensor.units) <= UNITS, sensor.name
        assert bool(sensor.rates_hz) != (sensor.size is not None), sensor.name
        assert list(sensor.rates_hz) == sorted(set(sensor.rates_hz)), sensor.name


@boards
def test_only_the_machine_that_runs_the_tests_ran(board: Board) -> None:
    assert board.spec.silicon.run == (board.name == "linux")
    assert board.spec.silicon.note


@boards
def test_firmware_can_be_made_of_it(board: Board) -> None:
    spec = board.spec
    assert not spec.frameworks or spec.layout is not None
    assert spec.port != "nrf5" or spec.pins is not None
    assert spec.port in (*BARE_METAL_PORTS, "arduino", "library", "linux", "browser")
    if spec.arduino is not None:
        assert spec.arduino.drivers.keys() <= {sensor.name for sensor in spec.sensors}


def test_boards_with_one_usb_id_are_no_fault() -> None:
    shared = {(usb.vid, usb.pid) for usb in CATALOG["microbit"].spec.usb}
    assert shared == {(usb.vid, usb.pid) for usb in CATALOG["microbit-v2"].spec.usb}


@pytest.mark.parametrize(("pattern", "example", "cores"), FAMILIES)
def test_an_example_of_each_family_is_of_that_family(pattern: str, example: str, cores: tuple[str, ...]) -> None:
    for core in cores:
        assert mcu_fault(example, core, declared_other=False) is None
    fault = mcu_fault(example, "x86-64", declared_other=True)
    assert fault is not None and fault.field == "cpu" and " or ".join(cores) in fault.hint


@pytest.mark.parametrize(
    ("mcu", "hint"),
    [("nFR52840", "did you mean nRF52840?"), ("RP204O", "did you mean RP2040?"), ("Z80", "other_mcu: true"), ("", "")],
)
def test_an_unknown_chip_is_refused_unless_it_is_said_to_be_another(mcu: str, hint: str) -> None:
    fault = mcu_fault(mcu, "cortex-m4f", declared_other=False)
    assert fault is not None and fault.field == "mcu" and hint in fault.hint
    assert mcu_fault(mcu, "cortex-m4f", declared_other=True) is None


@pytest.mark.parametrize(
    ("mcu", "cpu"),
    [
        ("i.MX RT1176", "cortex-m7"),
        ("ESP32-C3", "riscv32"),
        ("esp32-s3-wroom-1", "xtensa-lx7"),
        ("ESP32-D0WD", "xtensa-lx6"),
        ("STM32L476RG", "cortex-m4f"),
        ("RP2350", "riscv32"),
    ],
)
def test_chips_are_known_by_how_their_names_begin(mcu: str, cpu: str) -> None:
    assert mcu_fault(mcu, cpu, declared_other=False) is None


@pytest.mark.parametrize("name", sorted(n for n, b in load_catalog().items() if b.spec.arduino))
def test_each_driver_is_a_file_of_the_arduino_port(name: str) -> None:
    arduino = load_catalog()[name].spec.arduino
    assert arduino is not None
    for driver in arduino.drivers.values():
        assert (RUNTIME / SENSORS / f"{driver.file}.cpp").is_file(), driver.file


def test_each_driver_of_the_arduino_port_is_some_board_s() -> None:
    named = {d.file for b in load_catalog().values() if b.spec.arduino for d in b.spec.arduino.drivers.values()}
    assert named == {path.stem for path in (RUNTIME / SENSORS).glob("*.cpp")}


def test_each_driver_of_a_bare_metal_port_is_some_board_s() -> None:
    """A folder that says how it is attached, with what every driver is written against."""
    named = {(b.spec.port, folder) for b in load_catalog().values() for folder in b.spec.drivers.values()}
    found = {(h.parents[1].name, h.parent.name) for h in (RUNTIME / "port").glob("*/*/sensor_driver.h")}
    assert named == found


def test_a_driver_is_of_a_sensor_that_the_board_has() -> None:
    facts = CATALOG["microbit"].spec.model_dump(mode="json")
    with pytest.raises(ValidationError, match="there is no sensor 'onboard-gyroscope'"):
        BoardSpec.model_validate(facts | {"drivers": {"onboard-gyroscope": "accelerometer"}})
