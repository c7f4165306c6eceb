"""The file of a fleet's devices: CSV in Git, read and written with its comments, order and further columns kept.

    id,board,labels,public_key,enrolled,revoked,silicon,image_keys[,chain]

`id` and `board` must be there; `public_key` is the device's own, 64 hex digits, `enrolled` and `revoked` are days,
`silicon` is its chip's own number in hex: one that is not revoked belongs to one device. `image_keys` are the keys that
it takes images from, by the first 16 digits of their ids. `chain` names the chain that it is a part of: all its parts
take one place in the waves of a rollout.
Lines that begin with # and empty lines are kept.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

from tinyops.errors import Problem, SpecError, UsageError

FILE_LIMIT_BYTES = 16 * 1024 * 1024
DEVICES_MAX = 100_000
FIELD_MAX = 500
LINE_MAX = 8192
COLUMNS = ("id", "board", "labels", "public_key", "enrolled", "revoked", "silicon", "image_keys", "chain")
OF_A_NEW_FILE = COLUMNS[:-1]
NEEDED = ("id", "board")
_ID = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_KEY = re.compile(r"[0-9a-f]{64}|")
_IMAGE_KEYS = re.compile(r"([0-9a-f]{16}( [0-9a-f]{16}){0,7})?")
KEY_DIGITS = 16
_SILICON = re.compile(r"([0-9a-f]{2}){4,16}|")


def check_id(text: str) -> str:
    """Raises ValueError for what is no device's id."""
    if not _ID.fullmatch(text):
        raise ValueError(f"{text!r} is no device id: at most 63 letters, digits, and '.', '_', '-' between them")
    return text


@dataclass(frozen=True)
class Device:
    """A line of the file."""

    id: str
    board: str
    labels: str = ""
    public_key: str = ""
    enrolled: str = ""
    revoked: str = ""
    silicon: str = ""
    image_keys: str = ""  # separated by spaces
    chain: str = ""
    others: tuple[tuple[str, str], ...] = ()  # columns that tinyops knows nothing of

    @property
    def unit(self) -> str:
        """What takes a place in the waves of a rollout: the device, or the chain that it is a part of."""
        return self.chain or self.id

    def value(self, column: str) -> str:
        return str(getattr(self, column)) if column in COLUMNS else dict(self.others).get(column, "")


@dataclass(frozen=True)
class DevicesFile:
    """The file as a value. `lines` are devices, and comments as they stand."""

    columns: tuple[str, ...]
    lines: tuple[Device | str, ...]
    header_at: int = 0  # how many comments stand before the header

    @cached_property
    def devices(self) -> Mapping[str, Device]:
        return {line.id: line for line in self.lines if isinstance(line, Device)}

    def units(self, boards: Container[str]) -> frozenset[str]:
        """What counts in the waves of a rollout: devices of these boards that are not revoked, chains once each."""
        return frozenset(one.unit for one in self.devices.values() if not one.revoked and one.board in boards)

    def to_text(self) -> str:
        rows = [line if isinstance(line, str) else self._row(line) for line in self.lines]
        return "".join(f"{row}\n" for row in [*rows[: self.header_at], ",".join(self.columns), *rows[self.header_at :]])

    def _row(self, device: Device) -> str:
        out = io.StringIO()
        csv.writer(out, lineterminator="").writerow([device.value(column) for column in self.columns])
        return out.getvalue()

    def with_device(self, device: Device) -> DevicesFile:
        """The device at the end, or in the place of its former line."""
        changed = tuple(device if isinstance(old, Device) and old.id == device.id else old for old in self.lines)
        lines = changed if device.id in self.devices else (*self.lines, device)
        missing = tuple(c for c in COLUMNS if c not in self.columns and device.value(c))
        return replace(self, columns=(*self.columns, *missing), lines=lines)


def enrolled(file: DevicesFile, device: Device, *, instead_of: str | None, today: date) -> DevicesFile:
    """The file with a newly enrolled device. `instead_of` is the id that it replaces: its own when it is enrolled
    again, else that of a device which is revoked by this, and whose labels and chain it takes over.

    Raises UsageError when the id is taken or there is nobody to replace.
    """
    known = file.devices
    if instead_of is not None and instead_of not in known:
        raise UsageError(f"device {instead_of} is not in the fleet's file", hint="leave --replace away")
    _check_silicon(known, device, instead_of)
    if device.id in known and instead_of != device.id:
        state = f"revoked on {known[device.id].revoked}" if known[device.id].revoked else "enrolled already"
        raise UsageError(
            f"device {device.id} is {state}", hint=f"--replace {device.id} enrols it again, with a new key"
        )
    if instead_of is None:
        return file.with_device(device)
    old = known[instead_of]
    labels, others, chain = device.labels or old.labels, device.others or old.others, device.chain or old.chain
    taken = replace(device, labels=labels, others=others, chain=chain)
    if instead_of == device.id:
        return file.with_device(taken)
    return file.with_device(replace(old, revoked=old.revoked or today.isoformat())).with_device(taken)


def _check_silicon(known: Mapping[str, Device], device: Device, instead_of: str | None) -> None:
    """Raises UsageError for a device that would have two chips, or a chip that would be two devices."""
    old = known.get(device.id)
    if old is not None and device.silicon and old.silicon and old.silicon != device.silicon:
        raise UsageError(
            f"device {device.id} is enrolled with another chip: {old.silicon}, this one is {device.silicon}",
            hint=f"is it at the right port? `--id NEW --replace {device.id}` puts it in that device's place; under the "
            "same name only after that device's line was taken out of the file",
        )
    others = [one for one in known.values() if one.id not in (device.id, instead_of)]
    if (other := who_has(device.silicon, others)) is not None:
        again = f"`--id {other.id} --replace {other.id}` enrols it again"
        raise UsageError(
            f"this chip, {device.silicon}, is enrolled already: as {other.id}",
            hint=f"{again}, `--id {device.id} --replace {other.id}` under another name",
        )


def who_has(silicon: str, devices: Iterable[Device]) -> Device | None:
    """The device that was enrolled with a chip and is not revoked."""
    return next((one for one in devices if silicon and one.silicon == silicon and not one.revoked), None)


def revoked(file: DevicesFile, name: str, today: date) -> DevicesFile:
    """Raises UsageError for a device that is not there, or is revoked already."""
    old = file.devices.get(name)
    if old is None:
        raise UsageError(f"device {name} is not in the fleet's file")
    if old.revoked:
        raise UsageError(f"device {name} was revoked on {old.revoked}")
    return file.with_device(replace(old, revoked=today.isoformat()))


def parse_devices(text: str, *, where: str) -> DevicesFile:
    """Raises SpecError with every problem at its line."""
    columns: tuple[str, ...] = ()
    lines: list[Device | str] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    chips: dict[str, str] = {}
    header_at = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            lines.append(line)
        elif len(line) > LINE_MAX:
            problems.append(Problem(where, number, 1, f"longer than {LINE_MAX:,} characters"))
        elif not columns:
            columns, header_at = tuple(split(line)), len(lines)
            problems += [Problem(where, number, 1, m) for m in _header_problems(columns)]
        else:
            device = _device(line, columns)
            if isinstance(device, str):
                problems.append(Problem(where, number, 1, device))
            elif device.id in seen:
                problems.append(Problem(where, number, 1, f"device {device.id} stands twice"))
            elif _shares(device, chips):
                message = f"device {device.id} has the chip of {chips[device.silicon]}: revoke one of them"
                problems.append(Problem(where, number, 1, message))
            else:
                seen.add(device.id)
                lines.append(device)
    if len(lines) > DEVICES_MAX:
        problems.append(Problem(where, DEVICES_MAX, 1, f"more than {DEVICES_MAX:,} lines"))
    if problems:
        raise SpecError(problems)
    return DevicesFile(columns or OF_A_NEW_FILE, tuple(lines), header_at if columns else len(lines))


def _shares(device: Device, chips: dict[str, str]) -> bool:
    """Whether a chip belongs to a device before this one; notes whose it is."""
    counts = bool(device.silicon) and not device.revoked
    return counts and chips.setdefault(device.silicon, device.id) != device.id


def split(line: str) -> list[str]:
    """The fields of one line of CSV, at most LINE_MAX long; a quoted field ends with the line."""
    if '"' not in line:
        return [field.strip() for field in line.split(",")]
    return [field.strip() for field in next(csv.reader([line], strict=False))]


def _header_problems(columns: Sequence[str]) -> list[str]:
    missing = [column for column in NEEDED if column not in columns]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    found = [f"column {column!r} is missing from {','.join(columns)[:100]!r}" for column in missing]
    return found + [f"column {column!r} stands twice" for column in twice]


def _device(line: str, columns: Sequence[str]) -> Device | str:
    """The device of a line, or what is wrong with it."""
    fields = split(line)
    if len(fields) > len(columns):
        return f"{len(fields)} fields, the header has {len(columns)}"
    values = dict(zip(columns, [*fields, *[""] * (len(columns) - len(fields))], strict=False))
    if any(len(value) > FIELD_MAX for value in values.values()):
        return f"a field is longer than {FIELD_MAX} characters"
    known = {column: values.get(column, "") for column in COLUMNS}
    try:
        check_id(known["id"])
        known["chain"] and check_id(known["chain"])
        _check_values(known)
    except ValueError as error:
        return str(error)
    return Device(**known, others=tuple((c, v) for c, v in values.items() if c not in COLUMNS))


def _check_values(known: Mapping[str, str]) -> None:
    if not known["board"]:
        raise ValueError(f"device {known['id']} has no board")
    if not _KEY.fullmatch(known["public_key"]):
        raise ValueError(f"the public key of {known['id']} is not 64 lower-case hex digits")
    if not _IMAGE_KEYS.fullmatch(known["image_keys"]):
        raise ValueError(f"the image keys of {known['id']} are not {KEY_DIGITS} lower-case hex digits each")
    if not _SILICON.fullmatch(known["silicon"]):
        raise ValueError(f"the chip's number of {known['id']} is not 8 to 32 lower-case hex digits, two a byte")
    for column in ("enrolled", "revoked"):
        try:
            known[column] and date.fromisoformat(known[column])
        except ValueError:
            raise ValueError(f"{column}: {known[column]!r} is no day such as 2027-06-30") from None
