from __future__ import annotations

import json
from typing import Any

import pytest

from tinyops.errors import RemoteError
from tinyops.split import document
from tinyops.split.document import document_bytes, parse_part, parse_split, set_digest

DIGEST = "sha256:" + "ab" * 32


def tensor(index: int, size: int) -> dict[str, Any]:
    return {"tensor": index, "name": f"t{index}", "bytes": size, "shape": [1, size]}


def part(name: str, position: int, begin: int, end: int, **fields: Any) -> dict[str, Any]:
    return {"name": name, "board": "microbit-v2", "position": position, "begin": begin, "end": end, **fields}


@pytest.fixture
def value() -> dict[str, Any]:
    """Two parts; tensor 3 passes through the first, beside what it makes."""
    crossing = [tensor(3, 10), tensor(7, 6)]
    near = part("near", 0, 0, 4, takes=[tensor(3, 10)], gives=crossing, inputs=[0], outputs=[1], passed=[[0, 0]])
    far = part("far", 1, 4, 9, takes=crossing, gives=[tensor(11, 2)], inputs=[0, 1], outputs=[0], passed=[])
    links = [{"kind": "uart", "baud": 115200, "latency_ms": 0.5, "loss": 0.0}]
    found = {"cuts": [4], "parts": [near, far], "links": links, "explanation": {"text": ["why"]}}
    return {"schema": 1, "set": set_digest(DIGEST, [4]), **found}


def test_what_is_written_is_read_again(value: dict[str, Any]) -> None:
    read = parse_split(json.dumps(value).encode())
    assert parse_split(document_bytes(read)) == read
    assert json.loads(document_bytes(read)) == value


def test_a_part_s_own_file_says_its_set_and_place(value: dict[str, Any]) -> None:
    far = parse_split(json.dumps(value).encode()).part("far")
    assert parse_part(document_bytes(far)) == far
    assert (far.set, far.position, far.parts, far.first, far.last) == (value["set"], 1, 2, False, True)
    assert (far.take_offsets, far.take_bytes, far.held_bytes) == ((0, 10), 16, 0)


def test_a_part_that_passes_a_tensor_on_holds_it(value: dict[str, Any]) -> None:
    near = parse_split(json.dumps(value).encode()).part("near")
    assert (near.give_offsets, near.give_bytes, near.held_bytes) == ((0, 10), 16, 10)


def test_a_set_is_the_model_and_its_cuts() -> None:
    assert len(set_digest(DIGEST, [4])) == 32
    others = [set_digest(DIGEST, [5]), set_digest(DIGEST, [4, 5]), set_digest("sha256:" + "ac" * 32, [4])]
    assert len({set_digest(DIGEST, (4,)), *others}) == 4
    assert set_digest(DIGEST, [4]) == set_digest(DIGEST, (4,)) == "c7b51fffe15687f88823439f45cfbb57"


def changed(value: dict[str, Any], path: tuple[str | int, ...], new: Any) -> bytes:
    made = json.loads(json.dumps(value))  # without what is shared
    place: Any = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = new
    return json.dumps(made).encode()


@pytest.mark.parametrize(
    ("path", "new", "said"),
    [
        (("schema",), 2, "schema"),
        (("set",), "AB" * 16, "lower-case hex"),
        (("surprise",), 1, "surprise"),
        (("cuts",), [5], "parts do not end and begin at the cuts"),
        (("cuts",), [4, 6], "2 parts with 2 cuts and 1 links"),
        (("links",), [], "links"),
        (("links", 0, "baud"), None, "a link over uart has baud alone"),
        (("links", 0, "kind"), "tcp", "a link over tcp has bytes_s alone"),
        (("links", 0, "loss"), 0.95, "loss"),
        (("parts", 1, "name"), "near", "two parts have one name"),
        (("parts", 1, "position"), 2, "not in their order"),
        (("parts", 0, "end"), 0, "ends at 0, where it begins or before"),
        (("parts", 0, "begin"), "0", "begin"),
        (("parts", 0, "outputs"), [0, 1], "an output or passed on, once"),
        (("parts", 0, "passed"), [], "an output or passed on, once"),
        (("parts", 0, "passed"), [[1, 0]], "near"),
        (("parts", 1, "inputs"), [0], "an input once, or passed on"),
        (("parts", 1, "inputs"), [0, 0, 1], "an input once, or passed on"),
        (("parts", 1, "takes", 1, "bytes"), 11, "does not take what 'near' gives"),
        (("parts", 0, "gives", 0, "bytes"), 11, "changes on its way"),
        (("parts", 0, "takes", 0, "bytes"), 0, "bytes"),
        (("parts", 0, "takes", 0, "bytes"), 2**40, "bytes"),
        (("parts", 0, "takes", 0, "name"), "x" * 300, "name"),
    ],
)
def test_what_does_not_agree_is_refused(
    value: dict[str, Any], path: tuple[str | int, ...], new: Any, said: str
) -> None:
    with pytest.raises(RemoteError, match=said):
        parse_split(changed(value, path, new))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"schema": 1}'])
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteError):
        parse_split(data)
    with pytest.raises(RemoteError):
        parse_part(data)


def test_a_long_file_is_refused_unread(value: dict[str, Any]) -> None:
    value["explanation"] = {"text": "x" * document.LIMIT_BYTES}
    with pytest.raises(RemoteError, match="larger than"):
        parse_split(json.dumps(value).encode())


def test_a_part_beyond_its_chain_is_refused(value: dict[str, Any]) -> None:
    far = json.loads(document_bytes(parse_split(json.dumps(value).encode()).part("far")))
    with pytest.raises(RemoteError, match="is at 2 of 2"):
        parse_part(json.dumps(far | {"position": 2}).encode())
