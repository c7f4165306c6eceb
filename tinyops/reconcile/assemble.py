"""The next manifest, from the last one and the records of the steps: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from tinyops.artifacts import ALL_OUTPUTS, Artifact, Record, Step, closure
from tinyops.files import JsonObject
from tinyops.manifest.document import (
    Asset,
    BoardEntry,
    Carried,
    FileRef,
    FleetEntry,
    Held,
    Manifest,
    ModelFile,
    ModelKind,
    Overridden,
    OverriddenLimit,
    Posting,
    Proofs,
    Retired,
    SlotImage,
    asset_name,
    tag_of,
)
from tinyops.reconcile.deltas import SUFFIX as DELTA_SUFFIX
from tinyops.reconcile.rollout.starting import NO_ROLLOUTS, Rollouts, check_entries
from tinyops.reconcile.signed import Signed, slot_image
from tinyops.reconcile.signing import SUFFIX
from tinyops.specs.acts import http_act
from tinyops.specs.gates import LimitOverride, Override
from tinyops.specs.model import Fleet, ProjectSpec
from tinyops.specs.targets import Target, Targets

# What of each step's outputs a release holds; the rest is made again from these and from pinned data.
RELEASED_OUTPUTS: Mapping[str, frozenset[str]] = {
    "collect": frozenset({"dataset.json"}),
    "train": frozenset({ALL_OUTPUTS}),
    "squeeze": frozenset({ALL_OUTPUTS}),
    "split": frozenset({ALL_OUTPUTS}),
    "part": frozenset({ALL_OUTPUTS}),
    "cost": frozenset(),
    "fits": frozenset(),
    "choose": frozenset({ALL_OUTPUTS}),
    "compile": frozenset({"contract.json", "compile.json"}),
    "image": frozenset({ALL_OUTPUTS}),
    "firmware": frozenset(
        {
            *("firmware.bin", "firmware.hex", "firmware.uf2", "firmware.elf", "page.zip", "project.zip"),
            *("firmware_b.bin", "firmware_b.elf", "bootloader.bin", "bootloader.elf", "firmware.json", "part"),
        }
    ),
    "twin": frozenset({"proof.json"}),
    "chain": frozenset({"proof.json"}),
}
BOOTLOADER_FILE = "bootloader.bin"
FIRMWARE_FILES = ("firmware.bin", "part", "page.zip", "project.zip")  # what is made of one: built, or rendered only
MODEL_FILES: Mapping[str, ModelKind] = {"model.bin": "image", "model.so": "shared-object", "model.wasm": "wasm"}

SignedImages: TypeAlias = Mapping[tuple[str, str], Mapping[str, Signed]]  # by fleet and board, then by slot
UNSIGNED_IMAGES: SignedImages = MappingProxyType({})


@dataclass(frozen=True)
class Stamp:
    """What a manifest says about how it came to be. `created` is RFC 3339 in UTC."""

    created: str
    commit: str | None
    plan: str
    lock: str
    specs: str
    signed_by: tuple[str, ...] = ()
    overrides: tuple[LimitOverride, ...] = ()


@dataclass(frozen=True)
class Before:
    """The last release and its digest, None before the first.

    `moves` maps a step to its name there, where that was another; `assets` says where files of releases
    before it lie, by digest.
    """

    manifest: Manifest | None = None
    digest: str | None = None
    moves: Mapping[str, str] = field(default_factory=dict)
    assets: Mapping[str, Asset] = field(default_factory=dict)

    def records(self) -> dict[str, Record]:
        """Released records by the names of today."""
        records = self.manifest.steps if self.manifest else {}
        return {**records, **{now: replace(records[was], step=now) for now, was in self.moves.items()}}


@dataclass(frozen=True)
class Draft:
    """A manifest, and what its own release must hold: asset name to the artifact of that name."""

    manifest: Manifest
    files: Mapping[str, Artifact]


def assemble(
    *,
    project: str,
    spec: ProjectSpec,
    fleets: Mapping[str, Fleet],
    targets: Targets,
    steps: Sequence[Step],
    records: Mapping[str, Record],
    missed: Mapping[str, Sequence[str]],
    overridden: Mapping[str, Sequence[Override]],
    before: Before,
    stamp: Stamp,
    images: SignedImages = UNSIGNED_IMAGES,
    rollouts: Rollouts = NO_ROLLOUTS,
    skipped: Collection[str] = (),
) -> Draft:
    """The complete snapshot that follows the last release.

    `missed` maps a fleet to why it may not move: it carries its previous entry forward, or is left
    out when it has none. `overridden` are the overrides that let a fleet move. `images` are the signed ones of those
    that move; a preview has none. `rollouts` says in which waves they are taken. `skipped` are steps that no
    condition wants. Raises DoesNotFit for an entry that
    is larger than devices read.
    """
    previous = before.manifest
    version = previous.version + 1 if previous else 1
    kept = _kept_records(steps, records, targets, missed, before.records(), skipped)
    outputs = [*(line for record in kept.values() for line in _released_outputs(record)), *_signed_files(images)]
    released = {digest: artifact for _, digest, artifact in outputs}
    known = {**before.assets, **(previous.assets if previous else {})}
    places = _Places(tag_of(version), known, {digest: name for name, digest, _ in outputs}, images)
    entries = dict(_entries(fleets, targets, kept, missed, overridden, previous, spec, places, stamp.created[:10]))
    for name in set(entries) & set(fleets) - set(missed):
        lifted, was = overridden.get(name, ()), previous.fleets.get(name) if previous else None
        entries[name] = rollouts.begin(name, entries[name], version, was, (o.gate for o in lifted))
    assets = {digest: places.asset(digest, artifact.bytes) for digest, artifact in released.items()}
    for entry in entries.values():
        for _, board in entry.offers():
            for _, file in board.files():
                assets.setdefault(file.digest, Asset(tag=file.tag, asset=file.asset, bytes=file.bytes))
    manifest = Manifest(
        project=project,
        version=version,
        tag=tag_of(version),
        previous=before.digest,
        commit=stamp.commit,
        created=stamp.created,
        plan=stamp.plan,
        lock=stamp.lock,
        specs=stamp.specs,
        steps=kept,
        assets=assets,
        fleets=entries,
        held=tuple(_held(missed, previous, version)),
        signed_by=stamp.signed_by,
        overrides=tuple(OverriddenLimit(**o.model_dump(include=_LIMIT_FIELDS)) for o in stamp.overrides),
    )
    check_entries(manifest)
    own = {name: released[digest] for name, digest in manifest.own_assets().items()}
    return Draft(manifest, own)


@dataclass(frozen=True)
class _Places:
    """Where each digest lies: in an earlier release when it was there already, else in this one; what was signed."""

    tag: str
    known: Mapping[str, Asset]
    names: Mapping[str, str]
    images: SignedImages

    def asset(self, digest: str, size: int) -> Asset:
        if digest in self.known:
            return self.known[digest]
        return Asset(tag=self.tag, asset=self.names[digest], bytes=size)

    def file(self, artifact: Artifact) -> JsonObject:
        asset = self.asset(artifact.digest, artifact.bytes)
        return {"digest": artifact.digest, "tag": asset.tag, "asset": asset.asset, "bytes": asset.bytes}

    def slots(self, fleet: str, board: str) -> dict[str, SlotImage]:
        """The signed images of a board's slots."""
        signed = self.images.get((fleet, board), {})
        return {slot: slot_image(image, *self._lie(image)) for slot, image in signed.items()}

    def _lie(self, image: Signed) -> tuple[FileRef, tuple[FileRef, ...]]:
        """Where an image lies, and where its deltas do."""
        deltas = tuple(FileRef(**self.file(delta.artifact)) for delta in image.deltas)
        return FileRef(**self.file(image.artifact)), deltas


def _released_outputs(record: Record) -> Iterator[tuple[str, str, Artifact]]:
    """(asset name, digest, artifact) of what a release holds of a step."""
    names = RELEASED_OUTPUTS[record.step.partition(":")[0]]
    for output, artifact in record.outputs.items():
        if output in names or ALL_OUTPUTS in names:
            yield asset_name(record.step, output), artifact.digest, artifact


def _signed_files(images: SignedImages) -> Iterator[tuple[str, str, Artifact]]:
    """(asset name, digest, artifact) of the signed images, named as if their twin had made them, and of deltas."""
    for (fleet, board), signed in images.items():
        for slot, image in signed.items():
            files = [(SUFFIX, image.artifact), *((DELTA_SUFFIX, delta.artifact) for delta in image.deltas)]
            for suffix, artifact in files:
                yield asset_name(f"image:{fleet}/{board}", f"{slot}{suffix}"), artifact.digest, artifact


def fleet_steps(targets: Mapping[str, Target]) -> list[str]:
    """The ids of a fleet's own last steps."""
    chains = dict.fromkeys(target.chain_step for target in targets.values())
    return [*(target.twin_step for target in targets.values()), *filter(None, chains)]


def _kept_records(
    steps: Sequence[Step],
    records: Mapping[str, Record],
    targets: Targets,
    missed: Mapping[str, Sequence[str]],
    before: Mapping[str, Record],
    skipped: Collection[str],
) -> dict[str, Record]:
    """New records for whatever moves, the previous ones for what is held, none for what is gone or not wanted."""
    moving = [i for name, own in targets.items() if name not in missed for i in fleet_steps(own)]
    held = [i for name in missed if name in targets for i in fleet_steps(targets[name])]
    by_id = {step.id: step for step in steps}
    fresh = closure(moving, by_id)
    stuck = closure(held, by_id) - fresh
    kept: dict[str, Record] = {}
    for step in steps:
        if step.id in skipped and step.id not in stuck:
            continue
        old = before.get(step.id)
        record = old if step.id in stuck else records.get(step.id, old)
        if record is not None:
            kept[step.id] = record
    return kept


def _entries(
    fleets: Mapping[str, Fleet],
    targets: Targets,
    records: Mapping[str, Record],
    missed: Mapping[str, Sequence[str]],
    overridden: Mapping[str, Sequence[Override]],
    previous: Manifest | None,
    spec: ProjectSpec,
    places: _Places,
    today: str,
) -> Iterator[tuple[str, FleetEntry]]:
    before = previous.fleets if previous else {}
    for name, fleet in fleets.items():
        if name not in missed:
            boards = {board: _board_entry(target, records, places) for board, target in targets[name].items()}
            lifted = tuple(Overridden(**o.model_dump(mode="json")) for o in overridden.get(name, ()))
            yield (
                name,
                FleetEntry(
                    model=fleet.spec.model_name,
                    security_counter=fleet.spec.security_counter,
                    boards=boards,
                    overridden=lifted,
                    prevent_destroy=fleet.spec.prevent_destroy,
                ),
            )
        elif name in before and previous is not None:
            carried = before[name].carried or Carried(version=previous.version, reason="; ".join(missed[name])[:2000])
            yield name, before[name].model_copy(update={"carried": carried})
    for line in spec.retired:
        if line.fleet in before and line.fleet not in fleets and line.until.isoformat() >= today:
            retired = Retired(action=line.action, until=line.until.isoformat())
            yield line.fleet, before[line.fleet].model_copy(update={"retired": retired})


def new_files(target: Target, records: Mapping[str, Record]) -> tuple[str, ...]:
    """The digests by which a fleet's quarantine knows what a board would get: its model's and its firmware's."""
    _, model = _model_file(target, records)
    built = records[target.firmware_step].outputs
    firmware = next((built[name] for name in FIRMWARE_FILES if name in built), None)
    return (model.digest, firmware.digest) if firmware else (model.digest,)


def _board_entry(target: Target, records: Mapping[str, Record], places: _Places) -> BoardEntry:
    compiled = records[target.compile_step]
    built = records[target.firmware_step].outputs
    firmware = next((built[name] for name in FIRMWARE_FILES if name in built), None)
    kind, image = _model_file(target, records)
    proof = records[target.twin_step].facts["proof"]
    level = proof["firmware"]  # "none": its twin knew no program
    posting = http_act(target.binding.act)
    return BoardEntry(
        contract=compiled.facts["contract"],
        contract_file=FileRef(**places.file(compiled.outputs["contract.json"])),
        model=ModelFile(**places.file(image), kind=kind),
        firmware=FileRef(**places.file(firmware)) if firmware else None,
        bootloader=FileRef(**places.file(built[BOOTLOADER_FILE])) if BOOTLOADER_FILE in built else None,
        images=places.slots(target.fleet, target.name),
        golden=FileRef(**places.file(records[target.model_step].outputs["golden.bin"])),
        proof=Proofs(model=proof["model"], firmware=level if firmware and level != "none" else None),
        figures=figures(target, records),
        post=Posting(url=posting.url, only_changes=posting.only_changes) if posting else None,
    )


def _model_file(target: Target, records: Mapping[str, Record]) -> tuple[ModelKind, Artifact]:
    """What brings the model to the board, and its kind: without an image step, the firmware that it is linked into."""
    image = records.get(target.image_step)
    if image is None:
        built = records[target.firmware_step].outputs
        return "linked", next(built[name] for name in FIRMWARE_FILES if name in built)
    return next((kind, image.outputs[file]) for file, kind in MODEL_FILES.items() if file in image.outputs)


def figures(target: Target, records: Mapping[str, Record]) -> JsonObject:
    """What tables show of one model on one board; every figure is a step's fact."""
    squeezed = records[target.measured_step].facts
    proven = records[target.twin_step].facts
    found = {name: squeezed.get(name) for name in ("accuracy_float", "accuracy_int8", "int8_loss")}
    found |= {name: proven.get(name) for name in _TWIN_FIGURES}
    found["input"] = target.binding.sensor.kind
    if "variant" in squeezed:
        found["variant"] = squeezed["variant"]
    kind, file = _model_file(target, records)
    project = kind == "linked" and "project.zip" in records[target.firmware_step].outputs
    found["image_bytes"] = None if project else file.bytes  # what its maker's tools make of a project is unknown
    return found


_TWIN_FIGURES = ("bit_exact", "vectors", "flash_bytes", "ram_bytes", "stack_bytes", "instructions", "not_covered")


_LIMIT_FIELDS = {"limit", "fleet", "reason", "author"}


def _held(missed: Mapping[str, Sequence[str]], previous: Manifest | None, version: int) -> Iterator[Held]:
    before = {held.fleet: held.since for held in previous.held} if previous else {}
    for fleet, reasons in sorted(missed.items()):
        yield Held(fleet=fleet, reason="; ".join(reasons)[:2000], since=before.get(fleet, version))
