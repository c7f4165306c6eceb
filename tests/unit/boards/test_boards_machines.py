"""The machines of twins: which boards they can be, and where a board's memories lie in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyops.boards import catalog_folder, load_catalog
from tinyops.boards.layout import Layout, Region
from tinyops.boards.machines import QEMU, place
from tinyops.errors import SpecError
from tinyops.specs.lock import wanted_programs
from tinyops.toolchain import COMPILERS, DEBIAN_PACKAGES

MIB = 1 << 20


def memories(name: str) -> tuple:
    spec = load_catalog()[name].spec
    return spec.memory, spec.layout


def refused(tmp_path: Path, name: str, before: str, after: str) -> str:
    text = (catalog_folder() / f"{name}.yaml").read_text().replace(f"{{name: {name}}}", "{name: mine}")
    assert before in text
    (tmp_path / "mine.yaml").write_text(text.replace(before, after))
    with pytest.raises(SpecError) as error:
        load_catalog(tmp_path)
    return str(error.value)


def test_every_machine_that_is_no_boards_own_has_memory_apart() -> None:
    for name, machine in QEMU.items():
        rooms = [machine.code, machine.ram, *([machine.more] if machine.more else [])]
        if machine.port:
            assert all(a.end <= b.origin or b.end <= a.origin for a in rooms for b in rooms if a is not b), name


def test_what_a_machine_has_at_the_boards_own_address_stays_there() -> None:
    memory, layout = memories("nano33ble-radio")
    placed = place(QEMU["mps2-an386"], memory, layout)
    assert placed.model == (layout.model[0],) and placed.ram == memory.ram
    assert placed.firmware == (Region(origin=0, bytes=393216),) and placed.bootloader is None


def test_what_a_bootloader_of_ours_starts_lies_where_it_does_on_the_board() -> None:
    memory, layout = memories("nano33ble")
    placed = place(QEMU["mps2-an386"], memory, layout)
    assert (placed.firmware, placed.model, placed.ram) == (layout.firmware, layout.model, memory.ram)
    assert placed.bootloader == Region(origin=0, bytes=16384), "which is where the machine starts"
    low = layout.model_copy(update={"firmware": (Region(origin=0x2000, bytes=0x1C000), layout.firmware[1])})
    with pytest.raises(ValueError, match=r"firmware 0 where it lies on the board \(0x2000 to 0x1e000\)"):
        place(QEMU["mps2-an386"], memory, low)
    with pytest.raises(ValueError, match="firmware 0 where it lies"):
        place(QEMU["mps2-an386"], *memories("pico"))


def test_a_slot_that_code_memory_cannot_hold_goes_elsewhere() -> None:
    memory, layout = memories("teensy41")
    assert place(QEMU["mps2-an500"], memory, layout).model == (Region(origin=MIB, bytes=3 * MIB),)
    large = Region(origin=0x60100000, bytes=3 * MIB + 4096)
    moved = Layout(**{**layout.model_dump(), "model": [large.model_dump()]})
    assert place(QEMU["mps2-an500"], memory, moved).model == (Region(origin=0x60000000, bytes=large.bytes),)


def test_a_board_without_model_slots_has_none_in_its_twin() -> None:
    placed = place(QEMU["virt"], *memories("esp32c3"))
    assert placed.model == ()
    assert placed.ram == Region(origin=0x82000000, bytes=327680)


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        ("nano33ble", "mps2-an386", "mps2-an999", "unknown machine 'mps2-an999'"),
        ("nano33ble", "mps2-an386", "mps2-an500", "the machine 'mps2-an500' is no twin of a cortex-m4f"),
        ("nano33ble", "machine: mps2-an386", 'machine: ""', "needs the name of its machine"),
        ("nano33ble", "same_machine: false", "same_machine: true", "must be false with this machine"),
        ("microbit", "same_machine: true", "same_machine: false", "must be true with this machine"),
        ("nano33ble", "bytes: 262144}", "bytes: 8388608}", "has no room for RAM of 8,388,608 bytes"),
        ("raspberrypi4", "cpu: aarch64", "cpu: x86-64", "no twin runs processes of a x86-64"),
    ],
)
def test_a_twin_that_cannot_be_is_refused_at_its_place(
    tmp_path: Path, name: str, before: str, after: str, said: str
) -> None:
    message = refused(tmp_path, name, before, after)
    assert said in message
    assert "mine.yaml:" in message


def test_whoever_emulates_and_compiles_can_be_installed() -> None:
    for board in load_catalog().values():
        assert board.spec.emulator is None or board.spec.emulator in {*DEBIAN_PACKAGES, "rp2040js"}
        assert board.spec.cpu not in COMPILERS or board.spec.compiler in COMPILERS[board.spec.cpu]


@pytest.mark.parametrize(
    ("name", "compiler", "emulators"),
    [
        ("linux", "gcc", set()),
        ("raspberrypi4", "aarch64-linux-gnu-gcc", {"qemu-aarch64"}),
        ("esp32c3", "riscv64-unknown-elf-gcc", {"qemu-system-riscv32"}),
        ("pico2", "arm-none-eabi-gcc", {"qemu-system-arm"}),
        ("pico", "arm-none-eabi-gcc", {"rp2040js"}),
        ("mega2560", "avr-gcc", {"simavr"}),
    ],
)
def test_the_lock_pins_what_a_boards_twin_runs_in(name: str, compiler: str, emulators: set[str]) -> None:
    assert wanted_programs({name: load_catalog()[name]}) == ({compiler}, emulators)


def test_a_core_that_nothing_here_compiles_for_needs_no_compiler() -> None:
    catalog = load_catalog()
    assert wanted_programs({"esp32": catalog["esp32"]}) == (set(), set())
