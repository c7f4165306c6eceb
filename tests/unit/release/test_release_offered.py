"""People sign before a release is offered: every store publishes it whole, and lets devices see the one before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.release_stores import BENCHES, Bench
from fakes.releases import INERT, Publisher
from tinyops.errors import Leased, RemoteError
from tinyops.manifest.keys import SigningKey, Trust

SECOND = INERT.but(library=b"\x7fELF of the second model")
ENTRY = "entry-wrist-linux.json"


@pytest.fixture(params=sorted(BENCHES))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with BENCHES[request.param](tmp_path) as made:
        made.publisher.publish()
        made.publisher.store.waits = True
        yield made


@pytest.fixture
def publisher(bench: Bench) -> Publisher:
    return bench.publisher


def test_a_release_that_waits_is_the_newest_and_not_the_offered_one(bench: Bench, publisher: Publisher) -> None:
    second = publisher.publish(SECOND)
    assert publisher.store.latest() == second == publisher.store.read(2)
    assert (publisher.store.offered(), bench.latest_tag()) == (1, "v1")
    with publisher.store.lease("t"):
        assert bench.latest_tag() == "v1"


def test_offering_moves_the_pointer_and_twice_is_no_error(bench: Bench, publisher: Publisher) -> None:
    publisher.publish(SECOND)
    with publisher.store.lease("t") as lease:
        publisher.store.offer(2, lease)
        publisher.store.offer(2, lease)
    assert (publisher.store.offered(), bench.latest_tag()) == (2, "v2")


def test_a_later_release_supersedes_one_that_waits(bench: Bench, publisher: Publisher) -> None:
    publisher.publish(SECOND)
    third = publisher.publish(INERT.but(library=b"\x7fELF of the third model"))
    with publisher.store.lease("t") as lease:
        publisher.store.offer(3, lease)
    assert publisher.store.latest() == third
    assert publisher.store.offered() == 3


def test_the_same_release_twice_still_waits(bench: Bench, publisher: Publisher) -> None:
    manifest = publisher.build(SECOND)
    signed, files = publisher.sign(manifest), publisher.files(manifest)
    with publisher.store.lease("t") as lease:
        assert publisher.store.publish(signed, files, lease) == publisher.store.publish(signed, files, lease)
    assert bench.latest_tag() == "v1"


def test_what_is_not_there_is_not_offered(bench: Bench, publisher: Publisher) -> None:
    with publisher.store.lease("t") as lease, pytest.raises(RemoteError, match="v7"):
        publisher.store.offer(7, lease)
    assert bench.latest_tag() == "v1"


def test_who_lost_the_lease_offers_nothing(bench: Bench, publisher: Publisher) -> None:
    publisher.publish(SECOND)
    with publisher.store.lease("t") as lease, pytest.raises(Leased):
        bench.take_over()
        publisher.store.offer(2, lease)
    assert bench.latest_tag() == "v1"


def test_a_project_whose_ci_signs_offers_what_waited(bench: Bench, publisher: Publisher) -> None:
    publisher.publish(SECOND)
    publisher.store.waits = False
    with publisher.store.lease("t"):
        assert bench.latest_tag() == "v2"


def test_the_first_release_waits_too(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    for name, make in BENCHES.items():
        with make(tmp_path / name) as bench:
            bench.publisher.store.waits = True
            bench.publisher.publish()
            assert bench.publisher.store.offered() == 0
            with bench.publisher.store.lease("t") as lease:
                bench.publisher.store.offer(1, lease)
            assert bench.publisher.store.offered() == 1


def test_entries_are_read_back_as_they_were_signed(bench: Bench, publisher: Publisher) -> None:
    release = publisher.store.read(1)
    assert publisher.store.documents(release) == {ENTRY: bench.content("v1", ENTRY)}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-20], "v1/entry-wrist-linux.json: not valid JSON"),
        (lambda data: data.replace(b'"version":1', b'"version":2'), "0 of 1 trusted signatures are right"),
        (lambda data: data + b" " * 9000, "larger than 8,192 bytes|longer than"),
    ],
)
def test_an_entry_that_was_damaged_is_not_offered_to_anybody(
    bench: Bench, publisher: Publisher, damage: object, message: str
) -> None:
    assert callable(damage)
    bench.put("v1", ENTRY, damage(bench.content("v1", ENTRY)))
    with pytest.raises(RemoteError, match=message):
        publisher.store.documents(publisher.store.latest())


def test_entries_that_others_signed_are_refused(bench: Bench, publisher: Publisher) -> None:
    release = publisher.store.read(1)
    stranger = bench.reopened(Trust.of([SigningKey.generate().public]))
    with pytest.raises(RemoteError, match="0 of 1 trusted signatures are right"):
        stranger.documents(release)
