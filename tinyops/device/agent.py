"""`tinyops agent`: poll, verify, install beside, prove, switch, run, report; keep the old model on any failure."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import tinyops
from tinyops.device.believing import open_offers, open_store
from tinyops.device.client import Client
from tinyops.device.kept_running import LOOK_S, KeptRunning, Verdict
from tinyops.device.memory import Memory
from tinyops.device.part_streams import PartStreams
from tinyops.device.records import REASON_CHARACTERS_MAX
from tinyops.device.reports import Credential, Outbox, SealedReport, open_outbox
from tinyops.device.settings import AgentSettings
from tinyops.device.source import Source
from tinyops.device.state import AgentState, load_state, only_agent
from tinyops.errors import TinyopsError, ToolError
from tinyops.files import read_bounded, write_atomic, writing
from tinyops.manifest.fields import time_text
from tinyops.manifest.keys import KEY_FILE_LIMIT_BYTES, SigningKey, write_private
from tinyops.manifest.report import DeviceReport, Health, Running, Slot, SlotState

KEY_FILE = "device.key"
REPORT_FILE = "report.json"
BACK_OFF_MAX_S = 3600.0
JITTER = 0.2
PIPE_MODE = 0o660  # of a sensor's frames: who writes them may be another user of this one's group
REPORTS_WAIT_S = 30.0  # with `once`, until the reports are where they go


@dataclass(frozen=True)
class Outcome:
    """What one poll came to: the report that was written, and what went wrong, if anything."""

    report: DeviceReport
    error: TinyopsError | None


def run_agent(
    settings: AgentSettings,
    *,
    on_event: Callable[[str], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> DeviceReport:
    """Runs the agent: one poll with `once`, else until `stop` is set or Ctrl-C.

    A failed poll keeps the old model running and is in the report, which is written in any case. With
    `once` it is raised after that (RemoteError, ToolError, …); otherwise the agent tries again, later
    each time. Raises UsageError and SpecError for wrong settings, Leased when the state is in use.
    """
    settings.check()
    with only_agent(settings.state):
        agent = Agent(settings, on_event)
        try:
            if not settings.once:
                return _poll_on(agent, on_event, stop or threading.Event())
            outcome = agent.poll()
            if outcome.error is not None:
                raise outcome.error
            return outcome.report
        finally:
            agent.close()


def _poll_on(agent: Agent, on_event: Callable[[str], None], halt: threading.Event) -> DeviceReport:
    """Polls until `halt` or Ctrl-C, whatever goes wrong. Returns the last report; raises if there never was one."""
    report: DeviceReport | None = None
    error: TinyopsError | None = None
    failures = 0
    try:
        while True:
            try:
                outcome = agent.poll()
                report, error = outcome.report, outcome.error
            except ToolError as caught:  # a full disk: not even a report; what runs is not touched
                error = caught
            if error is not None:
                on_event(error.message)
            failures = failures + 1 if error else 0
            if agent.rest(halt, next_delay(agent.settings.interval_s, failures, random.random())):  # noqa: S311
                break
    except KeyboardInterrupt:
        on_event("stopped")
        if report is None:
            raise
    if report is None:
        raise error or ToolError("stopped before the first report")
    return report


def next_delay(interval_s: float, failures: int, chance: float) -> float:
    """Seconds until the next poll: doubled for each failure in a row up to an hour, spread by `chance` in 0 to 1."""
    longest = max(interval_s, BACK_OFF_MAX_S)
    doubled = min(interval_s * 2.0 ** min(failures, 20), longest)
    return doubled * (1 - JITTER / 2 + JITTER * chance)


class Agent:
    """One agent between start and end: its key, its state, its client."""

    def __init__(
        self,
        settings: AgentSettings,
        on_event: Callable[[str], None],
        *,
        source: Source | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self.started_s = time.monotonic()
        memory = Memory(settings.state, now)
        self.now = memory.now
        source = source or open_store(settings)
        self.offers = open_offers(settings, source, memory)
        self.key = device_key(settings.state)
        self.outbox = _outbox(settings, on_event)
        state = load_state(settings.state, settings.fleet, settings.board)
        if state.project is None and settings.project is not None:
            state = state.but(project=settings.project)
        self.client = Client(settings, state, memory.now, on_event, self.offers, source)
        self._on_event = on_event
        part = settings.part if not settings.once else None
        if part is not None and part.pipe is not None:
            _make_pipe(Path(part.pipe))
        self.part_streams = PartStreams(part, on_event) if part is not None else None
        self.part = _kept(settings.state, self.part_streams, on_event) if self.part_streams is not None else None
        self._heeded: Verdict | None = None  # the newest verdict that was acted upon, or could not be
        self._start_part()
        self._warned: tuple[str, ...] = ()

    def poll(self) -> Outcome:
        """One poll, ending in a written report. Raises ToolError when the state cannot be written."""
        given_up = self._judge_program()
        error = self.client.cycle() or given_up
        if self.part is not None:
            self.part.run(self.client.part())
        self.client.count_report()
        report = self._report(error, self._warn())
        return Outcome(report, self._write(report) or error)

    def _start_part(self) -> None:
        """Before the first poll: a part needs no network of releases to run what it has."""
        if self.part is not None:
            with contextlib.suppress(ToolError):  # a full disk: the poll says so
                self.client.follow_chain()
                self.client.begin_program()
            self.part.run(self.client.part())

    def _judge_program(self) -> TinyopsError | None:
        """Ends the trial of the program of this part where it has come to that; what was given up, as an error."""
        verdict = self.part.verdict if self.part is not None else None
        if self.part is None or verdict is None or not verdict.is_of(self.client.part()):
            return None
        self._heeded = verdict
        given_up = self.client.end_program(verdict.wrong)
        self.part.run(self.client.part())
        return given_up

    def rest(self, halt: threading.Event, seconds: float) -> bool:
        """Until the next poll, or the end of a program's trial: once, where that cannot be written down. Whether the
        agent is to end."""
        deadline = time.monotonic() + seconds
        while self.part is not None and self.client.state.program is not None:
            left = deadline - time.monotonic()
            verdict = self.part.verdict
            is_new = verdict is not None and verdict is not self._heeded and verdict.is_of(self.client.part())
            if left <= 0 or is_new:
                return halt.is_set()
            if halt.wait(min(left, LOOK_S)):
                return True
        return halt.wait(max(deadline - time.monotonic(), 0.0))

    def _warn(self) -> tuple[str, ...]:
        """What the offers warn of, and what of a part does not stay; it is said once, and is in every report."""
        part = [kept.trouble for kept in (self.part, self.part_streams) if kept is not None]
        warnings = (*self.offers.warnings(), *(trouble for trouble in part if trouble is not None))
        for warning in warnings:
            if warning not in self._warned:
                self._on_event(f"warning: {warning}")
                self.client.note_event("warning", warning)
        self._warned = warnings
        return warnings

    def close(self) -> None:
        if self.part is not None:
            self.part.close()
        if self.part_streams is not None:
            self.part_streams.close()
        if self.outbox is not None:
            self.outbox.close()

    def _write(self, report: DeviceReport) -> TinyopsError | None:
        sealed = SealedReport.of(report, self.key)
        write_atomic(self.settings.state / REPORT_FILE, sealed.data)
        if self.outbox is None:
            return None
        error = self.outbox.offer([sealed])
        if error is None and self.settings.once:
            error = self.outbox.flush(REPORTS_WAIT_S)
        return error

    def _report(self, error: TinyopsError | None, warnings: tuple[str, ...]) -> DeviceReport:
        state = self.client.state
        problem = "; ".join([error.message] if error else warnings)
        return DeviceReport(
            device=self.settings.device,
            fleet=self.settings.fleet,
            board=self.settings.board,
            sequence=state.sequence,
            time=time_text(self.now()),
            running=running_of(state),
            slot=Slot(state=slot_state(state)),
            last_update=state.last_update,
            health=Health(
                inferences=state.inferences,
                classes=state.classes,
                errors=state.errors,
                posted=state.posted,
                unposted=state.unposted,
                uptime_s=int(time.monotonic() - self.started_s),
                crashes=state.crashes,
                self_test="pass" if state.current is not None else None,  # nothing is confirmed without its vectors
                confidence=state.confidence,
            ),
            problem=problem[:REASON_CHARACTERS_MAX] or None,
            agent=f"tinyops/{tinyops.__version__}",
            public_key=self.key.public.raw.hex(),
            wave=self.client.wave,
            events=state.events,
        )


def _make_pipe(path: Path) -> None:
    """Where nobody has made it. Raises ToolError."""
    if not path.exists():
        with writing(path):
            os.mkfifo(path, PIPE_MODE)


def _kept(state: Path, streams: PartStreams, on_event: Callable[[str], None]) -> KeptRunning:
    return KeptRunning(state, streams.options, on_event, streams.handed)


def _outbox(settings: AgentSettings, on_event: Callable[[str], None]) -> Outbox | None:
    if settings.reports is None:
        return None
    credential = Credential(settings.reports_token_file)
    return open_outbox(settings.reports, credential=credential, state=settings.state, on_event=on_event)


def running_of(state: AgentState) -> Running | None:
    running = state.running
    if running is None:
        return None
    return Running(
        model=running.entry.model.digest,
        contract=f"sha256:{running.entry.contract}",
        version=running.entry.version,
        security_counter=running.entry.security_counter,
        firmware=program.digest if (program := running.entry.firmware) is not None else None,
        since=running.since,
    )


def slot_state(state: AgentState) -> SlotState:
    if state.trial is not None or state.program is not None:
        return "trial"
    given_up = state.last_update is not None and state.last_update.result == "reverted"
    if state.running is None:
        return "failed" if given_up else "empty"
    return "reverted" if given_up else "confirmed"


def device_key(folder: Path) -> SigningKey:
    """The device's own key, made at its first run, mode 0600. Raises ToolError when others may read it."""
    path = folder / KEY_FILE
    if not path.exists():
        with writing(path):
            write_private(path, SigningKey.generate().to_pem())
    if path.stat().st_mode & 0o077:
        raise ToolError(f"{path}: others than its owner may read it", hint=f"chmod 600 {path}")
    return SigningKey.from_pem(read_bounded(path, KEY_FILE_LIMIT_BYTES), where=str(path))
