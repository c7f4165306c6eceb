"""Releases of a private repository on GitHub, through its API: its pages give devices nothing there.

The API counts requests by token (5,000 an hour); a poll that brings nothing new is one that does not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final

from tinyops.device.source import LATEST
from tinyops.device.web import Web
from tinyops.device.web_source import get_large, get_small
from tinyops.errors import RemoteError
from tinyops.manifest.entry import ENTRY_LIMIT_BYTES, EntryFile
from tinyops.manifest.fields import read_json
from tinyops.trust.origin import Fetched, Missing

RELEASE_LIMIT_BYTES = 8 * 1024 * 1024  # GitHub writes 2 KB for each of at most 1,000 assets
JSON: Final = {"Accept": "application/vnd.github+json"}
BYTES: Final = {"Accept": "application/octet-stream"}


class PrivateGitHub:
    """`api` is the address of the REST API, `repository` is OWNER/NAME."""

    def __init__(
        self,
        api: str,
        repository: str,
        *,
        timeout_s: float,
        token: str,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._web = Web(f"{api}/repos/{repository}/releases", timeout_s=timeout_s, token=token)
        self._pause = pause
        self._assets: dict[str, Mapping[str, int]] = {}  # by tag: a release never changes

    def entry(self, name: str, etag: str) -> Fetched:
        fetched = self._release(LATEST, etag)
        if fetched.body is None:
            return fetched
        url = self._asset(_assets(fetched.body, self._web.url), name)
        return Fetched(get_small(self._web, url, ENTRY_LIMIT_BYTES, "", BYTES).body, fetched.etag)

    def asset(self, file: EntryFile, into: BinaryIO) -> None:
        if file.tag not in self._assets:
            body = self._release(f"tags/{file.tag}", "").body
            assert body is not None  # no ETag was given
            self._assets[file.tag] = _assets(body, f"{self._web.url}/tags/{file.tag}")
        get_large(self._web, self._asset(self._assets[file.tag], file.asset), file, into, self._pause, BYTES)

    def _release(self, which: str, etag: str) -> Fetched:
        return get_small(self._web, f"{self._web.url}/{which}", RELEASE_LIMIT_BYTES, etag, JSON)

    def _asset(self, assets: Mapping[str, int], name: str) -> str:
        if name not in assets:
            raise Missing(f"{self._web.url}: the release has no {name}")
        return f"{self._web.url}/assets/{assets[name]}"


def _assets(body: bytes, where: str) -> Mapping[str, int]:
    """The numbers of a release's assets by name. Raises RemoteError."""
    value: Any = read_json(body, limit_bytes=RELEASE_LIMIT_BYTES, where=where)
    found = value.get("assets") if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise RemoteError(f"{where}: no release as GitHub's API describes one")
    pairs = [(asset.get("name"), asset.get("id")) for asset in found if isinstance(asset, dict)]
    return {name: number for name, number in pairs if isinstance(name, str) and type(number) is int}
