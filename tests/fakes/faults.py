"""How many faults a test has let happen: printed, and added to the file that TINYOPS_FAULT_COUNTS names."""

from __future__ import annotations

import os
from pathlib import Path


def report_faults(what: str, output: str) -> None:
    """Takes a program's lines `faults: WHAT: NUMBER`, and says of what they are. Fails without any."""
    lines = [line.removeprefix("faults: ") for line in output.splitlines() if line.startswith("faults: ")]
    assert lines, output
    text = "".join(f"faults: {what}: {line}\n" for line in lines)
    print(text, end="")
    if "TINYOPS_FAULT_COUNTS" in os.environ:
        with Path(os.environ["TINYOPS_FAULT_COUNTS"]).open("a") as file:
            file.write(text)
