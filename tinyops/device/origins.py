"""Metadata on a web server or in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinyops.device.web import Deadline, Web, conditional
from tinyops.errors import RemoteError, UsageError
from tinyops.trust.origin import Fetched, Missing, Origin

_ABSENT = {403: "Forbidden", 404: "Not Found"}  # some hosts of files answer the one, where others answer the other


class WebOrigin:
    """Files below an address of a web server; one connection serves a poll."""

    def __init__(self, url: str, *, timeout_s: float, token: str = "") -> None:
        self._web = Web(url, timeout_s=timeout_s, token=token, keep=True)

    @property
    def address(self) -> str:
        return self._web.url

    def get(self, name: str, limit_bytes: int, etag: str = "") -> Fetched:
        url = f"{self._web.url}/{name}"
        with self._web.get(url, Deadline(url, self._web.timeout_s), conditional(etag)) as answer:
            if answer.status == 304 and etag:
                return Fetched(None, etag)
            if answer.status not in _ABSENT:
                answer.expect(200)
                return Fetched(answer.whole(limit_bytes), answer.etag)
        raise Missing(f"{url}: the server answered {answer.status} {_ABSENT[answer.status]}")

    def close(self) -> None:
        self._web.close()


@dataclass(frozen=True)
class FolderOrigin:
    """Files in a folder, such as a mounted share."""

    root: Path

    @property
    def address(self) -> str:
        return str(self.root)

    def get(self, name: str, limit_bytes: int, etag: str = "") -> Fetched:  # noqa: ARG002 reading is as cheap as asking
        path = self.root / name
        try:
            with path.open("rb") as stream:
                body = stream.read(limit_bytes + 1)
        except FileNotFoundError:
            raise Missing(f"{path}: is not there") from None
        except OSError as error:
            raise RemoteError(f"{path}: cannot be read: {error.strerror}") from error
        if len(body) > limit_bytes:
            raise RemoteError(f"{path}: larger than {limit_bytes:,} bytes")
        return Fetched(body, "")

    def close(self) -> None:
        pass


def open_origin(metadata: str, timeout_s: float, token: str = "") -> Origin:
    """The origin for a path or an http(s) URL. Raises UsageError."""
    if metadata.startswith(("http://", "https://")):
        return WebOrigin(metadata, timeout_s=timeout_s, token=token)
    if "://" in metadata:
        raise UsageError(f"{metadata}: metadata is in a folder or at an http(s) URL")
    return FolderOrigin(Path(metadata))
