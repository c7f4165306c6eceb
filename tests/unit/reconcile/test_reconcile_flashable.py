"""The file that a cable brings onto a board: from a signed release, with the model in its slot."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest

from fakes import slotted
from fakes.flashable import publish_firmware
from fakes.models import contract_digest
from fakes.releases import INERT
from fakes.smp_board import INFO, SmpBoard, serving
from tinyops.boards import load_catalog
from tinyops.boards.model import Board, BoardSpec, FlashTool
from tinyops.cli import main
from tinyops.errors import RemoteError, ToolError, UsageError
from tinyops.firmware.flash_file import Part, flash_file
from tinyops.manifest.document import Manifest
from tinyops.manifest.keys import SigningKey
from tinyops.reconcile.flashable import choose_target, flashable

CATALOG = load_catalog()
FIRMWARE, MODEL = bytes(range(256)) * 5, b"the model image"


def without_slots(board: Board) -> Board:
    """The board with a firmware and a model that lie in flash as they were built."""
    assert board.spec.layout is not None
    layout = board.spec.layout.without_bootloader().model_copy(update={"state": None})
    return board.model_copy(update={"spec": board.spec.model_copy(update={"layout": layout})})


PICO, MICROBIT = without_slots(CATALOG["pico"]), without_slots(CATALOG["microbit"])


def memory(text: str) -> dict[int, int]:
    """What an Intel HEX file puts where; every line's sum is checked."""
    found, upper = {}, 0
    for line in text.split():
        data = bytes.fromhex(line.removeprefix(":"))
        assert sum(data) % 256 == 0
        count, at, kind, body = data[0], int.from_bytes(data[1:3]), data[3], data[4:-1]
        if kind == 4:
            upper = int.from_bytes(body) << 16
        elif kind == 0:
            assert len(body) == count
            found |= {upper + at + i: byte for i, byte in enumerate(body)}
    assert text.endswith(":00000001FF\n") and text.count(":00000001FF") == 1
    return found


def parts(spec: BoardSpec, firmware: bytes, model: bytes | None) -> list[Part]:
    assert spec.layout is not None
    found = [Part("firmware", spec.layout.firmware[0], firmware)]
    return found if model is None else [*found, Part("model", spec.layout.model[0], model)]


def test_a_hex_file_holds_firmware_and_model_where_they_belong() -> None:
    spec = MICROBIT.spec
    assert spec.layout is not None
    found = memory(flash_file("hex", spec, parts(spec, FIRMWARE, MODEL)).decode())
    slot = spec.layout.model[0].origin
    assert bytes(found[i] for i in range(len(FIRMWARE))) == FIRMWARE
    assert bytes(found[slot + i] for i in range(len(MODEL))) == MODEL
    assert len(found) == len(FIRMWARE) + len(MODEL)


def pages(data: bytes) -> dict[int, bytes]:
    """The pages of a UF2 file by their addresses."""
    blocks = [data[i : i + 512] for i in range(0, len(data), 512)]
    heads = [struct.unpack_from("<8I", block) for block in blocks]
    assert [(h[5], h[6], h[7]) for h in heads] == [(n, len(blocks), 0xE48BFF56) for n in range(len(blocks))]
    return {head[3]: block[32 : 32 + 256] for head, block in zip(heads, blocks, strict=True)}


def test_a_uf2_file_says_every_page_of_the_sectors_that_it_writes_and_of_no_other() -> None:
    spec = PICO.spec
    assert spec.layout is not None
    found = pages(flash_file("uf2", spec, parts(spec, FIRMWARE, MODEL)))
    origin, slot = spec.layout.firmware[0].origin, spec.layout.model[0].origin
    assert sorted(found) == [*range(origin, origin + 4096, 256), *range(slot, slot + 4096, 256)]
    assert b"".join(found[at] for at in sorted(found)[:16]) == FIRMWARE.ljust(4096, b"\xff")
    assert found[slot] == MODEL.ljust(256, b"\xff")


def test_what_is_larger_than_its_slot_is_refused() -> None:
    spec = MICROBIT.spec
    assert spec.layout is not None
    model, firmware = spec.layout.model[0].bytes, spec.layout.firmware[0].bytes
    with pytest.raises(ToolError, match=f"a model of {model + 1:,} bytes in a slot of {model:,}"):
        flash_file("bin", spec, parts(spec, FIRMWARE, bytes(model + 1)))
    with pytest.raises(ToolError, match=f"a firmware of {firmware + 1:,} bytes"):
        flash_file("bin", spec, parts(spec, bytes(firmware + 1), None))
    assert flash_file("bin", spec, parts(spec, FIRMWARE, None)) == FIRMWARE
    with pytest.raises(ToolError, match="no boot ROM of a nRF51822 takes UF2"):
        flash_file("uf2", spec, parts(spec, FIRMWARE, None))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """What was built for a board."""
    contents = {**slotted.CONTENTS, "contract.json": INERT.contract, "firmware.bin": FIRMWARE, "model.bin": MODEL}
    return slotted.write_contents(tmp_path, contents)


@pytest.fixture
def repository(tmp_path: Path, files: dict[str, Path]) -> Path:
    """The example's specs and a store with one signed release: firmware and model for the Pico of two fleets."""
    return publish_firmware(tmp_path / "repository", PICO, files, fleets=("a", "wrist"))


def test_the_last_release_gives_the_file_and_what_the_board_must_say(repository: Path) -> None:
    found = flashable(repository, PICO, "wrist")
    assert found.path == repository / ".tinyops/flash/wrist/pico.uf2"
    assert found.path.read_bytes() == flash_file("uf2", PICO.spec, parts(PICO.spec, FIRMWARE, MODEL))
    assert found.firmware == hashlib.sha256(FIRMWARE).digest() and found.tag == "v1"
    assert found.model == hashlib.sha256(MODEL).digest()
    assert found.contract.hex() == contract_digest(INERT.contract).removeprefix("sha256:")


def test_a_fleet_must_be_named_where_several_have_the_board(repository: Path) -> None:
    with pytest.raises(UsageError, match="fleets a, wrist have something for pico"):
        flashable(repository, PICO, None)
    with pytest.raises(UsageError, match="fleet reader has nothing for pico"):
        flashable(repository, PICO, "reader")
    with pytest.raises(UsageError, match="no fleet has something for microbit"):
        choose_target(_manifest(repository), {}, "microbit", None)


def _manifest(root: Path) -> Manifest:
    from tinyops.reconcile.world import released

    release = released(root)
    assert release is not None
    return release.manifest


def test_a_damaged_or_unsigned_release_is_never_flashed(repository: Path) -> None:
    asset = repository / ".tinyops/releases/v1/firmware.bin"
    asset.write_bytes(FIRMWARE[:-1] + b"!")
    with pytest.raises(RemoteError, match="damaged"):
        flashable(repository, PICO, "wrist")
    asset.write_bytes(FIRMWARE)
    manifest = repository / ".tinyops/releases/v1/manifest.json"
    text = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**text, "signatures": []}))
    with pytest.raises(RemoteError):
        flashable(repository, PICO, "wrist")


def test_the_command_flashes_a_released_firmware_and_proves_it(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = publish_firmware(tmp_path / "repository", "pico", files)  # as the catalogue has it
    drive = tmp_path / "RPI-RP2"
    drive.mkdir()
    (drive / "INFO_UF2.TXT").write_text("UF2 Bootloader\n")
    due = flashable(repository, CATALOG["pico"], "wrist")
    digests = {"firmware": due.firmware, "model": due.model, "contract": due.contract}
    answer = {**INFO, "board": "pico", **digests}
    command = ["flash", "-C", str(repository), "pico", "--fleet", "wrist", "--drive", str(drive), "--json"]
    board = SmpBoard(replace={(64, 0): answer})
    with serving(board) as port:
        assert main([*command, "--verify-port", port]) == 0
        value = json.loads(capsys.readouterr().out)
        assert value["verified"] and (drive / "pico.uf2").read_bytes().startswith(b"UF2\n")
        for what, before in digests.items():
            answer[what] = b"\x09" * 32
            assert main([*command, "--verify-port", port]) == 70
            message = json.loads(capsys.readouterr().out)["error"]["message"]
            assert f"was flashed with {what}" in message and "but runs 090909090909" in message
            answer[what] = before
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["verified"] is False


# -- boards with slots -------------------------------------------------------------------------

SLOTTED = slotted.slotted()


def slotted_memory(root: Path) -> dict[int, int]:
    found = flashable(root, SLOTTED, "wrist")
    assert found.path.suffix == ".hex"
    return memory(found.path.read_text())


def asset(root: Path, name: str) -> bytes:
    return (root / ".tinyops/releases/v1" / name).read_bytes()


def test_of_a_board_with_slots_everything_that_starts_it_and_a_blank_log_but_not_who_it_is(
    files: dict[str, Path], tmp_path: Path
) -> None:
    root = publish_firmware(tmp_path / "repository", SLOTTED, files)
    found, layout = slotted_memory(root), SLOTTED.spec.layout
    assert layout is not None and layout.own_bootloader and layout.state and layout.settings
    wanted = {
        layout.own_bootloader.origin: files["bootloader.bin"].read_bytes(),
        layout.firmware[0].origin: asset(root, "image.microbit.firmware_a.img"),
        layout.model[0].origin: asset(root, "image.microbit.model.img"),
        layout.state.origin: b"\xff" * layout.state.bytes,
    }
    assert found == {at + i: byte for at, data in wanted.items() for i, byte in enumerate(data)}
    due = flashable(root, SLOTTED, "wrist")
    images = [asset(root, f"image.microbit.{slot}.img") for slot in ("firmware_a", "model")]
    assert [due.firmware, due.model] == [hashlib.sha256(image).digest() for image in images]


def test_a_bin_file_ends_before_the_settings_and_leaves_other_slots_blank(files: dict[str, Path]) -> None:
    spec, layout = SLOTTED.spec, SLOTTED.spec.layout
    assert layout is not None and layout.own_bootloader and layout.state and layout.settings
    given = [
        Part("firmware", layout.firmware[0], b"F" * 100),
        Part("bootloader", layout.own_bootloader, b"B" * 100),
        Part("state", layout.state, b"\xff" * layout.state.bytes),
        Part("model", layout.model[0], b"M" * 100),
    ]
    run = flash_file("bin", spec, given)
    assert len(run) == layout.model[0].origin + 100 < layout.settings.origin < layout.state.origin
    assert run.startswith(b"B" * 100 + b"\xff") and run[layout.firmware[0].origin :].startswith(b"F" * 100 + b"\xff")
    assert set(run[layout.firmware[1].origin : layout.model[0].origin]) == {0xFF}


def test_a_model_in_slots_beside_a_firmware_that_a_cable_writes_is_an_image_all_the_same(
    files: dict[str, Path], tmp_path: Path
) -> None:
    one = slotted.slotted(own_bootloader=None, firmware=(slotted.region(0, 0x15000),))
    files.pop("bootloader.bin")
    root = publish_firmware(tmp_path / "repository", one, files)
    found = memory(flashable(root, one, "wrist").path.read_text())
    image = asset(root, "image.microbit.model.img")
    assert bytes(found[i] for i in range(len(FIRMWARE))) == FIRMWARE
    assert bytes(found[0x15000 + i] for i in range(len(image))) == image
    assert len(found) == len(FIRMWARE) + len(image) + 2048


def test_an_image_that_no_trusted_key_signed_is_not_flashed(files: dict[str, Path], tmp_path: Path) -> None:
    other = SigningKey.generate()
    with pytest.raises(RemoteError, match="not trusted"):  # not even released
        publish_firmware(tmp_path / "a", SLOTTED, files, signer=other)
    root = publish_firmware(tmp_path / "b", SLOTTED, files)
    (root / "specs/trusted.pem").write_bytes(other.public.to_pem())
    with pytest.raises(RemoteError):
        flashable(root, SLOTTED, "wrist")


def test_a_release_from_before_the_slots_says_so(files: dict[str, Path], tmp_path: Path) -> None:
    root = publish_firmware(tmp_path / "repository", MICROBIT, files)
    with pytest.raises(UsageError, match=r"v1: holds no signed firmware of microbit in fleet wrist") as caught:
        flashable(root, SLOTTED, "wrist")
    assert "tinyops apply" in caught.value.hint


def test_every_kind_of_file_that_the_catalogue_asks_for_can_be_made() -> None:
    for board in CATALOG.values():
        if isinstance(board.spec.flash_tool, FlashTool) and board.spec.flash_tool.file != "elf":
            assert flash_file(board.spec.flash_tool.file, board.spec, parts(board.spec, b"firmware", None))
