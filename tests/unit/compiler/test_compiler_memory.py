"""The memory planner, by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tinyops.compiler.memory import Buffer, MemoryPlan, lower_bound, overlaps, plan_memory


def buffers_of(rows: list[tuple[int, int, int]]) -> list[Buffer]:
    return [Buffer(f"b{i}", size, first, first + length) for i, (size, first, length) in enumerate(rows)]


rows = st.lists(st.tuples(st.integers(1, 5000), st.integers(-1, 20), st.integers(0, 8)), max_size=25)


@given(rows)
def test_no_two_live_buffers_share_a_byte(found):
    buffers = buffers_of(found)
    plan = plan_memory(buffers)
    assert overlaps(buffers, plan) == []
    assert plan.arena_bytes >= plan.lower_bound >= lower_bound(buffers)
    assert all(offset % 16 == 0 for offset in plan.offsets.values())


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
