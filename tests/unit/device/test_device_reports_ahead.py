"""Signatures of many reports, checked by several processes: the same answer as by one, whatever becomes of them."""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.fleets import report
from tinyops.device.reports import ahead
from tinyops.device.reports.ahead import LEAST_EACH, right_signatures
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.report import seal_report

KEY, OTHER = SigningKey.generate(), SigningKey.generate()
NAMED = {"public_key": KEY.public.raw.hex()}
RIGHT = seal_report(report("a", **NAMED), KEY)
WRONG = (
    seal_report(report("a", **NAMED), OTHER),
    RIGHT.replace(b'"a"', b'"b"'),
    RIGHT.replace(b'"device":"a"', b'"device":"a","device":"a"'),
    RIGHT[:-9],
    b"",
    b"[]",
    b"\xff" * 99,
)
MANY = [RIGHT] * LEAST_EACH + [*WRONG] + [RIGHT] * LEAST_EACH + [*WRONG]
EXPECTED = [data is RIGHT for data in MANY]


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    alone = threading.active_count()  # threads that an earlier test has left behind are none of ours
    monkeypatch.setattr(ahead, "threading", SimpleNamespace(active_count=lambda: threading.active_count() - alone + 1))


def children(monkeypatch: pytest.MonkeyPatch, act: Any = None) -> list[int]:
    """The lengths of what other processes were given; `act` is what they do in place of their work."""
    given: list[int] = []
    born = ahead._Child.__init__

    def counted(self: Any, files: Any) -> None:
        given.append(len(files))
        born(self, files)

    monkeypatch.setattr(ahead._Child, "__init__", counted)
    if act is not None:
        monkeypatch.setattr(ahead, "_answer", act)
    return given


def test_many_are_shared_out_and_every_wrong_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    given = children(monkeypatch)
    assert right_signatures(MANY) == EXPECTED
    assert given == [len(MANY) // 2]


def test_few_are_not_worth_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    given = children(monkeypatch)
    assert right_signatures([RIGHT, *WRONG]) == [True] + [False] * len(WRONG) and given == []
    assert right_signatures([]) == []


@pytest.mark.parametrize("said", [None, b"", b"\1", b"\1" * 5000], ids=["nothing", "empty", "too little", "too much"])
def test_a_process_that_dies_or_errs_in_number_has_its_part_done_again(
    monkeypatch: pytest.MonkeyPatch, said: bytes | None
) -> None:
    def act(_: Any, writes: int) -> None:
        if said:
            os.write(writes, said)
        os._exit(1)

    given = children(monkeypatch, act)
    assert right_signatures(MANY) == EXPECTED and len(given) == 1


def test_no_process_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    born: list[int] = []
    fork = os.fork

    def forked() -> int:
        born.append(fork())
        return born[-1]

    monkeypatch.setattr(os, "fork", forked)
    right_signatures(MANY)
    with pytest.raises(ChildProcessError):
        os.waitpid(born[0], os.WNOHANG)
