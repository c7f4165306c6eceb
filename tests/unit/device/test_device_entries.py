"""Offers by signed entries alone: what is believed, what of a rollout's progress, and what is remembered."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes import web
from fakes.faults import count_faults
from fakes.releases import INERT, Publisher
from fakes.waves import LAST, Waves
from fakes.web import FakeServer, serving
from tinyops.device.folder import open_source
from tinyops.device.memory import GRAIN, Memory
from tinyops.device.offers import SILENT_MAX, Offered, Refused, wanted
from tinyops.device.origins import open_origin
from tinyops.device.signed_entries import SignedEntries
from tinyops.errors import RemoteError, ToolError
from tinyops.files import digest_bytes
from tinyops.manifest.entry import Entry
from tinyops.manifest.envelope import seal
from tinyops.manifest.fields import time_text
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.progress import progress_file

NEWER = INERT.but(library=b"\x7fELF of the second model")
DAY = timedelta(days=1)
YEARS = timedelta(days=3650)
WAIT_S = 20.0


@dataclass
class Bench:
    """An agent's half and a server's half, over HTTP."""

    waves: Waves
    server: FakeServer
    at: datetime
    base: Entry
    offers: SignedEntries = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.restart()

    @property
    def state(self) -> Path:
        return self.waves.publisher.root / "state"

    def restart(self, **changes: Any) -> None:
        """As after a loss of power: only the disk is left."""
        self.memory = Memory(self.state, lambda: self.at)
        store = f"{self.server.url}/releases"
        options: dict[str, Any] = {"metadata": open_origin(f"{self.server.url}/metadata", WAIT_S)}
        self.offers = SignedEntries(
            open_source(store, WAIT_S),
            store,
            self.waves.publisher.trust,
            self.memory,
            self.state,
            lambda url: open_origin(url, WAIT_S),
            **{**options, **changes},
        )

    def offered(self) -> Offered:
        self.offers.refresh()
        return self.offers.offered("wrist", "linux")

    def warning(self) -> str:
        assert self.offered().progress is None
        (found,) = self.offers.warnings()
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    publisher = Publisher(tmp_path)
    waves = Waves(publisher)
    publisher.publish(INERT)
    base = waves.entry()
    publisher.publish(NEWER)
    with serving(tmp_path) as server:
        yield Bench(waves, server, datetime.now(UTC), base)


def test_an_entry_of_another_key_device_or_store_is_refused(bench: Bench) -> None:
    assert bench.offered().entry.version == 2
    own = bench.waves.publisher.keys
    bench.waves.publisher.keys = [SigningKey.generate()]
    bench.waves.write_entry(bench.base)
    with pytest.raises(Refused, match="0 of 1 trusted signatures"):
        bench.offered()
    bench.waves.publisher.keys = own
    bench.waves.write_entry(bench.base.model_copy(update={"fleet": "ankle"}))
    with pytest.raises(Refused, match="is for fleet ankle, this device belongs to wrist"):
        bench.offered()
    assert bench.offers.offered("wrist", "linux").entry.version == 2, "what was known is still offered"


def test_an_unchanged_poll_brings_no_body_also_after_a_start(bench: Bench) -> None:
    bench.waves.spread(bench.base)
    bench.waves.progress()
    first = bench.offered()
    bench.restart()
    sent = bench.server.sent
    assert bench.offered() == first and first.progress is not None
    assert bench.server.sent == sent


def test_progress_lies_where_the_signed_entry_says(bench: Bench) -> None:
    bench.waves.spread(bench.base, progress=f"{bench.server.url}/metadata/rollout/wrist.json")
    bench.waves.progress(state="holding")
    bench.restart(metadata=None)
    found = bench.offered().progress
    assert found is not None and found.state == "holding"
    bench.waves.spread(bench.base)
    assert "does not say where it lies; tell the agent by --metadata" in bench.warning()


PROGRESS_FAULTS: dict[str, tuple[Any, str]] = {
    "missing": (lambda b: None, "404 Not Found"),
    "another key": (lambda b: b.waves.progress(key=SigningKey.generate()), "0 of 1 trusted"),
    "the release's key": (lambda b: b.waves.progress(key=b.waves.publisher.keys[0]), "0 of 1 trusted"),
    "another fleet": (lambda b: b.waves.progress(fleet="ankle"), "is of wearables/ankle"),
    "another project": (lambda b: b.waves.progress(project="other"), "is of other/wrist"),
    "expired": (lambda b: b.waves.progress(expires="2026-01-01T00:00:00Z"), "expired at"),
}
WEB_FAULTS = {
    "an HTML page": web.html, "truncated": web.truncated, "endless": web.endless, "compressed": web.compressed,
    "altered": web.altered, "a redirect loop": web.redirect("/metadata/rollout/wrist.json"), "500": web.status(500),
}  # fmt: skip


def test_progress_that_cannot_be_believed_lets_nobody_go_on_or_back(bench: Bench) -> None:
    bench.waves.spread(bench.base)
    for name, (fault, sentence) in PROGRESS_FAULTS.items():
        bench.waves.sequence = 0
        fault(bench)
        bench.restart()
        assert sentence in bench.warning(), name
        new, base = digest_bytes(NEWER.library), digest_bytes(INERT.library)
        offered = bench.offered()
        for running, then in ((new, None), (base, base), (None, base)):
            taken = wanted(offered, 0, running)
            assert (taken.model.digest if taken else None) == then, name
    bench.waves.sequence = 0
    older = bench.waves.progress(state="halted")
    bench.waves.progress()
    believed = bench.offered().progress
    assert believed is not None
    bench.waves.progress(state="halted")
    for name, fault in WEB_FAULTS.items():
        bench.server.faults = {"rollout": fault}
        bench.restart()
        assert bench.offered().progress == believed, name
        assert f"is taken as it was at {believed.time}: " in bench.offers.warnings()[0], name
    bench.server.faults = {}
    (bench.waves.metadata / progress_file("wrist")).write_bytes(older)
    bench.restart()
    assert bench.offered().progress == believed
    assert "its sequence 1 is older than 2, seen before" in bench.offers.warnings()[0]
    count_faults("progress of rollouts that cannot be believed", len(PROGRESS_FAULTS) + len(WEB_FAULTS) + 1)


def test_the_last_progress_does_while_nobody_answers_and_until_it_expires(bench: Bench) -> None:
    bench.waves.spread(bench.base)
    bench.waves.progress()
    known = bench.offered().progress
    bench.server.faults = {"rollout": web.status(503)}
    bench.restart()
    assert bench.offered().progress == known and known is not None
    assert "503 Service Unavailable" in bench.offers.warnings()[0]
    bench.server.faults = {}
    bench.at += 2 * DAY
    assert bench.offered().progress == known
    (warning,) = bench.offers.warnings()
    assert f"expires at {known.expires}, and half of its life is over" in warning
    bench.at += 2 * DAY
    assert "expired at" in bench.warning()


def test_a_month_without_a_network_changes_nothing(bench: Bench) -> None:
    bench.waves.spread(bench.base)
    bench.waves.progress()
    before = bench.offered()
    bench.server.faults = {"/": web.status(502)}
    for _ in range(30):
        bench.at += DAY
        with pytest.raises(RemoteError, match="502 Bad Gateway"):
            bench.offers.refresh()
        assert bench.offers.offered("wrist", "linux").entry == before.entry
    bench.server.faults = {}
    bench.waves.progress(time=time_text(bench.at), expires=time_text(bench.at + DAY), waves=1)
    assert bench.offered().progress is not None


def test_a_clock_that_is_set_back_does_not_revive_what_had_expired(bench: Bench) -> None:
    bench.waves.spread(bench.base)
    bench.waves.progress()
    bench.offered()
    started = bench.at
    for days in (1, 2, 2.9):
        bench.at = started + days * DAY
        assert bench.offered().progress is not None
    bench.waves.progress(time=time_text(started - DAY), expires=time_text(started + DAY))  # had it come in time
    bench.at = started - YEARS
    bench.restart()
    found = bench.offered().progress
    assert found is not None and found.sequence == 1, "it had not expired when the time was known last"
    assert "expired at" in bench.offers.warnings()[0]
    bench.waves.progress()
    found = bench.offered().progress
    assert found is not None and found.sequence == 3, "newer than all that is known: taken, whatever the clock says"


def test_a_clock_that_is_years_ahead_for_a_while_does_no_lasting_harm(bench: Bench) -> None:
    bench.waves.spread(bench.base)
    bench.waves.progress()
    bench.at += YEARS
    assert "expired at" in bench.warning()
    bench.at -= YEARS
    bench.restart()
    assert bench.offered().progress is not None


@pytest.mark.faults
def test_a_clock_that_is_months_ahead_for_a_while_is_not_believed_by_a_long_lived_entry(bench: Bench) -> None:
    """An entry lives for a year: that it has not expired yet tells nobody what day it is."""
    entry = bench.waves.spread(bench.base)
    bench.waves.write_entry(entry.model_copy(update={"expires": time_text(bench.at + 365 * DAY)}))
    bench.waves.progress()
    bench.at += 300 * DAY
    assert "expired at" in bench.warning()
    bench.at -= 300 * DAY
    bench.restart()
    assert bench.offered().progress is not None
    count_faults("clocks that were months ahead for a while", 1)


@pytest.mark.faults
def test_after_a_stolen_online_key_was_replaced_its_last_word_is_not_the_last(bench: Bench) -> None:
    """A thief counts as high as there are numbers; a release that names another key begins to count anew."""
    bench.waves.spread(bench.base)
    bench.waves.sequence = 2**53 - 1
    stolen = bench.waves.progress(state="halted")
    assert bench.offered().progress is not None
    bench.waves.sequence = 4
    assert bench.waves.progress() and bench.offered().progress is not None
    assert "its sequence 5 is older than" in bench.offers.warnings()[0]
    bench.waves.online = SigningKey.generate()
    bench.waves.spread(bench.base)
    bench.waves.progress()
    bench.restart()
    found = bench.offered().progress
    assert found is not None and (found.sequence, found.state) == (6, "advancing")
    older = bench.waves.progress(sequence=3)
    for kept in (older, stolen):
        (bench.waves.metadata / progress_file("wrist")).write_bytes(kept)
        bench.restart()
        assert bench.offered().progress == found and bench.offers.warnings(), "nor does anything older come back"
    count_faults("sequences of a stolen online key", 1)


def test_an_idle_agent_writes_its_memory_once_an_hour(tmp_path: Path) -> None:
    now = [datetime(2027, 6, 1, tzinfo=UTC)]
    memory = Memory(tmp_path, lambda: now[0])
    path = tmp_path / "memory.json"
    memory.saw_alive()
    written = path.stat().st_mtime_ns, path.stat().st_ino
    for _ in range(10):
        now[0] += GRAIN / 20
        memory.saw_alive()
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == written
    now[0] += GRAIN
    memory.saw_alive()
    assert path.stat().st_ino != written[1]
    path.write_text("{")
    with pytest.raises(ToolError, match=r"memory\.json: not valid JSON"):
        Memory(tmp_path, lambda: now[0])


def test_nothing_may_be_installed_once_every_entry_expired(bench: Bench) -> None:
    assert bench.offers.stale_after() is None
    entry = bench.waves.entry()
    bench.waves.write_entry(entry.model_copy(update={"expires": "2027-01-05T00:00:00Z"}))
    bench.offered()
    assert bench.offers.stale_after() == datetime(2027, 1, 5, tzinfo=UTC)
    bench.waves.write_entry(entry)
    bench.offered()
    assert bench.offers.stale_after() is None


def test_one_entry_that_cannot_be_had_does_not_hold_up_the_others(bench: Bench) -> None:
    entry, latest = bench.waves.entry(), bench.waves.publisher.store.root / "latest"
    names = [f"fleet-{number}" for number in range(6)]

    def put(version: int) -> None:
        for name in names:
            made = entry.model_copy(update={"fleet": name, "version": version})
            data = seal(made.to_json(), bench.waves.publisher.keys).to_bytes()
            (latest / f"entry-{name}-linux.json").write_bytes(data)

    put(2)
    assert {bench.offers.offered(name, "linux").entry.version for name in names} == {2}
    put(3)
    (latest / "entry-fleet-0-linux.json").unlink()
    (latest / "entry-fleet-1-linux.json").write_bytes(b"<html>")
    bench.offers.refresh()
    assert [bench.offers.offered(name, "linux").entry.version for name in names] == [2, 2, 3, 3, 3, 3]
    missing, page = bench.offers.warnings()
    assert "entry-fleet-0-linux.json: the server answered 404" in missing
    assert "entry-fleet-1-linux.json: an HTML or XML page" in page
    bench.server.faults = {"entry-": web.status(503)}
    bench.server.seen.clear()
    with pytest.raises(RemoteError, match="503"):
        bench.offers.refresh()
    assert len(bench.server.seen) == SILENT_MAX, "a store that is down is not asked for every fleet"


def test_positions_beyond_the_reached_waves_stay_at_the_base(bench: Bench) -> None:
    bench.waves.spread(bench.base, waves=(99, LAST))
    bench.waves.progress()
    offered = bench.offered()
    first, later = wanted(offered, 99), wanted(offered, 100)
    assert first is not None and first.version == 2 and first.rollout is None
    assert later is not None and later.model == bench.base.model and later.rollout is None
    bench.waves.progress(state="halted")
    back = wanted(bench.offered(), 99, first.model.digest)
    assert back is not None and back.model == bench.base.model


def test_signed_entries_want_the_base_install_alone() -> None:
    """A board with little disk, or an old Python's packages, needs no TUF for them."""
    code = "import sys, tinyops.device.agent; print({'tuf', 'securesystemslib', 'urllib3'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"
