"""What was tried against updates: each suite counts its faults, one command prints all counts.

A count is a line `faults: WHAT: NUMBER`, printed and appended to the file that TINYOPS_FAULT_COUNTS names.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

COUNTS = "TINYOPS_FAULT_COUNTS"
FUZZED, PART = "fuzz ", "of them "
LINE = re.compile(r"faults: (.+): ([0-9]+)")


def count_faults(what: str, number: int) -> None:
    """Says how many faults of a kind were tried, all of which were survived."""
    line = f"faults: {what}: {number}"
    print(line)
    if kept := os.environ.get(COUNTS):
        with Path(kept).open("a") as stream:
            stream.write(line + "\n")


def report_faults(what: str, output: str) -> None:
    """Counts a program's lines `faults: KIND: NUMBER`, and says of what they are. Fails without any."""
    found = [read for line in output.splitlines() if (read := LINE.fullmatch(line))]
    assert found, output
    for kind, number in (read.groups() for read in found):
        count_faults(f"{what}: {kind}", int(number))


def table(lines: Iterable[str]) -> list[str]:
    """A row for each kind in the order in which it came first, and the sums: inputs of fuzzers are counted apart, what
    is part of another row is not counted again."""
    found: Counter[str] = Counter()
    for line in lines:
        if read := LINE.fullmatch(line.strip()):
            found[read[1]] += int(read[2])
    fuzzed = sum(number for what, number in found.items() if what.startswith(FUZZED))
    again = sum(number for what, number in found.items() if PART in what)
    rows = [*found.items(), ("faults in all", found.total() - fuzzed - again), ("inputs of fuzzers in all", fuzzed)]
    return [f"{number:>14,}  {what}" for what, number in rows]


if __name__ == "__main__":
    print("\n".join(table(Path(sys.argv[1]).read_text().splitlines())))
