"""Formats `npy` and `npz`: numpy's arrays."""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tinyops.datasets.formats.limits import refuse_many
from tinyops.datasets.recording import STRICT, Labelled, Leniency, as_values
from tinyops.errors import SpecError
from tinyops.files import MIB
from tinyops.specs.model import Signal

ARRAY_LIMIT_BYTES = 1024 * MIB
MEMBERS_LIMIT = 1000
# What numpy raises for headers, which it reads as Python's own text.
UNREADABLE = (ValueError, EOFError, OSError, SyntaxError, TokenError, TypeError, RecursionError, MemoryError)
VALUES = "values"
REPAIR = "`tinyops data add --repair` keeps the whole frames that are there"


def read_npy(data: bytes, signal: Signal, where: str, leniency: Leniency = STRICT) -> Iterator[Labelled]:
    """A numpy array: a stream [frames, channels], or one image [height, width] or [height, width, channels]."""
    yield _checked(_load(data, where, leniency), signal, where)


def read_npz(data: bytes, signal: Signal, where: str, leniency: Leniency = STRICT) -> Iterator[Labelled]:
    """An archive of one such array, or of one called `values`."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            member = _choose(archive, where)
            with archive.open(member) as stream:
                array = stream.read(ARRAY_LIMIT_BYTES + 1)  # what it declares may be a lie
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise SpecError(f"{where}: a damaged archive: {error}") from error
    if len(array) > ARRAY_LIMIT_BYTES:
        raise SpecError(f"{where}: unpacks to more than {ARRAY_LIMIT_BYTES:,} bytes")
    yield _checked(_load(array, f"{where}: {member.filename}", leniency), signal, where)


def _choose(archive: zipfile.ZipFile, where: str) -> zipfile.ZipInfo:
    members = archive.infolist()
    names = [member.filename.removesuffix(".npy") for member in members]
    if len(members) > MEMBERS_LIMIT or (names.count(VALUES) != 1 and len(members) != 1):
        raise SpecError(
            f"{where}: holds {len(names)} arrays: {', '.join(n[:40] for n in names[:5])}",
            hint=f"save one array in it, or call the one to read {VALUES!r}",
        )
    chosen = members[names.index(VALUES)] if VALUES in names else members[0]
    if chosen.file_size > ARRAY_LIMIT_BYTES:
        raise SpecError(f"{where}: unpacks to {chosen.file_size:,} bytes, more than {ARRAY_LIMIT_BYTES:,}")
    return chosen


def _load(data: bytes, where: str, leniency: Leniency) -> NDArray[Any]:
    """The array of a file. One that ends too early is refused, or its whole rows are taken."""
    stream = io.BytesIO(data)
    try:
        shape, fortran, dtype = _header(stream)
    except UNREADABLE as error:
        raise SpecError(f"{where}: not an .npy file of numbers: {str(error)[:200]}") from error
    if dtype.kind not in "iuf":
        raise SpecError(f"{where}: holds {str(dtype)[:40]}, not numbers")
    body = memoryview(data)[stream.tell() :]
    row_bytes = int(np.prod(shape[1:], dtype=object)) * dtype.itemsize if shape else dtype.itemsize
    rows = shape[0] if shape else 1
    if rows * row_bytes > len(body):
        there = len(body) // row_bytes
        rows = _repaired(rows, there, where, leniency, possible=bool(shape) and not (fortran and len(shape) > 1))
    refuse_many(rows * row_bytes // dtype.itemsize, where)
    values = np.frombuffer(body, dtype, rows * row_bytes // dtype.itemsize)
    return values.reshape((rows, *shape[1:]) if shape else (), order="F" if fortran else "C")


def _header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(stream)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the format")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a header that Python 2 wrote
        shape, fortran, dtype = readers[version](stream)
    if any(length < 0 for length in shape):
        raise ValueError(f"the shape {list(shape)}")
    return shape, fortran, dtype


def _repaired(wanted: int, there: int, where: str, leniency: Leniency, *, possible: bool) -> int:
    """How many rows of a file that ends too early are taken."""
    message = f"truncated: {there:,} of {wanted:,} frames are there"
    if not leniency.repair or not possible or not there:
        raise SpecError(f"{where}: {message}", hint=REPAIR if possible and there else "bring the whole file")
    leniency.say(f"{where}: {message}; those are kept")
    return there


def _checked(values: NDArray[Any], signal: Signal, where: str) -> Labelled:
    channels = len(signal.channels)
    wanted: tuple[int, ...] = (len(values) if values.ndim else 0, channels)
    if signal.size is not None:
        wanted = signal.size if channels == 1 and values.ndim == 2 else (*signal.size, channels)
    if values.shape != wanted or not values.size:
        raise SpecError(f"{where}: has the shape {list(values.shape)}, the dataset's signal wants {list(wanted)}")
    return Labelled("", as_values(values).reshape(-1, signal.frame_values), 1)
