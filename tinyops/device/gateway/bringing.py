"""Bringing a device what it is offered: written down before it is done, given up for good where the device says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinyops.device.gateway.choice import Need, needs, unwanted_trials
from tinyops.device.gateway.guard import Guarded
from tinyops.device.gateway.journal import StepResult, as_text, event_of
from tinyops.device.gateway.look import images_of
from tinyops.device.gateway.ward import Ward
from tinyops.device.gateway.who import Identity, Trouble
from tinyops.device.update.connection import Connection
from tinyops.device.update.decide import Offer, label
from tinyops.device.update.session import WAITS, Desk, Done, Phase, Session
from tinyops.device.update.settings import GivenUp, UpdateFailed, Wish
from tinyops.images import Kind, key_hash
from tinyops.link.smp import ImageSlot
from tinyops.manifest.entry import Entry
from tinyops.manifest.report import LastUpdate

TRIALS_MAX = 3  # of one image: a trial that a reset ended may have been ended by the power
REASON_MAX = 1000


@dataclass(frozen=True)
class Delivery:
    """What is to be brought whom: `entry` as the device takes it, of the offer with that digest."""

    identity: Identity
    address: str
    offer: str
    entry: Entry | None


class Bringing:
    """One delivery on an open link."""

    def __init__(self, what: Delivery, ward: Ward, to: Connection, guarded: Guarded) -> None:
        self._what, self._ward, self._to, self._guarded = what, ward, to, guarded
        self._device, self._journal = what.identity.device, ward.journal

    def settle(self, slots: Sequence[ImageSlot]) -> None:
        """Ends steps that an earlier visit left open and that are over: it runs, or is not wanted any more."""
        entry = self._what.entry
        wanted = {need.image.image for need in needs(entry, slots)} if entry is not None else set()
        running = {slot.digest.hex() for slot in slots if slot.digest and slot.active and slot.confirmed}
        for step in self._journal.open_steps(self._device):
            if step.image in running:
                self._end(step.image, "installed", f"{step.image[:12]} runs, confirmed; found so when it was looked at")
            elif step.image not in wanted:
                self._end(step.image, "dropped", f"{step.image[:12]} is not offered any more")

    def given_up(self, slots: Sequence[ImageSlot]) -> str:
        """Why one of the images that it needs is not tried again; "" where none is."""
        assert self._what.entry is not None
        for need in needs(self._what.entry, slots):
            if reason := self._journal.given_up(self._device, need.image.image, self._what.offer):
                return f"{label(need.kind, need.digest)} was given up: {reason}"
        return ""

    def bring(self, slots: Sequence[ImageSlot]) -> tuple[str, Trouble | None]:
        """Brings it. Returns why it was given up, or left alone; "" where it runs. Raises LinkError, UpdateFailed for
        what is tried again later, RemoteError, ToolError."""
        entry = self._what.entry
        assert entry is not None
        slots = self._end_unwanted(entry, slots)
        needed = needs(entry, slots)
        offers = tuple(self._ward.content.offer(need.image) for need in needed)
        if why := self._foreign(offers):
            return why, "foreign"
        desk = Desk(
            lambda _info: offers, self._ward.origins, self._wish, self._ward.watch, self._ward.stop, self._before
        )
        try:
            done = Session(self._to, desk).run()
        except GivenUp as error:
            return self._given_up(error, needed), None
        for one in done.images:
            if one.result != WAITS:
                self._installed(one)
        return "", None

    @property
    def _wish(self) -> Wish:
        return Wish(patience=self._to.patience)

    def _before(self, offer: Offer, phase: Phase) -> None:
        """Called before each step that changes something on the device. Raises GivenUp, UpdateFailed, LinkError,
        JournalFailed: nothing is done then."""
        image = offer.image.digest.hex()
        if (clash := self._ward.clash(self._device)) is not None and clash.trouble == "cloned":
            raise UpdateFailed(f"{self._what.address}: {clash.text}")
        if phase == "test" and self._journal.trials(self._device, image, self._what.offer) >= TRIALS_MAX:
            text = f"its trial did not come to an end {TRIALS_MAX} times: it takes the device or the gateway down"
            self._mark(image, "upload")  # so that there is a step to end
            raise GivenUp(f"{self._what.address}: {offer.label}: {text}", digest=offer.image.digest, result="reverted")
        if phase != "upload":  # datagrams go wherever their address leads now
            self._to.call(self._guarded.check_who)
        self._mark(image, phase)

    def _mark(self, image: str, phase: Phase) -> None:
        assert self._what.entry is not None
        version = self._what.entry.version
        self._journal.mark(self._device, self._what.address, image, self._what.offer, version, phase)

    def _end_unwanted(self, entry: Entry, slots: Sequence[ImageSlot]) -> Sequence[ImageSlot]:
        """A trial of what is not offered any more goes back before anything else is tried."""
        kinds = unwanted_trials(needs(entry, slots), entry, slots)
        if not kinds:
            return slots
        for kind in kinds:
            self._ward.watch.said(self._what.address, f"ends the trial of a {kind.name.lower()} that is not offered")
            if kind is Kind.FIRMWARE:
                self._to.reset()
                self._to.call(lambda board: board.info(), starting=True)
            else:
                self._to.call(lambda board: board.end_trial(Kind.MODEL))
        return images_of(self._to)

    def _foreign(self, offers: Sequence[Offer]) -> str:
        """Whether the device believes other keys than the one that signed: better said now than after all was sent."""
        own = {key_hash(key) for key in self._what.identity.keys}
        strange = [offer for offer in offers if offer.image.key_hash is not None and offer.image.key_hash not in own]
        if not own or not strange:
            return ""
        key = (strange[0].image.key_hash or b"")[:8].hex()
        return (
            f"it trusts none of the keys that sign its release (key {key}…): it belongs to another project, or was "
            "enrolled before the key was made"
        )

    def _given_up(self, error: GivenUp, needed: Sequence[Need]) -> str:
        """Ends the steps of a delivery that the device does not take; the image that was at fault is not tried again,
        unless a reset ended its trial: that is tried some times."""
        image = error.digest.hex()
        reason = error.message.removeprefix(f"{self._what.address}: ")[:REASON_MAX]
        again = not error.certain and self._journal.trials(self._device, image, self._what.offer) < TRIALS_MAX
        self._end(
            image,
            "refused" if error.result == "refused" else "reverted",
            reason,
            kind="refused" if error.result == "refused" else "reverted",
            given_up=None if again else reason,
            last=True,
        )
        for need in needed:
            if need.image.image != image:
                self._end(need.image.image, "dropped", "")
        if again:
            raise error
        return reason

    def failed(self, reason: str) -> None:
        """What failed and is tried again stays open; the report says so, with when it failed so first."""
        text = self._last_update("failed", reason.removeprefix(f"{self._what.address}: ")[:REASON_MAX])
        before, now = self._journal.last_update(self._device), LastUpdate.model_validate_json(text)
        if before and LastUpdate.model_validate_json(before).model_copy(update={"time": now.time}) == now:
            return
        self._journal.note_update(self._device, text)

    def _installed(self, done: Done) -> None:
        text = f"{label(done.kind, done.digest)} runs, confirmed"
        self._end(done.digest.hex(), "installed", text, kind="installed", last=True)

    def _end(
        self,
        image: str,
        result: StepResult,
        text: str,
        *,
        kind: str = "",
        given_up: str | None = None,
        last: bool = False,
    ) -> None:
        """Ends an image's step, told by one event unless there is no text."""
        event = event_of(self._ward.moment, kind or result, text) if text else None
        last_update = self._last_update(result, text) if last or result == "installed" else ""
        self._journal.finish(
            self._device,
            image,
            result,
            event,
            last_update=last_update,
            given_up=(self._what.offer, given_up) if given_up is not None else None,
        )

    def _last_update(self, result: StepResult, reason: str) -> str:
        entry = self._what.entry
        assert result != "dropped"
        update = LastUpdate(
            version=entry.version if entry is not None else None,
            digest=entry.model.digest if entry is not None else None,
            result=result,
            reason=reason,
            time=self._ward.moment,
        )
        return as_text(update.to_json())
