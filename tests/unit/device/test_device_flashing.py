"""Flashing: what each program is told, which device is meant, what is said when it goes wrong."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.flashing import CONTRACT, DIGEST, around_board, info, put_program
from fakes.usb_tree import UsbTree
from tinyops import doctor
from tinyops.boards import load_catalog
from tinyops.boards.model import Board, FlashTool
from tinyops.device.flashing import WAYS, Job, percent, way_of
from tinyops.device.flashing.choose import Target, choose
from tinyops.device.flashing.drive import copy, mounted
from tinyops.device.flashing.session import Expected, Flashed, Surroundings, flash, judge, port_fault
from tinyops.device.identify.usb import UsbDevice, connected
from tinyops.errors import ToolError, UsageError
from tinyops.link.client import LinkTimeout
from tinyops.link.smp import BoardInfo

CATALOG = load_catalog()
USB = UsbDevice(0x2E8A, 0x0003, "ABC123", at="1-2", bus=1, address=7)
FULL = UsbDevice(0x2341, 0x0042, "75634", "Mega", at="1-1", ports=("/dev/ttyACM0",))


def tool(kind: str, file: str = "bin", **options: str | int) -> FlashTool:
    return FlashTool.model_validate({"kind": kind, "file": file, "options": options})


def job(
    kind: str, file: str, usb: UsbDevice | None = USB, port: str | None = "/dev/ttyACM0", **options: str | int
) -> Job:
    return Job("it", tool(kind, **options), Path(file), 0x8000000, port, usb, blank=Path("/f/blank.bin"))


@pytest.mark.parametrize(
    ("given", "argv"),
    [
        (job("picotool", "/f/a.uf2"), "load --verify --execute /f/a.uf2 --bus 1 --address 7"),
        (job("bossac", "/f/a.bin"), "--port=ttyACM0 --erase --write --verify /f/a.bin --reset"),
        (job("bossac", "a.bin", verify="no"), "--port=ttyACM0 --erase --write a.bin --reset"),
        (job("bossac", "a.bin", offset=16384), "--port=ttyACM0 --offset=0x4000 --erase --write --verify a.bin --reset"),
        (
            job("esptool", "a.bin", chip="esp32s3", baud=460800),
            "--chip esp32s3 --port /dev/ttyACM0 --baud 460800 write_flash 0x10000 a.bin",
        ),
        (
            job("esptool", "a.bin", chip="esp32", otadata=57344),
            "--chip esp32 --port /dev/ttyACM0 --baud 460800 write_flash 0x10000 a.bin 0xe000 /f/blank.bin",
        ),
        (
            job("avrdude", "a.hex", programmer="wiring", part="m2560", baud=115200),
            "-c wiring -p m2560 -P /dev/ttyACM0 -b 115200 -D -U flash:w:a.hex:i",
        ),
        (
            job("openocd", "a.bin", interface="interface/stlink.cfg", target="target/stm32f4x.cfg"),
            "-f interface/stlink.cfg -f target/stm32f4x.cfg -c adapter serial ABC123 "
            "-c program {a.bin} verify reset exit 0x8000000",
        ),
        (
            job("openocd", "a.hex", board="st_nucleo_h743zi"),
            "-f board/st_nucleo_h743zi.cfg -c adapter serial ABC123 -c program {a.hex} verify reset exit",
        ),
        (
            job("openocd", "a.elf", target="t", usb=None),
            "-f interface/cmsis-dap.cfg -f t -c program {a.elf} verify reset exit",
        ),
        (job("dfu-util", "a.bin"), "--reset --alt 0 --device 2e8a:0003 --serial ABC123 --download a.bin"),
        (
            job("dfu-util", "a.bin", usb=replace(USB, serial=""), address="0x8000000"),
            "--reset --alt 0 --device 2e8a:0003 --path 1-2 --dfuse-address 0x8000000:leave --download a.bin",
        ),
        (job("teensy", "a.hex"), "--mcu=TEENSY41 -w -s -v a.hex"),
    ],
    ids=lambda value: value.tool.kind if isinstance(value, Job) else "",
)
def test_each_program_is_told_file_board_and_place(given: Job, argv: str) -> None:
    command = WAYS[given.tool.kind].command(Path("/bin/it"), given)
    assert " ".join(command) == f"/bin/it {argv}"
    assert all(isinstance(word, str) for word in command)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (replace(job("teensy", "a.hex"), others=True), "cannot choose"),
        (replace(job("picotool", "a.uf2", usb=None), others=True), "several wait"),
        (job("avrdude", "a:b.hex", part="m"), "no colon"),
        (job("openocd", "a};shutdown;{.elf", target="t"), "no such path"),
        (job("openocd", "a.elf", usb=replace(USB, serial="1; exit"), target="t"), "cannot be named"),
        (job("openocd", "a.elf"), "it: OpenOCD is told of no chip"),
    ],
)
def test_what_a_program_cannot_be_told_is_refused(given: Job, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        WAYS[given.tool.kind].command(Path("/bin/it"), given)


def test_every_way_in_the_catalogue_is_there_and_says_what_is_left_after_a_cut() -> None:
    for board in CATALOG.values():
        if board.spec.flash_tool is not None and board.spec.flash_tool.kind != "vendor":
            _, way = way_of(board)
            assert way.after_cut and (way.package or way.needs == "drive")
    for name in ("linux", "phone"):
        with pytest.raises(ToolError, match="operating system"):
            way_of(CATALOG[name])


def test_doctor_lists_every_program_with_its_package() -> None:
    assert dict(doctor.FLASH_TOOLS) == {way.program: way.package for way in WAYS.values() if way.program}


@pytest.mark.parametrize(
    ("line", "done"),
    [
        ("Loading: [====  ]  45%", 45),
        ("Writing at 0x00010000... (12 %)", 12),
        ("12.5% 99.9%", 99),
        ("none", None),
        ("999%", 100),
    ],
)
def test_progress_is_the_last_percentage(line: str, done: int | None) -> None:
    assert percent(line) == done


# -- which device ------------------------------------------------------------------------------


def test_a_board_is_found_by_its_name_in_any_mode() -> None:
    found = choose("mega2560", [USB, FULL], CATALOG)
    assert (found.port, found.mode, found.others) == ("/dev/ttyACM0", "application", False)
    assert choose("pico", [USB, FULL], CATALOG).mode == "bootloader"


def test_of_several_the_serial_number_chooses_and_all_are_named() -> None:
    other = replace(FULL, serial="99", at="1-3", ports=("/dev/ttyACM1",))
    with pytest.raises(
        UsageError, match=r"2 devices could be it: serial number 75634 at /dev/ttyACM0, serial number 99"
    ):
        choose("mega2560", [FULL, other], CATALOG)
    found = choose("mega2560", [FULL, other], CATALOG, serial="99")
    assert found.port == "/dev/ttyACM1" and found.others
    with pytest.raises(ToolError, match="none with serial number 5; there is serial number 75634"):
        choose("mega2560", [FULL], CATALOG, serial="5")


def test_what_is_not_connected_or_not_known_is_said() -> None:
    with pytest.raises(ToolError, match="mega2560: none is connected"):
        choose("mega2560", [USB], CATALOG)
    with pytest.raises(UsageError, match="not in the catalogue"):
        choose("nonesuch", [USB], CATALOG)
    with pytest.raises(UsageError, match="no board that the catalogue knows"):
        choose("/dev/ttyS0", [FULL], CATALOG)


def test_a_port_means_the_board_whose_id_it_has_or_the_one_that_is_said() -> None:
    assert choose("/dev/ttyACM0", [FULL], CATALOG).board.name == "mega2560"
    assert choose("/dev/ttyS0", [FULL], CATALOG, board="mega2560").board.name == "mega2560"
    two = {"a": CATALOG["mega2560"], "b": CATALOG["mega2560"]}
    with pytest.raises(UsageError, match="one of a, b"):
        choose("/dev/ttyACM0", [FULL], two)


# -- drives ------------------------------------------------------------------------------------


def test_a_file_is_copied_whole_with_progress(drive: Path, uf2: Path) -> None:
    seen: list[int] = []
    copy(uf2, drive, seen.append, after_cut="-")
    assert (drive / uf2.name).read_bytes() == uf2.read_bytes()
    assert seen == sorted(seen) and seen[-1] == 100 and len(seen) > 3


def test_a_folder_that_is_no_boards_drive_is_left_alone(tmp_path: Path, uf2: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    with pytest.raises(ToolError, match="no drive of a board"):
        copy(uf2, folder, lambda _: None, after_cut="-")
    assert list(folder.iterdir()) == []


def breaking(after: int, number: int) -> Callable[[int, bytes], int]:
    write, count = os.write, [0]

    def broken(descriptor: int, data: bytes) -> int:
        count[0] += 1
        if count[0] > after:
            raise OSError(number, os.strerror(number))
        return write(descriptor, data)

    return broken


def test_a_drive_that_vanishes_meanwhile_says_how_far_and_what_to_do(
    drive: Path, uf2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", breaking(2, errno.EIO))
    with pytest.raises(ToolError, match=r"vanished after 65,536 of 200,000 bytes") as caught:
        copy(uf2, drive, lambda _: None, after_cut="hold BOOTSEL")
    assert caught.value.hint == "hold BOOTSEL"


def test_a_drive_that_is_gone_after_the_last_byte_has_done_its_work(
    drive: Path, uf2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, count = os.fsync, [0]

    def gone(descriptor: int) -> None:
        count[0] += 1
        if count[0] == 7:  # 200,000 bytes are 7 pieces
            raise OSError(errno.ENODEV, "gone")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", gone)
    copy(uf2, drive, lambda _: None, after_cut="-")
    assert count == [7]


def test_a_full_drive_and_a_refusal_are_named(drive: Path, uf2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", breaking(1, errno.ENOSPC))
        with pytest.raises(ToolError, match="cannot be written: No space left"):
            copy(uf2, drive, lambda _: None, after_cut="-")
    (drive / "FAIL.TXT").write_text("error: The hex file cannot be decoded.\r\ntype: user\r\n")
    with pytest.raises(ToolError, match=r"refused firmware\.uf2: error: The hex file cannot be decoded"):
        copy(uf2, drive, lambda _: None, after_cut="-")


def test_a_mounted_drive_is_found_by_its_disk_or_its_label(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /media/me/RPI\\040RP2 vfat rw 0 0\n")
    device = replace(USB, disks=("sdb",))
    assert mounted(device, "RPI-RP2", mounts) == Path("/media/me/RPI RP2")
    assert mounted(replace(USB, disks=("sdc",)), "RPI-RP2", mounts) is None
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/MICROBIT").symlink_to("/dev/sdb1")
    assert mounted(None, "MICROBIT", mounts, tmp_path / "labels") == Path("/media/me/RPI RP2")
    assert mounted(None, "OTHER", mounts, tmp_path / "labels") is None


# -- the whole session -------------------------------------------------------------------------


def flash_mega(tree: UsbTree, tmp_path: Path, said: list[str], **changes: object) -> Flashed:
    file = tmp_path / "firmware.hex"
    file.write_text(":00000001FF\n")
    usb = connected(tree.root)
    around = around_board(tree, ask=lambda *_: info(), wait_s=0.2)
    target = choose("mega2560", usb, CATALOG)
    return flash(target, file, Expected(DIGEST, CONTRACT), replace(around, **changes), said.append)  # type: ignore[arg-type]


def test_a_board_is_flashed_by_its_program_and_asked_afterwards(
    tree: UsbTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.plug(0x2341, 0x0042, tty="ttyACM0")
    log = put_program(tmp_path, monkeypatch, "avrdude", "")
    said: list[str] = []
    done = flash_mega(tree, tmp_path, said)
    assert done.verified and done.port == "/dev/ttyACM0" and said == ["50 %", "100 %"]
    assert log.read_text().startswith("-c wiring -p m2560 -P /dev/ttyACM0 -b 115200 -D -U flash:w:")


def test_what_an_esp32_remembers_of_slots_is_blanked_behind_the_firmware(
    tree: UsbTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.plug(0x303A, 0x1001, tty="ttyACM0")
    log = put_program(tmp_path, monkeypatch, "esptool", f'shift 9; cp "$2" {tmp_path}/blank')
    file = tmp_path / "firmware.bin"
    file.write_bytes(b"x")
    around = around_board(tree, ask=lambda *_: info("esp32c3"), wait_s=1)
    done = flash(choose("esp32c3", connected(tree.root), CATALOG), file, Expected(DIGEST), around, lambda _: None)
    blank = log.read_text().split()[-1]
    assert done.verified and f"write_flash 0x10000 {file} 0xe000 {blank}" in log.read_text()
    assert (tmp_path / "blank").read_bytes() == b"\xff" * 0x2000 and not Path(blank).exists()


def test_a_missing_program_names_its_package(tree: UsbTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.plug(0x2341, 0x0042, tty="ttyACM0")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="avrdude is not on PATH") as caught:
        flash_mega(tree, tmp_path, [])
    assert "apt-get install avrdude" in caught.value.hint


def test_a_board_that_vanishes_while_flashed_says_what_is_left_of_it(
    tree: UsbTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = tree.plug(0x2341, 0x0042, tty="ttyACM0")
    middle = f"rm -r {tree.devices / at}; echo 'avrdude: ser_send(): write error' >&2; exit 1"
    put_program(tmp_path, monkeypatch, "avrdude", middle)
    with pytest.raises(ToolError, match="mega2560: vanished while it was flashed") as caught:
        flash_mega(tree, tmp_path, [])
    assert "ser_send(): write error" in caught.value.message
    assert "bootloader is whole" in caught.value.hint


def test_a_program_that_fails_or_hangs_is_no_vanished_board(
    tree: UsbTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.plug(0x2341, 0x0042, tty="ttyACM0")
    put_program(tmp_path, monkeypatch, "avrdude", "echo 'stk500: not in sync' >&2; exit 1")
    with pytest.raises(ToolError, match="not in sync") as caught:
        flash_mega(tree, tmp_path, [])
    assert "still connected" in caught.value.hint
    put_program(tmp_path, monkeypatch, "avrdude", "exec sleep 60")
    with pytest.raises(ToolError, match="stopped after"):
        flash_mega(tree, tmp_path, [], timeout_s=0.3)


def test_a_board_that_is_silent_or_runs_something_else_afterwards_is_an_error(
    tree: UsbTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.plug(0x2341, 0x0042, tty="ttyACM0")
    put_program(tmp_path, monkeypatch, "avrdude", "")

    def silent(port: str, settle: float) -> BoardInfo:
        raise LinkTimeout(f"{port}: no answer")

    with pytest.raises(ToolError, match="does not answer as ours: /dev/ttyACM0: no answer"):
        flash_mega(tree, tmp_path, [], ask=silent)
    with pytest.raises(ToolError, match="flashed with firmware 020202020202, but runs 030303030303"):
        flash_mega(tree, tmp_path, [], ask=lambda *_: info(firmware=b"\x03" * 32))


def test_the_answer_is_judged_by_what_is_known() -> None:
    assert judge("mega2560", info(), Expected(DIGEST, CONTRACT)) == (True, "it runs firmware 020202020202, as flashed")
    assert judge("mega2560", info(firmware=None), Expected(DIGEST, CONTRACT))[0] is False
    assert judge("mega2560", info(), Expected())[0] is False
    image = Expected(b"\x07" * 32, CONTRACT, bodies={"firmware": DIGEST})
    assert judge("mega2560", info(), image)[0], "a firmware that sees of itself what its image holds"
    with pytest.raises(ToolError, match="contract 010101010101, but runs 090909090909"):
        judge("mega2560", info(firmware=None, contract=b"\x09" * 32), Expected(DIGEST, CONTRACT))
    with pytest.raises(ToolError, match="what answers now is a pico"):
        judge("mega2560", info("pico"), Expected())


def nano() -> Board:
    board = CATALOG["nano33ble"]
    way = FlashTool(kind="bossac", file="bin", touch_1200=True)
    return board.model_copy(update={"spec": board.spec.model_copy(update={"flash_tool": way})})


@pytest.mark.parametrize("returns", [True, False])
def test_a_touch_starts_the_bootloader_which_is_found_by_place_or_number(
    tree: UsbTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, returns: bool
) -> None:
    for number in (1, 2):
        tree.plug(0x2341, 0x805A, tty=f"ttyACM{number}", serial=f"N{number}")
    back = f"echo 805a > {tree.devices}/1-3/idProduct" if returns else ""
    log = put_program(tmp_path, monkeypatch, "bossac", back)
    touched: list[str] = []

    def touch(port: str) -> None:
        touched.append(port)
        tree.unplug("1-2")
        tree.plug(0x2341, 0x005A, tty="ttyACM5", serial="N2")

    file = tmp_path / "firmware.bin"
    file.write_bytes(b"x")
    around = around_board(
        tree,
        port_fault=lambda _: "",
        touch=touch,
        ask=lambda *_: info("nano33ble"),
        wait_s=0.2,
    )
    target = choose("nano33ble", connected(tree.root), {"nano33ble": nano()}, serial="N2")
    if returns:
        done = flash(target, file, Expected(DIGEST), around, lambda _: None)
        assert done.verified and done.port == "/dev/ttyACM5"
    else:
        with pytest.raises(ToolError, match="did not come back"):
            flash(target, file, Expected(), around, lambda _: None)
    assert touched == ["/dev/ttyACM2"] and log.read_text().startswith("--port=ttyACM5 ")


def test_a_drive_that_is_not_mounted_and_a_file_of_another_kind_are_refused(tmp_path: Path, uf2: Path) -> None:
    way = FlashTool(kind="copy", file="hex", volume="MICROBIT")
    spec = CATALOG["microbit"].spec.model_copy(update={"flash_tool": way})
    board = CATALOG["microbit"].model_copy(update={"spec": spec})
    target = Target(board, usb=replace(USB, disks=("sdq",)))
    with pytest.raises(ToolError, match=r"takes a \.hex"):
        flash(target, uf2, Expected(), Surroundings(mounts=tmp_path / "none"), lambda _: None)
    file = tmp_path / "firmware.hex"
    file.write_text("")
    with pytest.raises(ToolError, match="MICROBIT is not mounted") as caught:
        flash(target, file, Expected(), Surroundings(mounts=tmp_path / "none"), lambda _: None)
    assert "/dev/sdq" in caught.value.hint


def test_a_line_that_is_not_there_is_an_error_before_its_program_is_started(
    tree: UsbTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.plug(0x2341, 0x0042, tty="ttyACM-none")
    log = put_program(tmp_path, monkeypatch, "avrdude", "")
    with pytest.raises(ToolError, match="mega2560: /dev/ttyACM-none: no such line"):
        flash_mega(tree, tmp_path, [], port_fault=port_fault)
    assert not log.exists()
    assert port_fault("COM3") == "" and port_fault("/dev/null") == ""
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert port_fault("/dev/null") == "you may not open it: udev rules are missing"


def test_a_line_that_needs_a_moment_is_waited_for(
    tree: UsbTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.plug(0x2341, 0x0042, tty="ttyACM0")
    put_program(tmp_path, monkeypatch, "avrdude", "")
    faults = ["no such line", "you may not open it", ""]
    assert flash_mega(tree, tmp_path, [], port_fault=lambda _: faults.pop(0), wait_s=5).verified and not faults
