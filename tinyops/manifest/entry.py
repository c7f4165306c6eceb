"""The small signed entry that a device of one fleet and board fetches: integers and strings only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from pydantic import Field

from tinyops.manifest.document import BoardEntry, FileRef, Manifest, ModelKind, SlotImage, entry_asset
from tinyops.manifest.envelope import Envelope, parse_envelope, verify
from tinyops.manifest.fields import (
    AssetName,
    Counter,
    HexDigest,
    Length,
    Name,
    PostUrl,
    Tag,
    Time,
    Tolerant,
    Version,
    read_model,
)
from tinyops.manifest.keys import Trust

ENTRY_SCHEMA: Final = "tinyops/entry/v1"
ENTRY_LIMIT_BYTES = 8 * 1024


class EntryFile(Tolerant):
    """One file to fetch: release tag and asset name, then what its bytes must be."""

    tag: Tag
    asset: AssetName
    sha256: HexDigest
    bytes: Length

    @property
    def digest(self) -> str:
        return f"sha256:{self.sha256}"


class EntryModel(EntryFile):
    kind: ModelKind


class EntryImage(EntryFile):
    """A signed image for a slot of a microcontroller; `image` is the SHA-256 that its signature covers."""

    image: HexDigest


class EntryPost(Tolerant):
    """Where the device posts its results."""

    url: PostUrl
    only_changes: bool = False


class Entry(Tolerant):
    """What a device should run. `version` is the release's number, `contract` the contract digest.

    `expires` stops installing, never running; null where devices rely on counters alone. `post` is null where results
    go to no server. `images` are those of a microcontroller's slots, by slot.
    """

    schema_: Literal["tinyops/entry/v1"] = Field(default=ENTRY_SCHEMA, alias="schema")
    project: Name
    fleet: Name
    board: Name
    version: Version
    security_counter: Counter
    contract: HexDigest
    contract_file: EntryFile
    model: EntryModel
    firmware: EntryFile | None = None
    images: Mapping[str, EntryImage] = Field(default_factory=dict)
    golden: EntryFile
    expires: Time | None = None
    post: EntryPost | None = None


def entries(manifest: Manifest, *, expires: str | None = None) -> Iterator[tuple[str, Entry]]:
    """The entry of every fleet and board of a release, with its asset's name."""
    for fleet, released in manifest.fleets.items():
        for board, offered in released.boards.items():
            files = _files(offered)
            yield (
                entry_asset(fleet, board),
                Entry(
                    project=manifest.project,
                    fleet=fleet,
                    board=board,
                    version=manifest.version,
                    security_counter=released.security_counter,
                    contract=offered.contract.removeprefix("sha256:"),
                    contract_file=files["contract_file"],
                    model=EntryModel(**files["model"].to_json(), kind=offered.model.kind),
                    firmware=files.get("firmware"),
                    images={slot: _image(image) for slot, image in offered.images.items()},
                    golden=files["golden"],
                    expires=expires,
                    post=EntryPost(**offered.post.to_json()) if offered.post else None,
                ),
            )


def read_entry(data: bytes, trust: Trust, *, where: str) -> tuple[Entry, Envelope]:
    """A verified entry and its envelope. Raises RemoteError."""
    envelope = parse_envelope(data, limit_bytes=ENTRY_LIMIT_BYTES, where=where)
    signed = verify(envelope, trust, where=where)
    return read_model(Entry, ENTRY_SCHEMA, signed, where=where, text=envelope.payload), envelope


def _files(offered: BoardEntry) -> dict[str, EntryFile]:
    return {name: _file(ref) for name, ref in offered.files()}


def _image(ref: SlotImage) -> EntryImage:
    return EntryImage(**_file(ref).to_json(), image=ref.image)


def _file(ref: FileRef) -> EntryFile:
    return EntryFile(tag=ref.tag, asset=ref.asset, sha256=ref.digest.removeprefix("sha256:"), bytes=ref.bytes)
