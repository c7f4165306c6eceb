"""Exact cuts of a model of 100 operators over 4 boards: the time it takes, and how many states and labels there are.

python benchmarks/bench_split.py [--operators N] [--parts P]

Operators and their costs are drawn with a fixed seed; boards are a quarter to a half larger than an even share.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from _timing import budget, heading, interleaved, table

from tinyops.split import Boundary, Chain, Cost, Found, Link, PartBudget, Problem, Wish, search

LIMIT_S = 1.0
MS = 10**6


@dataclass(frozen=True)
class Drawn:
    """A model's operators: bytes of weights, bytes that are live while each runs, instructions; a kernel is shared."""

    weights: tuple[int, ...]
    live: tuple[int, ...]
    instructions: tuple[int, ...]
    kernels: tuple[int, ...]
    crossing: tuple[int, ...]

    def cost(self, part: int, begin: int, end: int) -> Cost:
        kinds = sorted(set(self.kernels[begin:end]))
        slower = 2 if part % 2 else 1
        return Cost(
            3000 + sum(self.weights[begin:end]) + 500 * len(kinds),
            max(self.live[begin:end]),
            slower * sum(self.instructions[begin:end]),
        )


def drawn(operators: int) -> Drawn:
    some = random.Random(9)  # noqa: S311 figures, no secrets

    def values(low: int, high: int, count: int = operators) -> tuple[int, ...]:
        return tuple(some.randrange(low, high) for _ in range(count))

    return Drawn(
        values(200, 8000), values(8_000, 48_000), values(50_000, 3_000_000), values(0, 9),
        values(500, 12_000, operators + 1),
    )  # fmt: skip


def problem(model: Drawn, parts: int, wish: Wish, roomy: int = 1) -> Problem:
    slot = roomy * (6000 + sum(model.weights) * 4 // (3 * parts))
    arenas = itertools.cycle((48 << 10, 56 << 10, 64 << 10))
    boards = tuple(PartBudget(f"part{i}", f"board{i}", slot, next(arenas), 64_000_000) for i in range(parts))
    kinds = itertools.cycle((Link("uart", 100_000, 200, 128, 12), Link("ble", 20_000, 15_000, 240, 16, 0.05, True)))
    links = tuple(next(kinds) for _ in range(parts - 1))
    positions = tuple(Boundary(at, (at, -1 - at // 3), (size, 200)) for at, size in enumerate(model.crossing))
    return Problem(Chain(boards, links), positions, model.cost, wish)


def wishes(model: Drawn, parts: int) -> Iterator[tuple[str, Problem]]:
    fastest = search(problem(model, parts, Wish(keep=1))).placements[0].latency_ns
    for minimise in ("latency", "radio", "ram"):
        yield minimise, problem(model, parts, Wish(minimise))
    yield "radio, latency bounded", problem(model, parts, Wish("radio", at_most_ns=fastest * 21 // 20))
    yield "ram, latency bounded", problem(model, parts, Wish("ram", at_most_ns=fastest * 21 // 20))
    yield "ram, all cuts fit", problem(model, parts, Wish("ram", at_most_ns=fastest * 3), roomy=parts)
    roomy = search(problem(model, parts, Wish(keep=1), roomy=parts)).placements[0].latency_ns
    for minimise in ("radio", "ram"):
        wish = Wish(minimise, at_most_ns=roomy * 3 // 2, at_most_radio_bytes=5000)
        yield f"{minimise}, all cuts fit, both bounded", problem(model, parts, wish, roomy=parts)
    yield "latency, nothing fits", problem(model, parts, Wish(at_most_ns=fastest - 1))


def row(name: str, found: Found, seconds: float, ways: int) -> list[str]:
    best = found.placements[0] if found.placements else found.nearest
    assert best is not None
    figures = f"{best.latency_ns / MS:,.1f} ms, {best.radio_bytes:,} B of radio, {best.ram_share:.0%} of RAM"
    cuts = " ".join(map(str, best.cuts))
    return [name, f"{seconds:.3f} s", budget(seconds, LIMIT_S), f"{found.states:,}", f"{found.labels:,}",
            f"{ways:,}", cuts, figures]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operators", type=int, default=100)
    parser.add_argument("--parts", type=int, default=4)
    options = parser.parse_args()
    heading(f"exact cuts: {options.operators} operators over {options.parts} boards, the 4 best of each")
    model = drawn(options.operators)
    ways = math.comb(options.operators - 1, options.parts - 1)
    cases = dict(wishes(model, options.parts))
    samples = interleaved({name: lambda case=case: search(case) for name, case in cases.items()}, 3)
    rows = [row(name, search(case), samples[name].median_s, ways) for name, case in cases.items()]
    table(["minimised", "time", "budget", "states", "labels", "placements", "cuts", "best"], rows)


if __name__ == "__main__":
    main()
