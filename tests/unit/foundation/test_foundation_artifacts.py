import json
from dataclasses import replace

import pytest

from tinyops.artifacts import Artifact, InputRef, Record, Source, Step, Store, take_outputs


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def made(store, tmp_path, text=b"weights") -> Record:
    out = tmp_path / "out"
    (out / "deep").mkdir(parents=True, exist_ok=True)
    (out / "deep" / "file").write_bytes(text)
    record = Record("train:a", "sha256:" + "1" * 64, {}, {}, {}, {}, take_outputs(store, out), {"n": 1})
    store.save(record)
    return record


def test_a_key_covers_settings_lock_inputs_and_sources_but_no_path_and_no_subject(tmp_path):
    step = Step(
        "train", "a", {"e": 1}, {"tf": "2"}, {"d": InputRef("collect:d", "o")}, {"f": Source(tmp_path, "sha256:x")}
    )
    key = step.key({"d": "sha256:1"})
    assert (
        replace(step, subject="b", sources={"f": Source(tmp_path / "moved", "sha256:x")}).key({"d": "sha256:1"}) == key
    )
    others = [
        replace(step, kind="squeeze"),
        replace(step, settings={"e": 2}),
        replace(step, lock={"tf": "3"}),
        replace(step, sources={"f": Source(tmp_path, "sha256:y")}),
    ]
    keys = {s.key({"d": "sha256:1"}) for s in others} | {step.key({"d": "sha256:2"})}
    assert len(keys) == 5
    assert key not in keys


def test_a_record_is_found_again_and_survives_json(store, tmp_path):
    record = made(store, tmp_path)
    assert store.lookup(record.key) == record
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
    with pytest.raises(ValueError, match="not a step record"):
        Record.from_json({"step": "x"})


def test_a_damaged_object_counts_as_absent_and_can_be_made_again(store, tmp_path):
    record = made(store, tmp_path)
    path = store.object_path(record.outputs["deep/file"].digest)
    path.chmod(0o644)
    path.write_bytes(b"Weights")
    assert store.lookup(record.key) is None
    assert not path.exists()
    assert store.lookup(made(store, tmp_path).key) == record


def test_a_damaged_record_counts_as_absent(store, tmp_path):
    record = made(store, tmp_path)
    path = store.record_path(record.key)
    for damage in (b"", b"{", b"[]", json.dumps({**record.to_json(), "key": "sha256:other"}).encode()):
        path.write_bytes(damage)
        assert store.lookup(record.key) is None
        assert not path.exists()


def test_the_same_bytes_are_stored_once(store, tmp_path):
    (tmp_path / "x").write_bytes(b"same")
    (tmp_path / "y").write_bytes(b"same")
    assert store.add(tmp_path / "x") == store.add(tmp_path / "y")
    assert len([p for p in (store.root / "objects").rglob("*") if p.is_file()]) == 1


def test_scratch_is_removed_and_leftovers_of_the_dead_are_swept(store):
    with store.scratch("train:a") as path:
        assert path.is_dir()
        store.sweep()
        assert path.is_dir()
    assert not path.exists()
    dead = store.root / "scratch" / "4194399.train.x"
    dead.mkdir()
    store.sweep()
    assert not dead.exists()


def test_an_absent_object_is_none(store):
    assert store.find(Artifact("sha256:" + "0" * 64, 1)) is None
