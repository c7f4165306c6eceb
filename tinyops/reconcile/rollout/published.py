"""How far rollouts are, as it lies on the metadata's host; and the keys that may say so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyops.errors import RemoteError, SpecError
from tinyops.files import read_bounded
from tinyops.manifest.document import Manifest
from tinyops.manifest.keys import PublicKey, Trust
from tinyops.manifest.progress import PROGRESS_LIMIT_BYTES, Progress, check_progress, progress_file, read_progress
from tinyops.specs.loader import Repository

TRUST_FOLDER = "specs/trust"
_FINISHED = re.compile(r"([1-9][0-9]{0,8})\.root\.json$")
ROOT_LIMIT_BYTES = 512 * 1024
Read = Callable[[str], bytes | None]


def online_keys(root: Path) -> tuple[PublicKey, ...]:
    """The public online keys: those that the newest finished root of the metadata names for its timestamp.

    Empty where there is no root. Raises SpecError for one that is damaged.
    """
    finished = [
        (int(found[1]), path)
        for path in (root / TRUST_FOLDER).glob("*.root.json")
        if (found := _FINISHED.match(path.name))
    ]
    return _keys_of_root(max(finished)[1]) if finished else ()


def _keys_of_root(path: Path) -> tuple[PublicKey, ...]:
    try:
        signed = json.loads(read_bounded(path, ROOT_LIMIT_BYTES))["signed"]
        names = signed["roles"]["timestamp"]["keyids"]
        keys = [PublicKey(bytes.fromhex(signed["keys"][name]["keyval"]["public"])) for name in names]
    except (ValueError, KeyError, TypeError, RecursionError):
        keys = []
    if not keys or any(len(key.raw) != 32 for key in keys):
        raise SpecError(f"{path}: names no Ed25519 key for the timestamp", hint="`tinyops trust status` says more")
    return tuple(keys)


@dataclass(frozen=True)
class Held:
    """A fleet's last document, and the file that holds it."""

    data: bytes
    progress: Progress


def read_all(repository: Repository, manifest: Manifest | None) -> Mapping[str, Held]:
    """The last document of each fleet that has one, expired or not. Raises RemoteError for one that cannot be true."""
    fleets = _with_rollouts(repository, manifest)
    if not fleets:
        return {}
    read = reader(repository)
    keys = {key.key_id: key for key in online_keys(repository.root)}
    found = {}
    for fleet in fleets:
        entry = manifest.fleets.get(fleet) if manifest else None
        named = entry.rollout.keys if entry and entry.rollout else ()
        known = {**keys, **{key.key_id: key for key in (PublicKey(bytes.fromhex(text)) for text in named)}}
        if known and (data := read(progress_file(fleet))) is not None:
            found[fleet] = Held(data, checked(data, repository.project.document.name, fleet, Trust(known)))
    return found


def checked(data: bytes, project: str, fleet: str, trust: Trust) -> Progress:
    """A document of the fleet's, signed by an online key; its life may be over. Raises RemoteError."""
    where = progress_file(fleet)
    try:
        progress, _ = read_progress(data, trust, where=where)
        check_progress(progress, project, fleet, 0, where=where)
    except RemoteError as error:
        hint = "put an intact copy back, or take it away: the next step then begins this rollout anew"
        raise RemoteError(error.message, hint=hint) from None
    return progress


def reader(repository: Repository) -> Read:
    """Reads files of the metadata's host as they were at one moment; nothing is imported or asked for before."""
    entry = repository.project
    host = entry.document.spec.metadata
    if host is None:
        return lambda _: None
    if host.kind == "directory":
        folder = repository.resolve(entry, host.path)
        return lambda name: _read_file(folder / name)
    from tinyops.reconcile.trusting import open_place

    return open_place(repository, host).look().read


def _read_file(path: Path) -> bytes | None:
    return read_bounded(path, PROGRESS_LIMIT_BYTES) if path.exists() else None


def _with_rollouts(repository: Repository, manifest: Manifest | None) -> Collection[str]:
    """Fleets that have a rollout, or had one: their quarantine still counts."""
    named = {name for name, entry in repository.fleets.items() if entry.document.spec.rollout is not None}
    return sorted(named | {name for name, entry in (manifest.fleets if manifest else {}).items() if entry.rollout})
