"""The firmware step: contract and board in, the board's firmware and its twin's out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tinyops.artifacts import Progress, Step
from tinyops.boards.model import BoardSpec
from tinyops.files import JsonObject
from tinyops.firmware.contract import read_contract_file
from tinyops.firmware.forms.form import Request, Work, nobody
from tinyops.firmware.forms.registry import form_of, render_project
from tinyops.specs.acts import read_acts


def run(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """Builds the firmware of one board in one fleet; see docs/architecture.md for files and facts."""
    settings = step.settings
    given: dict[str, Any] = {
        "board": str(settings["board"]),
        "spec": BoardSpec.model_validate(settings["facts"]),
        "fleet": str(settings["fleet"]),
        "sensor": settings.get("sensor", {}),
        "contract": settings.get("contract") or read_contract_file(inputs["contract.json"]),
        "trust": settings.get("trust") or nobody(),
        "acts": read_acts(settings.get("act")),
    }
    request, files = Request(**given), render_project(**given)
    return form_of(request.spec).build(Work(step, request, files, inputs, out, report))
