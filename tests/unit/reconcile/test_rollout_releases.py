"""Which releases begin a rollout, what devices go back to, and what is kept back after a halt."""

from __future__ import annotations

from datetime import date

import pytest

from fakes.rollouts import KEY, NEW, OLD, START, Fleet, fleet_entry, offer
from tinyops.manifest.document import BoardEntry, FleetEntry, FleetRollout, Overridden
from tinyops.manifest.fields import time_text
from tinyops.manifest.progress import POSITIONS, QUARANTINED_MAX, Progress, Quarantined, RolloutState
from tinyops.reconcile.rollout.quarantine import lifting, new_files, quarantined, with_halted
from tinyops.reconcile.rollout.starting import Before, Rollouts, Terms, base_of, rollout_of
from tinyops.specs.gates import Override

TERMS = Terms((5, POSITIONS - 1), "revert", (KEY,), "https://acme.example/rollout/f.json")


def progress(state: RolloutState, of: int = 7) -> Progress:
    moment = time_text(START)
    return Progress(
        project="p", fleet="f", rollout=of, sequence=1, state=state, waves=1, since=moment, time=moment, expires=moment
    )


def released(board: BoardEntry = OLD) -> FleetEntry:
    return fleet_entry(board)


def begun(terms: Terms = TERMS) -> FleetEntry:
    """v7 brought other content than v6."""
    entry = released(NEW)
    return entry.model_copy(update={"rollout": rollout_of(entry, 7, terms, Before(released(), 6))})


def test_other_content_begins_a_rollout_from_what_devices_have() -> None:
    made = begun().rollout
    assert made is not None
    assert (made.id, made.waves, made.base.version, made.progress) == (7, TERMS.waves, 6, TERMS.progress)
    assert made.base.boards == {"b": OLD}


def test_there_is_none_for_a_new_fleet_without_terms_or_when_nothing_changed() -> None:
    assert rollout_of(released(NEW), 7, TERMS, None) is None
    assert rollout_of(released(NEW), 7, None, Before(released(), 6)) is None
    assert rollout_of(released(), 7, TERMS, Before(released(), 6)) is None


def test_it_is_kept_while_the_content_is_and_takes_other_terms_but_no_other_waves() -> None:
    other = Terms((9, POSITIONS - 1), "hold", ("6" * 64,))
    made = rollout_of(released(NEW), 9, other, Before(begun(), 8, progress("advancing")))
    assert made is not None
    assert (made.id, made.waves, made.on_failure, made.keys, made.progress) == (7, TERMS.waves, "hold", ("6" * 64,), "")


@pytest.mark.parametrize("known", [None, progress("advancing"), progress("halted"), progress("finished", 5)])
def test_what_devices_have_stays_while_a_rollout_has_not_ended(known: Progress | None) -> None:
    assert base_of(Before(begun(), 8, known)).version == 6
    made = rollout_of(released(offer("newest")), 9, TERMS, Before(begun(), 8, known))
    assert made is not None and (made.id, made.base.version, made.base.boards) == (9, 6, {"b": OLD})


def test_when_it_has_ended_its_content_is_what_devices_have() -> None:
    made = rollout_of(released(offer("newest")), 9, TERMS, Before(begun(), 8, progress("finished")))
    assert made is not None and (made.id, made.base.version, made.base.boards) == (9, 7, {"b": NEW})


def test_going_back_to_what_devices_have_needs_no_waves() -> None:
    assert rollout_of(released(), 8, TERMS, Before(begun(), 7, progress("halted"))) is None
    assert rollout_of(released(), 8, TERMS, Before(begun(), 7, progress("finished"))) is not None


def test_another_counter_or_a_new_board_is_other_content() -> None:
    for entry in (
        released().model_copy(update={"security_counter": 1}),
        FleetEntry(model="m", security_counter=0, boards={"b": OLD, "c": OLD}),
    ):
        assert rollout_of(entry, 7, TERMS, Before(released(), 6)) is not None
    fewer = Before(FleetEntry(model="m", security_counter=0, boards={"b": OLD, "c": NEW}), 6)
    assert rollout_of(released(), 7, TERMS, fewer) is None  # nobody has to take anything


def test_a_lifted_quarantine_begins_the_same_content_once_more() -> None:
    rollouts = Rollouts({"f": TERMS}, {"f": progress("halted")})
    again = rollouts.begin("f", released(NEW), 9, begun(), ("canary",)).rollout
    assert again is not None and (again.id, again.base.version) == (9, 6)
    kept = rollouts.begin("f", released(NEW), 9, begun(), ("accuracy_min",)).rollout
    assert kept is not None and kept.id == 7
    running = Rollouts({"f": TERMS}, {"f": progress("advancing")})
    assert running.begin("f", released(NEW), 9, begun(), ("canary",)).rollout == begun().rollout


# -- quarantine --------------------------------------------------------------------------------


def test_what_was_new_is_quarantined_and_nothing_else() -> None:
    same = offer("old", firmware="fw-2")
    entry = FleetEntry(model="m", security_counter=0, boards={"a": same, "b": NEW, "c": OLD})
    base = FleetEntry(model="m", security_counter=0, boards={"a": offer("old", firmware="fw-1"), "b": OLD, "c": OLD})
    rollout = rollout_of(entry, 7, TERMS, Before(base, 6))
    assert rollout is not None and same.firmware is not None
    digests = [file.digest.removeprefix("sha256:") for file in (same.firmware, NEW.model)]
    assert [*new_files(entry, rollout)] == digests
    many = [Quarantined(digest=f"{n:064x}", rollout=1) for n in range(QUARANTINED_MAX)]
    kept = with_halted(many, entry, rollout)
    assert len(kept) == QUARANTINED_MAX and [q.digest for q in kept[-2:]] == digests and kept[0] == many[2]
    assert with_halted(kept, entry, rollout) == kept


def test_every_board_that_would_get_it_is_named_with_the_rollout() -> None:
    known = progress("halted").model_copy(
        update={"quarantined": with_halted((), begun(), its(begun())), "reason": "it hums"}
    )
    files = {"b": [NEW.model.digest], "c": [OLD.model.digest, NEW.model.digest], "d": [OLD.model.digest]}
    misses = [*quarantined(files, known)]
    assert [(m.board, str(m), m.can_be_lifted) for m in misses] == [
        (board, "canary: failed canary in v7: it hums", True) for board in ("b", "c")
    ]
    later = known.model_copy(update={"rollout": 9, "state": "advancing", "reason": ""})
    assert [str(m) for m in quarantined(files, later)] == ["canary: failed canary in v7"] * 2
    assert not [*quarantined(files, None)]


def its(entry: FleetEntry) -> FleetRollout:
    assert entry.rollout is not None
    return entry.rollout


def test_an_override_that_let_a_halted_rollout_begin_is_used_up() -> None:
    fields = {"gate": "canary", "digest": NEW.model.digest, "reason": "the bench was cold", "author": "eve"}
    override = Override(**fields, until=date(2027, 6, 30))  # type: ignore[arg-type]
    other = override.model_copy(update={"gate": "accuracy_min"})
    moved = begun().model_copy(update={"overridden": (Overridden(**override.model_dump(mode="json")),)})
    both = (override, other)
    assert lifting(both, begun(), progress("halted")) == both
    assert lifting(both, moved, progress("advancing")) == both
    assert lifting(both, moved, progress("halted")) == (other,)
    assert lifting(both, None, None) == both


def test_a_fleet_keeps_its_quarantine_and_a_begun_rollout_leaves_it() -> None:
    fleet = Fleet()
    fleet.step()
    fleet.say(*fleet.names, self_test="fail")
    fleet.step(1)
    assert fleet.progress is not None and len(fleet.progress.quarantined) == 1
    fleet.version = 8  # a release that lifted it
    fleet.step(1)
    assert (fleet.progress.state, fleet.progress.quarantined) == ("advancing", ())
