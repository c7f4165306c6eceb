"""The gateway between start and end: polls, looks at each device when it is due, brings many what they need at once."""

from __future__ import annotations

import queue
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from tinyops.device.gateway.care import Visit, visit
from tinyops.device.gateway.health import Snapshot
from tinyops.device.gateway.listening import Ears
from tinyops.device.gateway.outgoing import Outgoing
from tinyops.device.gateway.places import Finder, Place
from tinyops.device.gateway.prefetch import prefetch
from tinyops.device.gateway.reporting import Reporter, Send
from tinyops.device.gateway.status import Status
from tinyops.device.gateway.timing import RESETTING_S, Rhythm, after_look, back_off, spread
from tinyops.device.gateway.ward import Ward
from tinyops.device.update.settings import Stop
from tinyops.errors import TinyopsError, ToolError

TICK_S = 0.5
SCAN_S = 2.0
REPORT_S = 5.0


@dataclass(frozen=True)
class Pace:
    """How often what is done, in seconds, and how much at once."""

    jobs: int = 16
    poll_s: float = 300.0
    look_s: float = 300.0


@dataclass
class Counts:
    """Since the start; read by others while it changes."""

    polls: Counter[str] = field(default_factory=Counter)  # by ok, failed
    looks: Counter[str] = field(default_factory=Counter)  # by state
    updates: Counter[tuple[str, str]] = field(default_factory=Counter)  # by fleet and outcome
    reports: Counter[str] = field(default_factory=Counter)  # by sent, failed
    last_poll: float = 0.0  # that came to its end, seconds after 1970
    problem: str = ""  # of the last poll
    round_s: float = 0.0  # how long the last whole round took


@dataclass(frozen=True)
class Polled:
    """What a poll came to: fleets and boards with another offer than before."""

    changed: set[tuple[str, str]]
    error: TinyopsError | None = None


class Gateway:
    """Everything but the journal, the cache and the offers, which the ward holds. `run` and `round` are for one thread;
    `statuses`, `counts` and `snapshot` may be read from others."""

    def __init__(
        self,
        finder: Finder,
        ward: Ward,
        pace: Pace,
        reporter: Reporter,
        send: Send,
        *,
        on_event: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._finder, self.ward, self._pace = finder, ward, pace
        self._name, self._on_event = reporter.device, on_event
        self._clock, self._chance = clock, chance
        self._outgoing = Outgoing(ward, reporter, send)
        self._ears = Ears()
        self._places: dict[str, Place] = {}
        self._ended: queue.SimpleQueue[tuple[Place, Visit]] = queue.SimpleQueue()
        self._polling: Future[Polled] | None = None
        self._ready = False
        self._failures = 0
        self._untold = ""
        self._poll_due_s = self._scan_due_s = self._report_due_s = 0.0
        self._ticked_s = clock()
        self._started = ward.now().timestamp()
        self.statuses: dict[str, Status] = {}
        self.counts = Counts()

    # -- two ways to run ----------------------------------------------------------------------------

    def run(self, stop: Stop, on_tick: Callable[[], None] = lambda: None) -> None:
        """Until `stop` is set; what is under way then ends between two requests. `on_tick` is called again and again
        while all goes well."""
        with self._pool() as pool, ThreadPoolExecutor(1, "poll") as poller:
            while not stop.is_set():
                self.tick(pool, poller)
                on_tick()
                self._take(TICK_S)
            self.ward.stop.set()
        self._finish()

    def round(self) -> None:
        """Polls, looks at every device once, and brings each what it needs. Raises RemoteError when the poll failed
        or the store told a device nothing, after all the rest."""
        begun = self._clock()
        polled = self._poll()
        self._note_poll(polled)
        with self._pool() as pool:
            self._scan()
            knew_all = self._ready
            self._looks(pool, list(self._places.values()))
            if not knew_all:  # now that it is known who is there: what they need
                self._looks(pool, [p for p in self._places.values() if self.statuses[p.address].state == "behind"])
        self._finish()
        self.counts.round_s = self._clock() - begun
        if (error := polled.error or self.ward.standings.silence) is not None:
            raise error

    def tick(self, pool: ThreadPoolExecutor, poller: ThreadPoolExecutor) -> None:
        """Begins what is due now, and waits for nothing."""
        now = self._ticked_s = self._clock()
        if self._polling is None and now >= self._poll_due_s:
            self._polling = poller.submit(self._poll)
        if self._polling is not None and self._polling.done():
            self._note_poll(self._polling.result())
            self._polling = None
        if now >= self._scan_due_s:
            self._scan_due_s = now + SCAN_S
            self._scan()
        for address in self._ears.heard(self._places.values()):
            self._places[address].due_s = now
        for place in self._places.values():
            if not place.busy and place.due_s <= now and self.counts.polls:
                self._begin(pool, place)
        if now >= self._report_due_s:
            self._report_due_s = now + REPORT_S
            self._tell()

    def snapshot(self) -> Snapshot:
        """How it stands now."""
        counts, ward = self.counts, self.ward
        stale = ward.standings.stale_after
        return Snapshot(
            *(self._name, list(self.statuses.values()), dict(counts.polls), dict(counts.looks), dict(counts.updates)),
            reports={"sent": self._outgoing.sent, **counts.reports},
            last_poll=counts.last_poll,
            started=self._started,
            poll_s=self._pace.poll_s,
            poll_problem=counts.problem,
            stale_after=stale.timestamp() if stale is not None else None,
            fetched_files=ward.content.fetched.files,
            fetched_bytes=ward.content.fetched.bytes,
            cache_bytes=ward.content.held_bytes,
            journal_writes=ward.journal.writes,
            journal_trouble=ward.journal.trouble,
            warnings=(*ward.standings.warnings, *filter(None, [ward.journal.damaged])),
            alive_s=self._clock() - self._ticked_s,
            now=ward.now().timestamp(),
        )

    # -- polls --------------------------------------------------------------------------------------

    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=self._pace.jobs, thread_name_prefix="visit")

    def _poll(self) -> Polled:
        """Also fetches what devices that sleep will need, and drops what nobody needs. Raises nothing."""
        changed: set[tuple[str, str]] = set()
        try:
            changed = self.ward.standings.refresh()
            self.ward.classes.clear()
            self.ward.content.sweep(self.ward.standings.wanted_files())
        except TinyopsError as error:
            return Polled(changed, error)
        except Exception as error:  # nor may what a server says end the care of devices
            text = f"the poll met a defect of tinyops: {type(error).__name__}: {error}"
            return Polled(changed, ToolError(text, hint="please report it"))
        try:
            prefetch([p.address for p in [*self._places.values()] if p.named.wake is not None], self.ward)
        except TinyopsError as error:
            self._on_event(error.message)
        return Polled(changed)

    def _note_poll(self, polled: Polled) -> None:
        """What it came to; devices whose offer changed are due at once."""
        error = polled.error
        self._failures = self._failures + 1 if error is not None else 0
        self.counts.polls["failed" if error is not None else "ok"] += 1
        self.counts.problem = error.message if error is not None else ""
        if error is not None:
            self._on_event(error.message)
            pause_s = back_off(self._pace.poll_s, self._failures, self._chance())
        else:
            self.counts.last_poll = self.ward.now().timestamp()
            pause_s = spread(self._pace.poll_s, self._chance())
        self._poll_due_s = self._clock() + pause_s
        for address, status in self.statuses.items():
            identity, place = status.identity, self._places.get(address)
            if place is None or identity is None or (identity.fleet, identity.board) not in polled.changed:
                continue
            place.rhythm = replace(place.rhythm, failures=0)
            if place.named.wake is None:
                place.due_s = 0.0

    # -- devices ------------------------------------------------------------------------------------

    def _scan(self) -> None:
        """Finds what was plugged in, and drops what was pulled out."""
        before, self._places = self._places, self._finder(self._places)
        for address in before.keys() - self._places.keys():
            with self.ward.lock:
                self.ward.roster.gone(address)
            self._ears.close(address)
            status = self.statuses.pop(address, None)
            if status is not None and status.identity is not None:
                self._on_event(f"{address}: {status.identity.device} was unplugged")
        for address in self._places.keys() - before.keys():
            self.statuses.setdefault(address, Status(address))

    def _looks(self, pool: ThreadPoolExecutor, places: list[Place]) -> None:
        """Looks at all of them, and waits until that is done."""
        for place in places:
            self._begin(pool, place)
        for _ in places:
            self._take(None)

    def _begin(self, pool: ThreadPoolExecutor, place: Place) -> None:
        place.busy = True
        self._ears.close(place.address)
        may_update = self._ready
        if may_update and self.statuses[place.address].state == "behind":
            self.statuses[place.address] = replace(self.statuses[place.address], state="updating")

        def go() -> None:
            self._ended.put((place, visit(place, self.ward, may_update=may_update)))

        pool.submit(go)

    def _take(self, wait_s: float | None) -> None:
        """What has ended, waiting for one at most so long; None: for one, however long."""
        try:
            self._note(*self._ended.get(timeout=wait_s))
            while wait_s is not None:
                self._note(*self._ended.get_nowait())
        except queue.Empty:
            pass

    def _note(self, place: Place, found: Visit) -> None:
        status, before = found.status, self.statuses.get(place.address)
        place.busy, place.looked = False, True
        if place.address not in self._places:  # unplugged meanwhile
            return
        self.statuses[place.address] = status
        self.counts.looks[status.state] += 1
        if found.outcome and status.identity is not None:
            self.counts.updates[status.identity.fleet, found.outcome] += 1
        self._say(before, status)
        place.rhythm, place.due_s = after_look(
            *(place.rhythm, place.named.wake),
            answered=status.answers,
            failed=found.failed,
            now=self._clock(),
            interval_s=max(self._pace.look_s, RESETTING_S) if place.settle_s else self._pace.look_s,
            chance=self._chance(),
        )
        if status.answers or (before is not None and before.answers):
            self._outgoing.note(place.address)
        for address in found.met:
            self._meet(address)
        self._open_the_door()

    def _meet(self, address: str) -> None:
        """A device whose id another has, too, is looked at again at once."""
        other, status = self._places.get(address), self.statuses.get(address)
        if other is not None and status is not None and status.trouble != "cloned":
            other.due_s = 0.0
            self.statuses[address] = replace(status, state="behind")

    def _open_the_door(self) -> None:
        """Nothing is updated before everybody was looked at once: an id may be another's, too."""
        if self._ready or not all(place.looked or place.named.wake for place in self._places.values()):
            return
        self._ready = True
        for place in self._places.values():
            if self.statuses[place.address].state == "behind":
                place.due_s, place.rhythm = 0.0, Rhythm(0, place.rhythm.window_s)

    def _say(self, before: Status | None, status: Status) -> None:
        known = before is not None and (before.state, before.text) == (status.state, status.text)
        if not known and status.text and status.state not in ("absent", "asleep"):
            text = status.text.removeprefix(f"{status.address}: ")
            self._on_event(f"{status.address}: {status.state}: {text}")

    # -- what is told -------------------------------------------------------------------------------

    def _finish(self) -> None:
        self._take(0)
        self._ears.close_all()
        self._tell()

    def _tell(self) -> None:
        """Keeps what was seen, and reports it; what could not be is kept for the next time."""
        try:
            self._outgoing.tell(self.statuses)
            self._untold = ""
        except TinyopsError as error:
            self.counts.reports["failed"] += 1
            if error.message != self._untold:  # a disk stays full for a while
                self._on_event(error.message)
            self._untold = error.message
