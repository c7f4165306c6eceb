"""Fetching over HTTP from a server that may be broken or hostile."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from fakes import web
from fakes.faults import count_faults
from fakes.release_hosts import Authority
from fakes.web import FakeServer, Fault, serving
from tinyops.device.folder import DirectorySource, open_source
from tinyops.device.origins import WebOrigin
from tinyops.device.posting import connection
from tinyops.device.slots import _fetch
from tinyops.device.source import Interrupted, Source
from tinyops.device.token import read_token
from tinyops.device.web import REDIRECTS_MAX, Web
from tinyops.device.web_source import ASKS_MAX, FAILURES_MAX, WebSource
from tinyops.errors import RemoteError, SpecError, ToolError, UsageError
from tinyops.manifest.entry import ENTRY_LIMIT_BYTES, EntryFile
from tinyops.trust.origin import Missing

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


BAD_PLACES = [
    "file:///etc/passwd",
    "ftp://host/x",
    "http://user:pw@host/x",
    "//",
    "http://[::1",
    "http://h:99999/",
    "",
    "http://[fe80::abcd]/x",
    "http://[::1%25lo]/x",
    "http://a..b/",
]


@pytest.mark.parametrize("place", BAD_PLACES)
def test_redirects_to_odd_places_are_refused(server: FakeServer, place: str) -> None:
    server.faults["v1"] = web.redirect(place)
    with pytest.raises(RemoteError):
        fetch_asset(WebSource(server.url, timeout_s=PATIENT_S))
    assert len(server.seen) <= 1 + REDIRECTS_MAX


def test_an_address_of_ipv6_without_a_port_is_that_of_its_scheme() -> None:
    for scheme, port in (("http", 80), ("https", 443)):
        url = f"{scheme}://[::1]/x"
        for found in (Web(url, timeout_s=1)._connection(urlsplit(url)), connection(url, 1)):
            assert (found.host, found.port) == ("::1", port)


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


# -- resuming --------------------------------------------------------------------------------------


def patient(server: FakeServer, pauses: list[float], **options: Any) -> WebSource:
    return WebSource(server.url, timeout_s=PATIENT_S, pause=pauses.append, **options)


def test_a_body_that_is_cut_off_goes_on_where_it_ended(server: FakeServer) -> None:
    server.faults["model.so"] = web.cut_after(50_000)
    pauses: list[float] = []
    assert fetch_asset(patient(server, pauses)) == BODY
    ranges = [headers.get("Range") for _, headers in server.seen]
    assert ranges == [None, "bytes=50000-", "bytes=100000-", "bytes=150000-", "bytes=200000-"]
    assert server.sent == len(BODY) and len(pauses) == 4 and max(pauses) < 1
    count_faults("bodies cut off in the middle", 4)


def test_what_brings_nothing_is_asked_for_a_few_times_and_no_more(server: FakeServer) -> None:
    server.faults["model.so"] = web.at_first(1, web.cut_after(1000))
    pauses: list[float] = []
    source, into = patient(server, pauses), io.BytesIO()

    def then(_: float) -> None:
        server.faults["model.so"] = web.status(503)
        pauses.append(_)

    source = WebSource(server.url, timeout_s=PATIENT_S, pause=then)
    with pytest.raises(Interrupted, match="503 Service Unavailable"):
        source.asset(FILE, into)
    assert len(server.seen) == 1 + FAILURES_MAX and into.getvalue() == BODY[:1000]
    server.faults = {}
    source.asset(FILE, into)
    assert into.getvalue() == BODY and server.seen[-1][1]["Range"] == "bytes=1000-"


def test_a_server_that_gives_a_byte_at_a_time_is_left(server: FakeServer) -> None:
    server.faults["model.so"] = web.cut_after(1)
    with pytest.raises(Interrupted, match="ended after"):
        fetch_asset(patient(server, []))
    assert len(server.seen) == ASKS_MAX


def test_a_server_without_ranges_starts_anew(server: FakeServer) -> None:
    server.ranges = False
    server.faults["model.so"] = web.at_first(1, web.cut_after(1000))
    assert fetch_asset(patient(server, [])) == BODY
    into = io.BytesIO()
    into.write(b"x" * (len(BODY) + 1))
    patient(server, []).asset(FILE, into)
    assert into.getvalue() == BODY


@pytest.mark.parametrize("told", ["bytes 0-204799/204800", "bytes 5-204799/204801", "bytes 5-6/7", "", "x" * 5000])
def test_another_range_than_was_asked_for_is_refused(server: FakeServer, told: str) -> None:
    server.faults["model.so"] = lambda request, body: request.answer(206, body[5:], {"Content-Range": told})
    into = io.BytesIO()
    into.write(BODY[:5])
    with pytest.raises(RemoteError, match="where bytes 5-204799/204800 were asked for"):
        patient(server, []).asset(FILE, into)


def test_a_slot_keeps_what_came_for_the_next_start(server: FakeServer, root: Path) -> None:
    """Loss of power in the middle of a download: what is there is not fetched again, what was damaged is."""
    file = FILE.model_copy(update={"sha256": hashlib.sha256(BODY).hexdigest()})
    place = root / "slot"
    place.mkdir()
    server.faults["model.so"] = web.at_first(1, web.cut_after(90_000))

    def no_power(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fetch(WebSource(server.url, timeout_s=PATIENT_S, pause=no_power), file, place / "model.so")
    (part,) = place.iterdir()
    part.write_bytes(BODY[:90_000])  # what the disk had at that moment
    _fetch(patient(server, []), file, place / "model.so")
    assert (place / "model.so").read_bytes() == BODY and server.seen[-1][1]["Range"] == "bytes=90000-"
    (place / "model.so").unlink()
    part.write_bytes(bytes(90_000))
    _fetch(patient(server, []), file, place / "model.so")
    assert [path.name for path in place.iterdir()] == ["model.so"]
    assert server.seen[-1][1].get("Range") is None


# -- one connection --------------------------------------------------------------------------------


def test_one_connection_serves_a_poll(server: FakeServer) -> None:
    server.keeps = True
    origin = WebOrigin(server.url, timeout_s=PATIENT_S)
    for _ in range(3):
        assert origin.get("latest/entry.json", 100).body == ENTRY
        with pytest.raises(Missing, match="404 Not Found"):
            origin.get("latest/none.json", 100)
    assert server.connections == 1
    origin.close()
    origin.get("latest/entry.json", 100)
    assert server.connections == 2
    origin.close()


def test_a_connection_that_was_closed_meanwhile_is_opened_again(server: FakeServer) -> None:
    server.keeps = True
    server.faults["entry"] = web.hung_up
    origin = WebOrigin(server.url, timeout_s=PATIENT_S)
    for _ in range(3):
        assert origin.get("latest/entry.json", 100).body == ENTRY
    assert server.connections == 3
    origin.close()


def test_a_body_that_is_left_over_closes_its_connection(server: FakeServer) -> None:
    server.keeps = True
    origin = WebOrigin(server.url, timeout_s=PATIENT_S)
    with pytest.raises(RemoteError, match="larger than 100 bytes"):
        origin.get("v1/model.so", 100)
    assert origin.get("latest/entry.json", 100).body == ENTRY
    assert server.connections == 2
    origin.close()


# -- TLS -------------------------------------------------------------------------------------------


@pytest.fixture
def secure(server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server's address over TLS, by an authority that this machine trusts."""
    folder = tmp_path / "authority"
    folder.mkdir()
    authority = Authority(folder, bits=0)
    server.socket = authority.server("localhost").wrap_socket(server.socket, server_side=True)
    root = folder / "root.pem"
    root.write_bytes(authority.root.public_bytes(Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    return server.url.replace("http://127.0.0.1", "https://localhost")


def test_tls_from_end_to_end(server: FakeServer, secure: str) -> None:
    server.keeps = True
    origin = WebOrigin(secure, timeout_s=PATIENT_S)
    for _ in range(2):
        assert origin.get("latest/entry.json", 100).body == ENTRY
    origin.close()
    assert server.connections == 1
    assert fetch_asset(WebSource(secure, timeout_s=PATIENT_S)) == BODY


def test_from_https_nothing_leads_back_to_http(server: FakeServer, secure: str, root: Path) -> None:
    with serving(root) as plain:
        server.faults["v1"] = web.redirect(f"{plain.url}/v1/model.so")
        with pytest.raises(RemoteError, match="redirected from https to http"):
            fetch_asset(WebSource(secure, timeout_s=PATIENT_S))
        assert plain.seen == []


def test_a_certificate_that_nobody_vouches_for_is_named(
    server: FakeServer, secure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(RemoteError, match="its certificate is not trusted: "):
        WebOrigin(secure, timeout_s=PATIENT_S).get("latest/entry.json", 100)


# -- tokens and mirrors ----------------------------------------------------------------------------

TOKEN = "canary-token-0123456789"


def test_a_token_goes_to_the_stores_own_host_alone(server: FakeServer, root: Path) -> None:
    with serving(root) as other:
        server.faults["v1"] = web.redirect(f"{other.url}/v1/model.so")
        source = open_source(server.url, PATIENT_S, token=TOKEN)
        assert source.entry("entry.json", "").body == ENTRY
        assert fetch_asset(source) == BODY
        assert [headers.get("Authorization") for _, headers in server.seen] == [f"Bearer {TOKEN}"] * 2
        assert "Authorization" not in other.seen[0][1]
        server.faults["latest"] = web.redirect(server.url.replace("127.0.0.1", "localhost") + "/v1/model.so")
        server.seen.clear()
        with pytest.raises(RemoteError):
            source.entry("entry.json", "")
        assert "Authorization" not in server.seen[1][1], "another name is another host"


def test_a_token_is_in_no_error_and_goes_nowhere_in_the_clear(server: FakeServer) -> None:
    with pytest.raises(UsageError, match="a token is sent over https only") as caught:
        open_source("http://releases.example.org", PATIENT_S, token=TOKEN)
    assert TOKEN not in str(caught.value)
    with pytest.raises(UsageError, match="a folder takes no token"):
        open_source("releases", PATIENT_S, token=TOKEN)
    server.faults["latest"] = web.status(401)
    with pytest.raises(RemoteError, match="401 Unauthorized") as refused:
        open_source(server.url, PATIENT_S, token=TOKEN).entry("entry.json", "")
    assert TOKEN not in str(refused.value)


def test_a_token_file_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    assert read_token(path) == TOKEN
    path.chmod(0o640)
    with pytest.raises(ToolError, match="others than its owner may read it"):
        read_token(path)
    path.write_text("two\nlines")
    with pytest.raises(SpecError, match="holds no token"):
        read_token(path)


def test_a_mirror_is_asked_for_files_first_and_never_believed(server: FakeServer, root: Path, tmp_path: Path) -> None:
    file = FILE.model_copy(update={"sha256": hashlib.sha256(BODY).hexdigest()})
    with serving(tmp_path) as mirror:
        source = open_source(server.url, PATIENT_S, mirror=mirror.url)
        assert fetch_asset(source, file) == BODY and server.seen == []
        for fault in (web.status(404), web.altered, web.truncated, web.html, web.shortened):
            mirror.faults = {"model.so": fault}
            assert fetch_asset(source, file) == BODY
        assert len(server.seen) == 5
        assert source.entry("entry.json", "").body == ENTRY
        assert all("entry" not in path for path, _ in mirror.seen)
    count_faults("answers of a mirror", 5)
