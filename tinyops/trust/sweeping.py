"""Which old files a metadata host no longer needs: what the newest editions name stays, for polls in flight."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from tuf.api.metadata import Snapshot, Targets

from tinyops.errors import RemoteError
from tinyops.trust.building import sha256_of
from tinyops.trust.places import View
from tinyops.trust.roles import ROLLOUT, SNAPSHOT, TARGETS, SignedT, parse, target_file, versioned

KEPT_EDITIONS = 20
_VERSIONED = re.compile(r"([1-9][0-9]{0,8})\.(snapshot|targets|rollout)\.json")


def swept(view: View, coming: Collection[str], kept: int = KEPT_EDITIONS) -> list[str]:
    """The files of a host that only editions before the newest ones name. Roots stay for ever."""
    names = view.names()
    ours = [name for name in names if _VERSIONED.fullmatch(name) or name.startswith("targets/")]
    snapshots = sorted(
        (int(found[1]) for name in names if (found := _VERSIONED.fullmatch(name)) and found[2] == SNAPSHOT),
        reverse=True,
    )
    if len(snapshots) <= kept:
        return []
    needed = {*coming}
    for version in snapshots[:kept]:
        needed.update(_edition(view, version))
    return sorted(name for name in ours if name not in needed)


def _edition(view: View, version: int) -> Iterator[str]:
    """A snapshot's file, those that it lists, and the targets of these."""
    name = versioned(version, SNAPSHOT)
    yield name
    for role, listed in _read(view, name, Snapshot).meta.items():
        if role in (f"{TARGETS}.json", f"{ROLLOUT}.json"):
            file = f"{listed.version}.{role}"
            yield file
            for path, target in _read(view, file, Targets).targets.items():
                yield target_file(path, sha256_of(target))


def _read(view: View, name: str, kind: type[SignedT]) -> SignedT:
    data = view.read(name)
    if data is None:
        raise RemoteError(f"{name}: is missing from the metadata host")
    return parse(data, kind, where=name).signed
