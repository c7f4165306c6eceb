"""Assets from GitHub into a local cache: resumed, bounded, checked by digest, the token left at home."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import requests

from tinyops.errors import RemoteError
from tinyops.files import digest_file, sync_folder, writing
from tinyops.release.github.place import may_follow
from tinyops.release.github.problems import failure
from tinyops.release.github.remote import Remote, RemoteAsset
from tinyops.release.github.session import BROKEN, REDIRECTS, REDIRECTS_MAX, Nobody, join, read_some, reason_of

CHUNK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)")
_AGAIN = (403, 408, 410, 416, 429, 500, 502, 503, 504)  # of the second host: its address expired, or it is ill


class Downloads:
    """Files of releases below a folder, by digest."""

    def __init__(self, remote: Remote, folder: Path) -> None:
        self._remote = remote
        self._patience = remote.patience
        self.folder = folder

    def find(self, digest: str) -> Path | None:
        """An intact copy that is here already."""
        path = self._path(digest)
        try:
            return path if digest_file(path) == digest else None
        except OSError:
            return None

    def fetch(self, asset: RemoteAsset, length: int, digest: str, *, where: str) -> Path:
        """A file of that digest. Raises RemoteError when another one came, Unreachable when it did not come."""
        if (found := self.find(digest)) is not None:
            return found
        path = self._path(digest)
        with self._part(f".part-{path.name}") as part:
            for fresh in (False, True):
                if fresh:
                    part.truncate(0)  # what was left of an earlier attempt may have been another file
                self._fill(part, asset, length, where)
                if digest_file(Path(part.name)) == digest:
                    os.replace(part.name, path)
                    sync_folder(self.folder)
                    return path
            part.truncate(0)
        raise RemoteError(
            f"{where}: released asset is damaged: its digest is not {digest}",
            hint="every asset is named by its digest in the manifest: put an intact copy in its place",
        )

    def read(self, asset: RemoteAsset, limit_bytes: int, *, where: str) -> bytes:
        """The content of a small file whose digest nobody knows: not kept."""
        if asset.bytes > limit_bytes:
            raise RemoteError(f"{where}: larger than {limit_bytes:,} bytes")
        with self._part(f".part-asset-{asset.id}-{os.getpid()}") as part:
            part.truncate(0)
            self._fill(part, asset, asset.bytes, where)
            os.unlink(part.name)
            part.seek(0)
            return part.read()

    def _doing(self, where: str) -> str:
        return f"downloading {where.removeprefix(f'{self._remote.place} ')}"

    def _path(self, digest: str) -> Path:
        return self.folder / digest.removeprefix("sha256:")

    @contextlib.contextmanager
    def _part(self, name: str) -> Iterator[BinaryIO]:
        """An unfinished download, locked; where another process has it, one of our own."""
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            part = (self.folder / name).open("a+b")
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            part.close()
            with writing(self.folder):
                part = (self.folder / f"{name}-{os.getpid()}").open("a+b")
        with part:
            yield part

    def _fill(self, part: BinaryIO, asset: RemoteAsset, length: int, where: str) -> None:
        """Appends until all is there; each attempt goes on where the last one ended."""
        attempt = 0
        while (have := part.seek(0, os.SEEK_END)) != length:
            if have > length:
                part.truncate(0)
                continue
            try:
                self._append(part, asset, have, length, where)
                reason = "the connection ended in the middle of the file"
            except BROKEN as error:
                reason = reason_of(error)
            except _Again as error:
                reason = str(error)
                if error.restart:
                    part.truncate(0)
            if (now := part.seek(0, os.SEEK_END)) == length:
                return
            attempt = 1 if now > have else attempt + 1
            if attempt >= self._patience.attempts:
                raise failure(self._remote.place, self._doing(where), reason, sent=False, attempts=attempt)
            self._patience.back_off(attempt, f"{where}: {reason} ({now:,} of {length:,} bytes)")

    def _append(self, part: BinaryIO, asset: RemoteAsset, have: int, length: int, where: str) -> None:
        deadline = self._patience.deadline(length - have)
        with self._answer(asset, have, where) as response:
            if response.status_code == 200 and have:
                part.truncate(0)
                have = 0
            elif response.status_code == 206:
                match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
                if match is None or int(match.group(1)) != have:
                    raise RemoteError(f"{where}: asked for bytes from {have:,}, other ones came")
            while chunk := read_some(response, CHUNK_BYTES):
                have += len(chunk)
                if have > length:
                    part.truncate(0)
                    raise RemoteError(f"{where}: longer than its {length:,} bytes")
                with writing(Path(part.name)):
                    part.write(chunk)
                    part.flush()
                if self._patience.clock() > deadline:
                    raise _Again("slower than tinyops waits for")

    @contextlib.contextmanager
    def _answer(self, asset: RemoteAsset, have: int, where: str) -> Iterator[requests.Response]:
        """GitHub's answer for an asset, or, without the token, that of the host that it sends us to."""
        headers = {"Accept": "application/octet-stream", "Accept-Encoding": "identity"}
        headers |= {"Range": f"bytes={have}-"} if have else {}
        session = self._remote.session
        session.doing = self._doing(where)
        with requests.Session() as bare, contextlib.ExitStack() as open_answers:
            bare.auth = Nobody()
            url = asset.url
            response = session.get(url, headers=headers, stream=True, allow_redirects=False)
            for _ in range(REDIRECTS_MAX):
                open_answers.callback(response.close)
                target = response.headers.get("Location")
                if response.status_code not in REDIRECTS or not target:
                    break
                url = join(url, target)
                if not may_follow(url, self._remote.place):
                    raise RemoteError(f"{where}: redirected to an address that is not encrypted")
                timeout = (self._patience.connect_s, self._patience.read_s)
                try:
                    response = bare.get(url, headers=headers, stream=True, allow_redirects=False, timeout=timeout)
                except ValueError as error:
                    raise RemoteError(f"{where}: redirected to what is no address") from error
            open_answers.callback(response.close)
            self._check(response, where)
            yield response

    def _check(self, response: requests.Response, where: str) -> None:
        status = response.status_code
        if status in (200, 206):
            return
        if status in _AGAIN and not self._remote.place.trusts(response.url):
            raise _Again(f"the server of the files answered {status}", restart=status == 416)
        raise self._remote.refusal(self._doing(where), response)


class _Again(Exception):
    """Worth another attempt with a fresh address; `restart` throws away what has come so far."""

    def __init__(self, reason: str, *, restart: bool = False) -> None:
        super().__init__(reason)
        self.restart = restart
