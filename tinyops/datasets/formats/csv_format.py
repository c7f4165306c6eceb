"""Formats `csv` and `csv.gz`: text, a frame a row, or an image."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from tinyops.datasets.formats.columns import chosen_columns
from tinyops.datasets.formats.limits import refuse_many_cells
from tinyops.datasets.recording import STRICT, Labelled, Leniency, Values
from tinyops.errors import SpecError
from tinyops.files import MIB
from tinyops.specs.model import Signal

UNPACKED_LIMIT_BYTES = 512 * MIB
GZIP_WINDOW = 31  # zlib's number for "a gzip header and the largest window"


def read_csv(data: bytes, signal: Signal, where: str, leniency: Leniency = STRICT) -> Iterator[Labelled]:
    """CSV of a stream, of many images or of one.

    Stream: a frame a row; the first row may name the channels, in any order. Many images: one a row, its values row
    by row, then its class. One image: a row of the image a row.
    """
    rows = csv_rows(data, where)
    if signal.size is not None:
        one = (len(rows), len(rows[0][1])) == (signal.size[0], signal.size[1] * len(signal.channels))
        return iter([_read_image(rows, signal, where)]) if one else _read_images(rows, signal, where)
    return iter([_read_stream(rows, signal, where, leniency)])


def read_csv_gz(data: bytes, signal: Signal, where: str, leniency: Leniency = STRICT) -> Iterator[Labelled]:
    """CSV as above, inside gzip."""
    return read_csv(gunzip(data, where), signal, where, leniency)


def gunzip(data: bytes, where: str, limit_bytes: int = UNPACKED_LIMIT_BYTES) -> bytes:
    """Unpacks one gzip member, never more than the limit. Raises SpecError."""
    stream = zlib.decompressobj(GZIP_WINDOW)
    try:
        unpacked = stream.decompress(data, limit_bytes)
    except zlib.error as error:
        raise SpecError(f"{where}: damaged gzip: {error}") from error
    if stream.unconsumed_tail:
        raise SpecError(f"{where}: unpacks to more than {limit_bytes:,} bytes")
    if not stream.eof:
        raise SpecError(f"{where}: damaged gzip: it ends too early")
    return unpacked


def csv_rows(data: bytes, where: str) -> list[tuple[int, list[str]]]:
    """Cells by the number of their line; empty lines are left out."""
    refuse_many_cells(data, where)
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SpecError(f"{where}: not UTF-8 text (byte {error.start})") from error
    rows = [(n, [c.strip() for c in line.split(",")]) for n, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise SpecError(f"{where}: holds no rows")
    return rows


def _read_images(rows: list[tuple[int, list[str]]], signal: Signal, where: str) -> Iterator[Labelled]:
    for number, cells in rows:
        if len(cells) != signal.frame_values + 1:
            raise SpecError(
                f"{where}:{number}: has {len(cells)} columns, "
                f"wanted {signal.frame_values} values of an image and its class"
            )
        yield Labelled(cells[-1], _numbers([(number, cells[:-1])], where), number)


def _read_image(rows: list[tuple[int, list[str]]], signal: Signal, where: str) -> Labelled:
    width = len(rows[0][1])
    for number, cells in rows:
        if len(cells) != width:
            raise SpecError(f"{where}:{number}: has {len(cells)} columns, the rows above have {width}")
    return Labelled("", _numbers(rows, where).reshape(1, signal.frame_values), rows[0][0])


def _read_stream(rows: list[tuple[int, list[str]]], signal: Signal, where: str, leniency: Leniency) -> Labelled:
    order, width = list(range(len(signal.channels))), len(signal.channels)
    header = rows[0][1]
    if not _is_number(header[0]):
        order, width = chosen_columns(header, signal, f"{where}:{rows[0][0]}", leniency), len(header)
        rows = rows[1:]
    for number, cells in rows:
        if len(cells) != width:
            raise SpecError(f"{where}:{number}: has {len(cells)} channels, the dataset's signal has {width}")
    if not rows:
        raise SpecError(f"{where}: holds no frames")
    return Labelled("", _numbers([(number, [cells[i] for i in order]) for number, cells in rows], where), rows[0][0])


def _numbers(rows: list[tuple[int, list[str]]], where: str) -> Values:
    try:
        return np.array([[float(c) for c in cells] for _, cells in rows], np.float64)
    except ValueError:
        number, cell = next((n, c) for n, cells in rows for c in cells if not _is_number(c))
        raise SpecError(f"{where}:{number}: {cell[:40]!r} is not a number") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
