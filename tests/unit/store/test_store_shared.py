"""One store behind a URL for many machines: what it gives is checked; that it fails is said, and costs no result."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from fakes.stores import KEY, Faulty, Site, faulty, key_of, made
from tinyops.errors import RemoteError, ToolError
from tinyops.manifest.keys import SigningKey
from tinyops.remote.files import Limits
from tinyops.remote.fsspec_files import FsspecFiles
from tinyops.store import Run
from tinyops.store.folder import object_name, record_name

FORK = Run(ci="github", id="7", repository="mallory/wearables", event="pull_request")
MAIN = Run(ci="github", id="8", repository="acme/wearables", event="push")


@pytest.fixture(params=["file", "memory"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    MemoryFileSystem.store.clear()
    yield Site({"file": f"file://{tmp_path}/far", "memory": "memory://far/away"}[request.param], tmp_path / "machines")
    MemoryFileSystem.store.clear()


@pytest.fixture
def far(tmp_path: Path) -> Site:
    """Behind a file system that tests can break."""
    return Site("faulty://far/store", tmp_path / "machines")


# -- sharing -----------------------------------------------------------------------------------


def test_what_one_machine_built_another_takes(site: Site) -> None:
    record = made(site.machine("one"))
    two = site.machine("two", signs=False, run=MAIN, publishing=True)
    assert two.lookup(record.key) == record
    assert (two.find(record.outputs["deep/file"]) or Path()).read_bytes() == b"weights"
    assert site.said == []
    assert site.names() == sorted(
        [record_name(KEY), *{object_name(artifact.digest) for artifact in record.outputs.values()}]
    )


def test_what_was_fetched_once_is_there_without_the_network(site: Site, tmp_path: Path) -> None:
    record = made(site.machine("one"))
    assert site.machine("two").lookup(record.key) == record
    gone = replace(site, url=f"file://{tmp_path}/nothing-is-here")
    assert gone.machine("two").lookup(record.key) == record


def test_who_cannot_sign_shares_nothing_and_says_so_once(site: Site) -> None:
    fork = site.machine("fork", signs=False, run=FORK)
    record = made(fork)
    made(fork, b"more", key=key_of("more"))
    assert site.names() == []
    assert site.said == ["the key that signs records is not here: what this run makes stays on this machine"]
    assert fork.lookup(record.key) == record


def test_a_poisoned_record_is_not_taken_and_what_is_built_instead_replaces_it(site: Site) -> None:
    """A fork's run that may write the same store: it signs with a key of its own, or not at all."""
    poison = replace(site, signer=SigningKey.generate(), said=[]).machine("fork", run=FORK)
    made(poison, b"poisoned weights")
    apply = site.machine("main", run=MAIN, publishing=True)
    assert apply.lookup(KEY) is None
    assert site.said == [
        "the store holds records made by run 7 of mallory/wearables on pull_request that no trusted key signed: "
        "not taken, their steps run again"
    ]
    record = made(apply, b"honest weights")
    assert site.machine("two", run=MAIN, publishing=True).lookup(KEY) == record


def test_a_signed_record_under_another_key_is_not_taken(site: Site) -> None:
    made(site.machine("one"))
    files = site.files()
    files.write(record_name(key_of("other")), files.read(record_name(KEY), 1 << 20))
    assert site.machine("two").lookup(key_of("other")) is None
    assert "holds the record of another key" in site.said[0]


def test_a_record_that_is_none_is_said_and_counts_as_absent(site: Site) -> None:
    record = made(site.machine("one"))
    site.files().write(record_name(KEY), b"<html>502 Bad Gateway</html>")
    two = site.machine("two")
    assert two.lookup(record.key) is None
    (said,) = site.said
    assert "an HTML or XML page" in said and said.endswith("it counts as absent")
    assert site.machine("three").lookup(made(two).key) == record


@pytest.mark.parametrize("damage", [b"", b"weight", b"weights and more", b"Weights"])
def test_a_damaged_object_is_never_taken_and_is_put_again(site: Site, damage: bytes) -> None:
    record = made(site.machine("one"))
    artifact = record.outputs["deep/file"]
    site.files().write(object_name(artifact.digest), damage)
    two = site.machine("two")
    assert two.lookup(record.key) is None
    assert not two.folder.object_path(artifact.digest).exists()
    (said,) = site.said
    assert said.endswith("is damaged or cut short: it counts as absent")
    made(two)
    assert site.machine("three").lookup(record.key) == record


def test_a_record_whose_object_is_gone_counts_as_absent(site: Site) -> None:
    record = made(site.machine("one"))
    site.files().remove(object_name(record.outputs["deep/file"].digest))
    assert site.machine("two").lookup(record.key) is None
    made(site.machine("two"))
    assert site.machine("three").lookup(record.key) == record


def test_a_record_is_put_after_the_objects_that_it_names(far: Site) -> None:
    with faulty():
        made(far.machine("one"))
        puts = [call.partition("/store/")[2].split("/")[0] for call in Faulty.calls if call.startswith("write")]
        assert (puts, set(puts)) == (sorted(puts), {"objects", "records"})


def test_a_young_object_is_not_put_twice(far: Site) -> None:
    with faulty():
        made(far.machine("one"))
        puts = [call for call in Faulty.calls if call.startswith("write") and "/objects/" in call]
        made(far.machine("two"), key=key_of("another key"))
        assert [call for call in Faulty.calls if call.startswith("write") and "/objects/" in call] == puts


def test_what_could_not_be_put_is_put_by_the_next_run(far: Site) -> None:
    with faulty(write=ConnectionError("reset")):
        record = made(far.machine("one"))
        assert far.names() == []
        Faulty.trouble.clear()
        assert far.machine("one").lookup(record.key) == record
        assert far.machine("two").lookup(record.key) == record


def test_what_was_made_before_there_was_a_key_is_signed_when_there_is_one(site: Site) -> None:
    record = made(site.machine("one", signs=False))
    assert site.machine("one", run=MAIN, publishing=True).lookup(record.key) is None
    assert site.machine("one").lookup(record.key) == record
    assert site.machine("two", run=MAIN, publishing=True).lookup(record.key) == record


def test_in_ci_nothing_is_signed_that_was_not_made_by_this_very_process(site: Site) -> None:
    """A fork's run may have left a record that claims to be of the run that is to come."""
    record = made(site.machine("one", signs=False, run=MAIN))
    assert site.machine("one", run=MAIN).lookup(record.key) == record
    assert site.names() == []
    assert site.machine("one", run=MAIN, publishing=True).lookup(record.key) is None


# -- a store that fails ------------------------------------------------------------------------


def test_a_store_that_errors_costs_no_result_and_is_tried_again(far: Site) -> None:
    with faulty(read=ConnectionError("reset by canary-7"), write=ConnectionError("reset by canary-7")):
        one = far.machine("one")
        assert one.lookup(KEY) is None
        assert len(Faulty.calls) == 2
        record = made(one)
        made(one, b"more", key=key_of("more"))
        assert one.lookup(record.key) == record
    read, write = far.said
    assert read == (
        f"the store faulty://far/store failed: reading {record_name(KEY)[:20]}…: ConnectionError: reset by …; "
        "nothing more is read from it in this run"
    )
    assert "failed: writing objects/" in write and write.endswith("nothing more is put there in this run")


def test_an_error_that_passes_is_no_error(far: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty():
        record = made(far.machine("one"))
        failures = iter([OSError(errno.ECONNRESET, "reset")])
        act = Faulty.act

        def flaky(way: str, path: str) -> None:
            if way == "read" and (failure := next(failures, None)) is not None:
                raise failure
            act(way, path)

        monkeypatch.setattr(Faulty, "act", staticmethod(flaky))
        assert far.machine("two").lookup(record.key) == record
    assert far.said == []


def test_a_store_that_stalls_costs_its_limit_once(far: Site) -> None:
    far.limits = Limits(base_s=0.3, attempts=5, pause_s=60)
    with faulty(read=threading.Event(), stat=threading.Event()):
        one = far.machine("one")
        for name in "abc":
            assert one.lookup(key_of(name)) is None
            record = made(one, key=key_of(name))
            assert one.lookup(record.key) == record
        assert [call.split()[0] for call in Faulty.calls] == ["read", "stat"]
    assert [said.count("no answer within 0.3") for said in far.said] == [1, 1]


def test_a_store_that_cuts_short_is_found_out(far: Site) -> None:
    with faulty():
        record = made(far.machine("one"), bytes(3000))
        Faulty.trouble["cut"] = 2000
        two = far.machine("two")
        assert two.lookup(record.key) is None
    assert [said.endswith("is damaged or cut short: it counts as absent") for said in far.said] == [True]
    assert [path for path in two.root.rglob("*") if path.is_file()] == []


def test_a_store_without_room_costs_no_result(far: Site) -> None:
    with faulty(write=OSError(errno.ENOSPC, "No space left on device")):
        one = far.machine("one")
        record = made(one)
        assert one.lookup(record.key) == record
        assert far.names() == []
    assert "No space left on device" in far.said[0]


def test_a_bucket_that_there_is_not_is_said_when_writing(far: Site) -> None:
    with faulty(write=FileNotFoundError("The specified bucket does not exist")):
        assert far.machine("one").lookup(KEY) is None
        made(far.machine("one"))
    (said,) = far.said
    assert "The specified bucket does not exist; nothing more is put there" in said


def test_ctrl_c_ends_who_waits_for_a_store_that_stalls(far: Site) -> None:
    far.limits = Limits(base_s=600)
    with faulty(read=threading.Event()):
        one = far.machine("one")
        found: list[object] = []
        waiting = threading.Thread(target=lambda: found.append(one.lookup(KEY)))
        waiting.start()
        while not Faulty.calls:
            time.sleep(0.01)
        one.interrupt()
        waiting.join(timeout=30)
        assert found == [None]
        assert far.said == []


def test_a_full_disk_here_is_an_error_of_this_machine(site: Site) -> None:
    record = made(site.machine("one"))
    two = site.machine("two")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))
    try:
        with pytest.raises(ToolError, match="cannot be written: File too large"):
            two.lookup(record.key)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert site.said == []
    assert two.lookup(record.key) == record


# -- URLs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "words", "hint"),
    [
        ("nosuch://bucket/x", "Protocol not known: nosuch", "lists the schemes"),
        ("github://x", "cannot be opened: TypeError", "lists the schemes"),
        ("gs://bucket/x", "", "pip install gcsfs"),
    ],
)
def test_a_url_that_cannot_be_opened_says_why(url: str, words: str, hint: str) -> None:
    with pytest.raises(ToolError) as caught:
        FsspecFiles(url, {})
    assert caught.value.message.startswith(f"{url}: ")
    assert words in caught.value.message
    assert hint in caught.value.hint


def test_without_fsspec_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['fsspec'] = None\n"
        "from tinyops.remote.fsspec_files import FsspecFiles\n"
        "from tinyops.errors import ToolError\n"
        "try: FsspecFiles('memory://x', {})\n"
        "except ToolError as error: print(error.message, error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "memory://x: needs fsspec pip install 'tinyops[remote]'\n", done.stderr


def test_nothing_of_fsspec_is_loaded_until_a_url_is_opened() -> None:
    code = "import sys, tinyops.reconcile.apply, tinyops.store\nprint([m for m in sys.modules if 'fsspec' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_no_answer_is_an_error_with_its_limit(far: Site) -> None:
    with faulty(read=threading.Event()):
        shared = far.machine("one").shared
        assert shared is not None
        shared.patience.limits = Limits(base_s=0.1)
        with pytest.raises(RemoteError, match=r"asking: no answer within 0.1 s"):
            shared.patience.call("asking", lambda: far.files().read("records/x", 10))
