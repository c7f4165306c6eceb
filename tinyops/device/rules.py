"""What an agent takes of what it is offered, decided without disk or network."""

from __future__ import annotations

from datetime import datetime

from tinyops.device.offers import Offered, check_addressee
from tinyops.device.offers import Refused as Refused
from tinyops.device.state import AgentState
from tinyops.manifest.entry import Entry
from tinyops.manifest.fields import read_time


def check_offer(offered: Offered, state: AgentState, now: datetime, *, where: str) -> None:
    """Addressee, version and expiry of an entry against what the device remembers. Raises Refused."""
    check_addressee(offered.entry, state.fleet, state.board, where=where)
    _refuse(offered.entry, _project(offered.entry, state) or _age(offered, state, now), where)


def check_content(entry: Entry, state: AgentState, *, where: str) -> None:
    """What this device would take of an entry: its kind and its security counter. Raises Refused."""
    problem = ""
    if entry.model.kind != "shared-object":
        problem = f"offers a model as {entry.model.kind}; this agent runs shared objects"
    elif entry.security_counter < state.security_counter:
        reached = f"{state.security_counter}, which this device reached"
        problem = f"its security counter {entry.security_counter} is below {reached}"
    _refuse(entry, problem, where)


def _refuse(entry: Entry, problem: str, where: str) -> None:
    if problem:
        refused = Refused(f"{where}: {problem}")
        refused.version, refused.digest = entry.version, entry.model.digest
        raise refused


def _project(entry: Entry, state: AgentState) -> str:
    if state.project is not None and entry.project != state.project:
        return f"is of project {entry.project}, this device belongs to {state.project}"
    return ""


def _age(offered: Offered, state: AgentState, now: datetime) -> str:
    entry = offered.entry
    if state.accepted is not None and entry.version < state.accepted:
        known = f"v{state.accepted}, accepted before"
        return f"release v{entry.version} is older than {known}: a rollback attack or an old copy"
    if state.accepted == entry.version and state.accepted_digest != offered.digest:
        return f"a second, different v{entry.version}: releases never change"
    if entry.expires is not None and read_time(entry.expires) <= now:
        return f"release v{entry.version} expired at {entry.expires}"
    return ""
