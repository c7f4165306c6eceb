"""The state of each device beside its rollout: tables of what is wanted, reported and said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fakes.fleets import NOW, OTHER, Released, ago, gave_up, listed, report, states
from fakes.releases import FLEET
from tinyops.device.provision.devices_file import parse_devices
from tinyops.manifest.document import FileRef
from tinyops.manifest.progress import POSITIONS, position
from tinyops.manifest.report import Running, Slot
from tinyops.reconcile.states import Judging, by_state, converged_share, judge_reports
from tinyops.reconcile.wanting import wanted_of


@pytest.fixture
def released() -> Released:
    return Released()


def named(wave: int, released: Released) -> str:
    """A device of that wave, from 1 on."""
    names = (f"d-{number}" for number in range(1000))
    return next(name for name in names if released.rollout.wave_of(position(FLEET, name)) == wave - 1)


def test_without_a_rollout_everybody_is_wanted_at_once(released: Released) -> None:
    found = released.judge(report("a", released.new), report("b", released.base), in_waves=False)
    assert states(found) == {"a": "converged", "b": "behind"}
    assert {(device.wanted, device.wave) for device in found} == {(released.new, None)}


# Waves reached and state; then the device's wave, what it runs, its slot, and the state that follows.
@pytest.mark.parametrize(
    ("reached", "state", "wave", "runs", "slot", "expected"),
    [
        (1, "advancing", 1, "new", "confirmed", "converged"),
        (1, "advancing", 1, "new", "trial", "on trial"),
        (1, "advancing", 1, "base", "confirmed", "behind"),
        (1, "advancing", 2, "base", "confirmed", "waiting"),
        (1, "advancing", 2, "new", "confirmed", "converged"),
        (2, "holding", 2, "new", "confirmed", "converged"),
        (2, "holding", 3, "base", "confirmed", "waiting"),
        (3, "finished", 3, "base", "confirmed", "behind"),
        (0, "finished", 3, "new", "confirmed", "converged"),
        (2, "halted", 1, "new", "confirmed", "behind"),
        (2, "halted", 1, "base", "confirmed", "waiting"),
        (2, "halted", 1, "base", "reverted", "waiting"),
        (2, "halted", 1, "base", "trial", "on trial"),
        (1, "advancing", 1, "new", "reverted", "behind"),
        (0, None, 1, "base", "confirmed", "waiting"),
        (0, None, 1, "new", "confirmed", "converged"),
        (2, "advancing", 1, "other", "confirmed", "behind"),
        (2, "advancing", 3, "other", "confirmed", "behind"),
        (2, "advancing", 1, None, "empty", "behind"),
    ],
)
def test_states_in_waves(
    released: Released, reached: int, state: str | None, wave: int, runs: str | None, slot: str, expected: str
) -> None:
    if state is not None:
        released.reach(reached, state)
    model = {"new": released.new, "base": released.base, "other": OTHER, None: None}[runs]
    (found,) = released.judge(report(named(wave, released), model, slot=Slot(state=slot)))
    assert (found.state, found.wave) == (expected, wave)


@pytest.mark.parametrize(
    ("reached", "firmware", "version", "expected"),
    [
        (3, "new", 1, "converged"),
        (3, "old", 2, "behind"),
        (3, None, 2, "converged"),
        (3, None, 1, "behind"),
        (0, "old", 2, "waiting"),
        (0, None, 1, "waiting"),
    ],
)
def test_where_only_the_firmware_is_new_it_tells_what_runs(
    released: Released, reached: int, firmware: str | None, version: int, expected: str
) -> None:
    digests = {"old": "sha256:" + "01" * 32, "new": "sha256:" + "02" * 32, None: None}
    offered = released.manifest.fleets[FLEET].boards["linux"]
    old, new = (
        offered.model_copy(update={"firmware": FileRef(digest=digests[n], bytes=1, tag="v1", asset=n)})
        for n in ("old", "new")
    )
    released.before = released.before.model_copy(update={"boards": {"linux": old}})
    entry = released.manifest.fleets[FLEET].model_copy(update={"boards": {"linux": new}})
    released.manifest = released.manifest.model_copy(update={"fleets": {FLEET: entry}})
    released.reach(reached)
    running = Running(
        model=released.new,
        contract=OTHER,
        version=version,
        security_counter=0,
        since=ago(days=1),
        firmware=digests[firmware],
    )
    assert states(released.judge(report("a", running=running))) == {"a": expected}


def test_a_halt_that_holds_leaves_devices_as_they_are(released: Released) -> None:
    released.on_failure = "hold"
    released.reach(1, "halted", reason="3 of 5 crashed")
    first, second = named(1, released), named(2, released)
    found = released.judge(report(first, released.new), report(second, released.base))
    assert states(found) == {first: "waiting", second: "waiting"}
    assert {device.why for device in found} == {"the rollout is halted: 3 of 5 crashed"}


def test_progress_of_an_earlier_rollout_says_nothing_of_this_one(released: Released) -> None:
    released.reach(3, "finished", rollout=1)
    (found,) = released.judge(report("a", released.base))
    assert (found.state, found.why) == ("waiting", "the rollout has not begun")


def test_expired_progress_moves_nobody_back(released: Released) -> None:
    released.reach(3, "advancing", expires=ago(days=1))
    assert states(released.judge(report("a", released.new))) == {"a": "converged"}


@pytest.mark.parametrize(("result", "state"), [("refused", "gave up"), ("reverted", "gave up"), ("failed", "behind")])
def test_a_device_that_gave_up_what_it_is_wanted_to_run_says_why(released: Released, result: str, state: str) -> None:
    found = released.judge(gave_up("a", released.new, "vector 3 differs", result), in_waves=False)
    assert (found[0].state, found[0].why) == (state, f"{result}: vector 3 differs")
    assert states(released.judge(gave_up("a", OTHER, "another one"), in_waves=False)) == {"a": "behind"}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"time": ago(hours=71)}, "converged"),
        ({"time": ago(hours=73)}, "silent"),
        ({"time": ago(hours=1), "seen": ago(hours=73)}, "silent"),
        ({"board": "esp32"}, "unknown"),
    ],
)
def test_who_is_silent_and_who_is_unknown(released: Released, changes: dict[str, Any], state: str) -> None:
    assert states(released.judge(report("a", released.new, **changes), in_waves=False)) == {"a": state}


def test_a_fleet_says_how_long_a_silence_may_be(released: Released) -> None:
    by = Judging(released.manifest, NOW, silent_after={FLEET: timedelta(hours=2)})
    assert states(judge_reports([report("a", released.new, time=ago(hours=3))], by)) == {"a": "silent"}


def test_lists_say_who_counts_and_who_is_missing(released: Released) -> None:
    lists = {FLEET: listed("a,linux", "b,linux", "c,linux,,,2027-01-01", "e,linux,,,2027-01-01")}
    reports = [report(name, released.new) for name in ("a", "c", "d")]
    found = released.judge(*reports, lists=lists, in_waves=False)
    assert states(found) == {"a": "converged", "b": "unreported", "c": "revoked", "d": "unknown"}
    assert converged_share(found) == 0.5
    assert [*by_state(found)] == [("converged", 1), ("unreported", 1), ("unknown", 1), ("revoked", 1)]


def test_a_gateway_that_runs_no_model_of_its_fleet_is_not_waited_for(released: Released) -> None:
    lists = {FLEET: listed("a,linux", "hall-3,pico", "b,pico")}
    found = released.judge(report("a", released.new, reporter="hall-3"), lists=lists, in_waves=False)
    assert states(found) == {"a": "converged", "b": "unreported"}


def test_a_fleet_without_reports_is_not_converged(released: Released) -> None:
    found = released.judge(lists={FLEET: listed("a,linux", "b,linux")}, in_waves=False)
    assert set(states(found).values()) == {"unreported"} and converged_share(found) == 0.0


def test_parts_of_a_chain_stand_in_their_chains_wave(released: Released) -> None:
    released.reach(1)
    chain, late = named(1, released), named(3, released)
    part = next(n for n in (f"p-{i}" for i in range(1000)) if released.rollout.wave_of(position(FLEET, n)) == 2)
    lists = {
        FLEET: parse_devices(f"id,board,chain\n{part},linux,{chain}\n{late},linux,{chain}\nx,linux,{late}\n", where="f")
    }
    found = {d.device: d for d in released.judge(report(part, released.base), report("x", released.base), lists=lists)}
    assert {name: (d.state, d.wave) for name, d in found.items()} == {
        part: ("behind", 1),
        late: ("unreported", 1),
        "x": ("waiting", 3),
    }


CHIP, OTHER_CHIP = "00112233aabbccdd", "ffffffffffffffff"


def test_two_devices_with_one_chip_are_clones_unless_a_list_says_whose_it_is(released: Released) -> None:
    both = [report(name, released.new, silicon=CHIP) for name in ("a", "b")]
    assert states(released.judge(*both, in_waves=False)) == {"a": "cloned", "b": "cloned"}
    lists = {FLEET: listed(f"a,linux,,,,{CHIP}", "b,linux")}
    found = released.judge(*both, lists=lists, in_waves=False)
    assert states(found) == {"a": "converged", "b": "cloned"}
    assert found[1].why == f"its chip {CHIP} is that of a"


def test_another_chip_than_the_enrolled_one_is_a_swap_and_an_unlisted_one_is_not(released: Released) -> None:
    lists = {FLEET: listed(f"a,linux,,,,{CHIP}", "b,linux")}
    reports = [report("a", released.new, silicon=OTHER_CHIP), report("b", released.new, silicon="aa" * 8)]
    found = released.judge(*reports, lists=lists, in_waves=False)
    assert states(found) == {"a": "cloned", "b": "converged"}
    assert "it was enrolled with" in found[0].why


def test_a_device_that_moved_to_another_fleet_is_no_clone_of_itself(released: Released) -> None:
    moved = [report("a", released.new, silicon=CHIP), report("a", released.new, silicon=CHIP, fleet="gone")]
    assert {device.state for device in released.judge(*moved, in_waves=False)} == {"converged", "unknown"}


def test_thresholds_are_shares_of_all_positions(released: Released) -> None:
    released.reach(2)
    assert [round(share, 6) for share in released.judging().rollouts[FLEET].shares()] == [0.1, 0.5, 1.0]
    inside = sum(position(FLEET, f"d-{n}") < POSITIONS // 10 for n in range(1000))
    assert 70 < inside < 130
    wanted = wanted_of(released.manifest, released.judging().rollouts, FLEET, "linux", named(1, released))
    assert wanted is not None and (wanted.choice, wanted.version, wanted.model) == ("new", 2, released.new)
