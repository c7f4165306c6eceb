"""Management of a board over its serial line, in SMP: definition, the host's end, and the C header."""

from tinyops.link.smp.answers import (
    Bench,
    BoardInfo,
    Crash,
    Health,
    ImageSlot,
    Parameters,
    SelfTest,
    Spread,
    UpdateState,
)
from tinyops.link.smp.definition import GROUP, Command, Refusal
from tinyops.link.smp.header import c_header
from tinyops.link.smp.manager import BoardManager, Garbled, Refused

__all__ = [
    "GROUP",
    "Bench",
    "BoardInfo",
    "BoardManager",
    "Command",
    "Crash",
    "Garbled",
    "Health",
    "ImageSlot",
    "Parameters",
    "Refusal",
    "Refused",
    "SelfTest",
    "Spread",
    "UpdateState",
    "c_header",
]
