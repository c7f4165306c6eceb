"""Rules for the artifact store: a folder or a URL, and no credentials where others read them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tinyops.documents.reading import Loc
from tinyops.specs.artifact_store import ArtifactStore
from tinyops.specs.faults import Fault

_LOC: Loc = ("spec", "artifacts")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_URL = re.compile(r"[a-z][a-z0-9+.-]+://(?P<place>[^/]*)(?P<path>/.*)?")
_CREDENTIAL = re.compile(r"(^|_)(key|secret|token|password|passwd|credentials?|sas|sig|signature)($|_)")
_ELSEWHERE = "credentials: {secret: NAME}, or what the file system finds by itself, such as its own variables"


def is_url(text: str) -> bool:
    """Whether a store is behind a URL; everything else is a folder."""
    return bool(_SCHEME.match(text))


def store_faults(store: ArtifactStore) -> Iterator[Fault]:
    """What is wrong with a project's artifact store."""
    yield from _url_faults(store.url) if is_url(store.url) else _folder_faults(store)
    for name in store.options:
        if _CREDENTIAL.search(name.lower()):
            yield Fault((*_LOC, "options", name), f"{name} looks like a credential: specs hold none", _ELSEWHERE)
    if store.key is not None and store.trusted is None:
        yield Fault((*_LOC, "key"), "needs `trusted`, the file of public keys whose records are taken", _KEYS)
    if store.trusted is not None and store.key is None:
        yield Fault((*_LOC, "trusted"), "needs `key`, the secret that signs records", _KEYS)


_KEYS = "`tinyops keys new NAME --trust FILE` makes both halves"


def _url_faults(url: str) -> Iterator[Fault]:
    loc = (*_LOC, "url")
    found = _URL.fullmatch(url)
    if "@" in url.partition("://")[2].partition("/")[0]:
        yield Fault(loc, "holds a user or a password: specs hold none", _ELSEWHERE)  # and it is not repeated here
    elif found is None or "::" in url:
        yield Fault(loc, f"{url}: is not one URL such as s3://bucket/prefix", "a folder is written without a scheme")
    elif re.search(r"[?#\s\\\x00-\x1f]", url):
        yield Fault(loc, "a store's URL has no query, no fragment and no spaces", "name options under `options`")
    elif url.startswith("file:") and (found["place"] or not (found["path"] or "").strip("/")):
        yield Fault(loc, f"{url}: is not file:///absolute/path", "a folder relative to this file needs no scheme")
    elif not url.startswith(("file:", "memory:")) and not found["place"]:
        yield Fault(loc, f"{url}: names no bucket or server", "such as s3://bucket/prefix")
    elif ".." in (found["path"] or "").split("/"):
        yield Fault(loc, f"{url}: leads upwards", "write the path without ..")


def _folder_faults(store: ArtifactStore) -> Iterator[Fault]:
    if "\0" in store.url:
        yield Fault((*_LOC, "url"), "is not a path")
    for name in ("options", "credentials"):
        if getattr(store, name):
            yield Fault((*_LOC, name), "is of a URL, and the store is a folder", "leave it out", key=True)
