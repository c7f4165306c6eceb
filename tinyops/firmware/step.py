"""The firmware step: contract and board in, the board's firmware and its twin's out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tinyops.artifacts import Progress, Step
from tinyops.boards.model import BoardSpec
from tinyops.files import JsonObject
from tinyops.firmware.chained import read_place
from tinyops.firmware.contract import read_contract_file
from tinyops.firmware.forms.form import Request, Work, nobody
from tinyops.firmware.forms.registry import form_of, render
from tinyops.specs.acts import read_acts


def run(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """Builds the firmware of one board in one fleet; see docs/architecture.md for files and facts."""
    return build(prepare(step, inputs, out, report))


def prepare(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> Work:
    """What the step asks for, rendered; nothing is written yet. Raises SpecError."""
    request = _request(step, inputs)
    return Work(step, request, render(request), inputs, out, report)


def build(work: Work) -> JsonObject:
    """Writes the artefacts of what was prepared, and returns the facts."""
    return form_of(work.request.spec).build(work)


def _request(step: Step, inputs: Mapping[str, Path]) -> Request:
    settings = step.settings
    return Request(
        board=str(settings["board"]),
        spec=BoardSpec.model_validate(settings["facts"]),
        fleet=str(settings["fleet"]),
        sensor=settings.get("sensor", {}),
        contract=settings.get("contract") or read_contract_file(inputs["contract.json"]),
        trust=settings.get("trust") or nobody(),
        acts=read_acts(settings.get("act")),
        chain=read_place(settings.get("chain")),
    )
