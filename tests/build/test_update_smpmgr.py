"""Unmodified smpmgr updates an emulated micro:bit, model and firmware, while frames over its line are classified."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from smpclient.requests.image_management import ImageUploadWrite

from fakes.pty_board import port_of
from fakes.updatable import Updatable, digest_of
from tinyops.images import Kind
from tinyops.link import Link, Result
from tinyops.link.serial_port import SerialStream
from tinyops.link.smp import BoardManager, Refused
from tinyops.link.smp.answers import TrialOutcome, TrialState
from tinyops.link.smp.definition import UpdateError

pytestmark = pytest.mark.build

LIMIT_S, PIECE_BYTES = 60, 800
WINDOW, HOP = 4, 2


@dataclass
class Desk:
    """A micro:bit at a port, and who makes its images."""

    port: str
    board: Updatable
    folder: Path
    model: bytes  # that runs

    def smpmgr(self, *words: str) -> str:
        command = [sys.executable, "-m", "smpmgr", "--port", self.port, "--timeout", "20", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def upload(self, image: bytes, number: int) -> None:
        file = self.folder / f"{number}.img"
        file.write_bytes(image)
        self.smpmgr("image", "upload", str(file), "--slot", str(number))

    def listed(self) -> str:
        return re.sub(r"\s", "", self.smpmgr("image", "state-read"))

    def manager(self) -> BoardManager:
        return BoardManager.open(self.port, timeout_s=LIMIT_S)

    def runs(self, image: bytes, number: int) -> bool:
        with self.manager() as board:
            return [s.digest for s in board.images() if s.active and s.image == number] == [digest_of(image)]

    def classify(self, first: int) -> Result:
        """A window of frames from the number on; each is answered."""
        stream = SerialStream(self.port)
        link = Link(stream, name=self.port, timeout_s=LIMIT_S)
        link.reset_state()
        results = [link.sample((value, value)) for value in range(first, first + WINDOW)]
        stream.close()
        assert [result is not None for result in results] == [False] * (WINDOW - 1) + [True]
        assert results[-1] is not None
        return results[-1]

    def adds(self) -> int:
        """What the model that runs adds to its inputs, reversed."""
        found = self.classify(10).values
        assert list(found[::2]) == [found[-1] + 3 - i for i in range(WINDOW)]
        return found[-1] - 10


def send(board: BoardManager, image: bytes, number: int) -> None:
    """All of an image; where it is bad that is seen at its last piece, if not before."""
    at = 0
    while at < len(image):
        first = {"image": number, "len": len(image)} if at == 0 else {}
        at = board.request(ImageUploadWrite(off=at, data=image[at : at + PIECE_BYTES], **first)).off


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Updatable:
    return Updatable("microbit", tmp_path_factory.mktemp("microbit"))


@pytest.fixture
def desk(board: Updatable, tmp_path: Path) -> Iterator[Desk]:
    model = board.model()
    state = tmp_path / "flash"
    state.mkdir()
    with board.booted(board.prepare(model, state)) as live, port_of(live.virtual) as port:
        yield Desk(port, board, tmp_path, model)


def test_a_model_and_a_firmware_are_listed_uploaded_tested_and_confirmed(desk: Desk) -> None:
    new = desk.board.model(7)
    assert desk.adds() == 0 and digest_of(desk.model).hex().upper() in desk.listed()
    desk.upload(new, 1)
    assert desk.adds() == 0, "what is uploaded does not run yet"
    desk.smpmgr("image", "state-write", digest_of(new).hex())
    assert desk.runs(new, 1) and desk.adds() == 7
    with desk.manager() as board:
        fare = board.update_state(1)
        assert fare.state == TrialState.RUNNING and fare.gap_ms < 4000, "less than a window of the example"
        print(f"a swap stopped inference for {fare.gap_ms} ms")
    desk.smpmgr("image", "state-write", "--confirm")
    firmware = desk.board.firmware(1)
    desk.upload(firmware, 0)
    desk.smpmgr("image", "state-write", digest_of(firmware).hex())
    desk.smpmgr("os", "reset")
    assert desk.runs(firmware, 0) and desk.adds() == 7
    with desk.manager() as board:
        assert board.update_state(0).state == TrialState.RUNNING
        assert board.self_test().passed
    desk.smpmgr("image", "state-write", "--confirm")
    desk.smpmgr("os", "reset")
    assert desk.runs(firmware, 0) and desk.runs(new, 1) and desk.adds() == 7


def test_bad_ones_are_refused_and_a_crashing_one_reverts_while_inference_goes_on(desk: Desk) -> None:
    make = desk.board
    bad = {
        UpdateError.SIGNATURE: make.model(5, key=type(make.key).generate()),
        UpdateError.CONTRACT: make.model(5, contract=bytes(32)),
        UpdateError.BOARD: make.model(5, board="microbit-v2"),
        UpdateError.ADDRESS: make.firmware(0, grown=4),
    }
    for reason, image in bad.items():
        number = Kind.FIRMWARE if reason == UpdateError.ADDRESS else Kind.MODEL
        with desk.manager() as board:
            with pytest.raises(Refused):
                send(board, image, number)
            assert board.update_state(number).refusal == reason
        assert desk.adds() == 0
    higher, lower, crashing = make.model(1, counter=3), make.model(2, counter=2), make.model(3, fault=1, counter=3)
    with desk.manager() as board:
        send(board, higher, Kind.MODEL)
        board.test_image(digest_of(higher))
        board.confirm_image(digest_of(higher))
        with pytest.raises(Refused):
            send(board, lower, Kind.MODEL)
        assert board.update_state(1).refusal == UpdateError.COUNTER
    desk.upload(crashing, 1)
    desk.smpmgr("image", "state-write", digest_of(crashing).hex())
    with desk.manager() as board:
        assert board.update_state(1).outcome == TrialOutcome.RESET and board.health().faults == 1
    assert desk.runs(higher, 1) and desk.adds() == 1
