"""A split step's settings: the boards and links of a chain in numbers, and what is wished for. Light: plans make them.

What a board computes in a second is its clock over the cycles that an instruction takes on its core. Those are an
assumption, for code that runs from flash: with them parts on unlike cores compare, and times are told to people as
estimates. Budgets in milliseconds follow from the same.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, ValidationError

from tinyops.boards.model import Board, LinkKind
from tinyops.documents import Strict
from tinyops.errors import SpecError
from tinyops.files import JsonObject
from tinyops.link.protocol import DATA_MAX
from tinyops.specs.chain import ChainLink, SplitWish
from tinyops.split import document
from tinyops.split.chain import UNLIMITED, Chain, Link, PartBudget
from tinyops.split.placement import Wish

# Cycles of an instruction, in hundredths: loads take two on Cortex-M0 to M4, flash waits; M7 issues two at once.
CYCLES_PERCENT = {
    "cortex-m0": 150,
    "cortex-m0plus": 140,
    "cortex-m3": 130,
    "cortex-m4f": 130,
    "cortex-m33": 120,
    "cortex-m7": 80,
    "aarch64": 60,
    "x86-64": 50,
}
USUAL_CYCLES_PERCENT = 150

FRAME_BYTES = DATA_MAX  # of tensors, in a piece
# Of a piece: delimiters 2, COBS 2, type and sequence 2, index 2, CRC 2; and its share of the CRC of the whole message.
FRAME_OVERHEAD_BYTES = 12

BAUD = 115200
BITS_A_BYTE = 10
# What a kind usually carries, and how long it takes from sent to received, where the spec does not say. Of ble: the
# kernel's default interval is 30 to 50 ms (net/bluetooth/hci_core.c), and Android's balanced one; two messages an
# interval of 45 ms at an MTU of 247 are 10.8 KB/s; a byte waits half of one, and is sent within some ms.
USUAL_BYTES_S: dict[LinkKind, int] = {"tcp": 1_000_000, "udp": 1_000_000, "ble": 10_000}
USUAL_LATENCY_MS: dict[LinkKind, float] = {"uart": 0.0, "tcp": 2.0, "udp": 2.0, "ble": 30.0}


class PartSettings(Strict):
    """A part's board: None where nothing limits it."""

    name: str
    board: str
    cpu: str
    clock_hz: PositiveInt
    room_bytes: PositiveInt | None = None
    arena_bytes: PositiveInt | None = None

    @property
    def budget(self) -> PartBudget:
        cycles = CYCLES_PERCENT.get(self.cpu, USUAL_CYCLES_PERCENT)
        return PartBudget(
            self.name,
            self.board,
            self.room_bytes or UNLIMITED,
            self.arena_bytes or UNLIMITED,
            max(1, self.clock_hz * 100 // cycles),
        )


class LinkSettings(document.Link):
    """A link with its rate resolved, and whether it is radio."""

    radio: bool = False

    @property
    def link(self) -> Link:
        rate = self.baud // BITS_A_BYTE if self.baud is not None else self.bytes_s
        assert rate is not None  # one of the two, as the document demands
        latency_us = round(self.latency_ms * 1000)
        return Link(self.kind, rate, latency_us, FRAME_BYTES, FRAME_OVERHEAD_BYTES, self.loss, self.radio)

    @property
    def document(self) -> document.Link:
        return document.Link(**self.model_dump(exclude={"radio"}))


class SplitSettings(Strict):
    """`keep` are the cuts that were released, where they were chosen automatically: they stay while they fit."""

    parts: Annotated[tuple[PartSettings, ...], Field(min_length=2, max_length=document.PARTS_MAX)]
    links: Annotated[tuple[LinkSettings, ...], Field(min_length=1, max_length=document.PARTS_MAX - 1)]
    cuts: Literal["auto"] | tuple[PositiveInt, ...] = "auto"
    minimise: Literal["latency", "radio", "ram"] = "latency"
    at_most_ms: float | None = None
    at_most_radio_bytes: int | None = None
    prefer: str = "balanced"
    revision: int = 1
    keep: tuple[PositiveInt, ...] | None = None

    @property
    def chain(self) -> Chain:
        return Chain(tuple(part.budget for part in self.parts), tuple(link.link for link in self.links))

    @property
    def wish(self) -> Wish:
        ns = None if self.at_most_ms is None else round(self.at_most_ms * 1e6)
        return Wish(self.minimise, ns, self.at_most_radio_bytes)


def part_settings(name: str, board: Board, room_bytes: int | None) -> PartSettings:
    """`room_bytes` is what a compiled model may have there."""
    facts, layout = board.spec, board.spec.layout
    arena = layout.arena_bytes if layout is not None else None
    return PartSettings(
        name=name, board=board.name, cpu=facts.cpu, clock_hz=facts.clock_hz, room_bytes=room_bytes, arena_bytes=arena
    )


def link_settings(link: ChainLink, sender: Board, receiver: Board) -> LinkSettings:
    """A link of the spec with what it leaves open; over networks it is radio where a board is on Wi-Fi."""
    wireless = any("wifi" in board.spec.transports for board in (sender, receiver))
    rate = {"baud": link.baud or BAUD} if link.kind == "uart" else {"bytes_s": link.bytes_s or USUAL_BYTES_S[link.kind]}
    latency = USUAL_LATENCY_MS[link.kind] if link.latency_ms is None else link.latency_ms
    radio = link.kind == "ble" or (link.kind != "uart" and wireless)
    return LinkSettings(kind=link.kind, **rate, latency_ms=latency, loss=link.loss, radio=radio)


def settings_json(settings: SplitSettings, wish: SplitWish) -> JsonObject:
    """As a step's settings say it, with what the spec wishes for."""
    said = settings.model_dump(mode="json", exclude={"keep"})
    return {**said, **wish.model_dump(mode="json")}


def read_settings(settings: JsonObject, step: str) -> SplitSettings:
    """Raises SpecError for what no plan of this version makes."""
    try:
        return SplitSettings.model_validate(settings)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SpecError(f"{step}: settings: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
