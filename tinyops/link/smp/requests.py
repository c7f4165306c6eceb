"""Group 64 as smpclient wants it: a request class for each command, with its answer and errors.

    async with SMPClient(SMPSerialTransport(), "/dev/ttyACM0") as client:
        answer = await client.request(HealthRead())

Needs the packages of tinyops[serial]. Fields are the keys of `definition`; a test holds them equal.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from smp import error, message

from tinyops.link.smp.definition import CHECKS_MAX, GROUP, SILICON_MAX, Command, Refusal

Uint = Annotated[int, Field(ge=0, lt=1 << 32)]
Long = Annotated[int, Field(ge=0, lt=1 << 64)]
Int = Annotated[int, Field(ge=-(1 << 31), lt=1 << 31)]
Text = Annotated[str, Field(max_length=64, pattern=r"^[ -~]*$")]  # it is shown on terminals
Digest = Annotated[bytes, Field(min_length=32, max_length=32)]


class ErrorV1(error.ErrorV1):
    """A refusal in version 1 of SMP, or of a command that the board does not know in any version."""

    _GROUP_ID = GROUP


class ErrorV2(error.ErrorV2[Refusal]):
    """A refusal in version 2 of SMP."""

    _GROUP_ID = GROUP


class _Ours:
    _ErrorV1 = ErrorV1
    _ErrorV2 = ErrorV2


class InfoReadResponse(message.ReadResponse):
    """Who a board is and what it runs."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.INFO
    board: Text
    fleet: Text
    firmware_version: Text
    contract: Digest
    firmware: Digest | None = None
    model: Digest | None = None
    image_crc: Uint
    abi: Uint
    state: Int
    arena: Uint
    ram: Uint
    free_slots: Uint
    silicon: Annotated[bytes, Field(min_length=4, max_length=SILICON_MAX)] | None = None


class InfoRead(_Ours, message.ReadRequest):
    """Asks who a board is and what it runs."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.INFO
    _Response = InfoReadResponse


class HealthReadResponse(message.ReadResponse):
    """How a board fares."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.HEALTH
    uptime_ms: Uint
    reset_cause: Uint
    watchdogs: Uint
    faults: Uint
    inferences: Uint
    sensor: Int
    missed: Uint
    stack_used: Uint
    stack: Uint
    arena_used: Uint
    arena: Uint
    supply_mv: Uint
    confidence: Uint
    histogram: Annotated[tuple[Uint, ...], Field(max_length=64)]


class HealthRead(_Ours, message.ReadRequest):
    """Asks how a board fares."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.HEALTH
    _Response = HealthReadResponse


class SelfTestWriteResponse(message.WriteResponse):
    """What a self-test found."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.SELF_TEST
    names: Annotated[tuple[Text, ...], Field(max_length=CHECKS_MAX)]
    statuses: Annotated[tuple[Int, ...], Field(max_length=CHECKS_MAX)]
    outputs_crc: Uint


class SelfTestWrite(_Ours, message.WriteRequest):
    """Starts a self-test."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.SELF_TEST
    _Response = SelfTestWriteResponse
    keep: bool | None = None


class SettingsReadResponse(message.ReadResponse):
    """A piece of a board's settings."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.SETTINGS
    off: Uint
    len: Uint
    data: bytes


class SettingsRead(_Ours, message.ReadRequest):
    """Asks for a piece of a board's settings."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.SETTINGS
    _Response = SettingsReadResponse
    off: Uint


class SettingsWriteResponse(message.WriteResponse):
    """Where the next piece of settings begins."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.SETTINGS
    off: Uint


class SettingsWrite(_Ours, message.WriteRequest):
    """Writes a piece of a board's settings."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.SETTINGS
    _Response = SettingsWriteResponse
    off: Uint
    len: Uint
    data: bytes


class BenchWriteResponse(message.WriteResponse):
    """How long inferences took."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.BENCH
    repeat: Annotated[int, Field(ge=1)]
    ticks_min: Uint
    ticks_max: Uint
    ticks_sum: Long
    tick_hz: Uint
    cycles_min: Uint
    cycles_max: Uint
    cycles_sum: Long
    cycle_bits: Uint
    emulated: bool


class BenchWrite(_Ours, message.WriteRequest):
    """Runs the model some times."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.BENCH
    _Response = BenchWriteResponse
    repeat: Uint


class CrashReadResponse(message.ReadResponse):
    """The last hard fault."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.CRASH
    crashed: bool
    pc: Uint = 0
    lr: Uint = 0
    psr: Uint = 0
    cfsr: Uint = 0
    hfsr: Uint = 0
    mmfar: Uint = 0
    bfar: Uint = 0
    image_crc: Uint = 0
    uptime_ms: Uint = 0
    firmware_crc: Uint = 0


class CrashRead(_Ours, message.ReadRequest):
    """Asks for the last hard fault."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.CRASH
    _Response = CrashReadResponse


class CrashWriteResponse(message.WriteResponse):
    """The fault is forgotten."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.CRASH


class CrashWrite(_Ours, message.WriteRequest):
    """Makes the board forget its last hard fault."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.CRASH
    _Response = CrashWriteResponse


class UpdateReadResponse(message.ReadResponse):
    """How updates of an image fare."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.UPDATE
    state: Uint
    outcome: Uint
    refusal: Uint
    written: Uint
    announced: Uint
    counter: Uint
    gap_ms: Uint
    lost: Uint
    deltas: Uint | None = None


class UpdateRead(_Ours, message.ReadRequest):
    """Asks how updates of an image fare."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.UPDATE
    _Response = UpdateReadResponse
    image: Uint


class UpdateWriteResponse(message.WriteResponse):
    """The trial has ended."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.UPDATE


class UpdateWrite(_Ours, message.WriteRequest):
    """Ends the trial of an image."""

    _GROUP_ID = GROUP
    _COMMAND_ID = Command.UPDATE
    _Response = UpdateWriteResponse
    image: Uint
