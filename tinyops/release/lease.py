"""The lease: one apply at a time on a store, with owner, age and a fencing number.

Each lease is a file named by its number, which only rises; the highest one counts. Taking it is the
atomic creation of the next number, so two that try at once cannot both succeed, and a process that
slept through a take-over finds a higher number than its own when it checks.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tinyops.errors import Leased
from tinyops.files import pretty_json, sync_folder, write_atomic, writing
from tinyops.manifest.fields import read_time, time_text

HOLDER_LIMIT_BYTES = 16 * 1024
ATTEMPTS = 20
_TEMPORARY = ".new."


@dataclass(frozen=True)
class Holder:
    """Who holds a lease. `machine`, `boot`, `pid_space` and `started` tell whether that process still lives."""

    owner: str
    purpose: str
    machine: str
    boot: str
    pid_space: str
    pid: int
    started: str
    taken: str
    token: str
    released: bool = False


@dataclass(frozen=True)
class Lease:
    """A lease that this process took. `fence` is higher than that of every lease before."""

    folder: Path
    fence: int
    holder: Holder

    def check(self) -> None:
        """Raises Leased when another process took over since."""
        fence, holder = _newest(self.folder)
        if fence != self.fence or holder is None or holder.token != self.holder.token:
            who = holder.owner if holder is not None else "somebody"
            raise Leased(
                f"the lease was taken over by {who} (number {fence}, ours was {self.fence}): nothing was published",
                hint="run the same command again",
            )

    def release(self) -> None:
        """Gives the lease back; its number stays used. Does nothing when it was taken over."""
        with contextlib.suppress(Leased):
            self.check()
            released = asdict(self.holder) | {"released": True}
            write_atomic(_path(self.folder, self.fence), pretty_json(released))


@contextlib.contextmanager
def holding(folder: Path, purpose: str) -> Iterator[Lease]:
    """Holds the lease of a store while the block runs. Raises Leased (owner, age) when it is taken."""
    lease = take(folder, purpose)
    try:
        yield lease
    finally:
        lease.release()


def take(folder: Path, purpose: str) -> Lease:
    """Takes the lease, also from an owner that died on this machine. Raises Leased naming owner and age."""
    me = _myself(purpose)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for _ in range(ATTEMPTS):
            fence, holder = _newest(folder)
            if fence and not _is_free(holder):
                raise _taken(folder, fence, holder)
            if _create(folder, fence + 1, me):
                _sweep(folder, fence + 1)
                return Lease(folder, fence + 1, me)
    raise Leased(f"{folder}: many processes want the lease at once", hint="run the same command again")


def _create(folder: Path, fence: int, me: Holder) -> bool:
    """Makes the file of a number, whole from the start; False when another was faster."""
    temporary = folder / f"{_TEMPORARY}{me.pid}.{me.token}"
    write_atomic(temporary, pretty_json(asdict(me)))
    try:
        os.link(temporary, _path(folder, fence))
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)
    sync_folder(folder)
    if _newest(folder)[0] != fence:  # our number was used, given back and swept while we looked
        os.unlink(_path(folder, fence))
        return False
    return True


def _sweep(folder: Path, fence: int) -> None:
    for path in folder.iterdir():
        number = _number(path)
        dead = path.name.startswith(_TEMPORARY) and not _start_of(path.name.split(".")[2])
        if dead or (number is not None and number < fence):
            path.unlink(missing_ok=True)


def _path(folder: Path, fence: int) -> Path:
    return folder / f"{fence:08}.json"


def _number(path: Path) -> int | None:
    return int(path.stem) if path.suffix == ".json" and path.stem.isdecimal() else None


def _newest(folder: Path) -> tuple[int, Holder | None]:
    """The highest number and who has it; 0 when there was no lease yet, None when its file is damaged."""
    fence = max((number for path in folder.glob("*.json") if (number := _number(path)) is not None), default=0)
    if fence == 0:
        return 0, None
    try:
        with _path(folder, fence).open("rb") as stream:
            holder = Holder(**json.loads(stream.read(HOLDER_LIMIT_BYTES)))
        read_time(holder.taken)
    except (ValueError, TypeError, OSError):
        return fence, None
    return fence, holder


def _is_free(holder: Holder | None) -> bool:
    """Given back, or its owner is known to be dead: same machine, and another boot or no such process."""
    if holder is None:
        return False
    if holder.released:
        return True
    machine, boot, pid_space = _here()
    if holder.boot == boot and holder.pid_space == pid_space:
        return _start_of(str(holder.pid)) != holder.started
    return bool(machine) and holder.machine == machine and holder.boot != boot


def _taken(folder: Path, fence: int, holder: Holder | None) -> Leased:
    path = _path(folder, fence)
    hint = f"wait for it; if that process is gone for good, remove {path}"
    if holder is None:
        return Leased(f"{path}: the lease is taken, and its file is damaged", hint=hint)
    age = _age(datetime.now(UTC) - read_time(holder.taken))
    return Leased(f"{holder.owner} holds the lease for {holder.purpose}, since {age} (number {fence})", hint=hint)


def _age(age: timedelta) -> str:
    seconds = max(int(age.total_seconds()), 0)  # a clock may have been set back
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def _myself(purpose: str) -> Holder:
    machine, boot, pid_space = _here()
    pid = os.getpid()
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return Holder(
        owner=f"{user}@{socket.gethostname()} (process {pid})",
        purpose=purpose,
        machine=machine,
        boot=boot,
        pid_space=pid_space,
        pid=pid,
        started=_start_of(str(pid)),
        taken=time_text(datetime.now(UTC)),
        token=secrets.token_hex(16),
    )


def _here() -> tuple[str, str, str]:
    """This machine (empty when it has no id of its own), its boot, and its space of process ids.

    Containers share a kernel and so a boot, but not process ids: an id missing here may live there.
    """
    identity = _read("/etc/machine-id")
    machine = f"{identity}/{socket.gethostname()}" if identity else ""
    try:
        pid_space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        pid_space = ""
    return machine, _read("/proc/sys/kernel/random/boot_id"), pid_space


def _start_of(pid: str) -> str:
    """When a process started, in ticks since boot; empty when there is none (or only its zombie)."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""
