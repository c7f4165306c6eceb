"""Offers by TUF metadata: what a hostile or broken host, a wrong clock, and a lost network can and cannot do."""

from __future__ import annotations

import contextlib
import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes import web
from fakes.faults import FUZZED, count_faults
from fakes.power import cut_at
from fakes.releases import INERT, Publisher
from fakes.trusted import START, Trusted, new_keys
from fakes.waves import LAST
from fakes.web import FakeServer, serving
from tinyops.device.memory import Memory
from tinyops.device.offers import Refused, wanted
from tinyops.device.origins import open_origin
from tinyops.device.tuf_offers import TufOffers
from tinyops.errors import RemoteError, SpecError
from tinyops.manifest.entry import Entry, EntryRollout, entries
from tinyops.manifest.envelope import seal
from tinyops.manifest.fields import time_text
from tinyops.manifest.keys import SigningKey, Trust
from tinyops.manifest.progress import Progress
from tinyops.trust.building import Listed, snapshot_role, timestamp_role
from tinyops.trust.client import MetadataClient
from tinyops.trust.roles import Lives
from tinyops.trust.signing import seal as sign
from tinyops.trust.signing import to_bytes

ENTRY = "entry-wrist-linux.json"
WAIT_S = 20.0
DAY = timedelta(days=1)
LIVES = Lives(root_d=365, targets_d=365, snapshot_d=7, timestamp_d=3)


@dataclass
class Host:
    """A publisher, the web server that shows its folder, and one device."""

    root: Path
    server: FakeServer
    image_key: SigningKey = field(default_factory=SigningKey.generate)
    at: datetime = START
    version: int = 0
    sequence: int = 0
    trust: Trust | None = None

    def __post_init__(self) -> None:
        self.trusted = Trusted(self.root / "metadata", lives=LIVES)
        self.first_root = self.trusted.roots[0]
        self.release()
        self.start()

    def entry(self, version: int, **changes: Any) -> Entry:
        ((_, entry),) = entries(Publisher(self.root / "unused").build(INERT))
        return entry.model_copy(update={"version": version, **changes})

    def release(self, progress: str = "advancing", **changes: Any) -> None:
        """The next version, in waves."""
        self.version += 1
        key = self.trusted.online.public.raw.hex()
        rollout = EntryRollout(id=self.version, waves=(LAST,), on_failure="revert", keys=(key,))
        entry = self.entry(self.version, **{"rollout": rollout, **changes})
        self.trusted.clock = self.at
        self.trusted.release(
            {ENTRY: seal(entry.to_json(), [self.image_key]).to_bytes()},
            self.version,
            {"wrist": self.progress(progress)},
        )

    def progress(self, state: str = "advancing", **changes: Any) -> bytes:
        self.sequence += 1
        times = {"since": time_text(self.at), "time": time_text(self.at), "expires": time_text(self.at + 3 * DAY)}
        fields: dict[str, Any] = {"project": "wearables", "fleet": "wrist", "rollout": self.version, "state": state}
        progress = Progress(**{**fields, "sequence": self.sequence, "waves": 1, **times, **changes})
        return seal(progress.to_json(), [self.trusted.online]).to_bytes()

    def later(self, span: timedelta) -> None:
        """Time goes on, and the schedule signs again what is old."""
        self.at += span
        self.trusted.clock = self.at
        self.trusted.publish(progress={"wrist": self.progress()})

    def start(self, root: bytes | None = None, state: str = "state") -> None:
        """As after a loss of power: only the disk is left."""
        folder = self.root / state
        memory = Memory(folder, lambda: self.at)
        origin = open_origin(f"{self.server.url}/metadata", WAIT_S)
        client = MetadataClient(root or self.first_root, folder / "metadata", origin, memory.now)
        self.offers = TufOffers(client, origin, memory, self.trust)

    def poll(self) -> int:
        """The version that is offered."""
        self.offers.refresh()
        return self.offers.offered("wrist", "linux").entry.version

    @property
    def metadata(self) -> Path:
        return self.trusted.root


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with serving(tmp_path) as server:
        yield Host(tmp_path, server)


def test_what_the_metadata_names_is_offered(host: Host) -> None:
    assert host.poll() == 1
    host.release()
    assert host.poll() == 2
    offered = host.offers.offered("wrist", "linux")
    assert offered.progress is not None and offered.progress.rollout == 2
    with pytest.raises(RemoteError, match="its metadata names no entry-ankle-linux"):
        host.offers.offered("ankle", "linux")
    host.start()
    assert host.poll() == 2


def test_an_unchanged_poll_is_two_requests_also_after_a_start(host: Host) -> None:
    host.poll()
    for start in (lambda: None, host.start):
        start()
        host.server.seen.clear()
        sent = host.server.sent
        assert host.poll() == 1
        assert [path for path, _ in host.server.seen] == ["/metadata/2.root.json", "/metadata/timestamp.json"]
        assert host.server.sent - sent == len(b"not here")


def test_progress_alone_is_four_files(host: Host) -> None:
    host.poll()
    host.server.seen.clear()
    host.later(DAY / 24)
    host.poll()
    assert len(host.server.seen) == 5  # root, timestamp, snapshot, rollout, the progress itself
    offered = host.offers.offered("wrist", "linux")
    assert offered.progress is not None and offered.progress.sequence == 2


def test_an_entry_is_believed_by_both_ways_where_both_are_set_up(host: Host) -> None:
    host.trust = Trust.of([host.image_key.public])
    host.start(state="both")
    assert host.poll() == 1
    host.trust = Trust.of([SigningKey.generate().public])
    host.start(state="other")
    with pytest.raises(Refused, match="0 of 1 trusted signatures"):
        host.poll()


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\0", b'{"signed": {"_type": "root"}}'])
def test_a_root_that_is_none_is_said_at_once(host: Host, data: bytes) -> None:
    with pytest.raises(SpecError, match="the root that this device was given"):
        host.start(root=data or b" ")


def test_a_root_that_others_signed_is_none(host: Host) -> None:
    forged = Trusted(host.root / "forged")
    value = json.loads(forged.roots[0])
    value["signatures"] = json.loads(host.first_root)["signatures"]
    with pytest.raises(SpecError):
        host.start(root=json.dumps(value).encode())


# -- metadata that must not be believed ------------------------------------------------------------


def keep_serving(host: Host, *names: str) -> Callable[[], None]:
    """What lies there now is what will be served again later."""
    kept = {name: (host.metadata / name).read_bytes() for name in names}

    def put() -> None:
        for name, data in kept.items():
            (host.metadata / name).write_bytes(data)

    return put


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    value = json.loads(path.read_bytes())
    change(value)
    path.write_bytes(compact(value))


def compact(value: dict[str, Any]) -> bytes:
    """As the publisher writes it, in the order that it has."""
    return json.dumps(value, separators=(",", ":")).encode()


def older(host: Host) -> None:
    put = keep_serving(host, "timestamp.json")
    host.release()
    host.poll()
    put()


def older_to_a_device_that_was_off(host: Host) -> None:
    older(host)
    host.start()


def expired(host: Host) -> None:
    host.at += 4 * DAY


def expired_root(host: Host) -> None:
    host.later(360 * DAY)
    host.poll()
    host.at += 2 * DAY
    host.trusted.lives = Lives(365, 365, 100, 100)
    host.trusted.clock = host.at
    host.trusted.publish(progress={"wrist": host.progress()})
    host.at += 10 * DAY


def expired_targets(host: Host) -> None:
    host.trusted.lives = Lives(root_d=365, targets_d=1)
    host.release()
    host.poll()
    host.trusted.lives = Lives(root_d=365, targets_d=365)
    host.at += 2 * DAY
    host.trusted.clock = host.at
    host.trusted.publish(progress={"wrist": host.progress()})


def newest(host: Host, role: str) -> Path:
    return max(host.metadata.glob(f"*.{role}.json"), key=lambda path: int(path.name.partition(".")[0]))


def mixed(host: Host, role: str) -> None:
    """The newest timestamp, with an older file under the newest name."""
    before = newest(host, role).read_bytes()
    host.release()
    newest(host, role).write_bytes(before)


def swapped(host: Host) -> None:
    host.release()
    snapshot, targets = newest(host, "snapshot"), newest(host, "targets")
    one, other = snapshot.read_bytes(), targets.read_bytes()
    snapshot.write_bytes(other)
    targets.write_bytes(one)


def timestamp_of_another_role(host: Host) -> None:
    (host.metadata / "timestamp.json").write_bytes(newest(host, "snapshot").read_bytes())


def reordered(host: Host) -> None:
    """The same signed content in another order: its digest is another."""
    host.release()
    path = newest(host, "snapshot")
    value = json.loads(path.read_bytes())
    path.write_bytes(compact(dict(reversed(value.items()))))


def roots_in_the_wrong_order(host: Host) -> None:
    host.trusted.add_root(host.trusted.keys["root"])
    host.trusted.add_root(host.trusted.keys["root"])
    host.trusted.publish()
    (host.metadata / "2.root.json").write_bytes((host.metadata / "3.root.json").read_bytes())


def truncated(host: Host, role: str) -> None:
    host.release()
    path = host.metadata / "timestamp.json" if role == "timestamp" else newest(host, role)
    path.write_bytes(path.read_bytes()[:-40])


def altered(host: Host, role: str) -> None:
    host.release()
    path = host.metadata / "timestamp.json" if role == "timestamp" else newest(host, role)
    edit(path, lambda value: value["signed"].update(expires="2099-01-01T00:00:00Z"))


def another_publisher(host: Host) -> None:
    forged = Trusted(host.root / "forged")
    forged.release({ENTRY: b"{}"}, 9)
    for path in forged.root.rglob("*"):
        if path.is_file() and "root.json" not in path.name:
            place = host.metadata / path.relative_to(forged.root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)


def forged_root(host: Host) -> None:
    keys = new_keys(2)
    host.trusted.keys["root"] = keys
    host.trusted.add_root(keys)
    host.trusted.publish()


def stolen_online_key(host: Host) -> None:
    """Whoever has it signs all that it may sign, and targets, which it may not."""
    host.release()
    online, version = host.trusted.online, 9
    bad = {ENTRY: seal(host.entry(version).to_json(), [online]).to_bytes()}
    targets = Listed(version, to_bytes(sign(host.trusted.offer(bad, version), [online])))
    rollout = newest(host, "rollout")
    listed = Listed(int(rollout.name.partition(".")[0]), rollout.read_bytes())
    snapshot = Listed(version, to_bytes(sign(snapshot_role(targets, listed, host.at, LIVES, version), [online])))
    (host.metadata / f"{version}.targets.json").write_bytes(targets.data)
    (host.metadata / f"{version}.snapshot.json").write_bytes(snapshot.data)
    timestamp = sign(timestamp_role(snapshot, host.at, LIVES, version), [online])
    (host.metadata / "timestamp.json").write_bytes(to_bytes(timestamp))


def altered_entry(host: Host) -> None:
    host.release()
    for path in host.metadata.glob(f"targets/*.{ENTRY}"):
        path.write_bytes(path.read_bytes().replace(b'"linux"', b'"linuy"'))


def entry_of_another_device(host: Host) -> None:
    host.release(fleet="ankle")


FAULTS: dict[str, tuple[Callable[[Host], None], str]] = {
    "an older timestamp": (older, r"New timestamp version \d+ must be >= \d+: a rollback attack, or an old copy"),
    "an older timestamp after a start": (older_to_a_device_that_was_off, "a rollback attack, or an old copy"),
    "an expired timestamp": (expired, "timestamp.json is expired, where it is 2027-01-06"),
    "an expired root": (expired_root, "root.json is expired"),
    "expired targets": (expired_targets, "targets is expired"),
    "a mixture, older snapshot": (lambda host: mixed(host, "snapshot"), "altered, or a mixture of two states"),
    "a mixture, older targets": (lambda host: mixed(host, "targets"), "altered, or a mixture of two states"),
    "snapshot and targets swapped": (swapped, "altered, or a mixture of two states|larger than"),
    "a snapshot as timestamp": (timestamp_of_another_role, "Expected 'timestamp', got 'snapshot'"),
    "another order of keys": (reordered, "altered, or a mixture of two states"),
    "roots in the wrong order": (roots_in_the_wrong_order, "Expected root version 2 instead got version 3"),
    "a truncated timestamp": (lambda host: truncated(host, "timestamp"), "Failed to deserialize"),
    "a truncated snapshot": (lambda host: truncated(host, "snapshot"), "altered, or a mixture of two states"),
    "truncated targets": (lambda host: truncated(host, "targets"), "altered, or a mixture of two states"),
    "an altered timestamp": (lambda host: altered(host, "timestamp"), "timestamp was signed by 0/1 keys"),
    "altered targets": (lambda host: altered(host, "targets"), "altered, or a mixture of two states"),
    "another publisher's metadata": (another_publisher, "timestamp was signed by 0/1 keys"),
    "a root that nobody before signed": (forged_root, "root was signed by 0/2 keys"),
    "targets of the online key": (stolen_online_key, "targets was signed by 0/1 keys"),
    "an altered entry": (altered_entry, "altered, or a mixture of two states"),
    "an entry of another fleet": (entry_of_another_device, "is for fleet ankle, this device belongs to wrist"),
}


KINDS = {
    "expired": "expired",
    "older timestamp": "older, replayed",
    "mixture|swapped|as timestamp": "mixed",
    "truncated": "truncated",
    "order": "re-ordered",
    "": "altered or forged",
}


def kind_of(name: str) -> str:
    return next(kind for words, kind in KINDS.items() if re.search(words, name))


@pytest.mark.parametrize("name", FAULTS)
def test_metadata_that_must_not_be_believed(host: Host, name: str) -> None:
    assert host.poll() == 1
    fault, sentence = FAULTS[name]
    fault(host)
    with pytest.raises(RemoteError, match=sentence):
        host.poll()
    version = 2 if name in ("an older timestamp", "expired targets") else 1
    if "expired" not in name and "after a start" not in name:
        assert host.offers.offered("wrist", "linux").entry.version == version, "what was known is still offered"
    count_faults(f"TUF metadata that must not be believed: {kind_of(name)}", 1)


def test_an_older_progress_under_the_newest_name_is_none(host: Host) -> None:
    host.poll()
    mixed(host, "rollout")
    assert host.poll() == 2
    offered = host.offers.offered("wrist", "linux")
    assert offered.progress is not None and offered.progress.rollout == 1
    assert wanted(offered, 0, "sha256:whatever") is None
    assert "altered, or a mixture of two states" in host.offers.warnings()[0]


@pytest.mark.parametrize("name", ["timestamp.json", "snapshot", "targets", "rollout", "2.root.json"])
def test_whatever_bytes_come_in_its_place_nothing_else_is_believed(host: Host, name: str) -> None:
    """Bytes altered, cut out, doubled; nesting without end: a refusal or what was there before, and no other error."""
    host.poll()
    host.trusted.add_root(host.trusted.keys["root"])
    host.release()
    path = host.metadata / name if "." in name else newest(host, name)
    good, chance = path.read_bytes(), random.Random(name)  # noqa: S311
    origin = open_origin(str(host.metadata), WAIT_S)
    bad = [
        b"",
        b"[" * 16_000,
        b"{" * 300,
        b'{"signed":' * 1000,
        b"\xff" * 100,
        b"null",
        b'{"signed":{},"signatures":[]}',
    ]
    for number in range(25):
        at, much = chance.randrange(len(good)), chance.randrange(1, 40)
        put = bytes(chance.randrange(256) for _ in range(much)) if number % 3 else good[at : at + much] * 2
        bad.append(good[:at] + put + good[at + (much if number % 2 else 0) :])
    for number, data in enumerate(bad):
        path.write_bytes(data)
        folder = host.root / f"device-{number}"
        memory = Memory(folder, lambda: host.at)
        offers = TufOffers(MetadataClient(host.first_root, folder, origin, memory.now), origin, memory)
        with contextlib.suppress(RemoteError):
            offers.refresh()
            offered = offers.offered("wrist", "linux")
            assert offered.entry.version == 2, "what was signed, as a space too many changes nothing"
            assert offered.progress is None or offered.progress.rollout == 2
    count_faults(f"{FUZZED}TUF metadata", len(bad))


UNSIGNED = (
    "a truncated timestamp", "an altered timestamp", "a snapshot as timestamp", "another publisher's metadata",
    "a root that nobody before signed", "roots in the wrong order",
)  # fmt: skip


@pytest.mark.parametrize("name", UNSIGNED)
def test_what_nobody_signed_leaves_no_trace(host: Host, name: str) -> None:
    host.poll()
    good = host.root / "good"
    shutil.copytree(host.metadata, good)
    FAULTS[name][0](host)
    with pytest.raises(Refused):
        host.poll()
    shutil.rmtree(host.metadata)
    good.rename(host.metadata)
    assert host.poll() == 1
    host.start()
    assert host.poll() == 1


# -- servers ---------------------------------------------------------------------------------------

WEB_FAULTS: dict[str, web.Fault] = {
    "an endless body": web.endless,
    "a slow body": web.dripping,
    "slow headers": web.dripping_headers,
    "no answer": web.silent,
    "a body that is cut off": web.truncated,
    "a body shorter than it was": web.shortened,
    "a body longer than it was": web.lengthened,
    "a redirect loop": web.redirect("/metadata/timestamp.json"),
    "a redirect to a file": web.redirect("file:///etc/passwd"),
    "an HTML page": web.html,
    "a compressed bomb": web.bomb,
    "what is not HTTP": web.garbage,
    "an error": web.status(500),
    "forbidden": web.status(403),
    "not there": web.status(404),
    "not modified, which was not asked": web.status(304),
}


@pytest.mark.parametrize("part", ["timestamp", "snapshot", "targets.json", "entry-"])
def test_whatever_the_server_answers_what_is_known_stays(host: Host, part: str, monkeypatch: Any) -> None:
    host.poll()
    host.release()
    monkeypatch.setattr("test_device_tuf.WAIT_S", 0.2)
    tried = []
    for name, fault in WEB_FAULTS.items():
        if part == "timestamp" and "not modified" in name:
            continue  # there it was asked for
        host.server.faults = {part: fault}
        host.start()
        with pytest.raises(RemoteError):
            host.poll()
        assert host.server.sent < 50_000_000
        tried.append(name)
    host.server.faults = {}
    host.start()
    assert host.poll() == 2
    for name in tried:
        count_faults(f"answers of a server of metadata: {name}", 1)


def test_a_publish_in_the_middle_of_a_poll(host: Host) -> None:
    """Between any two requests of a poll the next release is published: the poll ends in one of both, whole."""
    host.poll()
    host.release()
    requests = len(host.server.seen)
    for number in range(1, 8):
        host.start(state=f"device-{number}")
        left = [number]

        def publishing(request: web.Request, body: bytes, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                host.release()
            request.plain(body) if body else request.answer(404, b"")

        host.server.faults = {"/metadata": publishing}
        before = host.version
        assert host.poll() in (before, before + 1)
        host.server.faults = {}
        assert host.poll() == host.version
    assert len(host.server.seen) > requests
    count_faults("releases published in the middle of a poll", 7)


# -- time ------------------------------------------------------------------------------------------


def test_a_month_without_a_network_and_then_on(host: Host) -> None:
    host.poll()
    host.server.faults = {"/": web.status(502)}
    for day in range(30):
        host.later(DAY)
        with pytest.raises(RemoteError, match="502"):
            host.offers.refresh()
        if day < 2:
            assert host.offers.offered("wrist", "linux").entry.version == 1
        else:
            with pytest.raises(Refused, match="its metadata expired at 2027-01-05"):
                host.offers.offered("wrist", "linux")
    host.server.faults = {}
    host.release()
    assert host.poll() == 2
    count_faults("days without a network", 30)


@pytest.mark.parametrize("years", [-30, -5, -1, 1, 5, 30])
def test_a_clock_that_is_wrong_by_years(host: Host, years: int) -> None:
    host.poll()
    host.later(DAY)
    host.poll()
    put = keep_serving(host, "timestamp.json")
    host.later(2 * DAY)
    host.poll()
    right = host.at
    host.start()
    host.at = right + 365 * DAY * years
    if years > 0:
        with pytest.raises(Refused, match=r"is expired, where it is 20\d\d"):
            host.poll()
    else:
        assert host.poll() == 1, "the newest time that was known is the least that it can be"
    host.at = right
    host.start()
    assert host.poll() == 1, "a clock that was wrong leaves nothing behind"
    put()
    host.start(state="state")
    host.at = right + 365 * DAY * years
    with pytest.raises(Refused):
        host.poll()
    count_faults("clocks wrong by years", 1)


def test_a_clock_that_was_set_back_revives_nothing(host: Host) -> None:
    """A host that stopped signing, and a machine that lost its time: what had expired stays so."""
    host.poll()
    host.at += 2.9 * DAY
    host.poll()
    known = host.at
    host.at += DAY
    with pytest.raises(Refused, match=r"timestamp\.json is expired"):
        host.poll()
    host.at = START - 3650 * DAY
    host.start()
    assert host.poll() == 1
    assert host.offers.stale_after() == START + 3 * DAY
    host.at = known
    host.later(2 * DAY)
    host.at -= 4000 * DAY
    assert host.poll() == 1, "newer metadata is taken"


def test_a_device_that_lost_its_metadata_and_its_time_still_knows_how_late_it_was(host: Host) -> None:
    host.release(rollout=None)
    host.poll()
    put = keep_serving(host, "timestamp.json")
    host.later(5 * DAY)
    assert host.poll() == 2
    put()
    shutil.rmtree(host.root / "state" / "metadata")
    host.at = START
    host.start()
    with pytest.raises(Refused, match=r"timestamp\.json is expired, where it is 2027-01-07"):
        host.poll()


def test_at_half_of_its_life_it_is_said(host: Host) -> None:
    host.poll()
    assert host.offers.warnings() == ()
    host.at += DAY
    host.poll()
    assert host.offers.warnings() == ()
    host.at += DAY
    host.poll()
    timestamp, progress = host.offers.warnings()
    assert "its timestamp metadata expires at 2027-01-05T03:04:05Z, and half of its life is over" in timestamp
    assert "the progress of the rollout of wrist expires at" in progress
    host.later(DAY / 24)
    host.poll()
    assert host.offers.warnings() == ()


# -- keys, disks and power -------------------------------------------------------------------------


def test_keys_are_rotated_and_a_device_that_was_off_follows(host: Host) -> None:
    host.poll()
    for name in ("root", "targets", "online"):
        old = host.trusted.keys["root"]
        host.trusted.keys[name] = new_keys(len(host.trusted.keys[name]))
        host.trusted.add_root([*old, *host.trusted.keys["root"]] if name == "root" else old)
        host.release()
    assert len(host.trusted.roots) == 4
    assert host.poll() == 4
    host.start()
    host.server.seen.clear()
    assert host.poll() == 4
    assert [path for path, _ in host.server.seen] == ["/metadata/5.root.json", "/metadata/timestamp.json"]


def test_a_kill_at_every_write_forgets_nothing_that_was_believed(host: Host) -> None:
    host.poll()
    put = keep_serving(host, "timestamp.json")
    state, saved = host.root / "state", host.root / "saved"
    shutil.copytree(state, saved)
    host.release()
    put_new = keep_serving(host, "timestamp.json")
    step = 1
    while cut_at(lambda: (host.start(), host.poll()), state, step):
        put()
        believed = (state / "metadata" / "timestamp.json").read_bytes()
        host.start()
        if believed == (saved / "metadata" / "timestamp.json").read_bytes():
            assert host.poll() == 1
        else:
            with pytest.raises(Refused, match="rollback attack"):
                host.poll()
        put_new()
        host.start()
        assert host.poll() == 2
        shutil.rmtree(state)
        shutil.copytree(saved, state)
        step += 1
    assert step > 15
    count_faults("kills at a write of an agent's metadata", step - 1)


def test_a_disk_that_takes_nothing_offers_nothing_new(host: Host) -> None:
    host.poll()
    host.release()
    place = host.root / "state" / "metadata" / "snapshot.json"
    place.unlink()
    place.mkdir()  # nothing can be renamed onto a folder, not even by root
    with pytest.raises(Exception, match=r"snapshot\.json: cannot be written"):
        host.poll()
    assert host.offers.offered("wrist", "linux").entry.version == 1
    place.rmdir()
    assert host.poll() == 2
    count_faults("disks that take no metadata", 1)


@pytest.mark.parametrize(
    "name", ["timestamp.json", "snapshot.json", "targets.json", "root_history/1.root.json", "etag"]
)
def test_a_disk_that_was_damaged_is_asked_for_again(host: Host, name: str) -> None:
    host.poll()
    for damage in (b"", b"\0" * 400, b"{"):
        (host.root / "state" / "metadata" / name).write_bytes(damage)
        host.start()
        assert host.poll() == 1
    count_faults("damaged files of an agent's metadata", 3)


def test_a_folder_is_an_origin_too(host: Host) -> None:
    origin = open_origin(str(host.metadata), WAIT_S)
    memory = Memory(host.root / "folder", lambda: host.at)
    offers = TufOffers(MetadataClient(host.first_root, host.root / "folder", origin, memory.now), origin, memory)
    offers.refresh()
    assert offers.offered("wrist", "linux").entry.version == 1
    offers.refresh()
