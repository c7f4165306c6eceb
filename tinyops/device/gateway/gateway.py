"""The gateway between start and end: polls, looks at each device when it is due, brings many what they need at once."""

from __future__ import annotations

import queue
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from tinyops.device.gateway.care import Visit, visit
from tinyops.device.gateway.places import Finder, Place
from tinyops.device.gateway.prefetch import prefetch
from tinyops.device.gateway.reporting import Reporter, Send, report_of
from tinyops.device.gateway.status import Status
from tinyops.device.gateway.timing import Rhythm, after_look, back_off, spread
from tinyops.device.gateway.ward import Ward
from tinyops.device.update.settings import Stop
from tinyops.errors import TinyopsError

TICK_S = 0.5
SCAN_S = 2.0
REPORT_S = 5.0
REPORTS_AT_ONCE = 1000


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
    poll_s: float = 0.0  # when the last one ended well, seconds after 1970
    problem: str = ""  # of the last poll
    round_s: float = 0.0  # how long the last whole round took


class Gateway:
    """Everything but the journal, the cache and the offers, which the ward holds. `run` and `round` are for one thread;
    `statuses` and `counts` may be read from others."""

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
        self._reporter, self._send, self._on_event = reporter, send, on_event
        self._clock, self._chance = clock, chance
        self._places: dict[str, Place] = {}
        self._ended: queue.SimpleQueue[tuple[Place, Visit]] = queue.SimpleQueue()
        self._unreported: set[str] = set()
        self._unkept: set[str] = set()
        self._ready = False
        self._failures = 0
        self._poll_due_s = self._scan_due_s = self._report_due_s = 0.0
        self.statuses: dict[str, Status] = {}
        self.counts = Counts()

    @property
    def last_poll(self) -> datetime | None:
        return datetime.fromtimestamp(self.counts.poll_s).astimezone() if self.counts.poll_s else None

    # -- two ways to run ----------------------------------------------------------------------------

    def run(self, stop: Stop) -> None:
        """Until `stop` is set; what is under way then ends between two requests."""
        with self._pool() as pool:
            while not stop.is_set():
                self.tick(pool)
                self._take(TICK_S)
        self._finish()

    def round(self) -> None:
        """Polls, looks at every device once, and brings each what it needs. Raises RemoteError when the poll failed,
        after all the rest."""
        begun = self._clock()
        error = self._poll()
        with self._pool() as pool:
            self._scan()
            knew_all = self._ready
            self._looks(pool, list(self._places.values()))
            if not knew_all:  # now that it is known who is there: what they need
                self._looks(pool, [p for p in self._places.values() if self.statuses[p.address].state == "behind"])
        self._finish()
        self.counts.round_s = self._clock() - begun
        if error is not None:
            raise error

    def tick(self, pool: ThreadPoolExecutor) -> None:
        """Begins what is due now, and waits for nothing."""
        now = self._clock()
        if now >= self._poll_due_s:
            self._poll()
        if now >= self._scan_due_s:
            self._scan_due_s = now + SCAN_S
            self._scan()
        for place in self._places.values():
            if not place.busy and place.due_s <= now:
                self._begin(pool, place)
        if now >= self._report_due_s:
            self._report_due_s = now + REPORT_S
            self._tell()

    # -- its parts ----------------------------------------------------------------------------------

    @contextmanager
    def _pool(self) -> Iterator[ThreadPoolExecutor]:
        with ThreadPoolExecutor(max_workers=self._pace.jobs, thread_name_prefix="visit") as pool:
            yield pool

    def _poll(self) -> TinyopsError | None:
        """What it came to; devices whose offer changed are due at once."""
        error: TinyopsError | None = None
        try:
            changed = self.ward.standings.refresh()
        except TinyopsError as caught:
            error, changed = caught, set()
            self._on_event(caught.message)
        self._failures = self._failures + 1 if error is not None else 0
        self.counts.polls["failed" if error is not None else "ok"] += 1
        self.counts.problem = error.message if error is not None else ""
        self._poll_due_s = self._clock() + (
            back_off(self._pace.poll_s, self._failures, self._chance())
            if error is not None
            else spread(self._pace.poll_s, self._chance())
        )
        if error is None:
            self.counts.poll_s = self.ward.now().timestamp()
            self.ward.classes.clear()
            self.ward.content.sweep(self.ward.standings.wanted_files())
            self._prepare(changed)
        return error

    def _prepare(self, changed: set[tuple[str, str]]) -> None:
        for address, status in list(self.statuses.items()):
            identity = status.identity
            place = self._places.get(address)
            if place is not None and identity is not None and (identity.fleet, identity.board) in changed:
                place.rhythm = replace(place.rhythm, failures=0)
                if place.named.wake is None:
                    place.due_s = 0.0
        asleep = [place.address for place in self._places.values() if place.named.wake is not None]
        try:
            prefetch(asleep, self.ward)
        except TinyopsError as error:
            self._on_event(error.message)

    def _scan(self) -> None:
        """Finds what was plugged in, and drops what was pulled out."""
        before, self._places = self._places, self._finder(self._places)
        for address in before.keys() - self._places.keys():
            with self.ward.lock:
                self.ward.roster.gone(address)
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
            interval_s=self._pace.look_s,
            chance=self._chance(),
        )
        if status.answers or (before is not None and before.answers):
            self._unreported.add(place.address)
            self._unkept.add(place.address)
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

    def _finish(self) -> None:
        self._take(0)
        self._tell()

    def _tell(self) -> None:
        """Keeps what was seen, and reports it; what could not be is kept for the next time."""
        try:
            self._keep()
            self._report()
        except TinyopsError as error:
            self.counts.reports["failed"] += 1
            self._on_event(error.message)

    def _keep(self) -> None:
        found = {self.statuses[address].device for address in self._unkept if address in self.statuses}
        rows = [self.ward.devices[device] for device in found if device is not None and device in self.ward.devices]
        if rows:
            self.ward.journal.keep(rows)
        self._unkept.clear()

    def _report(self) -> None:
        waiting = [a for a in sorted(self._unreported) if a in self.statuses and self.statuses[a].identity is not None]
        for at in range(0, len(waiting), REPORTS_AT_ONCE):
            addresses = waiting[at : at + REPORTS_AT_ONCE]
            by_device = {self.statuses[a].device or "": a for a in addresses if self.statuses[a].trouble != "twice"}
            numbers = self.ward.journal.count_reports(list(by_device))
            reports = [
                report
                for device, address in by_device.items()
                if device in numbers
                and (report := report_of(self.statuses[address], self.ward, self._reporter, numbers[device]))
                is not None
            ]
            if (error := self._send(reports)) is not None:
                raise error
            self.counts.reports["sent"] += len(reports)
            self._unreported.difference_update(addresses)
        self._unreported.clear()
