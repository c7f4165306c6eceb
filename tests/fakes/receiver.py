"""`tinyops receive` as a process of its own, and a flood of connections from yet another one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
TOKEN, READ_TOKEN = "0123456789abcdef", "fedcba9876543210"


@dataclass
class Receiver:
    """A running one."""

    url: str
    root: Path
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def peak_bytes(self) -> int:
        """The most memory that it ever had."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Its exit status and what it said at the end."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out


def token_files(folder: Path) -> list[str]:
    arguments = []
    for option, token in (("--token-file", TOKEN), ("--read-token-file", READ_TOKEN)):
        path = folder / option.strip("-")
        path.write_text(token + "\n")
        path.chmod(0o600)
        arguments += [option, str(path)]
    return arguments


@contextlib.contextmanager
def receiving(folder: Path, *arguments: str | Path) -> Iterator[Receiver]:
    """Listens on loopback; killed at the end where it has not ended before."""
    argv = [sys.executable, "-m", "tinyops", "receive", "--dir", folder / "kept", "--listen", "127.0.0.1:0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            [str(one) for one in (*argv, *token_files(folder), *arguments)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
    try:
        yield Receiver(_ready(process, folder / "said"), folder / "kept", process)
    finally:
        process.kill()
        process.communicate()


def _ready(process: subprocess.Popen[str], said: Path) -> str:
    """The address, once it takes reports there."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"takes reports at (https?://\S+),", said.read_text()):
            return found[1]
        time.sleep(0.01)
    raise AssertionError(f"the receiver does not start: {said.read_text()}")


def flood(port: int, body: Path, *, connections: int, requests: int) -> Counter[str]:
    """What so many connections got for so many requests each, by status; half of them come from one address."""
    argv = [sys.executable, __file__, str(port), str(body), str(connections), str(requests)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S * 2, check=True)
    return Counter(json.loads(done.stdout))


async def _flood(port: int, body: bytes, connections: int, requests: int) -> Counter[str]:
    got: Counter[str] = Counter()
    await asyncio.gather(*(_one(number, port, body, requests, got) for number in range(connections)))
    return got


async def _one(number: int, port: int, body: bytes, requests: int, got: Counter[str]) -> None:
    """One connection: most send batches, some send endless bodies, some nothing, some rubbish."""
    source = f"127.0.0.{2 + number // 2 % 200 if number % 2 else 1}"
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    except OSError:
        got["no connection"] += 1
        return
    kind = {7: b"\x16\x03\x01rubbish\r\n\r\n", 8: b"POST /v1/reports HTTP/1.1\r\nHost: x\r\n", 9: _endless()}
    try:
        if number % 10 in kind:
            writer.write(kind[number % 10])
            if number % 10 == 9:
                for _ in range(200):
                    writer.write(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
                    await writer.drain()
            got[await _status(reader)] += 1
            return
        for _ in range(requests):
            writer.write(_head(len(body)) + body)
            await writer.drain()
            got[await _status(reader)] += 1
    except (OSError, asyncio.IncompleteReadError):
        got["cut off"] += 1
    finally:
        writer.close()


def _head(length: int) -> bytes:
    lines = ("POST /v1/reports HTTP/1.1", "Host: x", f"Authorization: Bearer {TOKEN}", f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def _endless() -> bytes:
    return _head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")


async def _status(reader: asyncio.StreamReader) -> str:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    await reader.readexactly(int(length[1]) if length else 0)
    return head.split(b" ")[1].decode()


def main(argv: Sequence[str]) -> None:
    port, body, connections, requests = argv
    got = asyncio.run(_flood(int(port), Path(body).read_bytes(), int(connections), int(requests)))
    print(json.dumps(got))


if __name__ == "__main__":
    main(sys.argv[1:])
