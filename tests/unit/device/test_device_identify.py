"""What is connected: by the kernel's tree, by the catalogue, and by asking whoever may be asked."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from fakes.pty_board import terminal
from fakes.smp_board import SmpBoard, serving
from fakes.usb_tree import UsbTree
from tinyops.boards import load_catalog
from tinyops.boards.model import UsbId
from tinyops.cli import main
from tinyops.device.identify import Found, UsbDevice, connected, identify, look_at_machine
from tinyops.device.identify.machine import number_of_machine
from tinyops.device.identify.match import BRIDGES, Candidate, candidates, may_ask, nearest
from tinyops.errors import ToolError
from tinyops.link.client import LinkTimeout
from tinyops.link.smp import BoardInfo

CATALOG = load_catalog()
PICO = {"manufacturer": "Raspberry Pi", "product": "Pico", "serial": "E6605838"}


def answering(board: str) -> BoardInfo:
    return BoardInfo(board, "wrist", "1.0", b"\x01" * 32, b"\x02" * 32, None, 0, 1, 0, 1000, 2000, 2)


@pytest.fixture
def tree(tmp_path: Path) -> UsbTree:
    return UsbTree(tmp_path / "sys")


def test_serial_lines_drives_and_numbers_are_found(tree: UsbTree) -> None:
    tree.plug(0x2E8A, 0x000A, tty="ttyACM0", **PICO)
    tree.plug(0x10C4, 0xEA60, tty="ttyUSB3", bridge=True)
    tree.plug(0x2E8A, 0x0003, disk="sdb", serial="E0C9125B")
    pico, bridge, boot = connected(tree.root)
    assert pico == UsbDevice(0x2E8A, 0xA, "E6605838", "Pico", "Raspberry Pi", "1-1", ("/dev/ttyACM0",))
    assert (bridge.ids, bridge.ports) == ("10c4:ea60", ("/dev/ttyUSB3",))
    assert (boot.ids, boot.ports, boot.disks) == ("2e8a:0003", (), ("sdb",))


def test_what_a_device_says_of_itself_is_bounded_and_shown_without_control_characters(tree: UsbTree) -> None:
    tree.plug(0x1234, 0x5678, product="\x1b[2Jevil" + "x" * 10_000)
    tree._write(tree.devices / "1-9", idVendor="nonsense", idProduct="0001")
    (device,) = connected(tree.root)
    assert device.product.startswith("[2Jevil") and len(device.product) <= 256


def test_a_system_without_usb_has_no_devices(tmp_path: Path) -> None:
    assert connected(tmp_path) == ()


def test_two_boards_with_one_id_are_both_named_and_the_answer_decides(tree: UsbTree) -> None:
    twins = {name: board for name, board in CATALOG.items() if name in ("pico", "microbit")}
    other = CATALOG["pico"].model_copy(update={"metadata": CATALOG["pico"].metadata.model_copy(update={"name": "two"})})
    tree.plug(0x2E8A, 0x000A, tty="ttyACM0", **PICO)
    (found,) = identify(connected(tree.root), {**twins, "two": other}, question=silent)
    assert [c.board for c in found.candidates] == ["pico", "two"]
    assert found.board is None and found.asked and "no answer" in found.problem
    (found,) = identify(connected(tree.root), {**twins, "two": other}, question=lambda *_: answering("two"))
    assert found.board == "two"


def silent(port: str, settle: float) -> BoardInfo:
    raise LinkTimeout(f"{port}: no answer to InfoRead within the time limit")


def forbidden(port: str, settle: float) -> BoardInfo:
    raise AssertionError(f"{port} was written to")


@pytest.mark.parametrize(
    ("vid", "pid"),
    [(0x1234, 0x5678), (0x0D28, 0x0204), (0x2E8A, 0x0003), *sorted(BRIDGES)],
    ids=lambda number: f"{number:04x}",
)
def test_nobody_is_written_to_whose_id_is_no_running_boards_own(tree: UsbTree, vid: int, pid: int) -> None:
    tree.plug(vid, pid, tty="ttyUSB0", bridge=True)
    (found,) = identify(connected(tree.root), CATALOG, question=forbidden)
    assert not found.asked and "--ask" in found.problem
    (named,) = identify(connected(tree.root), CATALOG, ports=["/dev/ttyUSB0"], question=forbidden)
    assert named == found
    (asked,) = identify(connected(tree.root), CATALOG, anyone=True, question=lambda *_: answering("pico"))
    assert asked.asked and asked.board == "pico"


def test_a_bridge_is_not_asked_even_where_a_board_has_its_id() -> None:
    (vid, pid), *_ = sorted(BRIDGES)
    spec = CATALOG["pico"].spec
    board = spec.model_copy(update={"usb": (UsbId(vid=vid, pid=pid), UsbId(vid=1, pid=2))})
    catalog = {"it": CATALOG["pico"].model_copy(update={"spec": board})}
    assert candidates(UsbDevice(vid, pid), catalog) and not may_ask(UsbDevice(vid, pid), catalog)
    assert may_ask(UsbDevice(1, 2), catalog)


def test_a_port_that_is_not_on_usb_is_asked_only_on_demand() -> None:
    (found,) = identify((), CATALOG, ports=["/dev/ttyS0"], question=forbidden)
    assert (found.port, found.usb, found.asked) == ("/dev/ttyS0", None, False)


def test_a_device_of_no_board_names_what_is_nearest() -> None:
    arduino = UsbDevice(0x2341, 0x9999, product="Arduino Mega 2560 Clone")
    assert candidates(arduino, CATALOG) == ()
    assert nearest(arduino, CATALOG)[0] == "mega2560"
    assert nearest(UsbDevice(0x9999, 0x1, product="keyboard"), CATALOG) == ()
    assert not may_ask(arduino, CATALOG)


def test_a_board_in_its_bootloader_is_found_without_a_port(tree: UsbTree) -> None:
    tree.plug(0x2E8A, 0x0003, disk="sdb")
    (found,) = identify(connected(tree.root), CATALOG, question=forbidden)
    assert found.port is None and found.in_bootloader
    assert Candidate("pico", "bootloader") in found.candidates


def test_a_board_that_answers_in_smp_tells_who_it_is() -> None:
    with serving(SmpBoard()) as port:
        (found,) = identify((), CATALOG, ports=[port], anyone=True)
    assert found.board == "microbit" and found.answer is not None and found.answer.fleet == "wrist"
    assert json.loads(json.dumps(found.to_json()))["answer"]["silicon"] == "e66058388335372c"


def test_a_board_that_answers_garbage_is_one_clear_problem() -> None:
    with serving(SmpBoard(instead=b"\x00\xff\x06\x09!!!!\n" * 5)) as port:
        (found,) = identify((), CATALOG, ports=[port], anyone=True)
    assert found.answer is None and found.problem.startswith(port) and "\n" not in found.problem


def test_a_port_that_vanishes_while_it_is_asked_is_one_clear_problem() -> None:
    far, near = os.openpty()
    port = os.ttyname(near)

    def vanish() -> None:
        os.read(far, 1)
        os.close(near)
        os.close(far)

    thread = threading.Thread(target=vanish, daemon=True)
    thread.start()
    (found,) = identify((), CATALOG, ports=[port], anyone=True)
    thread.join(timeout=5)
    assert found.answer is None and "the board is gone" in found.problem


def test_a_silent_port_has_a_problem_and_stays_listed() -> None:
    with terminal() as (_, port):
        (found,) = identify((), CATALOG, ports=[port], anyone=True)
    assert isinstance(found, Found) and "no answer" in found.problem


def test_a_port_that_cannot_be_opened_has_a_problem(tmp_path: Path) -> None:
    def busy(port: str, settle: float) -> BoardInfo:
        raise ToolError(f"{port}: cannot be opened: busy")

    (found,) = identify((), CATALOG, ports=[str(tmp_path / "tty")], anyone=True, question=busy)
    assert found.problem.endswith("busy")


def proc(tmp_path: Path, model: str = "") -> Path:
    folder = tmp_path / "proc"
    (folder / "device-tree").mkdir(parents=True)
    (folder / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Cortex-A72\nprocessor\t: 1\n")
    (folder / "meminfo").write_text("MemTotal:        3884392 kB\nMemFree: 1 kB\n")
    if model:
        (folder / "device-tree/model").write_bytes(model.encode() + b"\0")
    return folder


def test_a_linux_machine_looks_at_itself(tree: UsbTree, tmp_path: Path) -> None:
    tree.plug(0x1A6E, 0x089A)
    tree.pci("0000:01:00.0", "0x1ac1", "0x089a", "0x088000")
    tree.pci("0000:02:00.0", "0x10de", "0x1b80", "0x030000")
    tree.pci("0000:02:00.1", "0x10de", "0x10f0", "0x040300")  # its sound
    tree.camera("video0", "USB Camera")
    tree.camera("video1", "USB Camera", index="1")
    usb = connected(tree.root)
    about = proc(tmp_path, "Raspberry Pi 4 Model B Rev 1.4")
    machine = look_at_machine(usb, CATALOG, sys=tree.root, proc=about, architecture="aarch64")
    assert machine.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert (machine.cores, machine.ram_bytes) == (2, 3884392 * 1024)
    assert machine.boards == ("raspberrypi4",)
    assert machine.accelerators == ("Edge TPU (USB 1a6e:089a)", "Edge TPU (PCI)", "NVIDIA GPU (PCI 10de:1b80)")
    assert machine.cameras == ("USB Camera (/dev/video0)",)


def test_a_machine_that_no_board_is_named_after_is_one_of_its_cpu(tree: UsbTree, tmp_path: Path) -> None:
    machine = look_at_machine((), CATALOG, sys=tree.root, proc=proc(tmp_path), architecture="x86_64")
    assert machine.boards == ("linux",) and machine.accelerators == ()
    unknown = look_at_machine((), CATALOG, sys=tree.root, proc=tmp_path / "none", architecture="sparc64")
    assert (unknown.boards, unknown.cores, unknown.ram_bytes) == ((), 0, 0)


def test_a_machine_shows_a_number_that_is_made_of_its_own_and_cannot_be_turned_back(tmp_path: Path) -> None:
    (tmp_path / "machine-id").write_text("3d1219c7c4c5404aaa1f6d2a48adfda4\n")
    found = look_at_machine((), CATALOG, sys=tmp_path, proc=tmp_path, machine_id=tmp_path / "machine-id").silicon
    assert found == "c12fb4b1c76a47fb853405203bb14dbe"  # as systemd-id128 says
    for text in ("", "uninitialized", "3D1219C7C4C5404AAA1F6D2A48ADFDA4", "3d12"):
        assert number_of_machine(text) == ""


def test_the_command_prints_both_ways(
    tree: UsbTree, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tree.plug(0x2E8A, 0x0003, disk="sdb", **PICO)
    tree.plug(0x2341, 0x9999, product="Arduino Mega 2560 Clone", tty="ttyACM7")
    tree.plug(0x1A6E, 0x089A)
    places = ["--sys", str(tree.root), "--proc", str(proc(tmp_path))]
    assert main(["identify", *places]) == 0
    text = capsys.readouterr().out
    assert "bootloader: `tinyops flash` brings it back" in text and "serial number E6605838" in text
    assert "/dev/ttyACM7: no board of the catalogue" in text and "nearest in the catalogue: mega2560" in text
    assert "Edge TPU (USB 1a6e:089a): not used by tinyops" in text
    assert main(["identify", "--json", *places]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["devices"][0]["usb"]["serial"] == "E6605838" and value["machine"]["cores"] == 2
