"""The board catalogue: the shipped boards, the user's own, and layouts that cannot be."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tinyops.boards import catalog_folder, load_catalog
from tinyops.errors import SpecError

SLOT = "[{origin: 0x5000, bytes: 32768}"
MICROBIT = (catalog_folder() / "microbit.yaml").read_text()


def extra(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(text)
    return folder


def mine(text: str = MICROBIT) -> str:
    return text.replace("{name: microbit}", "{name: mine}")


def test_the_shipped_boards() -> None:
    catalog = load_catalog()
    assert set(catalog) >= {"linux", "microbit", "nano33ble"}
    for name, board in catalog.items():
        assert board.name == name
        assert board.spec.transports
        assert (board.spec.memory is None) == (board.spec.layout is None)


def test_slots_tile_flash_without_overlap() -> None:
    for board in load_catalog().values():
        if board.spec.layout is None or board.spec.memory is None:
            continue
        regions = [region for _, region in board.spec.layout.named()]
        assert all(a.end <= b.origin for a, b in pairwise(regions))
        assert len(board.spec.layout.model) in (0, 2), "an update needs a spare slot"


def test_digests_follow_facts_only(tmp_path: Path) -> None:
    first = load_catalog(extra(tmp_path / "a", "mine", mine()))["mine"]
    assert first.digest == load_catalog()["microbit"].digest, "a name is no fact"
    commented = load_catalog(extra(tmp_path / "b", "mine", "# words\n" + mine()))["mine"]
    assert commented.digest == first.digest
    faster = load_catalog(extra(tmp_path / "c", "mine", mine().replace("16000000", "16000001")))["mine"]
    assert faster.digest != first.digest


def test_a_user_cannot_replace_a_shipped_board(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="board 'microbit' exists already"):
        load_catalog(extra(tmp_path, "microbit", MICROBIT))


def test_a_board_is_named_by_its_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"other\.yaml:4:18: the file of board mine is named other\.yaml"):
        load_catalog(extra(tmp_path, "other", mine()))


def test_the_cache_changes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        cached = load_catalog(cache=tmp_path)
    assert {n: b.digest for n, b in cached.items()} == {n: b.digest for n, b in load_catalog().items()}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (SLOT, SLOT.replace("32768", "32000"), "slot firmware 0 does not start and end on a sector of 1024 bytes"),
        (SLOT, SLOT.replace("32768", "33792"), "slots firmware 0 and firmware 1 overlap at 0xd000"),
        ("0x3f000, bytes: 2048", "0x3f000, bytes: 8192", "slot settings lies outside flash (0x3f000 to 0x41000)"),
        (SLOT, SLOT.replace("32768", "327680"), "slot firmware 0 of 327,680 bytes is larger than flash: 262,144"),
        (SLOT, SLOT.replace("32768", "16384"), "slots of one image are equally large"),
        (", {origin: 0xd000, bytes: 32768}]", "]", "needs two slots for firmware, settings and state"),
        ("0x3f000, bytes: 2048", "0x3f000, bytes: 1024", "settings is not two halves of whole sectors of 1024 bytes"),
        ("0x3f800, bytes: 2048", "0x3f800, bytes: 1024", "state is not two halves of whole sectors of 1024 bytes"),
        ("    own_bootloader: {origin: 0x0, bytes: 20480}\n", "", "layout.own_bootloader is missing"),
        ("{kind: own-bootloader", "{kind: usb-gateway", "is usb-gateway, with our bootloader"),
        ("  port: nrf5\n", "  port: mps2\n", "there is no bootloader of ours for port mps2"),
        ("mcu: nRF51822", "mcu: nRF58122", "unknown MCU 'nRF58122'"),
        ("cpu: cortex-m0\n", "cpu: cortex-m4f\n", "a nRF51822 has no cortex-m4f"),
        ("arena_bytes: 10240", "arena_bytes: 15000", "arena and stack together are larger than RAM"),
        ("program_bytes: 4", "program_bytes: 3", "a sector is no whole number of program units"),
        ("origin: 0x20000000", "origin: 0x3f000", "flash flash and RAM overlap at 0x3f000"),
        ("bytes: 262144", "bytes: 262145", "flash is no whole number of sectors"),
        ("reprogram: never", "reprogram: 0", "must be never, or a whole number above 0: 0"),
        ("  vtor: false ", "  # ", "vtor is missing"),
        ("units: [m/s2, m/s2, m/s2]", "units: [m/s2]", "has 1 entries, channels has 3"),
        ("cpu: cortex-m0\n", "cpu: cortex-m1\n", 'must be one of cortex-m0, cortex-m0plus, cortex-m3, cortex-m4f'),
        ("transports: [usb]", "transports: []", "needs at least 1 of them"),
        ("vid: 0x0d28", "vid: 0x10d28", "must be at most 65535: 68904"),
        ("vid: 0x0d28", "vid: '0x0d28'", "must be a whole number"),
        ("  polls: gateway\n", "", 'field "polls" is missing'),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = mine()
    assert text.count(old) == 1, old
    with pytest.raises(SpecError) as caught:
        load_catalog(extra(tmp_path, "mine", text.replace(old, new)))
    (problem,) = caught.value.problems
    assert message in problem.message
    changed = text[: text.index(old)].count("\n") + 1
    assert abs(problem.line - changed) <= 1 or "is missing" in message or "outside" in message or "arena" in message


def test_all_problems_of_all_boards_together(tmp_path: Path) -> None:
    extra(tmp_path, "a", "kind: [\n")
    extra(tmp_path, "mine", mine().replace("mcu:", "mcuu:"))
    with pytest.raises(SpecError) as caught:
        load_catalog(tmp_path)
    assert {Path(p.file).name for p in caught.value.problems} == {"a.yaml", "mine.yaml"}


ESP32C3 = (catalog_folder() / "esp32c3.yaml").read_text().replace("{name: esp32c3}", "{name: mine}")
PROMISE = "{kind: vendor-ab, revert: true, power_safe: true, anti_rollback: false}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("vendor-ab", "usb-gateway", "revert: a firmware that is written over the one before"),
        (
            PROMISE,
            PROMISE.replace("vendor-ab", "vendor-copy").replace("true", "false", 1),
            "power_safe: a firmware that",
        ),
        ("anti_rollback: false", "anti_rollback: true", "anti_rollback: a maker's bootloader starts whatever is whole"),
        ("platform: espressif32", "platform: other32", "no port tells the bootloader of other32 of trials"),
        (
            "    state: {origin: 0x292000, bytes: 8192}\n",
            "",
            r"revert: needs layout\.state, and two slots for firmware",
        ),
        (", {origin: 0x150000, bytes: 1310720}", "", r"revert: needs layout\.state, and two slots for firmware"),
    ],
)
def test_a_board_promises_of_updates_what_is_kept(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert load_catalog(extra(tmp_path / "right", "mine", ESP32C3))["mine"].spec.update.revert
    assert old in ESP32C3
    with pytest.raises(SpecError, match=message):
        load_catalog(extra(tmp_path / "wrong", "mine", ESP32C3.replace(old, new)))
