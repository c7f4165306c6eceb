"""Virtual chains when something goes wrong: links that lose, double, swap, damage, stall or are cut, parts that die,
lie at the wrong place or are of another cut. The answer is the whole model's or none, which names the part.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from fakes.chained import ReleasedParts, chain_document, layered, parts_of, repository_of
from tinyops.link import LinkTimeout, Refused, Tensor
from tinyops.link.parts import PartState
from tinyops.process import kill_group
from tinyops.twin.chain_step import give_vectors, insist
from tinyops.twin.chained import NotAvailable, PartBoard, RunningChain, open_chain
from tinyops.twin.prove import feed
from tinyops.twin.wire import Terms

pytestmark = pytest.mark.build

LIMIT_MS = 2000
CUT = "  split: {{cuts: {}}}\n  on_part_lost: {{act: report-unavailable, after_ms: {}}}\n"
RADIO = "  split: {minimise: radio}\n  on_part_lost: {act: report-unavailable, after_ms: 2000}\n"
AT_ONCE = Terms()
HARD = Terms(loss=0.2, duplicated=0.1, reordered=0.1, damaged=0.05)
WAIT_S, SHORT_S, APPLY_S = 30.0, 3.0, 600
Chains = dict[str, ReleasedParts]


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> Chains:
    """One model on two Linux boards, and on a microcontroller behind one; `other` is cut elsewhere."""
    fleets = {
        "two": (("linux", "linux"), [2]),
        "other": (("linux", "linux"), [1]),
        "board": (("linux", "pico"), [2]),
    }
    documents = [
        chain_document(name, "layers", *boards, more=CUT.format(cuts, LIMIT_MS))
        for name, (boards, cuts) in fleets.items()
    ]
    lossy = "kind: ble, loss: 0.05"
    documents.append(chain_document("radio", "layers", "linux", "raspberrypi4", link=lossy, more=RADIO))
    bench = repository_of(tmp_path_factory.mktemp("chains") / "bench", {"layers": layered()}, *documents)
    done = bench.run("apply", timeout_s=APPLY_S)
    assert done.code == 0, done.out + done.err
    return {name: parts_of(bench, name) for name in (*fleets, "radio")}


@contextlib.contextmanager
def running(released: ReleasedParts, terms: Terms = AT_ONCE, parts: Sequence[PartBoard] = ()) -> Iterator[RunningChain]:
    with open_chain("chain", parts or released.parts, [terms] * (len(released.parts) - 1), seed=2) as chain:
        yield chain


def infer(chain: RunningChain, released: ReleasedParts, number: int = 0) -> bytes:
    tensor, _ = released.golden.vectors[number]
    chain.link.write_input(tensor)
    chain.link.invoke(WAIT_S)
    return chain.link.read_tensor(Tensor.OUTPUT, released.golden.output_bytes)


def infer_at_last(chain: RunningChain, released: ReleasedParts, number: int = 0) -> bytes:
    """Though this machine may be so busy that a part seems to be lost meanwhile."""
    found: list[bytes] = []
    insist(chain, lambda: found.append(infer(chain, released, number)))
    return found[-1]


def wanted(released: ReleasedParts, number: int = 0) -> bytes:
    return released.golden.vectors[number][1]


@pytest.mark.parametrize("name", ["two", "board"])
def test_a_chain_gives_what_the_whole_model_gives(chains: Chains, name: str) -> None:
    with running(chains[name]) as chain:
        chain.link.wait_ready()
        give_vectors(chain, chain.link.hello(), chains[name].golden, lambda _: None)


@pytest.mark.parametrize("name", ["two", "board"])
def test_links_that_lose_double_swap_and_damage_frames_change_no_answer(chains: Chains, name: str) -> None:
    released = chains[name]
    few = replace(released.golden, vectors=released.golden.vectors[:3])
    with running(released) as chain:
        chain.link.wait_ready()
        hello = chain.link.hello()
        for joint in chain.joints:
            joint.set_terms(HARD)
        right = 0
        for tensor, output in few.vectors * 3:
            try:
                feed(chain.link, tensor, hello.input_rows)
            except (NotAvailable, LinkTimeout):
                continue
            assert chain.link.read_tensor(Tensor.OUTPUT, len(output)) == output
            right += 1
        met = [count for joint in chain.joints for count in joint.counts()]
    assert right >= 3
    assert all(sum(getattr(count, fault) for count in met) for fault in ("lost", "duplicated", "reordered"))


def test_a_stalled_link_delays_an_answer_or_makes_none(chains: Chains) -> None:
    released = chains["two"]
    with running(released) as chain:
        chain.link.wait_ready()
        threading.Timer(LIMIT_MS / 4000, chain.joints[0].mend).start()
        chain.joints[0].stall()
        assert infer_at_last(chain, released) == wanted(released)


@pytest.mark.parametrize("name", ["two", "board"])
def test_a_cut_link_makes_no_answer_names_the_part_and_returns(chains: Chains, name: str) -> None:
    released = chains[name]
    with running(released) as chain:
        chain.link.wait_ready()
        chain.joints[0].cut()
        with pytest.raises(NotAvailable, match="p0 does not answer") as caught:
            infer(chain, released)
        assert (caught.value.part, caught.value.state) == ("p0", PartState.LOST)
        chain.joints[0].mend()
        chain.link.wait_ready()
        assert infer_at_last(chain, released, 1) == wanted(released, 1)


@pytest.mark.parametrize("name", ["two", "board"])
def test_a_part_that_loses_its_power_in_an_inference_is_back_with_the_next_one(chains: Chains, name: str) -> None:
    released = chains[name]
    with running(released, Terms(bytes_s=4000)) as chain:
        chain.link.wait_ready()
        tensor, output = released.golden.vectors[0]
        chain.link.write_input(tensor)
        chain.parts[0].link.invoke(WAIT_S)  # what it made is on its way
        chain.parts[1].virtual.power_cut()
        with contextlib.suppress(NotAvailable, LinkTimeout):  # a result, or none: never another
            chain.link.answer(SHORT_S)
            assert chain.link.read_tensor(Tensor.OUTPUT, len(output)) == output
        chain.link.wait_ready()
        assert infer_at_last(chain, released, 1) == wanted(released, 1)


def test_a_part_that_was_killed_is_named_and_is_back_when_it_is_started_again(chains: Chains) -> None:
    released = chains["board"]
    with running(released) as chain:
        chain.link.wait_ready()
        kill_group(chain.part("p0").virtual.process)
        with pytest.raises(NotAvailable) as caught:
            chain.link.answer(WAIT_S)
        assert (caught.value.part, caught.value.state) == ("p0", PartState.LOST)
        chain.part("p0").virtual.power_cut()
        chain.link.wait_ready()
        assert infer_at_last(chain, released) == wanted(released)


def test_a_part_of_another_cut_gives_no_answer_and_is_named(chains: Chains) -> None:
    released = chains["two"]
    mixed = released.with_model_of(1, chains["other"].parts[1])
    with running(released, parts=mixed) as chain:
        with pytest.raises(NotAvailable, match="runs a part of another set than its neighbour") as caught:
            infer(chain, released)
        assert caught.value.part in ("p0", "p1") and caught.value.state == PartState.MIXED


@pytest.mark.parametrize(("at", "other"), [(0, 1), (1, 0)])
def test_swapped_boards_give_no_answer_and_are_named(chains: Chains, at: int, other: int) -> None:
    """What lies on a board is for another place: it computes nothing, and says so to whoever asks it."""
    released = chains["two"]
    with running(released, parts=released.with_model_of(at, released.parts[other])) as chain:
        with pytest.raises(NotAvailable) as caught:
            chain.link.answer(WAIT_S)
        assert (caught.value.part, caught.value.state) == (f"p{at}", PartState.IMAGE)
        with pytest.raises(Refused, match="made for another contract"):
            chain.parts[at].link.invoke(WAIT_S)


def test_a_chain_over_bluetooth_is_cut_where_the_least_bytes_cross_and_proven_with_its_losses(chains: Chains) -> None:
    """The fixture's release holds it to its proof, with frames lost."""
    released = chains["radio"]
    (link,) = released.split.links
    assert (link.kind, link.bytes_s, link.latency_ms) == ("ble", 10_000, 30.0)
    assert released.split.cuts == (2,)  # of 600, 96 and 700 bytes
    with running(released, released.terms[0]) as chain:
        assert infer_at_last(chain, released) == wanted(released)
