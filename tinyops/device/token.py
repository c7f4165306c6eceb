"""A token that may read a private store, from a file of its own. It is in no message, report or log."""

from __future__ import annotations

from pathlib import Path

from tinyops.device.reports.kind import Credential
from tinyops.errors import ToolError


def read_token(path: Path) -> str:
    """Raises SpecError for a file that holds none, ToolError where others may read it."""
    text = Credential(path).text()
    if path.stat().st_mode & 0o077:
        raise ToolError(f"{path}: others than its owner may read it", hint=f"chmod 600 {path}")
    return text
