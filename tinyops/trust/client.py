"""The client's side of TUF: `tuf`'s own updater over fetching that is bounded, and a copy on disk that outlives power.

The updater works in a folder in memory; what it believed is copied to the disk by rename, each file whole, and never
taken back. So a server cannot hand out what is older than anything that was ever seen, also after a loss of power.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Metadata, Root, TargetFile
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from tinyops.errors import RemoteError, SpecError, ToolError
from tinyops.files import read_bounded, write_atomic, writing
from tinyops.manifest.fields import time_text
from tinyops.trust.building import sha256_of
from tinyops.trust.origin import Missing, Origin
from tinyops.trust.roles import METADATA_LIMIT_BYTES, TIMESTAMP_FILE, half_life, parse, target_file

ROOT_LIMIT_BYTES = 64 * 1024
LIMITS = UpdaterConfig(
    max_root_rotations=256,
    max_delegations=8,
    root_max_length=ROOT_LIMIT_BYTES,
    timestamp_max_length=16 * 1024,
    snapshot_max_length=256 * 1024,
    targets_max_length=METADATA_LIMIT_BYTES,
)
HISTORY = "root_history"
TAGS = "etag"
_BASE = "metadata:/"  # what the updater puts before names


class Distrusted(RemoteError):
    """Metadata that must not be believed: altered, older than what was seen, or not for this place."""


class Expired(Distrusted):
    """Metadata whose time is over, as this machine knows the time."""


@dataclass(frozen=True)
class Life:
    """Of one role's metadata: when half of it is over, where that is known, and when it ends."""

    role: str
    half: datetime | None
    expires: datetime


class MetadataClient:
    """Metadata as of the last refresh. `folder` is the agent's own; nobody else writes there meanwhile."""

    def __init__(self, root: bytes, folder: Path, origin: Origin, now: Callable[[], datetime]) -> None:
        """`root` is what the device was set up with: all trust comes from it. Raises SpecError when it is none."""
        _check_root(root)
        self._root, self._folder, self._origin, self._now = root, folder, origin, now
        self._work = Path(tempfile.mkdtemp(prefix="tinyops-", dir=_in_memory()))
        self._finalizer = weakref.finalize(self, shutil.rmtree, self._work, True)
        self._saved: dict[str, bytes] = {}
        self._lives: dict[str, tuple[bytes, Life]] = {}
        self._new_etag = ("", "")  # and the SHA-256 of the timestamp that it came with
        self._load()
        self._updater: Updater | None = None

    def refresh(self) -> None:
        """Two requests when nothing changed: is there another root, and is the timestamp another one.

        Raises RemoteError: Expired, Distrusted, or what kept it from asking. What was believed before stays.
        """
        with self._believing():
            self._updater = None
            updater = self._begin()
            updater.refresh()
            self._updater = updater

    def target(self, path: str, limit_bytes: int) -> bytes:
        """A target's bytes, from the disk where they are there already. Raises RemoteError (Missing)."""
        if self._updater is None:
            raise RemoteError(f"{self._origin.address}: nothing is believed of it yet")
        with self._believing():
            listed = self._updater.get_targetinfo(path)
            if listed is None:
                raise Missing(f"{self._origin.address}: its metadata names no {path}")
            return self._fetch(listed, limit_bytes)

    def kept_target(self, path: str, limit_bytes: int) -> bytes | None:
        """What `target` brought last, whatever the metadata says now; not verified."""
        with contextlib.suppress(SpecError):
            return read_bounded(self._target(path), limit_bytes)
        return None

    def lives(self) -> tuple[Life, ...]:
        """Of the metadata that the last refresh left, the roles that everything depends on."""
        roots = [name for name in tuple(self._saved) if name.startswith(HISTORY)]
        files = [max(roots, key=_version_of, default=""), TIMESTAMP_FILE, "snapshot.json", "targets.json"]
        return tuple(self._life(name) for name in files if name in self._saved)

    def _life(self, name: str) -> Life:
        data = self._saved[name]
        if name not in self._lives or self._lives[name][0] is not data:
            signed = Metadata.from_bytes(data).signed
            self._lives[name] = (data, Life(signed.type, half_life(signed), signed.expires))
        return self._lives[name][1]

    # -- asking ------------------------------------------------------------------------------------

    def _begin(self) -> Updater:
        updater = Updater(str(self._work), _BASE, fetcher=_Fetcher(self._get), config=LIMITS, bootstrap=self._root)
        # The library asks the machine's clock, which may be wrong by years, and has no public name for what it heard.
        known = getattr(updater, "_trusted_set", None)
        if known is None or not isinstance(getattr(known, "reference_time", None), datetime):
            raise ToolError("this version of `tuf` cannot be told the time", hint='pip install "tinyops[agent]"')
        known.reference_time = self._now()
        return updater

    @contextlib.contextmanager
    def _believing(self) -> Iterator[None]:
        """Keeps what the updater came to believe, also when it ends in an error; says that in our words."""
        try:
            with writing(self._work):
                yield
        except (RepositoryError, DownloadError) as error:
            raise self._error(error) from error
        finally:
            self._save()

    def _get(self, name: str, limit_bytes: int) -> bytes:
        kept = self._saved.get(name) if name == TIMESTAMP_FILE else None
        etag = self._etag(kept) if kept is not None else ""
        fetched = self._origin.get(name, limit_bytes, etag)
        if fetched.body is None:
            assert kept is not None
            return kept
        if name == TIMESTAMP_FILE:
            self._new_etag = (fetched.etag, hashlib.sha256(fetched.body).hexdigest())
        return fetched.body

    def _fetch(self, listed: TargetFile, limit_bytes: int) -> bytes:
        where = f"{self._origin.address}: {listed.path}"
        sha256 = sha256_of(listed)
        if listed.length > limit_bytes:
            raise Distrusted(f"{where}: is listed with {listed.length:,} bytes, at most {limit_bytes:,} are read")
        kept = self.kept_target(listed.path, limit_bytes)
        if kept is not None and hashlib.sha256(kept).hexdigest() == sha256:
            return kept
        body = self._origin.get(target_file(listed.path, sha256), listed.length).body
        assert body is not None  # no ETag was given
        listed.verify_length_and_hashes(body)
        write_atomic(self._target(listed.path), body)
        return body

    def _error(self, error: Exception) -> RemoteError:
        where = self._origin.address
        if isinstance(error, ExpiredMetadataError):
            now = time_text(self._now())
            return Expired(f"{where}: {error}, where it is {now}", hint="is this machine's clock right?")
        if isinstance(error, UnsignedMetadataError):
            return Distrusted(
                f"{where}: {error}", hint="it was altered, or signed with keys that the root does not name"
            )
        if isinstance(error, BadVersionNumberError):
            return Distrusted(f"{where}: {error}: a rollback attack, or an old copy")
        if isinstance(error, LengthOrHashMismatchError):
            return Distrusted(f"{where}: {error}: altered, or a mixture of two states")
        kind = RemoteError if isinstance(error, DownloadError) else Distrusted
        return kind(f"{where}: {error}")

    # -- keeping -----------------------------------------------------------------------------------

    def _load(self) -> None:
        """What earlier runs believed, into the updater's folder: it verifies all of it again."""
        for path in sorted(self._folder.glob("*.json")) + sorted(self._folder.glob(f"{HISTORY}/*.json")):
            name = path.relative_to(self._folder).as_posix()
            with contextlib.suppress(SpecError):
                self._saved[name] = read_bounded(path, LIMITS.targets_max_length)
        with writing(self._work):
            (self._work / HISTORY).mkdir()
            for name, data in self._saved.items():
                (self._work / name).write_bytes(data)

    def _save(self) -> None:
        """In the order in which it was believed. Raises ToolError: then nothing may be installed, as it could be taken
        back."""
        roots = sorted(self._work.glob(f"{HISTORY}/*.json"))
        others = {path for path in self._work.glob("*.json") if not path.is_symlink()}
        for path in [*roots, *sorted(others, key=lambda path: (path.name != TIMESTAMP_FILE, path.name))]:
            name = path.relative_to(self._work).as_posix()
            data = path.read_bytes()
            if self._saved.get(name) != data:
                write_atomic(self._folder / name, data)
                self._saved[name] = data
        timestamp = self._saved.get(TIMESTAMP_FILE, b"")
        etag, sha256 = self._new_etag
        if etag and hashlib.sha256(timestamp).hexdigest() == sha256:
            write_atomic(self._folder / TAGS, "\n".join((self._origin.address, etag, sha256)).encode())
            self._new_etag = ("", "")

    def _etag(self, kept: bytes) -> str:
        """That of the timestamp at hand, from this very origin; else ""."""
        with contextlib.suppress(SpecError, ValueError):
            address, etag, sha256 = read_bounded(self._folder / TAGS, 16 * 1024).decode().split("\n")
            if address == self._origin.address and sha256 == hashlib.sha256(kept).hexdigest():
                return etag
        return ""

    def _target(self, path: str) -> Path:
        return self._folder / "targets" / quote(path, safe="")


def _version_of(root: str) -> int:
    """The version in the name of a root as the updater keeps it."""
    number = root.removeprefix(f"{HISTORY}/").partition(".")[0]
    return int(number) if number.isdecimal() else 0


def _check_root(data: bytes) -> None:
    """Raises SpecError unless it is a root that its own keys sign."""
    try:
        root = parse(data, Root, where="the root that this device was given")
        root.signed.verify_delegate(Root.type, root.signed_bytes, root.signatures)
    except (RepositoryError, RemoteError) as error:
        raise SpecError(f"{error}", hint="--root names a root.json, as `tinyops trust` wrote it") from None


class _Fetcher(FetcherInterface):
    """Bounded fetching as `tuf` asks for it."""

    def __init__(self, get: Callable[[str, int], bytes]) -> None:
        self._get = get

    def download_bytes(self, url: str, max_length: int) -> bytes:
        try:
            return self._get(url.removeprefix(_BASE), max_length)
        except Missing as error:
            raise DownloadHTTPError(error.message, 404) from error

    def _fetch(self, url: str) -> Iterator[bytes]:
        raise NotImplementedError  # targets are fetched beside the updater


def _in_memory() -> str | None:
    """A folder that is no flash, where the machine has one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
