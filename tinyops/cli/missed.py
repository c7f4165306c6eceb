"""Saying which fleets were held back, and with which exit status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinyops.cli.output import Output
from tinyops.errors import ExitCode, TinyopsError


def report(missed: Mapping[str, Sequence[str]], errors: Mapping[str, TinyopsError], output: Output) -> int:
    """Names each failed step and each held fleet on standard error.

    Returns the exit status: that of the first failed step, GATE when only gates were missed, 0 for none.
    """
    for step, error in sorted(errors.items()):
        output.note(f"error: {step}: {error}")
    for fleet, reasons in sorted(missed.items()):
        output.note(f"held: fleet {fleet} keeps what it has:")
        for reason in reasons:
            output.note(f"  {reason}")
    if errors:
        return int(errors[min(errors)].exit_code)
    return int(ExitCode.GATE if missed else ExitCode.OK)
