"""What is connected, matched with the catalogue; and what the boards answer that may be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tinyops.boards.model import Board
from tinyops.device.identify.match import Candidate, candidates, may_ask, nearest, settle_s
from tinyops.device.identify.usb import UsbDevice
from tinyops.errors import ToolError
from tinyops.files import JsonObject
from tinyops.link.client import LinkError
from tinyops.link.smp import BoardInfo, BoardManager

ASK_TIMEOUT_S = 1.0
# Of a board that opening its line resets: it computes its digest anew each time, an AVR for seconds.
RESET_ASK_TIMEOUT_S = 15.0
Question: TypeAlias = Callable[[str, float], BoardInfo]  # a port, and how long it is left alone first


@dataclass(frozen=True)
class Found:
    """One port, or a device on USB without one.

    `board` is what the answer says, or the only candidate; None while that is open. `problem` is why
    there is no answer, `nearest` what the catalogue has that resembles a device of no board.
    """

    port: str | None
    usb: UsbDevice | None
    candidates: tuple[Candidate, ...]
    nearest: tuple[str, ...]
    asked: bool
    answer: BoardInfo | None = None
    problem: str = ""

    @property
    def board(self) -> str | None:
        if self.answer is not None:
            return self.answer.board
        names = {candidate.board for candidate in self.candidates}
        return names.pop() if len(names) == 1 else None

    @property
    def in_bootloader(self) -> bool:
        return bool(self.candidates) and all(candidate.mode == "bootloader" for candidate in self.candidates)

    def to_json(self) -> JsonObject:
        usb, answer = self.usb, self.answer
        return {
            "port": self.port,
            "board": self.board,
            "candidates": [{"board": c.board, "mode": c.mode} for c in self.candidates],
            "nearest": list(self.nearest),
            "usb": usb and {"vid": usb.vid, "pid": usb.pid, "serial": usb.serial, "product": usb.product, "at": usb.at},
            "asked": self.asked,
            "answer": None if answer is None else _answer_json(answer),
            "problem": self.problem or None,
        }


def _answer_json(answer: BoardInfo) -> JsonObject:
    def digest(value: bytes | None) -> str | None:
        return f"sha256:{value.hex()}" if value is not None else None

    return {
        "board": answer.board,
        "fleet": answer.fleet,
        "version": answer.version,
        "contract": digest(answer.contract),
        "firmware": digest(answer.firmware),
        "model": digest(answer.model),
        "state": answer.state,
        "free_slots": answer.free_slots,
        "arena_bytes": answer.arena_bytes,
        "ram_bytes": answer.ram_bytes,
        "silicon": answer.silicon.hex() if answer.silicon else None,
    }


def ask(port: str, settle: float = 0.0) -> BoardInfo:
    """Asks the board at a port who it is. Raises LinkError, or ToolError when the port cannot be opened."""
    timeout_s = RESET_ASK_TIMEOUT_S if settle > 0 else ASK_TIMEOUT_S
    with BoardManager.open(port, timeout_s=timeout_s, settle_s=settle) as manager:
        return manager.info()


def identify(
    usb: Sequence[UsbDevice],
    catalog: Mapping[str, Board],
    *,
    ports: Sequence[str] = (),
    anyone: bool = False,
    question: Question = ask,
) -> tuple[Found, ...]:
    """Everything that is connected, or only `ports`.

    Writes to a port only when the id is a board's own while its firmware runs, or with `anyone`. Raises nothing
    for a board that does not answer: that is its `problem`.
    """
    places = [(port, device) for device in usb for port in device.ports or (None,)]
    if ports:
        by_port = {_real(port): device for port, device in places if port is not None}
        places = [(port, by_port.get(_real(port))) for port in ports]  # type: ignore[misc]
    return tuple(_look(port, device, catalog, anyone, question) for port, device in places)


def _real(port: str) -> str:
    return str(Path(port).resolve())


def _look(
    port: str | None, device: UsbDevice | None, catalog: Mapping[str, Board], anyone: bool, question: Question
) -> Found:
    boards = candidates(device, catalog) if device is not None else ()
    near = nearest(device, catalog) if device is not None and not boards else ()
    if port is None:
        return Found(port, device, boards, near, asked=False)
    if not (anyone or (device is not None and may_ask(device, catalog))):
        return Found(port, device, boards, near, asked=False, problem="not asked: no board's own id; --ask asks it")
    try:
        return Found(port, device, boards, near, asked=True, answer=question(port, settle_s(device, catalog)))
    except (LinkError, ToolError) as error:
        return Found(port, device, boards, near, asked=True, problem=error.message)
