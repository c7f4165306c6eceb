"""A release store in a folder, and the choice between it and a web server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from tinyops.device.github_source import PrivateGitHub
from tinyops.device.mirror import Mirrored
from tinyops.device.source import LATEST, Source, copy_exactly, rewind
from tinyops.device.web_source import GITHUB, WebSource
from tinyops.errors import RemoteError, UsageError
from tinyops.manifest.entry import ENTRY_LIMIT_BYTES, EntryFile
from tinyops.trust.origin import Fetched, Missing


class DirectorySource:
    """A release store in a folder, such as a mounted share."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entry(self, name: str, etag: str) -> Fetched:  # noqa: ARG002 a file is read in less than a question takes
        path = self.root / LATEST / name
        try:
            with path.open("rb") as stream:
                body = stream.read(ENTRY_LIMIT_BYTES + 1)
        except OSError as error:
            kind = Missing if path.parent.is_dir() else RemoteError
            raise kind(f"{path}: cannot be read: {error.strerror}", hint=_NO_ENTRY_HINT) from error
        if len(body) > ENTRY_LIMIT_BYTES:
            raise RemoteError(f"{path}: larger than {ENTRY_LIMIT_BYTES:,} bytes")
        return Fetched(body, "")

    def asset(self, file: EntryFile, into: BinaryIO) -> None:
        path = self.root / file.tag / file.asset
        rewind(into)
        try:
            reader = path.open("rb")
        except OSError as error:
            raise RemoteError(f"{path}: cannot be read: {error.strerror}") from error
        with reader:
            copy_exactly(lambda want: _read(reader, want, path), into, file.bytes, where=str(path))


def open_source(store: str, timeout_s: float, *, token: str = "", mirror: str | None = None) -> Source:
    """The source for a path, an http(s) URL or a repository on GitHub. Raises UsageError."""
    if mirror is not None:
        return Mirrored(open_source(mirror, timeout_s), open_source(store, timeout_s, token=token))
    page = github_page(store)
    if page is not None and token:
        return _private(page, timeout_s, token)
    if page is not None:
        return WebSource(page, timeout_s=timeout_s, layout=GITHUB)
    if store.startswith(("http://", "https://")):
        return WebSource(store, timeout_s=timeout_s, token=token)
    if "://" in store:
        raise UsageError(f"{store}: a store is a folder, an http(s) URL or github:OWNER/REPOSITORY")
    if token:
        raise UsageError(f"{store}: a folder takes no token", hint="--token-file is for a store on the web")
    return DirectorySource(Path(store))


def _private(page: str, timeout_s: float, token: str) -> Source:
    """The API beside a repository's page: its own host on github.com and its Enterprise Cloud, else a path."""
    parts = urlsplit(page)
    host, repository = parts.netloc, parts.path.removesuffix("/releases").strip("/")
    cloud = host == "github.com" or host.endswith(".ghe.com")
    api = f"{parts.scheme}://api.{host}" if cloud else f"{parts.scheme}://{host}/api/v3"
    return PrivateGitHub(api, repository, timeout_s=timeout_s, token=token)


def github_page(store: str) -> str | None:
    """The page of releases that a repository on GitHub is named by; None for what names none. Raises UsageError."""
    if not store.startswith("github:"):
        match = _ON_GITHUB.fullmatch(store)
        return f"https://github.com/{match.group(1)}/releases" if match else None
    match = _NAMED.fullmatch(store.removeprefix("github:"))
    if match is None:
        raise UsageError(
            f"{store}: names no repository on GitHub",
            hint="github:acme/wearables-releases, or github:https://ghe.example.com/acme/wearables-releases",
        )
    return f"{match.group(1) or 'https://github.com'}/{match.group(2)}/releases"


def _read(reader: BinaryIO, want: int, path: Path) -> bytes:
    try:
        return reader.read(want)
    except OSError as error:
        raise RemoteError(f"{path}: cannot be read: {error.strerror}") from error


_NAMED = re.compile(r"(?:(https?://[^/@\s]+)/)?([A-Za-z0-9-]+/[A-Za-z0-9._-]+)")
_ON_GITHUB = re.compile(r"https://github\.com/([A-Za-z0-9-]+/[A-Za-z0-9._-]+?)(?:/releases)?/?")
_NO_ENTRY_HINT = "is the store's path right, and does the newest release offer this fleet and board?"
