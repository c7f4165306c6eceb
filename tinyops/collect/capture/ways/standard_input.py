"""Standard input: what another program prints."""

from __future__ import annotations

import os
import select

from tinyops.collect.capture.ways.kind import OneWay, Opening, Stream, StreamEnded, Traits
from tinyops.errors import UsageError

DESCRIPTOR = 0
PIECE_BYTES = 65_536


class StdinWay:
    """`some-program | tinyops collect … --stdin`."""

    option, metavar, default = "--stdin", "", None
    about = "what another program prints, through a pipe"
    traits = Traits(begun=True)

    def check(self, address: str) -> None:  # noqa: ARG002
        if os.isatty(DESCRIPTOR):
            raise UsageError("--stdin reads a pipe, and this is a terminal", hint="program | tinyops collect …")

    def open(self, address: str, opening: Opening) -> Stream:  # noqa: ARG002
        return PipeStream("standard input", DESCRIPTOR)


class PipeStream(OneWay):
    """The reading end of a pipe."""

    finite = True

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self._descriptor = descriptor

    def read(self, timeout_s: float) -> bytes:
        if not select.select([self._descriptor], [], [], max(timeout_s, 0.0))[0]:
            return b""
        data = os.read(self._descriptor, PIECE_BYTES)
        if not data:
            raise StreamEnded(f"{self.name} has ended")
        return data

    def close(self) -> None:
        return None
