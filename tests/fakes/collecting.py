"""`tinyops collect serve` as a process of its own, forked off a warmed-up interpreter so that it may be killed often.

python collecting.py      a line of JSON each: arguments and the file for what it says; answered by the process's number
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
TOKEN, OTHER_TOKEN, DEVICE_TOKEN = "0123456789abcdef-all", "0123456789abcdef-shake", "0123456789abcdef-d-1"
TOKENS = f"{TOKEN}\n{OTHER_TOKEN} shake\n{DEVICE_TOKEN} wrist/d-1\n"
FACTS: Mapping[str, Any] = {
    "dataset": "wrist",
    "device": "d-1",
    "channels": ["x", "y"],
    "units": ["g", "g"],
    "full_scale": [4, 4],
    "rate_hz": 50,
}


@dataclass
class Collector:
    """A running receiver of recordings."""

    port: int
    pid: int
    root: Path
    said: Path
    clients: list[Client] = field(default_factory=list)

    def kill(self) -> None:
        """`kill -9`; returns when it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
            while time.monotonic() < deadline:
                os.kill(self.pid, 0)
                time.sleep(0.002)
            raise AssertionError("it does not end")

    @property
    def is_alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    @property
    def peak_bytes(self) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    def client(self, token: str = TOKEN) -> Client:
        self.clients.append(Client(self.port, token))
        return self.clients[-1]


@dataclass
class Answer:
    status: int
    value: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def error(self) -> str:
        return str(self.value.get("error", ""))


@dataclass
class Client:
    """A device with a plain HTTP client. Raises OSError and HTTPException as that does."""

    port: int
    token: str = TOKEN
    timeout_s: float = 30.0
    _link: http.client.HTTPConnection | None = field(default=None, repr=False)

    def ask(self, method: str, target: str, body: Any = None, **headers: str) -> Answer:
        link = self._link = self._link or http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout_s)
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        named = {"Authorization": f"Bearer {self.token}", **{n.replace("_", "-"): v for n, v in headers.items()}}
        try:
            link.request(method, target, data, {name: value for name, value in named.items() if value})
            answer = link.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.hang_up()
            raise
        value = json.loads(text) if text.startswith(b"{") else {"text": text.decode()} if text else {}
        return Answer(answer.status, value, {name.lower(): value for name, value in answer.getheaders()})

    def hang_up(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def open(self, **facts: Any) -> Answer:
        return self.ask("POST", "/v1/takes", {**FACTS, **facts})

    def take(self, **facts: Any) -> str:
        answer = self.open(**facts)
        assert answer.status in (200, 201), answer
        return str(answer.value["take"])

    def put(self, take: str, offset: int, data: bytes, *, lost: int = 0) -> Answer:
        more = f"&lost={lost}" if lost else ""
        return self.ask("PUT", f"/v1/takes/{take}?offset={offset}&crc32={zlib.crc32(data):08x}{more}", data)

    def close(self, take: str, **closing: Any) -> Answer:
        return self.ask("POST", f"/v1/takes/{take}/close", closing)

    def look(self, take: str) -> Answer:
        return self.ask("GET", f"/v1/takes/{take}")


class Forge:
    """Starts receivers."""

    def __init__(self, parent: subprocess.Popen[str]) -> None:
        self._parent = parent

    def inside(self, path: Path) -> Path:
        """A path as its receivers see it."""
        return Path(f"/proc/{self._parent.pid}/root") / path.relative_to("/")

    @contextlib.contextmanager
    def collecting(self, folder: Path, *arguments: str | Path, fault: str = "") -> Iterator[Collector]:
        """Listens on loopback, keeps recordings in an inbox unless told otherwise; killed at the end. A `fault` is
        Python that runs before."""
        assert self._parent.stdin is not None and self._parent.stdout is not None
        token = folder / "token"
        if not token.exists():
            token.write_text(TOKENS)
            token.chmod(0o600)
        said = folder / f"said-{time.monotonic_ns()}"
        where = () if {"--repository", "--inbox"} & set(arguments) else ("--inbox", folder / "inbox")
        argv = ["collect", "serve", "--json", *where, "--token-file", token, "--listen", "127.0.0.1:0", *arguments]
        asked = {"arguments": [str(one) for one in argv], "said": str(said), "fault": fault}
        self._parent.stdin.write(json.dumps(asked) + "\n")
        self._parent.stdin.flush()
        running = Collector(0, int(self._parent.stdout.readline()), folder / "inbox", said)
        try:
            running.port = _port(running)
            yield running
        finally:
            running.kill()
            for client in running.clients:
                client.hang_up()


def _port(running: Collector) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        lines = running.said.read_text().splitlines() if running.said.exists() else []
        for line in lines:
            if line.startswith('{"listening"'):
                return int(json.loads(line)["port"])
        if not running.is_alive:
            raise AssertionError(f"the receiver does not start: {running.said.read_text()}")
        time.sleep(0.005)
    raise AssertionError("the receiver does not start in time")


@contextlib.contextmanager
def forge(disk: Path | None = None, disk_kib: int = 0) -> Iterator[Forge]:
    """With a small `disk` of its own, where that is named."""
    command = [sys.executable, __file__]
    if disk is not None:
        mount = f"mount -t tmpfs -o size={disk_kib}k tinyops {shlex.quote(str(disk))} && exec {shlex.join(command)}"
        command = ["unshare", "-rm", "sh", "-c", mount]
    parent = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Forge(parent)
    finally:
        parent.communicate(timeout=PATIENCE_S)


def main() -> None:
    import tinyops.cli.verbs.collect_serve
    import tinyops.receiver.recordings.app
    import tinyops.receiver.recordings.desk
    import tinyops.receiver.serving
    import tinyops.reconcile.collecting  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(asked["arguments"], asked["said"], asked["fault"])
        print(pid, flush=True)


def _become(arguments: list[str], said: str, fault: str) -> None:
    """The command; never returns."""
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for descriptor, target in ((os.open(os.devnull, os.O_RDONLY), 0), (file, 1), (file, 2)):
            os.dup2(descriptor, target)
        exec(fault, {})  # noqa: S102 of a test
        from tinyops.cli import main

        status = main(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
