"""Into the bootloader, and out of it: how each board is met there, and brought back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fakes.flashing import CONTRACT, DIGEST, around_board, info, put_program
from fakes.smp_board import INFO, SmpBoard, serving
from fakes.usb_tree import UsbTree
from tinyops.boards import load_catalog
from tinyops.boards.udev import SHIPPED
from tinyops.device.flashing.choose import choose
from tinyops.device.flashing.drive import copy
from tinyops.device.flashing.session import Expected, flash
from tinyops.device.identify import identify
from tinyops.device.identify.usb import connected
from tinyops.errors import ToolError

CATALOG = load_catalog()


def test_a_bootloader_that_shows_nothing_new_on_usb_is_flashed_on_the_same_port(
    tree: UsbTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.plug(0x2341, 0x1002, tty="ttyACM0")
    log = put_program(tmp_path, monkeypatch, "bossac", "")
    file = tmp_path / "firmware.bin"
    file.write_bytes(b"x")
    around = around_board(
        tree,
        port_fault=lambda _: "",
        touch=lambda _: None,
        ask=lambda *_: info("uno-r4"),
        wait_s=5,
        stays_s=0.1,
    )
    done = flash(choose("uno-r4", connected(tree.root), CATALOG), file, Expected(DIGEST), around, lambda _: None)
    assert done.verified and log.read_text() == f"--port=ttyACM0 --erase --write {file} --reset\n"


@pytest.mark.parametrize("name", ["pico", "pico-w", "pico2"])
def test_a_running_pico_is_touched_and_flashed_through_the_drive_that_then_comes(
    name: str, tree: UsbTree, tmp_path: Path, uf2: Path, drive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # without picotool, which Debian does not have
    way = CATALOG[name].spec.flash_tool
    ids = {mode: next(u for u in CATALOG[name].spec.usb if u.mode == mode) for mode in ("application", "bootloader")}
    assert way is not None
    (drive / "INFO_UF2.TXT").write_text(f"UF2 Bootloader v3.0\r\nBoard-ID: {way.volume}\r\n")
    at = tree.plug(ids["application"].vid, ids["application"].pid, tty="ttyACM0")
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sdb1 {drive} vfat rw 0 0\n")

    def touch(port: str) -> None:
        assert port == "/dev/ttyACM0"
        tree.unplug(at)
        tree.plug(ids["bootloader"].vid, ids["bootloader"].pid, disk="sdb")

    around = around_board(
        tree,
        port_fault=lambda _: "",
        touch=touch,
        ask=lambda *_: info(name),
        wait_s=2,
        mounts=mounts,
    )
    target = choose(name, connected(tree.root), CATALOG)
    target = replace(target, usb=replace(target.usb, at="1-2"))  # where this tree puts what is plugged in next
    done = flash(target, uf2, Expected(DIGEST), around, lambda _: None, verify_port="/dev/ttyS0")
    assert done.verified and (drive / "firmware.uf2").read_bytes() == uf2.read_bytes()


def test_firmware_and_boot_rom_of_one_id_are_told_apart_by_the_line(tree: UsbTree) -> None:
    tree.plug(0x2E8A, 0x000F, disk="sdb")
    assert choose("pico2", connected(tree.root), CATALOG).mode == "bootloader"
    (found,) = identify(connected(tree.root), CATALOG)
    assert found.in_bootloader and [(c.board, c.mode) for c in found.candidates] == [("pico2", "bootloader")]
    tree.unplug("1-1")
    tree.plug(0x2E8A, 0x000F, tty="ttyACM0")
    assert choose("pico2", connected(tree.root), CATALOG).mode == "application"
    (found,) = identify(connected(tree.root), CATALOG, question=lambda *_: info("pico2"))
    assert not found.in_bootloader and found.asked


def test_a_teensy_that_runs_is_left_to_its_loader(
    tree: UsbTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.plug(0x16C0, 0x0483, tty="ttyACM0")
    log = put_program(tmp_path, monkeypatch, "teensy_loader_cli", "")
    file = tmp_path / "firmware.hex"
    file.write_text(":00000001FF\n")
    around = around_board(tree, ask=lambda *_: info("teensy41"), wait_s=1)
    done = flash(choose("teensy41", connected(tree.root), CATALOG), file, Expected(DIGEST), around, lambda _: None)
    assert done.verified and log.read_text() == f"--mcu=TEENSY41 -w -s -v {file}\n"


def bootloaders() -> list[tuple[str, int, int]]:
    return [(n, u.vid, u.pid) for n, b in CATALOG.items() for u in b.spec.usb if u.mode == "bootloader"]


def test_boards_whose_way_needs_a_bootloader_on_usb_say_under_which_id_it_shows() -> None:
    have = {name for name, _, _ in bootloaders()}
    for name, board in CATALOG.items():
        if board.spec.flash_tool is not None and board.spec.flash_tool.kind in ("picotool", "teensy", "dfu-util"):
            assert name in have
        if board.spec.flash_tool is not None and board.spec.flash_tool.touch_1200:
            assert name in have
    assert have >= {"pico", "pico-w", "pico2", "nano33ble", "nano33ble-rev2", "uno-r4", "teensy41", "coral-micro"}


@pytest.mark.parametrize(("name", "vid", "pid"), bootloaders())
def test_a_board_that_waits_in_its_bootloader_is_found_and_udev_lets_it_be_opened(
    name: str, vid: int, pid: int, tree: UsbTree
) -> None:
    tree.plug(vid, pid, disk="sdb", serial="17")
    usb = connected(tree.root)
    assert choose(name, usb, CATALOG, serial="17").mode == "bootloader"
    (found,) = identify(usb, CATALOG)
    assert found.in_bootloader and name in {c.board for c in found.candidates} and not found.asked
    assert f'ATTRS{{idVendor}}=="{vid:04x}", ATTRS{{idProduct}}=="{pid:04x}", MODE=' in SHIPPED.read_text()


def test_a_drive_of_another_board_and_of_an_interface_chip_are_refused(drive: Path, uf2: Path) -> None:
    (drive / "INFO_UF2.TXT").write_text("UF2 Bootloader v1.0\r\nModel: Raspberry Pi RP2350\r\nBoard-ID: RP2350\r\n")
    with pytest.raises(ToolError, match="is the drive of a RP2350, not of a RPI-RP2"):
        copy(uf2, drive, lambda _: None, after_cut="-", volume="RPI-RP2")
    copy(uf2, drive, lambda _: None, after_cut="-", volume="RP2350")
    (drive / "DETAILS.TXT").write_text("# DAPLink Firmware\r\nDaplink Mode: Bootloader\r\n")
    with pytest.raises(ToolError, match="takes the firmware of the interface chip") as caught:
        copy(uf2, drive, lambda _: None, after_cut="-")
    assert "without holding its reset button" in caught.value.hint
    (drive / "DETAILS.TXT").write_text("# DAPLink Firmware\r\nDaplink Mode: Interface\r\n")
    copy(uf2, drive, lambda _: None, after_cut="-")


def test_a_board_that_needs_its_button_pressed_says_so_before_anything_is_run(
    tree: UsbTree, tmp_path: Path, uf2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.plug(0x2E8A, 0x000A, tty="ttyACM0")
    touched: list[str] = []
    around = around_board(
        tree,
        port_fault=lambda _: "",
        touch=touched.append,
        wait_s=5,
        stays_s=0.1,
        mounts=tmp_path / "none",
    )
    target = choose("pico", connected(tree.root), CATALOG)
    with pytest.raises(ToolError, match="runs its firmware") as caught:
        flash(target, uf2, Expected(), around, lambda _: None)
    assert "BOOTSEL" in caught.value.hint and touched == ["/dev/ttyACM0"]


def test_a_pico_stuck_in_its_boot_rom_is_brought_back_through_its_drive(
    tree: UsbTree, tmp_path: Path, drive: Path, uf2: Path
) -> None:
    tree.plug(0x2E8A, 0x0003, disk="sdb")
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sdb1 {drive} vfat rw 0 0\n")
    answers = {**INFO, "board": "pico", "firmware": DIGEST, "contract": CONTRACT}
    with serving(SmpBoard(replace={(64, 0): answers})) as port:
        around = around_board(tree, wait_s=2, mounts=mounts)
        target = choose("pico", connected(tree.root), CATALOG)
        assert target.mode == "bootloader"
        done = flash(target, uf2, Expected(DIGEST, CONTRACT), around, lambda _: None, verify_port=port)
    assert done.verified and (drive / "firmware.uf2").read_bytes() == uf2.read_bytes()
