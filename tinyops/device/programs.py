"""Programs of a part of a chain that take each other's place: a new one is on trial until it has worked for a while.

same model, other program      -> the old one lies beside it and runs the model again
the chain's new model          -> stays; the old program, put beside it, ran it at the switch and runs it again
another contract, at once      -> the other slot runs again, model and program
"""

from __future__ import annotations

from tinyops.device.chained import ChainMarks
from tinyops.device.kept_running import Started
from tinyops.device.slots import Slots, program_name
from tinyops.device.state import AgentState, Installed, ProgramTrial, SlotName
from tinyops.manifest.entry import Entry


def trial_of(state: AgentState, entry: Entry, digest: str, slot: SlotName, since: str) -> ProgramTrial | None:
    """Of the program that an entry brings into a slot; None: it is the one that runs, or nothing ran before it."""
    running, current = state.running, state.current
    if running is None or current is None:
        return None
    worked = state.program.before if state.program is not None else running
    old, new = worked.entry.firmware, entry.firmware
    if old is None or new is None or old.sha256 == new.sha256:
        return None
    if slot == current or entry.contract != running.entry.contract:
        return ProgramTrial(before=running, slot=current, entry_digest=digest)
    kept = Installed(entry=entry.model_copy(update={"firmware": old}), since=since)
    return ProgramTrial(before=kept, slot=slot, entry_digest=digest)


class Programs:
    """Which program of a part runs, and what is to lie on the disk before another one is named in the state."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.marks = ChainMarks(slots.folder)
        self._restarts = 0  # how often what runs was changed past the program

    def wanted(self, state: AgentState) -> Started | None:
        """What may run now, if anything."""
        current, running = state.current, state.running
        if current is None or running is None or not self.slots.intact(current, running.entry):
            return None
        name, program = program_name(running.entry), running.entry.firmware
        if name is None or program is None:
            return None
        return Started(self.slots.path(current, name), program.sha256, self._restarts, state.program is not None)

    def start_anew_from(self, slot: SlotName) -> None:
        """What a program is to begin with, that did not switch there by itself."""
        self.marks.settle(slot)
        self._restarts += 1

    def keep_before(self, trial: ProgramTrial | None) -> ProgramTrial | None:
        """The trial, where what it goes back to is on the disk. Raises ToolError."""
        if trial is None or not self.slots.carry_program(trial.before.entry, trial.slot):
            return None
        return trial if self.slots.intact(trial.slot, trial.before.entry) else None

    def may_go_back(self, trial: ProgramTrial) -> bool:
        """Whether what ran before can run again."""
        return self.slots.intact(trial.slot, trial.before.entry)

    def go_back(self, state: AgentState, trial: ProgramTrial) -> None:
        """Before the state says so, and as often as that is tried. Raises ToolError."""
        if trial.slot != state.current:
            self.start_anew_from(trial.slot)
