"""Firmware of a part of a chain: rendered with its place, and nothing of it in the firmware of a board by itself."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from tinyops.artifacts import Step
from tinyops.boards.loader import load_catalog
from tinyops.errors import SpecError
from tinyops.files import JsonObject
from tinyops.firmware import render_project
from tinyops.firmware.chained import ChainPlace, read_place
from tinyops.firmware.project import RUNTIME
from tinyops.firmware.step import prepare
from tinyops.link.parts import STATE_TEXT, PartState, PartTold
from tinyops.link.ways import BLE_SERVICE
from tinyops.manifest.contract import contract_of, part_contract

CATALOG = load_catalog()
MIDDLE = ChainPlace(1, 3, 1500)
LAST = ChainPlace(2, 3, 1500, upstream_kind="ble", names=("a", "b", "c"))


def contract(board: str, place: ChainPlace | None) -> JsonObject:
    layout = CATALOG[board].spec.layout
    arena = layout.arena_bytes if layout else None
    output = {"classes": ["a", "b"], "type": "int8", "bytes": 2}
    whole = contract_of(signal=None, frames=(6, 1, 1), output=output, arena_bytes=arena)
    return whole if place is None else part_contract(whole, place.position, place.parts)


def rendered(board: str, place: ChainPlace | None) -> dict[str, bytes]:
    given = contract(board, place)
    spec = CATALOG[board].spec
    return render_project(board=board, spec=spec, fleet="f", sensor="link", contract=given, chain=place)


@pytest.mark.parametrize("board", ["microbit", "nano33ble", "pico"])
def test_a_parts_project_has_the_chain_and_its_place(board: str) -> None:
    files = rendered(board, MIDDLE)
    main, ini = files["src/main.c"].decode(), files["platformio.ini"].decode()
    assert ".position = 1," in main and ".parts = 3," in main and ".after_ms = 1500," in main
    assert "tinyops_part_poll(&part)" in main and ".inlet = &inlet," in main
    assert {"src/chain/part.c", "src/chain/pieces.c", "include/tinyops/chain.h"} <= set(files)
    assert "-D TINYOPS_PART" in ini and "+<chain/>" in ini
    first = rendered(board, ChainPlace(0, 3, 1500))["src/main.c"].decode()
    assert "inlet" not in first  # its RAM is a later part's alone


@pytest.mark.parametrize("board", ["microbit", "nano33ble", "pico"])
def test_a_board_by_itself_has_nothing_of_it(board: str) -> None:
    files = rendered(board, None)
    assert not [name for name in files if "chain" in name or "part" in name.rpartition("/")[2]]
    assert b"TINYOPS_PART" not in files["platformio.ini"] and b"tinyops_part" not in files["src/main.c"]


@pytest.mark.parametrize(
    ("board", "place", "tx", "upstream"),
    [
        ("microbit", ChainPlace(0, 2, 1500), "24u", ""),
        ("microbit", ChainPlace(0, 2, 1500, downstream_wired=True), "2u", ""),
        ("microbit-v2", ChainPlace(0, 2, 1500), "6u", "3u"),
        ("microbit-v2", ChainPlace(0, 2, 1500, downstream_wired=True), "3u", ""),
        ("microbit-v2", replace(MIDDLE, downstream_wired=True), "17u", "3u"),
    ],
)
def test_a_line_that_is_a_cables_is_on_pins_where_the_next_part_takes_no_cable(
    board: str, place: ChainPlace, tx: str, upstream: str
) -> None:
    header = rendered(board, place)["include/pins.h"].decode()
    found = dict(re.findall(r"#define BOARD_(\w+)_PIN (\w+)", header))
    assert found["TX"] == tx and found.get("UPSTREAM_TX", "") == upstream and "DOWNSTREAM_TX" not in found


def arduino(board: str, place: ChainPlace | None) -> dict[str, bytes]:
    spec = CATALOG[board].built_with("arduino").spec
    given = contract(board, place)
    return render_project(board=board, spec=spec, fleet="f" * 40, sensor="link", contract=given, chain=place)


def flags(files: dict[str, bytes]) -> set[str]:
    lines = files["platformio.ini"].decode().splitlines()
    (found,) = [line.partition(" = ")[2].split() for line in lines if line.startswith("build_flags")]
    return {flag for flag in found if "TINYOPS" in flag or "SERIAL" in flag}


@pytest.mark.parametrize(
    ("board", "place", "wanted"),
    [
        ("nano33ble", MIDDLE, {"-DTINYOPS_UPSTREAM=Serial1"}),
        ("nano33ble", ChainPlace(0, 3, 1500, downstream_wired=True), {"-DTINYOPS_SERIAL=Serial1"}),
        ("nano33ble-radio", replace(MIDDLE, downstream_kind="ble"), {"-DTINYOPS_UPSTREAM=Serial1"}),
        (
            "teensy41",
            replace(MIDDLE, upstream_baud=9600, downstream_baud=1_000_000, downstream_wired=True),
            {
                *("-DTINYOPS_UPSTREAM=Serial1", "-DTINYOPS_UPSTREAM_BAUD=9600"),
                *("-DTINYOPS_SERIAL=Serial2", "-DTINYOPS_BAUD=1000000"),
                *("-DSERIAL1_RX_BUFFER_SIZE=1024", "-DSERIAL2_RX_BUFFER_SIZE=1024"),
            },
        ),
        (
            "nucleo-h743zi",
            MIDDLE,
            {
                *("-DTINYOPS_UPSTREAM=Serial2", "-DENABLE_HWSERIAL2"),
                *("-DPIN_SERIAL2_RX=PD6", "-DPIN_SERIAL2_TX=PD5", "-DSERIAL_RX_BUFFER_SIZE=1024"),
            },
        ),
    ],
)
def test_a_makers_core_is_told_which_of_its_lines_leads_where(board: str, place: ChainPlace, wanted: set[str]) -> None:
    files = arduino(board, place)
    assert flags(files) == {"-DTINYOPS_PART", *wanted}
    main = files["src/main.cpp"].decode()
    assert f"place.position = {place.position};" in main and "tinyops_part_poll(&part)" in main
    assert ("place.inlet = &inlet;" in main) == bool(place.position)
    assert "place.switching = &tinyops_chain_slots;" in main and "src/chain/switch.c" in files
    radio = place.downstream_kind == "ble"
    assert ("src/arduino/part_line.cpp" in files) == ("open_line();" in main) == radio
    assert ("ArduinoBLE@" in files["platformio.ini"].decode()) == radio
    assert (f'name_on_air[29 + 1] = "{"f" * 29}"' in main) == radio
    twin = {name for name in files if name.startswith("twin/src/chain/")}
    assert twin, "its twin is a part, too"


@pytest.mark.parametrize("board", ["nano33ble", "nano33ble-radio", "teensy41"])
def test_a_makers_core_by_itself_has_nothing_of_it(board: str) -> None:
    files = arduino(board, None)
    assert not flags(files) and b"tinyops_part" not in files["src/main.cpp"]
    assert not [name for name in files if "chain" in name or "part_line" in name]


@pytest.mark.parametrize(
    ("board", "place", "message"),
    [
        ("nano33ble", replace(MIDDLE, downstream_wired=True), "no serial line on pins for the next part"),
        ("teensy41", replace(MIDDLE, downstream_kind="ble"), "no Bluetooth to send over"),
    ],
)
def test_a_makers_core_without_such_a_line_is_refused(board: str, place: ChainPlace, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        arduino(board, place)


def test_a_linux_part_is_a_program_that_can_be_built_elsewhere() -> None:
    files = rendered("linux", MIDDLE)
    settings = files["include/part_settings.h"].decode()
    assert "#define PART_POSITION 1\n" in settings and "#define PART_COUNT 3\n" in settings
    assert "#define PART_AFTER_MS 1500u" in settings and {"Makefile", "src/part/main.c"} <= set(files)
    assert not rendered("linux", None)
    assert {"src/app/loop.c", "src/chain/part.c", "src/chain/set.c"} <= set(files)
    assert not {"src/app/update.c", "src/chain/switch.c"} & set(files)


@pytest.mark.parametrize(
    ("place", "message"),
    [(MIDDLE, "only the last part"), (replace(LAST, upstream_kind="udp"), "no link of kind 'udp'")],
)
def test_a_page_is_only_a_last_part_and_has_links_of_its_own(place: ChainPlace, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        rendered("phone", place)


def test_the_page_of_a_part_knows_its_place_and_is_made_of_the_chains_c() -> None:
    files = rendered("phone", LAST)
    chain = json.loads(files["chain.js"].decode().partition("export const CHAIN = ")[2].rstrip(";\n"))
    assert chain["place"] == {"position": 2, "parts": 3, "after_ms": 1500} and chain["names"] == ["a", "b", "c"]
    assert chain["link"] == {"kind": "ble", "baud": 115200} and chain["ble"]["service"] == BLE_SERVICE
    told = PartTold(1, 2, 3, 5, 6, -1, 0x01020304, b"r" * 16, b"s" * 16, b"o" * 16, b"c" * 16, b"a" * 16, 1)
    payload, at = told.frame().payload, chain["state"]["at"]
    assert len(payload) == chain["state"]["bytes"] and payload[at["state"]] == 5 and payload[at["part"]] == 6
    assert payload[at["spare"] :][: chain["state"]["setBytes"]] == b"s" * 16
    assert chain["texts"][str(int(PartState.LOST))] == STATE_TEXT[PartState.LOST]
    assert {"module/src/chain/part.c", "module/src/page/page.c", "module/src/memory.c"} <= set(files)
    page = {name for name in files if not name.startswith("module/")}
    assert "app.js" not in page and "chain_app.js" in page
    kept = files["sw.js"].decode()
    assert '"./part.wasm"' in kept and "module/" not in kept


@pytest.mark.parametrize(("kind", "sockets"), [("uart", ""), ("ble", ""), ("tcp", " ws: wss:")])
def test_a_page_of_a_part_reaches_a_bridge_only_where_its_link_is_one(kind: str, sockets: str) -> None:
    text = rendered("phone", replace(LAST, upstream_kind=kind))["index.html"].decode()
    assert f"connect-src &#39;self&#39;{sockets};" in text and ('id="address"' in text) == (kind == "tcp")


def test_every_script_of_a_part_s_page_is_there() -> None:
    files = rendered("phone", LAST)
    scripts = {name: data.decode() for name, data in files.items() if name.endswith(".js")}
    for name, text in scripts.items():
        for wanted in re.findall(r'(?:from|import\(|URL\() ?"\./([a-z_]+\.js)"', text):
            assert wanted in scripts, f"{name} wants {wanted}"


@pytest.mark.parametrize(
    ("board", "why"),
    [
        ("coral-micro", "its firmware is no part of a chain"),
        ("mega2560", "its Arduino firmware keeps no models in slots"),
        ("uno-r4", "its Arduino firmware keeps no models in slots"),
        ("esp32", "its model is linked into its Arduino firmware"),
    ],
)
def test_firmware_that_cannot_switch_with_others_refuses_a_chain(board: str, why: str) -> None:
    with pytest.raises(SpecError, match=f"{board}: {why}"):
        rendered(board, MIDDLE)


def test_the_firmware_step_reads_its_place() -> None:
    spec = CATALOG["linux"].spec.model_dump(mode="json")
    chain = {"position": 1, "parts": 3, "after_ms": 1500, "names": ["a", "b", "c"], "upstream": None}
    settings = {"board": "linux", "facts": spec, "fleet": "f", "contract": contract("linux", MIDDLE), "chain": chain}
    request = prepare(Step("firmware", "f/b", settings, {}), {}, RUNTIME, lambda _: None).request
    assert request.chain == replace(MIDDLE, names=("a", "b", "c")) and not MIDDLE.first


def test_serial_lines_run_at_their_links_rates() -> None:
    chain = {"position": 1, "parts": 3, "after_ms": 1500, "upstream": {"kind": "uart", "baud": 1_000_000}}
    place = read_place({**chain, "downstream": None})
    assert place is not None and (place.upstream_baud, place.downstream_baud) == (1_000_000, 115_200)
    ini = rendered("pico", place)["platformio.ini"].decode()
    assert "-D TINYOPS_UPSTREAM_BAUD=1000000" in ini and "TINYOPS_BAUD" not in ini
    assert "BAUD" not in rendered("pico", MIDDLE)["platformio.ini"].decode()
    with pytest.raises(SpecError, match="nano33ble: its serial lines cannot run at 9600 baud"):
        rendered("nano33ble", ChainPlace(1, 3, 1500, downstream_baud=9600))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "not usable: KeyError 'position'"),
        ({"position": 3, "parts": 3, "after_ms": 1}, "part 3 of 3"),
        ({"position": 0, "parts": 1, "after_ms": 1}, "part 0 of 1"),
        ({"position": 0, "parts": 17, "after_ms": 1}, "part 0 of 17"),
        ({"position": 0, "parts": 2, "after_ms": 0}, "0 ms cannot be"),
    ],
)
def test_places_that_cannot_be_are_refused(wrong: JsonObject, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        read_place(wrong)
