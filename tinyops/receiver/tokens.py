"""Tokens that let somebody in: a file, one a line, read anew when it changes, so that one can be taken back.

Where it says so, a line may go on with what its token is good for: `TOKEN wrist` or `TOKEN wrist/d-17`.
"""

from __future__ import annotations

import hmac
import re
from pathlib import Path

from tinyops.errors import SpecError, TinyopsError, ToolError
from tinyops.files import read_bounded

FILE_LIMIT_BYTES = 1024 * 1024
SHORTEST = 16
_SCOPE = re.compile(r"[a-z0-9-]{1,63}(/[A-Za-z0-9 ._+:@-]{1,63})?")


class Tokens:
    """The tokens of a file; empty lines and lines that begin with # are none."""

    def __init__(self, path: Path, *, scoped: bool = False) -> None:
        """Raises SpecError for a file without one, or with one that is easily guessed, and ToolError for one that
        others may read."""
        self._path, self._is_scoped = path, scoped
        self._stamp = self._look()
        self._tokens = self._read()

    def knows(self, authorization: str) -> bool:
        """Whether `Bearer …` names one of them."""
        return self.scope(authorization) is not None

    def scope(self, authorization: str) -> str | None:
        """What the token of `Bearer …` is good for, "" for all; None where it is none of them. Compared in the same
        time wherever they differ."""
        self._refresh()
        kind, _, token = authorization.partition(" ")
        given = token.strip().encode()
        found = None
        for known, good_for in self._tokens:
            if hmac.compare_digest(known, given):
                found = good_for
        return found if kind.lower() == "bearer" else None

    def _refresh(self) -> None:
        """A file that was changed; one that is wrong now lets in whom it let in before."""
        try:
            if (stamp := self._look()) != self._stamp:
                self._tokens, self._stamp = self._read(), stamp
        except TinyopsError:
            return

    def _look(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise SpecError(f"{self._path}: cannot be read: {error.strerror}") from error
        if status.st_mode & 0o007:
            raise ToolError(f"{self._path}: everybody may read it", hint=f"chmod 640 {self._path}")
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> tuple[tuple[bytes, str], ...]:
        lines = read_bounded(self._path, FILE_LIMIT_BYTES).decode(errors="replace").splitlines()
        lines = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        hint = "openssl rand -hex 32 > FILE makes one"
        if not lines:
            raise SpecError(f"{self._path}: holds no token", hint=hint)
        tokens = []
        for number, line in enumerate(lines, 1):
            token, space, scope = line.partition(" ")
            if len(token) < SHORTEST or not line.isascii() or not line.isprintable() or (space and not self._is_scoped):
                raise SpecError(f"{self._path}: token {number} is not {SHORTEST} or more printable ASCII", hint=hint)
            if space and not _SCOPE.fullmatch(scope.strip()):
                raise SpecError(
                    f"{self._path}: token {number}: {scope[:80]!r} is neither DATASET nor DATASET/DEVICE", hint=hint
                )
            tokens.append((token.encode(), scope.strip()))
        return tuple(tokens)
