"""Collecting the store: what a world needs stays, in any world; the rest goes; nothing runs because of it."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.stores import PROJECT, Site, faulty, key_of, made, store_at
from tinyops.artifacts import Artifact, InputRef, Record, Step
from tinyops.build import execute, runners
from tinyops.errors import Leased, RemoteError
from tinyops.files import digest_bytes
from tinyops.manifest.document import DURABLE_KINDS, Asset, Manifest
from tinyops.reconcile import garbage
from tinyops.reconcile.garbage import collect, live_of
from tinyops.reconcile.past import Past
from tinyops.release.store import Release
from tinyops.remote.files import Stored
from tinyops.store import Store
from tinyops.store.garbage import Live, find_waste, sums

DAY_S = 86_400
PIN = digest_bytes(b"pin")
_times_trained = itertools.count()

ALONE = runners.LocalRunner(1)


class Log:
    """A watcher that keeps which steps ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def started(self, step: Step) -> None:
        self.ran.append(step.id)

    def progress(self, *_: object) -> None: ...
    def finished(self, *_: object) -> None: ...
    def failed(self, *_: object) -> None: ...
    def warning(self, *_: object) -> None: ...


def work(step: Step, inputs: Mapping[str, Path], out: Path, report: object) -> dict[str, Any]:
    """A step's stand-in. Training gives other bytes each time, as it does on another CPU."""
    text = "".join(inputs[name].read_text() for name in sorted(inputs)) + str(step.settings)
    if step.kind == "train":
        text += f" trained {next(_times_trained)}"
    (out / "made").write_text(f"{step.kind} of {digest_bytes(text.encode())}")
    (out / "same").write_text("the same in every run")
    return {}


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "step_function", lambda kind: work)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # most of the time, and nobody cuts power


Settings = tuple[int, int, int, int]  # of the data, of training each of two models, of what is made of both


def desired(wanted: Settings) -> tuple[Step, ...]:
    data, first, second, after = wanted
    steps = [Step("collect", "d", {"v": data})]
    for model, value in (("a", first), ("b", second)):
        steps += [
            Step("train", model, {"model": model, "v": value}, {}, {"made": InputRef("collect:d", "made")}),
            Step("squeeze", f"{model}/int8", {}, {}, {"made": InputRef(f"train:{model}", "made")}),
            Step("image", f"{model}/x", {"v": after}, {}, {"made": InputRef(f"squeeze:{model}/int8", "made")}),
            Step("twin", f"f{model}/x", {"v": after}, {}, {"": InputRef(f"image:{model}/x", "*")}),
        ]
    return tuple(steps)


@dataclass
class Bench:
    """A store, and the releases that were made from it; `files` is what they hold, by digest."""

    root: Path
    manifests: list[Manifest] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return store_at(self.root / "store")

    @property
    def released(self) -> Mapping[str, Record]:
        return self.manifests[-1].steps if self.manifests else {}

    def recall(self, step: Step, key: str) -> Record | None:
        """As a world does it, from the last release or an earlier one."""
        record = self.released.get(step.id)
        if record is not None and record.key == key:
            return record
        found = Past(self, len(self.manifests), self.root / "past").find(step.kind, key)  # type: ignore[arg-type]
        return replace(found.record, step=step.id) if found else None

    def build(self, wanted: Settings) -> tuple[list[str], execute.Outcome]:
        """Which steps ran, and what came of them."""
        log = Log()
        outcome = execute.Executor(self.store, self.recall, self._fetch, log, ALONE).run(desired(wanted))
        return log.ran, outcome

    def apply(self, wanted: Settings) -> None:
        _, outcome = self.build(wanted)
        if not outcome.errors:
            self._release(outcome.records)

    def _release(self, records: Mapping[str, Record]) -> None:
        version = len(self.manifests) + 1
        assets = dict(self.manifests[-1].assets) if self.manifests else {}
        for record in records.values():
            for artifact in record.outputs.values() if record.step.startswith(DURABLE_KINDS) else ():
                path = self.store.find(artifact)
                if artifact.digest not in assets and path is not None:
                    name = artifact.digest[7:]
                    assets[artifact.digest] = Asset(tag=f"v{version}", asset=name, bytes=artifact.bytes)
                    self.files[artifact.digest] = Path(shutil.copy(path, self.root / name))
        pins = {"plan": PIN, "lock": PIN, "specs": PIN, "created": "2027-01-02T03:04:05Z", "commit": None}
        previous = PIN if version > 1 else None
        named = {"project": PROJECT, "version": version, "tag": f"v{version}", "previous": previous}
        self.manifests.append(Manifest(**pins, **named, steps=records, assets=assets, fleets={}))

    def _fetch(self, artifact: Artifact) -> Path | None:
        path = self.files.get(artifact.digest)
        if path is not None:
            self.store.add(path)
        return self.store.find(artifact)

    def read(self, version: int) -> Release:
        if (manifest := self.manifests[version - 1]) is None:
            raise RemoteError("gone")
        return Release(manifest, PIN)

    def world(self, wanted: Settings) -> Any:
        project = SimpleNamespace(document=SimpleNamespace(name=PROJECT))
        return SimpleNamespace(
            root=self.root,
            repository=SimpleNamespace(project=project),
            released_records=self.released,
            manifest=self.manifests[-1] if self.manifests else None,
            releases=self,
            recall=self.recall,
            steps=desired(wanted),
        )

    def collect(self, wanted: Settings, keep_days: int = 0) -> garbage.Collected:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(garbage, "open_store", lambda repository, warn: self.store)
            return collect(lambda: self.world(wanted), keep_days=keep_days, dry_run=False, remote=False)

    def copy(self, to: Path) -> Bench:
        shutil.copytree(self.root, to)
        return Bench(to, list(self.manifests), dict(self.files))

    def lose(self, number: int) -> None:
        """An object is gone, as after a disk's fault."""
        objects = sorted(p for p in (self.store.root / "objects").rglob("*") if p.is_file())
        if objects:
            objects[number % len(objects)].unlink()


WANTED = st.tuples(*[st.integers(0, 1)] * 4)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("apply"), WANTED),
        st.tuples(st.just("build"), WANTED),
        st.tuples(st.just("lose"), st.integers(0, 1000)),
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(ACTIONS, WANTED)
def test_in_any_world_nothing_runs_because_of_what_was_collected(
    actions: Sequence[tuple[str, Any]], wanted: Settings
) -> None:
    with tempfile.TemporaryDirectory(prefix="tinyops-test-") as folder:
        bench = Bench(Path(folder) / "bench")
        bench.root.mkdir()
        released: list[Settings] = []
        for name, value in actions:
            getattr(bench, name)(value)
            released += [value] if name == "apply" else []
        before = bench.copy(Path(folder) / "before")
        bench.collect(wanted)
        assert bench.collect(wanted).here == (), "a second time there is nothing to drop"
        for number, settings_ in enumerate(dict.fromkeys([wanted, *released])):
            ran, expected = bench.copy(Path(folder) / f"{number}").build(settings_)
            ran_before, expected_before = before.copy(Path(folder) / f"{number}-before").build(settings_)
            if number == 0:
                assert (ran, sorted(expected.errors)) == (ran_before, sorted(expected_before.errors))
            trained = [step for step in ran if step.startswith(DURABLE_KINDS[0])]
            assert trained == [step for step in ran_before if step.startswith(DURABLE_KINDS[0])]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "bench").mkdir()
    return Bench(tmp_path / "bench")


def test_what_is_not_wanted_any_more_goes_with_its_objects(bench: Bench) -> None:
    bench.build((0, 0, 0, 0))
    bench.build((1, 0, 0, 0))
    assert bench.collect((1, 0, 0, 0), keep_days=1).here == ()
    dropped = sums(bench.collect((1, 0, 0, 0)).here)
    assert {kind: files for kind, (files, _) in dropped.items()} == {
        "collect": 2,  # a record and an object
        "train": 4,
        "squeeze": 4,
        "image": 4,
        "twin": 4,
    }
    assert bench.build((1, 0, 0, 0))[0] == []
    assert len(bench.build((0, 0, 0, 0))[0]) == 9


def test_what_cannot_be_made_again_stays_for_every_release(bench: Bench) -> None:
    bench.apply((0, 0, 0, 0))
    bench.apply((0, 1, 0, 0))
    bench.collect((0, 1, 0, 0))
    bench.files.clear()  # what the releases held is lost
    ran, outcome = bench.build((0, 0, 0, 1))
    assert sorted(ran) == ["image:a/x", "image:b/x", "twin:fa/x", "twin:fb/x"]
    assert not outcome.errors


def test_a_release_that_cannot_be_read_may_name_any_training(bench: Bench) -> None:
    bench.apply((0, 0, 0, 0))
    bench.apply((0, 1, 0, 0))
    bench.manifests[0] = None  # type: ignore[call-overload]
    assert {"image", "twin"} == {waste.kind for waste in bench.collect((0, 1, 0, 0)).here}
    assert bench.build((0, 0, 0, 0))[0] == ["image:a/x", "twin:fa/x"]


def test_releases_further_back_than_a_search_goes_may_name_any_training(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        bench.apply((0, number, 0, 0))
    for far, whole in ((3, True), (2, False)):
        monkeypatch.setattr(garbage, "FAR", far)
        assert live_of(bench.world((0, 3, 0, 0)), bench.store).all_durable == (not whole)


def test_while_a_build_uses_the_store_nothing_is_collected(bench: Bench) -> None:
    bench.build((0, 0, 0, 0))
    with bench.store.using(), pytest.raises(Leased, match="a build is using it"):
        bench.collect((1, 1, 1, 1))


def test_leftovers_of_the_dead_go_whatever_their_age(bench: Bench) -> None:
    bench.build((0, 0, 0, 0))
    root = bench.store.root
    (root / "objects" / "ab").mkdir(exist_ok=True)
    (root / "objects" / "ab" / ".new.x").write_bytes(b"half")
    (root / "records" / ".x.json.y").write_bytes(b"half")
    (root / "scratch" / "4194399.train.x" / "out").mkdir(parents=True)
    (root / "scratch" / "4194399.train.x" / "out" / "weights").write_bytes(b"12345")
    (bench.root / ".tinyops" / "parsed").mkdir(parents=True)
    (bench.root / ".tinyops" / "parsed" / "specs.json").write_bytes(b"{}")
    (root / "objects" / "a stranger's file").write_bytes(b"kept")
    found = sums(bench.collect((0, 0, 0, 0), keep_days=1).here)
    assert found == {"leftovers": (2, 8), "scratch": (1, 5)}
    os.utime(bench.root / ".tinyops" / "parsed" / "specs.json", (0, 0))
    assert sums(bench.collect((0, 0, 0, 0), keep_days=1).here) == {"parsed specs": (1, 2)}
    assert sorted(p.name for p in root.iterdir()) == ["in-use", "objects", "records", "scratch"]
    assert (root / "objects" / "a stranger's file").exists()


# -- the remote store --------------------------------------------------------------------------


@pytest.fixture
def far(tmp_path: Path) -> Site:
    return Site(f"file://{tmp_path}/far", tmp_path / "machines")


def age(site: Site, name: str, days: float) -> None:
    path = Path(site.url.removeprefix("file://")) / name
    moment = path.stat().st_mtime - days * DAY_S
    os.utime(path, (moment, moment))


def waste_of(site: Site, live: Live, days: int = 14) -> list[str]:
    shared = site.machine("gc").shared
    assert shared is not None
    found = [waste.file.name for waste in find_waste(shared.listing(), live, days * DAY_S, shared.read)]
    for name in found:
        shared.remove(name)
    return [name.partition("/")[0] for name in found]


def test_in_a_remote_store_only_what_is_old_and_of_this_project_goes(far: Site) -> None:
    mine, shared_object, foreign = key_of("mine"), b"an object that both name", key_of("foreign")
    made(far.machine("one"), shared_object, key=mine)
    stranger = far.machine("two")
    stranger.notary = replace(stranger.notary, project="other")
    made(stranger, shared_object, key=foreign)
    for name in far.names():
        age(far, name, 13)
    assert waste_of(far, Live(PROJECT, frozenset(), frozenset())) == []
    for name in far.names():
        age(far, name, 2)
    assert waste_of(far, Live(PROJECT, frozenset({mine}), frozenset())) == []
    assert waste_of(far, Live(PROJECT, frozenset(), frozenset())) == ["records"]  # its objects are the other's, too
    assert far.machine("three").lookup(foreign) is not None


def test_records_go_before_what_they_name(far: Site) -> None:
    """So who is killed in between leaves objects without a record, never a record without its objects."""
    for number in range(3):
        made(far.machine("one"), f"{number}".encode(), key=key_of(str(number)))
    for name in far.names():
        age(far, name, 400)
    assert waste_of(far, Live(PROJECT, frozenset(), frozenset())) == ["records"] * 3 + ["objects"] * 4


def test_a_whole_remote_store_is_collected_by_many_at_once(far: Site, bench: Bench) -> None:
    one, kept = far.machine("one"), [made(far.machine("one"), key=key_of("young"))]
    for number in range(40):
        made(one, f"{number}".encode(), key=key_of(str(number)))
    young = {f"records/{key_of('young')[7:]}.json"}
    for name in set(far.names()) - young:
        age(far, name, 400)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(garbage, "open_store", lambda repository, warn: far.machine("gc"))
        world = bench.world((0, 0, 0, 0))
        said = collect(lambda: world, keep_days=14, dry_run=True, remote=True)
        assert len(far.names()) == 40 + 40 + 3
        found = collect(lambda: world, keep_days=14, dry_run=False, remote=True)
    assert [w.file.name for w in found.remote or ()] == [w.file.name for w in said.remote or ()]
    assert sums(found.remote or ()) == {"train": (80, sum(w.file.bytes for w in found.remote or ()))}
    assert far.machine("two").lookup(kept[0].key) == kept[0]
    assert len(far.names()) == 3


def test_a_young_record_keeps_its_old_objects(far: Site) -> None:
    record = made(far.machine("one"))
    for name in far.names():
        if name.startswith("objects/"):
            age(far, name, 400)
    assert waste_of(far, Live(PROJECT, frozenset(), frozenset())) == []
    assert far.machine("two").lookup(record.key) == record


def test_an_old_object_that_is_wanted_again_becomes_young(far: Site) -> None:
    """Between its object and its record, a writer's object is named by nobody: its age protects it."""
    made(far.machine("one"))
    for name in far.names():
        age(far, name, 400)
    made(far.machine("two"), key=key_of("another"))
    far.files().remove(f"records/{key_of('another')[7:]}.json")  # as if `gc` had listed before it was put
    assert waste_of(far, Live(PROJECT, frozenset(), frozenset())) == ["records"]
    assert [name.partition("/")[0] for name in far.names()] == ["objects", "objects"]


def test_what_is_no_record_and_what_was_left_half_written_goes_when_old(far: Site) -> None:
    files = far.files()
    files.write(f"records/{'a' * 64}.json", b"poison")
    files.write(f"objects/ab/.new.{'c' * 62}.0123", b"half")
    files.write("somebody/else.txt", b"theirs")
    assert waste_of(far, Live(PROJECT, frozenset(), frozenset())) == []
    for name in far.names():
        age(far, name, 15)
    assert sorted(waste_of(far, Live(PROJECT, frozenset(), frozenset()))) == ["objects", "records"]
    assert far.names() == ["somebody/else.txt"]


def test_a_file_of_unknown_age_stays() -> None:
    files = [Stored(f"records/{'a' * 64}.json", 3, None), Stored(f"objects/{'a' * 2}/{'b' * 62}", 3, None)]
    assert list(find_waste(files, Live(PROJECT, frozenset(), frozenset()), 0, lambda name: b"")) == []


def test_a_remote_store_that_fails_is_an_error_and_not_a_reason_to_drop(tmp_path: Path) -> None:
    site = Site("faulty://far/store", tmp_path)
    with faulty() as files:
        made(site.machine("one"))
        shared = site.machine("gc").shared
        assert shared is not None
        listed = shared.listing()
        files.trouble["read"] = ConnectionError("reset")
        with pytest.raises(RemoteError, match="ConnectionError: reset"):
            list(find_waste(listed, Live(PROJECT, frozenset(), frozenset()), 0, shared.read))


def test_a_remote_store_that_fails_while_it_is_asked_what_lives_is_left_alone(bench: Bench, tmp_path: Path) -> None:
    site = Site("faulty://far/store", tmp_path)
    with faulty() as files, pytest.MonkeyPatch.context() as patch:
        made(site.machine("one"))
        patch.setattr(garbage, "open_store", lambda repository, warn: site.machine("gc"))
        files.trouble["read"] = ConnectionError("reset")
        with pytest.raises(RemoteError, match="what lives there is not known: nothing was dropped"):
            collect(lambda: bench.world((0, 0, 0, 0)), keep_days=1, dry_run=False, remote=True)
        files.trouble.clear()
        assert len(site.names()) == 3


def test_the_world_is_looked_at_when_nobody_can_change_it(bench: Bench) -> None:
    """A release that was published while gc was starting is seen."""
    bench.apply((0, 0, 0, 0))
    seen: list[object] = []

    def see() -> Any:
        if not seen:
            seen.append(bench.apply((0, 1, 0, 0)))
            return SimpleNamespace(repository=None)
        return bench.world((0, 0, 0, 0))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(garbage, "open_store", lambda repository, warn: bench.store)
        collect(see, keep_days=0, dry_run=False, remote=False)
    assert all(bench.store.lookup(record.key) for record in bench.released.values())


def test_live_asks_the_remote_store_only_when_that_is_collected(far: Site, bench: Bench) -> None:
    one = far.machine("one")
    log = Log()
    execute.Executor(one, lambda step, key: None, lambda artifact: None, log, ALONE).run(desired((0, 0, 0, 0)))
    two = far.machine("two")
    assert live_of(bench.world((0, 0, 0, 0)), two).keys == frozenset()
    assert len(live_of(bench.world((0, 0, 0, 0)), two, remote=True).keys) == len(desired((0, 0, 0, 0)))
