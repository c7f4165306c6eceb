"""A repository whose signed release holds what was built for a board."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fakes.models import contract_digest
from fakes.releases import INERT, Publisher
from tinyops.boards.loader import load_catalog
from tinyops.boards.model import Board
from tinyops.files import digest_bytes
from tinyops.images import read_image, sign_image
from tinyops.images.delta import make_delta
from tinyops.manifest.document import Asset, BoardEntry, DeltaFile, FileRef, FleetEntry, ModelFile, Proofs, SlotImage
from tinyops.manifest.keys import SigningKey
from tinyops.twin.slot_images import slot_images

SPECS = Path(__file__).parents[2] / "specs"


class Shelf:
    """The files of a release that is being made."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.assets = dict(publisher.build(INERT).assets)

    def ref(self, name: str, data: bytes) -> FileRef:
        asset = self.assets.setdefault(digest_bytes(data), Asset(tag="v1", asset=name, bytes=len(data)))
        self.publisher.content(data)
        return FileRef(digest=digest_bytes(data), **asset.to_json())

    def slots(
        self, board: Board, files: Mapping[str, Path], key: SigningKey, bases: Mapping[str, bytes]
    ) -> dict[str, SlotImage]:
        """The signed images of a board's slots; of those that have a base, with a delta from it."""
        found = {}
        for name, unsigned in slot_images(board.name, board.spec, files, 0).items():
            data = sign_image(unsigned, key)
            digest = read_image(data, where=name).digest.hex()
            file = self.ref(f"image.{board.name}.{name}", data)
            slot = name.removesuffix(".img")
            made = tuple(self.delta(f"image.{board.name}.{slot}", bases[slot], data) for slot in {slot} & {*bases})
            found[slot] = SlotImage(**dict(file), image=digest, signed_by=key.public.key_id, deltas=made)
        return found

    def delta(self, name: str, base: bytes, data: bytes) -> DeltaFile:
        file = self.ref(f"{name}.delta", make_delta(base, data, where=name))
        return DeltaFile(**dict(file), base=read_image(base, where=name).digest.hex())

    def entry(
        self,
        board: Board,
        files: Mapping[str, Path],
        key: SigningKey,
        bases: Mapping[str, bytes] = MappingProxyType({}),
    ) -> BoardEntry:
        """What a fleet gets for the board, of its files by name."""
        data = {name: path.read_bytes() for name, path in files.items()}
        linked = "model.bin" not in files
        model = self.ref("model", data["firmware.bin" if linked else "model.bin"])
        return BoardEntry(
            contract=contract_digest(data["contract.json"]),
            contract_file=self.ref("contract", data["contract.json"]),
            model=ModelFile(**dict(model), kind="linked" if linked else "image"),
            firmware=self.ref("firmware.bin", data["firmware.bin"]),
            bootloader=self.ref("bootloader.bin", data["bootloader.bin"]) if "bootloader.bin" in data else None,
            images=self.slots(board, files, key, bases),
            golden=self.ref("golden", INERT.golden),
            proof=Proofs(model="same-bytes", firmware="same-bytes"),
        )


def publish_firmware(
    root: Path,
    board: Board | str,
    files: Mapping[str, Path],
    *,
    fleets: tuple[str, ...] = ("wrist",),
    signer: SigningKey | None = None,
    bases: Mapping[str, bytes] = MappingProxyType({}),
) -> Path:
    """The example's specs and a release for some fleets: firmware.bin, contract.json and, for a slot, model.bin; for a
    board with slots what its images and its bootloader are made of, too. `signer` signs images in the publisher's
    place; `bases` are images from which there are deltas, by slot."""
    shutil.copytree(SPECS, root / "specs")
    lines = (root / "specs/project.yaml").read_text().splitlines()
    project = next(line.split("name:")[1].strip(" }") for line in lines if "name:" in line)
    publisher = Publisher(root / ".tinyops", project=project)
    (root / "specs/trusted.pem").write_bytes(publisher.keys[0].public.to_pem())
    known = load_catalog()[board] if isinstance(board, str) else board
    shelf = Shelf(publisher)
    entry = shelf.entry(known, files, signer or publisher.keys[0], bases)
    made: dict[str, Any] = {
        name: FleetEntry(model="activity", security_counter=0, boards={known.name: entry}) for name in fleets
    }
    publisher.publish(INERT, assets=shelf.assets, fleets=made)
    return root
