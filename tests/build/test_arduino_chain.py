"""A Nano 33 BLE between two programs of Linux: its whole rendered program takes tensors on its pins and sends over
Bluetooth. Its flash, its core and its radio are the host's (tests/runtime/arduino); never run on silicon.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_chain_parts import make, whole

from fakes.arduino_part import Central, PartModel, compile_part, fresh_flash, in_the_air, part_model, powered
from fakes.chain_boards import chain_settings, split_with
from fakes.chained import layered
from fakes.part_programs import build_program
from fakes.ports import free_port
from tinyops.compiler import CompileOptions, compile_model
from tinyops.compiler.host import build_host
from tinyops.features import TensorFeatures
from tinyops.firmware.chained import ChainPlace
from tinyops.graph import parse_graph
from tinyops.link import Decoder, Link, LinkTimeout, Refused, Tensor
from tinyops.link.parts import PartState, PartType
from tinyops.link.smp import BoardManager, Garbled
from tinyops.manifest.keys import SigningKey
from tinyops.split.document import read_part
from tinyops.twin.chained import ChainLink, NotAvailable, RunningPart
from tinyops.twin.golden import read_golden
from tinyops.twin.joined import Joint
from tinyops.twin.machine import SocketStream
from tinyops.twin.wire import Terms

pytestmark = pytest.mark.build

AFTER_MS, WAIT_S, VECTORS, TRIES = 1000, 60.0, 3, 8
CUTS = {"old": (1, 3), "new": (2, 3)}
KEYS = (SigningKey.generate(), SigningKey.generate())
FITS = (20, 182)  # of phones at their least, and of most centrals


@dataclass(frozen=True)
class CutSet:
    """One model, cut once: what its parts are made of."""

    set: str
    vectors: tuple[tuple[bytes, bytes], ...]
    near: Path  # model.so
    middle: PartModel
    far: Path


@dataclass(frozen=True)
class Built:
    near: Path  # programs
    middle: Path
    far: Path
    sets: dict[str, CutSet]


def hosted(folder: Path, out: Path) -> tuple[Path, dict[str, Any]]:
    """A part's model for a program of Linux, and its contract."""
    compiled = compile_model(
        parse_graph((out / "int8.tflite").read_bytes(), "p"),
        TensorFeatures(),
        CompileOptions(),
        read_part(out / "part.json"),
    )
    return build_host(compiled.sources, folder), compiled.contract


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    sets, contracts = {}, {}
    for name, cuts in CUTS.items():
        folder = tmp_path_factory.mktemp(name)
        data = layered((16, 60, 24, 50, 5))
        split_with(data, chain_settings([None] * 3, [None] * 3, cuts=cuts), folder)
        golden = read_golden(whole(data, folder, VECTORS))
        near, middle, far = (make(part, folder) for part in "abc")
        (near_model, contracts["near"]), (far_model, contracts["far"]) = (
            hosted(folder / side, out) for side, out in (("near", near), ("far", far))
        )
        files = {f: middle / f for f in ("int8.tflite", "features.json", "part.json", "golden.bin")}
        made = part_model(files, folder / "middle")
        sets[name] = CutSet(read_part(middle / "part.json").set, golden.vectors, near_model, made, far_model)
    place = ChainPlace(1, 3, AFTER_MS, downstream_kind="ble")
    folder = tmp_path_factory.mktemp("programs")
    (folder / "middle").mkdir()
    assert sets["old"].middle.contract == sets["new"].middle.contract
    return Built(
        build_program(folder / "near", contracts["near"], ChainPlace(0, 3, AFTER_MS)),
        compile_part(sets["old"].middle.contract, place, folder / "middle"),
        build_program(folder / "far", contracts["far"], ChainPlace(2, 3, AFTER_MS)),
        sets,
    )


class Chain:
    """All three, running; `link` is the chain, `manager` speaks with the board over the last part's bridge."""

    def __init__(self, built: Built, folder: Path, fits: int) -> None:
        self.built, self.folder, self.fits = built, folder, fits
        self.flash, self.air = folder / "flash", folder / "air"
        old = built.sets["old"]
        fresh_flash(self.flash, old.middle.image(KEYS[0]), KEYS, "w-1")
        for side, model in (("near", old.near), ("far", old.far)):
            (folder / side / "a").mkdir(parents=True)
            shutil.copyfile(model, folder / side / "a" / "model.so")

    @contextlib.contextmanager
    def running(self) -> Iterator[Chain]:
        with contextlib.ExitStack() as stack:

            def pair() -> tuple[socket.socket, socket.socket]:
                ends = socket.socketpair()
                for end in ends:
                    stack.enter_context(end)
                return ends

            (line, lines), (pins, wired), (up, ups), (last, lasts) = (pair() for _ in range(4))
            port = free_port()
            board = stack.enter_context(powered(self.built.middle, self.flash, self.air, wired))
            self.board, self.cable = board.process, board.cable
            self._start(stack, self.built.near, "near", {"line": lines})
            more = {"upstream": ups, "line": lasts}
            self._start(stack, self.built.far, "far", more, "--bridge", f"tcp-listen:127.0.0.1:{port}")
            joint = Joint(lambda: line, lambda: pins, Terms(), with_probe=True)
            stack.callback(joint.close)
            assert joint.probe is not None
            self.central = stack.enter_context(in_the_air(Central(self.air, self.fits, up)))
            first = Link(SocketStream(joint.probe, "near"), name="near", timeout_s=5.0)
            far = SimpleNamespace(link=Link(SocketStream(last, "far"), name="far", timeout_s=5.0))
            none: Any = SimpleNamespace()
            parts: Any = [
                RunningPart("near", none, first),
                RunningPart("middle", none, first),
                RunningPart("far", far, None),  # type: ignore[arg-type]
            ]
            self.link = ChainLink(parts)
            self.bridge, self.decoder = stack.enter_context(connected(port)), Decoder()
            self.manager = BoardManager(SocketStream(self.bridge, "bridge"), name="bridge", timeout_s=5.0)
            yield self

    def _start(
        self, stack: contextlib.ExitStack, program: Path, side: str, streams: dict[str, socket.socket], *more: str
    ) -> None:
        options = [word for name, end in streams.items() for word in (f"--{name}", f"fd:{end.fileno()}")]
        fds = tuple(end.fileno() for end in streams.values())
        child = subprocess.Popen([program, "--slots", self.folder / side, *options, *more], pass_fds=fds)
        stack.callback(lambda: (child.kill(), child.wait(20)))

    def answers(self, number: int) -> bool:
        """Whether it does; only ever as the whole model."""
        given, expected = self.built.sets["old"].vectors[number]
        try:
            self.link.write_input(given)
            self.link.invoke(5.0)
        except (NotAvailable, LinkTimeout, Refused):
            return False
        assert self.link.read_tensor(Tensor.OUTPUT, len(expected)) == expected
        return True

    def answers_at_last(self, number: int = 0) -> None:
        wait(lambda: self.answers(number), "the chain does not answer")

    def wait_set(self, name: str) -> None:
        wanted = self.built.sets[name].set
        self.link.wait_state(lambda told: told.running.hex() == wanted and told.state == 0, WAIT_S)

    def bridged(self) -> set[int]:
        """Which frames of the board passed the bridge since they were asked for last."""
        found: set[int] = set()
        self.bridge.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while data := self.bridge.recv(4096):
                found |= {frame.type for frame in self.decoder.feed(data)}
        return found

    def give_linux(self, name: str) -> None:
        for side, model in (("near", self.built.sets[name].near), ("far", self.built.sets[name].far)):
            (self.folder / side / "b").mkdir(exist_ok=True)
            shutil.copyfile(model, self.folder / side / "b" / "model.so")
            (self.folder / side / "wanted").write_text("b\n")

    def give_board(self, image: bytes) -> None:
        """Over the bridge, through the last part and the air, as `tinyops update` does."""
        from smpclient.requests.image_management import ImageUploadWrite

        at = 0
        while at < len(image):
            first: dict[str, Any] = {"len": len(image), "image": 1} if at == 0 else {}
            piece = ImageUploadWrite(off=at, data=image[at : at + 256], **first)
            at = int(self.patiently(lambda piece=piece: self.manager.request(piece)).off)  # type: ignore[misc]
        found = next(s for s in self.patiently(self.manager.images) if s.image == 1 and not s.active)
        assert found.digest is not None
        self.patiently(lambda: self.manager.test_image(found.digest))

    def patiently(self, ask: Callable[[], Any]) -> Any:
        for _ in range(TRIES - 1):
            with contextlib.suppress(LinkTimeout, Garbled):
                return ask()
        return ask()


def wait(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, what


def connected(port: int) -> socket.socket:
    found: list[socket.socket] = []

    def reach() -> bool:
        with contextlib.suppress(OSError):
            found.append(socket.create_connection(("127.0.0.1", port), 5.0))
        return bool(found)

    wait(reach, "no bridge")
    return found[0]


@pytest.mark.parametrize("fits", FITS)
def test_a_chain_over_pins_and_the_air_gives_what_the_whole_model_gives(
    fits: int, built: Built, tmp_path: Path
) -> None:
    with Chain(built, tmp_path, fits).running() as chain:
        chain.wait_set("old")
        for number in range(VECTORS):
            chain.answers_at_last(number)
        assert max(chain.central.packets) <= fits and sum(chain.central.packets) > 3 * 50
        assert (tmp_path / "air.told").read_text() == "w-1\n"  # found by the device's name
        # who is connected over the air has the line: the cable is silent, and back when nobody is
        chain.bridged()
        with pytest.raises(LinkTimeout):
            Link(SocketStream(chain.cable, "cable"), name="cable", timeout_s=0.5).hello()
        assert chain.bridged() <= {PartType.STATE}, "nor is a cable's request answered in the air"


def test_who_is_gone_from_the_air_is_lost_and_comes_back(built: Built, tmp_path: Path) -> None:
    with Chain(built, tmp_path, FITS[1]).running() as chain:
        chain.wait_set("old")
        chain.answers_at_last()
        chain.central.away.set()
        lost: list[NotAvailable] = []

        def is_lost() -> bool:
            given, _ = built.sets["old"].vectors[0]
            try:
                chain.link.write_input(given)
                chain.link.invoke(2.0)
            except NotAvailable as why:
                lost.append(why)
            except (LinkTimeout, Refused):
                pass
            return bool(lost)

        wait(is_lost, "nobody misses the air")
        assert lost[-1].part == "middle"
        assert Link(SocketStream(chain.cable, "cable"), name="cable", timeout_s=5.0).hello().board == "nano33ble-radio"
        chain.central.away.clear()
        chain.answers_at_last(1)


def test_a_chain_goes_to_another_set_that_comes_over_the_air(built: Built, tmp_path: Path) -> None:
    """Its flash is written by the core's routines; a board that is off for a moment finds it there."""
    chain = Chain(built, tmp_path, FITS[1])
    with chain.running():
        chain.wait_set("old")
        chain.give_linux("new")
        for number in range(2):
            chain.answers_at_last(number)  # mixed readiness: the board lacks it, so all stay with the old one
        chain.give_board(built.sets["new"].middle.image(KEYS[0]))
        chain.wait_set("new")
        chain.answers_at_last(2)
    with chain.running():
        chain.wait_set("new")
        chain.answers_at_last()


def test_a_board_of_another_set_gives_no_answer(built: Built, tmp_path: Path) -> None:
    chain = Chain(built, tmp_path, FITS[1])
    fresh_flash(chain.flash, built.sets["new"].middle.image(KEYS[0]), KEYS, "w-1")
    with chain.running():
        told = chain.link.wait_state(lambda told: told.state == PartState.MIXED, WAIT_S)
        assert told.part in (0, 1) and not chain.answers(0)
