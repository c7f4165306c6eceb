"""What a device has to be brought of what its fleet's entry offers, and whether an entry may be taken at all. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tinyops.device.offers import Offered
from tinyops.images import Kind
from tinyops.link.smp import BoardInfo, ImageSlot
from tinyops.manifest.entry import Entry, EntryImage
from tinyops.manifest.fields import read_time

FIRMWARE = ("firmware_a", "firmware_b")  # by slot
MODEL = "model"


@dataclass(frozen=True)
class Need:
    """An image that a device does not run confirmed, and which of its images that is."""

    kind: Kind
    image: EntryImage

    @property
    def digest(self) -> bytes:
        return bytes.fromhex(self.image.image)


def needs(entry: Entry, slots: Sequence[ImageSlot]) -> tuple[Need, ...]:
    """Firmware first; of firmware, which is linked once for each slot, the one that runs on trial or fits the spare."""
    return (*_firmware(entry, slots), *_model(entry, slots))


def _model(entry: Entry, slots: Sequence[ImageSlot]) -> tuple[Need, ...]:
    image = entry.images.get(MODEL)
    running = active(slots, Kind.MODEL)
    if image is None or (running is not None and running.confirmed and _is(running, image)):
        return ()
    return (Need(Kind.MODEL, image),)


def _firmware(entry: Entry, slots: Sequence[ImageSlot]) -> tuple[Need, ...]:
    offered = [entry.images.get(name) for name in FIRMWARE]
    running = active(slots, Kind.FIRMWARE)
    there = next((image for image in offered if image and running and _is(running, image)), None)
    if there is not None:
        return () if running is not None and running.confirmed else (Need(Kind.FIRMWARE, there),)
    spare = offered[1 - running.slot] if running is not None and running.slot in (0, 1) else offered[0]
    return (Need(Kind.FIRMWARE, spare),) if spare is not None else ()


def runs_by_cable(entry: Entry, info: BoardInfo) -> bool:
    """Whether a board without slots says that it runs what is offered: its model in flash, or the firmware with it."""
    if entry.model.kind == "image":
        return info.model is not None and info.model.hex() == entry.model.sha256
    return entry.firmware is not None and info.firmware is not None and info.firmware.hex() == entry.firmware.sha256


def unwanted_trials(wanted: Sequence[Need], entry: Entry, slots: Sequence[ImageSlot]) -> tuple[Kind, ...]:
    """Images that run on trial and are not what is offered now: a trial from before a release, or a halt."""
    offered = {bytes.fromhex(image.image) for image in entry.images.values()} | {need.digest for need in wanted}
    return tuple(
        Kind(slot.image)
        for slot in sorted(slots, key=lambda one: one.image)
        if slot.active and not slot.confirmed and slot.image in set(Kind) and slot.digest not in offered
    )


def active(slots: Sequence[ImageSlot], kind: Kind) -> ImageSlot | None:
    return next((slot for slot in slots if slot.image == kind and slot.active), None)


def _is(slot: ImageSlot, image: EntryImage) -> bool:
    return slot.digest == bytes.fromhex(image.image)


@dataclass(frozen=True)
class Accepted:
    """The newest entry of a fleet and board that was taken, by version and digest."""

    version: int
    digest: str


def age_problem(offered: Offered, accepted: Accepted | None) -> str:
    """Why an entry is older than what was taken before, or another of the same number; "" where it is not."""
    entry = offered.entry
    if accepted is None:
        return ""
    if entry.version < accepted.version:
        known = f"v{accepted.version}, accepted before"
        return f"release v{entry.version} is older than {known}: a rollback attack or an old copy"
    if entry.version == accepted.version and offered.digest != accepted.digest:
        return f"a second, different v{entry.version}: releases never change"
    return ""


def expiry_problem(entry: Entry, stale_after: datetime | None, now: datetime) -> str:
    """Why nothing may be installed by this entry any more; "" where it may."""
    if entry.expires is not None and read_time(entry.expires) <= now:
        return f"release v{entry.version} expired at {entry.expires}: nothing new is installed"
    if stale_after is not None and stale_after <= now:
        return "what the store says of its newest release has expired: nothing new is installed"
    return ""
