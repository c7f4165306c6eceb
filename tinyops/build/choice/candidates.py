"""What a choice is made from: variants with their figures on a board, and what that board has and its fleet allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tinyops.artifacts import FAILED
from tinyops.files import JsonObject
from tinyops.plan.gates import missed_gates
from tinyops.specs.gates import BoardGates, Gates


@dataclass(frozen=True)
class Candidate:
    """A variant on one board, as it was compiled, linked and run there; None where that is not known.

    `accuracy` is what variants are compared by: the share of the validation side's windows that are right as the device
    computes them, for there are more windows than recordings; `measured` is all that was measured there, as gates read
    it. `flash_bytes` and `ram_bytes` are of model and firmware together, as releases tell them. `failed` says why there
    is no such variant.
    """

    variant: str
    accuracy: float | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    image_bytes: int | None = None
    arena_bytes: int | None = None
    stack_bytes: int | None = None
    instructions: int | None = None
    milliseconds: float | None = None
    unfit: str = ""
    failed: str = ""

    @staticmethod
    def of(variant: str, squeezed: JsonObject, cost: JsonObject, cycles_ms: float | None) -> Candidate:
        """From the facts of its squeeze and cost steps; `cycles_ms` is what an instruction takes on such a board."""
        why = squeezed.get(FAILED) or cost.get(FAILED)
        if why:
            return Candidate(variant, failed=str(why).splitlines()[0])
        measured = validation_facts(squeezed)
        if measured is None:
            return Candidate(variant, failed="its accuracy was not measured on a validation side")
        instructions = cost.get("instructions")
        return Candidate(
            variant,
            accuracy=float((measured["windows_accuracy"] or measured["accuracy_int8"])["point"]),
            measured=measured,
            flash_bytes=cost.get("flash_bytes"),
            ram_bytes=cost.get("ram_bytes"),
            image_bytes=cost.get("image_bytes"),
            arena_bytes=cost.get("arena_bytes"),
            stack_bytes=cost.get("stack_bytes"),
            instructions=instructions,
            milliseconds=instructions * cycles_ms if instructions is not None and cycles_ms is not None else None,
            unfit=str(cost.get("unfit") or ""),
        )

    def to_json(self) -> JsonObject:
        figures = {n: v for n, v in asdict(self).items() if n not in ("measured", "unfit", "failed")}
        return {**figures, "recordings": self.measured.get("accuracy_int8")}


def validation_facts(squeezed: JsonObject) -> JsonObject | None:
    """What squeeze measured on the validation side, under the names that gates read; None where it did not."""
    found = squeezed.get("validation")
    if not isinstance(found, dict) or not found.get("accuracy"):
        return None
    return {
        "accuracy_int8": found["accuracy"],
        "windows_accuracy": found.get("windows_accuracy"),
        "recall": found.get("recall", {}),
        "int8_loss": found.get("int8_loss"),
    }


@dataclass(frozen=True)
class Budget:
    """What a variant must keep on one board. Rooms are the board's layout, None where nothing limits them."""

    board: str
    model_room_bytes: int | None = None
    arena_room_bytes: int | None = None
    gates: BoardGates = field(default_factory=BoardGates)
    model_gates: Gates = field(default_factory=Gates)

    @staticmethod
    def of(settings: JsonObject) -> Budget:
        """From the settings of a step."""
        return Budget(
            settings["board"],
            settings.get("model_room_bytes"),
            settings.get("arena_room_bytes"),
            BoardGates(**settings.get("gates", {})),
            Gates(**settings.get("model_gates", {})),
        )


@dataclass(frozen=True)
class Lack:
    """What a candidate does not keep. `excess` is by how much, as a share of what is allowed; `fits` says that the
    board would run it all the same."""

    text: str
    excess: float
    gate: str = ""

    @property
    def fits(self) -> bool:
        return bool(self.gate)


def lacks(candidate: Candidate, budget: Budget) -> tuple[Lack, ...]:
    """Everything that a candidate with figures does not keep, room first."""
    rooms = (
        _over(candidate.image_bytes, budget.model_room_bytes, "bytes more flash than there is room for a model"),
        _over(candidate.arena_bytes, budget.arena_room_bytes, "bytes more RAM than the arena has"),
    )
    found = [lack for lack in rooms if lack is not None]
    if candidate.unfit and not found:
        found.append(Lack(candidate.unfit, 1.0))
    return (*found, *_board_lacks(candidate, budget), *_model_lacks(candidate, budget))


def _over(found: int | None, most: int | None, what: str, gate: str = "") -> Lack | None:
    if found is None or most is None or found <= most:
        return None
    over = found - most
    return Lack(f"needs {over:,} {what if over != 1 else what.replace('s', '', 1)}", over / max(most, 1), gate)


def _board_lacks(candidate: Candidate, budget: Budget) -> list[Lack]:
    gates, found = budget.gates, []
    for name, unit in (("flash_bytes", "bytes more flash"), ("ram_bytes", "bytes more RAM"), ("instructions", None)):
        gate = f"{name}_max"
        most, has = getattr(gates, gate), getattr(candidate, name)
        if most is not None and has is None and not candidate.unfit:
            found.append(Lack(f"{gate}: was not measured", 0.0, gate))
        elif (lack := _over(has, most, f"{unit or 'instructions more'} than {gate} allows", gate)) is not None:
            found.append(lack)
    most_ms, milliseconds = gates.latency_ms_max, candidate.milliseconds
    if most_ms is not None and milliseconds is None and not candidate.unfit:
        text = f"latency_ms_max: no file below measurements/{budget.board}/ says how long such a board takes"
        found.append(Lack(text, 0.0, "latency_ms_max"))
    elif most_ms is not None and milliseconds is not None and milliseconds > most_ms:
        over = milliseconds - most_ms
        found.append(Lack(f"takes {over:,.2f} ms more than latency_ms_max allows", over / most_ms, "latency_ms_max"))
    return found


def _model_lacks(candidate: Candidate, budget: Budget) -> list[Lack]:
    """Gates of the model as a guide: the validation side is small, so its figures are compared as they are, without
    their intervals. The test side judges."""
    only = {"judge_by": "point", "recordings_min": None}
    if candidate.measured.get("int8_loss") is None:
        only["int8_loss_max"] = None
    guide = budget.model_gates.model_copy(update=only)
    known = {name: most for name, most in guide.recall_min.items() if name in candidate.measured.get("recall", {})}
    missed = missed_gates(guide.model_copy(update={"recall_min": known}), candidate.measured)
    return [
        Lack(f"{miss} on the validation side", _short_of(miss.gate, guide, candidate), miss.gate) for miss in missed
    ]


def _short_of(gate: str, gates: Gates, candidate: Candidate) -> float:
    """By how much a share is missed."""
    name, _, label = gate.partition(".")
    measured = candidate.measured
    if name == "int8_loss_max" and gates.int8_loss_max is not None:
        return float(measured["int8_loss"]) - gates.int8_loss_max
    wanted = gates.recall_min[label] if label else gates.accuracy_min or 0.0
    found = measured["recall"][label] if label else measured["accuracy_int8"]
    return wanted - float(found["point"])
