"""What a device is sent to run what a fleet offers its board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinyops.manifest.document import FileRef, Manifest, SlotImage

FIRMWARE, MODEL = "firmware", "model"
SUFFIX = ".img"


@dataclass(frozen=True)
class Sent:
    """A file that is sent: its digests, and its length; `deltas` are lengths of what makes it of another image, by that
    one's digest, for each slot."""

    what: tuple[str, ...]
    bytes: int
    deltas: tuple[Mapping[str, int], ...] = ()

    def bytes_after(self, before: Sent) -> int:
        """What a device is sent that runs `before`, in whichever slot; 0 where that is the same."""
        if before.what == self.what:
            return 0
        smaller = [min((n for base, n in deltas.items() if base in before.what), default=0) for deltas in self.deltas]
        return max(smaller) if smaller and all(smaller) else self.bytes


def sent(manifest: Manifest, fleet: str, board: str) -> dict[str, Sent]:
    """Model and firmware, by kind: images with their signatures where slots take those, of a firmware the larger of its
    two, as either slot may be the spare one. A model that is linked is its firmware.

    Also of what nobody has signed yet: a twin's facts say what signatures will cover, and how long the files will be.
    """
    entry = manifest.fleets.get(fleet)
    offered = entry.boards.get(board) if entry is not None else None
    if offered is None:
        return {}
    twin = manifest.steps.get(f"twin:{fleet}/{board}")
    images, sizes = (twin.facts.get(name, {}) if twin else {} for name in ("images", "signed_bytes"))
    linked = offered.firmware is not None and offered.firmware.digest == offered.model.digest
    files: dict[str, FileRef | None] = {MODEL: None if linked else offered.model, FIRMWARE: offered.firmware}
    found: dict[str, Sent] = {}
    for kind, file in files.items():
        names = [name for name in sorted(images) if name.startswith(kind)]
        if names and file is not None:
            size = max((sizes[name] for name in names if name in sizes), default=file.bytes)
            deltas = tuple(_deltas(offered.images.get(name.removesuffix(SUFFIX))) for name in names)
            found[kind] = Sent(tuple(images[name] for name in names), size, deltas)
        elif file is not None:
            found[kind] = Sent((file.digest,), file.bytes)
    return found


def _deltas(image: SlotImage | None) -> dict[str, int]:
    return {f"sha256:{delta.base}": delta.bytes for delta in (image.deltas if image else ())}
