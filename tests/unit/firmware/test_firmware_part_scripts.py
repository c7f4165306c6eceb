"""The scripts of a page that is a part of a chain: its models' switch, closed at any write, and its ways upstream."""

from __future__ import annotations

from typing import Any

import pytest
from test_firmware_scripts import NOW, TRUST, release

from fakes.scripts import PART, answers_of, ask

FAR = {"board": "far"}
FIRST, SECOND, THIRD = release(1, b"first", **FAR), release(2, b"second", **FAR), release(3, b"third", **FAR)
COMMIT: dict[str, Any] = {"commit": True}


def doings(*wanted: dict[str, Any], **more: Any) -> Any:
    given = {"trust": TRUST, "doings": wanted, "now": NOW, **more}
    return ask(("doings", [given]), of=PART)[0]


def offer(offered: dict[str, Any]) -> dict[str, Any]:
    return {"offer": offered}


def test_the_first_model_runs_at_once_and_the_next_one_waits_for_its_chain() -> None:
    log = doings(offer(FIRST), offer(SECOND), offer(SECOND), COMMIT)["log"]
    assert [line["running"] for line in log] == ["first", "first", "first", "second"]
    assert [line["spare"] for line in log] == [
        None,
        ["second", "wanted"],
        ["second", "wanted"],
        ["first", "before"],
    ]
    assert [line["said"]["result"] for line in log] == ["installed", "waits", "waits", "installed"]
    assert log[1]["said"]["reason"] == "5 golden vectors bit-exact; waits for its chain"
    assert log[3]["said"]["reason"] == "its chain runs it"


def test_a_chain_goes_back_to_what_ran_before() -> None:
    log = doings(offer(FIRST), offer(SECOND), COMMIT, COMMIT)["log"]
    assert log[3]["running"] == "first" and log[3]["spare"] == ["second", "before"]
    assert log[3]["said"]["result"] == "reverted" and log[3]["said"]["reason"] == "its chain went back to it"


def test_what_is_offered_no_more_waits_no_more() -> None:
    again = release(3, b"first", **FAR)
    log = doings(offer(FIRST), offer(SECOND), offer(again), COMMIT)["log"]
    assert [line["spare"] for line in log] == [None, ["second", "wanted"], None, None]
    assert log[3]["running"] == "first"


def test_a_third_model_takes_the_place_of_the_one_that_waits() -> None:
    log = doings(offer(FIRST), offer(SECOND), offer(THIRD), COMMIT)["log"]
    assert log[2]["spare"] == ["third", "wanted"] and log[3]["running"] == "third"


def test_a_model_that_computes_otherwise_never_waits() -> None:
    log = doings(offer(FIRST), offer(release(2, b"a bad one", **FAR)), COMMIT)["log"]
    assert [line["running"] for line in log] == ["first"] * 3
    assert log[1]["spare"] is None and log[1]["said"]["result"] == "reverted"


def test_a_security_counter_rises_with_the_switch_and_bars_the_way_back() -> None:
    second = release(2, b"second", security_counter=4, **FAR)
    log = doings(offer(FIRST), offer(second), COMMIT, COMMIT)["log"]
    assert [line["counter"] for line in log] == [0, 0, 4, 4]
    assert log[2]["spare"] is None and log[3]["running"] == "second"


def test_what_cannot_run_in_its_place_gives_it_back() -> None:
    log = doings(offer(FIRST), offer(SECOND), {"fails": True}, COMMIT)["log"]
    assert [line["running"] for line in log] == ["first"] * 4
    assert log[2]["said"]["result"] == "reverted" and log[2]["said"]["reason"] == "status -6"
    assert log[2]["spare"] is None


def test_what_cannot_run_leaves_its_security_counter_behind() -> None:
    """Else what ran before, which runs again, would be too old when the page is opened the next time."""
    second = release(2, b"second", security_counter=4, **FAR)
    log = doings(offer(FIRST), offer(second), {"fails": True}, COMMIT)["log"]
    assert [(line["running"], line["counter"]) for line in log] == [("first", 0)] * 4


def test_a_page_whose_model_cannot_run_when_it_is_opened_runs_the_one_before() -> None:
    """It was closed between the write of the switch and that of its failure."""
    log = doings(offer(FIRST), offer(SECOND), COMMIT, {"breaks": "second"}, {"breaks": "first"})["log"]
    assert [line["running"] for line in log] == ["first", "first", "second", "first", "first"]
    assert [line["outcome"] for line in log] == ["ok"] * 4 + ["status -6"]
    assert log[3]["said"]["result"] == "reverted" and log[3]["said"]["reason"] == "status -6"


@pytest.mark.parametrize("after", [False, True])
def test_a_page_that_is_closed_at_any_write_runs_one_set_or_the_other(after: bool) -> None:
    """Never the new one before its chain committed it, and once it is offered again it runs or waits."""
    plain = [offer(FIRST), offer(SECOND), COMMIT, offer(SECOND)]
    writes = doings(*plain)["puts"]
    assert writes >= 9
    given = {"trust": TRUST, "now": NOW, "doings": plain, "after": after}
    for number, found in enumerate(ask(*[("doings", [{**given, "cut": n}]) for n in range(writes)], of=PART)):
        first, second, committed, last = found["log"]
        assert first["running"] in (None, "first") and committed["running"] in ("first", "second"), number
        assert second["running"] == ("first" if first["running"] else "second"), number  # the first of all runs at once
        assert first["spare"] is None and second["spare"] in (None, ["second", "wanted"]), number
        assert last["running"] == "second" or last["spare"] == ["second", "wanted"], number


def test_a_stream_is_opened_again_when_it_is_lost_and_says_why() -> None:
    tries = [{"fails": "does not answer"}, {"says": [1, 2], "ends": "is out of reach"}, {"says": [3]}]
    found = ask(("upstream", [tries, 80]), of=PART)[0]
    assert (found["opened"], found["closed"], found["heard"], found["written"]) == (3, 2, [1, 2, 3], [1, 2])
    assert found["states"] == [
        ["connecting", ""],
        ["lost", "does not answer"],
        ["connecting", "does not answer"],
        ["on", ""],
        ["lost", "is out of reach"],
        ["connecting", "is out of reach"],
        ["on", ""],
        ["off", ""],
    ]


def test_what_nobody_takes_is_dropped_and_a_failure_is_told() -> None:
    whole, full, gone = ask(
        ("writer", [[7, 3], 4, 100, -1]),
        ("writer", [[60, 50, 40], 100, 100, -1]),
        ("writer", [[4, 4], 4, 100, 0]),
        of=PART,
    )
    assert whole == {"put": [4, 3, 3], "failures": [], "waiting": 0}
    assert full["put"] == [60, 40] and full["waiting"] == 0
    assert gone == {"put": [], "failures": ["gone", "gone"], "waiting": 0}


def test_bytes_that_wait_are_bounded() -> None:
    found = ask(("queue", [[100, 0, 200_000, 100_000, 50], [64, 64, 4096]]), of=PART)[0]
    assert found == {"lost": [0, 0, 0, 100_000, 0], "taken": [64, 36, 4096], "left": 200_150 - 64 - 36 - 4096}


def test_a_bridge_s_address_is_one_of_a_websocket() -> None:
    typed = [" ws://127.0.0.1:7610 ", "wss://g.example/x", "g.example", "https://g.example", "wss://g#part", ""]
    found = answers_of(*[("address", [one]) for one in typed], of=PART)
    assert [answer.get("ok") for answer in found] == ["ws://127.0.0.1:7610/", "wss://g.example/x", *[None] * 4]
    assert all("Type the bridge's address" in answer["error"] for answer in found[2:])


def test_a_websocket_that_is_no_bridge_is_closed() -> None:
    said, large, texts, refused, full = ask(
        ("websocket", [[5, "write", "closed"]]),
        ("websocket", [[65_537]]),
        ("websocket", [["text"]]),
        ("websocket", [["refused"]]),
        ("websocket", [["full", "write"]]),
        of=PART,
    )
    assert said["heard"] == [5] and said["sent"] == [7]
    assert said["lost"] == ["the bridge closed: another client is there"]
    assert large["lost"] == ["the bridge sent 65537 bytes at once"] and large["closed"] == 1
    assert texts["lost"] == ["the bridge sent text: it is none"]
    assert refused["failed"] == "the bridge is gone (1006)"
    assert full["sent"] == []
