"""Which sink an address names. A new kind is a file beside this one and a line in SINKS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinyops.device.reports.branch import open_branch_sink
from tinyops.device.reports.directory import DirectorySink
from tinyops.device.reports.endpoint import open_endpoint_sink
from tinyops.device.reports.kind import Credential, ReportSink
from tinyops.device.reports.outbox import Outbox
from tinyops.errors import UsageError

SPOOL_FILE = "reports.sqlite"


@dataclass(frozen=True)
class SinkKind:
    """`claims` says whether an address is of this kind, `open` opens it: address, credential, a folder of its own."""

    name: str
    claims: Callable[[str], bool]
    open: Callable[[str, Credential, Path], ReportSink]


SINKS: tuple[SinkKind, ...] = (
    SinkKind("branch", lambda address: address.startswith("git+"), open_branch_sink),
    SinkKind("endpoint", lambda address: address.startswith(("https://", "http://")), open_endpoint_sink),
    SinkKind("directory", lambda address: "://" not in address, lambda address, _, __: DirectorySink(Path(address))),
)


def open_sink(address: str, *, credential: Credential, state: Path) -> ReportSink:
    """Raises UsageError for an address that names no sink."""
    for kind in SINKS:
        if kind.claims(address):
            return kind.open(address, credential, state)
    raise UsageError(f"{address}: reports go to a folder, an https:// address or git+ssh://…#branch")


def open_outbox(
    address: str, *, credential: Credential, state: Path, on_event: Callable[[str], None] = lambda _: None
) -> Outbox:
    """The outbox of one agent: `state` is the folder of its own, in which reports wait. Raises UsageError."""
    sink = open_sink(address, credential=credential, state=state)
    return Outbox(sink, state / SPOOL_FILE, on_event=on_event)
