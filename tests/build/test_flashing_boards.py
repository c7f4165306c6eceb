"""`tinyops flash` onto virtual boards, by what flashes real ones.

avrdude writes a Mega through Arduino's own bootloader in simavr; a virtual RP2040 runs the UF2 file from its drive.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fakes.collectors import request_for
from fakes.flashable import publish_firmware
from tinyops.boards.loader import load_catalog
from tinyops.build.collector import flash_file, make_collector
from tinyops.build.virtual import build_board
from tinyops.cli import main
from tinyops.device.identify.collector import ask_collector
from tinyops.device.identify.find import ask
from tinyops.device.provision.format import Settings, encode_copy, encode_values
from tinyops.errors import ToolError
from tinyops.images import read_image
from tinyops.link import Link, Status
from tinyops.link.client import LinkTimeout
from tinyops.manifest.keys import load_trust
from tinyops.reconcile.flashable import flashable
from tinyops.twin import open_twin
from tinyops.twin.released import uf2_bytes
from tinyops.twin.simavr import AvrBoard, read_bootloader
from tinyops.twin.terminal import Terminal

pytestmark = pytest.mark.build

MODEL = Path(__file__).parents[1] / "fuzz/corpus/network.tflite"
CATALOG = load_catalog()
MEGA, PICO = CATALOG["mega2560"], CATALOG["pico"]
SETTLE_S = MEGA.spec.usb[0].settle_ms / 1000
IMAGES = {"firmware": "firmware_a.img", "model": "model.img"}
needs_avrdude = pytest.mark.skipif(shutil.which("avrdude") is None, reason="no avrdude here")


def built(board: str, folder: Path) -> Mapping[str, Path]:
    return build_board(MODEL, CATALOG[board], CATALOG, folder, prefer="balanced", report=lambda _: None)


@pytest.fixture(scope="module")
def mega(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    return built("mega2560", tmp_path_factory.mktemp("mega2560"))


@contextlib.contextmanager
def plugged_in(files: Mapping[str, Path], state: Path) -> Iterator[tuple[AvrBoard, Terminal]]:
    with open_twin("mega2560", MEGA.spec, files, state=state, bootloader=True) as board:
        assert isinstance(board, AvrBoard)
        terminal = Terminal("mega2560", lambda: board.link.stream, opened=board.reset)
        try:
            yield board, terminal
        finally:
            terminal.close()


def half_written(state: Path, firmware: bytes) -> None:
    """What a cable leaves that was pulled out half-way: the bootloader starts it, and it does nothing of use."""
    loader = read_bootloader("atmega2560")
    flash = bytearray(b"\xff" * MEGA.spec.memory.flash[0].bytes)  # type: ignore[union-attr]
    flash[: len(firmware) // 2] = firmware[: len(firmware) // 2]
    for at, byte in loader.items():
        flash[at] = byte
    state.mkdir()
    (state / "flash.bin").write_bytes(flash)


@needs_avrdude
@pytest.mark.parametrize("before", ["blank", "half"])
def test_avrdude_brings_a_released_firmware_onto_a_mega_that_then_tells_its_digest(
    before: str, mega: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = publish_firmware(tmp_path / "repository", "mega2560", mega)
    firmware, state = mega["firmware.bin"].read_bytes(), tmp_path / "state"
    if before == "half":
        half_written(state, firmware)
    with plugged_in({"contract.json": mega["contract.json"]}, state) as (board, terminal):
        with pytest.raises(LinkTimeout):
            ask(terminal.path)  # no firmware, or no whole one
        assert main(["flash", "-C", str(root), "mega2560", "--port", terminal.path]) == 0
        done, said = capsys.readouterr()
        digest = hashlib.sha256(firmware).hexdigest()
        assert done == f"mega2560: flashed by avrdude; it runs firmware {digest[:12]}, as flashed\n"
        steps = [int(line.split()[0]) for line in said.splitlines() if line.endswith(" %")]
        assert steps == 2 * [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]  # written, and read back
        counted = board.measure()
        assert counted.resets == 3  # by our question, avrdude and the last question, when they opened the port
        assert ask(terminal.path, SETTLE_S).firmware == bytes.fromhex(digest)
    kept = (state / "flash.bin").read_bytes()
    assert kept.startswith(firmware) and len(kept) == MEGA.spec.memory.flash[0].bytes  # type: ignore[union-attr]


@needs_avrdude
def test_a_collector_is_flashed_by_its_file_and_asked_as_what_it_is(
    mega: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))
    request = request_for("mega2560")
    made = make_collector(request, tmp_path / "collector", build=True, report=lambda _: None)
    file = flash_file(request, made)
    with plugged_in({"contract.json": mega["contract.json"]}, tmp_path / "state") as (_, terminal):
        assert main(["flash", "mega2560", "--port", terminal.path, "--file", str(file)]) == 0
        assert "it answers with the right contract" in capsys.readouterr().out
        told = ask_collector(terminal.path, SETTLE_S)
        assert told.state == Status.ABSENT and told.model is None
        assert (told.board, f"sha256:{told.contract.hex()}") == ("mega2560", request.contract_digest)


def test_what_is_said_before_the_bootloader_gives_up_keeps_it(mega: Mapping[str, Path], tmp_path: Path) -> None:
    with plugged_in(mega, tmp_path / "state") as (_, terminal):
        with pytest.raises(LinkTimeout):
            ask(terminal.path)
        assert ask(terminal.path, SETTLE_S).board == "mega2560"


def test_a_twin_of_another_kind_has_no_bootloader(mega: Mapping[str, Path]) -> None:
    with (
        pytest.raises(ToolError, match="pico: a twin of kind rp2040js has no bootloader"),
        open_twin("pico", PICO.spec, mega, bootloader=True),
    ):
        pass


class BootRom(threading.Thread):
    """What a Pico's boot ROM does with its drive: when a file of UF2 is whole, it goes into flash, over what was there,
    and is started. The line that it then talks on is at `port`."""

    def __init__(self, drive: Path, port: Path, files: Mapping[str, Path], before: Mapping[int, bytes]) -> None:
        super().__init__()
        self.drive, self.port, self.before = drive, port, before
        self.files = {name: files[name] for name in ("contract.json", "bootloader.elf")}
        self.state = drive.parent / "state"
        self.ended = threading.Event()
        self.failed: list[BaseException] = []

    def run(self) -> None:
        try:
            with self._booted() as terminal:
                self.port.symlink_to(terminal.path)
                self.ended.wait(60)
                terminal.close()
        except BaseException as error:
            self.failed.append(error)

    @contextlib.contextmanager
    def _booted(self) -> Iterator[Terminal]:
        assert PICO.spec.memory is not None
        flash = PICO.spec.memory.flash[0]
        content = bytearray(b"\xff" * flash.bytes)
        for at, data in self.before.items():
            content[at - flash.origin : at - flash.origin + len(data)] = data
        for at, byte in self._flashed().items():
            content[at - flash.origin] = byte
        self.state.mkdir()
        (self.state / "flash.bin").write_bytes(content)
        with open_twin("pico", PICO.spec, self.files, state=self.state) as board:
            link = board.link
            assert isinstance(link, Link)
            yield Terminal("pico", lambda: link.stream)

    def _flashed(self) -> dict[int, int]:
        while not self.ended.is_set():
            for path in self.drive.glob("*.uf2"):
                with contextlib.suppress(ToolError):  # not whole yet
                    return uf2_bytes(path)
            time.sleep(0.02)
        raise TimeoutError("no file came")


def test_the_file_on_a_picos_drive_boots_and_tells_its_digests_and_who_it_is_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bootloader, signed firmware and model; its settings stay, in which is whose signatures it takes, and a log of an
    earlier life is gone."""
    files = built("pico", tmp_path / "built")
    root = publish_firmware(tmp_path / "repository", "pico", files)
    layout, flash = PICO.spec.layout, PICO.spec.settings_flash
    assert layout is not None and layout.settings and layout.state and flash
    (trusted,) = load_trust(root / "specs/trusted.pem").keys.values()
    kept = encode_values(Settings("p-1", "f", "pico", (trusted.raw, b"\x22" * 32), b"\x33" * 32))
    before = {
        layout.settings.origin: encode_copy(kept, 1, flash.program_bytes),
        layout.state.origin: bytes(range(256)) * (layout.state.bytes // 256),
        layout.firmware[1].origin: b"an older firmware",
    }
    drive, port = tmp_path / "RPI-RP2", tmp_path / "port"
    drive.mkdir()
    (drive / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: RPI-RP2\r\n")
    rom = BootRom(drive, port, files, before)
    rom.start()
    try:
        command = ["flash", "-C", str(root), "pico", "--drive", str(drive), "--verify-port", str(port), "--json"]
        status = main(command)
        value = json.loads(capsys.readouterr().out)
        assert (status, rom.failed) == (0, []), value
        assert value["verified"] and value["way"] == f"copy to {drive}"
        info = ask(str(port))
        for digest, name in ((info.firmware, "firmware"), (info.model, "model")):
            image = (root / f".tinyops/releases/v1/image.pico.{IMAGES[name]}").read_bytes()
            body = read_image(image, where=name).body
            assert body == files[f"{name}.bin"].read_bytes()
            assert digest in (hashlib.sha256(image).digest(), hashlib.sha256(body).digest())
        assert info.state == 0
    finally:
        rom.ended.set()
        rom.join(30)
    settings = (rom.state / "flash.bin").read_bytes()[layout.settings.origin - PICO.spec.memory.flash[0].origin :]  # type: ignore[union-attr]
    assert settings.startswith(before[layout.settings.origin])


def test_a_board_that_trusts_another_key_does_not_start_what_a_cable_wrote(tmp_path: Path) -> None:
    files = built("pico", tmp_path / "built")
    layout, flash = PICO.spec.layout, PICO.spec.settings_flash
    assert layout is not None and layout.settings and flash
    kept = encode_values(Settings("p-1", "f", "pico", (b"\x11" * 32, b"\x22" * 32), b"\x33" * 32))
    root = publish_firmware(tmp_path / "repository", "pico", files)
    (tmp_path / "RPI-RP2").mkdir()
    rom = BootRom(
        tmp_path / "RPI-RP2",
        tmp_path / "port",
        files,
        {layout.settings.origin: encode_copy(kept, 1, flash.program_bytes)},
    )
    (tmp_path / "RPI-RP2/pico.uf2").write_bytes(flashable(root, PICO, "wrist").path.read_bytes())
    with rom._booted() as terminal, pytest.raises(LinkTimeout):
        ask(terminal.path)
