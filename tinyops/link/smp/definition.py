"""Management of a board: SMP (MCUmgr's protocol) over the same line as the link. This module is its one definition.

An SMP message is an 8-byte header and a CBOR map with text keys. On a console it travels as lines: 06 09 begins a
message, 04 14 continues it, base64 follows, a newline ends the line. What is decoded is a length (2 bytes, of what
follows it), the message, and its CRC-16/XMODEM; all three big-endian.

Groups 0 (os) and 1 (image) are MCUmgr's. Group 64 is ours: `COMMANDS`. A command is asked with a read or a write;
`answer` says what comes back. A board that cannot do it answers with a `Refusal`: in the map `err` of SMP version 2,
as `rc` in version 1; the numbers are those of MCUmgr's own errors, where it has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

GROUP = 64
GROUP_OS = 0
GROUP_IMAGE = 1
HEADER_BYTES = 8
MESSAGE_MAX = 1024  # bytes of an SMP message, with length and CRC, that a board takes which updates itself
MESSAGE_LARGE = 4096  # the same where there is much RAM
MESSAGE_MIN = 384  # the same of one that does not; a board's parameters say which it is
LINE_MAX = 127  # bytes of a line that a board sends, its newline included
SETTINGS_PIECE = 128  # bytes of settings in one message
BENCH_REPEAT_MAX = 1000
CHECKS_MAX = 4  # named results of a self-test
SILICON_MAX = 16  # bytes of a chip's own number

START = b"\x06\x09"
CONTINUE = b"\x04\x14"
# A frame of the link that begins like a line cannot be told from one: these types are no request's.
RESERVED_TYPES = (START[1], CONTINUE[1])


class Os(IntEnum):
    """Commands of group 0 that a board answers."""

    ECHO = 0
    RESET = 5
    PARAMETERS = 6
    INFO = 7


class Image(IntEnum):
    """Commands of group 1; a board that cannot be updated this way refuses all but a read of STATE."""

    STATE = 0
    UPLOAD = 1
    ERASE = 5


class ImageError(IntEnum):
    """Why a command of group 1 cannot be done: MCUmgr's numbers, as far as a board of ours gives them."""

    UNKNOWN = 1
    FLASH_CONFIG_QUERY_FAIL = 2
    INVALID_TLV = 5
    HASH_NOT_FOUND = 8
    NO_FREE_SLOT = 9
    FLASH_WRITE_FAILED = 12
    INVALID_SLOT = 14
    INVALID_OFFSET = 20
    INVALID_LENGTH = 21
    INVALID_IMAGE_HEADER = 22
    INVALID_HASH = 24
    INVALID_FLASH_ADDRESS = 25
    CURRENT_VERSION_IS_NEWER = 27
    INVALID_IMAGE_TOO_LARGE = 30
    IMAGE_CONFIRMATION_DENIED = 32


class UpdateError(IntEnum):
    """Why an update was refused: tinyops_slots_status, negated. Group 1 has fewer numbers; UPDATE tells these."""

    FLASH = 1
    GEOMETRY = 2
    NO_SLOT = 3
    OFFSET = 4
    BYTES = 5
    IMAGE = 6
    DIGEST = 7
    SIGNATURE = 8
    KEYS = 9
    BOARD = 10
    ADDRESS = 11
    CONTRACT = 12
    COUNTER = 13
    STATE = 14
    ABSENT = 15
    KIND = 16
    BASE = 17
    DELTA = 18


UPDATE_ERROR_TEXT: dict[UpdateError, str] = {
    UpdateError.FLASH: "its flash refused, or reads back other bytes",
    UpdateError.GEOMETRY: "its slots, sectors and buffers do not go together",
    UpdateError.NO_SLOT: "it has no such image, or no second slot for it",
    UpdateError.OFFSET: "a piece does not follow the one before",
    UpdateError.BYTES: "larger than the slot, or of another length than announced",
    UpdateError.IMAGE: "no image of MCUboot's format, or a malformed one",
    UpdateError.DIGEST: "the content is not what its digest says",
    UpdateError.SIGNATURE: "no key that it trusts has signed the image",
    UpdateError.KEYS: "it trusts no key yet: it was not enrolled",
    UpdateError.BOARD: "the image was made for another board",
    UpdateError.ADDRESS: "the image was linked for another slot",
    UpdateError.CONTRACT: "the model is for another contract than its firmware's",
    UpdateError.COUNTER: "the image's security counter is lower than its own",
    UpdateError.STATE: "nothing is being written, verified, pending or on trial there",
    UpdateError.ABSENT: "no slot holds an image with that digest",
    UpdateError.KIND: "a model where a firmware belongs, or the reverse",
    UpdateError.BASE: "the delta is from another image than the one that runs",
    UpdateError.DELTA: "the delta is malformed",
}
# What group 1 says in place of each, in the order of their numbers.
IMAGE_ERRORS: dict[UpdateError, ImageError] = {
    UpdateError.FLASH: ImageError.FLASH_WRITE_FAILED,
    UpdateError.GEOMETRY: ImageError.FLASH_CONFIG_QUERY_FAIL,
    UpdateError.NO_SLOT: ImageError.INVALID_SLOT,
    UpdateError.OFFSET: ImageError.INVALID_OFFSET,
    UpdateError.BYTES: ImageError.INVALID_IMAGE_TOO_LARGE,
    UpdateError.IMAGE: ImageError.INVALID_IMAGE_HEADER,
    UpdateError.DIGEST: ImageError.INVALID_HASH,
    UpdateError.SIGNATURE: ImageError.INVALID_TLV,
    UpdateError.KEYS: ImageError.UNKNOWN,
    UpdateError.BOARD: ImageError.INVALID_TLV,
    UpdateError.ADDRESS: ImageError.INVALID_FLASH_ADDRESS,
    UpdateError.CONTRACT: ImageError.INVALID_TLV,
    UpdateError.COUNTER: ImageError.CURRENT_VERSION_IS_NEWER,
    UpdateError.STATE: ImageError.NO_FREE_SLOT,
    UpdateError.ABSENT: ImageError.HASH_NOT_FOUND,
    UpdateError.KIND: ImageError.INVALID_TLV,
    UpdateError.BASE: ImageError.HASH_NOT_FOUND,
    UpdateError.DELTA: ImageError.INVALID_IMAGE_HEADER,
}


class Command(IntEnum):
    """Commands of group 64."""

    INFO = 0
    HEALTH = 1
    SELF_TEST = 2
    SETTINGS = 3
    BENCH = 4
    CRASH = 5
    UPDATE = 6


class Refusal(IntEnum):
    """Why a command of group 64 cannot be done."""

    UNKNOWN = 1
    MEMORY = 2
    INVALID = 3
    ABSENT = 5
    STATE = 6
    SIZE = 7
    UNSUPPORTED = 8
    FAILED = 9
    BUSY = 10
    ACCESS = 11


REFUSAL_TEXT: dict[Refusal, str] = {
    Refusal.UNKNOWN: "it did not say why",
    Refusal.MEMORY: "the message is larger than its buffer",
    Refusal.INVALID: "a value is missing, of the wrong type or out of range",
    Refusal.ABSENT: "there is no such thing on it",
    Refusal.STATE: "it has no model that can run",
    Refusal.SIZE: "the answer is larger than its buffer",
    Refusal.UNSUPPORTED: "the board or its firmware cannot do that",
    Refusal.FAILED: "its hardware failed",
    Refusal.BUSY: "it is busy with another command",
    Refusal.ACCESS: "it trusts keys, and takes this from a cable alone",
}


@dataclass(frozen=True)
class Key:
    """One entry of a map: its key, its CBOR type (uint, int, bool, text, bytes, array), and what it is.

    `optional`: it may be missing, and the description says what that means.
    """

    name: str
    type: str
    doc: str
    optional: bool = False


@dataclass(frozen=True)
class Exchange:
    """What one read or write carries, and what its answer carries."""

    ask: tuple[Key, ...]
    answer: tuple[Key, ...]


@dataclass(frozen=True)
class Definition:
    """A command of group 64; None where it cannot be read or written."""

    doc: str
    read: Exchange | None = None
    write: Exchange | None = None


_INFO = (
    Key("board", "text", "name in the catalogue"),
    Key("fleet", "text", "fleet that the firmware was rendered for"),
    Key("firmware_version", "text", "version of the firmware"),
    Key("contract", "bytes", "SHA-256 of the firmware's contract"),
    Key("firmware", "bytes", "SHA-256 of the firmware as it lies in flash; missing: it cannot be read", True),
    Key("model", "bytes", "SHA-256 of the model image in its slot; missing: no slot, or no image", True),
    Key("image_crc", "uint", "CRC-32 of the model image, 0: no slot, or no image"),
    Key("abi", "uint", "model ABI that the firmware speaks"),
    Key("state", "int", "status of the model as in the link: 0, or why it cannot run"),
    Key("arena", "uint", "bytes of arena that the firmware has"),
    Key("ram", "uint", "bytes of RAM that data, arena and stack take"),
    Key("free_slots", "uint", "slots that an update could be written to"),
    Key("silicon", "bytes", "the chip's own number, no other chip's; missing: it has none, or none that is read", True),
)
_HEALTH = (
    Key("uptime_ms", "uint", "since start-up; 0 without a clock"),
    Key("reset_cause", "uint", "0 unknown, 1 power, 2 pin, 3 watchdog, 4 software, 5 fault, 6 brownout"),
    Key("watchdogs", "uint", "resets by the watchdog since power-on, where RAM is kept"),
    Key("faults", "uint", "hard faults since power-on, where RAM is kept"),
    Key("inferences", "uint", "since start-up"),
    Key("sensor", "int", "1: samples; 0: none, frames come over the line; negative: has failed"),
    Key("missed", "uint", "frames of the board's sensor that were lost"),
    Key("stack_used", "uint", "deepest use since start-up, bytes"),
    Key("stack", "uint", "bytes of stack"),
    Key("arena_used", "uint", "bytes of arena that the model needs"),
    Key("arena", "uint", "bytes of arena that the firmware has"),
    Key("supply_mv", "uint", "0 where it cannot be read"),
    Key("confidence", "uint", "sum over inferences of the best output, in int8 steps above -128"),
    Key("histogram", "array", "inferences by the index of their best output, as many as are counted"),
)
_CRASH = (
    Key("crashed", "bool", "whether a fault is kept; without one nothing else comes"),
    Key("pc", "uint", "program counter where it happened", True),
    Key("lr", "uint", "return address there", True),
    Key("psr", "uint", "program status there", True),
    Key("cfsr", "uint", "fault status; RISC-V: mcause", True),
    Key("hfsr", "uint", "hard fault status", True),
    Key("mmfar", "uint", "address of a memory fault; RISC-V: mtval", True),
    Key("bfar", "uint", "address of a bus fault", True),
    Key("image_crc", "uint", "CRC-32 of the model image that ran, 0: none", True),
    Key("uptime_ms", "uint", "when it happened; 0 without a clock", True),
    Key("firmware_crc", "uint", "CRC-32 of the firmware's flash, 0: not known", True),
)
_TEST = (
    Key("names", "array", "what was checked, as texts"),
    Key("statuses", "array", "0, or what was wrong, a number for each name"),
    Key("outputs_crc", "uint", "CRC-32 of the output tensor, 0 when the model did not run"),
)
_BENCH = (
    Key("repeat", "uint", "inferences that were run"),
    Key("ticks_min", "uint", "of one inference"),
    Key("ticks_max", "uint", "of one inference"),
    Key("ticks_sum", "uint", "of all, modulo 2^64"),
    Key("tick_hz", "uint", "ticks a second; 0: ticks are instructions; 1: nothing is counted"),
    Key("cycles_min", "uint", "core cycles of one inference, modulo 2^cycle_bits"),
    Key("cycles_max", "uint", "core cycles of one inference"),
    Key("cycles_sum", "uint", "of all, modulo 2^64"),
    Key("cycle_bits", "uint", "of the counter; 0: this core counts none"),
    Key("emulated", "bool", "whether an emulator runs this firmware, whose cycles are none"),
)
_UPDATE = (
    Key("state", "uint", "of the trial: 0 none, 1 pending, 2 runs, and reverts at the next reset"),
    Key("outcome", "uint", "of the last trial: 0 none, 1 confirmed, 2 reset, 3 self-test, 4 damaged, 5 refused"),
    Key("refusal", "uint", "why an update was refused last, an UpdateError; 0: none was since the last upload began"),
    Key("written", "uint", "bytes of the upload under way that were taken"),
    Key("announced", "uint", "bytes of that upload; 0: none is under way"),
    Key("counter", "uint", "least security counter that is accepted"),
    Key("gap_ms", "uint", "how long the last swap stopped inference; 0 without a clock"),
    Key("lost", "uint", "frames of the board's sensor that were lost in swaps, since start-up"),
    Key("deltas", "uint", "format of the deltas that it takes, 0: none; missing: none", True),
)
_IMAGE = Key("image", "uint", "0 firmware, 1 model")
_OFFSET = Key("off", "uint", "of the piece, bytes")

COMMANDS: dict[Command, Definition] = {
    Command.INFO: Definition("Who the board is and what it runs.", read=Exchange((), _INFO)),
    Command.HEALTH: Definition("How it fares.", read=Exchange((), _HEALTH)),
    Command.SELF_TEST: Definition(
        "Checks the model image, and runs the model once. Forgets the frames pushed so far.",
        write=Exchange(
            (Key("keep", "bool", "run on what the link wrote to the input tensor; missing: on zeros", True),), _TEST
        ),
    ),
    Command.SETTINGS: Definition(
        "The board's settings as bytes, in pieces. A write begins at 0, goes on where the answer says, and takes effect"
        " with the piece that ends at `len`; before that, the earlier settings hold.",
        read=Exchange((_OFFSET,), (_OFFSET, Key("len", "uint", "of all settings"), Key("data", "bytes", "the piece"))),
        write=Exchange(
            (_OFFSET, Key("len", "uint", "of all settings"), Key("data", "bytes", "the piece")),
            (Key("off", "uint", "where the next piece begins"),),
        ),
    ),
    Command.BENCH: Definition(
        "Runs the model on whatever its input tensor holds. Forgets the frames pushed so far.",
        write=Exchange((Key("repeat", "uint", f"inferences, 1 to {BENCH_REPEAT_MAX}"),), _BENCH),
    ),
    Command.CRASH: Definition(
        "The last hard fault; a write forgets it.", read=Exchange((), _CRASH), write=Exchange((), ())
    ),
    Command.UPDATE: Definition(
        "How updates of an image fare; a write ends its trial at once: what ran before runs again.",
        read=Exchange((_IMAGE,), _UPDATE),
        write=Exchange((_IMAGE,), ()),
    ),
}
