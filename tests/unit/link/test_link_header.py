"""The C header is what the Python definition says, and the layouts fit a frame."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tinyops import link
from tinyops.link.protocol import PAYLOAD_MAX, REPLIES, REQUESTS, STATUS_TEXT, Layout, Status, Type

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


def test_the_application_serves_exactly_the_defined_requests() -> None:
    source = (RUNTIME / "app/app.c").read_text()
    for kind in REQUESTS:
        assert kind == Type.RESET_STATE or f"TINYOPS_LINK_{kind.name}" in source
    assert max(REQUESTS) == Type.CYCLES and min(REQUESTS) == Type.HELLO
