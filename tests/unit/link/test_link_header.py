"""The C header is what the Python definition says, and the layouts fit a frame."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tinyops import link
from tinyops.link.protocol import (
    APPLICATION,
    COLLECTOR,
    PAYLOAD_MAX,
    REPLIES,
    REQUESTS,
    STATUS_TEXT,
    Layout,
    Status,
    Type,
)

RUNTIME = Path(link.__file__).parents[1] / "runtime"


def test_the_committed_header_is_the_emitted_one() -> None:
    assert (RUNTIME / "include/tinyops/link.h").read_text() == link.c_header()


def test_statuses_shared_with_the_model_abi_have_its_numbers() -> None:
    text = (RUNTIME / "include/tinyops/model.h").read_text()
    names = {f"ERR_{s.name}" if s < 0 else s.name: s for s in Status if s > Status.ABSENT}
    found = dict(re.findall(r"TINYOPS_((?:ERR_)?[A-Z_]+) = (-?\d+)", text))
    assert {name: int(value) for name, value in found.items()} == {name: int(s) for name, s in names.items()}


@pytest.mark.parametrize("layout", [*REQUESTS.values(), *REPLIES.values()])
def test_every_payload_fits_a_frame(layout: Layout) -> None:
    assert layout.size + layout.tail_max <= PAYLOAD_MAX


def test_every_request_has_an_answer_and_every_status_a_sentence() -> None:
    assert set(REQUESTS) <= set(REPLIES)
    assert set(STATUS_TEXT) == set(Status)
    assert all(t < 0x40 for t in REQUESTS) and {Type.RESULT, Type.FAULT, Type.ERROR} <= set(REPLIES)


def served(*sources: str) -> set[str]:
    """The requests that some of the runtime's C names, each where it decides what to do."""
    text = "".join((RUNTIME / source).read_text() for source in sources)
    return set(re.findall(r"(?:type ==|case) TINYOPS_LINK_([A-Z_]+)", text))


def test_the_application_serves_exactly_its_requests() -> None:
    names = {kind.name for kind in APPLICATION}
    # What is left when nothing else matches: RESET_STATE. No type beyond CYCLES gets that far.
    assert served("app/app.c") | {"RESET_STATE"} == names
    assert max(APPLICATION) == Type.CYCLES and min(APPLICATION) == Type.HELLO
    assert list(range(Type.HELLO, Type.CYCLES + 1)) == sorted(APPLICATION)


def test_the_collector_serves_exactly_its_requests_and_together_they_serve_all() -> None:
    assert served("collect/collect.c") == {kind.name for kind in COLLECTOR}
    assert set(REQUESTS) == APPLICATION | COLLECTOR
    assert {Type.COLLECT_START, Type.COLLECT_STOP, Type.HELLO} <= COLLECTOR
