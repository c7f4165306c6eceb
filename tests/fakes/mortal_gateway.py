"""A gateway as forks of one warmed-up interpreter, killed at a set moment: at a write of its journal, or at a piece of
an image that has arrived. Its devices live in the test's own process, so they outlive it.

A disk of `disk_kib` of its own is what its folder lies on, where that is given; `fill` leaves so many KiB of it free.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
KILLED = -signal.SIGKILL
FILLING = "filling"
PAGE = 4096


@dataclass
class MortalGateway:
    """Starts rounds of a gateway on a folder. What they did is kept in a file of `kept`."""

    parent: subprocess.Popen[str]
    kept: Path

    def round(self, folder: Path, *addresses: str, **more: Any) -> dict[str, Any]:
        """One round, to its end or killed: `write` and `when` ("before", "after"), or `move`. Returns its status, how
        many writes and moves there were, and what the journal tells."""
        assert self.parent.stdin is not None and self.parent.stdout is not None
        asked = {"folder": str(folder), "out": str(self.kept / f"{folder.name}.out"), "addresses": addresses, **more}
        self.parent.stdin.write(json.dumps(asked) + "\n")
        self.parent.stdin.flush()
        line = self.parent.stdout.readline()
        assert line, "the gateway's interpreter ended"
        return json.loads(line)  # type: ignore[no-any-return]


@contextmanager
def mortal_gateway(kept: Path, disk_kib: int = 0, disk: Path | None = None) -> Iterator[MortalGateway]:
    command = [sys.executable, str(HERE)]
    if disk is not None:
        mount = f"mount -t tmpfs -o size={disk_kib}k tinyops {shlex.quote(str(disk))} && exec {shlex.join(command)}"
        command = ["unshare", "-rm", "sh", "-c", mount]
    path = os.pathsep.join(map(str, HERE.parents[1:3]))
    environment = {**os.environ, "PYTHONPATH": path}
    parent = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield MortalGateway(parent, kept)
    finally:
        parent.communicate(timeout=30)  # ends at the end of its input


def serve() -> None:
    """Takes one round a line, answers with one line."""
    from fakes.herd import Herd

    Herd(Path("/nonexistent")).entry(*images())  # so that what is imported late is there
    for line in sys.stdin:
        asked = json.loads(line)
        folder = Path(asked["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        pid = os.fork()
        if pid == 0:
            become(asked, folder)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        (folder / FILLING).unlink(missing_ok=True)
        print(json.dumps({"status": status, **told(folder, Path(asked["out"]))}), flush=True)


def become(asked: dict[str, Any], folder: Path) -> None:
    """The gateway; never returns."""
    status = 1
    try:
        if "free_kib" in asked:
            fill(folder, asked["free_kib"])
        status = run(asked, folder)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def run(asked: dict[str, Any], folder: Path) -> int:
    from fakes.herd import Herd
    from tinyops.errors import ToolError

    def at_write(number: int, when: str) -> None:
        if number == asked.get("write") and when.startswith(asked["when"]):
            os.kill(os.getpid(), signal.SIGKILL)

    herd = Herd(folder)
    counted = {"moves": 0}

    def moved(device: str, done: int, total: int) -> None:
        counted["moves"] += 1
        if counted["moves"] == asked.get("move"):
            os.kill(os.getpid(), signal.SIGKILL)

    herd.told.moved = moved  # type: ignore[method-assign]
    herd.release(*images())
    try:
        gateway = herd.gateway(*asked["addresses"], at_write=at_write)
        gateway.round()
    except ToolError as error:
        print(error.message, file=sys.stderr)
        return 70
    with Path(asked["out"]).open("a") as stream:
        states = {address: status.state for address, status in gateway.statuses.items()}
        writes = gateway.ward.journal.writes
        reports = [[r.device, r.sequence] for r in herd.sent]
        stream.write(json.dumps({"writes": writes, **counted, "states": states, "reports": reports}) + "\n")
    return 0


def told(folder: Path, out: Path) -> dict[str, Any]:
    """What the journal tells, and what the last whole round did."""
    import sqlite3

    rounds = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    found: dict[str, Any] = {"events": [], "rounds": rounds}
    if (folder / "gateway.db").exists():
        db = sqlite3.connect(folder / "gateway.db")
        try:
            found["events"] = db.execute("SELECT device, kind FROM events ORDER BY id").fetchall()
            found["open"] = db.execute("SELECT count(*) FROM steps WHERE ended_s IS NULL").fetchone()[0]
        except sqlite3.Error as error:
            found["trouble"] = str(error)
        finally:
            db.close()
    return found


def fill(folder: Path, free_kib: int) -> None:
    """Takes all space of the disk but so much."""
    about = os.statvfs(folder)
    size = about.f_bavail * about.f_frsize - free_kib * 1024
    if size > 0:
        (folder / FILLING).write_bytes(bytes(size))


def images() -> tuple[Any, ...]:
    """A release with firmware for both slots, and a model."""
    from fakes.slot_board import ORIGINS
    from fakes.updates import offer
    from tinyops.images import Kind

    firmware = [offer(Kind.FIRMWARE, text * 999, at=at) for text, at in ((b"a", ORIGINS[0]), (b"b", ORIGINS[1]))]
    return (offer(body=b"new model" * 300), *firmware)


if __name__ == "__main__":
    serve()
