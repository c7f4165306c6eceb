"""A release store behind HTTP: the newest entry, and files by release, resumed where they were cut off."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from tinyops.device.source import LATEST, Interrupted, copy_exactly, rewind
from tinyops.device.web import Answer, Deadline, Web, conditional
from tinyops.errors import RemoteError
from tinyops.manifest.entry import ENTRY_LIMIT_BYTES, EntryFile
from tinyops.trust.origin import Fetched

SLOWEST_BYTES_PER_S = 2048  # an asset may take its length at this rate, on top of the time limit
ASKS_MAX = 64  # requests for one file in one poll
FAILURES_MAX = 3  # of them in a row that bring nothing
PAUSE_S, PAUSE_MAX_S = 0.5, 10.0
_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")


@dataclass(frozen=True)
class Layout:
    """Where files lie below a store's address."""

    latest: str
    tagged: str


PLAIN = Layout("{latest}/{name}", "{tag}/{name}")  # as the directory store has them
GITHUB = Layout("{latest}/download/{name}", "download/{tag}/{name}")  # below a repository's page of releases


class WebSource:
    """The newest entry and the assets by release and name, on a web server."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        layout: Layout = PLAIN,
        token: str = "",
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.web = Web(url, timeout_s=timeout_s, token=token)
        self._layout, self._pause = layout, pause

    def entry(self, name: str, etag: str) -> Fetched:
        url = f"{self.web.url}/{self._layout.latest.format(latest=LATEST, name=name)}"
        return get_small(self.web, url, ENTRY_LIMIT_BYTES, etag)

    def asset(self, file: EntryFile, into: BinaryIO) -> None:
        url = f"{self.web.url}/{self._layout.tagged.format(tag=file.tag, name=file.asset)}"
        get_large(self.web, url, file, into, self._pause)


def get_small(web: Web, url: str, limit_bytes: int, etag: str, headers: Mapping[str, str] | None = None) -> Fetched:
    """A whole file, unless it is still the one of the ETag. Raises RemoteError."""
    with web.get(url, Deadline(url, web.timeout_s), {**conditional(etag), **(headers or {})}) as answer:
        if answer.status == 304 and etag:
            return Fetched(None, etag)
        answer.expect(200)
        return Fetched(answer.whole(limit_bytes), answer.etag)


def get_large(
    web: Web,
    url: str,
    file: EntryFile,
    into: BinaryIO,
    pause: Callable[[float], None],
    headers: Mapping[str, str] | None = None,
) -> None:
    """A file of an entry. Each part is asked for at `url` itself, as the address that it redirects to expires.

    Raises RemoteError: Interrupted when it was cut off too often.
    """
    deadline = Deadline(url, web.timeout_s + file.bytes / SLOWEST_BYTES_PER_S)
    furthest, failures = into.tell(), 0
    for ask in range(ASKS_MAX):
        try:
            _get_rest(web, url, file, into, deadline, headers or {})
            return
        except Interrupted:
            failures = 0 if into.tell() > furthest else failures + 1
            furthest = max(furthest, into.tell())
            wait_s = min(PAUSE_S * 2**failures, PAUSE_MAX_S) * (0.5 + random.random())  # noqa: S311
            hopeless = failures == FAILURES_MAX or ask == ASKS_MAX - 1 or wait_s > deadline.left_s
            if hopeless or not into.tell():
                raise
        pause(wait_s)


def _get_rest(
    web: Web, url: str, file: EntryFile, into: BinaryIO, deadline: Deadline, headers: Mapping[str, str]
) -> None:
    start = into.tell()
    if start > file.bytes:
        rewind(into)
        start = 0
    if start and start == file.bytes:
        return
    ranged = {"Range": f"bytes={start}-"} if start else {}
    with web.get(url, deadline, {**headers, **ranged}) as answer:
        if start and answer.status == 416:
            rewind(into)
            raise Interrupted(f"{answer.url}: has no bytes from {start:,} on")
        answer.expect(200, 206) if start else answer.expect(200)
        if answer.status == 206:
            _check_range(answer, start, file.bytes)
        elif start:
            rewind(into)  # a server that knows no ranges sends all of it
            start = 0
        length = answer.length()
        if length is not None and length != file.bytes - start:
            names = f"its signed entry names {file.bytes:,}"
            raise RemoteError(f"{answer.url}: {start + length:,} bytes are offered, {names}")
        copy_exactly(answer.read, into, file.bytes, where=answer.url, start=start)


def _check_range(answer: Answer, start: int, length: int) -> None:
    text = answer.headers.get("Content-Range", "")
    found = _RANGE.fullmatch(text)
    if found is None or tuple(map(int, found.groups())) != (start, length - 1, length):
        raise RemoteError(f"{answer.url}: sends {text[:60]!r} where bytes {start}-{length - 1}/{length} were asked for")
