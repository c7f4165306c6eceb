"""Rules for what lies in a folder or behind a URL: the artifact store, data. No credentials where others read them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tinyops.documents.reading import Loc
from tinyops.specs.artifact_store import ArtifactStore
from tinyops.specs.dataset import RecordingsSource
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
    yield from url_faults(store.url, _LOC) if is_url(store.url) else _folder_faults(store, _LOC)
    yield from _option_faults(store.options, _LOC)
    if store.key is not None and store.trusted is None:
        yield Fault((*_LOC, "key"), "needs `trusted`, the file of public keys whose records are taken", _KEYS)
    if store.trusted is not None and store.key is None:
        yield Fault((*_LOC, "trusted"), "needs `key`, the secret that signs records", _KEYS)


_KEYS = "`tinyops keys new NAME --trust FILE` makes both halves"


def recordings_faults(source: RecordingsSource, loc: Loc) -> Iterator[Fault]:
    """What is wrong with where a dataset's source says that its files lie."""
    if source.url is not None and is_url(source.url):
        yield from url_faults(source.url, loc)
    else:
        yield from _folder_faults(source, loc)
    yield from _option_faults(source.options, loc)


def _option_faults(options: Mapping[str, str], loc: Loc) -> Iterator[Fault]:
    for name in options:
        if _CREDENTIAL.search(name.lower()):
            yield Fault((*loc, "options", name), f"{name} looks like a credential: specs hold none", _ELSEWHERE)


def url_faults(url: str, owner: Loc) -> Iterator[Fault]:
    """What is wrong with a URL in the field `url` of a document's part."""
    loc = (*owner, "url")
    found = _URL.fullmatch(url)
    if "@" in url.partition("://")[2].partition("/")[0]:
        yield Fault(loc, "holds a user or a password: specs hold none", _ELSEWHERE)  # and it is not repeated here
    elif found is None or "::" in url:
        yield Fault(loc, f"{url}: is not one URL such as s3://bucket/prefix", "a folder is written without a scheme")
    elif re.search(r"[?#\s\\\x00-\x1f]", url):
        yield Fault(loc, "such a URL has no query, no fragment and no spaces", "name options under `options`")
    elif url.startswith("file:") and (found["place"] or not (found["path"] or "").strip("/")):
        yield Fault(loc, f"{url}: is not file:///absolute/path", "a folder relative to this file needs no scheme")
    elif not url.startswith(("file:", "memory:")) and not found["place"]:
        yield Fault(loc, f"{url}: names no bucket or server", "such as s3://bucket/prefix")
    elif ".." in (found["path"] or "").split("/"):
        yield Fault(loc, f"{url}: leads upwards", "write the path without ..")


def _folder_faults(owner: ArtifactStore | RecordingsSource, loc: Loc) -> Iterator[Fault]:
    if "\0" in (owner.url or ""):
        yield Fault((*loc, "url"), "is not a path")
    what = "the store is" if isinstance(owner, ArtifactStore) else "its files lie in"
    for name in ("options", "credentials"):
        if getattr(owner, name):
            yield Fault((*loc, name), f"is of a URL, and {what} a folder", "leave it out", key=True)
