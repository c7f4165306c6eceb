"""Tokens that let somebody in: a file, one a line, read anew when it changes, so that one can be taken back."""

from __future__ import annotations

import hmac
from pathlib import Path

from tinyops.errors import SpecError, TinyopsError, ToolError
from tinyops.files import read_bounded

FILE_LIMIT_BYTES = 1024 * 1024
SHORTEST = 16


class Tokens:
    """The tokens of a file; empty lines and lines that begin with # are none."""

    def __init__(self, path: Path) -> None:
        """Raises SpecError for a file without one, or with one that is easily guessed, and ToolError for one that
        others may read."""
        self._path = path
        self._stamp = self._look()
        self._tokens = self._read()

    def knows(self, authorization: str) -> bool:
        """Whether `Bearer …` names one of them: compared in the same time wherever they differ."""
        self._refresh()
        kind, _, token = authorization.partition(" ")
        given = token.strip().encode()
        found = False
        for known in self._tokens:
            found |= hmac.compare_digest(known, given)
        return found and kind.lower() == "bearer"

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

    def _read(self) -> tuple[bytes, ...]:
        lines = read_bounded(self._path, FILE_LIMIT_BYTES).decode(errors="replace").splitlines()
        tokens = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        hint = "openssl rand -hex 32 > FILE makes one"
        if not tokens:
            raise SpecError(f"{self._path}: holds no token", hint=hint)
        for number, token in enumerate(tokens, 1):
            if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
                raise SpecError(f"{self._path}: token {number} is not {SHORTEST} or more printable ASCII", hint=hint)
        return tuple(token.encode() for token in tokens)
