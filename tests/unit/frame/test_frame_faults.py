"""Counts of faults: said, kept, and summed in one table."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes import faults


def test_counts_are_said_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(faults.COUNTS, raising=False)
    faults.count_faults("nobody keeps", 1)
    monkeypatch.setenv(faults.COUNTS, str(tmp_path / "counts"))
    for number in (3, 1200):
        faults.count_faults("power cuts: host", number)
    assert (tmp_path / "counts").read_text() == "faults: power cuts: host: 3\nfaults: power cuts: host: 1200\n"
    assert capsys.readouterr().out.startswith("faults: nobody keeps: 1\nfaults: power cuts: host: 3\n")


def test_the_table_sums_what_was_tried_and_what_was_fuzzed_apart() -> None:
    lines = [
        "faults: cuts: 3",
        "noise",
        "faults: fuzz smp: 5000",
        "faults: cuts: 1200",
        "faults: flips: 7",
        "faults: x:",
        "faults: flips: of them in TLVs: 2",
    ]
    assert [row.split(None, 1) for row in faults.table(lines)] == [
        ["1,203", "cuts"],
        ["5,000", "fuzz smp"],
        ["7", "flips"],
        ["2", "flips: of them in TLVs"],
        ["1,210", "faults in all"],
        ["5,000", "inputs of fuzzers in all"],
    ]
    assert [row.split()[0] for row in faults.table([])] == ["0", "0"]
