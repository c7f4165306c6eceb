"""Who may offer a release: CI or people by threshold, keys that come and go, kills at every step."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.power import cut_at
from fakes.trusted import client, new_keys
from fakes.trusting import ONLINE, PEOPLE, TARGETS, TrustBench
from fakes.web import FakeServer, serving
from tinyops.errors import RemoteError, SpecError, ToolError, UnsafePlan, UsageError
from tinyops.manifest.keys import write_private
from tinyops.plan.awaiting import Awaiting
from tinyops.reconcile.offering import deliver
from tinyops.reconcile.trust_signing import init
from tinyops.release.secrets import new_key
from tinyops.remote.secrets import secret_path
from tinyops.trust.offline import save_offline
from tinyops.trust.places import Moved
from tinyops.trust.roles import versioned
from tinyops.trust.signing import add_signature

ENTRY = "entry-wrist-linux.json"


@pytest.fixture
def people(tmp_path: Path) -> TrustBench:
    return TrustBench(tmp_path / "bench").init()


@pytest.fixture
def ci(tmp_path: Path) -> TrustBench:
    return TrustBench(tmp_path / "bench", by="ci").init()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[FakeServer]:
    (tmp_path / "bench" / "metadata").mkdir(parents=True)
    with serving(tmp_path / "bench" / "metadata") as server:
        yield server


def offered(bench: TrustBench, web: FakeServer, name: str = ENTRY) -> bytes | None:
    """The file that the library's updater fetches, who trusts the first root and remembers what it saw."""
    updater = client(web.url, bench.root / "client", bench.first_root)
    updater.refresh()
    info = updater.get_targetinfo(name)
    return Path(updater.download_target(info)).read_bytes() if info else None


def released(bench: TrustBench, version: int) -> bytes:
    return (bench.publisher.store.root / f"v{version}" / ENTRY).read_bytes()


# -- CI signs ------------------------------------------------------------------------------------


def test_what_ci_releases_is_offered_at_once(ci: TrustBench, web: FakeServer) -> None:
    for number in (1, 2):
        ci.release(number)
        done = ci.deliver()
        assert (done.awaiting, done.offered, done.changed) == (None, number, True)
        assert offered(ci, web) == released(ci, number)
    assert not ci.deliver().changed


def test_delivering_carries_on_after_a_kill_at_every_step(ci: TrustBench, web: FakeServer) -> None:
    ci.release(1)
    ci.deliver()
    ci.release(2)
    kept = ci.root / "kept"
    shutil.copytree(ci.metadata, kept)
    step = before = 0
    while cut_at(ci.deliver, ci.metadata, step + 1):
        step += 1
        seen = offered(ci, web)
        assert seen in (released(ci, 1), released(ci, 2))
        before += seen == released(ci, 1)
        ci.deliver()
        assert ci.published().offer.version == 2
        assert not [path.name for path in ci.metadata.rglob(".*") if path.name != ".lock"]
        shutil.rmtree(ci.root / "client")
        for path in ci.metadata.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(kept, ci.metadata, dirs_exist_ok=True)
    print(f"offer: killed at {step} steps, {before} before devices saw it")
    assert step > 10 and 0 < before < step


def test_a_release_whose_offer_was_killed_is_noted(ci: TrustBench) -> None:
    ci.release(1)
    ci.deliver()
    assert ci.notes() == []
    ci.release(2)
    with pytest.raises(UnsafePlan, match="offers v1, and v2 was offered already"):
        ci.refresh()


def test_another_key_than_the_root_names_offers_nothing(ci: TrustBench) -> None:
    ci.release(1)
    path = secret_path(TARGETS, ci.root)
    path.unlink()
    write_private(path, new_keys(1)[0].to_pem())
    with pytest.raises(UnsafePlan, match="0 of 1 of the keys that root 1 names"):
        ci.deliver()
    assert not list(ci.metadata.glob("*.json"))


def test_ci_signs_targets_again_at_half_of_their_life(ci: TrustBench) -> None:
    ci.release(1)
    ci.deliver()
    assert ci.later(days=182).refresh()
    assert ci.published().targets.version == 1
    assert ci.later(days=1).refresh()
    found = ci.published()
    assert (found.targets.version, found.offer.version, list(found.targets.signed.targets)) == (2, 1, [ENTRY])
    assert [n for n in ci.notes() if n.startswith("targets")] == []


def test_a_schedule_does_without_the_key_of_targets(ci: TrustBench) -> None:
    ci.release(1)
    ci.deliver()
    secret_path(TARGETS, ci.root).unlink()
    assert ci.later(days=190).refresh()
    assert ci.published().targets.version == 1
    (note,) = [line for line in ci.notes() if line.startswith("targets")]
    assert note.startswith("targets 1 has lived half of its life") and "`tinyops apply` signs them again" in note


# -- People sign ---------------------------------------------------------------------------------


def test_nothing_is_offered_before_two_people_signed(people: TrustBench, web: FakeServer) -> None:
    people.release(1)
    assert people.deliver().awaiting == Awaiting(1, 0, 0, 2)
    assert people.publisher.store.offered() == 0
    assert not list(people.metadata.glob("*.json"))
    first = people.sign("ANA_KEY")
    assert (str(first.targets), first.targets.met) == ("1 of 2", False)
    assert people.deliver().awaiting == Awaiting(1, 0, 1, 2)
    assert people.sign("ANA_KEY", "BEN_KEY").keys == (people.key_id("BEN_KEY"),)
    assert people.deliver().awaiting is None
    assert (people.publisher.store.offered(), offered(people, web)) == (1, released(people, 1))


def test_what_is_signed_is_shown_first(people: TrustBench) -> None:
    people.release(1)
    shown = people.sign(dry_run=True)
    assert shown.keys == () and shown.files == ()
    assert shown.lines[0].startswith("Targets 1: offer v1 of wearables, until ")
    assert people.publisher.store.latest().digest in shown.lines[1]
    assert "wrist/linux: model sha256:" in shown.lines[2] and shown.lines[2].endswith("(new)")
    assert not (people.offline / "targets.json").exists()
    people.sign()
    people.deliver()
    people.release(2)
    assert people.sign(dry_run=True).lines[2].endswith("(changed)")


def test_a_later_release_supersedes_one_that_waits(people: TrustBench, web: FakeServer) -> None:
    for number in (1, 2):
        people.release(number)
        people.sign("ANA_KEY")
        assert people.deliver().awaiting == Awaiting(number, 0, 1, 2)
    people.sign("CAT_KEY")
    assert people.deliver().offered == 2
    assert offered(people, web) == released(people, 2)


def test_until_then_the_one_before_stays_offered_and_young(people: TrustBench, web: FakeServer) -> None:
    people.release(1)
    people.sign()
    people.deliver()
    people.release(2)
    people.sign("ANA_KEY")
    assert people.deliver().awaiting == Awaiting(2, 1, 1, 2)
    assert people.later(days=1).refresh()
    assert offered(people, web) == released(people, 1)
    assert people.publisher.store.offered() == 1


def test_what_is_offered_is_not_signed_once_more(people: TrustBench) -> None:
    people.release(1)
    people.sign("ANA_KEY", "BEN_KEY")
    people.deliver()
    with pytest.raises(UsageError, match="nothing waits for a signature"):
        people.sign("CAT_KEY")


def test_a_signature_that_comes_late_changes_nothing_that_is_published(people: TrustBench) -> None:
    people.release(1)
    people.sign("ANA_KEY", "BEN_KEY")
    people.deliver()
    before = {path: path.read_bytes() for path in people.metadata.rglob("*.json")}
    held = people.found.offline()
    add_signature(held.targets, people.key("CAT_KEY"))
    save_offline(held)
    assert not people.deliver().changed
    people.later(days=2).refresh()
    assert (people.metadata / "1.targets.json").read_bytes() == before[people.metadata / "1.targets.json"]


@pytest.mark.parametrize("name", [ONLINE, TARGETS, "EVE_KEY"])
def test_other_keys_do_not_count(people: TrustBench, name: str) -> None:
    people.release(1)
    if name == "EVE_KEY":
        new_key(name, people.root)
    with pytest.raises(UsageError, match="none of the keys here is awaited; these are: "):
        people.sign(name)
    assert not (people.offline / "targets.json").exists()


def test_schedules_do_not_extend_what_people_signed(people: TrustBench) -> None:
    people.release(1)
    people.sign()
    people.deliver()
    expires = people.published().targets.signed.expires
    people.later(days=183)
    assert people.refresh()
    assert people.published().targets.signed.expires == expires
    (note,) = [line for line in people.notes() if line.startswith("targets")]
    assert "targets 1 has lived half of its life" in note and "`tinyops trust sign`" in note
    people.sign("ANA_KEY", "BEN_KEY")
    people.deliver()
    assert people.published().targets.signed.expires > expires
    assert people.published().targets.version == 2


def test_a_host_that_offers_what_nobody_signed_is_not_made_young(people: TrustBench, tmp_path: Path) -> None:
    people.release(1)
    people.sign()
    people.deliver()
    stranger = TrustBench(tmp_path / "stranger").init()
    stranger.release(1)
    stranger.sign()
    stranger.deliver()
    shutil.copytree(stranger.metadata, people.metadata, dirs_exist_ok=True)
    before = {path: path.read_bytes() for path in people.metadata.rglob("*.json")}
    with pytest.raises(UnsafePlan, match="offers what too few of the keys signed that root 1 names"):
        people.later(days=2).refresh()
    assert {path: path.read_bytes() for path in people.metadata.rglob("*.json")} == before
    assert any("devices refuse it" in note for note in people.notes())


def test_older_metadata_that_was_put_back_is_not_made_young(people: TrustBench) -> None:
    people.release(1)
    people.sign()
    people.deliver()
    old = (people.metadata / "timestamp.json").read_bytes()
    people.release(2)
    people.sign()
    people.deliver()
    (people.metadata / "timestamp.json").write_bytes(old)
    with pytest.raises(UnsafePlan, match="offers v1, and v2 was offered already"):
        people.later(days=2).refresh()
    assert people.deliver().offered == 2


def test_damaged_metadata_is_named_and_nothing_is_signed_above_it(people: TrustBench) -> None:
    people.release(1)
    people.sign()
    people.deliver()
    (people.metadata / versioned(1, "snapshot")).write_bytes(b"{}")
    with pytest.raises(RemoteError, match=r"1\.snapshot\.json: is not the file that the metadata above it names"):
        people.refresh()


# -- Keys come and go ----------------------------------------------------------------------------


def test_the_first_root_makes_the_keys_that_it_needs(tmp_path: Path) -> None:
    bench = TrustBench(tmp_path)
    bench.init()
    assert {path.name for path in bench.offline.iterdir()} == {"root.json", "1.root.json"}
    assert secret_path("TINYOPS_ROOT_KEY", bench.root).stat().st_mode & 0o077 == 0
    with pytest.raises(UsageError, match="there is a root already"):
        bench.init()


def test_without_the_peoples_keys_nothing_is_made(tmp_path: Path) -> None:
    bench = TrustBench(tmp_path)
    with pytest.raises(UsageError, match="people sign here, and 0 of their keys are named"):
        init(bench.found, root_keys=[], threshold=1, targets_keys=[], now=bench.clock)
    assert not secret_path("TINYOPS_ROOT_KEY", bench.root).exists() and not bench.offline.exists()


def test_an_online_key_that_is_also_one_of_people_is_refused(people: TrustBench) -> None:
    with pytest.raises(UsageError, match="is an online key and one of targets"):
        people.rotate("online", add=["ANA_KEY"])


def test_a_threshold_that_nobody_can_meet_is_refused(people: TrustBench) -> None:
    with pytest.raises(UsageError, match="4 signatures of 3 keys can never be had"):
        people.rotate("targets", threshold=4)
    with pytest.raises(UsageError, match="1 signatures of 0 keys"):
        people.revoke("TINYOPS_ROOT_KEY")


def test_clients_follow_a_chain_of_roots_to_new_keys(people: TrustBench, web: FakeServer) -> None:
    people.release(1)
    people.sign()
    people.deliver()
    assert offered(people, web) == released(people, 1)
    new_key("DAN_KEY", people.root)
    new_key("ROOT_TWO", people.root)
    people.rotate("root", add=["ROOT_TWO"], remove=["TINYOPS_ROOT_KEY"])
    people.rotate("targets", add=["DAN_KEY"], remove=["ANA_KEY"])
    people.release(2)
    with pytest.raises(UsageError, match="none of the keys here is awaited"):
        people.sign("ANA_KEY")
    people.sign("DAN_KEY", "BEN_KEY")
    assert people.deliver().offered == 2
    assert offered(people, web) == released(people, 2)
    assert {"1.root.json", "2.root.json", "3.root.json"} <= {path.name for path in people.metadata.iterdir()}


def test_a_root_waits_for_the_old_keys_and_its_own(people: TrustBench) -> None:
    for name in ("ROOT_TWO", "ROOT_THREE"):
        new_key(name, people.root)
    people.rotate("root", add=["ROOT_TWO", "ROOT_THREE"], threshold=2)
    assert people.found.offline().root.version == 2  # every key was here
    for name in ("ROOT_TWO", "ROOT_THREE", "TINYOPS_ROOT_KEY"):
        secret_path(name, people.root).rename(people.root / name)
    people.rotate("root", threshold=1)
    assert people.found.offline().root.version == 2
    assert any("root 3 is awaiting 0 of 2 and 0 of 1 signatures" in note for note in people.notes())
    for name, (old, own) in {"ROOT_TWO": ("1 of 2", "1 of 1"), "ROOT_THREE": ("", "")}.items():
        (people.root / name).rename(secret_path(name, people.root))
        done = people.sign(name)
        assert [str(one) for one in done.root] == ([old, own] if old else [])
    assert people.found.offline().root.version == 3


def test_a_proposed_root_is_not_yet_believed(people: TrustBench) -> None:
    secret_path("TINYOPS_ROOT_KEY", people.root).rename(people.root / "elsewhere")
    people.revoke("ANA_KEY")
    people.release(1)
    people.sign("ANA_KEY", "BEN_KEY")
    assert people.deliver().offered == 1


def test_a_revoked_persons_signature_counts_no_more(people: TrustBench, web: FakeServer) -> None:
    people.release(1)
    people.sign("ANA_KEY", "BEN_KEY")
    assert people.revoke("ANA_KEY") == ["targets"]
    assert people.deliver().awaiting == Awaiting(1, 0, 1, 2)
    people.sign("CAT_KEY")
    assert people.deliver().offered == 1
    assert offered(people, web) == released(people, 1)


def test_targets_that_a_revoked_person_signed_are_signed_anew(people: TrustBench, web: FakeServer) -> None:
    people.release(1)
    people.sign("ANA_KEY", "BEN_KEY")
    people.deliver()
    people.revoke("ANA_KEY")
    with pytest.raises(UnsafePlan, match="offers what too few of the keys signed that root 2 names"):
        people.refresh()
    people.sign("BEN_KEY", "CAT_KEY")
    people.deliver()
    assert people.published().targets.version == 2
    assert offered(people, web) == released(people, 1)


@pytest.mark.parametrize("by", ["ci", "people"])
def test_a_new_online_key_takes_over(tmp_path: Path, web: FakeServer, by: str) -> None:
    bench = TrustBench(tmp_path / "bench", by=by).init()
    bench.release(1)
    if by == "people":
        bench.sign()
    bench.deliver()
    assert offered(bench, web) == released(bench, 1)
    new_key("NEXT_KEY", bench.root)
    bench.rotate("online", add=["NEXT_KEY"], remove=[ONLINE])
    with pytest.raises(UnsafePlan, match="is not one that root 2 names"):
        bench.refresh()
    secret_path("NEXT_KEY", bench.root).replace(secret_path(ONLINE, bench.root))
    if by == "people":
        assert bench.refresh()
        assert any("let another online key speak of rollouts" in note for note in bench.notes())
        with pytest.raises(UnsafePlan, match="let others than"):
            bench.progress({"wrist": b"{}"})
        bench.sign()
    assert bench.deliver().offered == 1
    assert offered(bench, web) == released(bench, 1)
    assert bench.published().targets.version == 2
    assert bench.notes() == []
    assert bench.later(days=2).refresh()


def test_progress_joins_the_metadata_and_stays_over_releases(ci: TrustBench, web: FakeServer) -> None:
    ci.release(1)
    ci.deliver()
    for data in (b'{"sequence":1}', b'{"sequence":2}'):
        ci.progress({"wrist": data})
        assert offered(ci, web, "rollout/wrist.json") == data == (ci.metadata / "rollout/wrist.json").read_bytes()
    assert offered(ci, web, "rollout/other.json") is None
    ci.release(2)
    ci.deliver()
    assert offered(ci, web, "rollout/wrist.json") == b'{"sequence":2}'


def test_without_a_root_nothing_is_offered(tmp_path: Path) -> None:
    bench = TrustBench(tmp_path)
    bench.release(1)
    with pytest.raises(SpecError, match="there is no root, so nobody could verify metadata"):
        bench.deliver()


def test_without_the_online_key_nothing_is_offered(people: TrustBench) -> None:
    people.release(1)
    people.sign()
    secret_path(ONLINE, people.root).unlink()
    with pytest.raises(ToolError, match="secret TINYOPS_ONLINE_KEY is nowhere to be found"):
        people.deliver()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("1.root.json", lambda data: data.replace(b'"threshold": 2', b'"threshold": 1'), "0 of 1 of the signatures"),
        ("1.root.json", lambda data: data[:-30], "1.root.json: not TUF metadata"),
        (
            "root.json",
            lambda data: data.replace(b'"version": 1', b'"version": 7'),
            "is version 7 of the root, 2 is next",
        ),
        ("root.json", lambda _: b"[]", "root.json: not TUF metadata"),
        ("root.json", lambda data: data + b" " * 5_000_000, "larger than"),
    ],
)
def test_files_of_trust_that_were_damaged_are_named(
    people: TrustBench, name: str, change: object, message: str
) -> None:
    assert callable(change)
    path = people.offline / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(SpecError, match=message):
        people.found.offline()


def test_two_publishers_at_once_end_in_one_state(ci: TrustBench, monkeypatch: pytest.MonkeyPatch) -> None:
    ci.release(1)
    place, raced = type(ci.found.place), []
    change = place.change
    store = ci.publisher.store

    def late(self: object, *arguments: object) -> None:
        if not raced:
            raced.append(True)
            deliver(ci.found, store, store.latest(), None, ci.clock)
        change(self, *arguments)

    monkeypatch.setattr(place, "change", late)
    done = ci.deliver()
    assert (done.offered, done.changed) == (1, False)


def test_a_host_that_always_moves_on_is_left_after_a_while(ci: TrustBench, monkeypatch: pytest.MonkeyPatch) -> None:
    ci.release(1)

    def moved(*_: object) -> None:
        raise Moved("moved")

    monkeypatch.setattr(type(ci.found.place), "change", moved)
    with pytest.raises(Moved):
        ci.deliver()


def test_names_of_keys_on_this_machine_are_known(people: TrustBench) -> None:
    from tinyops.reconcile.trust_status import status_lines, trust_status

    lines = "\n".join(status_lines(trust_status(people.found, None), people.clock))
    assert "targets: 2 of 3 keys must sign" in lines
    for name in (*PEOPLE, ONLINE, "TINYOPS_ROOT_KEY"):
        assert f"{people.key_id(name)}  {name}" in lines
