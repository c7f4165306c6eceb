"""How an agent and the program of its part of a chain share two models: runtime/port/part/models.h says it for C.

The agent fills the spare slot, proves it and asks for it; the program runs it when the chain has committed its set, and
says so. It says, too, when it stands: its model runs, and its neighbours have been told. Each mark is a file that names
a slot, replaced by a rename.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from tinyops.device.state import SLOTS, SlotName
from tinyops.files import sync_folder, write_atomic

RUNS, WANTED, BEFORE, STANDS = "runs", "wanted", "before", "stands"
MARK_BYTES = 2


class ChainMarks:
    """In the folder of an agent's slots."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def runs(self) -> SlotName | None:
        """The slot whose model the program runs; None: it never ran one."""
        return self._said(RUNS)

    @property
    def wanted(self) -> SlotName | None:
        return self._said(WANTED)

    @property
    def stands(self) -> bool:
        """Whether the program that was started last has said so."""
        return self._said(STANDS) is not None

    def expect(self) -> None:
        """Before the program is started: what the one before said is over."""
        with contextlib.suppress(OSError):
            (self.folder / STANDS).unlink(missing_ok=True)

    def want(self, slot: SlotName) -> None:
        """What lies there is whole and proven. Raises ToolError."""
        write_atomic(self.folder / WANTED, f"{slot}\n".encode())

    def settle(self, slot: SlotName) -> None:
        """What the program is to start with; only where it does not run, or is about to be started anew."""
        write_atomic(self.folder / RUNS, f"{slot}\n".encode())

    def forget(self) -> None:
        """Before the spare slot is written to: the program lets go of what lies there."""
        for name in (WANTED, BEFORE):
            (self.folder / name).unlink(missing_ok=True)
        if self.folder.exists():
            sync_folder(self.folder)

    def _said(self, name: str) -> SlotName | None:
        try:
            with (self.folder / name).open("rb") as stream:
                text = stream.read(MARK_BYTES).decode("ascii", "replace").strip()
        except OSError:
            return None
        return next((slot for slot in SLOTS if slot == text), None)
