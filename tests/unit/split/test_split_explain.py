"""What people are told of cuts: which, why, what came next, and what is short."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tinyops.errors import DoesNotFit
from tinyops.split import Boundary, Chain, Cost, Link, PartBudget, Problem, Wish, explain, search


def doorbell(**changes: object) -> Problem:
    """Five operators over three boards; tensor 7 is made by the first and used by the last."""
    boards = (
        PartBudget("eye", "microbit", 30_000, 8_000, 1_000_000),
        PartBudget("nose", "nano33ble", 60_000, 8_000, 4_000_000),
        PartBudget("brain", "pi4", 1_000_000, 1_000_000, 50_000_000),
    )
    links = (Link("uart", 10_000, 0, 128, 12), Link("ble", 5_000, 10_000, 240, 8, 0.5, True))
    positions = (
        Boundary(0, (0,), (4_000,)),
        *(Boundary(at, (at, 7), (1_000 * at, 500)) for at in range(1, 5)),
        Boundary(5, (9,), (4,)),
    )
    made = Problem(
        Chain(boards, links),
        positions,
        lambda _, begin, end: Cost(20_000 * (end - begin), 6_000, 100_000 * (end - begin)),
        Wish(keep=3),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_the_chosen_and_the_next_best_are_told() -> None:
    lines = explain(doorbell(), search(doorbell())).lines()
    assert [" ".join(line.split()) for line in lines] == [
        "cut at 1, 2: the least time, within every board's flash and RAM",
        "part board operators flash RAM instructions time sends",
        "eye microbit 0-0 20,000 of 30,000 (67%) 6,000 of 8,000 (75%) 100,000 100.0 ms 1,500 B in 1,644, 164.4 ms",
        "nose nano33ble 1-1 20,000 of 60,000 (33%) 6,500 of 8,000 (81%, 500 to pass on) 100,000 25.0 ms "
        "2,500 B in 5,176, 1,045.2 ms",
        "brain pi4 2-4 60,000 of 1,000,000 (6%) 6,000 of 1,000,000 (1%) 300,000 6.0 ms -",
        "1,340.6 ms, 6,820 bytes on links, 5,176 of them over radio, at most 81% of a board's RAM",
        "next best: cut at 1, 3: +435.8 ms, +2,064 bytes over radio, +2,064 bytes on links",
        "next best: cut at 1, 4: +871.6 ms, +4,128 bytes over radio, +4,128 bytes on links",
    ]
    assert len({line.index(" ms") for line in lines[2:5]}) == 1  # columns


def test_bounds_and_a_single_way_are_told() -> None:
    wish = Wish("ram", at_most_ns=1_400 * 10**6, at_most_radio_bytes=6_000)
    lines = explain(doorbell(wish=wish), search(doorbell(wish=wish))).lines()
    assert lines[0].startswith(
        "cut at 1, 2: the smallest share of RAM on the fullest board and at most 1,400.0 ms and at most 6,000 bytes"
    )
    assert lines[-1] == "no other cuts fit"


@pytest.mark.parametrize(
    ("changes", "said", "hint"),
    [
        (
            {"cost_of": lambda _, begin, end: Cost(31_000 * (end - begin), 7_900, 1)},
            "1, 2, is short of it: part 'eye' on microbit needs 31,000 bytes of flash and has 30,000: 1,000 short"
            "; part 'nose' on nano33ble needs 8,400 bytes of RAM and has 8,000: 400 short",
            "a smaller variant of the model first",
        ),
        (
            {"wish": Wish(at_most_ns=1_340 * 10**6)},
            "it takes 1,340.6 ms, 1,340.0 ms are allowed: 0.6 ms too long",
            "faster links",
        ),
        (
            {"wish": Wish(at_most_radio_bytes=5_000)},
            "it sends 5,176 bytes over radio, 5,000 are allowed: 176 over",
            "allow more",
        ),
        ({"cost_of": lambda *_: None}, "no cuts leave each board (microbit, nano33ble, pi4)", "fewer parts"),
    ],
)
def test_what_is_short_is_told(changes: dict[str, object], said: str, hint: str) -> None:
    problem = doorbell(**changes)
    with pytest.raises(DoesNotFit) as caught:
        explain(problem, search(problem))
    assert said in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.031, "+3 points"), (-0.01, "-1 point"), (-0.004, "under a point less"), (0.001, "under a point more")],
)
def test_a_share_that_rounds_to_no_point_says_which_way_it_goes(share: float, said: str) -> None:
    explained = explain(doorbell(), search(doorbell()))
    others = (replace(explained.others[0], more_ram_share=share),)
    assert list(replace(explained, others=others).lines())[-1].endswith(f", {said} of the largest share of RAM")
