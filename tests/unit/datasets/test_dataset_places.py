"""Where files lie: folders, Git LFS, a web server, any file system; only bytes with the right digest come back."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from fakes.data_site import Site, site
from tinyops.artifacts import Progress
from tinyops.datasets.index import IndexEntry
from tinyops.datasets.lfs import pointed_at, pull_command
from tinyops.datasets.objects import Far, Folder, Objects
from tinyops.datasets.places import open_objects, open_place
from tinyops.errors import RemoteError, SpecError, ToolError
from tinyops.files import digest_bytes
from tinyops.remote import web_files
from tinyops.remote.files import Limits
from tinyops.remote.secrets import hidden
from tinyops.specs.model import RecordingsSource

HASTE = Limits(base_s=20, attempts=1, pause_s=0)
DATA = {f"shake/{n}.csv": f"ax,ay\n{n},{n}\n".encode() for n in range(12)}


def entry(path: str, data: bytes) -> IndexEntry:
    return IndexEntry(digest_bytes(data), "shake", bytes=len(data), file=path)


ENTRIES = [entry(path, data) for path, data in DATA.items()]


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as served:
        served.files.update({f"/wrist/{path}": data for path, data in DATA.items()})
        yield served


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(web_files, "RETRIES", 1)
    return tmp_path / "cache" / "data"


def source(**fields: Any) -> RecordingsSource:
    return RecordingsSource.model_validate({"kind": "recordings", "index": "../data/wrist.csv", **fields})


def opened(tmp_path: Path, **fields: Any) -> Objects:
    return open_objects(source(**fields), tmp_path / "data" / "wrist.csv", "wrist", HASTE)


# -- a web server --------------------------------------------------------------------------


def test_files_are_fetched_once_and_then_need_no_network(web: Site, tmp_path: Path, cache: Path) -> None:
    objects = opened(tmp_path, url=f"{web.url}/wrist")
    said: list[Progress] = []
    objects.ready(ENTRIES, said.append)
    assert sorted(web.paths()) == sorted(f"/wrist/{path}" for path in DATA)
    assert said[0].announce and "fetching 12 files" in said[0].message
    assert (said[-1].done, said[-1].total) == (12, 12)
    web.files.clear()
    again = opened(tmp_path, url="http://127.0.0.1:1/nobody")
    again.ready(ENTRIES, said.append)
    assert [again.read(e) for e in ENTRIES] == list(DATA.values())
    assert len(web.asked) == len(DATA)


def test_other_bytes_than_the_index_pins_are_refused_and_not_kept(web: Site, tmp_path: Path, cache: Path) -> None:
    web.files["/wrist/shake/3.csv"] = b"ax,ay\n3,4\n"
    with pytest.raises(RemoteError, match=r"wrist/shake/3.csv: is another file: the index says sha256:"):
        opened(tmp_path, url=f"{web.url}/wrist").ready(ENTRIES, lambda _: None)
    assert not opened(tmp_path).kept_at(ENTRIES[3]).exists()


def test_a_kept_file_that_was_damaged_is_fetched_again(web: Site, tmp_path: Path) -> None:
    objects = opened(tmp_path, url=f"{web.url}/wrist")
    objects.keep(ENTRIES[0], b"rotten")
    assert objects.read(ENTRIES[0]) == DATA["shake/0.csv"]
    assert objects.kept(ENTRIES[0]) == DATA["shake/0.csv"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.files.pop("/wrist/shake/0.csv"), "wrist/shake/0.csv: is not there\n.*data push"),
        (lambda w: w.files.update({"/wrist/shake/0.csv": bytes(100)}), "is larger than 10 bytes"),
        (lambda w: w.answers.update({"/wrist/shake/0.csv": [403]}), "answered 403\n.*Authorization"),
        (lambda w: w.answers.update({"/wrist/shake/0.csv": [503, 503]}), "answered 503\n.*try again"),
        (lambda w: w.cut.add("/wrist/shake/0.csv"), "reading .*shake/0.csv: "),
        (lambda w: w.moved.update({"/wrist/shake/0.csv": "/wrist/shake/0.csv"}), "TooManyRedirects"),
        (lambda w: w.moved.update({"/wrist/shake/0.csv": "file:///etc/passwd"}), "InvalidSchema"),
    ],
)
def test_a_server_that_misbehaves_is_named(web: Site, tmp_path: Path, change: Any, message: str) -> None:
    change(web)
    with pytest.raises(RemoteError, match=message):
        opened(tmp_path, url=f"{web.url}/wrist").read(ENTRIES[0])


def test_a_busy_server_is_asked_again(web: Site, tmp_path: Path) -> None:
    web.answers["/wrist/shake/0.csv"] = [503]
    assert opened(tmp_path, url=f"{web.url}/wrist").read(ENTRIES[0]) == DATA["shake/0.csv"]
    assert len(web.asked) == 2


def test_nobody_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"reading http://127.0.0.1:1/x/shake/0.csv: ConnectionError") as caught:
        opened(tmp_path, url="http://127.0.0.1:1/x").read(ENTRIES[0])
    assert "tinyops data fetch wrist --from DIR|URL" in caught.value.hint


def test_a_secret_opens_a_server_and_goes_to_no_other(web: Site, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("DATA_READ", '{"Authorization": "Bearer canary-7"}')
    with site() as other:
        other.files["/x"] = DATA["shake/1.csv"]
        web.moved["/wrist/shake/1.csv"] = f"http://localhost:{other.port}/x"
        objects = opened(tmp_path, url=f"{web.url}/wrist", credentials={"secret": "DATA_READ"})
        assert [objects.read(e) for e in ENTRIES[:2]] == list(DATA.values())[:2]
        assert [h.get("Authorization") for _, h in web.asked] == ["Bearer canary-7"] * 2
        assert [h.get("Authorization") for _, h in other.asked] == [None]


def test_a_secret_is_missing_or_of_another_kind(tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(ToolError, match="secret DATA_READ is nowhere"):
        opened(tmp_path, url="https://x.example", credentials={"secret": "DATA_READ"})
    monkeypatch.setenv("DATA_READ", '{"key": "canary-7"}')
    with pytest.raises(SpecError, match="key: a web server is given nothing but a header Authorization") as caught:
        opened(tmp_path, url="https://x.example", credentials={"secret": "DATA_READ"})
    assert "canary-7" not in str(caught.value)


# -- file systems --------------------------------------------------------------------------


def test_any_url_that_fsspec_knows(tmp_path: Path) -> None:
    MemoryFileSystem.store.clear()
    MemoryFileSystem().pipe_file("/far/wrist/shake/0.csv", DATA["shake/0.csv"])
    objects = opened(tmp_path, url="memory://far/wrist")
    assert objects.read(ENTRIES[0]) == DATA["shake/0.csv"]
    MemoryFileSystem.store.clear()
    assert objects.read(ENTRIES[0]) == DATA["shake/0.csv"]
    with pytest.raises(RemoteError, match=r"memory://far/wrist/shake/1.csv: is not there"):
        objects.read(ENTRIES[1])


@pytest.mark.parametrize("form", ["file", "beside", "absolute"])
def test_folders_are_read_where_they_lie(tmp_path: Path, cache: Path, form: str) -> None:
    folder = tmp_path / "disk 1" / "wrist"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_bytes(b"1,2\n")
    url = {"file": folder.as_uri(), "beside": "../disk 1/wrist", "absolute": str(folder)}[form]
    (tmp_path / "data").mkdir()
    assert opened(tmp_path, url=url).read(entry("a.csv", b"1,2\n")) == b"1,2\n"
    assert not cache.exists()
    assert isinstance(open_place("x", tmp_path, {}), Folder)
    assert isinstance(open_place("memory://x", tmp_path, {}), Far)


def test_missing_files_are_named_at_once_and_taken_from_the_cache(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "wrist"
    (folder / "shake").mkdir(parents=True)
    for path, data in list(DATA.items())[:4]:
        (folder / path).write_bytes(data)
    objects = opened(tmp_path)
    wanted = r"wrist: 8 of 12 files are missing: shake/4.csv, .*, …\n  `tinyops data fetch wrist --from DIR\|URL`"
    with pytest.raises(SpecError, match=wanted):
        objects.ready(ENTRIES, lambda _: None)
    with pytest.raises(SpecError, match=r"shake/5.csv: is missing\n.*data fetch wrist"):
        objects.read(ENTRIES[5])
    for e, data in zip(ENTRIES[4:], list(DATA.values())[4:], strict=True):
        objects.keep(e, data)
    objects.ready(ENTRIES, lambda _: None)
    assert [objects.read(e) for e in ENTRIES] == list(DATA.values())


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "wrist" / "shake"
    folder.mkdir(parents=True)
    (folder / "0.csv").write_bytes(b"ax,ay\n0,1\n")
    with pytest.raises(SpecError, match=r"wrist/shake/0.csv: has changed: .*\n.*bring the file back"):
        opened(tmp_path).read(ENTRIES[0])


# -- Git LFS -------------------------------------------------------------------------------


def pointer(data: bytes) -> bytes:
    digits = digest_bytes(data).removeprefix("sha256:")
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digits}\nsize {len(data)}\n".encode()


def test_a_pointer_is_known_and_its_command_named(tmp_path: Path) -> None:
    subprocess.run(
        ["git", "init", "-q", str(tmp_path)], check=True, env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    )
    path = tmp_path / "data" / "wrist" / "shake" / "0.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(pointer(DATA["shake/0.csv"]))
    wanted = r'shake/0.csv: is a Git LFS pointer, .*\n  git lfs pull --include="data/wrist/shake/0.csv"'
    with pytest.raises(SpecError, match=wanted):
        opened(tmp_path).read(ENTRIES[0])
    path.write_bytes(pointer(b"other"))
    with pytest.raises(SpecError, match="has changed"):
        opened(tmp_path).read(ENTRIES[0])
    assert pull_command(path) == 'git lfs pull --include="data/wrist/shake/0.csv"'


def test_only_whole_pointers_count() -> None:
    whole = pointer(b"x")
    assert pointed_at(whole) == digest_bytes(b"x")
    assert pointed_at(whole.replace(b"oid", b"ext-0-foo sha256:00\noid")) == digest_bytes(b"x")
    for other in (whole[:-5], whole + b"more\n", whole.replace(b"v1", b"v2"), b"", whole + b"\n" * 2000):
        assert pointed_at(other) is None


@pytest.mark.parametrize("token", ["CANARYCANARY\n", "CANARYCANARY\r\nX: y", " CANARYCANARY"])
def test_a_token_that_is_no_header_is_not_quoted(token: str) -> None:
    """A line's end in a secret's file is soon made; whoever refuses it quotes it, escaped."""
    place = open_place("http://127.0.0.1:9/x", Path(), {"Authorization": f"Bearer {token}"}, Limits(attempts=1))
    with pytest.raises(RemoteError) as refused:
        place.read("a", 10)
    assert "CANARY" not in f"{refused.value}{refused.value.hint}"


@pytest.mark.parametrize(
    "secret",
    ["CANARY\nCANARY", "Bearer CANARYCANARY", 'CANARY"CANARY', {"of": {"key": "CANARYCANARY"}}, ["CANARY\x1bCANARY"]],
)
def test_what_others_say_of_a_secret_is_hidden_however_they_quote_it(secret: object) -> None:
    for said in (str(secret), repr(secret), json.dumps(secret), " ".join(str(secret).split())):
        assert "CANARY" not in hidden(f"refused: {said}", [secret])
    assert hidden("us-east-1 is no region", ["x" * 9, {"n": 3}, ""]) == "us-east-1 is no region"


@pytest.mark.parametrize("scheme", ["http", "sftp"])
def test_a_password_in_a_url_is_refused_and_not_repeated(scheme: str) -> None:
    with pytest.raises(SpecError, match="holds a password") as refused:
        open_place(f"{scheme}://user:CANARY@127.0.0.1:9/x", Path(), {})
    assert "CANARY" not in str(refused.value)
