"""Small files that unpack to a great deal, and headers that claim it: refused before memory is taken."""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from tinyops.datasets.formats import FORMATS, limits
from tinyops.datasets.index_cells import path
from tinyops.datasets.take import FACTS, VALUES, Clock, Take, TakeFacts, read_take, take_bytes
from tinyops.errors import SpecError
from tinyops.files import MIB, pretty_json
from tinyops.specs.model import Signal

STREAM = Signal(sensor="imu", channels=("ax",), units=("g",), full_scale=(2,), rate_hz=10)
TAKE = TakeFacts(
    sensor="imu", channels=("ax",), units=("g",), full_scale=(2.0,), rate_hz=10, clock=Clock(source="file"), started=""
)
SAID = TAKE.model_dump(mode="json", by_alias=True)


def archive(values: bytes, facts: object = SAID) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as writer:
        writer.writestr(FACTS, pretty_json(facts))  # type: ignore[arg-type]
        writer.writestr(VALUES, values)
    return out.getvalue()


def npy(header: bytes) -> bytes:
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def wav(values: int) -> bytes:
    sound = bytes(values)
    layout = struct.pack("<IHHIIHH", 16, 1, 1, 10, 10, 1, 8)
    return b"RIFF" + struct.pack("<I", 36 + values) + b"WAVEfmt " + layout + b"data" + struct.pack("<I", values) + sound


def as_npy(values: int) -> bytes:
    out = io.BytesIO()
    np.save(out, np.zeros((values, 1), np.uint8))
    return out.getvalue()


def as_npz(values: int) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, values=np.zeros((values, 1), np.uint8))
    return out.getvalue()


MANY = 2**20
BOMBS = {
    "csv": b"1\n" * MANY,
    "csv.gz": gzip.compress(b"1\x0b" * MANY),
    "npy": as_npy(MANY),
    "npz": as_npz(MANY),
    "take": take_bytes(Take(TAKE, np.zeros((MANY, 1), np.int16))),
    "wav": wav(MANY),
}


@pytest.mark.parametrize("kind", sorted(BOMBS))
def test_a_file_of_too_many_values_is_refused_before_each_has_its_place(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits.refuse_many, "__defaults__", (MANY - 1,))
    monkeypatch.setattr(limits, "CELLS_LIMIT", MANY - 1)
    tracemalloc.start()
    try:
        with pytest.raises(SpecError, match="more than"):
            list(FORMATS[kind](BOMBS[kind], STREAM, "a"))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 * MIB  # which they are as values


def test_a_list_in_a_table_is_not_unpacked_to_be_refused() -> None:
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"ax": [[0] * MANY] * 4}), out)
    with pytest.raises(SpecError, match=r"holds list<.*>, not numbers"):
        list(FORMATS["parquet"](out.getvalue(), STREAM, "a"))


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr':'<i2','fortran_order':False,'shape':(%d,1)}" % 2**42,
        b"{'descr':'<i2','fortran_order':False,'shape':(%d,1)}" % 2**70,
        b"{'descr':'<i2','fortran_order':False,'shape':(1,1)",
        b"'''",
        b"(" * 3000,
        b"{'descr':None,'fortran_order':False,'shape':(1,1)}",
    ],
)
def test_a_take_whose_header_lies_is_refused(header: bytes) -> None:
    with pytest.raises(SpecError, match="not a take"):
        read_take(archive(npy(header)), "a")


@pytest.mark.parametrize("gaps", [[[0, 10**30]], [[0, 2**53], [1, 1]]])
def test_a_take_that_lost_more_than_can_be_counted_is_refused(gaps: list[list[int]]) -> None:
    values = io.BytesIO()
    np.save(values, np.zeros((2, 1), np.int16))
    with pytest.raises(SpecError, match="not a take"):
        read_take(archive(values.getvalue(), {**SAID, "gaps": gaps}), "a")


@pytest.mark.parametrize("text", ["a\x1b[2J.wav", "a\u202egnp.wav", "a\x07.wav"])
def test_a_file_of_an_index_is_called_what_can_be_printed(text: str) -> None:
    with pytest.raises(ValueError, match="no plain path"):
        path(text)
