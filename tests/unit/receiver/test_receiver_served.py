"""The receiver as it runs: over TLS, flooded, with slow clients, stopped and killed; and the sink that sends to it."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.faults import count_faults
from fakes.receiver import READ_TOKEN, TOKEN, Receiver, flood, receiving
from fakes.release_hosts import Authority
from fakes.reports import devices_list, sealed
from fakes.web import FakeServer, Request, serving
from tinyops.device.provision.devices_file import parse_devices
from tinyops.device.reports import Credential, TryLater, open_outbox, open_sink
from tinyops.device.reports.endpoint import EndpointSink, endpoint_files, retry_after_s
from tinyops.device.reports.enrolment import Enrolment
from tinyops.device.reports.reading import believed_reports
from tinyops.errors import RemoteError, UsageError
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.report import look_at_report

MIB = 1024 * 1024
KEY, GATEWAY = SigningKey.generate(), SigningKey.generate()
DEVICES = [f"d-{number}" for number in range(40)]


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lists") / "wrist.csv"
    rows = [f"{device},linux,{KEY.public.raw.hex()}" for device in DEVICES]
    path.write_text(devices_list(*rows, f"gw-1,linux,{GATEWAY.public.raw.hex()}").to_text())
    return path


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory, lists: Path) -> Iterator[Receiver]:
    folder = tmp_path_factory.mktemp("receiver")
    bounds = ("--connections", "60", "--rate", "50", "--patience", "1")
    with receiving(folder, "--devices", lists, *bounds) as running:
        yield running


@pytest.fixture
def credential(tmp_path: Path) -> Credential:
    (tmp_path / "token").write_text(TOKEN)
    return Credential(tmp_path / "token")


def test_reports_come_out_as_they_went_in(receiver: Receiver, credential: Credential, lists: Path) -> None:
    told = [sealed("d-1", KEY), sealed("d-2", GATEWAY, reporter="gw-1")]
    outbox = open_outbox(receiver.url, credential=credential, state=receiver.root / "..")
    assert outbox.offer([*told, sealed("d-99", KEY)]) is None
    assert "1 reports are not taken: wrist/d-99.json: the list of its fleet" in str(outbox.flush(30))
    assert outbox.waiting() == 0
    outbox.close()
    found = {one.name: one.data for one in endpoint_files(receiver.url, READ_TOKEN)}
    assert found.items() >= {one.name: one.data for one in told}.items()
    files = list(endpoint_files(receiver.url, READ_TOKEN))
    enrolment = Enrolment({"wrist": parse_devices(lists.read_text(), where="x")})
    good, bad = believed_reports(files, enrolment, root=Path("x"))
    assert (len(good), bad) == (len(files), [])


def test_who_may_send_may_not_read_and_the_other_way_round(receiver: Receiver, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="answered 401"):
        list(endpoint_files(receiver.url, TOKEN))
    (tmp_path / "token").write_text(READ_TOKEN)
    sink = open_sink(receiver.url, credential=Credential(tmp_path / "token"), state=tmp_path)
    with pytest.raises(RemoteError, match="answered 401") as refused:
        sink.write([sealed("d-1", KEY)])
    assert "--reports-token-file" in refused.value.hint


@pytest.mark.faults
def test_a_flood_is_answered_and_fits_into_memory(receiver: Receiver, credential: Credential, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"".join(sealed(device, KEY).data for device in DEVICES))
    before = receiver.peak_bytes
    got = flood(receiver.port, body, connections=400, requests=10)
    assert set(got) <= {"200", "429", "503", "400", "408", "413", "cut off"}
    assert got["200"] > 0
    assert got["429"] > 0
    assert got["503"] > 0
    assert receiver.peak_bytes < before + 96 * MIB
    _wait_for_room(receiver)
    assert open_sink(receiver.url, credential=credential, state=tmp_path).write([sealed("d-9", KEY, sequence=2)]) == []
    stored = {path.stem for path in receiver.root.glob("wrist/*.json")}
    assert {*DEVICES} <= stored
    print("flood:", dict(got), f"{receiver.peak_bytes // MIB} MiB at most")
    count_faults("requests and connections of a flood", got.total())


@pytest.mark.faults
def test_who_never_finishes_asking_is_cut_off(receiver: Receiver) -> None:
    starts = (b"", b"POST /v1/rep", b"POST /v1/reports HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 1000)
    body = b"POST /v1/reports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Length: 99\r\n\r\nx"
    ends = [socket.create_connection(("127.0.0.1", receiver.port), timeout=30) for _ in range(4)]
    answers = []
    for end, start in zip(ends, [*starts, body % TOKEN.encode()], strict=True):
        end.sendall(start)
    for end in ends:
        answers.append(_all(end))
        end.close()
    assert answers[:3] == [b""] * 3
    assert answers[3].startswith(b"HTTP/1.1 408")
    long = socket.create_connection(("127.0.0.1", receiver.port), timeout=30)
    long.sendall(b"GET /v1/alive HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000)
    assert _all(long).startswith(b"HTTP/1.1 400")
    long.close()
    count_faults("clients that never finish asking", 5)


def _all(end: socket.socket) -> bytes:
    data = b""
    try:
        while part := end.recv(65536):
            data += part
    except ConnectionResetError:
        pass
    return data


def _wait_for_room(receiver: Receiver) -> None:
    """Until connections of the flood are gone, and its address may ask again."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            link = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=5)
            link.request("GET", "/v1/alive")
            if link.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            link.close()
        time.sleep(0.1)
    pytest.fail("the receiver does not recover from a flood")


@pytest.mark.faults
def test_killed_under_load_it_has_all_that_it_acknowledged(tmp_path: Path, lists: Path, credential: Credential) -> None:
    """Twice, each in the middle of batches that several send."""
    lost = acknowledged_in_all = 0
    acknowledged: dict[str, int] = {}
    for first in (1000, 2000):
        acknowledged.clear()
        with receiving(tmp_path, "--devices", lists, "--rate", "100000") as receiver:
            sink = EndpointSink(receiver.url, credential)
            stop = threading.Event()

            def send(
                devices: list[str], sequence: int = first, sink: EndpointSink = sink, stop: threading.Event = stop
            ) -> None:
                while not stop.is_set():
                    sequence += 1
                    batch = [sealed(device, KEY, sequence=sequence) for device in devices]
                    try:
                        refused = {one.name for one in sink.write(batch)}
                    except TryLater:
                        continue
                    except RemoteError:
                        return
                    acknowledged.update({one.device: sequence for one in batch if one.name not in refused})

            senders = [threading.Thread(target=send, args=(DEVICES[n::4],)) for n in range(4)]
            for thread in senders:
                thread.start()
            while len(acknowledged) < len(DEVICES) and any(thread.is_alive() for thread in senders):
                time.sleep(0.005)
            assert receiver.end(signal.SIGKILL)[0] == -signal.SIGKILL
            stop.set()
            for thread in senders:
                thread.join()
        for device, sequence in acknowledged.items():
            kept = look_at_report((tmp_path / "kept" / "wrist" / f"{device}.json").read_bytes(), where=device)
            lost += kept.sequence < sequence
            acknowledged_in_all += 1
    assert (lost, acknowledged_in_all) == (0, 2 * len(DEVICES))
    count_faults("kill -9 of a receiver under load", 2)


def test_asked_to_stop_it_stops_and_says_what_it_did(tmp_path: Path, lists: Path, credential: Credential) -> None:
    with receiving(tmp_path, "--devices", lists) as receiver:
        EndpointSink(receiver.url, credential).write([sealed("d-1", KEY)])
        code, out = receiver.end()
    assert (code, out) == (0, "answered 1 times 200\n")


def test_it_speaks_tls_and_a_certificate_that_is_not_trusted_gets_no_token(
    tmp_path: Path, lists: Path, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path, bits=0)
    authority.server("localhost")
    (certificate,) = tmp_path.glob("*.pem")
    (tmp_path / "root.pem").write_bytes(_pem(authority))
    with receiving(tmp_path, "--devices", lists, "--cert", certificate) as receiver:
        assert receiver.url.startswith("https://")
        sink = EndpointSink(f"https://localhost:{receiver.port}", credential)
        with pytest.raises(RemoteError, match="certificate is not trusted"):
            sink.write([sealed("d-1", KEY)])
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
        assert sink.write([sealed("d-1", KEY)]) == []


def _pem(authority: Authority) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return authority.root.public_bytes(Encoding.PEM)


# -- The sink, against a server that misbehaves ----------------------------------------------------


def answering(status: int, body: bytes = b"", **headers: str) -> object:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request, _: request.answer(status, body, named)


@pytest.mark.faults
def test_what_a_receiver_may_answer(tmp_path: Path, credential: Credential) -> None:
    def endless(request: Request, _: bytes) -> None:
        request.answer(200, b"[" * 2_000_000)

    wrong = {
        "busy": (answering(429, Retry_After="120"), "answered 429", 120.0),
        "failing": (answering(503), "answered 503", None),
        "full": (answering(507, Retry_After="300"), "answered 507", 300.0),
        "a page": (answering(200, b"<html>"), "not a receiver's answer", None),
        "nothing": (answering(200, b""), "not a receiver's answer", None),
        "a list": (answering(200, b"[]"), "not a receiver's answer", None),
        "odd refusals": (answering(200, b'{"refused":[1]}'), "not a receiver's answer", None),
        "too much": (endless, "not a receiver's answer", None),
        "elsewhere": (answering(302, Location="https://example.org"), "answered 302", None),
        "forbidden": (answering(403), "answered 403", None),
    }
    with serving(tmp_path) as server:
        sink = EndpointSink(server.url, credential)
        for what, (fault, said, after_s) in wrong.items():
            server.faults = {"/v1/reports": fault}  # type: ignore[dict-item]
            with pytest.raises(RemoteError, match=said) as error:
                sink.write([sealed("d-1", KEY)])
            assert (error.value.after_s if isinstance(error.value, TryLater) else None) == after_s, what
        server.faults = {"/v1/reports": answering(200, b'{"refused":[{"name":"x","reason":"y"}]}')}  # type: ignore[dict-item]
        assert sink.write([sealed("d-1", KEY)]) == [], "of reports that were not sent it may say what it likes"
    count_faults("answers of a receiver that are wrong", len(wrong) + 1)


def test_a_batch_that_is_too_large_is_halved(tmp_path: Path, credential: Credential) -> None:
    def small_only(request: Request, _: bytes) -> None:
        few = int(request.headers["Content-Length"]) < 2 * len(sealed("d-1", KEY).data)
        request.answer(200 if few and len(server.asked) != 4 else 413, b'{"refused":[]}')

    with serving(tmp_path) as server:
        server.faults = {"/v1/reports": small_only}
        refused = EndpointSink(server.url, credential).write([sealed(f"d-{n}", KEY) for n in range(4)])
    assert [(one.name, one.reason) for one in refused] == [("wrist/d-1.json", "the receiver says that it is too large")]
    _silence(server)


def _silence(server: FakeServer) -> None:
    assert {headers["Authorization"] for _, headers in server.asked} == {f"Bearer {TOKEN}"}


def test_how_long_a_server_asks_to_wait() -> None:
    assert [retry_after_s(text, 0.0) for text in ("0", "17", "x", "", "-1", "1e3", "9" * 30)] == [
        0.0, 17.0, None, None, None, None, None,
    ]  # fmt: skip
    assert retry_after_s("Thu, 01 Jan 1970 00:01:40 GMT", 40.0) == 60.0
    assert retry_after_s("Thu, 01 Jan 1970 00:01:40 GMT", 140.0) == 0.0


def test_a_token_never_goes_over_plain_http(tmp_path: Path) -> None:
    for address in ("http://reports.example.org", "https://user@reports.example.org", "https://", "https://x?y"):
        with pytest.raises(UsageError, match="reports go to an https:// address"):
            open_sink(address, credential=Credential(), state=tmp_path)
