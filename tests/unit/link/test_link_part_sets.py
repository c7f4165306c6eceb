"""Which set a part of a chain runs, as parts in Python decide it; tests/build/test_part_sets.py is about parts in C."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.set_world import A, B, Rules, World, explore, find_cycle, start
from tinyops.link.part_sets import SetDecision, SetView, decide
from tinyops.link.parts import NO_SET

C = b"C" * 16


def ends(found: dict[World, list[World]]) -> list[World]:
    return [world for world, steps in found.items() if not steps]


@pytest.mark.parametrize(("parts", "faults"), [(2, 0), (2, 3), (3, 0)])
def test_parts_that_have_a_set_in_common_end_in_one(parts: int, faults: int) -> None:
    found = explore(start(parts), Rules(decide, faults))
    assert find_cycle(found) is None
    assert all(len(world.sets) == 1 for world in ends(found) if world.common)
    everybody = [world for world in ends(found) if world.given == 2**parts - 1 and not world.faults]
    assert everybody and all(world.sets == {B} for world in everybody)


@pytest.mark.parametrize("refusing", [0, 1, 2])
def test_one_that_refuses_keeps_all(refusing: int) -> None:
    found = explore(start(3), Rules(decide, 0, refusing))
    assert all(world.sets == {A} for world in found)
    assert any(world.given.bit_count() == 2 for world in ends(found))


def test_the_way_back_is_the_same_way() -> None:
    """All ran A before, and the first is asked for it."""
    first = start(3)
    parts = [replace(part, running=B, spare=A, kind="able") for part in first.parts]
    parts[0] = replace(parts[0], kind="wished")
    found = explore(replace(first, parts=tuple(parts), ran=frozenset({B}), given=7), Rules(decide, 0))
    assert find_cycle(found) is None and all(world.sets == {A} for world in ends(found))


def test_a_last_part_that_only_follows_goes_round_for_ever() -> None:
    """What the exploration is for: the rule that it took to end."""

    def following(view: SetView) -> SetDecision:
        decision = decide(view)
        return replace(decision, switches=view.spare == decision.offered) if view.is_last else decision

    assert find_cycle(explore(start(2), Rules(following, 2))) is not None


def test_a_part_that_switches_without_a_commit_is_found() -> None:
    def rash(view: SetView) -> SetDecision:
        return replace(decide(view), switches=view.spare not in (NO_SET, view.running))

    with pytest.raises(AssertionError, match="part 0 switches without a commit"):
        explore(start(2), Rules(rash))


def test_the_same_set_made_anew_is_nobody_elses_matter() -> None:
    view = SetView(1, 3, running=A, spare=A, wished=True)
    assert decide(view).switches and not decide(replace(view, wished=False)).switches


def test_what_is_doubted_is_never_offered_and_yet_a_commit_is_followed() -> None:
    view = SetView(0, 2, running=A, spare=B, wished=True, doubted=True)
    decision = decide(view)
    assert (decision.offered, decision.also, decision.wished) == (A, NO_SET, False) and not decision.switches
    assert decide(replace(view, committed=B)).switches


def test_only_what_every_part_can_run_is_passed_on() -> None:
    view = SetView(1, 3, running=A, spare=B, offered=C, also=A, offer_wished=True)
    decision = decide(view)
    assert (decision.offered, decision.also, decision.wished) == (A, NO_SET, False)
    assert decide(replace(view, offered=B)).wished


def test_nobody_switches_to_none() -> None:
    """Nothing told, nothing held: zeros are no set."""
    for position in range(3):
        assert not decide(SetView(position, 3, running=A)).switches
        assert not decide(SetView(position, 3, running=NO_SET)).switches
