"""Git LFS: what lies in a checkout in the place of a file that was not fetched."""

from __future__ import annotations

import re
from pathlib import Path

POINTER_LIMIT_BYTES = 1024  # by LFS's own specification
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-.*\n)*oid sha256:([0-9a-f]{64})\nsize [0-9]+\n?"
)


def pointed_at(data: bytes) -> str | None:
    """The digest of the file that a pointer stands for; None for bytes that are no pointer."""
    found = _POINTER.fullmatch(data) if len(data) <= POINTER_LIMIT_BYTES else None
    return f"sha256:{found[1].decode()}" if found else None


def is_pointer(path: Path, sha256: str) -> bool:
    """Whether a pointer to the file with this digest lies at a path."""
    try:
        return path.stat().st_size <= POINTER_LIMIT_BYTES and pointed_at(path.read_bytes()) == sha256
    except OSError:
        return False


def pull_command(path: Path, *, everything: bool = False) -> str:
    """What fetches a file, or a folder with everything in it, by its path below the root of its repository."""
    resolved = path.resolve()
    root = next((p for p in resolved.parents if (p / ".git").exists()), resolved.parent)
    return f'git lfs pull --include="{resolved.relative_to(root).as_posix()}{"/**" if everything else ""}"'
