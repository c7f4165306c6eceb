"""The `.ts` text format of labelled time series: a header of @-lines, then one recording a line.

A recording reads `x,x,x:y,y,y:label`: one list of numbers a dimension, then the class.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinyops.datasets.recording import STRICT, Labelled, Leniency, Values
from tinyops.errors import SpecError
from tinyops.specs.model import Signal

# What this reader can read; other values are other formats.
_WANTED = {"timestamps": "false", "missing": "false"}
HEADER_LIMIT_LINES = 1000


def read_ts(data: bytes, signal: Signal, where: str, _: Leniency = STRICT) -> Iterator[Labelled]:
    """The recordings of a `.ts` file, their dimensions and labels checked against its own header and the signal."""
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError as error:
        raise SpecError(f"{where}: not UTF-8 text (byte {error.start})") from error
    header, first = _read_header(lines, where)
    _check_header(header, signal, where)
    labels = header["classlabel"].split()[1:]
    length = int(header["serieslength"]) if header.get("serieslength", "").isdigit() else None
    for number, line in enumerate(lines[first:], first + 1):
        if line.strip():
            yield _read_line(line, number, len(signal.channels), length, labels, where)


def _read_header(lines: list[str], where: str) -> tuple[dict[str, str], int]:
    header: dict[str, str] = {}
    for number, line in enumerate(lines[:HEADER_LIMIT_LINES], 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        key, _, value = text.partition(" ")
        if not key.startswith("@"):
            raise SpecError(f"{where}:{number}: wanted a line that begins with @ before @data")
        if key.lower() == "@data":
            return header, number
        header[key[1:].lower()] = value.strip()
    raise SpecError(f"{where}: has no @data line")


def _check_header(header: dict[str, str], signal: Signal, where: str) -> None:
    for key, wanted in _WANTED.items():
        if header.get(key, wanted).lower() != wanted:
            raise SpecError(f"{where}: @{key} is {header[key]}, tinyops reads only {wanted}")
    if not header.get("classlabel", "").lower().startswith("true "):
        raise SpecError(f"{where}: has no class labels (@classLabel true …)")
    dimensions = header.get("dimensions", "1" if header.get("univariate", "").lower() == "true" else "")
    if dimensions != str(len(signal.channels)):
        raise SpecError(
            f"{where}: @dimensions is {dimensions or 'missing'}, "
            f"the dataset's signal has {len(signal.channels)} channels"
        )


def _read_line(line: str, number: int, channels: int, length: int | None, labels: list[str], where: str) -> Labelled:
    *dimensions, label = line.strip().split(":")
    if len(dimensions) != channels:
        raise SpecError(f"{where}:{number}: has {len(dimensions)} channels, @dimensions says {channels}")
    if label.strip() not in labels:
        raise SpecError(f"{where}:{number}: the label {label.strip()[:40]!r} is not in @classLabel")
    values = [_read_numbers(text, where, number) for text in dimensions]
    lengths = {len(v) for v in values}
    if len(lengths) != 1 or (length is not None and lengths != {length}):
        raise SpecError(
            f"{where}:{number}: its channels have {sorted(lengths)} samples, wanted {length or 'equal numbers'}"
        )
    return Labelled(label.strip(), np.stack(values, axis=1), number)


def _read_numbers(text: str, where: str, number: int) -> Values:
    try:
        return np.array([float(cell) for cell in text.split(",")], np.float64)
    except ValueError as error:
        raise SpecError(f"{where}:{number}: {error}") from error
