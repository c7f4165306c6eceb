"""A fleet in the middle of a rollout, and what its devices report, without a store or a key."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tinyops.files import digest_bytes
from tinyops.manifest.document import (
    BoardEntry,
    FileRef,
    FleetBase,
    FleetEntry,
    FleetRollout,
    ModelFile,
    Proofs,
)
from tinyops.manifest.fields import time_text
from tinyops.manifest.progress import Progress, position
from tinyops.manifest.report import DeviceReport, Health, LastUpdate, Running, Slot
from tinyops.reconcile.rollout.decide import Decision, Situation, decide
from tinyops.reconcile.rollout.standing import Seen
from tinyops.reconcile.rollout.waves import thresholds
from tinyops.specs.rollout import Rollout, Wave

START = datetime(2027, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = "5" * 64


def offer(name: str, *, firmware: str = "", version: int = 1) -> BoardEntry:
    def file(text: str) -> dict[str, Any]:
        return {"tag": f"v{version}", "asset": f"{text}.bin", "digest": digest_bytes(text.encode()), "bytes": len(text)}

    return BoardEntry(
        contract=digest_bytes(b"contract"),
        contract_file=FileRef(**file("contract")),
        model=ModelFile(**file(name), kind="image"),
        firmware=FileRef(**file(firmware)) if firmware else None,
        golden=FileRef(**file("golden")),
        proof=Proofs(model="same-bytes"),
    )


def fleet_entry(board: BoardEntry, **more: Any) -> FleetEntry:
    return FleetEntry(model="m", security_counter=0, boards={"b": board}, **more)


def rules(*waves: Wave, **more: Any) -> Rollout:
    """Canary of two, a quarter, everybody; soaks for a day; silent after three."""
    chosen = waves or (Wave(canary=2), Wave(share=0.25), Wave(share=1))
    return Rollout(waves=chosen, **more)


NEW, OLD = offer("new", version=7), offer("old", version=6)


@dataclass
class Fleet:
    """Devices d-0, d-1 … in the order of their waves, the clock, the last document, and what each device reports."""

    size: int = 20
    rules: Rollout = field(default_factory=rules)
    new: BoardEntry = NEW
    old: BoardEntry = OLD
    now: datetime = START
    progress: Progress | None = None
    reports: dict[str, DeviceReport] = field(default_factory=dict)
    reporting: bool = True
    listed: bool = True
    version: int = 7

    def __post_init__(self) -> None:
        names = [f"d-{n}" for n in range(self.size)]
        self.names = sorted(names, key=lambda name: position("f", name))
        self.waves = thresholds(self.rules.waves, "f", names)

    @property
    def rollout(self) -> FleetRollout:
        base = FleetBase(version=6, security_counter=0, boards={"b": self.old})
        return FleetRollout(id=self.version, waves=self.waves, on_failure=self.rules.on_failure, keys=(KEY,), base=base)

    @property
    def entry(self) -> FleetEntry:
        return fleet_entry(self.new, rollout=self.rollout)

    def situation(self) -> Situation:
        known = self.names if self.listed else [name for name in self.names if name in self.reports]
        seen = tuple(Seen(name, "b", position("f", name), self.reports.get(name)) for name in known)
        return Situation(
            "p", "f", self.entry, self.rollout, self.rules, seen, self.reporting, self.listed, self.progress, self.now
        )

    def step(self, hours: float = 0) -> Decision:
        """The clock goes on, then a step is made; what it decides becomes the last document."""
        self.now += hours * HOUR
        made = decide(self.situation())
        self.progress = made.progress or self.progress
        return made

    def soak(self, hours: float) -> Decision:
        """The clock goes on, everybody says the same again as before, then a step is made."""
        self.now += hours * HOUR
        for name, said in self.reports.items():
            self.reports[name] = said.model_copy(update={"time": time_text(self.now)})
        return self.step()

    def say(self, *names: str, **more: Any) -> None:
        """Devices report now; unless told otherwise, that they run the new content and are well."""
        for name in names:
            self.reports[name] = report(name, self.now, **{"version": self.version, **more})

    def up_to(self, wave: int) -> list[str]:
        """The devices of the first waves, as many as that."""
        return [name for name in self.names if position("f", name) <= self.waves[wave - 1]] if wave else []

    def obedient(self) -> None:
        """Every device takes what it is told at once, and reports."""
        reached = self.up_to(self.progress.waves if self.progress else 0)
        self.say(*reached)
        self.say(*(name for name in self.names if name not in reached), model=self.old, version=6)

    def but(self, **more: Any) -> None:
        self.rules = self.rules.model_copy(update=more)


def report(
    name: str,
    now: datetime,
    version: int = 7,
    *,
    model: BoardEntry = NEW,
    slot: str = "confirmed",
    last: LastUpdate | None = None,
    since: datetime | None = None,
    firmware: str | None = None,
    runs: bool = True,
    **health: Any,
) -> DeviceReport:
    running = Running(
        model=model.model.digest,
        contract=model.contract,
        version=version,
        security_counter=0,
        since=time_text(since or now),
        firmware=firmware,
    )
    return DeviceReport(
        device=name,
        fleet="f",
        board="b",
        sequence=1,
        time=time_text(now),
        running=running if runs else None,
        slot=Slot(state=slot),  # type: ignore[arg-type]
        last_update=last,
        health=Health(**{"inferences": 0, "classes": {}, "errors": 0, "uptime_s": 0, **health}),
        problem=None,
        agent="t",
        public_key="0" * 64,
    )


def gave_up(now: datetime, version: int | None = 7, result: str = "reverted") -> LastUpdate:
    return LastUpdate(
        version=version,
        digest=NEW.model.digest,
        result=result,  # type: ignore[arg-type]
        reason="self-test: vector 3 differs",
        time=time_text(now),
    )
