"""The released document: what a release holds, made from what, and where every file of it lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, GetCoreSchemaHandler, PlainSerializer, model_validator
from pydantic_core import CoreConfig, CoreSchema, core_schema

from tinyops.artifacts import Artifact, Record
from tinyops.files import MIB, JsonObject
from tinyops.manifest.envelope import open_envelope
from tinyops.manifest.fields import (
    AssetName,
    Counter,
    Digest,
    HexDigest,
    Length,
    Name,
    PostUrl,
    Reason,
    Strict,
    Tag,
    Time,
    Version,
    read_model,
)
from tinyops.manifest.keys import Trust
from tinyops.manifest.progress import ONLINE_KEYS_MAX, POSITIONS, WAVES_MAX, OnFailure, Threshold

MANIFEST_SCHEMA: Final = "tinyops/manifest/v1"
MANIFEST_ASSET = "manifest.json"
MANIFEST_LIMIT_BYTES = 128 * MIB
ASSETS_PER_RELEASE_MAX = 900  # GitHub refuses more than 1,000 a release
DELTAS_MAX = 4  # of one image
DURABLE_KINDS = ("train", "squeeze")  # recorded, not reproduced: what they made is kept for ever

ModelKind = Literal["image", "linked", "shared-object", "wasm"]
Proof = Literal["same-bytes", "same-source", "built", "rendered"]


def tag_of(version: int) -> str:
    return f"v{version}"


def entry_asset(fleet: str, board: str) -> str:
    """The name of the small signed entry of one fleet and board."""
    return f"entry-{fleet}-{board}.json"


def asset_name(step: str, output: str) -> str:
    """The name under which an output of a step is released: `squeeze.activity.int8.golden.bin`."""
    return f"{step}.{output}".replace(":", ".").replace("/", ".")


SlotName = Annotated[str, Field(pattern=r"^(model|firmware_[ab])$")]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


StepId = Annotated[str, Field(pattern=r"^[a-z]+:[a-z0-9][a-z0-9/._-]{0,255}$")]


class _Checked:
    """A dataclass as pydantic reads it, in one pass: each field more narrowly than its annotation says."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        fields = [
            core_schema.dataclass_field(name, handler.generate_schema(kind), kw_only=True)
            for name, kind in self.fields.items()
        ]
        return core_schema.dataclass_schema(
            source,
            core_schema.dataclass_args_schema(source.__name__, fields),
            [*self.fields],
            revalidate_instances="always",
            config=CoreConfig(extra_fields_behavior="forbid", strict=True),
        )


_Made = Annotated[Artifact, _Checked(digest=Digest, bytes=Length)]
StepRecord = Annotated[
    Record,
    _Checked(
        step=StepId,
        key=Digest,
        settings=JsonObject,
        lock=JsonObject,
        inputs=dict[str, Digest],
        sources=dict[str, Digest],
        outputs=dict[str, _Made],
        facts=JsonObject,
    ),
    PlainSerializer(lambda record: record.to_json()),
]


class Asset(Strict):
    """Where a released file lies: in which release, under which name. `bytes` is its length."""

    tag: Tag
    asset: AssetName
    bytes: Length


class FileRef(Asset):
    """A released file by digest."""

    digest: Digest


class ModelFile(FileRef):
    """A compiled model: an image for a slot, a shared object, a module for browsers, a firmware that holds it."""

    kind: ModelKind


class DeltaFile(FileRef):
    """What makes a signed image of another one: of that whose signature covers the SHA-256 `base`."""

    base: HexDigest


class SlotImage(FileRef):
    """A signed image of a slot. `image` is the SHA-256 that its signature covers, by which a twin's proof and SMP name
    it; `signed_by` is the id of the key; `deltas` make it of what devices may run, for those that take deltas."""

    image: HexDigest
    signed_by: HexDigest
    deltas: tuple[DeltaFile, ...] = Field(default=(), max_length=DELTAS_MAX)


class Proofs(Strict):
    """How far the released bytes were proven; `firmware` is null where there is none."""

    model: Proof
    firmware: Proof | None = None


class Posting(Strict):
    """Where a device posts each result, or with `only_changes` those of another class than the one before."""

    url: PostUrl
    only_changes: bool = False


class BoardEntry(Strict):
    """What a fleet's devices of one board get.

    `contract` is the contract digest (of the contract's canonical JSON), `contract_file` the file
    that holds it. `figures` is what the tables show: accuracy, flash, RAM, instructions. `post` is null where
    results go to no server. `images` are those of a microcontroller's slots, by slot: what it is sent, made of `model`
    and of firmwares; `bootloader` is what starts them there, written by a cable only.
    """

    contract: Digest
    contract_file: FileRef
    model: ModelFile
    firmware: FileRef | None = None
    bootloader: FileRef | None = None
    images: Mapping[SlotName, SlotImage] = Field(default_factory=dict)
    golden: FileRef
    proof: Proofs
    figures: JsonObject = Field(default_factory=dict)
    post: Posting | None = None

    def files(self) -> Iterator[tuple[str, FileRef]]:
        yield "contract_file", self.contract_file
        yield "model", self.model
        yield "golden", self.golden
        if self.firmware is not None:
            yield "firmware", self.firmware
        if self.bootloader is not None:
            yield "bootloader", self.bootloader
        for slot, image in self.images.items():
            yield f"images.{slot}", image
            yield from ((f"images.{slot}.deltas.{number}", delta) for number, delta in enumerate(image.deltas))


class Carried(Strict):
    """A fleet whose entry is that of an earlier release, and why."""

    version: Version
    reason: Reason


class Retired(Strict):
    """A fleet that left the specs; its entry stays until the date."""

    action: Literal["keep", "erase"]
    until: Day


class Overridden(Strict):
    """A gate that the fleet moved in spite of: who lifted it for which int8 model, why, and until when."""

    gate: str = Field(max_length=100)
    digest: Digest
    reason: Reason
    author: str = Field(max_length=100)
    until: Day


class OverriddenLimit(Strict):
    """A limit that this release passed: whose, who lifted it and why."""

    limit: str = Field(max_length=100)
    fleet: Name | None
    reason: Reason
    author: str = Field(max_length=100)


class FleetBase(Strict):
    """What a fleet's devices had before a rollout, by board, and the version of a release that offered it."""

    version: Version
    security_counter: Counter
    boards: Mapping[Name, BoardEntry] = Field(min_length=1)


class FleetRollout(Strict):
    """The waves in which a fleet's devices take its content, see `manifest/progress.py`; entries repeat it.

    `id` is the version that first brought the content. `waves` are the highest positions of each, rising; they stay as
    they were when the rollout began. `soak_h` and what else decides when the next one begins stand in the spec only.
    """

    id: Version
    waves: tuple[Threshold, ...] = Field(min_length=1, max_length=WAVES_MAX)
    on_failure: OnFailure
    keys: tuple[HexDigest, ...] = Field(min_length=1, max_length=ONLINE_KEYS_MAX)
    progress: PostUrl | Literal[""] = ""
    base: FleetBase

    @model_validator(mode="after")
    def _reaches_everybody(self) -> FleetRollout:
        if [*self.waves] != sorted(self.waves) or self.waves[-1] != POSITIONS - 1:
            raise ValueError("waves must rise, and the last one reach every position")
        return self


class FleetEntry(Strict):
    model: Name
    security_counter: Counter
    boards: Mapping[Name, BoardEntry] = Field(min_length=1)
    overridden: tuple[Overridden, ...] = ()
    prevent_destroy: bool = False
    carried: Carried | None = None
    retired: Retired | None = None
    rollout: FleetRollout | None = None

    def offers(self) -> Iterator[tuple[str, BoardEntry]]:
        """Everything that devices may be told to take: by board, and what they had before."""
        yield from self.boards.items()
        if self.rollout is not None:
            yield from ((f"{board} before", offered) for board, offered in self.rollout.base.boards.items())


class Held(Strict):
    """Something that this release leaves out, and since which release: a missed gate, a failed canary."""

    fleet: Name
    board: Name | None = None
    digest: Digest | None = None
    reason: Reason
    since: Version


class Manifest(Strict):
    """The signed part of a release's `manifest.json`.

    `steps` holds the record of every step by its id: plan compares with these and never with a
    cache. `assets` says for each released digest in which release it lies: an unchanged file keeps
    its old tag. `previous` is the digest of the previous manifest's signed part.
    """

    schema_: Literal["tinyops/manifest/v1"] = Field(default=MANIFEST_SCHEMA, alias="schema")
    project: Name
    version: Version
    tag: Tag
    previous: Digest | None
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")] | None
    created: Time
    plan: Digest
    lock: Digest
    specs: Digest
    steps: Mapping[str, StepRecord]
    assets: Mapping[Digest, Asset]
    fleets: Mapping[Name, FleetEntry]
    held: tuple[Held, ...] = ()
    signed_by: tuple[HexDigest, ...] = Field(default=(), max_length=64)
    overrides: tuple[OverriddenLimit, ...] = ()

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Manifest:
        if self.tag != tag_of(self.version):
            raise ValueError(f"tag is {self.tag}, version is {self.version}")
        if (self.version == 1) != (self.previous is None):
            raise ValueError("exactly the first version has no previous manifest")
        for name, record in self.steps.items():
            if record.step != name:
                raise ValueError(f"steps.{name}: holds the record of {record.step}")
        self._check_files()
        self._check_names()
        return self

    def _check_files(self) -> None:
        for fleet, entry in self.fleets.items():
            for board, offered in entry.offers():
                for name, file in offered.files():
                    listed = self.assets.get(file.digest)
                    if listed is None or (listed.tag, listed.asset, listed.bytes) != (file.tag, file.asset, file.bytes):
                        raise ValueError(f"fleets.{fleet}.boards.{board}.{name}: differs from its line in assets")

    def _check_names(self) -> None:
        taken = set()
        for asset in self.assets.values():
            if int(asset.tag[1:]) > self.version:
                raise ValueError(f"assets: {asset.asset} lies in {asset.tag}, later than this release")
            place = (asset.tag, asset.asset.lower())
            if place in taken:
                raise ValueError(f"assets: {asset.tag} holds {asset.asset} twice (capitals do not tell names apart)")
            taken.add(place)
        own = [place[1] for place in taken if place[0] == self.tag]
        entries = [entry_asset(f, b) for f, entry in self.fleets.items() for b in entry.boards]
        if len({*entries, MANIFEST_ASSET}) != len(entries) + 1 or {*entries, MANIFEST_ASSET} & set(own):
            raise ValueError("two files of this release have one name: rename a fleet or a board")
        if len(own) + len(entries) + 1 > ASSETS_PER_RELEASE_MAX:
            raise ValueError(f"{len(own) + len(entries) + 1} files in one release, at most {ASSETS_PER_RELEASE_MAX}")

    def own_assets(self) -> dict[str, str]:
        """Digest of each asset that this very release brings, by name."""
        return {a.asset: digest for digest, a in self.assets.items() if a.tag == self.tag}

    def file(self, digest: str) -> FileRef:
        """Where a released digest lies. Raises KeyError."""
        asset = self.assets[digest]
        return FileRef(digest=digest, bytes=asset.bytes, tag=asset.tag, asset=asset.asset)

    def unkept(self) -> list[str]:
        """Outputs of steps that cannot be made again and that no asset holds, as `step output`."""
        return [
            f"{step} {output}"
            for step, record in self.steps.items()
            if step.partition(":")[0] in DURABLE_KINDS
            for output, made in record.outputs.items()
            if made.digest not in self.assets
        ]


def read_manifest(data: bytes, trust: Trust, *, where: str) -> tuple[Manifest, str]:
    """A verified manifest and the digest of its signed part. Raises RemoteError."""
    envelope = open_envelope(data, trust, limit_bytes=MANIFEST_LIMIT_BYTES, where=where)
    manifest = read_model(Manifest, MANIFEST_SCHEMA, envelope.signed, where=where, text=envelope.payload)
    return manifest, envelope.digest
