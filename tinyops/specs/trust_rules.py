"""Rules for who signs: metadata has its keys, people have their threshold, and specs/trust agrees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tinyops.documents.reading import Loc
from tinyops.errors import SpecError
from tinyops.files import read_bounded
from tinyops.specs.faults import Fault
from tinyops.specs.trust import MetadataHost, Signing

ROOT_FILE = "specs/trust/root.json"
ROOT_LIMIT_BYTES = 512 * 1024
_SIGNING: Loc = ("spec", "signing")
_HOST = "metadata: {kind: directory, path: …} or {kind: branch, repository: …}"
_INIT = "`tinyops trust init` makes it; docs/trust.md says who signs what"


def trust_faults(signing: Signing, metadata: MetadataHost | None, root: Path) -> Iterator[Fault]:
    """What is wrong with a project's signers, and with its root against them."""
    if metadata is None:
        if "targets" in signing.model_fields_set:
            message = "targets: signs metadata, and the project names no host for it"
            yield Fault((*_SIGNING, "targets"), message, _HOST, key=True)
        return
    if signing.online is None:
        message = "metadata is signed again on schedule: signing has no `online` key"
        yield Fault(("spec", "metadata"), message, "signing: {online: {key: {secret: TINYOPS_ONLINE_KEY}}}", key=True)
    yield from _targets_faults(signing, root)


def _targets_faults(signing: Signing, root: Path) -> Iterator[Fault]:
    targets, loc = signing.targets, (*_SIGNING, "targets")
    if targets.by == "people" and targets.key is not None:
        yield Fault((*loc, "key"), f"people sign with keys of their own, which {ROOT_FILE} names", "leave it out")
    if targets.by == "ci" and targets.threshold != 1:
        yield Fault((*loc, "threshold"), "CI signs with one key", "by: people, or no threshold")
        return
    named = _threshold(root / ROOT_FILE)
    if named is not None and named != targets.threshold:
        where = (*loc, "threshold") if "threshold" in targets.model_fields_set else loc
        message = f"targets are signed by {targets.threshold} here, by {named} in {ROOT_FILE}"
        yield Fault(where, message, "let them agree: `tinyops trust rotate targets --threshold N` proposes a new root")
    if named is None and (root / ROOT_FILE).exists():
        yield Fault(loc, f"{ROOT_FILE}: is not a root of TUF metadata", _INIT)


def _threshold(path: Path) -> int | None:
    """How many must sign targets, as the root says; without reading more of it."""
    with suppress(SpecError, ValueError, KeyError, TypeError, RecursionError):
        found = json.loads(read_bounded(path, ROOT_LIMIT_BYTES))["signed"]["roles"]["targets"]["threshold"]
        return found if type(found) is int else None
    return None
