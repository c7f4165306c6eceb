"""What an agent accepts, decided without disk or network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tinyops.device.state import AgentState
from tinyops.errors import RemoteError
from tinyops.files import digest_json
from tinyops.manifest.entry import Entry, read_entry
from tinyops.manifest.fields import read_time
from tinyops.manifest.keys import Trust


class Refused(RemoteError):
    """A release that is not for this device or cannot be trusted; `version` where its entry was signed right."""

    version: int | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Accepted:
    """An entry that passed every rule; `digest` is that of its signed part without `expires`.

    So an entry whose release is signed again to live longer is still the same one.
    """

    entry: Entry
    digest: str


def accept_entry(data: bytes, trust: Trust, state: AgentState, now: datetime, *, where: str) -> Accepted:
    """Checks signature, addressee, version, counter and expiry against what the device remembers.

    Raises Refused for each.
    """
    try:
        entry, envelope = read_entry(data, trust, where=where)
    except RemoteError as error:
        raise Refused(error.message, hint=error.hint) from None
    digest = digest_json({name: value for name, value in envelope.signed.items() if name != "expires"})
    problem = _addressee(entry, state) or _age(entry, digest, state, now)
    if problem:
        refused = Refused(f"{where}: {problem}")
        refused.version, refused.digest = entry.version, entry.model.digest
        raise refused
    return Accepted(entry, digest)


def _addressee(entry: Entry, state: AgentState) -> str:
    if state.project is not None and entry.project != state.project:
        return f"is of project {entry.project}, this device belongs to {state.project}"
    if entry.fleet != state.fleet:
        return f"is for fleet {entry.fleet}, this device belongs to {state.fleet}"
    if entry.board != state.board:
        return f"is for board {entry.board}, this device is a {state.board}"
    if entry.model.kind != "shared-object":
        return "offers a model for a microcontroller; this agent runs shared objects"
    return ""


def _age(entry: Entry, digest: str, state: AgentState, now: datetime) -> str:
    if state.accepted is not None and entry.version < state.accepted:
        known = f"v{state.accepted}, accepted before"
        return f"release v{entry.version} is older than {known}: a rollback attack or an old copy"
    if state.accepted == entry.version and state.accepted_digest != digest:
        return f"a second, different v{entry.version}: releases never change"
    if entry.security_counter < state.security_counter:
        reached = f"{state.security_counter}, which this device reached"
        return f"its security counter {entry.security_counter} is below {reached}"
    if entry.expires is not None and read_time(entry.expires) <= now:
        return f"release v{entry.version} expired at {entry.expires}"
    return ""
