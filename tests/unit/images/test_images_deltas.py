"""Deltas: made the same every time, undone to the very image, refused when they were changed, small where it counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyops.images import Kind, build_image, sign_image
from tinyops.images.delta import MalformedDelta, apply_delta, make_delta
from tinyops.images.delta import definition as d
from tinyops.images.delta.encode import encode
from tinyops.images.delta.matching import Round, that_make
from tinyops.manifest.keys import SigningKey

RUNTIME = Path(__file__).parents[3] / "tinyops/runtime"
KEY, OTHER_KEY = (SigningKey.generate() for _ in range(2))


def image(body: bytes, key: SigningKey = KEY) -> bytes:
    return sign_image(build_image(body, kind=Kind.MODEL, board="desk", contract=bytes(32), counter=1), key)


def body_of(count: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).bytes(count)


def retrained(body: bytes, by: int) -> bytes:
    """Weights that moved by a little, all of them."""
    moves = np.random.default_rng(9).integers(-by, by, len(body), endpoint=True)
    return (np.frombuffer(body, "uint8") + moves).astype("uint8").tobytes()


BASE = body_of(6000)
CHANGES = {
    "nothing": BASE,
    "one byte": BASE[:900] + b"!" + BASE[901:],
    "bytes that came in between": BASE[:3000] + body_of(200, 5) + BASE[3000:],
    "bytes that went": BASE[:1000] + BASE[1500:],
    "two halves that changed places": BASE[3000:] + BASE[:3000],
    "all of it, by little": retrained(BASE, 3),
    "another one": body_of(5000, 2),
    "one that is very short": b"x",
    "carries": bytes(3000) + b"\xff" * 3000,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_delta_makes_the_very_image_whoever_signed_it_and_its_base(change: str) -> None:
    base, result = image(BASE), image(CHANGES[change])
    delta = make_delta(base, result, where="it")
    assert make_delta(base, result, where="it") == delta
    assert apply_delta(image(BASE, OTHER_KEY), delta) == result


@pytest.mark.parametrize(
    ("change", "most"), [("one byte", 0.06), ("bytes that went", 0.06), ("all of it, by little", 0.5)]
)
def test_a_delta_is_small_where_little_changed(change: str, most: float) -> None:
    result = image(CHANGES[change])
    assert len(make_delta(image(BASE), result, where="it")) < most * len(result)


def test_any_delta_that_was_changed_is_refused_or_makes_another_length_never() -> None:
    base, result = image(BASE[700:1100]), image(CHANGES["one byte"][700:1100])
    delta = make_delta(base, result, where="it")
    for at in range(len(delta)):
        changed = bytearray(delta)
        changed[at] ^= 0x10
        try:
            made = apply_delta(base, bytes(changed))
        except MalformedDelta:
            continue
        assert len(made) == int.from_bytes(changed[8:12], "little") and at not in range(12, 44)
    for count in range(len(delta)):
        with pytest.raises(MalformedDelta):
            apply_delta(base, delta[:count])
    with pytest.raises(MalformedDelta, match="behind its end"):
        apply_delta(base, delta + b"\0")
    with pytest.raises(MalformedDelta, match="not from"):
        apply_delta(result, delta)


@pytest.mark.parametrize(
    ("rounds", "said"),
    [
        ([Round(b"", b"", 0), Round(b"", b"abc", 0)], "makes nothing"),
        ([Round(bytes(3), b"", -4), Round(b"", b"abc", 0)], "goes to -1"),
        ([Round(bytes(3), b"", 4000), Round(b"", b"abc", 0)], "counts 8,000 bytes"),
        ([Round(bytes(300), b"", 0)], "counts 300 bytes where"),
        ([Round(b"", bytes(300), 0)], "counts 300 bytes where"),
    ],
)
def test_a_delta_that_breaks_a_rule_is_refused_by_name(rounds: list[Round], said: str) -> None:
    from tinyops.images import read_image

    base = image(b"short")
    header = d.HEADER.pack(d.MAGIC, len(base), 100, read_image(base, where="it").digest)
    with pytest.raises(MalformedDelta, match=said):
        apply_delta(base, header + encode(rounds))


def test_the_committed_header_is_the_emitted_one() -> None:
    assert (RUNTIME / "include/tinyops/delta_format.h").read_text() == d.c_header()


BASE_BYTES = bytes(range(100))


@pytest.mark.parametrize(
    "found",
    [
        [Round(b"", b"", 40), Round(bytes(10), b"xy", 0)],
        [Round(b"", b"", 40), Round(b"", b"", -10), Round(bytes(10), b"xy", 0)],
        [Round(b"", b"", 40), Round(bytes(1), b"", 5), Round(bytes(3), b"", 0)],
        [Round(b"", b"", 40), Round(b"", b"q", 5), Round(bytes(3), b"", 0)],
        [Round(bytes(4), b"", 20), Round(b"", b"", -9), Round(b"", b"", 3), Round(bytes(2), b"z", 0)],
    ],
)
def test_rounds_that_make_nothing_are_left_out(found: list[Round]) -> None:
    """A search gives some: found when a chain's part was cut elsewhere."""
    made, place = b"", 0
    for one in found:
        made += BASE_BYTES[place : place + len(one.differences)] + one.literals
        place += len(one.differences) + one.seek
    kept = that_make(found, made)
    assert all(one.differences or one.literals for one in kept)
    again, place = b"", 0
    for one in kept:
        again += bytes((a + b) & 0xFF for a, b in zip(BASE_BYTES[place:], one.differences, strict=False)) + one.literals
        place += len(one.differences) + one.seek
    assert again == made
