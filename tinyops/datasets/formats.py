"""The file formats of recordings, one function each: bytes in, labelled values out."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np

from tinyops.datasets.recording import FileFormat, Labelled, Values
from tinyops.datasets.take import read_take
from tinyops.datasets.ts_format import read_ts
from tinyops.errors import SpecError
from tinyops.files import MIB
from tinyops.specs.model import Signal

UNPACKED_LIMIT_BYTES = 512 * MIB
GZIP_WINDOW = 31  # zlib's number for "a gzip header and the largest window"


def read_csv(data: bytes, signal: Signal, where: str) -> Iterator[Labelled]:
    """CSV of a stream, of many images or of one.

    Stream: a frame a row; the first row may name the channels, in any order. Many images: one a row, its values row
    by row, then its class. One image: a row of the image a row.
    """
    rows = _rows(data, where)
    if signal.size is not None:
        one = (len(rows), len(rows[0][1])) == (signal.size[0], signal.size[1] * len(signal.channels))
        return iter([_read_image(rows, signal, where)]) if one else _read_images(rows, signal, where)
    return iter([_read_stream(rows, signal, where)])


def read_csv_gz(data: bytes, signal: Signal, where: str) -> Iterator[Labelled]:
    """CSV as above, inside gzip."""
    return read_csv(gunzip(data, where), signal, where)


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


def read_npy(data: bytes, signal: Signal, where: str) -> Iterator[Labelled]:
    """A numpy array: a stream [frames, channels], or one image [height, width] or [height, width, channels]."""
    try:
        values = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise SpecError(f"{where}: not an .npy file of numbers: {error}") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf":
        raise SpecError(f"{where}: holds {getattr(values, 'dtype', 'an archive')}, not numbers")
    channels = len(signal.channels)
    wanted: tuple[int, ...] = (len(values) if values.ndim else 0, channels)
    if signal.size is not None:
        wanted = signal.size if channels == 1 and values.ndim == 2 else (*signal.size, channels)
    if values.shape != wanted or not values.size:
        raise SpecError(f"{where}: has the shape {list(values.shape)}, the dataset's signal wants {list(wanted)}")
    yield Labelled("", values.astype(np.float64).reshape(-1, signal.frame_values), 1)


def read_take_file(data: bytes, signal: Signal, where: str) -> Iterator[Labelled]:
    """What a device recorded, in one piece between two gaps each."""
    take = read_take(data, where)
    facts = take.facts
    if facts.channels != signal.channels or facts.units != signal.units or facts.size != signal.size:
        raise SpecError(
            f"{where}: has {', '.join(facts.channels)} in {', '.join(facts.units)}, "
            f"the dataset's signal {', '.join(signal.channels)} in {', '.join(signal.units)}"
        )
    values = take.physical()
    edges = [0, *(at for at, _ in facts.gaps), len(values)]
    for begin, end in pairwise(edges):
        if begin < end:
            yield Labelled("", values[begin:end], begin)


def _rows(data: bytes, where: str) -> list[tuple[int, list[str]]]:
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


def _read_stream(rows: list[tuple[int, list[str]]], signal: Signal, where: str) -> Labelled:
    order = list(range(len(signal.channels)))
    header = rows[0][1]
    if not _is_number(header[0]):
        if sorted(header) != sorted(signal.channels):
            raise SpecError(f"{where}:{rows[0][0]}: has the columns {header}, wanted {list(signal.channels)}")
        order = [header.index(channel) for channel in signal.channels]
        rows = rows[1:]
    for number, cells in rows:
        if len(cells) != len(order):
            raise SpecError(f"{where}:{number}: has {len(cells)} channels, the dataset's signal has {len(order)}")
    if not rows:
        raise SpecError(f"{where}: holds no frames")
    return Labelled("", _numbers(rows, where)[:, order], rows[0][0])


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


FORMATS: Mapping[str, FileFormat] = {
    "csv": read_csv,
    "csv.gz": read_csv_gz,
    "npy": read_npy,
    "take": read_take_file,
    "ts": read_ts,
}
