"""What every host of metadata offers to who publishes there: a look at what is there, and one atomic change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from tinyops.errors import RemoteError


class Moved(RemoteError):
    """Somebody else published since the look that a change was made from."""


class View(Protocol):
    """What lay on a host at one moment. `revision` is "" while nothing does."""

    @property
    def revision(self) -> str: ...

    def read(self, name: str) -> bytes | None:
        """A file's bytes, at most those of metadata; None where there is none. Raises RemoteError."""

    def names(self) -> Collection[str]:
        """Every file."""


class MetadataPlace(Protocol):
    """A folder or a branch that a static web server shows."""

    def look(self) -> View:
        """What is there now. Raises RemoteError."""

    def change(self, files: Mapping[str, bytes], gone: Collection[str], revision: str, why: str) -> None:
        """Writes files in their order and takes others away, unless the host moved on from `revision`: then Moved.

        Who reads meanwhile sees everything before or everything after it, as the last file, `timestamp.json`, names
        all the others and old ones stay for a while. Raises RemoteError, ToolError.
        """
