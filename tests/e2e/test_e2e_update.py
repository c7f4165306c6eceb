"""smpmgr and tinyops update on an emulated micro:bit: list, upload, test, confirm, a model and a firmware beside it;
what is forged, older or made for another place is refused. The console infers all the time."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes.faults import count_faults
from fakes.updatable import INPUT_BYTES, Live, Updatable, digest_of
from tinyops.images import Kind
from tinyops.link.smp import BoardManager
from tinyops.link.smp.definition import UPDATE_ERROR_TEXT, UpdateError
from tinyops.manifest.keys import SigningKey
from tinyops.twin.console import Console
from tinyops.twin.terminal import Terminal

pytestmark = pytest.mark.build

LIMIT_S = 240
FIRMWARE, MODEL = "0", "1"
# What tinyops says of an image that it does not send at all.
NOT_SENT = {
    UpdateError.DIGEST: "not an image of ours",
    UpdateError.ADDRESS: "its spare slot begins at 0xd000, and no firmware is linked for that",
}


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Updatable:
    return Updatable("microbit", tmp_path_factory.mktemp("kit"))


@pytest.fixture(scope="module")
def prepared(kit: Updatable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kit.prepare(kit.model(0), tmp_path_factory.mktemp("prepared") / "flash")


@dataclass
class Bench:
    """A board whose line is a serial port, and its console."""

    live: Live
    console: Console
    port: str
    folder: Path
    outputs: list[int] = field(default_factory=list)  # of each inference: what its model adds

    def file(self, image: bytes) -> str:
        path = self.folder / f"{hashlib.sha256(image).hexdigest()[:8]}.img"
        path.write_bytes(image)
        return str(path)

    def smpmgr(self, *words: str) -> subprocess.CompletedProcess[str]:
        program = shutil.which("smpmgr", path=str(Path(sys.executable).parent)) or "smpmgr"
        command = [program, "--port", self.port, "--timeout", "60", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)

    def ok(self, *words: str) -> str:
        done = self.smpmgr(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def tinyops(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tinyops", "update", self.port, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd=self.folder)

    def infer(self) -> int:
        said = self.console.do("infer")
        assert said is not None
        output = list(said.value["output"])
        assert output == [output[0]] * INPUT_BYTES
        self.outputs.append(output[0])
        return output[0]

    @contextlib.contextmanager
    def inferring(self) -> Iterator[None]:
        """The console infers again and again meanwhile."""
        done, failed, before = threading.Event(), list[Exception](), len(self.outputs)

        def go_on() -> None:
            try:
                while not done.wait(0.1):
                    self.infer()
            except Exception as error:  # it is the test's to raise
                failed.append(error)

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(timeout=LIMIT_S)
        assert not failed, failed
        assert len(self.outputs) > before

    @contextlib.contextmanager
    def asked(self) -> Iterator[BoardManager]:
        with BoardManager.open(self.port, timeout_s=60) as board:
            yield board

    def digests(self) -> dict[int, bytes | None]:
        """Of what runs, by image."""
        with self.asked() as board:
            return {slot.image: slot.digest for slot in board.images() if slot.active}

    def refusal(self, image: int) -> int:
        with self.asked() as board:
            return board.update_state(image).refusal


@pytest.fixture
def bench(kit: Updatable, prepared: Path, tmp_path: Path) -> Iterator[Bench]:
    with kit.copied(prepared, tmp_path / "flash") as live:
        terminal = Terminal("microbit", lambda: live.virtual.link.stream)
        try:
            yield Bench(live, Console(live.virtual, terminal), terminal.path, tmp_path)
        finally:
            terminal.close()


def test_smpmgr_updates_a_model_and_the_firmware_beside_it(kit: Updatable, bench: Bench) -> None:
    model, firmware = kit.model(3, total=8192), kit.firmware(1, grown=8)
    with bench.inferring():
        assert "image=1" in bench.ok("image", "state-read")
        bench.ok("image", "upload", bench.file(model), "--slot", MODEL)
        assert digest_of(model).hex().upper() in bench.ok("image", "state-read").upper()
        bench.ok("image", "state-write", digest_of(model).hex())
        wait_until(lambda: bench.digests()[1] == digest_of(model))
        bench.ok("image", "state-write", digest_of(model).hex(), "--confirm")
    assert bench.outputs == sorted(bench.outputs) and set(bench.outputs) == {0, 3}
    with bench.inferring():
        bench.ok("image", "upload", bench.file(firmware), "--slot", FIRMWARE)
        bench.ok("image", "state-write", digest_of(firmware).hex())
    bench.ok("os", "reset")
    bench.console.hello()
    assert bench.digests() == {0: digest_of(firmware), 1: digest_of(model)}
    with bench.inferring():
        bench.ok("image", "state-write", "--confirm")
    bench.console.do("power-cut")
    assert (bench.infer(), bench.digests()) == (3, {0: digest_of(firmware), 1: digest_of(model)})
    assert bench.live.virtual.measure().resets == 2


def test_smpmgr_upgrades_by_a_reset_of_its_own(kit: Updatable, bench: Bench) -> None:
    """Upload, test, reset, as it does to every board. The model that runs then is the new one, on trial."""
    before, model = bench.digests(), kit.model(3)
    bench.ok("upgrade", bench.file(model), "--slot", MODEL)
    bench.console.hello()
    assert (bench.infer(), bench.digests()) == (3, {**before, 1: digest_of(model)})
    bench.console.do("reset")  # nobody confirmed it
    assert (bench.infer(), bench.digests()) == (0, before)
    assert bench.live.virtual.measure().resets == 2


def test_tinyops_update_updates_a_model_and_the_firmware_beside_it(kit: Updatable, bench: Bench) -> None:
    model, firmware = kit.model(3, total=8192), kit.firmware(1, grown=8)
    with bench.inferring():
        done = bench.tinyops("--image", bench.file(model))
    assert done.returncode == 0, done.stderr
    assert bench.outputs == sorted(bench.outputs) and set(bench.outputs) <= {0, 3} and bench.infer() == 3
    done = bench.tinyops("--image", bench.file(firmware))
    assert done.returncode == 0, done.stderr
    assert bench.digests() == {0: digest_of(firmware), 1: digest_of(model)}
    bench.console.do("power-cut")
    assert (bench.infer(), bench.digests()) == (3, {0: digest_of(firmware), 1: digest_of(model)})


def bad_images(kit: Updatable) -> dict[str, tuple[int, bytes, UpdateError]]:
    """What a board must refuse, by what is wrong with it: the image that it is sent as, its bytes, why."""
    forged = SigningKey.generate()
    good = kit.model(5, counter=2)
    flipped = bytearray(good)
    flipped[100] ^= 1
    return {
        "a forged model": (1, kit.model(5, counter=2, key=forged), UpdateError.SIGNATURE),
        "a forged firmware": (0, kit.firmware(1, key=forged), UpdateError.SIGNATURE),
        "a damaged model": (1, bytes(flipped), UpdateError.DIGEST),
        "an older model": (1, kit.model(5, counter=1), UpdateError.COUNTER),
        "a model of another board": (1, kit.model(5, counter=2, board="pico"), UpdateError.BOARD),
        "a model of another contract": (1, kit.model(5, counter=2, contract=bytes(32)), UpdateError.CONTRACT),
        "a firmware of the slot that runs": (0, kit.firmware(0, grown=8), UpdateError.ADDRESS),
        "a firmware of another board": (0, kit.firmware(1, board="pico"), UpdateError.BOARD),
        "a model larger than its slot": (1, kit.signed(bytes(90_000), Kind.MODEL, counter=2), UpdateError.BYTES),
        "a firmware sent as a model": (1, kit.firmware(1), UpdateError.KIND),
        "a model sent as a firmware": (0, good, UpdateError.KIND),
    }


def test_what_is_forged_older_or_made_for_another_place_is_refused(kit: Updatable, bench: Bench) -> None:
    assert bench.tinyops("--image", bench.file(kit.model(3, counter=2))).returncode == 0  # the device's counter rises
    runs, refused = bench.digests(), 0
    for what, (image, data, reason) in bad_images(kit).items():
        sent_as = " sent as " in what  # tinyops looks into the file: it sends it as what it is
        for by in (smpmgr_sends,) if sent_as else (smpmgr_sends, tinyops_sends):
            with bench.inferring():
                by(bench, image, data, reason)
            assert (bench.refusal(image), bench.digests(), bench.infer()) == (reason, runs, 3), what
            refused += 1
    assert set(bench.outputs) == {3} and bench.live.virtual.measure().resets == 0
    count_faults("bad images refused when smpmgr and tinyops update send them, micro:bit twin", refused)


def smpmgr_sends(bench: Bench, image: int, data: bytes, _: UpdateError) -> None:
    done = bench.smpmgr("image", "upload", bench.file(data), "--slot", str(image), "--format", "any")
    assert done.returncode != 0 and "IMG_MGMT_ERR" in done.stdout + done.stderr, done.stdout + done.stderr


def tinyops_sends(bench: Bench, _: int, data: bytes, reason: UpdateError) -> None:
    done = bench.tinyops("--image", bench.file(data), "--anyway")
    assert done.returncode != 0 and NOT_SENT.get(reason, UPDATE_ERROR_TEXT[reason]) in done.stderr, done.stderr


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline
