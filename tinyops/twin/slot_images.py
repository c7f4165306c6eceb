"""The images that a board's slots hold, made of what the steps before made: for the twin to run, for a release to sign.

Both make them by this function from the same files, so the digest that a proof names is the one that is signed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyops.boards.layout import Region
from tinyops.boards.model import BoardSpec
from tinyops.errors import DoesNotFit
from tinyops.files import MIB, digest_json, read_bounded
from tinyops.images import Kind, body_max, build_image
from tinyops.twin.golden import read_golden

CONTENT_LIMIT_BYTES = 16 * MIB
CONTRACT, GOLDEN = "contract.json", "golden.bin"


@dataclass(frozen=True)
class SlotFile:
    """An image by its name, of which file it is made, for which slot, and how much of that it may take."""

    name: str
    content: str
    kind: Kind
    slot: Region
    bytes: int


def slot_files(spec: BoardSpec) -> Iterator[SlotFile]:
    """Images of a board that keeps a log of its slots. A firmware is one for each slot, a model one for both."""
    layout = spec.layout
    if layout is None or layout.state is None:
        return
    if layout.model:
        yield SlotFile("model.img", "model.bin", Kind.MODEL, layout.model[0], layout.model[0].bytes)
    if len(layout.firmware) > 1:
        for name, slot in zip("ab", layout.firmware, strict=True):
            linked_twice = layout.own_bootloader is not None  # a maker's bootloader maps it to where it was linked
            content = "firmware_b.bin" if name == "b" and linked_twice else "firmware.bin"
            room = slot.bytes - spec.image_header_bytes
            yield SlotFile(f"firmware_{name}.img", content, Kind.FIRMWARE, slot, room)


def slot_images(board: str, spec: BoardSpec, files: Mapping[str, Path], counter: int) -> dict[str, bytes]:
    """The unsigned images by name, of as many as there are files for.

    `files` are those of a board's steps; `counter` is the fleet's security counter. Raises DoesNotFit for one that
    is larger than its slot.
    """
    found: dict[str, bytes] = {}
    for file in slot_files(spec):
        if file.content in files:
            found[file.name] = _image(board, file, files, counter)
    return found


def _image(board: str, file: SlotFile, files: Mapping[str, Path], counter: int) -> bytes:
    body = read_bounded(files[file.content], CONTENT_LIMIT_BYTES)
    most = body_max(file.kind, board, file.bytes)
    if len(body) > most:
        raise DoesNotFit(
            f"{board}: {file.content} of {len(body):,} bytes, its slot has room for {most:,} in a signed image",
            hint="make the model smaller, or choose a board with a larger slot",
        )
    contract = digest_json(json.loads(read_bounded(files[CONTRACT], MIB)))
    is_model = file.kind is Kind.MODEL
    return build_image(
        body,
        kind=file.kind,
        board=board,
        contract=bytes.fromhex(contract.removeprefix("sha256:")),
        counter=counter,
        load_address=None if is_model else file.slot.origin,
        golden=read_golden(files[GOLDEN]).self_test if is_model and GOLDEN in files else None,
    )
