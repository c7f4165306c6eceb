"""Where metadata is fetched from: what every origin of it offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tinyops.errors import RemoteError


class Missing(RemoteError):
    """The origin answers, and there is no such file."""


@dataclass(frozen=True)
class Fetched:
    """An answer: `body` is None when nothing changed since `etag` was given out."""

    body: bytes | None
    etag: str


class Origin(Protocol):
    """Small files by name below one address: a web server's, or a folder."""

    @property
    def address(self) -> str:
        """As it was given: what an ETag belongs to, and what errors name."""

    def get(self, name: str, limit_bytes: int, etag: str = "") -> Fetched:
        """A whole file. Raises RemoteError (Missing), also when it is longer than the limit."""

    def close(self) -> None:
        """Ends a poll: a connection that was kept open for the next request is closed."""
