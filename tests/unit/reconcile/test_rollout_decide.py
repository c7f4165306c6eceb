"""When the next wave begins, when a rollout waits, halts or ends: every rule, then all of them at random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.faults import count_faults
from fakes.rollouts import HOUR, NEW, OLD, START, Fleet, gave_up, offer, report, rules
from tinyops.device.provision.devices_file import parse_devices
from tinyops.errors import UsageError
from tinyops.manifest.envelope import seal
from tinyops.manifest.fields import read_time, time_text
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.progress import POSITIONS, QUARANTINED_MAX, Progress, Quarantined, position
from tinyops.reconcile.rollout.choices import halt, hold, resume
from tinyops.reconcile.rollout.decide import LIFE, count_waves, wave_of
from tinyops.reconcile.rollout.stepping import counting
from tinyops.reconcile.rollout.waves import thresholds, wave_sizes
from tinyops.specs.rollout import RolloutHealth, Wave

FIRST = 7 * 365 * 24 * 60 + 2 * 24 * 60  # minutes from 2020 to 2027: a document that follows none
MODEL = NEW.model.digest.removeprefix("sha256:")


def at(fleet: Fleet) -> tuple[str, int, int]:
    assert fleet.progress is not None
    return fleet.progress.state, fleet.progress.waves, fleet.progress.sequence - FIRST


def begun(**more: Any) -> Fleet:
    """A fleet whose first wave has begun an instant ago."""
    fleet = Fleet(**more)
    fleet.step()
    return fleet


# -- the way it should go ----------------------------------------------------------------------


def test_four_steps_end_a_rollout_in_which_all_is_well() -> None:
    fleet = Fleet()
    assert fleet.step().says == "wave 1 of 3 begins"
    assert at(fleet) == ("advancing", 1, 1)
    for wave in (2, 3):
        fleet.obedient()
        assert "soaks until" in fleet.step(23.9).says
        fleet.obedient()
        assert fleet.step(0.1).says == f"wave {wave} of 3 begins"
    fleet.obedient()
    assert fleet.soak(24).says == "every wave has soaked"
    assert at(fleet) == ("finished", 3, 4)
    assert [len(fleet.up_to(wave)) for wave in (1, 2, 3)] == [2, 5, 20]
    assert fleet.step(1).progress is None


def test_a_step_taken_twice_changes_nothing() -> None:
    fleet = begun()
    fleet.obedient()
    for hours in (0, 1, 24, 0, 0):
        fleet.soak(hours)
        fleet.obedient()
        assert fleet.step().progress is None


def test_a_document_is_made_anew_when_half_of_its_life_is_over() -> None:
    fleet = begun(rules=rules(soak_h=24 * 300, silent_after_h=24 * 300))
    first = fleet.progress
    assert first is not None and read_time(first.expires) == fleet.now + LIFE
    assert fleet.step(71).progress is None
    again = fleet.step(2).progress
    assert again is not None and again.sequence - FIRST == 2
    assert (again.since, again.waves, read_time(again.expires)) == (first.since, 1, fleet.now + LIFE)


@pytest.mark.parametrize("state", ["halted", "finished"])
def test_a_rollout_that_ended_stays_so_and_is_signed_again(state: str) -> None:
    fleet = begun()
    assert fleet.progress is not None
    fleet.progress = fleet.progress.model_copy(update={"state": state, "reason": "why"})
    fleet.obedient()
    assert fleet.step(24).says.startswith(f"{state} since 2027-01-01")
    assert fleet.step(72).progress is not None
    assert at(fleet) == (state, 1, 2)


def test_the_next_rollout_begins_anew_and_knows_what_was_quarantined() -> None:
    fleet = begun()
    assert fleet.progress is not None
    fleet.progress = halt(fleet.progress, fleet.entry, fleet.rollout, fleet.now, "it smells")
    fleet.version, fleet.new = 9, offer("newer", version=9)
    fleet.step(1)
    assert at(fleet) == ("advancing", 1, 3)
    assert fleet.progress.rollout == 9 and [(q.digest, q.rollout) for q in fleet.progress.quarantined] == [(MODEL, 7)]


# -- what a wave must show ---------------------------------------------------------------------


def test_a_wave_waits_for_those_on_their_way_but_not_for_ever() -> None:
    fleet = begun()
    fleet.say(*fleet.names, model=OLD, version=6)
    one, two = fleet.up_to(1)
    fleet.now += 12 * HOUR
    fleet.say(one)
    assert "waits, 1 of 2 devices well, 80% must be by 2027-01-04T00:00:00Z" in fleet.step(12).says
    fleet.say(one)
    fleet.say(two, model=OLD, version=6)
    assert "waits" in fleet.step(47.9).says
    fleet.say(one)
    fleet.say(two, model=OLD, version=6)
    assert fleet.step(0.2).says == (
        f"halted: wave 1: 1 of 2 devices are silent, late or failed, 80% must be well: {two}: it does not run it yet"
    )


def test_one_dead_device_stops_nobody() -> None:
    fleet = begun(rules=rules(Wave(canary=5), Wave(share=1)))
    dead = fleet.up_to(1)[0]
    for _ in range(2):
        fleet.obedient()
        del fleet.reports[dead]
        fleet.soak(24)
    assert at(fleet)[0] == "finished"


@pytest.mark.faults
def test_a_wave_that_dies_halts_the_rollout_at_its_deadline() -> None:
    fleet = begun()
    assert "waits, 0 of 2" in fleet.step(71.9).says
    said = fleet.step(0.2).says
    assert said.startswith("halted: wave 1: 2 of 2 devices are silent, late or failed") and "it never reported" in said
    assert fleet.progress is not None
    assert [(q.digest, q.rollout) for q in fleet.progress.quarantined] == [(MODEL, 7)]
    count_faults("canary waves that died as a whole", 1)


@pytest.mark.faults
def test_canaries_that_die_within_the_soak_let_no_wave_pass() -> None:
    """They were well for an hour: that does not count at the end of a day, long before they are silent."""
    fleet = begun()
    fleet.now += HOUR
    fleet.obedient()
    assert "soaks until 2027-01-02T00:00:00Z, 2 of 2 devices well" in fleet.step(1).says
    assert "waits, 0 of 2 devices well" in fleet.step(22).says
    assert fleet.step(49.1).says.startswith("halted: wave 1: 2 of 2 devices are silent, late or failed")
    assert at(fleet)[:2] == ("halted", 1)
    count_faults("canary waves that died within their soak", 1)


def test_a_canary_that_is_heard_of_again_lets_its_wave_pass() -> None:
    fleet = begun()
    fleet.obedient()
    assert "waits, 0 of 2 devices well" in fleet.step(24).says
    fleet.obedient()
    assert fleet.step().says == "wave 2 of 3 begins"


def test_a_wave_that_passed_and_dies_later_halts_the_rollout_too() -> None:
    fleet = begun()
    fleet.obedient()
    assert fleet.soak(24).says == "wave 2 of 3 begins"
    last = {name: fleet.reports[name] for name in fleet.up_to(1)}
    fleet.now += 71.5 * HOUR
    fleet.obedient()
    fleet.reports |= last
    said = fleet.step(1).says
    assert said.startswith("halted: wave 1: 2 of 2 devices are silent") and "it was last heard of at" in said


@pytest.mark.parametrize(
    ("health", "limits", "why"),
    [
        ({"self_test": "fail"}, {}, "its self-test fails"),
        ({"self_test": "fail"}, {"self_test": None}, ""),
        ({"crashes": 2}, {"crashes_per_day_max": 1}, "2 crashes in 1.0 days"),
        ({"crashes": 1}, {"crashes_per_day_max": 1}, ""),
        ({"crashes": 9}, {}, ""),
        ({"crashes": 9, "since_days": 10}, {"crashes_per_day_max": 1}, ""),
        ({"crashes": 11, "since_days": 10}, {"crashes_per_day_max": 1}, "11 crashes in 10.0 days"),
    ],
)
def test_a_device_that_is_not_well_has_failed(health: dict[str, Any], limits: dict[str, Any], why: str) -> None:
    fleet = begun(rules=rules(health=RolloutHealth(**limits)))
    days = health.pop("since_days", 0)
    fleet.obedient()
    ill = fleet.up_to(1)[0]
    fleet.say(ill, since=fleet.now - timedelta(days=days), **health)
    said = fleet.step(1).says
    assert said == (f"halted: wave 1: 1 of 2 devices failed, 5% may: {ill}: {why}" if why else said)
    assert (at(fleet)[0] == "halted") == bool(why)


@pytest.mark.parametrize(
    ("result", "version", "fails"),
    [
        ("reverted", 7, True),
        ("refused", 8, True),
        ("reverted", None, True),
        ("failed", 7, False),
        ("reverted", 6, False),
    ],
)
def test_a_device_that_gave_it_up_has_failed(result: str, version: int | None, fails: bool) -> None:
    fleet = begun()
    fleet.obedient()
    fleet.say(fleet.up_to(1)[0], model=OLD, last=gave_up(fleet.now, version, result), slot="reverted")
    assert ("reverted: self-test: vector 3 differs" in fleet.step(1).says) == (fails and result == "reverted")
    assert (at(fleet)[0] == "halted") == fails


def test_a_part_that_left_the_new_program_has_failed_though_it_runs_the_new_model() -> None:
    fleet = begun()
    fleet.obedient()
    fleet.say(fleet.up_to(1)[0], model=NEW, last=gave_up(fleet.now, 7, "reverted"), slot="reverted")
    assert "reverted: self-test: vector 3 differs" in fleet.step(1).says and at(fleet)[0] == "halted"


def test_some_may_fail_where_the_spec_says_so() -> None:
    health = RolloutHealth(failures_max_share=0.5, min_reporting_share=0.5)
    fleet = begun(rules=rules(health=health))
    for _ in range(3):
        fleet.obedient()
        fleet.say(fleet.names[0], self_test="fail")
        fleet.soak(24)
    assert at(fleet)[0] == "finished"


def test_a_device_on_trial_is_not_there_yet_and_one_that_reverted_is_no_success() -> None:
    fleet = begun()
    fleet.say(*fleet.up_to(1), slot="trial")
    assert "0 of 2 devices well" in fleet.step(24).says
    fleet.say(*fleet.up_to(1), slot="reverted")
    assert "0 of 2 devices well" in fleet.step(0.1).says


def test_devices_of_later_waves_do_not_matter() -> None:
    fleet = begun()
    fleet.obedient()
    fleet.say(*fleet.names[2:], self_test="fail", model=NEW)
    assert fleet.soak(24).says == "wave 2 of 3 begins"


# -- old reports, wrong clocks -----------------------------------------------------------------


def test_a_report_from_when_the_same_model_ran_before_proves_nothing() -> None:
    fleet = Fleet()
    fleet.say(*fleet.names, version=3)  # v3 offered the same model
    for name in fleet.names:
        fleet.reports[name] = report(name, fleet.now, 3)
    fleet.step(1)
    assert "0 of 2 devices well" in fleet.step(24).says
    for name in fleet.up_to(1):
        fleet.reports[name] = report(name, fleet.now, 7)
    assert fleet.step().says == "wave 2 of 3 begins"


@pytest.mark.parametrize("years", [-40, 40])
def test_a_device_whose_clock_is_wrong_by_years_counts_until_it_is_silent(years: int) -> None:
    fleet = begun(rules=rules(Wave(share=1), soak_h=100, silent_after_h=99))
    when = fleet.now + timedelta(days=365 * years)
    for name in fleet.names:
        fleet.reports[name] = report(name, when, since=when)
    assert "20 of 20 devices well" in fleet.step(50).says
    fleet.step(51)
    assert at(fleet)[0] == "halted"


@pytest.mark.faults
@pytest.mark.parametrize("years", [-40, 40])
def test_a_wrong_clock_alone_holds_no_wave_up_and_hides_no_death(years: int) -> None:
    fleet = begun()
    for wave in (2, 3):
        when = fleet.now + timedelta(days=365 * years)
        for name in fleet.up_to(wave - 1):
            fleet.reports[name] = report(name, when, since=when)
        assert fleet.step(24).says == f"wave {wave} of 3 begins"
    assert fleet.step(25).says.startswith("halted: wave 1: 2 of 2 devices are silent")
    count_faults("canaries with a wrong clock that died", 1)


def test_new_firmware_under_the_same_model_is_told_by_firmware_or_version() -> None:
    old, new = offer("same", firmware="fw-1"), offer("same", firmware="fw-2")
    fleet = begun(old=old, new=new)
    firmwares = [board.firmware.digest for board in (old, new) if board.firmware]
    for name in fleet.up_to(1):
        fleet.reports[name] = report(name, fleet.now, 7, model=new, firmware=firmwares[0])
    assert "0 of 2" in fleet.step(24).says
    for name in fleet.up_to(1):
        fleet.reports[name] = report(name, fleet.now, 6, model=new, firmware=firmwares[1])
    assert fleet.step().says == "wave 2 of 3 begins"
    for name in fleet.up_to(2):
        fleet.reports[name] = report(name, fleet.now, 7, model=new)
    assert fleet.soak(24).says == "wave 3 of 3 begins"


@pytest.mark.parametrize("hours", [-1, -24 * 365 * 30])
def test_a_clock_that_goes_back_moves_nothing(hours: float) -> None:
    fleet = begun()
    fleet.obedient()
    fleet.soak(24)
    fleet.obedient()
    said = fleet.step(hours)
    assert said.progress is None and "nothing goes on by a clock that goes back" in said.says
    assert fleet.soak(-hours + 24).says == "wave 3 of 3 begins"


def test_a_clock_that_is_minutes_behind_is_another_machines() -> None:
    fleet = begun()
    fleet.obedient()
    fleet.soak(24)
    assert "soaks until" in fleet.step(-0.1).says


def test_a_release_older_than_the_rollout_moves_nothing() -> None:
    fleet = begun()
    fleet.version = 5
    assert (fleet.step(24).progress, "newer than the release" in fleet.step().says) == (None, True)


# -- without reports, without a list -----------------------------------------------------------


def test_without_reports_waves_wait_unless_the_spec_lets_them_go_by_time() -> None:
    fleet = begun(reporting=False)
    assert "the project has no `reports`" in fleet.step(24 * 30).says
    fleet.but(without_reports="advance")
    assert fleet.step().says == "wave 2 of 3 begins"
    assert "soaks until" in fleet.step(23).says
    fleet.step(1)
    assert fleet.soak(24).says == "every wave has soaked"


def test_boards_that_never_report_go_by_time_where_the_spec_says_so() -> None:
    """Those that poll alone, in a project whose other devices report: the first report ends that."""
    fleet = begun()
    fleet.step(73)
    assert fleet.progress is not None and fleet.progress.state == "halted", "unless the spec says so"
    fleet = begun(rules=rules(without_reports="advance"))
    assert [fleet.step(24).says for _ in range(3)] == [
        "wave 2 of 3 begins",
        "wave 3 of 3 begins",
        "every wave has soaked",
    ]
    fleet = begun(rules=rules(without_reports="advance"))
    fleet.say(fleet.names[0], model=OLD, version=6)
    assert "waits, 0 of 2 devices well" in fleet.step(24).says
    fleet.step(73)
    assert fleet.progress is not None and fleet.progress.state == "halted"


def test_a_fleet_without_a_list_counts_who_reports() -> None:
    fleet = begun(listed=False, rules=rules(Wave(share=0.5), Wave(share=1)))
    assert "nobody reports and no file lists devices" in fleet.step(24 * 30).says
    fleet.obedient()
    assert fleet.step().says == "wave 2 of 2 begins"


def test_a_wave_in_which_nobody_is_does_not_soak() -> None:
    fleet = begun(size=0)
    assert [fleet.step().says for _ in range(3)] == [
        "wave 2 of 3 begins",
        "wave 3 of 3 begins",
        "every wave has soaked",
    ]


def test_devices_of_a_board_that_the_fleet_does_not_have_do_not_count() -> None:
    fleet = begun()
    situation = fleet.situation()
    others = [type(d)(d.name, "other", d.position) for d in situation.devices]
    assert fleet.progress is not None
    counts = count_waves(type(situation)(**{**vars(situation), "devices": others}), fleet.progress, fleet.rules)
    assert [wave.devices for wave in counts] == [0]


# -- people ------------------------------------------------------------------------------------


def test_a_spec_that_holds_lets_no_wave_begin_and_goes_on_by_itself() -> None:
    fleet = Fleet(rules=rules(hold="the fair is on"))
    assert fleet.step().says == "held by its spec: the fair is on"
    assert at(fleet) == ("holding", 0, 1)
    assert fleet.step(1).progress is None
    fleet.but(hold=None)
    assert fleet.step(100).says == "wave 1 of 3 begins"
    fleet.but(hold="the fair is on")
    fleet.obedient()
    fleet.soak(24)
    assert at(fleet) == ("holding", 1, 3)
    fleet.but(hold=None)
    assert fleet.step().says == "wave 2 of 3 begins"


def test_a_held_rollout_halts_all_the_same() -> None:
    fleet = begun(rules=rules())
    fleet.but(hold="the fair is on")
    fleet.step()
    fleet.say(*fleet.up_to(1), self_test="fail")
    fleet.step(1)
    assert at(fleet)[0] == "halted"


def test_a_persons_hold_ends_with_a_person() -> None:
    fleet = begun()
    assert fleet.progress is not None
    fleet.progress = hold(fleet.progress, fleet.now, "eve: over the holidays")
    fleet.obedient()
    assert fleet.soak(24).says == "held: eve: over the holidays"
    assert at(fleet) == ("holding", 1, 2)
    fleet.progress = resume(fleet.progress, fleet.entry, fleet.rollout, fleet.now)
    assert fleet.step().says == "wave 2 of 3 begins"


def test_a_person_halts_even_what_had_ended_and_lets_it_go_on_again() -> None:
    fleet = begun(rules=rules(Wave(share=1)))
    fleet.obedient()
    fleet.soak(24)
    assert at(fleet)[0] == "finished" and fleet.progress is not None
    fleet.progress = halt(fleet.progress, fleet.entry, fleet.rollout, fleet.now, "eve: it hums")
    assert fleet.progress.quarantined
    fleet.say(*fleet.names, model=OLD, version=6, last=gave_up(fleet.now), slot="reverted")
    fleet.now += HOUR
    fleet.progress = resume(fleet.progress, fleet.entry, fleet.rollout, fleet.now)
    assert not fleet.progress.quarantined
    assert "soaks until" in fleet.step(1).says
    fleet.say(fleet.names[0], model=OLD, version=6, last=gave_up(fleet.now))
    fleet.say(*fleet.names[1:])
    assert fleet.soak(24).says == "every wave has soaked"  # one of twenty


@pytest.mark.parametrize("back", [0, 2])
def test_after_a_resume_earlier_waves_have_their_time_again(back: int) -> None:
    """They went back when it halted: that they do not run it yet says nothing against it, until their deadline."""
    waves = [Wave(canary=2), Wave(share=0.25), Wave(share=0.5), Wave(share=0.75), Wave(share=1)]
    fleet = begun(rules=rules(*waves))
    for _ in range(3):
        fleet.obedient()
        fleet.soak(24)
        fleet.obedient()
    assert at(fleet)[:2] == ("advancing", 4) and fleet.progress is not None
    fleet.progress = halt(fleet.progress, fleet.entry, fleet.rollout, fleet.now, "eve: it hums")
    fleet.say(*fleet.names, model=OLD, version=6)
    fleet.now += HOUR
    fleet.progress = resume(fleet.progress, fleet.entry, fleet.rollout, fleet.now)
    assert "soaks until" in fleet.step(1).says
    fleet.now += 12 * HOUR
    fleet.say(*fleet.names[back:])
    fleet.say(*fleet.names[:back], model=OLD, version=6)
    says = "wave 1 of 5: waits, 0 of 2 devices well" if back else "wave 5 of 5 begins"
    assert says in fleet.step(11).says
    if back:  # nor are they waited for without an end
        fleet.say(*fleet.names[back:])
        fleet.say(*fleet.names[:back], model=OLD, version=6)
        assert fleet.step(49).says.startswith("halted: wave 1: 2 of 2 devices are silent, late or failed")


@pytest.mark.parametrize(
    ("state", "can"), [("halted", {"resume"}), ("finished", {"halt"}), ("advancing", {"hold", "halt"})]
)
def test_what_cannot_be_chosen_is_said(state: str, can: set[str]) -> None:
    fleet = begun()
    assert fleet.progress is not None
    now = fleet.progress.model_copy(update={"state": state})
    acts: dict[str, Callable[[], Progress]] = {
        "hold": lambda: hold(now, fleet.now, "x"),
        "resume": lambda: resume(now, fleet.entry, fleet.rollout, fleet.now),
        "halt": lambda: halt(now, fleet.entry, fleet.rollout, fleet.now, "x"),
    }
    for name, act in acts.items():
        if name in can:
            assert act().sequence == now.sequence + 1
        else:
            with pytest.raises(UsageError, match="the rollout of v7 is"):
                act()


def test_nobody_but_the_spec_ends_its_hold() -> None:
    fleet = Fleet(rules=rules(hold="the fair is on"))
    fleet.step()
    assert fleet.progress is not None
    with pytest.raises(UsageError, match="the fleet's spec holds its rollout"):
        resume(fleet.progress, fleet.entry, fleet.rollout, fleet.now)


# -- everything at once ------------------------------------------------------------------------

MOVES = st.sampled_from(
    ["obey", "silence", "fail", "trial", "back", "nothing", "hold", "resume", "halt", "spec", "clock"]
)


def move(fleet: Fleet, name: str, device: int) -> None:
    """One thing that may happen between two steps."""
    who = fleet.names[device % fleet.size]
    if name == "obey":
        fleet.obedient()
    elif name == "silence":
        fleet.reports.pop(who, None)
    elif name in ("fail", "trial", "back"):
        more: dict[str, dict[str, Any]] = {
            "fail": {"self_test": "fail"},
            "trial": {"slot": "trial"},
            "back": {"last": gave_up(fleet.now), "model": OLD},
        }
        fleet.say(who, **more[name])
    elif name == "spec":
        fleet.but(hold=None if fleet.rules.hold else "for now")
    elif name == "clock":
        fleet.now -= timedelta(days=device)
    elif fleet.progress is not None:
        person(fleet, fleet.progress, name)


def person(fleet: Fleet, before: Progress, name: str) -> None:
    try:
        if name == "hold":
            fleet.progress = hold(before, fleet.now, "x")
        elif name == "resume":
            fleet.progress = resume(before, fleet.entry, fleet.rollout, fleet.now)
        elif name == "halt":
            fleet.progress = halt(before, fleet.entry, fleet.rollout, fleet.now, "x")
    except UsageError:
        pass


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(MOVES, st.integers(0, 19), st.sampled_from([0, 1, 12, 24, 73])), max_size=25), st.integers(1, 20)
)
def test_whatever_happens_between_steps(moves: list[tuple[str, int, float]], size: int) -> None:
    fleet = Fleet(size)
    for name, device, hours in moves:
        before = fleet.progress
        move(fleet, name, device)
        by_person = fleet.progress if fleet.progress is not before else None
        last = fleet.progress
        made = fleet.step(hours).progress
        if made is None or last is None:
            continue
        assert made.sequence == last.sequence + 1 and made.time >= last.time
        assert last.waves <= made.waves <= min(last.waves + 1, len(fleet.waves))
        if made.waves > last.waves and last.waves:
            nobody = wave_sizes(fleet.waves, "f", fleet.names)[last.waves - 1] == 0
            assert nobody or read_time(last.since) + 24 * HOUR <= fleet.now + timedelta(minutes=10)
        if last.state in ("halted", "finished"):
            assert made.state == last.state and made.waves == last.waves
        if last.held_by == "person" and by_person is None:
            assert made.held_by == "person" or made.state == "halted"
        assert made.state != "halted" or made.quarantined


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.integers(0, 19), st.sampled_from(["silent", "old", "trial", "fail", "late"]), max_size=20),
    st.integers(1, 20),
    st.sampled_from([0.0, 1.0, 24.0, 100.0]),
)
def test_no_rollout_lasts_for_ever(wrong: dict[int, str], size: int, soak_h: float) -> None:
    """Whatever devices do, it ends within the waves' soaks and deadlines: finished, or halted."""
    fleet = Fleet(size, rules=rules(soak_h=soak_h))
    steps = 0
    while fleet.progress is None or fleet.progress.state not in ("halted", "finished"):
        fleet.step(6)
        fleet.obedient()
        for number, how in wrong.items():
            who = fleet.names[number % size]
            more: dict[str, Any] = {"old": {"model": OLD, "version": 6}, "trial": {"slot": "trial"}}.get(how, {})
            fleet.say(who, **more, **({"self_test": "fail"} if how == "fail" else {}))
            if how == "silent" or (how == "late" and steps % 4):
                del fleet.reports[who]
        steps += 1
        assert steps <= 3 * (max(soak_h, 72) / 6 + 2) + 1
    reached = {name for name in fleet.names if wave_of(fleet.rollout, 0) == 0}
    assert len(reached) == size


@given(st.integers(1, 30), st.integers(1, 40), st.floats(0.01, 0.99))
def test_waves_are_as_large_as_the_spec_says(size: int, canary: int, share: float) -> None:
    fleet = Fleet(size, rules=rules(Wave(canary=canary), Wave(share=share), Wave(share=1)))
    sizes = [len(fleet.up_to(wave)) for wave in (1, 2, 3)]
    first = min(canary, size)
    assert sizes[0] == first and sizes[2] == size
    assert sizes[1] == max(first, -int(-(share * size) // 1))
    assert fleet.waves[-1] == POSITIONS - 1


def test_parts_of_a_chain_count_in_one_wave_where_their_agents_take_it() -> None:
    rows = [f"eye-{n},b,door-{n}\nbrain-{n},b,door-{n}" for n in range(9)]
    listed = parse_devices("\n".join(["id,board,chain", *rows, "alone,b,", ""]), where="f.csv")
    upto = thresholds(rules(Wave(canary=1), Wave(share=0.5), Wave(share=1)).waves, "f", listed.units({"b"}))
    assert wave_sizes(upto, "f", listed.units({"b"})) == (1, 4, 5)
    rollout = begun().rollout.model_copy(update={"waves": upto})
    waves = {
        seen.name: (wave_of(rollout, seen.position), seen.position)
        for seen in counting(begun().entry, "f", listed, (), START)
    }
    assert len(waves) == 19 and len({wave for wave, _ in waves.values()}) == 3
    for number in range(9):
        assert waves[f"eye-{number}"] == waves[f"brain-{number}"]
        assert waves[f"eye-{number}"][1] == position("f", f"door-{number}")


def test_of_a_device_that_moved_to_another_gateway_the_newest_report_counts() -> None:
    fleet = begun(size=2, rules=rules(Wave(share=1)))
    moved, well = fleet.names
    listed = parse_devices(f"id,board\n{moved},b\n{well},b\n", where="f.csv")
    new, old = report(moved, fleet.now), report(moved, fleet.now - 90 * HOUR, 6, model=OLD)
    told = [(new, "gw-a"), (old, "gw-z"), (report(well, fleet.now), "gw-a")]
    for order in (told, told[::-1]):
        reports = [one.model_copy(update={"reporter": by}) for one, by in order]
        devices = counting(fleet.entry, "f", listed, reports, fleet.now)
        (wave,) = count_waves(replace(fleet.situation(), devices=devices), begun().progress, fleet.rules)
        assert (wave.well, wave.silent) == (2, 0)


def test_two_boards_with_one_name_count_as_lost() -> None:
    fleet = begun(size=1, rules=rules(Wave(share=1)))
    both = [report("d-0", fleet.now).model_copy(update={"silicon": n * 16, "reporter": f"gw-{n}"}) for n in "ab"]
    (device,) = counting(fleet.entry, "f", None, both, fleet.now)
    fleet.now += 73 * HOUR
    (wave,) = count_waves(replace(fleet.situation(), devices=[device]), begun().progress, fleet.rules)
    assert wave.silent == 1 and wave.judged[0].why.startswith("2 boards have its name")


def test_the_fullest_document_is_one_that_small_devices_read() -> None:
    fleet = begun()
    assert fleet.progress is not None
    known = tuple(Quarantined(digest=f"{n:064x}", rollout=999_999_999) for n in range(QUARANTINED_MAX))
    full = fleet.progress.model_copy(update={"quarantined": known, "project": "p" * 63, "fleet": "f" * 63})
    made = halt(full, fleet.entry, fleet.rollout, fleet.now, "\u2026" * 2000)
    assert len(made.quarantined) == QUARANTINED_MAX
    assert len(seal(made.to_json(), [SigningKey.generate()]).to_bytes()) < 8192


def test_times_are_whole_seconds() -> None:
    fleet = begun()
    assert fleet.progress is not None and fleet.progress.since == time_text(fleet.now)
