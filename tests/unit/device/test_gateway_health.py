"""What a gateway tells of itself over HTTP, and its cache of images on disk."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.herd import FakeSource, Herd
from fakes.updates import offer
from tinyops.device.gateway.content import Content
from tinyops.device.gateway.counting import Counted, count, from_text, reported
from tinyops.device.gateway.health import Snapshot, health, metrics
from tinyops.device.gateway.serving import serving
from tinyops.device.gateway.status import Runs, Status
from tinyops.device.gateway.who import Identity
from tinyops.errors import RemoteError, ToolError
from tinyops.link.smp import Health
from tinyops.manifest.entry import EntryImage

NOW = 1_800_000_000.0
WELL = Snapshot("hall-3", last_poll=NOW - 10, started=NOW - 9999, now=NOW)


def status(state: str, fleet: str = "wrist", **more: object) -> Status:
    identity = Identity(f"w-{fleet}", fleet, "microbit", "aa", (b"\x01" * 32,))
    return Status("udp://a", state, identity=identity, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"last_poll": NOW - 5000, "poll_problem": "the store is away"}, "for 5000 s: the store is away"),
        ({"last_poll": 0.0}, "no poll came to its end for 9999 s"),
        ({"journal_trouble": "disk is full"}, "the journal cannot be written: disk is full"),
        ({"stale_after": NOW - 1}, "has expired: nothing new is installed"),
        ({"alive_s": 2000.0}, "it did nothing for 2000 s"),
    ],
)
def test_what_is_wrong_with_the_gateway_is_said(change: dict[str, object], reason: str) -> None:
    well, body = health(WELL)
    assert well and json.loads(body)["reasons"] == []
    well, body = health(replace(WELL, **change))  # type: ignore[arg-type]
    assert not well and reason in json.loads(body)["reasons"][0]


def test_devices_that_need_a_person_are_named_and_are_no_fault_of_the_gateways() -> None:
    many = [status("trouble", text="x" * 999) for _ in range(99)] + [status("current")]
    well, body = health(replace(WELL, statuses=many, warnings=["soon"]))
    value = json.loads(body)
    assert well and value["devices"] == {"trouble": 99, "current": 1} and value["warnings"] == ["soon"]
    assert len(value["troubles"]) == 20 and len(body) < 10_000


LINE = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\\n]|\\.)*",?)+\})? -?[0-9.e+-]+')


def test_metrics_are_in_the_text_format_and_bounded() -> None:
    statuses = [status("current", f"f-{n}") for n in range(3000)] + [Status("a", "trouble", "unenrolled")]
    full = replace(
        WELL,
        statuses=statuses,
        polls={"ok": 3},
        updates={('we"ird\\\n', "installed"): 2},
        stale_after=NOW + 5,
        cache_bytes=7,
    )
    text = metrics(full).decode()
    lines = text.splitlines()
    assert text.endswith("\n") and all(line.startswith("#") or LINE.fullmatch(line) for line in lines)
    assert 'tinyops_gateway_updates_total{fleet="we\\"ird\\\\\\n",result="installed"} 2' in lines
    assert 'tinyops_gateway_devices{fleet="",state="trouble"} 1' in lines
    assert "tinyops_agent_metadata_expiry_time_seconds 1800000005" in lines
    assert len(lines) < 11_000
    helped = [line.split()[2] for line in lines if line.startswith("# HELP")]
    assert len(helped) == len(set(helped))


def test_nothing_secret_is_told() -> None:
    found = replace(WELL, statuses=[status("trouble", runs=Runs("ab" * 32), text="why")])
    for body in (metrics(found), health(found)[1]):
        assert b"01" * 32 not in body and b"ab" * 32 not in body


def test_pages_are_served_beside_whoever_says_nothing() -> None:
    with serving("127.0.0.1", 0, lambda: WELL) as port:
        silent = socket.create_connection(("127.0.0.1", port))
        silent.close()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=20) as answer:
            assert json.loads(answer.read())["ok"] is True
            assert answer.headers["Content-Type"] == "application/json"
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n")
            assert b" 414 " in line.recv(99)
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"POST /metrics HTTP/1.1\r\n\r\n")
            assert b" 501 " in line.recv(99)


def test_a_port_that_is_taken_is_a_sentence() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as line,
        pytest.raises(ToolError, match="health and metrics cannot be served"),
        serving("127.0.0.1", line.getsockname()[1], lambda: WELL),
    ):
        pass


# -- how a device fares ---------------------------------------------------------------------------


def fares(inferences: int, histogram: tuple[int, ...], *, uptime_ms: int = 1000, faults: int = 0) -> Health:
    return Health(uptime_ms, 1, 0, faults, inferences, 1, 0, 0, 0, 0, 0, 0, 255 * inferences, histogram)


def test_sums_outlive_resets_and_begin_anew_with_another_model() -> None:
    one = count(None, "m", fares(10, (4, 6), uptime_ms=9000))
    two = count(one, "m", fares(15, (4, 11), uptime_ms=12_000))
    reset = count(two, "m", fares(3, (3,), uptime_ms=500, faults=1))
    assert (reset.inferences, reset.histogram, reset.crashes) == (18, (7, 11), 1)
    other = count(reset, "n", fares(5, (5, 0), uptime_ms=900, faults=1))
    assert (other.inferences, other.histogram, other.crashes) == (2, (2, 0), 0)
    assert from_text(reset.to_text()) == reset and from_text("nonsense") == Counted()
    shown = reported(reset, ("still",))
    assert shown.classes == {"still": 7, "1": 11} and shown.confidence_mean == 1.0


# -- images on disk -------------------------------------------------------------------------------


def kept(tmp_path: Path, *, limit: int = 1 << 20) -> tuple[Content, Herd, list[EntryImage]]:
    herd = Herd(tmp_path)
    images = [herd.entry(offer(body=bytes([n]) * 5000), version=n + 1).images["model"] for n in range(4)]
    return Content(tmp_path / "content", herd.source, limit), herd, images


def test_what_was_damaged_on_disk_is_fetched_again(tmp_path: Path) -> None:
    content, herd, (image, *_) = kept(tmp_path)
    path = tmp_path / "content" / image.sha256
    for _ in range(2):
        assert content.offer(image).image.digest.hex() == image.image
    assert len(herd.source.fetched) == 1
    content.forget_read()
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert content.offer(image).data == herd.source.files[image.sha256] and len(herd.source.fetched) == 2


@pytest.mark.parametrize("spoil", [lambda data: data[:-1] + b"\xff", lambda data: b"\0" * len(data)])
def test_what_is_not_what_was_signed_is_not_kept(tmp_path: Path, spoil: object) -> None:
    content, herd, (image, *_) = kept(tmp_path)
    herd.source.spoil = spoil  # type: ignore[assignment]
    with pytest.raises(RemoteError, match="another digest than its signed entry names"):
        content.offer(image)
    assert not list((tmp_path / "content").iterdir())


def test_an_entry_that_names_another_image_is_refused(tmp_path: Path) -> None:
    content, _, (one, two, *_) = kept(tmp_path)
    with pytest.raises(RemoteError, match="is not the image that its signed entry names"):
        content.offer(one.model_copy(update={"image": two.image}))


def test_the_cache_keeps_within_its_bounds_and_drops_the_longest_unused(tmp_path: Path) -> None:
    content, herd, images = kept(tmp_path, limit=15_500)
    for number, image in enumerate(images[:2]):
        content.offer(image)
        os.utime(tmp_path / "content" / image.sha256, (number, number))
    content.sweep([images[0].sha256])
    content.offer(images[2])
    os.utime(tmp_path / "content" / images[2].sha256, (2, 2))
    content.offer(images[3])  # no room: of what nobody wants the oldest goes
    names = {path.name for path in (tmp_path / "content").iterdir()}
    assert names == {images[n].sha256 for n in (0, 2, 3)} and content.held_bytes <= 15_500
    with pytest.raises(RemoteError, match="more than is fetched here"):
        content.offer(images[0].model_copy(update={"bytes": 20_000, "sha256": "0" * 64}))
    assert len(herd.source.fetched) == 4


def test_many_that_want_the_same_fetch_it_once(tmp_path: Path) -> None:
    class Slow(FakeSource):
        def asset(self, file: object, into: object) -> None:
            threading.Event().wait(0.05)
            super().asset(file, into)  # type: ignore[arg-type]

    herd = Herd(tmp_path, source=Slow())
    image = herd.entry(offer(body=b"x" * 5000)).images["model"]
    content = Content(tmp_path / "content", herd.source, 1 << 20)
    threads = [threading.Thread(target=content.offer, args=(image,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert herd.source.fetched == ["model.img"]


def test_half_of_a_file_from_before_is_swept(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / ".half.xyz").write_bytes(b"half")
    content, _, _ = kept(tmp_path)
    assert not list((tmp_path / "content").iterdir()) and content.held_bytes == 0
