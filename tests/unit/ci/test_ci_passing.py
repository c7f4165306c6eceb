"""What jobs hand on is taken when it is intact and theirs, and only then."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fakes.stores import PROJECT
from tinyops.artifacts import Record, Step
from tinyops.ci.passing import hand_on, take
from tinyops.manifest.keys import SigningKey, Trust
from tinyops.store import Folder, Notary, Run, Store, take_outputs

SIGNER = SigningKey.generate()
TRUST = Trust.of([SIGNER.public])
MINE = Run(ci="github", id="77", repository="acme/wearables", event="push")
FORK = Run(ci="github", id="78", repository="acme/wearables", event="pull_request")
LATER = Run(ci="github", id="79", repository="acme/wearables", event="push")


def store(root: Path, run: Run = MINE, project: str = PROJECT, **options: Any) -> Store:
    return Store(Folder(root), Notary(project, run, TRUST, **options))


def publishing(root: Path, run: Run = MINE) -> Store:
    return store(root, run, key=SIGNER, publishing=True)


def built(into: Store, text: bytes = b"weights", subject: str = "a") -> Record:
    step = Step("train", subject, {"epochs": len(text)})
    with into.scratch("x") as scratch:
        (scratch / "deep").mkdir()
        (scratch / "deep/file").write_bytes(text)
        (scratch / "empty").write_bytes(b"")
        record = Record(step.id, step.key({}), step.settings, {}, {}, {}, take_outputs(into, scratch), {"n": 1})
    into.save(record)
    return record


@pytest.fixture
def handed(tmp_path: Path) -> tuple[Record, Path]:
    made = store(tmp_path / "job")
    record = built(made)
    assert hand_on(made, [record], tmp_path / "handed/built-models-000") == 1
    return record, tmp_path / "handed"


def test_what_a_job_of_this_run_made_is_taken(tmp_path: Path, handed: tuple[Record, Path]) -> None:
    record, folder = handed
    mine = store(tmp_path / "next")
    taken = take(mine, folder)
    assert (taken.keys, taken.refused) == ((record.key,), ())
    assert mine.lookup(record.key) == record
    assert take(store(tmp_path / "other"), folder / "built-models-000").keys == (record.key,)


def test_many_jobs_and_none(tmp_path: Path) -> None:
    for number in range(3):
        made = store(tmp_path / f"job{number}")
        hand_on(made, [built(made, b"x" * (number + 1))], tmp_path / f"handed/built-{number}")
    mine = store(tmp_path / "next")
    assert len(take(mine, tmp_path / "handed").keys) == 3
    assert take(mine, tmp_path / "handed").keys  # again: they are there
    assert take(mine, tmp_path / "nothing").keys == ()


def test_what_is_released_must_be_signed_and_this_run_may_sign_its_own(
    tmp_path: Path, handed: tuple[Record, Path]
) -> None:
    record, folder = handed
    unsigned = take(publishing(tmp_path / "one"), folder)
    assert unsigned.keys == () and "not signed by a trusted key" in unsigned.refused[0]
    assert take(publishing(tmp_path / "two"), folder, vouch=True).keys == (record.key,)
    assert publishing(tmp_path / "two", LATER).lookup(record.key) == record, "it is signed now, for good"


@pytest.mark.parametrize("vouch", [False, True])
def test_what_another_run_made_is_never_taken(tmp_path: Path, vouch: bool) -> None:
    theirs = store(tmp_path / "fork", FORK)
    record = built(theirs)
    hand_on(theirs, [record], tmp_path / "handed")
    mine = publishing(tmp_path / "mine")
    taken = take(mine, tmp_path / "handed", vouch=vouch)
    assert taken.keys == ()
    assert "run 78 of acme/wearables on pull_request" in taken.refused[0]
    assert mine.lookup(record.key) is None
    assert not mine.folder.record_path(record.key).exists()


def test_what_a_trusted_key_signed_is_taken_from_any_run(tmp_path: Path) -> None:
    theirs = store(tmp_path / "earlier", LATER, key=SIGNER)
    record = built(theirs)
    hand_on(theirs, [record], tmp_path / "handed")
    assert take(publishing(tmp_path / "mine"), tmp_path / "handed").keys == (record.key,)


def test_another_projects_are_left(tmp_path: Path) -> None:
    theirs = store(tmp_path / "other", project="others")
    hand_on(theirs, [built(theirs)], tmp_path / "handed")
    assert "another key or project" in take(store(tmp_path / "mine"), tmp_path / "handed").refused[0]


def test_a_damaged_object_and_the_record_that_needs_it_are_left(tmp_path: Path, handed: tuple[Record, Path]) -> None:
    record, folder = handed
    objects = [p for p in (folder / "built-models-000/objects").rglob("*") if p.is_file() and p.stat().st_size]
    objects[0].chmod(0o644)
    objects[0].write_bytes(b"other weights")
    mine = store(tmp_path / "mine")
    taken = take(mine, folder)
    assert taken.keys == () and len(taken.refused) == 2
    assert "is not what its name says" in taken.refused[0]
    assert not any(p.is_file() and p.read_bytes() == b"other weights" for p in mine.root.rglob("*"))
    assert mine.lookup(record.key) is None


def test_a_missing_object_makes_no_record(tmp_path: Path, handed: tuple[Record, Path]) -> None:
    _, folder = handed
    shutil.rmtree(folder / "built-models-000/objects")
    taken = take(store(tmp_path / "mine"), folder)
    assert taken.keys == () and "without all its files" in taken.refused[0]


def test_a_record_under_another_key(tmp_path: Path, handed: tuple[Record, Path]) -> None:
    record, folder = handed
    path = folder / f"built-models-000/records/{record.key.removeprefix('sha256:')}.json"
    path.rename(path.with_name("f" * 64 + ".json"))
    taken = take(store(tmp_path / "mine"), folder)
    assert taken.keys == () and "another key" in taken.refused[0]


def test_a_record_whose_account_gives_another_key(tmp_path: Path) -> None:
    """One step's making passed off as another's: the key is what its settings give."""
    made = store(tmp_path / "job")
    honest = built(made)
    forged = Record(**{**vars(honest), "key": "sha256:" + "e" * 64})
    made.save(forged)
    hand_on(made, [forged], tmp_path / "handed")
    assert "another key" in take(store(tmp_path / "mine"), tmp_path / "handed").refused[0]


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100_000, json.dumps({"key": 1}).encode(), b"\xff\xfe"])
def test_what_is_no_record(tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "handed/records"
    folder.mkdir(parents=True)
    (folder / ("a" * 64 + ".json")).write_bytes(data)
    (folder / "readme.txt").write_bytes(b"x")
    taken = take(store(tmp_path / "mine"), tmp_path / "handed")
    assert taken.keys == () and len(taken.refused) == 2


def test_links_are_not_followed(tmp_path: Path, handed: tuple[Record, Path]) -> None:
    record, folder = handed
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "job").symlink_to(folder / "built-models-000")
    assert take(store(tmp_path / "one"), linked).keys == ()
    copied = tmp_path / "copied"
    shutil.copytree(folder / "built-models-000", copied)
    path = copied / f"records/{record.key.removeprefix('sha256:')}.json"
    path.unlink()
    path.symlink_to(folder / f"built-models-000/records/{path.name}")
    assert take(store(tmp_path / "two"), copied).keys == ()
