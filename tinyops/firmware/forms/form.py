"""What every form of firmware does: render its files from specs alone, and build them in the firmware step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tinyops.artifacts import Progress, Step
from tinyops.boards.layout import Layout, Memory
from tinyops.boards.model import ActKind, BoardSpec
from tinyops.errors import SpecError
from tinyops.files import JsonObject, digest_json
from tinyops.firmware.chained import ChainPlace
from tinyops.firmware.contract import Contract, read_contract, read_signal
from tinyops.specs.acts import AnyAct


def nobody() -> JsonObject:
    """Trust in no key."""
    return {"keys": {}, "threshold": 1}


@dataclass(frozen=True)
class Request:
    """A firmware that is asked for: one board in one fleet. `trust` holds public keys, for forms that carry them.

    With `collects` it is a collector: `contract` is a signal's, `fleet` the dataset that it records for, and `spec` the
    board as `collector.collecting` has it.
    """

    board: str
    spec: BoardSpec
    fleet: str
    sensor: JsonObject | str
    contract: JsonObject
    trust: JsonObject = field(default_factory=nobody)
    acts: tuple[AnyAct, ...] | None = None  # None: the serial line, and the LED where there is one
    collects: bool = False
    chain: ChainPlace | None = None  # where it is a part of one

    @property
    def dark(self) -> bool:
        """Whether an LED that the port has is not to be lit."""
        return self.acts is not None and not self.does("led")

    def does(self, kind: ActKind) -> bool:
        return any(act.kind == kind for act in self.acts or ())

    @property
    def layout(self) -> Layout:
        """Of a board whose form has one."""
        assert self.spec.layout is not None
        return self.spec.layout

    @property
    def memory(self) -> Memory:
        """Of a board whose form has one."""
        assert self.spec.memory is not None
        return self.spec.memory

    @property
    def contract_digest(self) -> str:
        return digest_json(self.contract)

    @property
    def links_model(self) -> bool:
        """Whether a model's C joins the project when it is built."""
        return not self.layout.model and not self.collects

    def fitting_contract(self) -> Contract:
        """Raises SpecError for a contract that does not belong to the board."""
        if self.collects:
            return read_signal(self.contract)
        facts = read_contract(self.contract)
        if facts.arena_bytes != self.layout.arena_bytes:
            raise SpecError(
                f"contract.json: its arena of {facts.arena_bytes} bytes is not {self.board}'s of"
                f" {self.layout.arena_bytes}",
                hint="compile the model for this board again",
            )
        return facts


@dataclass(frozen=True)
class Work:
    """One firmware step: what was rendered, and where its artefacts go."""

    step: Step
    request: Request
    files: Mapping[str, bytes]
    inputs: Mapping[str, Path]
    out: Path
    report: Callable[[Progress], None]


class Form(Protocol):
    """One file in this folder implements it; tinyops/firmware/forms/registry.py lists them all."""

    def serves(self, spec: BoardSpec) -> bool:
        """Whether this is the board's form; the first in the list that says so is."""

    def render(self, request: Request) -> dict[str, bytes]:
        """Every file by its relative path, sorted: no weights, no secret, no path of this machine. Raises SpecError."""

    def build(self, work: Work) -> JsonObject:
        """Writes the artefacts and returns the facts; docs/architecture.md names both."""
