"""Fetching over HTTP from a server that may be broken or hostile."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes import web
from fakes.web import FakeServer, Fault, serving
from tinyops.device.folder import DirectorySource, open_source
from tinyops.device.source import Source
from tinyops.device.web import REDIRECTS_MAX
from tinyops.device.web_source import WebSource
from tinyops.errors import RemoteError, UsageError
from tinyops.manifest.entry import ENTRY_LIMIT_BYTES, EntryFile

BODY = bytes(range(256)) * 800
ENTRY = b'{"signed": {}}'
FILE = EntryFile(tag="v1", asset="model.so", sha256="0" * 64, bytes=len(BODY))
PATIENT_S, HASTY_S = 20.0, 0.25


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, content in (("latest/entry.json", ENTRY), ("v1/model.so", BODY)):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_bytes(content)
    return tmp_path


@pytest.fixture
def server(root: Path) -> Iterator[FakeServer]:
    with serving(root) as running:
        yield running


def fetch_asset(source: Source, file: EntryFile = FILE) -> bytes:
    into = io.BytesIO()
    source.asset(file, into)
    return into.getvalue()


def test_entry_and_asset(server: FakeServer) -> None:
    source = WebSource(server.url + "/", timeout_s=PATIENT_S)
    assert source.entry("entry.json", "").body == ENTRY
    assert fetch_asset(source) == BODY
    path, headers = server.seen[0]
    assert path == "/latest/entry.json"
    assert headers["Accept-Encoding"] == "identity"
    assert headers["User-Agent"].startswith("tinyops/")


def test_an_unchanged_entry_costs_one_request_and_no_body(server: FakeServer) -> None:
    source = WebSource(server.url, timeout_s=PATIENT_S)
    first = source.entry("entry.json", "")
    sent = server.sent
    assert source.entry("entry.json", first.etag).body is None
    assert (server.sent, len(server.seen)) == (sent, 2)


def test_a_304_that_was_not_asked_for_is_no_answer(server: FakeServer) -> None:
    server.faults["entry"] = web.status(304)
    with pytest.raises(RemoteError, match="the server answered 304"):
        WebSource(server.url, timeout_s=PATIENT_S).entry("entry.json", "")


def test_redirects_are_followed_to_another_host(server: FakeServer, root: Path) -> None:
    with serving(root) as other:
        server.faults["v1"] = web.redirect(f"{other.url}/v1/model.so?token={'x' * 2000}", 307)
        server.faults["latest"] = web.redirect("/elsewhere")
        server.faults["elsewhere"] = web.redirect("/v2/../gone", 301)
        source = WebSource(server.url, timeout_s=PATIENT_S)
        assert fetch_asset(source) == BODY
        assert len(other.seen) == 1
        with pytest.raises(RemoteError, match="404 Not Found"):
            source.entry("entry.json", "")


BAD_PLACES = ["file:///etc/passwd", "ftp://host/x", "http://user:pw@host/x", "//", "http://[::1", "http://h:99999/", ""]


@pytest.mark.parametrize("place", BAD_PLACES)
def test_redirects_to_odd_places_are_refused(server: FakeServer, place: str) -> None:
    server.faults["v1"] = web.redirect(place)
    with pytest.raises(RemoteError):
        fetch_asset(WebSource(server.url, timeout_s=PATIENT_S))
    assert len(server.seen) <= 1 + REDIRECTS_MAX


def test_a_redirect_loop_ends(server: FakeServer) -> None:
    server.faults["entry"] = web.redirect("/latest/entry.json")
    with pytest.raises(RemoteError, match=f"more than {REDIRECTS_MAX} redirects"):
        WebSource(server.url, timeout_s=PATIENT_S).entry("entry.json", "")
    assert len(server.seen) == REDIRECTS_MAX + 1


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (web.status(500), "500 Internal Server Error"),
        (web.status(403), "403 Forbidden"),
        (web.status(206), "206 Partial Content"),
        (web.truncated, "ended after|in the middle"),
        (web.shortened, "204,799 bytes are offered, its signed entry names 204,800"),
        (web.lengthened, "204,801 bytes are offered"),
        (web.unannounced, "longer than the 204,800 bytes"),
        (web.endless, "longer than the 204,800 bytes"),
        (web.compressed, "encoded as gzip"),
        (web.html, "43 bytes are offered"),
        (web.garbage, "not an HTTP answer"),
    ],
)
def test_bad_answers_for_an_asset(server: FakeServer, fault: Fault, sentence: str) -> None:
    server.faults["model.so"] = fault
    with pytest.raises(RemoteError, match=sentence):
        fetch_asset(WebSource(server.url, timeout_s=PATIENT_S))
    assert server.sent < 100 * len(BODY)  # what the sockets between them buffer, and no more


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (web.endless, f"larger than {ENTRY_LIMIT_BYTES:,} bytes"),
        (web.truncated, "ended after|in the middle"),
        (web.compressed, "encoded as gzip"),
        (web.status(404), "404 Not Found"),
        (lambda request, _: request.answer(200, b"x", {"Content-Length": "-5"}), "a length that is none"),
        (
            lambda request, _: request.answer(200, b"", {"Content-Length": "9" * 30}),
            "a length that is none|not an HTTP",
        ),
        (lambda request, _: request.answer(200, b" " * (ENTRY_LIMIT_BYTES + 1)), "larger than"),
    ],
)
def test_bad_answers_for_an_entry(server: FakeServer, fault: Fault, sentence: str) -> None:
    server.faults["entry"] = fault
    with pytest.raises(RemoteError, match=sentence):
        WebSource(server.url, timeout_s=PATIENT_S).entry("entry.json", "")


@pytest.mark.parametrize("fault", [web.dripping, web.dripping_headers, web.silent])
def test_slow_answers_end_at_the_time_limit(server: FakeServer, fault: Fault) -> None:
    server.faults["entry"] = fault
    with pytest.raises(RemoteError, match=r"not done within 0\.25 s"):
        WebSource(server.url, timeout_s=HASTY_S).entry("entry.json", "")


def test_an_etag_that_could_harm_a_header_is_forgotten(server: FakeServer) -> None:
    server.faults["entry"] = lambda request, body: request.answer(200, body, {"ETag": "x" * 5000})
    assert WebSource(server.url, timeout_s=PATIENT_S).entry("entry.json", "").etag == ""


def test_nobody_listens(root: Path) -> None:
    with serving(root) as gone:
        url = gone.url
    with pytest.raises(RemoteError, match="cannot be reached: Connection refused"):
        WebSource(url, timeout_s=PATIENT_S).entry("entry.json", "")


@pytest.mark.parametrize(
    "store", ["ftp://x/y", "http://", "http://u:p@h/", "https://h/?q=1", "http://h:0x/", "http://ü/"]
)
def test_stores_that_are_none(store: str) -> None:
    with pytest.raises(UsageError):
        open_source(store, PATIENT_S)


def test_a_folder_is_a_store_too(root: Path) -> None:
    source = open_source(str(root), PATIENT_S)
    assert isinstance(source, DirectorySource)
    assert source.entry("entry.json", "").body == ENTRY
    assert fetch_asset(source) == BODY
    for length, sentence in ((len(BODY) - 1, "longer than"), (len(BODY) + 1, "ended after")):
        with pytest.raises(RemoteError, match=sentence):
            fetch_asset(source, FILE.model_copy(update={"bytes": length}))
    with pytest.raises(RemoteError, match="cannot be read"):
        source.entry("none.json", "")
    (root / "latest" / "huge.json").write_bytes(b" " * 10_000)
    with pytest.raises(RemoteError, match="larger than"):
        source.entry("huge.json", "")
