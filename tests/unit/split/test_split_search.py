"""The search against brute force over all cuts; what it says where nothing fits."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyops.errors import SpecError
from tinyops.split import (
    Boundary,
    Chain,
    Cost,
    Link,
    PartBudget,
    Placement,
    Problem,
    Wish,
    place,
    search,
    shortages,
)

LINKS = (
    Link("uart", 1000, 10_000, 16, 4),
    Link("ble", 300, 2000, 20, 7, loss=0.25, radio=True),
    Link("radio", 5000, 1, 1000, 0, radio=True),
)


def problem_of(seed: int) -> Problem:
    """A small one in which few figures differ, so that ties are common. Bounds are those of some placement, or none.

    From a seed: figures drawn one by one are mostly alike, and hardly ever is anything decided between placements.
    """
    some = random.Random(seed)  # noqa: S311
    operators, parts, roomy = some.randint(1, 9), some.choice((1, 2, 3, 4, 5, 5, 5)), some.random() < 0.8
    flash = [some.randint(0, 3) for _ in range(operators)]
    arena, work = ([[some.randint(0, most) for _ in range(operators)] for _ in range(parts)] for most in (40, 4))
    sizes = [some.choice((0, 10, 20, 30, 35)) for _ in range(4)]
    positions = []
    for at in range(operators + 1):
        crossing = tuple(i for i in range(4) if some.random() < 0.6)
        torn = "torn" if at < operators and some.random() < 0.03 else ""
        positions.append(Boundary(at, crossing, tuple(sizes[i] for i in crossing), torn))
    boards = tuple(
        PartBudget(
            f"p{i}", f"b{i}", 40 if roomy else some.randint(3, 9), some.choice((60, 90, 200)), some.choice((1, 2))
        )
        for i in range(parts)
    )
    chain = Chain(boards, tuple(some.choice(LINKS) for _ in range(parts - 1)))
    barred = {(some.randrange(parts), some.randrange(operators)) for _ in range(some.choice((0, 0, 0, 1)))}

    def cost_of(part: int, begin: int, end: int) -> Cost | None:
        run = slice(begin, end)
        if any((part, i) in barred for i in range(begin, end)):
            return None
        return Cost(1 + sum(flash[run]), max(arena[part][run]), sum(work[part][run]))

    wish = Wish(some.choice(("latency", "radio", "ram")), None, None, some.random() < 0.5, some.randint(1, 4))
    unbounded = Problem(chain, tuple(positions), cost_of, wish)
    placements = every(unbounded)
    few = [p for p in placements if not shortages(p, wish)] or placements
    if few and some.random() < 0.6:
        times = sorted(p.latency_ns for p in few)
        wish = replace(wish, at_most_ns=times[some.randrange(len(times) // 2 + 1) // 2] - some.choice((0, 0, 0, 1)))
    if few and some.random() < 0.3:
        wish = replace(wish, at_most_radio_bytes=some.choice(few).radio_bytes)
    return replace(unbounded, wish=wish)


def every(problem: Problem) -> list[Placement]:
    """All placements that can be, whether or not they fit, by trying all cuts."""
    found = []
    numbers = range(problem.operators + 1)
    for cuts in itertools.combinations_with_replacement(numbers, len(problem.chain.links)):
        try:
            found.append(place(problem, cuts))
        except SpecError:
            continue
    return found


def order(problem: Problem, placement: Placement) -> tuple[float, int, tuple[int, ...]]:
    of = {"latency": placement.latency_ns, "radio": placement.radio_bytes, "ram": placement.ram_share}
    return (of[problem.wish.minimise], placement.sent_bytes, placement.cuts)


def missing(problem: Problem, placement: Placement) -> int:
    return sum(s.short for s in shortages(placement, replace(problem.wish, at_most_ns=None, at_most_radio_bytes=None)))


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_search_finds_what_trying_all_cuts_finds(seed: int) -> None:
    problem = problem_of(seed)
    found, all_of_them = search(problem), every(problem)
    fitting = sorted(
        (p for p in all_of_them if not shortages(p, problem.wish)), key=lambda placement: order(problem, placement)
    )
    assert found.placements == tuple(fitting[: problem.wish.keep])
    assert (found.nearest is None) == bool(fitting or not all_of_them)
    assert bool(found.reason) == (not all_of_them)
    if found.nearest is not None:
        assert found.shortages == shortages(found.nearest, problem.wish)
        assert missing(problem, found.nearest) == min(missing(problem, p) for p in all_of_them)


def simple(**changes: object) -> Problem:
    """Four operators of 10 bytes of flash, 5 of arena and a second each over two boards of 20 and 25 bytes."""
    boards = (PartBudget("eye", "microbit", 20, 8, 1), PartBudget("brain", "nano33ble", 25, 8, 1))
    positions = tuple(Boundary(at, (at,), (size,)) for at, size in enumerate((9, 40, 30, 30, 2)))
    chain = Chain(boards, (Link("uart", 1000, frame_bytes=100, overhead_bytes=4),))
    fields = {"cost_of": lambda _, begin, end: Cost(10 * (end - begin), 5, end - begin), **changes}
    return Problem(**{"chain": chain, "positions": positions, **fields})  # type: ignore[arg-type]


def test_budgets_leave_one_cut() -> None:
    (only,) = search(simple()).placements
    assert only.cuts == (2,)
    assert [(p.begin, p.end, p.cost.flash_bytes, p.tensors, p.sent_bytes) for p in only.parts] == [
        (0, 2, 20, (2,), 34),
        (2, 4, 20, (), 0),
    ]
    assert only.latency_ns == 4 * 10**9 + 34 * 10**6


def test_the_part_that_is_short_is_named() -> None:
    found = search(simple(cost_of=lambda _, begin, end: Cost(13 * (end - begin), 5, 1)))
    assert found.nearest is not None and found.nearest.cuts == (2,)
    assert [(s.budget, s.name, s.board, s.short) for s in found.shortages] == [
        ("flash", "eye", "microbit", 6),
        ("flash", "brain", "nano33ble", 1),
    ]
    found = search(simple(cost_of=lambda _, begin, end: Cost(1, 3 * (end - begin), 1)))
    assert found.placements and not found.shortages and found.nearest is None


def test_what_all_parts_share_is_short_in_time() -> None:
    found = search(simple(wish=Wish("radio", at_most_ns=4 * 10**9)))
    assert [(s.budget, s.part, s.short) for s in found.shortages] == [("latency", None, 34 * 10**6)]


def test_equal_placements_come_by_bytes_then_by_earlier_cuts() -> None:
    roomy = Chain(tuple(replace(p, flash_bytes=100) for p in simple().chain.parts), simple().chain.links)
    found = search(replace(simple(), chain=roomy, wish=Wish("ram")))
    assert [p.cuts for p in found.placements] == [(2,), (3,), (1,)]
    found = search(replace(simple(), chain=roomy, wish=Wish("ram", allow_empty=True)))
    assert [p.cuts for p in found.placements] == [(4,), (0,), (2,), (3,)]


def test_more_parts_than_operators_and_refused_cuts_are_said() -> None:
    lone = replace(simple(), positions=simple().positions[:2])
    assert search(lone).reason == "1 operators cannot fill 2 parts"
    torn = tuple(replace(p, refused="state") if 0 < p.at < 4 else p for p in simple().positions)
    assert search(replace(simple(), positions=torn)).reason == "0 places for 1 cuts; none at 1: state"
    assert "no cuts leave each board (microbit, nano33ble)" in search(simple(cost_of=lambda *_: None)).reason


@pytest.mark.parametrize(
    ("cuts", "said"),
    [((), "0 cuts for 2 parts"), ((0,), "no part may be empty"), ((4,), "no part may be empty"), ((9,), "must rise")],
)
def test_cuts_that_cannot_be_are_refused(cuts: tuple[int, ...], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        place(simple(), cuts)


def test_each_run_of_operators_is_costed_once() -> None:
    asked: list[tuple[int, int, int]] = []

    def cost_of(part: int, begin: int, end: int) -> Cost:
        asked.append((part, begin, end))
        return Cost(50, 5, 1)

    search(simple(cost_of=cost_of))
    searched = asked[:-2]  # the last two are those of the placement that is told of
    assert len(searched) == len(set(searched)) == 6


@pytest.mark.parametrize(
    "make",
    [
        lambda: Link("uart", 0),
        lambda: Link("uart", 1, loss=1.0),
        lambda: Link("uart", 1, loss=float("nan")),
        lambda: PartBudget("a", "b", 1, 0, 1),
        lambda: Chain((PartBudget("a", "b", 1, 1, 1),) * 2, (Link("uart", 1),)),
        lambda: Chain((PartBudget("a", "b", 1, 1, 1),), (Link("uart", 1),)),
        lambda: Chain((), ()),
        lambda: Wish(keep=0),
    ],
)
def test_figures_that_cannot_be_are_refused(make: object) -> None:
    with pytest.raises(SpecError):
        make()  # type: ignore[operator]


def four_ways(wish: Wish, costs: dict[tuple[int, int, int], tuple[int, int]], sizes: dict[int, int]) -> Problem:
    """Six operators over four parts, cut at 1 or 2, at 3, and at 4 or 5.

    `costs` are bytes of arena and milliseconds of (part, begin, end), `sizes` bytes at a cut; a byte on a link, which
    all are radios, takes a nanosecond.
    """
    chain = Chain(
        tuple(PartBudget(f"p{i}", "any", 100, 100, 1000) for i in range(4)),
        (Link("radio", 10**9, frame_bytes=1000, radio=True),) * 3,
    )
    positions = tuple(Boundary(at, (at,), (sizes.get(at, 1),)) for at in range(7))

    def cost_of(part: int, begin: int, end: int) -> Cost | None:
        arena, ms = costs.get((part, begin, end), (1, 0))
        return Cost(1, arena, ms) if part != 1 or end == 3 else None

    return Problem(chain, positions, cost_of, wish)


def test_a_way_that_is_behind_but_quicker_is_not_given_up() -> None:
    """Cut at 1 sends less, so it is ahead at 3; but only what was quicker until there has time for the better end."""
    problem = four_ways(
        Wish("radio", at_most_ns=60 * 10**6, keep=1),
        {(0, 0, 1): (1, 50), (0, 0, 2): (1, 10), (3, 5, 6): (1, 40)},
        {1: 10, 2: 100, 4: 500, 5: 1},
    )
    assert [p.cuts for p in every(problem) if not shortages(p, problem.wish)] == [(1, 3, 4), (2, 3, 4), (2, 3, 5)]
    assert [p.cuts for p in search(problem).placements] == [(2, 3, 5)]


def test_a_way_that_is_behind_in_a_share_that_will_not_count_is_not_given_up() -> None:
    """Cut at 1 has the smaller share at 3; the only end in time has a larger one than both, so bytes decide."""
    problem = four_ways(
        Wish("ram", at_most_ns=60 * 10**6, keep=1),
        {(0, 0, 1): (10, 1), (0, 0, 2): (20, 2), (2, 3, 4): (15, 0), (3, 4, 6): (1, 90), (2, 3, 5): (30, 0)},
        {1: 100, 2: 10},
    )
    assert [p.cuts for p in every(problem) if not shortages(p, problem.wish)] == [(1, 3, 5), (2, 3, 5)]
    assert [p.cuts for p in search(problem).placements] == [(2, 3, 5)]
