"""Enrolling one device: what it is told, and how that reaches it. Its private key is forgotten here."""

from __future__ import annotations

import calendar
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Protocol

from tinyops.device.provision.devices_file import KEY_DIGITS, Device, check_id
from tinyops.device.provision.format import (
    IMAGE_KEYS,
    NETWORK_VALUES_MAX,
    SECRET_FROM,
    VALUES_MAX,
    Settings,
    decode_values,
    encode_values,
)
from tinyops.errors import ToolError, UsageError
from tinyops.link.client import LinkError
from tinyops.link.smp import BoardInfo, Refused
from tinyops.manifest.keys import PublicKey, SigningKey

DAY_S = 86400


class Managed(Protocol):
    """What enrolling needs of a board; a BoardManager is one."""

    name: str

    def write_settings(self, data: bytes) -> None: ...

    def read_settings(self) -> bytes: ...


@dataclass(frozen=True)
class Network:
    """How a device reaches its releases. The password is not shown when it is printed."""

    endpoint: str = ""
    ssid: str = ""
    password: str = field(default="", repr=False)
    roots: tuple[bytes, ...] = ()  # of a device that fetches by itself


@dataclass(frozen=True)
class Enrolment:
    """What is asked for. `image_keys` are the public keys that may sign images; `boards` those of the fleet; of a
    chain each part by its name, with its board in the catalogue.
    """

    fleet: str
    boards: Collection[str]
    image_keys: Sequence[PublicKey]
    network: Network = Network()
    parts: Mapping[str, str] = field(default_factory=dict)


def check_keys(keys: Sequence[PublicKey]) -> None:
    """Raises UsageError unless there is a spare, and room for all."""
    fewest, most = IMAGE_KEYS
    if len(keys) < fewest:
        raise UsageError(
            f"{len(keys)} trusted image key: a device needs two at the least, the active one and an offline spare",
            hint="`tinyops keys new TINYOPS_SPARE_KEY` makes one; put both public halves into specs/trusted.pem, keep "
            "the spare's private file offline",
        )
    if len(keys) > most:
        raise UsageError(f"{len(keys)} trusted image keys: a device keeps {most}", hint="trust fewer keys")


def check_network(network: Network) -> None:
    """Raises UsageError, which quotes no password."""
    if network.endpoint and not network.endpoint.startswith(("https://", "http://")):
        raise UsageError(f"endpoint {network.endpoint!r} is no http or https URL")
    if not network.endpoint.isascii():
        raise UsageError(f"endpoint {network.endpoint!r} is not ASCII")
    if network.roots and not network.endpoint.startswith("https://"):
        raise UsageError("roots without an https endpoint vouch for nobody", hint="name one with --endpoint")
    if bool(network.password) != bool(network.ssid):
        raise UsageError("a Wi-Fi network needs both its name and its password")
    if network.ssid and not 8 <= len(network.password.encode()) <= 64:
        raise UsageError("a Wi-Fi password has 8 to 63 characters, or 64 hex digits")


def enrol(board: Managed, found: Device, wanted: Enrolment, today: date) -> Device:
    """Gives a board the identity of `found` and returns that with its public half.

    `check_keys`, `check_network` and `check_board` come before. The board holds its former settings until it has all
    new ones. Raises ToolError when the board cannot keep settings or reads back others.
    """
    key = SigningKey.generate()
    settings = Settings(
        device=checked_id(found.id),
        fleet=wanted.fleet,
        board=wanted.parts.get(found.board, found.board),
        part=found.board if wanted.parts else "",
        chain=found.chain,
        image_keys=tuple(key_.raw for key_ in sorted(wanted.image_keys, key=lambda one: one.key_id)),
        report_public_key=key.public.raw,
        endpoint=wanted.network.endpoint,
        wifi_ssid=wanted.network.ssid,
        wifi_password=wanted.network.password,
        report_key=key.secret_bytes(),
        roots=wanted.network.roots,
        written=_midnight(today) if wanted.network.roots else 0,
    )
    _write(board, settings)
    trusted = " ".join(sorted(key_.key_id[:KEY_DIGITS] for key_ in wanted.image_keys))
    return replace(found, public_key=key.public.raw.hex(), enrolled=today.isoformat(), image_keys=trusted)


def _midnight(day: date) -> int:
    """When a day began, for a device that has no clock: never later than now."""
    return calendar.timegm(day.timetuple()) - DAY_S  # it may still be yesterday in UTC


def checked_id(name: str) -> str:
    try:
        return check_id(name)
    except ValueError as error:
        raise UsageError(str(error), hint="name one with --id") from None


def check_board(port: str, info: BoardInfo, wanted: Enrolment) -> None:
    """Raises UsageError for a board or firmware that is not the fleet's."""
    if info.board not in wanted.boards:
        boards = ", ".join(sorted(wanted.boards))
        raise UsageError(f"{port}: is a {info.board}, fleet {wanted.fleet} has {boards}")
    if info.fleet != wanted.fleet:
        raise UsageError(
            f"{port}: runs firmware of fleet {info.fleet or '(none)'}, not of {wanted.fleet}",
            hint=f"`tinyops flash {port} --fleet {wanted.fleet}` first",
        )


def part_of(port: str, info: BoardInfo, wanted: Enrolment, named: str) -> str:
    """What the fleet calls a device: its board, or the part of its chain that is `named`, or the only one that it can
    be. Raises UsageError.
    """
    if not wanted.parts:
        if named:
            raise UsageError(f"--part: fleet {wanted.fleet} is no chain", hint="leave it away")
        return info.board
    able = [part for part, board in wanted.parts.items() if board == info.board and named in ("", part)]
    if len(able) != 1:
        is_what = f"is no {named}" if named else "may be any of several parts" if able else "is no part"
        parts = ", ".join(f"{part} (a {board})" for part, board in wanted.parts.items())
        raise UsageError(f"{port}: a {info.board} {is_what} of fleet {wanted.fleet}", hint=f"--part: {parts}")
    return able[0]


def _write(board: Managed, settings: Settings) -> None:
    data = encode_values(settings, NETWORK_VALUES_MAX if settings.roots else VALUES_MAX)
    try:
        board.write_settings(data)
    except Refused as error:
        raise ToolError(
            f"{board.name}: its firmware took no settings: {error.message}",
            hint="its former settings hold; the board's catalogue entry must have layout.settings, its port flash",
        ) from None
    except LinkError as error:
        raise ToolError(
            f"{board.name}: went away while it was enrolled: {error.message}",
            hint="it holds its former settings or the new ones, whole; plug it in and enrol it again",
        ) from None
    found = decode_values(board.read_settings(), where=board.name)
    public = {int(tag): value for tag, value in settings.values().items() if tag < SECRET_FROM}
    if leaked := sorted(tag for tag in found if tag >= SECRET_FROM):
        raise ToolError(f"{board.name}: gives out secret setting {leaked[0]:#04x}", hint="flash the released firmware")
    if found != public:
        raise ToolError(f"{board.name}: reads back other settings than it was given", hint="enrol it again")
