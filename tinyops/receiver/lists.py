"""Whom a receiver takes reports from, read again when a file changes: a device that is struck off is out in seconds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from tinyops.device.provision.devices_file import FILE_LIMIT_BYTES, parse_devices
from tinyops.device.reports.enrolment import Enrolment
from tinyops.errors import TinyopsError, UsageError
from tinyops.files import read_bounded
from tinyops.receiver.admission import FleetRule, Rules

LOOK_EVERY_S = 5.0
RulesT = TypeVar("RulesT")
_FLEET = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Watched(Generic[RulesT]):
    """Rules as `load` reads them, anew when one of `files` has changed; while they are wrong the ones before hold."""

    def __init__(
        self,
        load: Callable[[], RulesT],
        files: Callable[[], Iterable[Path]],
        on_event: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        what: str = "the lists of devices",
    ) -> None:
        """Raises SpecError for what is wrong from the start."""
        self._load, self._files, self._on_event, self._clock, self._what = load, files, on_event, clock, what
        self._stamp = self._look()
        self._rules = load()
        self._next_s = clock() + LOOK_EVERY_S

    def __call__(self) -> RulesT:
        if self._clock() >= self._next_s:
            self._next_s = self._clock() + LOOK_EVERY_S
            if (stamp := self._look()) != self._stamp:
                self._stamp = stamp
                self._reload()
        return self._rules

    def _reload(self) -> None:
        try:
            self._rules = self._load()
            self._on_event(f"{self._what} changed")
        except TinyopsError as error:
            self._on_event(f"{error.message}: what was read before holds on")

    def _look(self) -> tuple[tuple[str, int, int], ...]:
        return tuple(sorted(_stamp(path) for path in self._files()))


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), status.st_mtime_ns, status.st_size


def parse_lists(named: Sequence[str], opened: Sequence[str]) -> tuple[dict[str, Path], dict[str, FleetRule]]:
    """The files by fleet, by `FLEET=FILE` or the name of the file, and the fleets. Raises UsageError."""
    files: dict[str, Path] = {}
    for text in named:
        fleet, equals, file = text.partition("=")
        path = Path(file if equals else text)
        files[fleet if equals else path.stem] = path
    fleets = {fleet: FleetRule(open=fleet in opened) for fleet in [*files, *opened]}
    for fleet in fleets:
        if not _FLEET.fullmatch(fleet):
            raise UsageError(f"{fleet!r} is no name of a fleet", hint="--devices wrist=production.csv")
    if not fleets:
        hint = "--repository DIR, --devices FLEET=FILE, or --open FLEET for one that takes whoever comes"
        raise UsageError("nothing says whose reports are taken", hint=hint)
    return files, fleets


def rules_of_files(files: dict[str, Path], fleets: dict[str, FleetRule]) -> Rules:
    """Raises SpecError with every problem of a list."""
    lists = {
        fleet: parse_devices(read_bounded(path, FILE_LIMIT_BYTES).decode(errors="replace"), where=str(path))
        for fleet, path in files.items()
    }
    return Rules(fleets, Enrolment(lists))
