"""Who a device is: what it was told when it was enrolled, its chip's own number, and what it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

from tinyops.device.provision.format import KEY_BYTES, VALUE_HEAD, Tag
from tinyops.link.smp import BoardInfo, BoardManager, Garbled, Refused
from tinyops.manifest.fields import DeviceName, Name

Trouble: TypeAlias = Literal[
    "unenrolled", "foreign", "unknown-fleet", "cloned", "twice", "other-board", "cable", "defect"
]
PIECES_MAX = 32
_DEVICE: TypeAdapter[str] = TypeAdapter(DeviceName)
_NAME: TypeAdapter[str] = TypeAdapter(Name)


@dataclass(frozen=True)
class Identity:
    """`silicon` is its chip's number in hex, "" where it has none; `keys` those that it believes of images.

    `board` is what its fleet calls it: a kind of board, or the part of a chain. `chain` is that chain's id, "" without.
    """

    device: str
    fleet: str
    board: str
    silicon: str
    keys: tuple[bytes, ...] = ()
    chain: str = ""

    def same_board(self, other: Identity) -> bool:
        """Whether it can be the same piece of hardware under the same name."""
        return (self.device, self.silicon, self.board) == (other.device, other.silicon, other.board)


@dataclass(frozen=True)
class Answer:
    """What a device said: its identity, or why it has none that anything can be brought to."""

    info: BoardInfo
    identity: Identity | None
    trouble: Trouble | None = None
    why: str = ""

    @property
    def silicon(self) -> str:
        return self.info.silicon.hex() if self.info.silicon else ""


def ask(board: BoardManager, timeout_s: float | None = None) -> Answer:
    """Asks a device who it is; two requests, or three. Raises LinkError."""
    info = board.info(timeout_s)
    try:
        values = leading_values(board.read_settings(_enough()))
    except Refused:
        return Answer(info, None, "unenrolled", "its firmware keeps no settings, so it has no name")
    return judge(info, values, board.name)


def judge(info: BoardInfo, values: dict[int, bytes], where: str) -> Answer:
    """Raises Garbled for settings that nobody can have written."""
    if Tag.DEVICE not in values:
        return Answer(
            info, None, "unenrolled", "it was not enrolled: `tinyops enrol` gives it a name, a fleet and keys"
        )
    try:
        device = _DEVICE.validate_python(_text(values, Tag.DEVICE))
        fleet = _NAME.validate_python(_text(values, Tag.FLEET))
        hardware, part, chain = _place(_text(values, Tag.BOARD))
    except (ValidationError, ValueError):
        raise Garbled(f"{where}: its settings name no device, fleet and board", hint="enrol it again") from None
    keys = values.get(Tag.IMAGE_KEYS, b"")
    identity = Identity(
        device,
        fleet,
        part or hardware,
        info.silicon.hex() if info.silicon else "",
        tuple(keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES)),
        chain,
    )
    if hardware != info.board:
        why = f"was enrolled as a {hardware}, and runs firmware for a {info.board}"
        return Answer(info, identity, "other-board", why)
    return Answer(info, identity)


def _place(text: str) -> tuple[str, str, str]:
    """Board, and of a part of a chain its part and its chain, "" where it is none. Raises ValueError."""
    board, part, chain = (*text.split("/"), "", "")[:3]
    if text.count("/") > 2:
        raise ValueError(text)
    _NAME.validate_python(board)
    return board, _NAME.validate_python(part) if part else "", _DEVICE.validate_python(chain) if chain else ""


def leading_values(data: bytes) -> dict[int, bytes]:
    """The values that are whole in the first bytes of a board's settings."""
    found: dict[int, bytes] = {}
    at = 0
    while at + VALUE_HEAD.size <= len(data):
        tag, length = VALUE_HEAD.unpack_from(data, at)
        at += VALUE_HEAD.size
        if at + length > len(data):
            break
        found[tag] = data[at : at + length]
        at += length
    return found


def _enough() -> Callable[[bytes], bool]:
    """Whether more pieces of settings are wanted: tags ascend, whatever comes after the keys does not matter here, and
    a device that sends them byte by byte is not waited for."""
    pieces = 0

    def judge(data: bytes) -> bool:
        nonlocal pieces
        pieces += 1
        return pieces >= PIECES_MAX or any(tag >= Tag.IMAGE_KEYS for tag in leading_values(data))

    return judge


def _text(values: dict[int, bytes], tag: Tag) -> str:
    return values.get(tag, b"").decode("ascii", "replace")
