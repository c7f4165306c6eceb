"""What an update has to do, from what a device says of itself. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from tinyops.device.update.settings import UpdateFailed
from tinyops.images import Image, Kind
from tinyops.images.delta.definition import FORMAT
from tinyops.link.smp import BoardInfo, ImageSlot, SelfTest, UpdateState
from tinyops.link.smp.answers import TrialOutcome, TrialState

OUTCOME_TEXT = {
    TrialOutcome.RESET: "it was reset before the trial was over (a crash, a watchdog, its power, or a person)",
    TrialOutcome.SELF_TEST: "it failed its self-test",
    TrialOutcome.DAMAGED: "its bytes had changed in flash when it was to start",
    TrialOutcome.REFUSED: "its firmware cannot run it",
}
# Outcomes that the same image has again; a reset may have been anything.
CERTAIN = frozenset({TrialOutcome.SELF_TEST, TrialOutcome.REFUSED})


CABLE_HINT = "`tinyops flash` writes it; where there are two slots for it, the model is updated this way"


@dataclass(frozen=True)
class Delta:
    """What makes an image of another one that a device may run: that one's digest, how many bytes it has, where it is
    from, and how it is read, which raises a TinyopsError."""

    base: bytes
    size: int
    where: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Offer:
    """An image that may be sent: what it is, its bytes, where it is from (a file, a release), and what it can be made
    of."""

    image: Image
    data: bytes
    where: str
    deltas: tuple[Delta, ...] = ()

    @property
    def label(self) -> str:
        return label(self.image.kind, self.image.digest)


@dataclass(frozen=True)
class Seen:
    """What a device says of itself. `origins` are the slots of its firmware, () where nobody knows the board."""

    info: BoardInfo
    slots: tuple[ImageSlot, ...]
    origins: tuple[int, ...] = ()

    def holds(self, kind: Kind, digest: bytes) -> ImageSlot | None:
        """The slot with that image, before all others the one that runs."""
        found = [slot for slot in self.slots if slot.image == kind and slot.digest == digest]
        return next((slot for slot in found if slot.active), found[0] if found else None)

    def active(self, kind: Kind) -> ImageSlot | None:
        return next((slot for slot in self.slots if slot.image == kind and slot.active), None)


@dataclass(frozen=True)
class Objection:
    """What this side sees that a device will refuse, and what to do about it."""

    text: str
    hint: str


class Step(Enum):
    """Where an image stands on a device, named by what is to be done next."""

    NOTHING = "runs already"
    CONFIRM = "runs on trial"
    WAIT = "is to start its trial"
    TEST = "lies in the spare slot"
    UPLOAD = "is not there"


class Trial(Enum):
    """How the trial of an image stands."""

    WAITING = "waiting"
    RUNNING = "running"
    CONFIRMED = "confirmed"
    REVERTED = "reverted"


def label(kind: Kind, digest: bytes) -> str:
    return f"{kind.name.lower()} {digest.hex()[:12]}"


def next_step(image: Image, seen: Seen) -> Step:
    """What brings an image onto a device; never what is done already."""
    slot = seen.holds(image.kind, image.digest)
    if slot is None:
        return Step.UPLOAD
    if slot.active:
        return Step.NOTHING if slot.confirmed else Step.CONFIRM
    if slot.pending:
        return Step.WAIT
    return Step.TEST if slot.bootable else Step.UPLOAD


def smaller(offer: Offer, seen: Seen, state: UpdateState | None) -> Delta | None:
    """The delta to send in place of an image: from what the device runs, if it takes such, and less than what is still
    missing of the image itself."""
    running = seen.active(offer.image.kind)
    if running is None or state is None or state.deltas != FORMAT:
        return None
    whole = len(offer.data)
    missing = whole - state.written if state.announced == whole else whole
    found = [delta for delta in offer.deltas if delta.base == running.digest and delta.size < missing]
    return min(found, key=lambda delta: delta.size, default=None)


def objection(image: Image, seen: Seen) -> Objection | None:
    """Why the device would refuse an image for what it is; None for what only the device can judge."""
    info = seen.info
    if image.board != info.board:
        return Objection(
            f"the image was made for board {image.board}, this is a {info.board}", "give that of this board's release"
        )
    if image.kind is Kind.FIRMWARE and len(seen.origins) == 1:
        return Objection(f"{info.board} takes firmware over its cable alone", CABLE_HINT)
    if image.kind is Kind.MODEL and image.contract != info.contract:
        return Objection(
            f"the model is for contract {image.contract.hex()[:12]}, its firmware's is {info.contract.hex()[:12]}",
            "its firmware goes first: an update that holds both, or `tinyops flash`",
        )
    return None


def choose(offers: Sequence[Offer], seen: Seen) -> tuple[Offer, ...]:
    """Of each kind the one that this device can take: of firmware, which is linked once for each slot, the one that
    runs already or belongs to the spare slot. Firmware comes first. Raises UpdateFailed.
    """
    firmware = [offer for offer in offers if offer.image.kind is Kind.FIRMWARE]
    models = [offer for offer in offers if offer.image.kind is Kind.MODEL]
    if len(models) > 1:
        places = ", ".join(offer.where for offer in models)
        raise UpdateFailed(
            f"{len(models)} models cannot be on one device: {places}", hint="name the files that are meant"
        )
    return (*((_for_slot(firmware, seen),) if firmware else ()), *models)


def _for_slot(firmware: Sequence[Offer], seen: Seen) -> Offer:
    running = seen.active(Kind.FIRMWARE)
    held = [offer for offer in firmware if seen.holds(Kind.FIRMWARE, offer.image.digest)]
    here = [offer for offer in held if running is not None and offer.image.digest == running.digest]
    if here:
        return here[0]
    origins = seen.origins or tuple(sorted(offer.image.load_address or 0 for offer in firmware))
    slot = 0 if running is None else running.slot
    if running is None or len(origins) < 2:
        return firmware[0]
    spare = origins[1 - slot] if slot < 2 else None
    fit = [offer for offer in firmware if offer.image.load_address == spare]
    if fit:
        return fit[0]
    linked = ", ".join(f"{offer.where} for {offer.image.load_address:#x}" for offer in firmware)
    raise UpdateFailed(
        f"its spare slot begins at {spare:#x}, and no firmware is linked for that: {linked}",
        hint="firmware is linked once for each slot: give both files, or the release",
    )


def with_new_contract(chosen: Sequence[Offer], seen: Seen) -> bool:
    """Whether a firmware changes the contract, so that the model must follow while the firmware is still on trial."""
    return any(o.image.kind is Kind.FIRMWARE and o.image.contract != seen.info.contract for o in chosen)


def trial_of(image: Image, seen: Seen, state: UpdateState | None) -> Trial:
    """How a trial that was asked for stands. Without a `state`, as from other makers' servers, by the slots alone."""
    slot = seen.holds(image.kind, image.digest)
    if slot is not None and slot.active:
        return Trial.CONFIRMED if slot.confirmed else Trial.RUNNING
    if (slot is not None and slot.pending) or (state is not None and state.state == TrialState.PENDING):
        return Trial.WAITING
    return Trial.REVERTED


def why_reverted(state: UpdateState | None) -> str:
    if state is None:
        return "it went back to the old one"
    try:
        return OUTCOME_TEXT[TrialOutcome(state.outcome)]
    except (ValueError, KeyError):
        return f"it went back to the old one (outcome {state.outcome})"


def newly_failed(before: SelfTest | None, after: SelfTest | None) -> tuple[str, ...]:
    """The checks that fail now and did not before: a board without a model fails that check with any firmware."""
    known = {name for name, status in before.checks if status} if before else set()
    return tuple(f"{name} ({status})" for name, status in after.checks if status and name not in known) if after else ()
