"""A token that may read a private store, from a file of its own. It is in no message, report or log."""

from __future__ import annotations

import re
from pathlib import Path

from tinyops.errors import SpecError, ToolError
from tinyops.files import read_bounded

TOKEN_BYTES_MAX = 1024
_TOKEN = re.compile(rb"[!-~]+")


def read_token(path: Path) -> str:
    """Raises SpecError for a file that holds none, ToolError where others may read it."""
    data = read_bounded(path, TOKEN_BYTES_MAX).strip()
    if path.stat().st_mode & 0o077:
        raise ToolError(f"{path}: others than its owner may read it", hint=f"chmod 600 {path}")
    if not _TOKEN.fullmatch(data):
        raise SpecError(f"{path}: holds no token: one line of letters, digits and signs")
    return data.decode()
