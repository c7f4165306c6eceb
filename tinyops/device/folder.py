"""A release store in a folder, and the choice between it and a web server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO

from tinyops.device.source import LATEST, Fetched, Source, copy_exactly
from tinyops.device.web import GITHUB, WebSource
from tinyops.errors import RemoteError, UsageError
from tinyops.manifest.entry import ENTRY_LIMIT_BYTES, EntryFile


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
            raise RemoteError(f"{path}: cannot be read: {error.strerror}", hint=_NO_ENTRY_HINT) from error
        if len(body) > ENTRY_LIMIT_BYTES:
            raise RemoteError(f"{path}: larger than {ENTRY_LIMIT_BYTES:,} bytes")
        return Fetched(body, "")

    def asset(self, file: EntryFile, into: BinaryIO) -> None:
        path = self.root / file.tag / file.asset
        try:
            reader = path.open("rb")
        except OSError as error:
            raise RemoteError(f"{path}: cannot be read: {error.strerror}") from error
        with reader:
            copy_exactly(lambda want: _read(reader, want, path), into, file.bytes, where=str(path))


def open_source(store: str, timeout_s: float) -> Source:
    """The source for a path, an http(s) URL or a repository on GitHub. Raises UsageError."""
    if (page := github_page(store)) is not None:
        return WebSource(page, timeout_s=timeout_s, layout=GITHUB)
    if store.startswith(("http://", "https://")):
        return WebSource(store, timeout_s=timeout_s)
    if "://" in store:
        raise UsageError(f"{store}: a store is a folder, an http(s) URL or github:OWNER/REPOSITORY")
    return DirectorySource(Path(store))


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
