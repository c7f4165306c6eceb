"""Writing a new repository: never over anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tinyops.errors import UsageError
from tinyops.files import write_atomic


def write_scaffold(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes all files below a folder, or none: raises UsageError when one of them exists.

    Raises ToolError when the disk refuses.
    """
    existing = [path for path in sorted(files) if (folder / path).exists() or (folder / path).is_symlink()]
    if existing:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise UsageError(
            f"{folder / existing[0]}{more}: exists already, and init overwrites nothing",
            hint="choose an empty folder, or move the file away",
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is not a folder")
    for path, data in files.items():
        write_atomic(folder / path, data)
