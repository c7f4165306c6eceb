"""What lies in the flash of a board that a bootloader of ours starts, when a cable has written it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyops.boards.layout import Layout
from tinyops.boards.model import BoardSpec
from tinyops.errors import ToolError
from tinyops.files import JsonObject, digest_json
from tinyops.images import Kind, Signer, build_image, sign_image
from tinyops.images.definition import HEADER_BYTES
from tinyops.twin.released import segments
from tinyops.twin.slot_images import slot_images

TWIN_BOOTLOADER, OWN_BOOTLOADER = "twin_bootloader.elf", "bootloader.elf"


@dataclass(frozen=True)
class Trust:
    """Who signed a board's images, and what its settings region holds: the keys that it trusts."""

    signer: Signer
    settings: bytes


def starts_by_bootloader(spec: BoardSpec, files: Mapping[str, Path]) -> bool:
    """Whether the twin is given a bootloader of ours; an ELF without one lies where it was linked to, and starts."""
    own = spec.layout.own_bootloader if spec.layout is not None else None
    return own is not None and bootloader_of(spec) in files


def bootloader_of(spec: BoardSpec) -> str:
    return OWN_BOOTLOADER if spec.twin.same_machine else TWIN_BOOTLOADER


def firmware_of(spec: BoardSpec, slot: int = 0) -> str:
    return f"{'firmware' if spec.twin.same_machine else 'twin'}{'_b' if slot else ''}.elf"


def flash_content(
    board: str,
    spec: BoardSpec,
    files: Mapping[str, Path],
    contract: JsonObject,
    *,
    trust: Trust | None = None,
    counter: int = 0,
    slot: int = 0,
) -> dict[int, bytes]:
    """Bytes by address in the twin's machine: bootloader, the firmware in one of its slots, the model in the first,
    settings that trust. An image is unsigned without `trust`: a board that was never enrolled runs what a cable wrote.

    Raises ToolError for a firmware that was linked elsewhere.
    """
    assert spec.layout is not None
    found = segments(files[bootloader_of(spec)])
    for address, image in _images(board, spec, spec.layout, files, contract, counter, slot).items():
        found[address] = sign_image(image, trust.signer) if trust is not None else image
    if trust is not None and spec.layout.settings is not None:
        found[spec.layout.settings.origin] = trust.settings
    return found


def _images(
    board: str,
    spec: BoardSpec,
    layout: Layout,
    files: Mapping[str, Path],
    contract: JsonObject,
    counter: int,
    slot: int,
) -> dict[int, bytes]:
    """By the origin of their slots."""
    found: dict[int, bytes] = {}
    if firmware_of(spec, slot) in files:
        origin = layout.firmware[slot].origin
        body = firmware_body(files[firmware_of(spec, slot)], origin)
        digest = bytes.fromhex(digest_json(contract).removeprefix("sha256:"))
        found[origin] = build_image(
            body, kind=Kind.FIRMWARE, board=board, contract=digest, counter=counter, load_address=origin
        )
    models = {name: path for name, path in files.items() if name not in ("firmware.bin", "firmware_b.bin")}
    made = slot_images(board, spec, models, counter)
    if "model.img" in made:
        found[layout.model[0].origin] = made["model.img"]
    return found


def firmware_body(elf: Path, origin: int) -> bytes:
    """What an image of the firmware holds: its bytes from behind the header on. Raises ToolError."""
    loaded = segments(elf)
    start = origin + HEADER_BYTES[Kind.FIRMWARE]
    end = max(at + len(data) for at, data in loaded.items())
    if min(loaded) != start:
        raise ToolError(
            f"{elf.name}: begins at {min(loaded):#x}, in its slot it would at {start:#x}",
            hint="build the firmware again",
        )
    body = bytearray(end - start)
    for at, data in loaded.items():
        body[at - start : at - start + len(data)] = data
    return bytes(body)
