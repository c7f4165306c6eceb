"""Whether what was built is good enough for its spec and its fleet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tinyops.specs.model import Fleet, Gates

# From the strongest to the weakest.
PROOF_LEVELS = ("same-bytes", "same-source", "built", "rendered")


def missed_gates(gates: Gates, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """One sentence for each gate of a model that its squeezed variant misses.

    `facts` are those of the squeeze step: `accuracy_int8` and each `recall[class]` have `point` and
    `low`, shares of recordings; `int8_loss` is a share too. A gate whose figure is missing is missed.
    """
    return (*_missed_gates(gates, facts),)


def _missed_gates(gates: Gates, facts: Mapping[str, Any]) -> Iterator[str]:
    judged = "low" if gates.judge_by == "lower_bound" else "point"
    if gates.accuracy_min is not None:
        yield from _below("accuracy_min", gates.accuracy_min, facts.get("accuracy_int8"), judged)
    for name, wanted in sorted(gates.recall_min.items()):
        yield from _below(f"recall_min.{name}", wanted, (facts.get("recall") or {}).get(name), judged)
    if gates.int8_loss_max is not None:
        loss = facts.get("int8_loss")
        if loss is None:
            yield "int8_loss_max: the loss was not measured"
        elif loss > gates.int8_loss_max:
            yield f"int8_loss_max: lost {loss:.3f}, at most {gates.int8_loss_max:.3f} wanted"


def _below(gate: str, wanted: float, found: Mapping[str, float] | None, judged: str) -> Iterator[str]:
    if found is None:
        yield f"{gate}: was not measured"
    elif found[judged] < wanted:
        bound = f"the 95 % interval of {found['point']:.3f} starts at " if judged == "low" else "it is "
        yield f"{gate}: {wanted:.3f} wanted, {bound}{found[judged]:.3f}"


def missed_proof(fleet: Fleet, board: str, proof: Mapping[str, str]) -> tuple[str, ...]:
    """One sentence for each released file of a board that was proven less than its fleet accepts."""
    least = PROOF_LEVELS.index(fleet.spec.proof)
    return tuple(
        f"proof: the {part} for {board} is {level}, the fleet accepts {fleet.spec.proof} and better"
        for part, level in sorted(proof.items())
        if level != "none" and PROOF_LEVELS.index(level) > least
    )
