"""Who holds a lease: a process on a machine, or a run of a workflow; and whether it is known to be gone."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tinyops.errors import Leased
from tinyops.files import pretty_json
from tinyops.manifest.fields import read_time, time_text

HOLDER_LIMIT_BYTES = 16 * 1024


@dataclass(frozen=True)
class Holder:
    """Who holds a lease. `machine`, `boot`, `pid_space` and `started` tell whether that process still lives.

    `run` is the address of the workflow run that it is part of; empty outside of GitHub's.
    """

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
    run: str = ""

    def to_bytes(self) -> bytes:
        return pretty_json(asdict(self))

    def given_back(self) -> Holder:
        return replace(self, released=True)


def read_holder(data: bytes) -> Holder | None:
    """What `to_bytes` wrote; None when it is damaged."""
    if len(data) > HOLDER_LIMIT_BYTES:
        return None
    try:
        holder = Holder(**json.loads(data))
        read_time(holder.taken)
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (holder.owner, holder.purpose, holder.run, holder.token)
    return holder if all(isinstance(text, str) and text.isprintable() for text in texts) else None


def is_free(holder: Holder | None) -> bool:
    """Given back, or its owner is known to be dead: same machine, and another boot or no such process."""
    if holder is None:
        return False
    if holder.released:
        return True
    machine, boot, pid_space = _here()
    if holder.boot == boot and holder.pid_space == pid_space:
        return start_of(str(holder.pid)) != holder.started
    if holder.run or run_address():  # the machines of a CI are copies of one image: their names prove nothing
        return False
    return bool(machine) and holder.machine == machine and holder.boot != boot


def taken_error(holder: Holder | None, fence: int, *, where: str, hint: str) -> Leased:
    """The sentence that names owner and age of a lease that is not ours."""
    if holder is None:
        return Leased(f"{where}: the lease is taken, and its record is damaged", hint=hint)
    age = _age(datetime.now(UTC) - read_time(holder.taken))
    run = f", {holder.run}" if holder.run else ""
    return Leased(f"{holder.owner} holds the lease for {holder.purpose}, since {age} (number {fence}{run})", hint=hint)


def lost_error(holder: Holder | None, fence: int, ours: int) -> Leased:
    """The sentence for a process whose lease somebody else took over."""
    who = holder.owner if holder is not None else "somebody"
    return Leased(
        f"the lease was taken over by {who} (number {fence}, ours was {ours}): nothing was published",
        hint="run the same command again",
    )


def myself(purpose: str) -> Holder:
    """This process as a holder."""
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
        started=start_of(str(pid)),
        taken=time_text(datetime.now(UTC)),
        token=secrets.token_hex(16),
        run=run_address(),
    )


def run_address(environment: Mapping[str, str] | None = None) -> str:
    """Where GitHub shows the workflow run, with its attempt, that this process is part of; empty elsewhere."""
    variables = os.environ if environment is None else environment
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT")
    server, repository, run, attempt = (variables.get(name, "") for name in names)
    if variables.get("GITHUB_ACTIONS") != "true" or not (server and repository and run):
        return ""
    return f"{server}/{repository}/actions/runs/{run}/attempts/{attempt or 1}"


def start_of(pid: str) -> str:
    """When a process started, in ticks since boot; empty when there is none (or only its zombie)."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""


def _age(age: timedelta) -> str:
    seconds = max(int(age.total_seconds()), 0)  # a clock may have been set back
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def _here() -> tuple[str, str, str]:
    """This machine (empty when it has no id of its own), its boot, and its space of process ids; the ids hashed.

    A lease on GitHub may be read by anybody, and a machine's id is nobody's business.
    Containers share a kernel and so a boot, but not process ids: an id missing here may live there.
    """
    identity = _read("/etc/machine-id")
    machine = _fingerprint(f"{identity}/{socket.gethostname()}") if identity else ""
    try:
        pid_space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        pid_space = ""
    return machine, _fingerprint(_read("/proc/sys/kernel/random/boot_id")), pid_space


def _fingerprint(identity: str) -> str:
    return hashlib.sha256(f"tinyops lease {identity}".encode()).hexdigest()[:32]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""
