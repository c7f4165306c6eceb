"""Takes as devices push them: what is opened, appended, sent again, closed; what is refused, and how it is said."""

from __future__ import annotations

import hashlib
import http.client
import io
import socket
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fakes.collecting import DEVICE_TOKEN, FACTS, OTHER_TOKEN, TOKEN, Client, Collector, Forge
from fakes.faults import count_faults
from fakes.recorded import Repo, repo
from tinyops.datasets.index import IndexEntry, parse_index
from tinyops.datasets.objects import Folder, data_folder, read_entry
from tinyops.datasets.take import Take, read_take
from tinyops.files import MIB
from tinyops.link import Frame, encode
from tinyops.link.protocol import REPLIES, Type
from tinyops.receiver.serving import Listening, _listen

FRAMES = np.arange(400, dtype="<i2").reshape(-1, 2)
DATA = FRAMES.tobytes()
SMALL = b"ax,ay\n1,2\n3,4\n"
SMALL_DIGEST = hashlib.sha256(SMALL).hexdigest()
__all__ = ["repo"]


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory, collectors: Forge) -> Iterator[Collector]:
    folder = tmp_path_factory.mktemp("collector")
    bounds = ("--take-mb", "1", "--takes-per-device", "2", "--takes", "60", "--rate", "100000", "--patience", "1")
    with collectors.collecting(folder, *bounds, "--connections", "60") as running:
        yield running


@pytest.fixture
def client(collector: Collector) -> Client:
    return collector.client()


def entries(collector: Collector, dataset: str = "wrist") -> dict[str, IndexEntry]:
    """The newest line of each device."""
    index = collector.root / f"{dataset}.csv"
    return {entry.device: entry for entry in parse_index(index.read_bytes(), "x")} if index.exists() else {}


def kept(collector: Collector, device: str) -> Take:
    entry = entries(collector)[device]
    return read_take(read_entry(Folder(data_folder(collector.root / "wrist.csv")), entry), "x")


def test_a_take_goes_in_by_chunks_and_comes_out_as_it_was(collector: Collector, client: Client) -> None:
    opened = client.open(device="d-10", label="walk", subject="anna", take="t-1", started="2026-11-29T20:15:00Z")
    assert (opened.status, opened.value["offset"], opened.value["take_bytes"]) == (201, 0, MIB)
    take = opened.value["take"]
    assert [client.put(take, at, DATA[at : at + 200]).value for at in range(0, 800, 200)] == [
        {"offset": at} for at in (200, 400, 600, 800)
    ]
    assert client.look(take).value == {"state": "open", "take": take, "offset": 800, "lost": 0}
    receipt = client.close(take, bytes=800, sha256=f"sha256:{hashlib.sha256(DATA).hexdigest()}")
    entry = entries(collector)["d-10"]
    assert receipt.value == {
        "take": take, "dataset": "wrist", "device": "d-10", "name": "t-1", "sha256": entry.sha256, "frames": 200,
        "lost": 0, "cut_bytes": 0, "problem": "",
    }  # fmt: skip
    assert (entry.label, entry.subject, entry.take, entry.frames) == ("walk", "anna", "t-1", 200)
    found = kept(collector, "d-10")
    assert found.values.tolist() == FRAMES.tolist()
    assert (found.facts.started, found.facts.rate_hz) == ("2026-11-29T20:15:00Z", 50)
    assert not (collector.root / ".receiver" / "open" / take).exists()


def test_each_step_may_be_sent_again(collector: Collector, client: Client) -> None:
    first = client.open(device="d-11", take="t-2")
    assert (client.open(device="d-11", take="t-2").status, first.status) == (200, 201)
    take = first.value["take"]
    assert client.open(device="d-11", take="t-2", rate_hz=100).error == "take t-2 is open with other facts"
    assert client.put(take, 0, DATA[:400]).value == {"offset": 400}
    assert client.put(take, 0, DATA[:400]).value == {"offset": 400}
    assert client.put(take, 200, DATA[200:600]).value == {"offset": 600}, "known in part"
    assert client.open(device="d-11", take="t-2").value["offset"] == 600
    gap = client.put(take, 700, DATA[700:])
    assert (gap.status, gap.error, gap.value["offset"]) == (409, "bytes from 600 are missing", 600)
    other = client.put(take, 0, bytes(400))
    assert (other.status, other.error) == (409, "other bytes were taken from 0 on")
    early = client.close(take, bytes=800)
    assert (early.status, early.error, early.value["offset"]) == (409, "600 bytes came, 800 were announced", 600)
    assert client.put(take, 600, DATA[600:]).value == {"offset": 800}
    receipt = client.close(take)
    assert client.close(take).value == receipt.value
    assert client.look(take).value == {"state": "closed", **receipt.value}
    late = client.put(take, 800, DATA)
    assert (late.status, late.error, late.value["sha256"]) == (409, "the take is closed", receipt.value["sha256"])
    again = client.open(device="d-11", take="t-2")
    assert (again.status, again.error, again.value["take"]) == (409, "take t-2 was closed", take)
    assert kept(collector, "d-11").values.tolist() == FRAMES.tolist()


def test_lost_frames_are_gaps_and_half_a_frame_is_cut(collector: Collector, client: Client) -> None:
    take = client.take(device="d-12")
    client.put(take, 0, DATA[:40])
    client.put(take, 40, DATA[40:80], lost=3)
    client.put(take, 40, DATA[40:80], lost=3)
    client.put(take, 80, DATA[80:123], lost=2)
    receipt = client.close(take).value
    assert (receipt["frames"], receipt["lost"], receipt["cut_bytes"]) == (30, 5, 3)
    assert kept(collector, "d-12").facts.gaps == ((10, 3), (20, 2))


def samples(first: int, count: int) -> bytes:
    values = np.arange(first * 2, (first + count) * 2, dtype="<i2").tobytes()
    return encode(Frame(Type.SAMPLES, 0, REPLIES[Type.SAMPLES].pack(1, first, 0, 20 * first, tail=values)))


def test_frames_of_the_link_say_themselves_what_is_missing(collector: Collector, client: Client) -> None:
    take = client.take(device="d-13", encoding="frames")
    damaged = bytearray(samples(20, 10))
    damaged[12] ^= 1
    stream = b"noise" + samples(0, 10) + samples(10, 10) + bytes(damaged) + samples(30, 5) + samples(30, 5) + b"\x07"
    answer = client.ask("PUT", f"/v1/takes/{take}?offset=0", stream)
    assert answer.value == {"offset": len(stream)}, "they carry CRCs of their own"
    assert client.close(take).value["lost"] == 10
    found = kept(collector, "d-13")
    assert found.facts.gaps == ((20, 10),)
    assert found.values[:, 0].tolist() == [2 * n for n in (*range(20), *range(30, 35))]


def test_lines_are_values_in_the_units(collector: Collector, client: Client) -> None:
    take = client.take(device="d-14", encoding="csv", full_scale=[])
    text = b"y, x\r\n1.5,2\r\n\r\nrubbish\n3,nan\n1e99,0\n4,-5.25\n6,7"
    client.put(take, 0, text)
    assert client.close(take).value["frames"] == 3
    found = kept(collector, "d-14")
    assert (found.values.tolist(), found.facts.gaps) == ([[2, 1.5], [-5.25, 4], [7, 6]], ((1, 3),))


def test_a_stream_is_taken_as_it_comes_and_goes_on_elsewhere(collector: Collector, client: Client) -> None:
    take = client.take(device="d-15")
    head = f"POST /v1/takes/{take}/stream?offset=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    end = socket.create_connection(("127.0.0.1", collector.port), timeout=30)
    end.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
    for at in (0, 200, 400):
        end.sendall(b"c8\r\n" + DATA[at : at + 200] + b"\r\n")
        wait_for(client, take, at + 200)
    end.close()
    assert client.ask("POST", f"/v1/takes/{take}/stream?offset=900", DATA[:10]).value["offset"] == 600
    receipt = client.ask("POST", f"/v1/takes/{take}/stream?offset=400&close=1", iter([DATA[400:500], DATA[500:]]))
    assert (receipt.status, receipt.value["frames"]) == (200, 200)
    assert kept(collector, "d-15").values.tolist() == FRAMES.tolist()


def wait_for(client: Client, take: str, offset: int) -> None:
    deadline = time.monotonic() + 30
    while client.look(take).value["offset"] < offset:
        assert time.monotonic() < deadline, "what was streamed is not taken"


def test_a_whole_file_is_taken_with_its_digest(collector: Collector, client: Client) -> None:
    data = b"x,y\n1,2\n3,4\n"
    digest = hashlib.sha256(data).hexdigest()
    where = "/v1/files?dataset=wrist&device=d-16&label=walk"
    answers = [client.ask("POST", f"{where}&ending=csv&sha256={digest}", data) for _ in range(2)]
    assert [(a.status, a.value["sha256"]) for a in answers] == [(200, f"sha256:{digest}")] * 2
    entry = entries(collector)["d-16"]
    assert (entry.sha256, entry.kind, entry.label) == (f"sha256:{digest}", "csv", "walk")
    wrong = client.ask("POST", f"{where}&ending=csv&sha256={'0' * 64}", data)
    assert (wrong.status, f"sha256:{digest}" in wrong.error) == (422, True)
    assert client.ask("POST", f"{where}&ending=exe&sha256={digest}", data).status == 422
    assert (
        client.ask("POST", f"{where}&ending=take&sha256={digest}", data).error
        == "d-16's take: not a take: File is not a zip file"
    )
    assert not client_takes(collector, "d-16"), "what did not come whole is forgotten"


def client_takes(collector: Collector, device: str) -> int:
    """How many takes it has open, as its limit says."""
    client = collector.client()
    takes = []
    while (answer := client.open(device=device)).status == 201:
        takes.append(answer.value["take"])
    for take in takes:
        assert client.ask("DELETE", f"/v1/takes/{take}").status == 204
    assert answer.error == f"{device} has 2 takes open: close one"
    return 2 - len(takes)


def test_what_is_no_recording_is_set_aside_with_its_facts(collector: Collector, client: Client) -> None:
    take = client.take(device="d-17", encoding="csv", full_scale=[])
    client.put(take, 0, b"nothing here")
    refused = client.close(take)
    assert (refused.status, refused.error) == (422, "d-17: the take holds no whole frame")
    aside = collector.root / ".receiver" / "refused"
    assert (aside / take).read_bytes() == b"nothing here"
    assert '"device": "d-17"' in (aside / f"{take}.json").read_text()
    assert "d-17" not in entries(collector)


def test_who_may_send_what(collector: Collector) -> None:
    take = collector.client().take(device="d-1")
    other, own = collector.client(OTHER_TOKEN), collector.client(DEVICE_TOKEN)
    assert collector.client("wrong-0123456789abcdef").open().status == 401
    assert other.open().error == "this token is good for shake, not for wrist/d-1"
    assert own.open(device="d-2").error == "this token is good for wrist/d-1, not for wrist/d-2"
    assert own.put(take, 0, DATA).status == 200
    for asked in (
        other.put(take, 0, DATA),
        other.look(take),
        other.close(take),
        other.ask("DELETE", f"/v1/takes/{take}"),
    ):
        assert (asked.status, asked.error) == (404, "no such take")
    assert own.ask("DELETE", f"/v1/takes/{take}").status == 204
    assert own.look(take).status == 404


def test_limits_are_named(collector: Collector, client: Client) -> None:
    take = client.take(device="d-18")
    for at in range(0, MIB, MIB // 4):
        assert client.put(take, at, bytes(MIB // 4)).status == 200
    over = client.put(take, MIB, b"xx")
    assert (over.status, over.error) == (413, "a take has at most 1,048,576 bytes: close it, open another")
    large = client.put(take, MIB, bytes(MIB // 4 + 1))
    assert (large.status, large.error) == (413, "larger than 262,144 bytes")
    assert client.close(take).status == 200
    assert client.open(device="d-18", take="x" * 20_000).error == "larger than 16,384 bytes"


@pytest.mark.faults
def test_facts_that_are_wrong_are_refused_by_name(client: Client) -> None:
    wrong = {
        "dataset": ("../etc", "a/b", "", "W", "x" * 64, None, 1, "-"),
        "device": ("", "a/b", "../x", "x" * 64, "a\nb", "a\x00b", "ä", None, "\u202egnp"),
        "label": ("a/b", "x" * 300, "Straße", "a\nb", " a"),
        "take": ("a/b", "x" * 64),
        "subject": ("=cmd|' /C calc'!A0",),
        "channels": ([], ["x"], ["x", "x"], ["x"] * 65, ["x", "../y"], "xy", [["x"], "y"]),
        "units": (["g"], ["g", "a b"], []),
        "full_scale": ([4], [4, 0], [4, -1], [4, "NaN"], []),
        "rate_hz": (0, -1, "x", 1e999),
        "encoding": ("float64", "file", None),
        "ending": ("wav", "../x"),
        "started": ("yesterday", "2026-11-29T20:15:00", "x" * 50),
        "unknown": (1,),
    }
    tried = 0
    for name, values in wrong.items():
        for value in values:
            answer = client.open(**{name: value})
            assert answer.status == 422, (name, value, answer)
            assert answer.error
            tried += 1
    for body in (b"", b"[]", b"{", b"\xff", b"null", b"[" * 10_000, b'{"dataset":' * 1000):
        assert client.ask("POST", "/v1/takes", body).status == 422
        tried += 1
    count_faults("facts of takes that are wrong", tried)


@pytest.mark.faults
def test_requests_that_are_wrong_are_refused_and_harm_nothing(collector: Collector, client: Client) -> None:
    take = client.take(device="d-19")
    where = f"/v1/takes/{take}"
    asked: dict[str, tuple[str, str, bytes, int]] = {
        "no offset": ("PUT", f"{where}?crc32=00000000", b"", 400),
        "a negative offset": ("PUT", f"{where}?offset=-1&crc32=00000000", b"", 400),
        "an endless offset": ("PUT", f"{where}?offset={'9' * 40}&crc32=00000000", b"", 400),
        "an offset far beyond": ("PUT", f"{where}?offset=999999999999&crc32=00000000", b"", 409),
        "no CRC": ("PUT", f"{where}?offset=0", b"x", 400),
        "a wrong CRC": ("PUT", f"{where}?offset=0&crc32=00000000", b"x", 400),
        "more lost than there may be": ("PUT", f"{where}?offset=0&crc32=00000000&lost=99999999999", b"", 400),
        "no such take": ("PUT", "/v1/takes/0123456789abcdef?offset=0&crc32=00000000", b"", 404),
        "no name of a take": ("GET", "/v1/takes/..%2f..%2fetc", b"", 404),
        "digits of others": ("GET", "/v1/takes/%C2%B2123456789abcdef"[:33], b"", 404),
        "a sign in a name": ("GET", "/v1/takes/+123456789abcdef", b"", 404),
        "a deeper path": ("GET", f"{where}/stream/x", b"", 404),
        "another method": ("PATCH", where, b"", 405),
        "a body where none belongs": ("GET", where, b"x", 413),
        "a closing that is no JSON": ("POST", f"{where}/close", b"{", 422),
        "a closing of another size": ("POST", f"{where}/close", b'{"bytes": 1}', 409),
        "a closing of another digest": ("POST", f"{where}/close", b'{"sha256": "sha256:' + b"0" * 64 + b'"}', 422),
        "a file without a digest": ("POST", "/v1/files?dataset=wrist&device=d-19&ending=csv", b"1,2", 422),
        "a file of a name with slashes": (
            "POST",
            f"/v1/files?dataset=a/b&device=d&ending=csv&sha256={'0' * 64}",
            b"1",
            422,
        ),
    }
    for what, (method, target, body, wanted) in asked.items():
        answer = client.ask(method, target, body)
        assert (answer.status, bool(answer.error)) == (wanted, True), (what, answer)
    packed = client.ask("PUT", f"{where}?offset=0&crc32=00000000", b"x", Content_Encoding="gzip")
    assert (packed.status, packed.error) == (415, "encoded, which is not taken")
    assert client.look(take).value["offset"] == 0
    client.ask("DELETE", where)
    count_faults("requests to the receiver of recordings that are wrong", len(asked) + 1)


@pytest.mark.faults
def test_files_that_swell_when_they_are_read_are_set_aside(tmp_path: Path, repo: Repo, collectors: Forge) -> None:
    """Bombs of gzip and of zip: the receiver itself reads none of it."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    gz = b"".join(packer.compress(b"1,2\n" * (4 * MIB)) for _ in range(10)) + packer.flush()
    take = io.BytesIO()
    with zipfile.ZipFile(take, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("take.json", bytes(64 * MIB))
        archive.writestr("values.npy", bytes(64 * MIB))
    bombs = {"csv.gz": gz, "take": take.getvalue(), "npz": take.getvalue()}
    wanted = {"csv.gz": "holds 83,886,080 values", "take": "is compressed", "npz": "not an .npy file"}
    with collectors.collecting(tmp_path, "--repository", repo.root, "--device-kb-s", "1000000") as collector:
        client = collector.client()
        before = collector.peak_bytes
        for ending, data in bombs.items():
            digest = hashlib.sha256(data).hexdigest()
            answer = client.ask("POST", f"/v1/files?dataset=wrist&device=d-1&ending={ending}&sha256={digest}", data)
            assert (answer.status, wanted[ending] in answer.error) == (422, True), (ending, answer)
        good = client.ask("POST", f"/v1/files?dataset=wrist&device=d-2&ending=csv&sha256={SMALL_DIGEST}", SMALL)
        assert good.status == 200, good
        assert collector.peak_bytes < before + 96 * MIB
    assert [entry.device for entry in repo.entries] == ["d-2"]
    count_faults("files that swell when they are read", len(bombs))


@pytest.mark.faults
def test_who_floods_or_never_ends_is_bounded_and_others_go_on(collector: Collector, client: Client) -> None:
    take = client.take(device="d-20")
    before = collector.peak_bytes
    head = b"POST /v1/takes/%b/stream?offset=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
    endless = head % (take.encode(), TOKEN.encode()) + b"Transfer-Encoding: chunked\r\n\r\n"
    half = b"PUT /v1/takes/%b?offset=0&crc32=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
    slow = half % (take.encode(), TOKEN.encode()) + b"Content-Length: 1000\r\n\r\nx"
    ends = [socket.create_connection(("127.0.0.1", collector.port), timeout=30) for _ in range(80)]
    for number, end in enumerate(ends):
        try:
            end.sendall((b"", b"\x16\x03\x01rubbish\r\n\r\n", slow, b"GET /v1/tak")[number % 4])
        except OSError:
            continue
    assert_gone(ends)
    end = socket.create_connection(("127.0.0.1", collector.port), timeout=30)
    end.sendall(endless)
    answer = b""
    try:
        for _ in range(200):
            end.sendall(b"8000\r\n" + bytes(0x8000) + b"\r\n")
        answer = end.recv(65536)
    except OSError:
        pass
    end.close()
    assert not answer or b" 413 " in answer.split(b"\r\n")[0]
    assert collector.client().look(take).value["offset"] == MIB, "up to what a take may have"
    assert collector.peak_bytes < before + 32 * MIB
    count_faults("connections to the receiver of recordings that flood or never end", 81)


def assert_gone(ends: list[socket.socket]) -> None:
    for end in ends:
        try:
            while end.recv(65536):
                pass
        except ConnectionResetError:
            pass
        end.close()


def test_answers_are_not_held_back_by_the_kernel() -> None:
    """asyncio sets TCP_NODELAY only where a socket names its protocol; else each answer waits 40 ms for an ACK."""
    with _listen(Listening("127.0.0.1", 0)) as end:
        assert end.proto == socket.IPPROTO_TCP


def test_health_and_metrics_need_no_token_and_name_no_device(collector: Collector, client: Client) -> None:
    link = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=30)
    link.request("GET", "/healthz")
    answer = link.getresponse()
    assert (answer.status, answer.read()) == (200, b'{"ok":true,"reasons":[]}')
    link.request("GET", "/metrics")
    text = link.getresponse().read().decode()
    link.close()
    assert "\ntinyops_receiver_journal_ok 1\n" in text
    assert 'tinyops_receiver_takes_total{result="kept"}' in text
    assert "d-1" not in text
    assert FACTS["device"] not in text
