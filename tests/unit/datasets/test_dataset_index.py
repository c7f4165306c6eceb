"""The index of recordings: what a line says, in which order, and what is refused with its line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tinyops.datasets.index import IndexEntry, format_index, parse_index
from tinyops.errors import SpecError

ENTRY = IndexEntry(
    sha256="sha256:" + "ab" * 32,
    label="shake",
    subject="anna",
    take="20261129-1",
    device="nano-1",
    time="2026-11-29T20:15:00Z",
    bytes=2400,
    frames=400,
    rate_hz=99.84,
    lost=2,
    clipped=0,
    low=(-1.5, 0.0),
    high=(2.0, 1e-3),
    mean=(0.25, 0.0),
    spread=(1.0, 0.5),
    format="take",
)


def test_what_is_written_is_read() -> None:
    other = replace(ENTRY, begin=10, end=20, label="", file="")
    text = format_index([other, ENTRY])
    assert set(parse_index(text, "a.csv")) == {ENTRY, other}
    assert text == format_index([ENTRY, other])


def test_few_columns_are_enough() -> None:
    found = parse_index(f"sha256,label,file\n{'cd' * 32},walk,a/b.csv.gz\n".encode(), "a.csv")
    assert [(e.sha256, e.kind, e.path, e.id) for e in found] == [
        ("sha256:" + "cd" * 32, "csv.gz", "a/b.csv.gz", "a/b.csv.gz")
    ]


def test_the_path_follows_from_the_digest() -> None:
    assert ENTRY.path == "ab/" + "ab" * 31 + ".take"


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("sha256", "AB" * 32, "is not a sha256"),
        ("label", "a/b", "is no label"),
        ("label", "x" * 300, "is no label"),
        ("label", "größe", "is no label"),
        ("file", "../up.csv", "leads out"),
        ("file", "C:\\x.csv", "leads out"),
        ("time", "2026-11-29T20:15:00", "is no time"),
        ("lost", "-1", "is no count"),
        ("lost", "９", "is no count"),
        ("rate_hz", "nan", "is no number"),
        ("rate_hz", "0", "is not above zero"),
        ("mean", "1 inf", "is no number"),
        ("subject", "\x1b[2J", "is no name"),
    ],
)
def test_a_bad_cell_is_named(column: str, cell: str, message: str) -> None:
    columns = {"sha256": "ab" * 32, "label": "x", "format": "csv"} | {column: cell}
    text = f"{','.join(columns)}\n{','.join(columns.values())}\n"
    with pytest.raises(SpecError, match=rf"a\.csv:2:\d+: {column}: .*{message}"):
        parse_index(text.encode(), "a.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("label\nx\n", "it lacks sha256"),
        ("sha256,label,colour\n", "unknown columns colour"),
        ("sha256,label,label\n", "stands twice: label"),
        (f"sha256,label,file\n{'ab' * 32},x\n", "has 2 cells"),
        (f"sha256,label\n{'ab' * 32},x\n", "neither format nor the ending"),
        (f"sha256,label,file\n{'ab' * 32},x,a.csv\n{'ab' * 32},x,a.csv\n", "stands in line 2 already"),
        (f"sha256,label,file,begin,end\n{'ab' * 32},x,a.csv,5,5\n", "do not lie in its 5 frames"),
        (f"sha256,label,file,begin\n{'ab' * 32},x,a.csv,5\n", "both begin and end"),
        ('sha256,label\n"x', "not CSV"),
        ("\xff", "not UTF-8"),
    ],
)
def test_a_bad_index_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_index(text.encode("latin-1"), "a.csv")


def test_a_cell_is_named_by_its_column_and_all_bad_lines_at_once() -> None:
    good = f"{'ab' * 32},walk,csv\n"
    text = f"sha256,label,format\n{good}{'cd' * 32},a/b,csv\n{good}{'ef' * 32},walk\n"
    with pytest.raises(SpecError) as caught:
        parse_index(text.encode(), "a.csv")
    assert [(p.line, p.column) for p in caught.value.problems] == [(3, 66), (4, 1), (5, 1)]
    assert "stands in line 2 already" in caught.value.problems[1].message
