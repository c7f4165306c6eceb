"""The parse cache saves time and nothing else."""

import json
from pathlib import Path

import pytest

from tinyops.documents import ParseCache, parse
from tinyops.files import digest_bytes

SOURCE = b"a: 1\nb: [x, 2.5, null]\n---\nc: {d: e}\n"


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    cache = ParseCache(tmp_path, "specs")
    parse(SOURCE, "f", cache)
    cache.save()
    return tmp_path


def forbid_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("parsed again")

    monkeypatch.setattr("tinyops.documents.events.parse_events", fail)


def test_gives_the_same_values_without_parsing(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [d.value for d in parse(SOURCE, "f")]
    forbid_parsing(monkeypatch)
    assert [d.value for d in parse(SOURCE, "f", ParseCache(filled, "specs"))] == wanted


def test_positions_come_from_the_source_when_they_are_wanted(filled: Path) -> None:
    _, second = parse(SOURCE, "f", ParseCache(filled, "specs"))
    assert second.locate(("c", "d")) == (4, 8)


def test_changed_bytes_are_parsed(filled: Path) -> None:
    (document,) = parse(b"a: 2\n", "f", ParseCache(filled, "specs"))
    assert document.value == {"a": 2}


def test_forgets_what_was_not_used(filled: Path) -> None:
    cache = ParseCache(filled, "specs")
    parse(b"a: 2\n", "f", cache)
    cache.save()
    assert ParseCache(filled, "specs").get(digest_bytes(SOURCE)) is None
    assert ParseCache(filled, "specs").get(digest_bytes(b"a: 2\n")) == [{"a": 2}]


def test_an_unchanged_cache_is_not_written_again(filled: Path) -> None:
    path = filled / "specs.json"
    before = path.stat().st_mtime_ns
    cache = ParseCache(filled, "specs")
    parse(SOURCE, "f", cache)
    cache.save()
    assert path.stat().st_mtime_ns == before


def sealed(body: bytes) -> bytes:
    return digest_bytes(body).encode() + b"\n" + body


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data.replace(b'"a":1', b'"a":3'),
        lambda data: b"",
        lambda data: b"\xff" * 100,
        lambda data: sealed(b"[]"),
        lambda data: sealed(b"{}"),
        lambda data: sealed(b"[" * 100_000),
        lambda data: sealed(json.dumps({"format": [0, "0"], "files": {}}).encode()),
        lambda data: sealed(data.partition(b"\n")[2].replace(b'[{"a"', b'[5,{"a"')),
    ],
)
def test_a_damaged_cache_is_no_cache(filled: Path, damage: object) -> None:
    path = filled / "specs.json"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    cache = ParseCache(filled, "specs")
    assert cache.get(digest_bytes(SOURCE)) is None
    assert [d.value for d in parse(SOURCE, "f", cache)] == [d.value for d in parse(SOURCE, "f")]


def test_a_cache_that_cannot_be_written_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    cache = ParseCache(tmp_path / "folder", "specs")
    parse(SOURCE, "f", cache)
    cache.save()


def test_refused_files_are_not_kept(tmp_path: Path) -> None:
    cache = ParseCache(tmp_path, "specs")
    with pytest.raises(Exception, match="aliases"):
        parse(b"a: *b\n", "f", cache)
    cache.save()
    assert not (tmp_path / "specs.json").exists()
