"""Files that a person feeds a board with: tables of frames or tensors, golden vectors, recorded streams."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyops.errors import SpecError
from tinyops.files import MIB, read_bounded
from tinyops.link import Hello
from tinyops.twin.golden import read_golden, read_stream

FILE_LIMIT_BYTES = 64 * MIB
INT16 = range(-(1 << 15), 1 << 15)


@dataclass(frozen=True)
class Food:
    """What a file holds: sensor frames, or input tensors; and the output of each inference, where the file says it."""

    frames: tuple[tuple[int, ...], ...] = ()
    tensors: tuple[bytes, ...] = ()
    wanted: tuple[bytes, ...] = ()


def read_food(path: Path, hello: Hello) -> Food:
    """A golden.bin or stream.bin, a .csv of integer frames, a .npy or .npz of int16 frames or int8 tensors.

    Raises SpecError naming file and line for what the board's model does not take.
    """
    head = read_bounded(path, FILE_LIMIT_BYTES)[:4]
    if head == b"TOG1":
        golden = read_golden(path)
        return Food(tensors=tuple(v for v, _ in golden.vectors), wanted=tuple(w for _, w in golden.vectors))
    if head == b"TOS1":
        stream = read_stream(path)
        return Food(frames=stream.frames, wanted=stream.results)
    if path.suffix == ".csv":
        return Food(frames=tuple(_read_csv(path, hello.frame_values)))
    if path.suffix in (".npy", ".npz"):
        return _read_array(path, hello)
    raise SpecError(f"{path}: not a golden.bin, a stream.bin, a .csv, .npy or .npz")


def _read_csv(path: Path, width: int) -> Sequence[tuple[int, ...]]:
    if width == 0:
        raise SpecError(f"{path}: this model takes tensors, not frames", hint="feed it a .npy of int8 rows")
    frames = []
    for number, row in enumerate(csv.reader(path.read_text(errors="replace").splitlines()), 1):
        try:
            frame = tuple(int(cell) for cell in row)
        except ValueError:
            if number == 1:
                continue  # names of the channels
            raise SpecError(f"{path}:{number}: not whole numbers, as sensors give them: {','.join(row)!r}") from None
        if len(frame) != width or any(value not in INT16 for value in frame):
            raise SpecError(f"{path}:{number}: not {width} numbers of 16 bits: {','.join(row)!r}")
        frames.append(frame)
    return frames


def _read_array(path: Path, hello: Hello) -> Food:
    import numpy as np

    try:
        loaded = np.load(path, allow_pickle=False)
        array = loaded if isinstance(loaded, np.ndarray) else loaded[loaded.files[0]]
    except (ValueError, OSError, IndexError, KeyError, EOFError) as error:
        raise SpecError(f"{path}: not an array of numpy's: {error}") from error
    rows = array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1)
    if rows.dtype == np.int16 and hello.frame_values and rows.shape[1] == hello.frame_values:
        return Food(frames=tuple(tuple(int(v) for v in row) for row in rows))
    takes = hello.input_bytes * hello.input_rows
    tensors = tuple(np.ascontiguousarray(row).tobytes() for row in rows)
    if not tensors or len(tensors[0]) != takes:
        wants = f"{takes} bytes of input tensor"
        wants += f", or {hello.frame_values} values of int16" if hello.frame_values else ""
        raise SpecError(f"{path}: rows of {rows.shape[1]} {rows.dtype}; this board takes rows of {wants}")
    return Food(tensors=tensors)
