"""A board that updates itself over SMP, in Python: slots, trials and what can go wrong with them, set by tests.

It keeps to slots.h as far as a client can see it; the C that boards have is tested in tests/build.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fakes.smp_board import INFO, SmpBoard
from tinyops.errors import RemoteError
from tinyops.images import Image, Kind, read_image
from tinyops.images.delta import apply_delta
from tinyops.images.delta.definition import FORMAT, HEADER, MAGIC

CONTRACT = b"\x01" * 32
ORIGINS = (0x5000, 0xD000)


@dataclass
class Slots:
    """Both slots of one image."""

    held: list[Image | None] = field(default_factory=lambda: [None, None])
    active: int = 0
    pending: int | None = None
    trial: int | None = None
    outcome: int = 0
    refusal: int = 0
    counter: int = 0

    @property
    def running(self) -> int:
        return self.active if self.trial is None else self.trial


@dataclass
class SlotBoard(SmpBoard):
    """`swaps`: a model on trial starts at once, as between two inferences; `fails_test`: digests of images whose
    self-test fails; `crashes`: of those that end in a reset; `refuse`: number with which the next finished upload is
    refused; `lost_at`: offset at which the board forgets its upload once, as after a reset.
    """

    buffer_bytes: int = 384
    buffers: int = 1
    swaps: bool = True
    fails_test: set[bytes] = field(default_factory=set)
    crashes: set[bytes] = field(default_factory=set)
    refuse: int = 0
    lost_at: int | None = None
    full_at: int | None = None  # takes no byte beyond, and does not say so
    images: tuple[Slots, Slots] = field(default_factory=lambda: (Slots(), Slots()))
    upload: dict[str, Any] | None = None
    taken: bytearray = field(default_factory=bytearray)
    requests: list[tuple[int, int]] = field(default_factory=list)
    uploaded: int = 0  # bytes of pieces that were taken
    bases: dict[bytes, bytes] | None = None  # images by digest, of which it can undo deltas; None: it takes none

    def _act(self, group: int, command: int, write: bool, body: dict[str, Any]) -> dict[str, Any]:
        self.requests.append((group, command))
        if (group, command) == (1, 0):
            return self._set(body) if write else self._list()
        if (group, command) == (1, 1):
            return self._upload(body)
        if (group, command) == (0, 6):
            return {"buf_size": self.buffer_bytes, "buf_count": self.buffers}
        if (group, command) == (0, 5):
            self.reset()
            return {}
        if group == 64:
            return self._ours(command, write, body)
        return super()._act(group, command, write, body)

    def _ours(self, command: int, write: bool, body: dict[str, Any]) -> dict[str, Any]:
        if command == 6:
            return self._end_trial(body["image"]) if write else self._fare(body["image"])
        if command == 0:
            firmware = self.images[0].held[self.images[0].running]
            return {**INFO, "contract": firmware.contract if firmware else CONTRACT}
        if command == 2:
            fails = [slots.running_digest() in self.fails_test for slots in map(_View, self.images)]
            return {"names": ["image", "model"], "statuses": [-int(fail) for fail in fails], "outputs_crc": 0}
        return super()._act(64, command, write, body)

    def _list(self) -> dict[str, Any]:
        listed = [
            {
                "image": number,
                "slot": slot,
                "version": image.version_text,
                "hash": image.digest,
                "bootable": True,
                "pending": slots.pending == slot,
                "active": slots.running == slot,
                "confirmed": slots.active == slot,
            }
            for number, slots in enumerate(self.images)
            for slot, image in enumerate(slots.held)
            if image is not None
        ]
        return {"images": listed}

    def _find(self, digest: bytes) -> tuple[Slots, int] | None:
        for slots in self.images:
            for slot, image in enumerate(slots.held):
                if image is not None and image.digest == digest:
                    return slots, slot
        return None

    def _set(self, body: dict[str, Any]) -> dict[str, Any]:
        found = self._find(body["hash"])
        if found is None:
            return {"err": {"group": 1, "rc": 8}}
        slots, slot = found
        if body["confirm"]:
            if slot != slots.running:
                return {"err": {"group": 1, "rc": 32}}
            if slots is self.images[1] and self.images[0].trial is not None:
                return self._refused(slots, 14, 9)
            slots.active, slots.trial, slots.outcome = slot, None, 1
        elif slot != slots.running:
            slots.pending = slot
            if self.swaps and slots is self.images[1]:
                self.boundary()
        return self._list()

    def boundary(self) -> None:
        """Between two inferences: a pending model starts."""
        self._start(self.images[1])

    def reset(self) -> None:
        """What the bootloader does."""
        self.resets += 1
        self.upload = None
        for slots in self.images:
            if slots.trial is not None:
                slots.trial, slots.outcome = None, 2
            self._start(slots)

    def _start(self, slots: Slots) -> None:
        slot, slots.pending = slots.pending, None
        if slot is None:
            return
        image = slots.held[slot]
        assert image is not None
        slots.trial = slot
        if image.digest in self.crashes:
            slots.trial, slots.outcome = None, 2

    def _end_trial(self, image: int) -> dict[str, Any]:
        slots = self.images[image]
        slots.trial, slots.pending, slots.outcome = None, None, 3
        return {}

    def _fare(self, image: int) -> dict[str, Any]:
        slots = self.images[image]
        state = 2 if slots.trial is not None else 1 if slots.pending is not None else 0
        upload = self.upload
        announced = upload["len"] if upload and upload["image"] == image else 0
        numbers = {"written": len(self.taken), "announced": announced, "counter": slots.counter}
        deltas = {} if self.bases is None else {"deltas": FORMAT}
        told = {"state": state, "outcome": slots.outcome, "refusal": slots.refusal, "gap_ms": 7, "lost": 0}
        return {**told, **numbers, **deltas}

    def _upload(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["off"] == 0:
            same = self.upload is not None and self.upload["sha"] == body["sha"]
            if same and self.taken:
                return {"off": len(self.taken)}
            self.upload, self.taken = {k: body[k] for k in ("len", "sha", "image")}, bytearray()
            self.images[body["image"]].refusal = 0
        if self.upload is None:
            return {"err": {"group": 1, "rc": 9}}
        if self.lost_at is not None and body["off"] >= self.lost_at:
            self.lost_at = self.upload = None
            return {"err": {"group": 1, "rc": 9}}
        if body["off"] == len(self.taken):
            data = body["data"]
            if self.full_at is not None:
                data = data[: max(0, self.full_at - len(self.taken))]
            self.taken += data
            self.uploaded += len(body["data"])
            if len(self.taken) == self.upload["len"] and self.uploaded:
                return self._finish(self.upload["image"])
        return {"off": len(self.taken)}

    def _finish(self, number: int) -> dict[str, Any]:
        slots = self.images[number]
        try:
            image = read_image(self._undone(slots), where="upload")
        except KeyError:
            return self._refused(slots, 17, 8)
        except RemoteError:
            return self._refused(slots, 6, 22)
        if self.refuse:
            refused, self.refuse = self.refuse, 0
            return self._refused(slots, refused, 5)
        spare = 1 - slots.running
        if image.kind is Kind.FIRMWARE and image.load_address != ORIGINS[spare]:
            return self._refused(slots, 11, 25)
        if image.kind is Kind.MODEL and image.contract != self._ours(0, False, {})["contract"]:
            return self._refused(slots, 12, 5)
        slots.held[spare] = image
        return {"off": len(self.taken)}

    def _undone(self, slots: Slots) -> bytes:
        """What arrived, or what it makes of what runs. Raises KeyError for a delta from another image."""
        if self.bases is None or not self.taken.startswith(MAGIC):
            return bytes(self.taken)
        _, _, _, base = HEADER.unpack_from(self.taken)
        running = slots.held[slots.running]
        return apply_delta({running.digest: self.bases[base]}[base] if running else b"", bytes(self.taken))

    def _refused(self, slots: Slots, number: int, code: int) -> dict[str, Any]:
        slots.refusal, self.upload = number, None
        return {"err": {"group": 1, "rc": code}}


@dataclass
class _View:
    slots: Slots

    def running_digest(self) -> bytes:
        image = self.slots.held[self.slots.running]
        return image.digest if image else b""
