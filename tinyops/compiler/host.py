"""A compiled model as a shared object of this machine: for accuracy, and for tests."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tinyops.compiler.header import HEADER_BYTES, ModelHeader
from tinyops.errors import ToolError
from tinyops.files import writing
from tinyops.process import run
from tinyops.toolchain import installed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion")
FLAGS = ("-std=c99", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-DTINYOPS_SHARED", *WARNINGS)
DUE, MORE = 1, 2


def write_sources(sources: Mapping[str, str], folder: Path) -> list[Path]:
    """Writes a compiled model's files below a folder; returns the C sources among them, sorted."""
    found = []
    for name, text in sorted(sources.items()):
        path = folder / PurePosixPath(name)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        if path.suffix == ".c":
            found.append(path)
    return found


def build_host(sources: Mapping[str, str], folder: Path, *, extra_flags: Sequence[str] = ()) -> Path:
    """Builds a compiled model's sources into `folder`/model.so with this machine's gcc. Raises ToolError."""
    compiler = installed("gcc")
    files = write_sources(sources, folder)
    library = folder / "model.so"
    argv: list[str | Path] = [
        compiler.path,
        *FLAGS,
        *extra_flags,
        "-I",
        folder,
        "-I",
        folder / "include",
        "-o",
        library,
        *files,
    ]
    run(argv, timeout_s=600, what="gcc (model)")
    return library


class HostModel:
    """A model in a shared object, with an arena of its own. Not for two threads at once."""

    def __init__(self, library: Path) -> None:
        try:
            self._library = ctypes.CDLL(str(library))
        except OSError as error:
            raise ToolError(f"{library.name}: cannot be loaded: {error}") from error
        raw = (ctypes.c_uint8 * HEADER_BYTES).in_dll(self._library, "tinyops_model")
        # image_bytes is 0 in a library: there is no image whose length could be checked.
        self.header = ModelHeader.unpack(bytes(raw))
        self._memory = (ctypes.c_uint8 * (self.header.arena_bytes + 16))()
        self._arena = (ctypes.addressof(self._memory) + 15) // 16 * 16
        self.init()

    def _call(self, name: str, *arguments: object) -> int:
        function = getattr(self._library, f"tinyops_model_{name}")
        function.restype = ctypes.c_int32
        return int(function(ctypes.c_void_p(self._arena), *arguments))

    def _checked(self, name: str, wanted: int = 0) -> None:
        status = self._call(name)
        if status != wanted:
            raise ToolError(f"tinyops_model_{name} returned {status}")

    def init(self) -> None:
        """Clears the state in the arena."""
        self._checked("init")

    def infer(self, inputs: NDArray[np.uint8 | np.int8]) -> NDArray[np.uint8]:
        """Output bytes (N, output_bytes) for input bytes (N, input_bytes times the rows that are streamed).

        A model with state takes them in order.
        """
        import numpy as np

        vectors = (
            np.ascontiguousarray(inputs)
            .view(np.uint8)
            .reshape(len(inputs), self.header.input_rows, self.header.input_bytes)
        )
        result = np.empty((len(vectors), self.header.output_bytes), dtype=np.uint8)
        for vector, row in zip(vectors, result, strict=True):
            for piece in vector[:-1]:
                self._write(piece.tobytes())
                self._checked("invoke", MORE)
            self._write(vector[-1].tobytes())
            self._checked("invoke")
            row[:] = np.frombuffer(self.output(), dtype=np.uint8)
        return result

    def push(self, frame: NDArray[np.int16]) -> int:
        """Status of one frame of counts: 1 when an inference is due, 0, or an error below 0."""
        import numpy as np

        counts = np.ascontiguousarray(frame, dtype=np.int16)
        if counts.size != self.header.frame_values and self.header.frame_values:
            raise ValueError(f"a frame has {self.header.frame_values} values, not {counts.size}")
        return self._call("push", counts.ctypes.data_as(ctypes.c_void_p))

    def prepare(self) -> int:
        """Status of filling the input tensor from the newest window."""
        return self._call("prepare")

    def invoke(self) -> int:
        return self._call("invoke")

    def input(self) -> bytes:
        """The input tensor's bytes."""
        return ctypes.string_at(self._arena + self.header.input_offset, self.header.input_bytes)

    def output(self) -> bytes:
        """The output tensor's bytes, valid after invoke."""
        return ctypes.string_at(self._arena + self.header.output_offset, self.header.output_bytes)

    def _write(self, data: bytes) -> None:
        ctypes.memmove(self._arena + self.header.input_offset, data, len(data))
