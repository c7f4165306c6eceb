"""Running an update against a fake board: images, patience and a watch that keeps what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from fakes.slot_board import CONTRACT, ORIGINS, SlotBoard
from tinyops.device.transports import Transport, transport_of
from tinyops.device.transports.udp import UdpTransport
from tinyops.device.update.decide import Offer
from tinyops.device.update.session import Desk, Updated, update
from tinyops.device.update.settings import Patience, Stop, Wish
from tinyops.images import Kind, build_image, read_image

QUICK = Patience(away_s=3, trial_s=1, self_test_s=1, in_all_s=60, poll_s=0.01)
BODY = bytes(range(256)) * 24


@dataclass
class Told:
    """A Watch that keeps what it is told."""

    lines: list[str] = field(default_factory=list)
    moves: list[int] = field(default_factory=list)

    def said(self, device: str, text: str) -> None:
        self.lines.append(text)

    def moved(self, device: str, done: int, total: int) -> None:
        self.moves.append(done)


def offer(kind: Kind = Kind.MODEL, body: bytes = BODY, *, contract: bytes = CONTRACT, at: int = ORIGINS[1]) -> Offer:
    """An image of the fake board's, unsigned."""
    load = at if kind is Kind.FIRMWARE else None
    data = build_image(body, kind=kind, board="microbit", contract=contract, counter=1, load_address=load)
    return Offer(read_image(data, where="test"), data, f"{kind.name.lower()}.img")


def holding(board: SlotBoard, *offers: Offer) -> SlotBoard:
    """The same board with these images running in slot 0."""
    for one in offers:
        board.images[one.image.kind].held[0] = one.image
    return board


def run(
    address: str,
    *offers: Offer,
    wish: Wish = Wish(patience=QUICK),  # noqa: B008 frozen
    told: Told | None = None,
    transport: Transport | None = None,
) -> Updated:
    desk = Desk(lambda info: offers, lambda board: ORIGINS, wish, told or Told(), Stop())
    usual = UdpTransport(0.02, 0.005) if address.startswith("udp") else transport_of(address)
    return update(address, transport or usual, desk)


def runs(board: SlotBoard, one: Offer) -> bool:
    """Whether the board runs an image, confirmed."""
    slots = board.images[one.image.kind]
    return slots.trial is None and slots.held[slots.active] == one.image
