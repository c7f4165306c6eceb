"""The memory planner, by itself."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from tinyops.compiler.memory import Buffer, MemoryPlan, Over, aligned, lower_bound, overlaps, plan_memory


def buffers_of(rows: list[tuple[int, int, int]]) -> list[Buffer]:
    return [Buffer(f"b{i}", size, first, first + length) for i, (size, first, length) in enumerate(rows)]


rows = st.lists(st.tuples(st.integers(1, 5000), st.integers(-1, 20), st.integers(0, 8)), max_size=25)


@settings(deadline=None, max_examples=50)
@given(rows)
def test_no_two_live_buffers_share_a_byte(found):
    buffers = buffers_of(found)
    plan = plan_memory(buffers)
    assert overlaps(buffers, plan) == []
    assert plan.arena_bytes >= plan.lower_bound >= lower_bound(buffers)
    assert all(offset % 16 == 0 for offset in plan.offsets.values())


@settings(deadline=None, max_examples=50)
@given(rows)
def test_order_of_buffers_does_not_matter(found):
    buffers = buffers_of(found)
    assert plan_memory(buffers) == plan_memory(buffers[::-1])


def test_overlaps_are_found():
    buffers = [Buffer("a", 32, 0, 2), Buffer("b", 16, 2, 3), Buffer("c", 16, 3, 4)]
    assert overlaps(buffers, MemoryPlan({"a": 0, "b": 16, "c": 0}, 32, 48)) == [("a", "b")]
    assert overlaps(buffers, MemoryPlan({"a": 0, "b": 32, "c": 40}, 56, 48)) == [("b", "c"), ("c", "arena")]
    assert overlaps(buffers, MemoryPlan({"a": 0, "b": 32, "c": 48}, 48, 48)) == [("c", "arena")]


def test_a_chain_reuses_its_memory():
    chain = [Buffer(f"t{i}", 100, i, i + 1) for i in range(10)]
    assert plan_memory(chain).arena_bytes == 2 * 112


def test_a_kept_buffer_is_never_reused():
    buffers = [Buffer("state", 50, -1, 9), *(Buffer(f"t{i}", 100, i, i + 1) for i in range(8))]
    plan = plan_memory(buffers)
    start, end = plan.offsets["state"], plan.offsets["state"] + 50
    assert all(plan.offsets[f"t{i}"] >= end or plan.offsets[f"t{i}"] + 100 <= start for i in range(8))


def test_nothing_needs_nothing():
    assert plan_memory([]).arena_bytes == 0


def interpreters_greedy(buffers: list[Buffer]) -> int:
    """TFLM's greedy planner, written again: the largest first, each into the first gap among its contemporaries."""
    placed: list[tuple[int, Buffer]] = []
    for buffer in sorted(buffers, key=lambda b: (-b.bytes, b.first, b.last, b.name)):
        at = 0
        for start, other in sorted(((o, b) for o, b in placed if b.meets(buffer)), key=lambda p: (p[0], p[1].name)):
            if start - at >= aligned(buffer.bytes):
                break
            at = max(at, start + aligned(other.bytes))
        placed.append((at, buffer))
    return max((o + aligned(b.bytes) for o, b in placed), default=0)


@settings(deadline=None, max_examples=50)
@given(rows)
def test_never_worse_than_the_interpreters_planner(found):
    buffers = buffers_of(found)
    assert plan_memory(buffers).arena_bytes <= interpreters_greedy(buffers)


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[Buffer], list[Over]]:
    """Operators, most of which read the tensor before them for the last time, some with a distance, some without."""
    buffers, overs = [Buffer("t0", draw(st.integers(1, 300)), -1, 0)], []
    for i in range(draw(st.integers(1, 6))):
        buffers.append(Buffer(f"t{i + 1}", draw(st.integers(1, 300)), i, i + draw(st.sampled_from([1, 1, 1, 2]))))
        if buffers[i].last == i and draw(st.booleans()):
            overs.append(Over(f"t{i + 1}", f"t{i}", draw(st.integers(0, 120)), draw(st.sampled_from([1, 1, 24, 48]))))
    return buffers, overs


@settings(deadline=None)
@given(chains())
def test_plans_with_overlaps_are_sound_and_not_larger(found):
    buffers, overs = found
    plan = plan_memory(buffers, overs)
    assert overlaps(buffers, plan, overs) == []
    assert plan.lower_bound <= plan.arena_bytes <= plan_memory(buffers).arena_bytes
    assert lower_bound(buffers, overs) <= plan.lower_bound


def smallest_by_trying(buffers: list[Buffer], overs: list[Over], at_most: int) -> int:
    """The smallest arena, from every combination of offsets below `at_most`."""
    grid = range(0, at_most, 16)
    best = at_most
    for offsets in itertools.product(grid, repeat=len(buffers)):
        size = max(o + aligned(b.bytes) for o, b in zip(offsets, buffers, strict=True))
        if size < best:
            plan = MemoryPlan({b.name: o for b, o in zip(buffers, offsets, strict=True)}, size, 0)
            best = best if overlaps(buffers, plan, overs) else size
    return best


@settings(deadline=None, max_examples=40)
@given(chains())
def test_small_plans_are_the_smallest_there_are(found):
    buffers, overs = [Buffer(b.name, b.bytes // 5 + 1, b.first, b.last) for b in found[0][:4]], found[1]
    overs = [o for o in overs if o.upon in {b.name for b in buffers}]
    plan = plan_memory(buffers, overs)
    assert plan.arena_bytes == plan.lower_bound == smallest_by_trying(buffers, overs, plan.arena_bytes)


def test_the_checker_knows_what_is_allowed():
    buffers = [Buffer("a", 64, 0, 1), Buffer("b", 64, 1, 2)]
    near, far = MemoryPlan({"a": 16, "b": 0}, 80, 0), MemoryPlan({"a": 48, "b": 0}, 112, 0)
    over = Over("b", "a", 17)
    assert overlaps(buffers, near, []) == overlaps(buffers, near, [over]) == [("a", "b")]
    assert overlaps(buffers, far, [over]) == []
    assert overlaps(buffers, far, [Over("b", "a", 17, 32)]) == [("a", "b")], "48 is no multiple of 32"
    assert overlaps(buffers, far, [Over("a", "b", 0)]) == [("a", "b")], "only b is written while a is read"
    assert overlaps([buffers[0], Buffer("b", 64, 0, 2)], far, [over]) == [("a", "b")], "b lived before a was read"
    assert overlaps(buffers, near, [Over("b", "a", None)]) == []


def test_overlaps_slide_down_and_add_up():
    """Each output starts 48 bytes before its input: proven to be the best without moving anything."""
    buffers = [Buffer(f"t{i}", 1024, i, i + 1) for i in range(6)]
    overs = [Over(f"t{i + 1}", f"t{i}", 48) for i in range(5)]
    plan = plan_memory(buffers, overs)
    assert plan.arena_bytes == plan.lower_bound == 1024 + 5 * 48
    assert lower_bound(buffers, overs) == 1024 + 48


def test_steps_of_an_overlap_are_kept():
    buffers = [Buffer("a", 320, 0, 1), Buffer("b", 320, 1, 2)]
    plan = plan_memory(buffers, [Over("b", "a", 17, 80)])
    assert plan.offsets == {"b": 0, "a": 80}


def test_a_search_without_time_keeps_the_greedy_plan():
    buffers = [Buffer(f"b{i}", 16 * (i * 7 % 11 + 1), i % 5, i % 5 + i % 3) for i in range(20)]
    plan = plan_memory(buffers, effort=0)
    assert overlaps(buffers, plan) == []
    assert plan_memory(buffers).arena_bytes <= plan.arena_bytes <= interpreters_greedy(buffers)
