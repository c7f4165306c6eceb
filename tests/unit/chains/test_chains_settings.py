"""Boards and links in numbers: what the spec leaves open, and what the protocol of links takes of its own."""

from __future__ import annotations

import pytest

from fakes.chain_boards import chain_settings
from tinyops.boards import load_catalog
from tinyops.chains.settings import (
    FRAME_BYTES,
    FRAME_OVERHEAD_BYTES,
    link_settings,
    part_settings,
    read_settings,
)
from tinyops.errors import SpecError
from tinyops.link.codec import encode
from tinyops.link.parts import pieces
from tinyops.specs.chain import ChainLink
from tinyops.split import UNLIMITED


@pytest.mark.parametrize("size", [1, 255, 256, 257, 10_000, 131_072])
def test_links_are_reckoned_with_what_frames_take(size: int) -> None:
    """Never too little, and not a twentieth too much: the CRC of a message is shared by its pieces."""
    sent = sum(len(encode(frame)) for frame in pieces(bytes(range(16)), 7, bytes(i % 251 for i in range(size))))
    link = chain_settings([None] * 2, [None] * 2).links[0].link
    assert (link.frame_bytes, link.overhead_bytes) == (FRAME_BYTES, FRAME_OVERHEAD_BYTES)
    assert sent - 4 <= link.sent_bytes(size) <= sent * 1.05 + 4
    assert size < 5000 or link.sent_bytes(size) <= size * 1.05


def link(**more: object) -> ChainLink:
    return ChainLink.model_validate({"from": "a", "to": "b", **more})


def test_what_a_spec_leaves_open_is_as_usual() -> None:
    catalog = load_catalog()
    micro, pi, radio = (catalog[name] for name in ("microbit", "linux", "pico-w"))
    uart = link_settings(link(kind="uart"), micro, pi)
    assert (uart.baud, uart.bytes_s, uart.latency_ms, uart.radio, uart.link.bytes_s) == (115200, None, 0, False, 11520)
    said = link_settings(link(kind="uart", baud=9600, latency_ms=3.5, loss=0.1), micro, pi)
    assert (said.link.bytes_s, said.link.latency_us, said.link.loss) == (960, 3500, 0.1)
    ble = link_settings(link(kind="ble"), micro, pi)
    assert ble.radio and ble.bytes_s and ble.latency_ms and not link_settings(link(kind="tcp"), pi, pi).radio
    assert link_settings(link(kind="udp", bytes_s=5000), pi, radio).radio == ("wifi" in radio.spec.transports)
    assert ble.document.kind == "ble" and "radio" not in ble.document.model_dump()


def test_a_board_with_an_operating_system_is_not_limited() -> None:
    catalog = load_catalog()
    pi = part_settings("far", catalog["linux"], None).budget
    assert (pi.flash_bytes, pi.ram_bytes) == (UNLIMITED, UNLIMITED)
    micro = part_settings("near", catalog["microbit"], 40_000)
    layout = catalog["microbit"].spec.layout
    assert layout is not None and micro.budget.ram_bytes == layout.arena_bytes and micro.budget.flash_bytes == 40_000
    slower = part_settings("near", catalog["pico"], None)
    assert micro.budget.instructions_s < micro.clock_hz < slower.clock_hz


def test_settings_of_another_version_are_refused() -> None:
    said = chain_settings([1, 2], [3, 4]).model_dump(mode="json")
    assert read_settings(said, "split:door") == chain_settings([1, 2], [3, 4])
    with pytest.raises(SpecError, match=r"split:door: settings: parts\.0.clock_hz"):
        read_settings({**said, "parts": [{**said["parts"][0], "clock_hz": 0}, said["parts"][1]]}, "split:door")
