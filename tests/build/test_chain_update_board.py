"""A micro:bit behind a Linux part: it is given another set over the bridge, and power fails while it switches.

The board is its twin in QEMU, with its own bootloader and slots; the Linux part is the released program, with two
models side by side. Management of the board passes through that program while the chain computes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from fakes.chained import ReleasedParts, chain_document, layered, parts_of, repository_of
from fakes.faults import count_faults
from fakes.ports import free_port
from fakes.updatable import Live, digest_of
from tinyops.device.provision.format import Settings, encode_values
from tinyops.files import digest_json
from tinyops.images import Kind, build_image, sign_image
from tinyops.link import Frame, Link, LinkTimeout, Refused
from tinyops.link.parts import PartTold, PartType
from tinyops.link.smp import BoardManager, Garbled
from tinyops.manifest.keys import SigningKey
from tinyops.twin import qemu
from tinyops.twin.flash import FLASH, flash_file
from tinyops.twin.flashed import Trust
from tinyops.twin.joined import Joint
from tinyops.twin.machine import Boot, SocketStream
from tinyops.twin.wire import Terms

pytestmark = pytest.mark.build

LIMIT_MS = 600
CUT = "  split: {{cuts: {}}}\n  on_part_lost: {{act: report-unavailable, after_ms: {}}}\n"
SWITCH = 78  # operations of flash: two records of 39 units
CUTS = (1, 39, 40, 78)
ANSWER_S = 2.0
WAIT_S = 60.0
TRIES = 8
T = TypeVar("T")
KEYS = (SigningKey.generate(), SigningKey.generate())
Sets = tuple[ReleasedParts, ReleasedParts]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Sets:
    documents = [
        chain_document(name, "layers", "microbit", "linux", more=CUT.format(cuts, LIMIT_MS))
        for name, cuts in {"old": [2], "new": [1]}.items()
    ]
    model = layered((16, 60, 24, 50, 5))
    bench = repository_of(tmp_path_factory.mktemp("board") / "bench", {"layers": model}, *documents)
    bench.ok("apply")
    return parts_of(bench, "old"), parts_of(bench, "new")


class Pair:
    """A micro:bit and a Linux part that run; `state` is the board's flash, `slots` where the other's models lie.

    `manager` and `first` speak with the board over the bridge, `last` with the Linux part.
    """

    def __init__(self, sets: Sets, folder: Path) -> None:
        self.sets, self.state, self.slots = sets, folder / "flash", folder / "slots"
        self.images = [self._image(released) for released in sets]
        self.offered: set[str] = set()
        self.unavailable = False

    def _image(self, released: ReleasedParts) -> bytes:
        files = released.parts[0].files
        contract = bytes.fromhex(digest_json(json.loads(files["contract.json"].read_text())).removeprefix("sha256:"))
        body = files["model.bin"].read_bytes()
        return sign_image(
            build_image(body, kind=Kind.MODEL, board="microbit", contract=contract, counter=1, load_address=None),
            KEYS[0],
        )

    def _boot(self) -> Boot:
        part = self.sets[0].parts[0]
        contract = json.loads(part.files["contract.json"].read_text())
        files = {name: path for name, path in part.files.items() if name != "model.bin"}
        return Boot("microbit", part.spec, files, contract, part.lock, state=self.state, trust=Trust(KEYS[0], b""))

    def prepare(self) -> None:
        """Enrolled, and the old set on both."""
        self.state.mkdir(parents=True)
        spec, what = self.sets[0].parts[0].spec, self._boot()
        assert spec.memory is not None and spec.layout is not None
        flash = spec.memory.flash[0]
        with flash_file([flash], self.state, what.flash_content()) as path:
            content = bytearray(path.read_bytes())
        at = spec.layout.model[0].origin - flash.origin
        content[at : at + len(self.images[0])] = self.images[0]
        (self.state / FLASH).write_bytes(content)
        with qemu.boot(what) as virtual:
            live = Live(virtual)
            live.wait()
            told = Settings(
                "w-1", "old", "microbit", tuple(k.public.raw for k in KEYS), b"\x33" * 32, part="p0", chain="c-1"
            )
            live.manager.write_settings(encode_values(told))
            live.restart()
            assert live.active(1).digest == digest_of(self.images[0])
        (self.slots / "a").mkdir(parents=True)
        shutil.copyfile(self.sets[0].parts[1].files["model.so"], self.slots / "a" / "model.so")

    @contextlib.contextmanager
    def running(self) -> Iterator[qemu.QemuBoard]:
        port, (line, lines), (up, ups) = free_port(), socket.socketpair(), socket.socketpair()
        program = shutil.copyfile(self.sets[0].parts[1].files["part"], self.slots.parent / "part")
        program.chmod(0o755)
        streams = [
            f"--line=fd:{lines.fileno()}",
            f"--upstream=fd:{ups.fileno()}",
            f"--bridge=tcp-listen:127.0.0.1:{port}",
        ]
        options = [word for stream in streams for word in stream.split("=")]
        with qemu.boot(self._boot()) as virtual:
            joint = Joint(lambda: virtual.line, lambda: up, Terms())
            command: list[Any] = [program, "--slots", self.slots, *options]
            part = subprocess.Popen(command, pass_fds=(lines.fileno(), ups.fileno()))
            try:
                bridge = connected(port)
                self.manager = BoardManager(SocketStream(bridge, "bridge"), name="bridge", timeout_s=5.0)
                self.first = Link(SocketStream(bridge, "bridge"), name="p0", timeout_s=5.0)
                self.last = Link(SocketStream(line, "p1"), name="p1", timeout_s=5.0)
                self.first.told, self.last.told = self._hear_first, self._hear_last
                yield virtual
            finally:
                part.kill()
                part.wait(10)
                joint.close()
                for one in (line, lines, up, ups, bridge):
                    one.close()

    @property
    def linux(self) -> int:
        """Which set the Linux part runs."""
        path = self.slots / "runs"
        return int(path.exists() and path.read_text().strip() == "b")

    def board(self) -> int:
        """Which set the board runs."""
        active = next(slot for slot in patiently(self.manager.images, self.drain) if slot.image == 1 and slot.active)
        return [digest_of(image) for image in self.images].index(active.digest or b"")

    def upload(self) -> None:
        from smpclient.requests.image_management import ImageUploadWrite

        image, at = self.images[1], 0
        while at < len(image):
            first: dict[str, Any] = {"len": len(image), "image": 1} if at == 0 else {}
            piece = ImageUploadWrite(off=at, data=image[at : at + 256], **first)
            at = int(patiently(lambda piece=piece: self.manager.request(piece), self.drain).off)  # type: ignore[misc]

    def ask(self) -> None:
        """The board for the new set, as a gateway does at every look."""
        patiently(lambda: self.manager.test_image(digest_of(self.images[1])), self.drain)

    def give_linux(self) -> None:
        (self.slots / "b").mkdir(exist_ok=True)
        shutil.copyfile(self.sets[1].parts[1].files["model.so"], self.slots / "b" / "model.so")
        (self.slots / "wanted").write_text("b\n")

    def drain(self) -> None:
        """Takes what the last part has said: the oldest lies in the line until then, and later results find no room."""
        while self.last.listen(0.001):
            pass
        self.last.results()

    def _hear_first(self, frame: Frame) -> None:
        if frame.type == PartType.STATE:
            told = PartTold.read(frame.payload)
            self.offered = {told.offered.hex(), told.also.hex()}

    def _hear_last(self, frame: Frame) -> None:
        self.unavailable |= frame.type == PartType.UNAVAILABLE

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < deadline, f"{what}; Linux runs {self.linux}"
            self.drain()
            self.first.listen(0.05)

    def wait_proven(self) -> None:
        """Until the board offers the new set: it runs its golden vector there after every reset."""
        self.offered = set()
        self.wait(lambda: self.sets[1].split.set in self.offered, "the board does not offer the new set")

    def answers(self, number: int = 0, between: Callable[[], object] = lambda: None) -> bool:
        """Whether the whole chain does; never wrongly. `between` comes when the input is there."""
        given, expected = self.sets[0].golden.vectors[number]
        self.drain()
        self.unavailable = False
        deadline = time.monotonic() + ANSWER_S
        try:
            self.first.write_input(given)
            between()
            self.first.invoke()
            while not (results := self.last.results()):
                if self.unavailable or time.monotonic() > deadline:
                    return False
                self.last.listen(0.1)
        except (LinkTimeout, Refused):
            return False
        # not by TENSOR_READ, which tells of the model that runs by then
        assert [result.values for result in results] == [expected], "a wrong result"
        return True

    def settle(self, *wanted: int) -> int:
        """Until both run one set of those, and the chain answers."""
        found: list[int] = []

        def holds() -> bool:
            answered = self.answers()
            found[:] = [self.board(), self.linux]
            return answered and found[0] == found[1] and found[0] in wanted

        self.wait(holds, f"board and Linux do not come together in one of {wanted}")
        return found[0]


def patiently(ask: Callable[[], T], drain: Callable[[], object]) -> T:
    """As any client of a serial line asks: what is lost is asked for again. Somebody reads the last part's line, too:
    its program waits for whoever does not.
    """
    for _ in range(TRIES - 1):
        drain()
        with contextlib.suppress(LinkTimeout, Garbled):
            return ask()
    return ask()


def connected(port: int) -> socket.socket:
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 5.0)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def cut(pair: Pair, operation: int) -> int:
    """Which set the chain ends in when power fails within that operation of the switch; then it is asked again."""
    with pair.running() as virtual:
        pair.wait_proven()
        virtual.cut_in(operation)
        pair.give_linux()
        pair.wait(lambda: virtual.measure().resets == 1, "the board did not switch")
        ended = pair.settle(0, 1)
        pair.ask()
        assert pair.settle(1) == 1
    return ended


def test_power_fails_while_a_board_behind_a_linux_part_switches(sets: Sets, tmp_path: Path) -> None:
    ready = Pair(sets, tmp_path / "ready")
    ready.prepare()
    with ready.running():
        assert ready.settle(0) == 0
        ready.upload()
        ready.ask()
        ready.wait_proven()
        assert ready.settle(0) == 0  # and the chain computes on
    ended = set()
    operations = range(1, SWITCH + 1) if "TINYOPS_EXHAUSTIVE" in os.environ else CUTS
    for operation in operations:
        shutil.rmtree(tmp_path / "cut", ignore_errors=True)
        shutil.copytree(tmp_path / "ready", tmp_path / "cut")
        ended.add(cut(Pair(sets, tmp_path / "cut"), operation))
    assert ended == {0, 1}  # the first record only says that it is tried
    count_faults("power cuts in the switch of a chain, micro:bit twin", len(operations))


def test_a_switch_does_not_take_the_input_that_a_host_has_written(sets: Sets, tmp_path: Path) -> None:
    pair = Pair(sets, tmp_path / "midway")
    pair.prepare()
    with pair.running():
        pair.settle(0)
        pair.upload()
        pair.answers(1, pair.ask)  # nor does a proof
        pair.wait_proven()

        def switch() -> None:
            pair.give_linux()
            pair.wait(lambda: pair.linux == 1, "Linux does not commit")
            time.sleep(0.3)

        pair.answers(0, switch)
        assert pair.settle(1) == 1
