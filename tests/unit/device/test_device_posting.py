"""Results to a real web server on loopback: in order, at least once or counted lost, and nobody is kept waiting."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import web
from fakes.web import FakeServer, serving
from tinyops.device import posting
from tinyops.device.posting import Delivered, Post, Poster

FOREVER_S = 60.0
POST = Post("", False, device="pi-7", board="linux", fleet="wrist", model="sha256:" + "ab" * 32, sequence=40)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeServer]:
    with serving(tmp_path) as running:
        yield running


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "BACK_OFF_S", 0.001)


def poster(server: FakeServer, *, only_changes: bool = False, **limits: Any) -> Poster:
    return Poster(replace(POST, url=f"{server.url}/results?line=3", only_changes=only_changes), **limits)


def until(seen: Callable[[], object]) -> None:
    end = time.monotonic() + FOREVER_S
    while not seen():
        assert time.monotonic() < end, "never seen"
        time.sleep(0.001)


def offer(to: Poster, classes: list[int]) -> None:
    for number, best in enumerate(classes):
        scores = [-128, -128]
        scores[best] = 127
        to.offer(number, best, scores, ("still", "walk")[best])


def test_a_result_says_whose_it_is_and_what_it_means(server: FakeServer) -> None:
    sending = poster(server)
    offer(sending, [1, 0])
    assert sending.finish(FOREVER_S) == Delivered(2, 0, "")
    first, second = server.taken
    assert {**first, "ms": 0} == {
        "schema": "tinyops/result/v1",
        "device": "pi-7",
        "board": "linux",
        "fleet": "wrist",
        "model": POST.model,
        "sequence": 40,
        "lost": 0,
        "ms": 0,
        "class": 1,
        "label": "walk",
        "scores": [-128, 127],
        "scale": 1 / 256,
        "zero_point": -128,
    }
    assert (second["sequence"], second["label"]) == (41, "still") and 0 <= first["ms"] <= second["ms"]
    path, headers = server.asked[0]
    assert path == "/results?line=3" and headers["Content-Type"] == "application/json"


def test_a_model_without_classes_sends_its_outputs_as_they_are(server: FakeServer) -> None:
    sending = poster(server)
    sending.offer(0, 1, [3, 7], None)
    sending.finish(FOREVER_S)
    (result,) = server.taken
    assert (result["scores"], result["label"], result["scale"], result["zero_point"]) == ([3, 7], None, None, None)


def test_only_changes_sends_the_first_result_and_each_of_another_class(server: FakeServer) -> None:
    sending = poster(server, only_changes=True)
    offer(sending, [0, 0, 1, 1, 1, 0])
    assert sending.finish(FOREVER_S) == Delivered(3, 0, "")
    assert [result["sequence"] for result in server.taken] == [40, 42, 45]


def test_a_server_in_trouble_is_asked_again_and_nothing_is_lost(server: FakeServer) -> None:
    server.faults["results"] = web.at_first(4, web.status(503))
    sending = poster(server)
    offer(sending, [0, 1, 0])
    assert sending.finish(FOREVER_S) == Delivered(3, 0, "the server answered 503 Service Unavailable")
    assert [result["sequence"] for result in server.taken] == [40, 41, 42]
    assert len(server.asked) == 7


@pytest.mark.parametrize("code", [301, 400, 404])
def test_what_a_server_refuses_is_lost_and_counted(code: int, server: FakeServer) -> None:
    server.faults["results"] = web.at_first(1, web.status(code))
    sending = poster(server)
    offer(sending, [0, 1])
    delivered = sending.finish(FOREVER_S)
    assert (delivered.posted, delivered.lost) == (1, 1) and f"answered {code}" in delivered.trouble
    assert [result["sequence"] for result in server.taken] == [41]


@pytest.mark.parametrize("fault", [web.silent, web.dripping_headers], ids=["silent", "dripping"])
def test_a_slow_server_holds_nobody_up(fault: web.Fault, server: FakeServer) -> None:
    server.faults["results"] = fault
    sending = poster(server, timeout_s=600.0, queue_max=4)
    offer(sending, [0, 1] * 500)  # returns although not a single request ever ends
    assert sending.finish(0) == Delivered(0, 1000, "")


@pytest.mark.parametrize("fault", [web.silent, web.dripping_headers], ids=["silent", "dripping"])
def test_a_request_ends_at_its_time_limit(fault: web.Fault, server: FakeServer) -> None:
    server.faults["results"] = web.at_first(1, fault)
    sending = poster(server, timeout_s=0.1)
    offer(sending, [0])
    delivered = sending.finish(FOREVER_S)
    assert (delivered.posted, delivered.lost) == (1, 0) and delivered.trouble
    assert len(server.asked) == 2


def test_a_full_queue_loses_the_oldest(server: FakeServer) -> None:
    server.faults["results"] = web.silent
    sending = poster(server, timeout_s=0.2, queue_max=3)
    offer(sending, [0, 1, 0, 1, 0])
    server.faults.clear()
    assert sending.finish(FOREVER_S).lost == 2
    assert [(result["sequence"], result["lost"]) for result in server.taken] == [(42, 0), (43, 1), (44, 2)]


def test_after_a_loss_an_unchanged_class_is_news(server: FakeServer) -> None:
    server.faults["results"] = web.at_first(1, web.status(400))
    sending = poster(server, only_changes=True)
    offer(sending, [1])
    until(lambda: sending._trouble)
    sending.offer(1, 1, [-128, 127], "walk")
    assert sending.finish(FOREVER_S).posted == 1, "the server never saw the first one"
    assert [result["sequence"] for result in server.taken] == [41]


@pytest.mark.parametrize("fault", [web.garbage, web.compressed], ids=["garbage", "compressed"])
def test_whatever_a_server_answers_ends_nothing(fault: web.Fault, server: FakeServer) -> None:
    server.faults["results"] = web.at_first(1, fault)
    sending = poster(server)
    offer(sending, [0, 1])
    assert sending.finish(FOREVER_S).lost == 0


def test_a_server_that_is_not_there_loses_all_and_says_why() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        sending = Poster(replace(POST, url=f"http://127.0.0.1:{taken.getsockname()[1]}/"), timeout_s=5)
        offer(sending, [0, 1])
        until(lambda: sending._trouble)
        assert sending.finish(0) == Delivered(0, 2, "cannot be reached: Connection refused")


def test_a_certificate_that_nobody_vouches_for_is_named(server: FakeServer) -> None:
    sending = Poster(replace(POST, url=server.url.replace("http", "https")))
    offer(sending, [0])
    until(lambda: sending._trouble)
    assert sending.finish(0).posted == 0, "it speaks no TLS at all"


def test_a_change_that_is_tried_again_is_one_result(server: FakeServer) -> None:
    server.faults["results"] = web.at_first(2, web.status(500))
    sending = poster(server, only_changes=True)
    offer(sending, [1])
    until(lambda: len(server.asked) > 1)
    sending.offer(1, 1, [-128, 127], "walk")
    assert sending.finish(FOREVER_S).posted == 1
    assert [result["sequence"] for result in server.taken] == [40]
