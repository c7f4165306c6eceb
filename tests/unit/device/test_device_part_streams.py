"""Streams that an agent has for the program of a part: what the program is told, and what is said of them."""

from __future__ import annotations

import socket
import threading

from fakes.ports import free_port
from tinyops.device.part_streams import PartStreams
from tinyops.device.settings import PartSettings
from tinyops.link.streams.kind import Connection, Stream
from tinyops.link.streams.registry import stream_of

WAIT_S = 20.0


class Broken:
    """Fails as nothing of ours fails."""

    name = "ble:hall"

    async def open(self) -> None:
        raise KeyError("Powered")

    async def connection(self) -> Connection:
        raise NotImplementedError

    async def close(self) -> None:
        pass


def test_the_program_is_told_what_it_has_itself_and_inherits_the_rest() -> None:
    part = PartSettings("tcp-listen:127.0.0.1:1", upstream=f"ws-listen:127.0.0.1:{free_port()}", pipe="/run/frames")
    streams = PartStreams(part, lambda _: None)
    try:
        assert streams.options == ("--line", "tcp-listen:127.0.0.1:1", "--pipe", "/run/frames")
        with streams.handed() as inherited:
            (file,) = inherited.files
            assert inherited.options == ("--upstream", f"fd:{file}")
            with socket.socket(fileno=file) as end:
                assert end.family == socket.AF_UNIX
                end.detach()
    finally:
        streams.close()


def test_a_stream_that_ends_of_what_nobody_thought_of_is_said() -> None:
    told = threading.Event()
    said: list[str] = []

    def make(name: str) -> Stream:
        return Broken() if name.startswith("ble:") else stream_of(name)

    streams = PartStreams(
        PartSettings("tcp-listen:127.0.0.1:1", upstream="ble:hall"), lambda text: (said.append(text), told.set()), make
    )
    try:
        assert told.wait(WAIT_S)
        assert said == ["--upstream ble:hall: ended: KeyError: 'Powered'"] and streams.trouble == said[0]
    finally:
        streams.close()
