"""Devices behind a gateway: boards in Python that speak SMP, each enrolled, offers of entries, a store of images.

herd = Herd(tmp_path)
with herd.device(enrolled("w-1")) as address:
    gateway = herd.gateway(address)
    herd.release(offer(body=b"new"))
    gateway.round()
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from fakes.carriers import over_tcp, over_udp
from fakes.models import contract_bytes
from fakes.slot_board import CONTRACT, ORIGINS, SlotBoard
from fakes.updates import QUICK, Told, holding, offer
from tinyops.device.gateway.content import Content
from tinyops.device.gateway.gateway import Gateway, Pace
from tinyops.device.gateway.journal import Journal
from tinyops.device.gateway.places import Finder, Named
from tinyops.device.gateway.reporting import Reporter
from tinyops.device.gateway.standing import Standings
from tinyops.device.gateway.ward import Ward
from tinyops.device.identify.usb import UsbDevice
from tinyops.device.offers import Offered
from tinyops.device.provision.format import Settings, encode_values
from tinyops.device.source import Fetched
from tinyops.device.transports import transport_of
from tinyops.device.transports.kind import Traits, Transport
from tinyops.device.transports.tcp import TcpTransport
from tinyops.device.transports.udp import UdpTransport
from tinyops.device.update.decide import Offer
from tinyops.device.update.settings import Patience, Stop
from tinyops.errors import RemoteError, TinyopsError
from tinyops.files import digest_bytes
from tinyops.images import Kind
from tinyops.manifest.entry import Entry, EntryDelta, EntryFile, EntryImage, EntryModel
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.progress import Progress
from tinyops.manifest.report import DeviceReport
from tinyops.trust.origin import Missing

KEYS = (b"\x11" * 32, b"\x22" * 32)
SLOTS = {Kind.MODEL: "model", Kind.FIRMWARE: "firmware_b"}
START = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class HerdBoard(SlotBoard):
    """An enrolled board. `silicon` is its chip's number."""

    silicon: bytes = b"\x01\x02\x03\x04"
    faults: int = 0
    uptime_ms: int = 5000
    acts: list[str] = field(default_factory=list)  # self-tests and confirmations, in their order

    def _ours(self, command: int, write: bool, body: dict[str, Any]) -> dict[str, Any]:
        answer = super()._ours(command, write, body)
        if command == 2:
            self.acts.append("self-test")
        if command == 0:
            return {**answer, "silicon": self.silicon}
        if command == 1:
            return {**answer, "faults": self.faults, "watchdogs": 0, "uptime_ms": self.uptime_ms}
        return answer

    def _set(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["confirm"]:
            self.acts.append("confirm")
        return super()._set(body)


def enrolled(
    device: str = "w-1", *, fleet: str = "wrist", board: str = "microbit", keys: Sequence[bytes] = KEYS, **more: Any
) -> HerdBoard:
    """A board that runs an old model and an old firmware, confirmed."""
    settings = encode_values(Settings(device, fleet, board, tuple(keys), b"\x33" * 32))
    silicon = more.pop("silicon", hashlib.sha256(device.encode()).digest()[:8])
    made = HerdBoard(settings=settings, silicon=silicon, crashed=False, buffer_bytes=1024, **more)
    old = offer(body=b"old model" * 9), offer(Kind.FIRMWARE, b"old firmware" * 99, at=ORIGINS[0])
    holding(made, *old)
    return made


@dataclass
class FakeOffers:
    """Offers as tests set them, by fleet and board."""

    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    progress: dict[str, Progress] = field(default_factory=dict)
    problem: RemoteError | None = None
    stale: datetime | None = None
    polls: int = 0

    def refresh(self) -> None:
        self.polls += 1
        if self.problem is not None:
            raise self.problem

    def reach(self) -> None:
        if self.problem is not None:
            raise self.problem

    def offered(self, fleet: str, board: str) -> Offered:
        entry = self.entries.get((fleet, board))
        if entry is None:
            raise Missing(f"entry-{fleet}-{board}.json: cannot be read: No such file or directory")
        return Offered(entry, digest_bytes(entry.model_dump_json().encode()), self.progress.get(fleet))

    def stale_after(self) -> datetime | None:
        return self.stale

    def warnings(self) -> tuple[str, ...]:
        return ()


@dataclass
class FakeSource:
    """Files by digest; counts how often each was fetched."""

    files: dict[str, bytes] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    spoil: Callable[[bytes], bytes] = lambda data: data

    def entry(self, name: str, etag: str) -> Fetched:
        raise AssertionError("entries come from the offers")

    def asset(self, file: EntryFile, into: BinaryIO) -> None:
        self.fetched.append(file.asset)
        if file.sha256 not in self.files:
            raise RemoteError(f"{file.tag}/{file.asset}: cannot be read: No such file or directory")
        into.write(self.spoil(self.files[file.sha256]))


@dataclass
class Herd:
    """One gateway's world: what the store has, what hangs on it, what it reported."""

    folder: Path
    patience: Patience = QUICK
    offers: FakeOffers = field(default_factory=FakeOffers)
    source: FakeSource = field(default_factory=FakeSource)
    told: Told = field(default_factory=Told)
    events: list[str] = field(default_factory=list)
    reports: dict[str, DeviceReport] = field(default_factory=dict)
    sent: list[DeviceReport] = field(default_factory=list)
    usb: tuple[UsbDevice, ...] = ()
    ask_s: float = 0.2  # how long a device may think that may not be there
    answer_s: float | None = None  # and one that is; None: `quick` says it
    time: datetime = START
    send_problem: TinyopsError | None = None
    journal: Journal | None = None

    def now(self) -> datetime:
        return self.time

    def unhurried(self) -> None:
        """No limit of time decides, however busy the machine is."""
        self.ask_s = self.answer_s = 60.0
        self.patience = Patience(away_s=60, trial_s=60, self_test_s=60, in_all_s=600, poll_s=0.01)

    def file(self, data: bytes, name: str, version: int) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        self.source.files[digest] = data
        return {"tag": f"v{version}", "asset": name, "sha256": digest, "bytes": len(data)}

    def entry(
        self, *offers: Offer, version: int = 1, fleet: str = "wrist", board: str = "microbit", **more: Any
    ) -> Entry:
        """What a release says of a fleet and board that offers these images."""
        images = {}
        for one in offers:
            slot = SLOTS[one.image.kind]
            if one.image.load_address == ORIGINS[0]:
                slot = "firmware_a"
            about = self.file(one.data, f"{slot}.img", version)
            deltas = tuple(
                EntryDelta(**self.file(delta.read(), f"{slot}.delta", version), base=delta.base.hex())
                for delta in one.deltas
            )
            images[slot] = EntryImage(**about, image=one.image.digest.hex(), deltas=deltas)
        body = EntryModel(**self.file(b"model " + str(images).encode(), "model.bin", version), kind="image")
        contract = EntryFile(**self.file(contract_bytes(), "contract.json", version))
        golden = EntryFile(**self.file(b"golden", "golden.bin", version))
        fields: dict[str, Any] = {"security_counter": 1, "contract": CONTRACT.hex(), "project": "wearables", **more}
        return Entry(
            fleet=fleet,
            board=board,
            version=version,
            contract_file=contract,
            model=body,
            images=images,
            golden=golden,
            **fields,
        )

    def release(self, *offers: Offer, **more: Any) -> Entry:
        """Makes that the newest."""
        entry = self.entry(*offers, **more)
        self.offers.entries[entry.fleet, entry.board] = entry
        return entry

    @contextlib.contextmanager
    def device(self, board: SlotBoard, way: str = "udp") -> Iterator[str]:
        with (over_udp if way == "udp" else over_tcp)(board.answer) as address:
            yield address

    def ward(self, **more: Any) -> Ward:
        if self.journal is not None:
            self.journal.close()
        self.journal = journal = Journal(self.folder, lambda: int(self.time.timestamp()), **more)
        return Ward(
            journal=journal,
            content=Content(self.folder / "content", self.source, 1 << 20),
            standings=Standings(self.offers, journal, self.now),
            origins=lambda _board: ORIGINS,
            watch=self.told,
            stop=Stop(),
            patience=self.patience,
            now=self.now,
            ask_s=self.ask_s,
        )

    def gateway(self, *named: str | Named, pace: Pace = Pace(), **more: Any) -> Gateway:  # noqa: B008 frozen
        """A gateway that starts now, on the folder that the one before it left."""
        places = [one if isinstance(one, Named) else Named(one) for one in named]
        transport = partial(quick, answer_s=self.answer_s)
        finder = Finder(places, auto=bool(self.usb), catalog={}, usb=lambda: self.usb, transport=transport)
        reporter = Reporter("hall-3", SigningKey.generate().public.raw.hex())
        return Gateway(
            finder, self.ward(**more), pace, reporter, self.send, on_event=self.events.append, chance=lambda: 0.5
        )

    def send(self, reports: Sequence[DeviceReport]) -> TinyopsError | None:
        if self.send_problem is not None:
            return self.send_problem
        self.sent += reports
        self.reports |= {report.device: report for report in reports}
        return None

    def close(self) -> None:
        if self.journal is not None:
            self.journal.close()


class QuickTcp(TcpTransport):
    """One that gives up soon."""

    def __init__(self, answer_s: float) -> None:
        self._answer_s = answer_s

    def traits(self, address: str) -> Traits:
        return replace(super().traits(address), answer_s=self._answer_s)


def quick(address: str, answer_s: float | None = None) -> Transport:
    if address.startswith("tcp"):
        return QuickTcp(answer_s or 1.0)
    return UdpTransport(0.02, 0.005, answer_s=answer_s or 2.0) if address.startswith("udp") else transport_of(address)
