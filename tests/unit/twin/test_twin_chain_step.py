"""What a chain's links cost, and that no answer is asked for again while a wrong one ends it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tinyops.errors import ToolError
from tinyops.link import Tensor
from tinyops.link.client import Hello, Stats, Timing
from tinyops.link.parts import PartType
from tinyops.split.document import Link
from tinyops.twin.chain_step import (
    INPUTS_BYTES,
    TRIES_MAX,
    VECTORS_LEAST,
    Meter,
    give_vectors,
    insist,
    some_of,
    terms_of,
)
from tinyops.twin.chained import NotAvailable
from tinyops.twin.golden import Golden
from tinyops.twin.wire import Counts, Terms

STATE = int(PartType.STATE)


class CountedJoint:
    """One whose counts a test raises."""

    def __init__(self) -> None:
        self.down, self.up = Counts(), Counts()

    def counts(self) -> tuple[Counts, Counts]:
        down, up = (Counts(c.bytes, of_type=Counter(c.of_type), lost=c.lost) for c in (self.down, self.up))
        return down, up

    def carry(self, tensors: int, states: int = 0) -> None:
        self.down.bytes += tensors + states
        self.down.of_type[STATE] += states
        self.up.bytes += 7


def metered() -> tuple[Meter, CountedJoint]:
    joint = CountedJoint()
    return Meter(cast(Any, SimpleNamespace(joints=(joint,)))), joint


SPLIT = cast(
    Any,
    SimpleNamespace(
        links=[None], parts=[SimpleNamespace(name="eye", give_bytes=1000), SimpleNamespace(name="brain", give_bytes=2)]
    ),
)


def test_overhead_is_that_of_the_inference_whose_frames_all_came_in_time() -> None:
    meter, joint = metered()
    for tensors, states in ((3000, 0), (1033, 80), (2066, 160), (1050, 0)):
        joint.carry(tensors, states)
        meter.note()
    found = meter.links(SPLIT)
    assert found["overhead"] == 4.0
    assert found["links"] == [
        {
            "from": "eye",
            "to": "brain",
            "tensor_bytes": 1000,
            "bytes": 1040,
            "sent_bytes": 7417,
            "bookkeeping_bytes": 240,
            "lost_frames": 0,
        }
    ]


def test_the_first_answer_after_a_start_or_a_failure_is_no_measure() -> None:
    meter, joint = metered()
    joint.carry(10)
    meter.note()
    assert meter.links(SPLIT)["overhead"] is None
    meter.forget()
    joint.carry(20)
    meter.note()
    assert meter.links(SPLIT)["overhead"] is None
    joint.carry(1013)
    meter.note()
    assert meter.links(SPLIT)["overhead"] == 2.0


class Unsure:
    """A chain whose answers a test withholds; counts how often it waited for its parts."""

    def __init__(self) -> None:
        self.link, self.waited = self, 0

    def wait_ready(self, timeout_s: float) -> None:
        self.waited += 1


def withheld(times: int) -> Callable[[], None]:
    left = [times]

    def act() -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise NotAvailable("unavailable: eye is lost", "eye", 2)

    return act


def test_what_has_no_answer_is_asked_again_a_bounded_number_of_times() -> None:
    chain, failed = Unsure(), list[int]()
    assert insist(cast(Any, chain), withheld(2), lambda: failed.append(1)) == 2
    assert (chain.waited, len(failed)) == (2, 2)
    with pytest.raises(NotAvailable):
        insist(cast(Any, chain), withheld(TRIES_MAX))


class Doubling(Unsure):
    """A chain whose answer is each byte twice; of the inferences in `fails` there is none, that in `wrong` is wrong."""

    name, joints = "chain", ()

    def __init__(self, *, keeps_state: bool = False, fails: tuple[int, ...] = (), wrong: int = -1) -> None:
        super().__init__()
        self.keeps_state, self.fails, self.wrong = keeps_state, fails, wrong
        self.given: list[bytes] = []
        self.resets = 0

    def reset_state(self) -> None:
        self.resets += 1

    def write_input(self, tensor: bytes) -> None:
        self.given.append(tensor)

    def invoke(self, timeout_s: float) -> Timing:
        if len(self.given) - 1 in self.fails:
            raise NotAvailable("unavailable: eye is lost", "eye", 2)
        return Timing(1, 1)

    def read_tensor(self, which: Tensor, size: int) -> bytes:
        return bytes(byte * 2 + (len(self.given) - 1 == self.wrong) for byte in self.given[-1])

    def stats(self) -> Stats:
        return Stats(0, 0, 0, 0, 0)


VECTORS = Golden(2, 2, tuple((bytes([i, i + 1]), bytes([2 * i, 2 * i + 2])) for i in range(3)))
INPUTS = [tensor for tensor, _ in VECTORS.vectors]


def given_to(chain: Doubling) -> int:
    hello = cast(Hello, SimpleNamespace(input_rows=1, output_bytes=2, arena_bytes=0, arena_needed=0))
    return give_vectors(cast(Any, chain), hello, VECTORS, lambda _: None)


def test_an_answer_that_is_not_the_whole_models_ends_it_and_is_not_asked_for_again() -> None:
    chain = Doubling(wrong=1)
    with pytest.raises(ToolError, match="chain: vector 1: output byte 0 is 3, expected 2"):
        given_to(chain)
    assert chain.given == INPUTS[:2]


def test_without_state_only_what_had_no_answer_is_given_again() -> None:
    chain = Doubling(fails=(1,))
    assert given_to(chain) == 1
    assert chain.given == [INPUTS[0], INPUTS[1], *INPUTS[1:]]


def test_with_state_everything_is_given_again_from_the_start() -> None:
    chain = Doubling(keeps_state=True, fails=(1,))
    assert given_to(chain) == 1
    assert chain.given == [*INPUTS[:2], *INPUTS]
    assert chain.resets == 2


def test_of_large_inputs_there_are_fewer_vectors() -> None:
    small, large = (Golden(size, 1, ((b"", b""),) * 16) for size in (490, 27_648))
    assert len(some_of(small).vectors) == 16
    assert len(some_of(large).vectors) == VECTORS_LEAST
    assert len(some_of(Golden(INPUTS_BYTES // 8, 1, ((b"", b""),) * 16)).vectors) == 8


def test_a_wire_stands_for_the_declared_link() -> None:
    assert terms_of(Link(kind="uart", baud=115200, loss=0.1)) == Terms(bytes_s=11520, loss=0.1)
    assert terms_of(Link(kind="ble", bytes_s=9000, latency_ms=30)) == Terms(bytes_s=9000, latency_s=0.03)
