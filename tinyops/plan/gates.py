"""Whether what was built is good enough for its spec and its fleet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from tinyops.specs.gates import BoardGates, Gates, Override
from tinyops.specs.model import Fleet

# From the strongest to the weakest.
PROOF_LEVELS = ("same-bytes", "same-source", "built", "rendered")
_UNITS = {"flash_bytes": "bytes of flash", "ram_bytes": "bytes of RAM", "instructions": "instructions"}


@dataclass(frozen=True)
class Miss:
    """A gate that something does not reach.

    `board` is None where the model itself misses it; `figure` names the figure that it is about, if it is about one.
    """

    gate: str
    text: str
    board: str | None = None
    figure: str = ""

    def __str__(self) -> str:
        return f"{self.gate}: {self.text}"

    @property
    def is_failure(self) -> bool:
        """A step failed, named in place of a gate: there are no figures."""
        return ":" in self.gate

    @property
    def can_be_lifted(self) -> bool:
        """By an override of the fleet's."""
        return self.gate in ("proof", "canary") or self.gate.partition(".")[0].endswith(("_min", "_max"))


def missed_gates(gates: Gates, facts: Mapping[str, Any]) -> tuple[Miss, ...]:
    """Each gate of a model that its squeezed variant misses.

    `facts` are those of the squeeze step: `accuracy_int8` and each `recall[class]` have `point` and
    `low`, shares of recordings; `int8_loss` is a share too; `recordings` counts them by side. A gate whose figure
    is missing is missed.
    """
    return (*_missed_gates(gates, facts),)


def _missed_gates(gates: Gates, facts: Mapping[str, Any]) -> Iterator[Miss]:
    judged = "low" if gates.judge_by == "lower_bound" else "point"
    if gates.accuracy_min is not None:
        yield from _below("accuracy_min", gates.accuracy_min, facts.get("accuracy_int8"), judged)
    for name, wanted in sorted(gates.recall_min.items()):
        yield from _below(f"recall_min.{name}", wanted, (facts.get("recall") or {}).get(name), judged)
    if gates.int8_loss_max is not None:
        loss = facts.get("int8_loss")
        if loss is None:
            yield Miss("int8_loss_max", "the loss was not measured", None, "int8_loss")
        elif loss > gates.int8_loss_max:
            text = f"lost {loss:.3f}, at most {gates.int8_loss_max:.3f} wanted"
            yield Miss("int8_loss_max", text, None, "int8_loss")
    if gates.recordings_min is not None:
        found = sum((facts.get("recordings") or {}).values())
        if found < gates.recordings_min:
            yield Miss("recordings_min", f"{gates.recordings_min:,} recordings wanted, the dataset has {found:,}")


def _below(gate: str, wanted: float, found: Mapping[str, float] | None, judged: str) -> Iterator[Miss]:
    if found is None:
        yield Miss(gate, "was not measured", None, "accuracy")
    elif found[judged] < wanted:
        bound = f"the 95 % interval of {found['point']:.3f} starts at " if judged == "low" else "it is "
        yield Miss(gate, f"{wanted:.3f} wanted, {bound}{found[judged]:.3f}", None, "accuracy")


def missed_board_gates(
    gates: BoardGates,
    board: str,
    figures: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None = None,
    milliseconds: float | None = None,
) -> tuple[Miss, ...]:
    """Each gate of a fleet that what a board gets misses.

    `figures` and `before` are those of the board's twin, now and in the last release: `flash_bytes`, `ram_bytes`,
    `instructions`. `milliseconds` is None where no such board was measured.
    """
    return (*_missed_board_gates(gates, board, figures, before or {}, milliseconds),)


def _missed_board_gates(
    gates: BoardGates, board: str, figures: Mapping[str, Any], before: Mapping[str, Any], milliseconds: float | None
) -> Iterator[Miss]:
    for name, unit in _UNITS.items():
        most, found = getattr(gates, f"{name}_max"), figures.get(name)
        if most is not None and found is None:
            yield Miss(f"{name}_max", f"{board}: was not measured", board, name)
        elif most is not None and found > most:
            yield Miss(f"{name}_max", f"{board}: {found:,} {unit}, at most {most:,} wanted", board, name)
        yield from _grown(gates.growth_max, board, name, before.get(name), found)
    if gates.latency_ms_max is not None:
        if milliseconds is None:
            text = f"{board}: was not measured: no file below measurements/{board}/ says how long such a board takes"
            yield Miss("latency_ms_max", text, board, "milliseconds")
        elif milliseconds > gates.latency_ms_max:
            text = f"{board}: {milliseconds:,.2f} ms an inference, at most {gates.latency_ms_max:,.2f} wanted"
            yield Miss("latency_ms_max", text, board, "milliseconds")


def _grown(most: float | None, board: str, figure: str, before: int | None, now: int | None) -> Iterator[Miss]:
    if most is not None and before and now is not None and now > before * (1 + most):
        growth = f"{before:,} → {now:,} {_UNITS[figure]}, {100 * (now / before - 1):.1f} % more"
        yield Miss("growth_max", f"{board}: {growth}, at most {100 * most:.1f} % wanted", board, figure)


def missed_proof(fleet: Fleet, board: str, proof: Mapping[str, str]) -> tuple[Miss, ...]:
    """Each released file of a board that was proven less than its fleet accepts."""
    least = PROOF_LEVELS.index(fleet.spec.proof)
    return tuple(
        Miss(
            "proof",
            f"the {part} for {board} is {level}, the fleet accepts {fleet.spec.proof} and better",
            board,
            "proof",
        )
        for part, level in sorted(proof.items())
        if level != "none" and PROOF_LEVELS.index(level) > least
    )


def missed_chain(fleet: Fleet, facts: Mapping[str, Any]) -> tuple[Miss, ...]:
    """The parts of a chain never ran together, and the fleet wants more than that they were built."""
    silent = facts.get("not_booted") or ()
    if not silent or PROOF_LEVELS.index(fleet.spec.proof) >= PROOF_LEVELS.index("built"):
        return ()
    names = ", ".join(silent)
    said = f"the parts never ran together: nothing here boots {names}; the fleet accepts {fleet.spec.proof} and better"
    return (Miss("proof", said, silent[0], "proof"),)


def waived(
    missed: Iterable[Miss], overrides: Iterable[Override], models: Mapping[str, str], today: date
) -> tuple[tuple[Miss, ...], tuple[Override, ...]]:
    """The gates that stay missed, and the overrides that lifted the others.

    An override is for one gate (`recall_min` stands for every class) of one int8 model, named by its digest, and
    ends with its last day. `models` are the digests of a fleet's, by board: what no one board misses is lifted for any.
    """
    left: list[Miss] = []
    used: dict[Override, None] = {}
    for miss in missed:
        names = (miss.gate, miss.gate.partition(".")[0])
        own = models.get(miss.board or "")
        digests = {*models.values()} if own is None else {own}
        lifting = [o for o in overrides if o.gate in names and o.digest in digests and today <= o.until]
        if lifting:
            used[lifting[0]] = None
        else:
            left.append(miss)
    return (*left,), (*used,)
