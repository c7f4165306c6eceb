"""The update client: one poll from the signed entry to a confirmed model, each step safe to be killed at.

    entry verified -> spare slot filled -> trial recorded -> golden vectors, recording -> confirmed
                                                    \\-> given up: the old one runs on

What runs is what the state record names, and it changes by one rename: at `confirmed`.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from tinyops.device import proof
from tinyops.device.contract import CONTRACT_LIMIT_BYTES, Contract, differences, read_contract
from tinyops.device.kept_running import Started
from tinyops.device.offers import Offered, Offers, Refused, wanted
from tinyops.device.posting import Post
from tinyops.device.programs import Programs, trial_of
from tinyops.device.proof import ModelFault, Replayed, SensorFault
from tinyops.device.records import REASON_CHARACTERS_MAX, Records
from tinyops.device.rules import check_content, check_offer
from tinyops.device.sensor import MissingChannels, SensorError, read_columns
from tinyops.device.slots import GOLDEN, MODEL, Slots
from tinyops.device.source import Source
from tinyops.device.state import (
    REJECTED_MAX,
    Installed,
    ProgramTrial,
    Rejected,
    SlotName,
    Trial,
)
from tinyops.errors import RemoteError, TinyopsError, ToolError
from tinyops.files import read_bounded
from tinyops.manifest.document import entry_asset
from tinyops.manifest.entry import Entry
from tinyops.manifest.fields import time_text
from tinyops.manifest.progress import position
from tinyops.manifest.report import UpdateResult

TRIALS_MAX = 3


@dataclass
class Client(Records):
    """Brings the model of one device up to date and runs it.

    `wave` is the device's in the rollout that the last poll brought, if there is one.
    """

    offers: Offers
    source: Source

    def __post_init__(self) -> None:
        self.slots = Slots(self.settings.state)
        self.programs = Programs(self.slots)
        self.marks = self.programs.marks
        self.wave: int | None = None

    def cycle(self) -> TinyopsError | None:
        """Polls, updates if there is something new, runs what is confirmed. Returns what went wrong first."""
        error: TinyopsError | None = None
        replayed: Replayed | None = None
        try:
            replayed = self._update()
        except TinyopsError as caught:
            error = caught
        try:
            self._run(replayed)
        except TinyopsError as caught:
            crashed = isinstance(caught, ModelFault)
            with contextlib.suppress(ToolError):  # a full disk is what went wrong already
                self.save(errors=self.state.errors + 1, crashes=self.state.crashes + crashed)
                if crashed:
                    self.note_event("crash", caught.message)
            if error is not None:
                self.on_event(caught.message)
            error = error or caught
        return error

    # -- update ----------------------------------------------------------------------------------

    def _update(self) -> Replayed | None:
        self.follow_chain()
        try:
            offered, entry = self._poll()
        except Refused as refused:
            self.note("refused", refused.message, refused.version, refused.digest)
            raise
        if entry is None or self._awaits_verdict():
            return None
        if given_up := self.state.refusal(offered.digest, entry.model.sha256):
            self.on_event(f"v{entry.version} was given up before ({given_up.reason}): waiting for another release")
            return None
        if self._holds(entry):
            self._keep(entry, offered.digest)
            return None
        try:
            return self._install(entry, offered.digest)
        except ModelFault as fault:
            raise self._give_up(entry, offered.digest, fault.message) from fault
        except TinyopsError as error:
            result: UpdateResult = "refused" if isinstance(error, Refused) else "failed"
            self.note(result, error.message, entry.version, entry.model.digest)
            raise

    def _holds(self, entry: Entry) -> bool:
        """Whether what runs is what an entry offers. Another program for the same model takes the old one's place."""
        current = self.state.current
        if current is not None and self.slots.lacks_program_alone(current, entry):
            self.on_event(f"v{entry.version}: fetching the program of this part into slot {current}")
            self.slots.renew_program(current, entry, self.source)
        return current is not None and self.slots.intact(current, entry)

    def _poll(self) -> tuple[Offered, Entry | None]:
        """What is offered, and what of it this device takes; None: it stays with what it runs."""
        settings, where = self.settings, entry_asset(self.settings.fleet, self.settings.board)
        self.offers.refresh()
        offered = self.offers.offered(settings.fleet, settings.board)
        check_offer(offered, self.state, self.now(), where=where)
        self._remember(offered)
        at, rollout = position(settings.fleet, settings.chain or settings.device), offered.entry.rollout
        self.wave = rollout.wave_of(at) if rollout is not None else None
        running = self.state.running
        entry = wanted(offered, at, running.entry.model.digest if running else None)
        if entry is not None:
            check_content(entry, self.state, where=where)
        return offered, entry

    def _remember(self, offered: Offered) -> None:
        entry = offered.entry
        if (self.state.accepted, self.state.accepted_digest) != (entry.version, offered.digest):
            self.save(accepted=entry.version, accepted_digest=offered.digest, project=entry.project)

    def _keep(self, entry: Entry, digest: str) -> None:
        """A release that offers what runs already."""
        current, running = self.state.current, self.state.running
        assert current is not None and running is not None
        last = self.state.last_update
        settled = last is not None and (last.version, last.result) == (entry.version, "installed")
        if running.entry == entry and settled and self.state.trial is None:
            return
        self.on_event(f"v{entry.version} offers what runs already")
        if self._in_chain and self.marks.wanted is not None:
            self.marks.forget()  # what was asked for is offered no more
        program = self._program_trial(entry, digest, current)
        self.save(
            slots={**self.state.slots, current: Installed(entry=entry, since=running.since)},
            security_counter=max(self.state.security_counter, 0 if program else entry.security_counter),
            trial=None,
            program=program,
            last_update=self.outcome("installed", "ran already", entry.version, entry.model.digest),
        )

    def _install(self, entry: Entry, digest: str) -> Replayed | None:
        slot, trial = self.state.spare, self.state.trial
        same = trial is not None and (trial.slot, trial.entry_digest, trial.entry) == (slot, digest, entry)
        attempts = trial.attempts if trial is not None and same else 0
        if attempts >= TRIALS_MAX:
            raise ModelFault(
                f"its trial did not come to an end {attempts} times: it takes the agent or the machine down"
            )
        waits = self._waits(entry)
        if waits and same and self.marks.wanted == slot and self.slots.intact(slot, entry):
            return None  # it is proven, and waits for the other parts
        if self._in_chain:
            self.marks.forget()
        if not self.slots.intact(slot, entry):
            self.on_event(f"v{entry.version}: fetching {entry.model.bytes:,} bytes into slot {slot}")
        self.slots.fill(slot, entry, self.source)
        contract = self._check_contract(slot, entry)
        self.save(trial=Trial(slot=slot, entry=entry, entry_digest=digest, attempts=attempts + 1))
        library = self.slots.path(slot, MODEL)
        limit = self.settings.prove_timeout_s
        vectors = proof.prove(library, self.slots.path(slot, GOLDEN), entry.contract, timeout_s=limit)
        if waits:
            self.marks.want(slot)
            self.on_event(f"v{entry.version}: {vectors} golden vectors bit-exact; waits for its chain")
            return None
        replayed = self._try_recording(library, contract, entry)
        if self.settings.part is not None:
            self.programs.start_anew_from(slot)
        self._confirm(slot, entry, digest, f"{vectors} golden vectors bit-exact")
        return replayed if entry.post is None else None  # nothing of a trial is posted: it runs again

    @property
    def _in_chain(self) -> bool:
        """Whether the chain decides what runs: not before it has run anything."""
        return self.settings.chain is not None and self.state.current is not None

    def _waits(self, entry: Entry) -> bool:
        """Whether the chain decides when this runs. Where this agent runs the part's program, one for another contract
        takes its place at once: a program runs models of its own contract alone."""
        running = self.state.running
        own = self.settings.part is not None and running is not None and running.entry.contract != entry.contract
        return self._in_chain and not own

    # -- the program of a part -------------------------------------------------------------------

    def part(self) -> Started | None:
        """The program of this part, where there is one that may run."""
        return self.programs.wanted(self.state)

    def _program_trial(self, entry: Entry, digest: str, slot: SlotName) -> ProgramTrial | None:
        """Where an agent runs the program, and can end its trial."""
        if self.settings.part is None or self.settings.once:
            return None
        return self.programs.keep_before(trial_of(self.state, entry, digest, slot, time_text(self.now())))

    def _awaits_verdict(self) -> bool:
        """Whether a program's trial is to end first. Without a part in the settings nobody would end it."""
        running = self.state.running
        if self.state.program is not None and running is not None and self.settings.part is None:
            self.save(program=None, security_counter=max(self.state.security_counter, running.entry.security_counter))
        if self.state.program is not None and self.settings.once:
            self.on_event("the program of this part is on trial: that ends while an agent stays; no release is taken")
        return self.state.program is not None

    def begin_program(self) -> None:
        """The agent starts, and a program's trial with it, once more. Raises ToolError."""
        trial = self.state.program
        if trial is None:
            return
        if trial.attempts < TRIALS_MAX:
            self.save(program=trial.model_copy(update={"attempts": trial.attempts + 1}))
        else:
            tries = f"its trial did not come to an end {trial.attempts} times"
            self.end_program(f"{tries}: it takes the agent or the machine down")

    def end_program(self, wrong: str | None) -> RemoteError | None:
        """Ends the trial of a part's program: it works, or what ran before runs again. Raises ToolError."""
        trial, running, current = self.state.program, self.state.running, self.state.current
        if trial is None or running is None or current is None:
            return None
        entry = running.entry
        if wrong is None:
            counter = max(self.state.security_counter, entry.security_counter)
            self.save(program=None, security_counter=counter)
            self.on_event(f"v{entry.version}: the program of this part works")
            return None
        if not self.programs.may_go_back(trial):  # another release may bring one that works
            lost = f"{wrong}; the one before is damaged"
            return self._give_up(entry, trial.entry_digest, lost, "the new program", "it is tried on", program=None)
        self.programs.go_back(self.state, trial)
        back = {"current": trial.slot, "slots": {**self.state.slots, trial.slot: trial.before}, "program": None}
        stays = "the one before runs again"
        return self._give_up(entry, trial.entry_digest, wrong, "the new program", stays, **back)

    def follow_chain(self) -> None:
        """The program of this part has switched, with its chain: to what was asked for, or back."""
        runs, trial, program = self.marks.runs, self.state.trial, self.state.program
        if not self._in_chain or runs is None or runs == self.state.current:
            return
        if program is not None and program.slot == runs:  # it was to be left when the agent ended
            self.end_program("it did not stay")
        elif trial is not None and trial.slot == runs:
            self._confirm(runs, trial.entry, trial.entry_digest, "its chain runs it")
        elif (known := self.state.slots.get(runs)) is not None:
            entry = known.entry
            outcome = self.outcome("reverted", "its chain went back to it", entry.version, entry.model.digest)
            self.save(current=runs, program=None, last_update=outcome)
            self.on_event(f"v{entry.version}: its chain went back to it")

    def _try_recording(self, library: Path, contract: Contract, entry: Entry) -> Replayed | None:
        """Part of the trial; a wrong recording is no reason against the model, the run after says so."""
        try:
            return self._replay(library, contract, entry, None)
        except SensorFault:
            return None

    def _check_contract(self, slot: SlotName, entry: Entry) -> Contract:
        contract, value = self.slots.contract(slot, entry)
        if self.settings.contract is not None:
            path = self.settings.contract
            _, own = read_contract(read_bounded(path, CONTRACT_LIMIT_BYTES), where=str(path))
            if found := differences(own, value):
                raise Refused(f"v{entry.version}: its contract does not match this device: {'; '.join(found[:5])}")
        frames = contract.frames
        if self.settings.replay is not None and frames is not None:
            try:
                read_columns(self.settings.replay, frames.channels, frames.line_values)
            except MissingChannels as error:
                raise Refused(f"v{entry.version}: its contract does not match this device's sensor: {error}") from None
            except SensorError:
                pass  # a recording that cannot be read says nothing about the contract
        return contract

    def _confirm(self, slot: SlotName, entry: Entry, digest: str, reason: str) -> None:
        program = self._program_trial(entry, digest, slot)
        may_go_back = program is not None and program.slot != slot  # to an older counter
        self.save(
            current=slot,
            slots={**self.state.slots, slot: Installed(entry=entry, since=time_text(self.now()))},
            security_counter=max(self.state.security_counter, 0 if may_go_back else entry.security_counter),
            trial=None,
            program=program,
            last_update=self.outcome("installed", reason, entry.version, entry.model.digest),
            inferences=0,
            classes={},
            errors=0,
            posted=0,
            unposted=0,
            crashes=0,
            confidence=(),
        )
        self.on_event(f"v{entry.version}: {reason}; runs from slot {slot}")

    def _give_up(
        self, entry: Entry, digest: str, reason: str, what: str = "the new model", stays: str = "", **changes: object
    ) -> RemoteError:
        """Records that an entry is not to be tried again, and returns the error that says so."""
        reason = reason[:REASON_CHARACTERS_MAX]
        rejected = Rejected(entry_digest=digest, model=entry.model.sha256, reason=reason)
        self.save(
            rejected=(*self.state.rejected, rejected)[-REJECTED_MAX:],
            trial=None,
            last_update=self.outcome("reverted", reason, entry.version, entry.model.digest),
            **changes,
        )
        kept = self.state.running
        stays = stays or (f"v{kept.entry.version} runs on" if kept else "nothing runs")
        return RemoteError(
            f"v{entry.version}: {what} was given up: {reason}; {stays}",
            hint="it is not tried again until a release changes this device's entry",
        )

    # -- run -------------------------------------------------------------------------------------

    def _run(self, replayed: Replayed | None) -> None:
        """Runs the confirmed model on the recording, unless its trial just did."""
        self._heal()
        running, current = self.state.running, self.state.current
        if running is None or current is None or self.settings.replay is None:
            return
        if replayed is None:
            contract, _ = self.slots.contract(current, running.entry)
            library = self.slots.path(current, MODEL)
            replayed = self._replay(library, contract, running.entry, self._post(running.entry))
        if replayed is not None:
            self._count(replayed)

    def _count(self, replayed: Replayed) -> None:
        classes = dict(self.state.classes)
        for name, count in replayed.classes.items():
            classes[name] = classes.get(name, 0) + count
        self.save(
            inferences=self.state.inferences + replayed.inferences,
            classes=classes,
            posted=self.state.posted + replayed.posted,
            unposted=self.state.unposted + replayed.unposted,
            confidence=_added(self.state.confidence, replayed.confidence),
        )
        if replayed.trouble:
            total = replayed.posted + replayed.unposted
            self.on_event(f"{replayed.posted} of {total} results posted: {replayed.trouble}")

    def _post(self, entry: Entry) -> Post | None:
        """Where results of the confirmed model go, as its signed entry says."""
        if entry.post is None:
            return None
        settings, number = self.settings, self.state.inferences
        whose = (settings.device, settings.board, settings.fleet, entry.model.digest)
        return Post(entry.post.url, entry.post.only_changes, *whose, number)

    def _replay(self, library: Path, contract: Contract, entry: Entry, post: Post | None) -> Replayed | None:
        if self.settings.replay is None:
            return None
        limit = self.settings.replay_timeout_s
        return proof.replay(library, self.settings.replay, contract, entry.contract, timeout_s=limit, post=post)

    def _heal(self) -> None:
        """A slot whose files were damaged is left for the other one, when that is intact and not too old."""
        current, running = self.state.current, self.state.running
        if current is None or running is None or self.slots.intact(current, running.entry):
            return
        spare = self.state.spare
        other = self.state.slots.get(spare)
        usable = (
            other is not None
            and other.entry.security_counter >= self.state.security_counter
            and self.slots.intact(spare, other.entry)
        )
        reason = f"the files in slot {current} are damaged"
        slots = {name: kept for name, kept in self.state.slots.items() if name != current}
        outcome = self.outcome("reverted", reason, running.entry.version, running.entry.model.digest)
        if usable and self.settings.part is not None:
            self.programs.start_anew_from(spare)
        self.save(current=spare if usable else None, slots=slots, program=None, last_update=outcome)
        if not usable:
            raise ToolError(f"{reason} and slot {spare} holds no model: nothing runs", hint="the next poll fetches it")
        self.on_event(f"{reason}: slot {spare} runs")


def _added(counted: tuple[int, ...], more: tuple[int, ...]) -> tuple[int, ...]:
    """Sums bin by bin; of a model that counts none, what there is."""
    if len(counted) != len(more):
        return more or counted
    return tuple(map(sum, zip(counted, more, strict=True)))
