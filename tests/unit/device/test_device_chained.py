"""How an agent asks the program of its part for a model: marks in the folder that both share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyops.device.chained import ChainMarks


def test_marks_name_a_slot_or_nothing(tmp_path: Path) -> None:
    marks = ChainMarks(tmp_path)
    assert (marks.runs, marks.wanted) == (None, None)
    marks.want("b")
    assert marks.wanted == "b" and (tmp_path / "wanted").read_bytes() == b"b\n"
    (tmp_path / "runs").write_text("a\n")
    assert marks.runs == "a"
    marks.forget()
    assert (marks.runs, marks.wanted) == ("a", None)
    marks.forget()


@pytest.mark.parametrize("text", ["", "c", "ab", "\0", "\xff" * 5000, " a"])
def test_anything_else_says_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text(text)
    assert ChainMarks(tmp_path).runs == ("a" if text.strip() == "a" else None)
