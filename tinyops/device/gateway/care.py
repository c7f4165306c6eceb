"""The care of one device: looked at, told from others, and brought what it is offered. Each call is one visit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from tinyops.device.contract import CONTRACT_LIMIT_BYTES, read_contract
from tinyops.device.gateway.bringing import Bringing, Delivery
from tinyops.device.gateway.choice import active, needs, runs_by_cable
from tinyops.device.gateway.counting import Counted, count, from_text
from tinyops.device.gateway.guard import Guarded, Swapped
from tinyops.device.gateway.journal import JournalFailed, Remembered, event_of
from tinyops.device.gateway.look import Seen, crash_mark, look, reach
from tinyops.device.gateway.places import Place
from tinyops.device.gateway.roster import Clash
from tinyops.device.gateway.standing import Standing
from tinyops.device.gateway.status import Runs, State, Status
from tinyops.device.gateway.ward import Ward
from tinyops.device.gateway.who import Answer, Identity, Trouble
from tinyops.device.offers import wanted
from tinyops.device.update.connection import Connection
from tinyops.device.update.settings import GivenUp, Stopped, UpdateFailed
from tinyops.errors import RemoteError, TinyopsError, ToolError
from tinyops.images import Kind
from tinyops.link.client import LinkError
from tinyops.manifest.entry import Entry
from tinyops.manifest.progress import position
from tinyops.manifest.report import Event, LastUpdate, SlotState

WAITING = "has proven what it was given, and waits for its chain"


@dataclass(frozen=True)
class Visit:
    """What one visit came to. `failed`: what was begun did not end well, and is tried again later."""

    status: Status
    failed: bool = False
    outcome: Literal["", "installed", "given-up", "failed"] = ""  # of what was brought
    met: tuple[str, ...] = ()  # addresses where the same id answers: to be looked at again


def visit(place: Place, ward: Ward, *, may_update: bool) -> Visit:
    """Looks at a device and, with `may_update`, brings it what it needs. Raises nothing that is one device's."""
    try:
        return _visit(place, ward, may_update)
    except JournalFailed as error:
        return Visit(Status(place.address, "behind", None, error.message), failed=True)
    except Stopped as error:
        return Visit(Status(place.address, "unknown", None, error.message))
    except TinyopsError as error:
        return Visit(_absent(place, ward, error.message))
    except Exception as error:
        text = f"{place.address}: this is a defect of tinyops: {type(error).__name__}: {error}"
        return Visit(Status(place.address, "trouble", "defect", text), failed=True)


def _visit(place: Place, ward: Ward, may_update: bool) -> Visit:
    guarded = Guarded(place.transport)
    wake = place.named.wake
    patience = ward.patience if wake is None else replace(ward.patience, away_s=min(ward.patience.away_s, wake.for_s))
    with Connection(
        place.address, guarded, settle_s=place.settle_s, patience=patience, watch=ward.watch, stop=ward.stop
    ) as to:
        try:
            answer = reach(to, place, ward.ask_s)
        except LinkError as error:
            return Visit(_absent(place, ward, error.message))
        if answer.identity is None or answer.trouble is not None:
            with ward.lock:
                ward.roster.gone(place.address)
            return Visit(_left_alone(place, ward, answer, answer.trouble or "unenrolled", answer.why))
        guarded.expected = answer.identity
        clash = _meet(place, ward, answer.identity)
        if clash is not None:
            others = clash.addresses if clash.trouble == "cloned" else ()
            return Visit(_left_alone(place, ward, answer, clash.trouble, clash.text), met=others)
        return _Care(place, ward, to, guarded, answer, answer.identity).tend(may_update)


def _absent(place: Place, ward: Ward, text: str) -> Status:
    """Nobody answers: whoever did is remembered, with when."""
    with ward.lock:
        identity = ward.roster.gone(place.address)
    known = ward.devices.get(identity.device) if identity is not None else None
    state: State = "asleep" if place.named.wake is not None else "absent"
    if known is None or identity is None:
        return Status(place.address, state, text=text)
    runs, counted = Runs.from_text(known.running), from_text(known.health)
    return Status(
        *(place.address, state, None, text, identity, identity.silicon, identity.board, known.seen_s, runs),
        counted=counted,
        slot="confirmed" if runs.model else "empty",
    )


def _left_alone(place: Place, ward: Ward, answer: Answer, trouble: Trouble, text: str) -> Status:
    identity = answer.identity
    subject = identity.device if identity is not None else place.address
    line = f"{place.address}: {text}" if place.address not in text else text
    if identity is not None and identity.device not in ward.devices:
        _remember(place, ward, identity, [])
    ward.trouble(place.address, subject, trouble, line)
    seen_s = int(ward.now().timestamp())
    runs = Runs(model="", contract=answer.info.contract.hex())
    return Status(*(place.address, "trouble", trouble, line, identity, answer.silicon, answer.info.board, seen_s, runs))


def _meet(place: Place, ward: Ward, identity: Identity) -> Clash | None:
    """Notes who is there and tells what is new about it. Returns why it is left alone, if another answers as it."""
    with ward.lock:
        ward.told_chains[identity.device] = identity.chain
        before = ward.roster.saw(place.address, identity)
        clash = ward.roster.clash(identity.device)
        known = ward.devices.get(identity.device)
    if clash is not None and (clash.trouble == "cloned" or clash.addresses[0] != place.address):
        return clash
    events: list[Event] = []
    if before is not None:
        text = f"{place.address}: {identity.device} answers where {before.device} did"
        if before.device == identity.device:
            text = f"{place.address}: another board ({identity.silicon}) answers as {identity.device}"
        events.append(event_of(ward.moment, "swapped", text))
    if known is None:
        text = f"{place.address}: {identity.device}, a {identity.board} of fleet {identity.fleet}"
        events.append(event_of(ward.moment, "first-seen", text))
    elif known.address != place.address:
        events.append(event_of(ward.moment, "moved", f"from {known.address} to {place.address}"))
    elif known.silicon != identity.silicon and before is None:
        text = f"{place.address}: another board ({identity.silicon}) answers as {identity.device}"
        events.append(event_of(ward.moment, "swapped", text))
    same = known is not None and (known.silicon, known.fleet, known.board) == (
        *(identity.silicon, identity.fleet, identity.board),
    )
    if events or not same:
        _remember(place, ward, identity, events)
    return None


def _remember(place: Place, ward: Ward, identity: Identity, events: list[Event]) -> None:
    seen_s = int(ward.now().timestamp())
    who = (identity.device, place.address, identity.silicon, identity.fleet, identity.board, seen_s)
    for forgotten in ward.journal.meet(Remembered(*who), events):
        ward.devices.pop(forgotten, None)
    known = ward.devices.get(identity.device)
    kept = (known.sequence, known.running, known.health, known.last_update, known.crash) if known is not None else ()
    ward.devices[identity.device] = Remembered(*who, *kept)


class _Care:
    """One device that answers, on an open link."""

    def __init__(
        self, place: Place, ward: Ward, to: Connection, guarded: Guarded, answer: Answer, identity: Identity
    ) -> None:
        self._place, self._ward, self._to, self._guarded = place, ward, to, guarded
        self._answer, self._identity = answer, identity
        self._counted = Counted()
        self._runs = Runs()
        self._wave: int | None = None
        self._classes: tuple[str, ...] = ()

    def tend(self, may_update: bool) -> Visit:
        seen = look(self._to)
        self._note(seen)
        standing = self._ward.standings.of(self._identity.fleet, self._identity.board)
        if standing.offered is None:
            return self._without_offer(standing, seen)
        entry = standing.offered.entry
        at = position(entry.fleet, self._ward.unit(self._identity.device))
        self._wave = entry.rollout.wave_of(at) if entry.rollout is not None else None
        runs = self._ward.standings.model_of(self._runs.model) if self._runs.confirmed else None
        chosen = wanted(standing.offered, at, runs)
        self._classes = self._names(chosen or entry)
        delivery = Delivery(self._identity, self._place.address, standing.offered.digest, chosen)
        bringing = Bringing(delivery, self._ward, self._to, self._guarded)
        bringing.settle(seen.slots)
        if chosen is None:
            return self._visit("held", "", seen)  # its rollout says so: it stays with what it runs
        if not chosen.images:
            return self._by_cable(chosen, seen)
        if not needs(chosen, seen.slots):
            return self._visit("current", "", seen)
        if gone := bringing.given_up(seen.slots):
            return self._visit("given-up", gone, seen)
        if standing.expired:
            return self._visit("expired", standing.expired, seen)
        if not may_update:
            return self._visit("behind", "", seen)
        return self._bring(bringing, chosen, seen)

    def _by_cable(self, chosen: Entry, seen: Seen) -> Visit:
        """Nothing that could be brought: a person has to, unless it runs already."""
        if runs_by_cable(chosen, self._answer.info):
            self._runs = replace(self._runs, model=chosen.model.sha256)
            return self._visit("current", "", seen)
        text = "takes what it is offered over a cable alone (`tinyops flash`), and does not say that it runs it"
        status = _left_alone(self._place, self._ward, self._answer, "cable", text)
        return Visit(replace(self._visit("trouble", status.text, seen).status, trouble="cable"))

    def _bring(self, bringing: Bringing, chosen: Entry, seen: Seen) -> Visit:
        try:
            text, trouble = bringing.bring(seen.slots)
        except Swapped as error:
            self._ward.journal.tell(self._identity.device, event_of(self._ward.moment, "swapped", error.message))
            with self._ward.lock:
                self._ward.roster.gone(self._place.address)
            return Visit(Status(self._place.address, "unknown", None, error.message), failed=True)
        except (LinkError, UpdateFailed, RemoteError, ToolError) as error:
            if isinstance(error, JournalFailed):
                raise
            reason = error.message.splitlines()[0]
            if not (isinstance(error, GivenUp) and error.result == "reverted"):  # that is told of already
                bringing.failed(reason)
            failed = self._visit("behind", reason, self._again(seen))
            return replace(failed, failed=True, outcome="failed")
        if trouble is not None:
            return Visit(_left_alone(self._place, self._ward, self._answer, trouble, text))
        after = self._again(seen)
        self._note(after)
        if text:
            return replace(self._visit("given-up", text, after), outcome="given-up")
        if needs(chosen, after.slots):
            return self._visit("behind", WAITING if self._identity.chain else "", after)
        return replace(self._visit("current", "", after), outcome="installed")

    def _again(self, seen: Seen) -> Seen:
        """As it stands now; as it stood, where it does not answer any more."""
        try:
            self._answer = replace(self._answer, info=self._to.call(lambda board: board.info()))
            return look(self._to)
        except TinyopsError:
            return seen

    def _without_offer(self, standing: Standing, seen: Seen) -> Visit:
        if standing.refused or not self._ward.standings.reached:
            return self._visit("held", standing.problem, seen)
        fleet, board = self._identity.fleet, self._identity.board
        text = f"the store offers nothing for fleet {fleet}, board {board}: {standing.problem}"
        status = _left_alone(self._place, self._ward, self._answer, "unknown-fleet", text)
        found = self._visit("trouble", status.text, seen)
        return Visit(replace(found.status, trouble="unknown-fleet"))

    def _note(self, seen: Seen) -> None:
        """What it runs since when, how it fares, and whether it crashed."""
        device = self._identity.device
        known = self._ward.devices[device]
        model, firmware = active(seen.slots, Kind.MODEL), active(seen.slots, Kind.FIRMWARE)
        digest = model.digest.hex() if model is not None and model.digest is not None else ""
        before = Runs.from_text(known.running)
        self._runs = Runs(
            digest,
            firmware.digest.hex() if firmware is not None and firmware.digest is not None else "",
            self._answer.info.contract.hex(),
            before.since if before.model == digest and before.since else self._ward.moment,
            model.confirmed if model is not None else True,
        )
        counted = from_text(known.health)
        if seen.health is not None:
            counted = count(counted, digest, seen.health)
        self._counted = counted
        self._ward.devices[device] = replace(
            known,
            address=self._place.address,
            seen_s=int(self._ward.now().timestamp()),
            running=self._runs.to_text(),
            health=counted.to_text(),
        )
        if seen.crash is not None and (mark := crash_mark(seen.crash, seen.health)) != known.crash:
            where = f"at {seen.crash.pc:#010x}, called from {seen.crash.lr:#010x}"
            text = f"crashed {where}, {seen.crash.uptime_ms} ms after its start; `tinyops crash` tells the line"
            self._ward.journal.tell(device, event_of(self._ward.moment, "crash", text), crash=mark)
            self._ward.devices[device] = replace(self._ward.devices[device], crash=mark)

    def _names(self, entry: Entry) -> tuple[str, ...]:
        """Of its classes, in the contract that it runs; none where that cannot be had."""
        if self._answer.info.contract.hex() != entry.contract:
            return ()
        sha256 = entry.contract_file.sha256
        if sha256 not in self._ward.classes:
            try:
                data = self._ward.content.file(entry.contract_file, CONTRACT_LIMIT_BYTES)
                contract, _ = read_contract(data, where=entry.contract_file.asset)
                self._ward.classes[sha256] = tuple(contract.output.classes or ())
            except TinyopsError:
                self._ward.classes[sha256] = ()  # until the next poll
        return self._ward.classes[sha256]

    def _visit(self, state: State, text: str, seen: Seen) -> Visit:
        if state != "trouble":
            self._ward.trouble(self._place.address, self._identity.device, None, "")
        status = Status(
            *(self._place.address, state, None, text, self._identity, self._answer.silicon, self._identity.board),
            seen_s=int(self._ward.now().timestamp()),
            runs=self._runs,
            slot=self._slot(state, seen),
            counted=self._counted,
            wave=self._wave,
            classes=self._classes,
        )
        return Visit(status)

    def _slot(self, state: State, seen: Seen) -> SlotState:
        model = active(seen.slots, Kind.MODEL)
        reverted = state == "given-up" and self._last_result() == "reverted"
        if model is None:
            return "failed" if reverted else "confirmed" if self._runs.model else "empty"
        if not model.confirmed:
            return "trial"
        return "reverted" if reverted else "confirmed"

    def _last_result(self) -> str:
        text = self._ward.journal.last_update(self._identity.device)
        return LastUpdate.model_validate_json(text).result if text else ""
