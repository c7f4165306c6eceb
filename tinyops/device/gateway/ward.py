"""What all visits of devices share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tinyops.device.gateway.content import Content
from tinyops.device.gateway.guard import ASK_S
from tinyops.device.gateway.journal import Journal, Remembered, event_of
from tinyops.device.gateway.roster import Clash, Roster
from tinyops.device.gateway.standing import Standings
from tinyops.device.gateway.who import Trouble
from tinyops.device.update.session import Origins
from tinyops.device.update.settings import Patience, Stop, Watch
from tinyops.manifest.fields import time_text


@dataclass
class Ward:
    """What all visits share. Its parts may be used from several threads; the roster under `lock`."""

    journal: Journal
    content: Content
    standings: Standings
    origins: Origins
    watch: Watch
    stop: Stop
    patience: Patience
    now: Callable[[], datetime]
    chains: Mapping[str, str] = field(default_factory=dict)  # of devices that are parts of one
    told_chains: dict[str, str] = field(default_factory=dict)  # as devices were told when they were enrolled
    ask_s: float = ASK_S  # how long an answer may take of a device that may not be there
    roster: Roster = field(default_factory=Roster)
    lock: threading.Lock = field(default_factory=threading.Lock)
    devices: dict[str, Remembered] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by the digest of their contract's file

    def __post_init__(self) -> None:
        self.devices, self.troubles = self.journal.devices(), self.journal.troubles()

    def trouble(self, address: str, subject: str, kind: Trouble | None, text: str) -> None:
        """What is wrong at an address, None where nothing is; told when it changes."""
        mark = f"{kind} {subject}" if kind is not None else ""
        if self.troubles.get(address, "") != mark:
            event = event_of(self.moment, kind, text) if kind is not None else None
            self.journal.trouble_at(address, mark, subject, event)
            self.troubles[address] = mark

    def unit(self, device: str) -> str:
        """What takes a place in the waves of a rollout: a device, or the chain that it is a part of."""
        return self.chains.get(device) or self.told_chains.get(device) or device

    @property
    def moment(self) -> str:
        return time_text(self.now())

    def clash(self, device: str) -> Clash | None:
        with self.lock:
            return self.roster.clash(device)
