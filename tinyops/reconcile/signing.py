"""Signing the images of slots for a release, and taking those of earlier releases that are signed already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyops.artifacts import Artifact, Record
from tinyops.boards.model import BoardSpec
from tinyops.errors import ToolError
from tinyops.firmware.slots import takes_deltas
from tinyops.images import read_image, sign_image
from tinyops.manifest.document import Manifest, SlotImage
from tinyops.manifest.keys import SigningKey, Trust
from tinyops.reconcile.deltas import with_deltas
from tinyops.reconcile.signed import Signed
from tinyops.specs.targets import Target, Targets
from tinyops.store import Store
from tinyops.twin.slot_images import slot_images

SUFFIX = ".img"


@dataclass(frozen=True)
class Signatures:
    """What signing takes: the key, whose signatures still count, and where the files that images are made of are."""

    key: SigningKey
    trust: Trust
    store: Store
    find: Callable[[Artifact], Path]

    def sign(
        self, fleets: Targets, records: Mapping[str, Record], before: Manifest | None
    ) -> dict[tuple[str, str], dict[str, Signed]]:
        """The images of every board of some fleets, by fleet and board, then by slot.

        What was signed before by a key that is trusted still keeps its signature, and its file its digest. Raises
        ToolError for an image that is not the one that the board's twin proved.
        """
        there = signed_before(before, self.trust)
        found: dict[tuple[str, str], dict[str, Signed]] = {}
        for name, targets in fleets.items():
            for board, target in targets.items():
                proven = records[target.twin_step].facts.get("images", {})
                hexes = {slot_of(file): digest.removeprefix("sha256:") for file, digest in proven.items()}
                kept = {slot: there[image] for slot, image in hexes.items() if image in there}
                made = self._made(target, records, hexes) if set(hexes) - set(kept) else {}
                if hexes:
                    found[name, board] = self._with_deltas(target, {**made, **kept}, records, before)
        return found

    def _with_deltas(
        self,
        target: Target,
        images: dict[str, Signed],
        records: Mapping[str, Record],
        before: Manifest | None,
    ) -> dict[str, Signed]:
        """The same with what makes them of the images before, where the board's firmware takes that."""
        entry = before.fleets.get(target.fleet) if before else None
        offered = entry.boards.get(target.name) if entry else None
        spec = BoardSpec.model_validate(records[target.twin_step].settings["facts"])
        if offered is None or not takes_deltas(spec):
            return images
        return with_deltas(images, offered.images, self.store, self.find)

    def _made(self, target: Target, records: Mapping[str, Record], proven: Mapping[str, str]) -> dict[str, Signed]:
        twin = records[target.twin_step]
        spec = BoardSpec.model_validate(twin.settings["facts"])
        files = {file: self.find(artifact) for file, artifact in _contents(target, records)}
        images = slot_images(target.board, spec, files, int(twin.settings["security_counter"]))
        return {slot_of(file): self._signed(data, file, proven, twin.step) for file, data in images.items()}

    def _signed(self, data: bytes, file: str, proven: Mapping[str, str], twin: str) -> Signed:
        image = read_image(data, where=file).digest.hex()
        if image != proven.get(slot_of(file)):
            raise ToolError(
                f"{twin}: proved {file} {proven.get(slot_of(file), 'none')[:16]}, what would be signed is {image[:16]}",
                hint="run the same command again; if it stays, please report it: this is a defect of tinyops",
            )
        with self.store.scratch("sign") as folder:
            path = folder / file
            path.write_bytes(sign_image(data, self.key))
            return Signed(self.store.add(path), image, self.key.public.key_id)


def slot_of(file: str) -> str:
    """The slot of an image's file name."""
    return file.removesuffix(SUFFIX)


def signed_before(manifest: Manifest | None, trust: Trust) -> dict[str, Signed]:
    """What a release holds that a trusted key signed, by the SHA-256 that its signature covers."""
    return {
        image.image: Signed(Artifact(image.digest, image.bytes), image.image, image.signed_by)
        for _, image in _slot_images(manifest)
        if image.signed_by in trust.keys
    }


def distrusted(manifest: Manifest | None, trust: Trust | None) -> dict[str, list[str]]:
    """By fleet, the keys that signed its images and are trusted no more: those images must be signed again."""
    trusted = trust.keys if trust else {}
    found: dict[str, set[str]] = {}
    for fleet, image in _slot_images(manifest):
        if image.signed_by not in trusted:
            found.setdefault(fleet, set()).add(image.signed_by)
    return {fleet: sorted(keys) for fleet, keys in found.items()}


def _slot_images(manifest: Manifest | None) -> Iterator[tuple[str, SlotImage]]:
    for name, fleet in (manifest.fleets if manifest else {}).items():
        for offered in fleet.boards.values():
            yield from ((name, image) for image in offered.images.values())


def _contents(target: Target, records: Mapping[str, Record]) -> Iterator[tuple[str, Artifact]]:
    """The files that a board's images are made of."""
    wanted = {
        target.image_step: ("model.bin",),
        target.firmware_step: ("firmware.bin", "firmware_b.bin"),
        target.compile_step: ("contract.json",),
        target.model_step: ("golden.bin",),
    }
    for step, outputs in wanted.items():
        made = records[step].outputs
        yield from ((output, made[output]) for output in outputs if output in made)
