"""`tinyops bridge` as a process: what it says, how it ends."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time

import pytest

from fakes.ports import free_port

WAIT_S = 30.0


def to(port: int) -> socket.socket:
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), WAIT_S)
        time.sleep(0.02)
    raise AssertionError("nobody listens")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "json"])
def test_it_carries_counts_and_ends_when_it_is_told_to(number: int, status: int, more: tuple[str, ...]) -> None:
    one, other = free_port(), free_port()
    command = [sys.executable, "-m", "tinyops", "bridge", f"tcp-listen:127.0.0.1:{one}", f"tcp-listen::{other}", *more]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process, to(one) as left, to(other) as right:
        told = process.stdout if more else process.stderr
        assert told is not None
        assert all("connected" in told.readline() for _ in range(2))
        left.sendall(b"\0forth")
        assert right.recv(10) == b"\0forth"
        process.send_signal(number)
        out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == status
    assert "Traceback" not in err and "finished steps" not in err
    if more:
        streams = json.loads(out.splitlines()[-1])["streams"]
        assert [(stream["received"], stream["sent"], stream["dropped"]) for stream in streams] == [(6, 0, 0), (0, 6, 0)]
    else:
        assert f"tcp-listen:127.0.0.1:{one}: 6 bytes from it, 0 to it, 0 dropped as nobody took them" in out
