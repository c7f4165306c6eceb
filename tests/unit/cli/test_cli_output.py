"""Tables on a terminal: aligned, and no wider than one."""

from __future__ import annotations

import pytest

from tinyops.cli.output import TABLE_COLUMNS, Output
from tinyops.errors import SpecError

LONG = "no progress of the rollout of wrist: https://fleet.example.org/metadata: its metadata names no such file"


def test_a_long_cell_goes_on_in_the_next_line_below_its_column() -> None:
    rows = [("2026-11-29T18:21:10Z", "device", LONG), ("2026-11-29T18:21:45Z", "gateway", "short")]
    lines = Output(json=False).table(("time", "by", ""), rows, folded=2).splitlines()
    assert all(len(line) <= TABLE_COLUMNS for line in lines)
    column = lines[2].index("no progress")
    assert [line[:column].strip() for line in lines[3:-1]] == [""] * len(lines[3:-1])
    assert " ".join(line[column:] for line in lines[2:-1]) == LONG and lines[-1][column:] == "short"


def test_a_cell_without_end_is_cut_and_says_so() -> None:
    lines = Output(json=False).table(("a", ""), [("x", "word " * 1000)], folded=1).splitlines()
    assert len(lines) < 8 and lines[-1].endswith("…")


@pytest.mark.parametrize("folded", [None, 1])
def test_a_rule_ends_with_its_last_column(folded: int | None) -> None:
    assert Output(json=False).table(("a", ""), [("1", "")], folded=folded).splitlines() == ["a", "─", "1"]


def test_what_others_wrote_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(json=False)
    output.note("a take of \x1b[2J\u202ed:\tkept\nand another")
    output.error(SpecError("a.npz: \x1b]0;title\x07.npy: damaged"))
    said = capsys.readouterr().err
    assert all(line.isprintable() for line in said.splitlines())
    assert "kept\nand another\n" in said
