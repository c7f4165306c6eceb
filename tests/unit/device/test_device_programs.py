"""Which program of a part is on trial, and what it goes back to."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tinyops.device.programs import trial_of
from tinyops.device.state import AgentState, Installed
from tinyops.manifest.entry import Entry

SINCE = "2026-11-30T00:00:00Z"
CONTRACT, OTHER, DIGEST = "1" * 64, "2" * 64, f"sha256:{'3' * 64}"


def file(content: str) -> dict[str, Any]:
    return {
        "tag": "v1",
        "asset": f"{content}.bin",
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
        "bytes": len(content),
    }


def entry(program: str, version: int = 1, contract: str = CONTRACT) -> Entry:
    return Entry.model_validate(
        {
            "project": "p",
            "fleet": "door",
            "board": "far",
            "version": version,
            "security_counter": 0,
            "contract": contract,
            "contract_file": file("contract"),
            "model": {**file("model"), "kind": "shared-object"},
            "golden": file("golden"),
            "firmware": {**file(program), "kind": "program"},
        }
    )


def state(**more: Any) -> AgentState:
    running = Installed(entry=entry("one"), since=SINCE)
    return AgentState(fleet="door", board="far", current="a", slots={"a": running}, **more)


def test_the_program_that_runs_is_on_no_trial() -> None:
    assert trial_of(state(), entry("one", version=2), DIGEST, "b", SINCE) is None
    assert trial_of(AgentState(fleet="door", board="far"), entry("one"), DIGEST, "a", SINCE) is None


@pytest.mark.parametrize(
    ("slot", "contract", "back_in", "version"),
    [("a", CONTRACT, "a", 1), ("b", CONTRACT, "b", 2), ("b", OTHER, "a", 1)],
    ids=["the same model", "the chain's new model", "another contract"],
)
def test_what_a_trial_goes_back_to(slot: Any, contract: str, back_in: str, version: int) -> None:
    trial = trial_of(state(), entry("two", version=2, contract=contract), DIGEST, slot, SINCE)
    assert trial is not None and trial.before.entry.firmware == entry("one").firmware
    assert (trial.slot, trial.before.entry.version) == (back_in, version)


def test_a_trial_within_a_trial_goes_back_to_what_worked() -> None:
    first = trial_of(state(), entry("two", version=2), DIGEST, "b", SINCE)
    doubted = Installed(entry=entry("two", version=2), since=SINCE)
    within = state(program=first).model_copy(update={"slots": {"a": doubted}})
    trial = trial_of(within, entry("three", version=3), DIGEST, "b", SINCE)
    assert trial is not None and trial.before.entry.firmware == entry("one").firmware
    assert trial_of(within, entry("one", version=4), DIGEST, "b", SINCE) is None
