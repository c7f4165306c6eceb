"""The file that a cable brings onto a board: from a signed release, with the model in its slot."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from fakes.models import contract_digest
from fakes.releases import INERT, Publisher
from fakes.smp_board import INFO, SmpBoard, serving
from tinyops.boards import load_catalog
from tinyops.boards.model import FlashTool
from tinyops.cli import main
from tinyops.errors import RemoteError, ToolError, UsageError
from tinyops.files import digest_bytes
from tinyops.manifest.document import Asset, BoardEntry, FileRef, FleetEntry, Manifest, ModelFile, Proofs
from tinyops.reconcile.flashable import choose_entry, flash_file, flashable

ROOT = Path(__file__).parents[3]
CATALOG = load_catalog()
FIRMWARE, MODEL = bytes(range(256)) * 5, b"the model image"


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


def test_a_hex_file_holds_firmware_and_model_where_they_belong() -> None:
    spec = CATALOG["microbit"].spec
    assert spec.layout is not None
    found = memory(flash_file("hex", spec, FIRMWARE, MODEL).decode())
    slot = spec.layout.model[0].origin
    assert bytes(found[i] for i in range(len(FIRMWARE))) == FIRMWARE
    assert bytes(found[slot + i] for i in range(len(MODEL))) == MODEL
    assert len(found) == len(FIRMWARE) + len(MODEL)


def test_a_uf2_file_is_one_run_of_pages_up_to_the_models_end() -> None:
    spec = CATALOG["pico"].spec
    assert spec.layout is not None
    data = flash_file("uf2", spec, FIRMWARE, MODEL)
    pages = [data[i : i + 512] for i in range(0, len(data), 512)]
    origin, slot = spec.layout.firmware[0].origin, spec.layout.model[0].origin
    assert [struct.unpack_from("<I", page, 12)[0] for page in pages] == [origin + 256 * n for n in range(len(pages))]
    whole = b"".join(page[32 : 32 + 256] for page in pages)
    assert whole.startswith(FIRMWARE) and whole[slot - origin :].startswith(MODEL)
    assert set(whole[len(FIRMWARE) : slot - origin]) == {0xFF}
    assert spec.layout.settings is not None and origin + len(whole) <= spec.layout.settings.origin


def test_what_is_larger_than_its_slot_is_refused() -> None:
    spec = CATALOG["microbit"].spec
    with pytest.raises(ToolError, match="a model of 96,257 bytes in a slot of 96,256"):
        flash_file("bin", spec, FIRMWARE, bytes(96_257))
    with pytest.raises(ToolError, match="a firmware of 65,537 bytes"):
        flash_file("bin", spec, bytes(65_537), None)
    assert flash_file("bin", spec, FIRMWARE, None) == FIRMWARE
    with pytest.raises(ToolError, match="no boot ROM of a nRF51822 takes UF2"):
        flash_file("uf2", spec, FIRMWARE, None)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The example's specs and a store with one signed release: firmware and model for the Pico of fleet wrist."""
    root = tmp_path / "repository"
    shutil.copytree(ROOT / "specs", root / "specs")
    publisher = Publisher(root / ".tinyops", project=project_of(root))
    (root / "specs/trusted.pem").write_bytes(publisher.keys[0].public.to_pem())
    publisher.publish(INERT, **with_firmware(publisher))
    return root


def project_of(root: Path) -> str:
    lines = (root / "specs/project.yaml").read_text().splitlines()
    return next(line.split("name:")[1].strip(" }") for line in lines if "name:" in line)


def with_firmware(publisher: Publisher) -> dict[str, Any]:
    plain: Manifest = publisher.build(INERT)
    assets = dict(plain.assets)
    for name, data in {"firmware.wrist.pico.firmware.bin": FIRMWARE, "image.activity.pico.model.bin": MODEL}.items():
        assets[digest_bytes(data)] = Asset(tag="v1", asset=name, bytes=len(data))
        publisher.content(data)

    def ref(data: bytes) -> dict[str, Any]:
        return {"digest": digest_bytes(data), **assets[digest_bytes(data)].to_json()}

    entry = BoardEntry(
        contract=contract_digest(INERT.contract),
        contract_file=FileRef(**ref(INERT.contract)),
        model=ModelFile(**ref(MODEL), kind="image"),
        firmware=FileRef(**ref(FIRMWARE)),
        golden=FileRef(**ref(INERT.golden)),
        proof=Proofs(model="same-bytes", firmware="same-bytes"),
    )
    fleets = {name: FleetEntry(model="activity", security_counter=0, boards={"pico": entry}) for name in ("a", "wrist")}
    return {"assets": assets, "fleets": fleets}


def test_the_last_release_gives_the_file_and_what_the_board_must_say(repository: Path) -> None:
    found = flashable(repository, CATALOG["pico"], "wrist")
    assert found.path == repository / ".tinyops/flash/wrist/pico.uf2" and found.with_model
    assert found.path.read_bytes() == flash_file("uf2", CATALOG["pico"].spec, FIRMWARE, MODEL)
    assert found.firmware == hashlib.sha256(FIRMWARE).digest() and found.tag == "v1"
    assert found.contract.hex() == contract_digest(INERT.contract).removeprefix("sha256:")


def test_a_fleet_must_be_named_where_several_have_the_board(repository: Path) -> None:
    with pytest.raises(UsageError, match="fleets a, wrist have something for pico"):
        flashable(repository, CATALOG["pico"], None)
    with pytest.raises(UsageError, match="fleet reader has nothing for pico"):
        flashable(repository, CATALOG["pico"], "reader")
    with pytest.raises(UsageError, match="no fleet has something for microbit"):
        choose_entry(_manifest(repository), "microbit", None)


def _manifest(root: Path) -> Manifest:
    from tinyops.reconcile.world import released

    release = released(root)
    assert release is not None
    return release.manifest


def test_a_damaged_or_unsigned_release_is_never_flashed(repository: Path) -> None:
    asset = repository / ".tinyops/releases/v1/firmware.wrist.pico.firmware.bin"
    asset.write_bytes(FIRMWARE[:-1] + b"!")
    with pytest.raises(RemoteError, match="damaged"):
        flashable(repository, CATALOG["pico"], "wrist")
    asset.write_bytes(FIRMWARE)
    manifest = repository / ".tinyops/releases/v1/manifest.json"
    text = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**text, "signatures": []}))
    with pytest.raises(RemoteError):
        flashable(repository, CATALOG["pico"], "wrist")


def test_the_command_flashes_a_released_firmware_and_proves_it(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drive = tmp_path / "RPI-RP2"
    drive.mkdir()
    (drive / "INFO_UF2.TXT").write_text("UF2 Bootloader\n")
    contract = bytes.fromhex(contract_digest(INERT.contract).removeprefix("sha256:"))
    answer = {**INFO, "board": "pico", "firmware": hashlib.sha256(FIRMWARE).digest(), "contract": contract}
    command = ["flash", "-C", str(repository), "pico", "--fleet", "wrist", "--drive", str(drive), "--json"]
    board = SmpBoard(replace={(64, 0): answer})
    with serving(board) as port:
        assert main([*command, "--verify-port", port]) == 0
        value = json.loads(capsys.readouterr().out)
        assert value["verified"] and (drive / "pico.uf2").read_bytes().startswith(b"UF2\n")
        answer["firmware"] = b"\x09" * 32
        assert main([*command, "--verify-port", port]) == 70
    assert "but runs 090909090909" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["verified"] is False


def test_every_kind_of_file_that_the_catalogue_asks_for_can_be_made() -> None:
    for board in CATALOG.values():
        if isinstance(board.spec.flash_tool, FlashTool) and board.spec.flash_tool.file != "elf":
            assert flash_file(board.spec.flash_tool.file, board.spec, b"firmware", None)
