"""Reports in a folder: a mounted share, or what the receiver keeps. One file a device, replaced by rename."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tinyops.device.reports.kind import Refusal, SealedReport
from tinyops.files import sync_folder, writing


class DirectorySink:
    """`<root>/<fleet>/<device>.json`, or `<device>@<reporter>.json` for one that a gateway speaks for."""

    immediate = True
    batch_max = 1000
    every_s = 0.0

    def __init__(self, root: Path) -> None:
        self.root = root
        self.where = str(root)

    def write(self, reports: Sequence[SealedReport]) -> Sequence[Refusal]:
        """Every file is whole and on the disk before any is renamed, and every name before this returns.

        Raises ToolError when the disk refuses: what was renamed by then stays, other files are as before.
        """
        waiting: list[tuple[str, Path]] = []
        try:
            for report in reports:
                path = self.root / report.name
                with writing(path):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    waiting.append((_written(path, report.data), path))
            self._rename(waiting)
        finally:
            for temporary, _ in waiting:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
        return ()

    def _rename(self, waiting: list[tuple[str, Path]]) -> None:
        while waiting:
            temporary, path = waiting[0]
            with writing(path):
                os.replace(temporary, path)
            waiting.pop(0)
            if not any(other.parent == path.parent for _, other in waiting[:1]):
                with writing(path.parent):
                    sync_folder(path.parent)


def _written(path: Path, data: bytes) -> str:
    """A durable file beside its place. Raises OSError; there is no such file then."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return temporary
