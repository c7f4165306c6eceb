"""The small signed entry that a device of one fleet and board fetches: integers and strings only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias

from pydantic import Field

from tinyops.manifest.document import (
    DELTAS_MAX,
    BoardEntry,
    FileRef,
    FleetRollout,
    Manifest,
    ModelKind,
    SlotImage,
    entry_asset,
)
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
from tinyops.manifest.keys import PublicKey, Trust
from tinyops.manifest.progress import ONLINE_KEYS_MAX, WAVES_MAX, OnFailure, Progress, Threshold

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


class EntryDelta(EntryFile):
    """What makes an image of another one, whose signature covers the SHA-256 `base`."""

    base: HexDigest


class EntryImage(EntryFile):
    """A signed image for a slot of a microcontroller; `image` is the SHA-256 that its signature covers. `deltas` make
    it of what the device may run."""

    image: HexDigest
    deltas: tuple[EntryDelta, ...] = Field(default=(), max_length=DELTAS_MAX)


class EntryPost(Tolerant):
    """Where the device posts its results."""

    url: PostUrl
    only_changes: bool = False


class EntryContent(Tolerant):
    """What a device runs, and the release that it is of: `contract` is the contract digest, `images` are those of a
    microcontroller's slots, by slot."""

    version: Version
    security_counter: Counter
    contract: HexDigest
    contract_file: EntryFile
    model: EntryModel
    firmware: EntryFile | None = None
    images: Mapping[str, EntryImage] = Field(default_factory=dict)
    golden: EntryFile


class EntryRollout(Tolerant):
    """The waves in which devices take this entry's content, see `manifest/progress.py`.

    `id` is the version that first brought the content. A device is in the first wave whose threshold is not below its
    position. `base` is what devices of later waves run: null where the fleet had nothing before. `keys` are the online
    keys of which one must sign the progress; `progress` is where it is served, "" where only the agent's own settings
    say.
    """

    id: Version
    waves: tuple[Threshold, ...] = Field(min_length=1, max_length=WAVES_MAX)
    on_failure: OnFailure
    keys: tuple[HexDigest, ...] = Field(min_length=1, max_length=ONLINE_KEYS_MAX)
    progress: PostUrl | Literal[""] = ""
    base: EntryContent | None = None

    @property
    def trust(self) -> Trust:
        return Trust.of(PublicKey(bytes.fromhex(key)) for key in self.keys)

    def wave_of(self, position: int) -> int:
        """The number of a device's wave, from 0; the last wave's threshold is the highest position there is."""
        return next((number for number, upto in enumerate(self.waves) if position <= upto), len(self.waves) - 1)


Choice: TypeAlias = Literal["new", "base", "keep"]


def choose_content(
    rollout: EntryRollout | None, progress: Progress | None, position: int, *, runs_new: bool = False
) -> Choice:
    """What a device takes of an entry: its content, the content before, or what it runs, whatever that is.

    `progress` is null where there is none that can be believed. It may be of an earlier rollout: that says nothing
    about this one. `runs_new`: the device runs the entry's content already, confirmed: it goes back when the rollout
    halted, and never because nobody could say for a while how far the rollout is.
    """
    if rollout is None:
        return "new"
    before: Choice = "keep" if rollout.base is None or runs_new else "base"
    if progress is None or progress.rollout != rollout.id:
        return before
    if progress.state == "finished":
        return "new"
    reached = rollout.wave_of(position) < progress.waves
    if progress.state == "halted":
        if rollout.base is None or (rollout.on_failure == "hold" and reached):
            return "keep"
        return "base" if rollout.on_failure == "revert" else before
    return "new" if reached else before


class Entry(EntryContent):
    """What a device should run.

    `expires` stops installing, never running; null where devices rely on counters alone. `post` is null where results
    go to no server.
    """

    schema_: Literal["tinyops/entry/v1"] = Field(default=ENTRY_SCHEMA, alias="schema")
    project: Name
    fleet: Name
    board: Name
    expires: Time | None = None
    post: EntryPost | None = None
    rollout: EntryRollout | None = None

    @property
    def content(self) -> EntryContent:
        return EntryContent(**{name: getattr(self, name) for name in EntryContent.model_fields})

    def with_content(self, content: EntryContent) -> Entry:
        """The entry as if its release offered this content to everybody."""
        fields = {name: getattr(content, name) for name in EntryContent.model_fields}
        return self.model_copy(update={**fields, "rollout": None})


def entries(manifest: Manifest, *, expires: str | None = None) -> Iterator[tuple[str, Entry]]:
    """The entry of every fleet and board of a release, with its asset's name."""
    for fleet, released in manifest.fleets.items():
        for board, offered in released.boards.items():
            content = _content(offered, manifest.version, released.security_counter)
            yield (
                entry_asset(fleet, board),
                Entry(
                    project=manifest.project,
                    fleet=fleet,
                    board=board,
                    **{name: getattr(content, name) for name in EntryContent.model_fields},
                    expires=expires,
                    post=EntryPost(**offered.post.to_json()) if offered.post else None,
                    rollout=rollout_for(released.rollout, board) if released.rollout else None,
                ),
            )


def _content(offered: BoardEntry, version: int, counter: int) -> EntryContent:
    files = {name: _file(ref) for name, ref in offered.files()}
    return EntryContent(
        version=version,
        security_counter=counter,
        contract=offered.contract.removeprefix("sha256:"),
        contract_file=files["contract_file"],
        model=EntryModel(**files["model"].to_json(), kind=offered.model.kind),
        firmware=files.get("firmware"),
        images={slot: _image(image) for slot, image in offered.images.items()},
        golden=files["golden"],
    )


def rollout_for(rollout: FleetRollout, board: str) -> EntryRollout:
    """A fleet's rollout as the entry of one of its boards repeats it."""
    before = rollout.base.boards.get(board)
    return EntryRollout(
        id=rollout.id,
        waves=rollout.waves,
        on_failure=rollout.on_failure,
        keys=rollout.keys,
        progress=rollout.progress,
        base=_content(before, rollout.base.version, rollout.base.security_counter) if before else None,
    )


def read_entry(data: bytes, trust: Trust, *, where: str) -> tuple[Entry, Envelope]:
    """A verified entry and its envelope. Raises RemoteError."""
    envelope = parse_envelope(data, limit_bytes=ENTRY_LIMIT_BYTES, where=where)
    verify(envelope, trust, where=where)
    return parse_entry(envelope, where=where), envelope


def parse_entry(envelope: Envelope, *, where: str) -> Entry:
    """What an envelope holds that the caller believes. Raises RemoteError."""
    return read_model(Entry, ENTRY_SCHEMA, envelope.signed, where=where, text=envelope.payload)


def _image(ref: SlotImage) -> EntryImage:
    deltas = tuple(EntryDelta(**_file(delta).to_json(), base=delta.base) for delta in ref.deltas)
    return EntryImage(**_file(ref).to_json(), image=ref.image, deltas=deltas)


def _file(ref: FileRef) -> EntryFile:
    return EntryFile(tag=ref.tag, asset=ref.asset, sha256=ref.digest.removeprefix("sha256:"), bytes=ref.bytes)
