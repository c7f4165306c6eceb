"""Saying which fleets were held back, and with which exit status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tinyops.cli.output import Output
from tinyops.errors import ExitCode, TinyopsError

if TYPE_CHECKING:
    from tinyops.reconcile.judging import Judgement


def report(judged: Judgement, errors: Mapping[str, TinyopsError], output: Output) -> int:
    """Names each failed step and each held fleet on standard error.

    Returns the exit status: that of the first failed step, GATE when only gates were missed, 0 for none.
    """
    for step, error in sorted(errors.items()):
        output.note(f"error: {step}: {error}")
    for fleet, missed in sorted(judged.held.items()):
        output.note(f"held: fleet {fleet} keeps what it has:")
        for miss in missed:
            output.note(f"  {miss}")
        if lifted_ := [miss for miss in missed if miss.can_be_lifted]:
            models, first = judged.models[fleet], lifted_[0]
            digest = models.get(first.board or "", next(iter(models.values())))
            output.note(f"  it moves with {_override(first.gate, digest)} under its `overrides`")
    for fleet, lifted in sorted(judged.overridden.items()):
        for override in lifted:
            output.note(
                f"overridden: fleet {fleet} moves without {override.gate}, by {override.author}: {override.reason}"
            )
    if errors:
        return int(errors[min(errors)].exit_code)
    return int(ExitCode.GATE if judged.held else ExitCode.OK)


def _override(gate: str, digest: str) -> str:
    return f'{{gate: {gate}, digest: "{digest}", reason: …, author: …, until: …}}'
