"""What signing makes: images, and the deltas that lead to them."""

from __future__ import annotations

from dataclasses import dataclass

from tinyops.artifacts import Artifact
from tinyops.manifest.document import DeltaFile, FileRef, SlotImage


@dataclass(frozen=True)
class MadeDelta:
    """What makes a signed image of another one, whose SHA-256 (hex) it names."""

    artifact: Artifact
    base: str


@dataclass(frozen=True)
class Signed:
    """A signed image: its file, the SHA-256 (hex) that the signature covers, whose it is, and deltas that make it."""

    artifact: Artifact
    image: str
    signed_by: str
    deltas: tuple[MadeDelta, ...] = ()


def slot_image(signed: Signed, file: FileRef, deltas: tuple[FileRef, ...]) -> SlotImage:
    """As a manifest has it; `deltas` say where those of the image lie."""
    named = zip(signed.deltas, deltas, strict=True)
    return SlotImage(
        **file.to_json(),
        image=signed.image,
        signed_by=signed.signed_by,
        deltas=tuple(DeltaFile(**lies.to_json(), base=delta.base) for delta, lies in named),
    )
