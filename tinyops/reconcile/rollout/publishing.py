"""Writing how far rollouts are onto the metadata's host: signed, only onto what was read, with a log beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tinyops.errors import RemoteError, SpecError, ToolError, UsageError
from tinyops.manifest.envelope import seal
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.progress import Progress, progress_file
from tinyops.reconcile.rollout.published import ONLINE_FILE, online_keys
from tinyops.release.lease import holding
from tinyops.release.secrets import load_signing_key
from tinyops.specs.loader import Repository
from tinyops.trust.folder import FolderPlace
from tinyops.trust.places import MetadataPlace, Moved, View

LOG_LINES_MAX = 200
LOG_LIMIT_BYTES = 2 * 1024 * 1024
LEASE = Path(".tinyops") / "rollout-lease"


def log_file(fleet: str) -> str:
    """The signed documents that changed something for people, a line each, oldest first."""
    return f"rollout/{fleet}.log"


@dataclass(frozen=True)
class Change:
    """A fleet's next document. `seen` is the file that it was decided from, None: there was none."""

    fleet: str
    progress: Progress
    seen: bytes | None
    notable: bool


def open_host(repository: Repository) -> MetadataPlace:
    """The metadata's host. Raises UsageError where the project names none."""
    entry = repository.project
    host = entry.document.spec.metadata
    if host is None:
        hint = "metadata: {kind: directory, path: ../.tinyops/metadata}"
        raise UsageError(f"{entry.file}: the project has no `metadata`: there is no place to say it", hint=hint)
    if host.kind == "directory":
        return FolderPlace(repository.resolve(entry, host.path))
    raise ToolError(f"{entry.file}: metadata on a branch is not part of this version", hint="kind: directory")


def online_key(repository: Repository) -> SigningKey:
    """CI's online key. Raises SpecError for one that no device would believe, ToolError where it is not here."""
    entry = repository.project
    signer = entry.document.spec.signing.online
    if signer is None:
        raise SpecError(f"{entry.file}: signing has no online key", hint="online: {key: {secret: TINYOPS_ONLINE_KEY}}")
    key = load_signing_key(signer.key.secret, repository.root)
    if key.public not in online_keys(repository.root):
        raise SpecError(
            f"secret {signer.key.secret}: is key {key.public.key_id[:16]}…, no online key that is committed here",
            hint=f"`tinyops trust status`, or add its public half to {ONLINE_FILE}; devices take it with a release",
        )
    return key


@contextmanager
def alone(repository: Repository) -> Iterator[None]:
    """One step at a time on this machine; others are told apart by what they saw. Raises Leased."""
    with holding(repository.root / LEASE, "rollout step"):
        yield


def publish(repository: Repository, key: SigningKey, changes: Mapping[str, Change], why: str) -> None:
    """Writes documents and log, all or nothing. Raises Moved where another one was written since they were decided."""
    place = open_host(repository)
    view = place.look()
    files: dict[str, bytes] = {}
    for fleet, change in changes.items():
        name = progress_file(fleet)
        if view.read(name) != change.seen:
            raise Moved(f"{place}: {name} changed meanwhile: somebody else made a step", hint="run the same again")
        sealed = seal(change.progress.to_json(), [key]).to_bytes()
        if change.notable:
            files[log_file(fleet)] = _logged(view, fleet, sealed)
        files[name] = sealed
    if files:
        place.change(files, (), view.revision, why)


def _logged(view: View, fleet: str, sealed: bytes) -> bytes:
    """The log with one line more; the oldest go. One that is damaged begins anew."""
    before: list[bytes] = []
    with suppress(RemoteError):
        before = (view.read(log_file(fleet)) or b"").splitlines()
    lines = [*before, sealed.strip()][-LOG_LINES_MAX:]  # an envelope is one line
    while sum(map(len, lines)) > LOG_LIMIT_BYTES:
        lines.pop(0)
    return b"".join(line + b"\n" for line in lines)
