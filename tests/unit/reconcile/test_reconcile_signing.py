"""Images of slots in releases: what is signed, what keeps its signature, and what must be signed anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from fakes.projects import STREAM, TRAINED, fleet, repository
from fakes.slotted import CONTENTS, NAME, region, slotted
from tinyops.artifacts import Artifact, Record, Step
from tinyops.boards.loader import load_catalog
from tinyops.build.steps import desired_steps
from tinyops.errors import RemoteError, ToolError
from tinyops.files import JsonObject, digest_bytes
from tinyops.images import Kind, check_signature, read_image
from tinyops.images.delta import apply_delta
from tinyops.manifest.document import BoardEntry, Manifest, SlotImage
from tinyops.manifest.entry import Entry, entries, read_entry
from tinyops.manifest.keys import PublicKey, SigningKey, Trust
from tinyops.reconcile.assemble import Before, Draft, SignedImages, Stamp, assemble
from tinyops.reconcile.signing import Signatures, distrusted
from tinyops.release.store import check_release, sign_release
from tinyops.specs.loader import Repository, load_repository
from tinyops.specs.lock import Lock, TinyopsPins
from tinyops.specs.targets import all_targets
from tinyops.store import Folder, Notary, Store
from tinyops.twin.slot_images import slot_images

PIN = "sha256:" + "1" * 64
LOCK = Lock(
    tinyops=TinyopsPins(version="0.1.0", compiler=PIN, firmware=PIN),
    compilers={"arm-none-eabi-gcc": "12.2.1"},
    emulators={"qemu-system-arm": "7.2"},
)
OUTPUTS = {
    "collect": ("recordings.npz", "dataset.json"),
    "train": ("float.tflite", "features.json", "training.json"),
    "squeeze": ("int8.tflite", "golden.bin"),
    "compile": ("contract.json",),
    "image": ("model.bin",),
    "firmware": ("firmware.bin", "firmware_b.bin", "bootloader.bin"),
    "twin": ("proof.json",),
}
# With slots for firmware so large that there is room for deltas.
BOARD = slotted(
    firmware=(region(0x5000, 0xA000), region(0xF000, 0xA000)),
    model=(region(0x19000, 0x13000), region(0x2C000, 0x13000)),
)
CATALOG = {**load_catalog(), NAME: BOARD}
SLOTS = ("model", "firmware_a", "firmware_b")


@dataclass
class Bench:
    """A repository with a fleet of slotted boards, a store with what its steps made, and its releases."""

    root: Path
    specs: Repository
    key: SigningKey = field(default_factory=SigningKey.generate)
    trusted: tuple[PublicKey, ...] = ()
    contents: dict[str, bytes] = field(default_factory=lambda: dict(CONTENTS))
    latest: Manifest | None = None
    read: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store(Folder(self.root / "store"), Notary(None, None))

    @property
    def trust(self) -> Trust:
        return Trust.of(self.trusted or (self.key.public,))

    def counting(self, counter: int) -> None:
        file = self.root / "bench/specs/fleets.yaml"
        text = file.read_text()
        file.write_text(text.replace("  model: motion\n", f"  model: motion\n  security_counter: {counter}\n"))
        self.specs = load_repository(self.specs.root, catalog=CATALOG)

    def records(self) -> dict[str, Record]:
        return {step.id: self._record(step) for step in desired_steps(self.specs, LOCK, CATALOG)}

    def _record(self, step: Step) -> Record:
        outputs = {name: self._made(name, self.contents.get(name, step.id.encode())) for name in OUTPUTS[step.kind]}
        facts: JsonObject = {"contract": PIN, "proof": {"model": "same-bytes", "firmware": "same-bytes"}}
        if step.kind == "twin":
            files = {name: self._path(self._made(name, data)) for name, data in self.contents.items()}
            made = slot_images(NAME, BOARD.spec, files, step.settings["security_counter"])
            read = {name: read_image(image, where=name).digest.hex() for name, image in made.items()}
            facts["images"] = {name: f"sha256:{digest}" for name, digest in read.items()}
        return Record(step.id, digest_bytes(step.id.encode()), step.settings, {}, {}, {}, outputs, facts)

    def _made(self, name: str, data: bytes) -> Artifact:
        path = self.root / name
        path.write_bytes(data)
        return self.store.add(path)

    def _path(self, artifact: Artifact) -> Path:
        path = self.store.find(artifact)
        assert path is not None
        return path

    def find(self, artifact: Artifact) -> Path:
        self.read.append(artifact.digest)
        return self._path(artifact)

    def signed(self, records: Mapping[str, Record]) -> SignedImages:
        return Signatures(self.key, self.trust, self.store, self.find).sign(
            all_targets(self.specs), records, self.latest
        )

    def release(self) -> Draft:
        """Publishes as far as a store would check it."""
        records = self.records()
        images = self.signed(records)
        draft = assemble(
            project="bench",
            spec=self.specs.project.document.spec,
            fleets={name: entry.document for name, entry in self.specs.fleets.items()},
            targets=all_targets(self.specs),
            steps=desired_steps(self.specs, LOCK, CATALOG),
            records=records,
            missed={},
            overridden={},
            before=Before(self.latest, PIN if self.latest else None),
            stamp=Stamp("2027-01-02T03:04:05Z", None, PIN, PIN, PIN),
            images=images,
        )
        files = {name: (self._path(artifact), artifact.digest) for name, artifact in draft.files.items()}
        check_release(sign_release(draft.manifest, [self.key]), files, self.trust)
        self.latest = draft.manifest
        return draft


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = repository(tmp_path / "bench", TRAINED, fleet("wrist", "motion", {NAME: STREAM}))
    return Bench(tmp_path, load_repository(made.root, catalog=CATALOG))


def offered(draft: Draft) -> BoardEntry:
    return draft.manifest.fleets["wrist"].boards[NAME]


def test_a_release_holds_an_image_for_each_slot_and_the_bootloader(bench: Bench) -> None:
    draft = bench.release()
    board = offered(draft)
    assert set(board.images) == set(SLOTS) and board.bootloader is not None
    assert set(draft.files) >= {f"image.wrist.{NAME}.{slot}.img" for slot in SLOTS}
    for slot, file in board.images.items():
        data = bench.find(Artifact(file.digest, file.bytes)).read_bytes()
        image = read_image(data, where=slot)
        assert check_signature(image, [bench.key.public], where=slot).key_id == file.signed_by
        assert image.digest.hex() == file.image and image.kind is (Kind.MODEL if slot == "model" else Kind.FIRMWARE)
        proven = draft.manifest.steps[f"twin:wrist/{NAME}"].facts["images"]
        assert proven[f"{slot}.img"] == f"sha256:{file.image}", "the proof covers what the signature covers"


def test_a_device_is_told_of_them_in_its_entry_and_earlier_entries_have_none(bench: Bench) -> None:
    board = offered(bench.release())
    assert bench.latest is not None
    documents = sign_release(bench.latest, [bench.key]).documents
    ((name, _),) = entries(bench.latest)
    entry, _ = read_entry(documents[name], bench.trust, where=name)
    assert {slot: image.image for slot, image in entry.images.items()} == {s: i.image for s, i in board.images.items()}
    assert entry.images["firmware_b"].digest == board.images["firmware_b"].digest
    assert len(documents[name]) < 4096
    earlier = {key: value for key, value in entry.to_json().items() if key != "images"}
    assert Entry.model_validate(earlier, strict=False).images == {}
    later = {**entry.to_json(), "images": {"radio": {**entry.images["model"].to_json(), "key": 1}}}
    assert set(Entry.model_validate(later, strict=False).images) == {"radio"}, "a later tinyops may have more slots"


def test_an_unchanged_image_keeps_its_digest_and_is_neither_read_nor_signed_again(bench: Bench) -> None:
    first = offered(bench.release())
    bench.read.clear()
    bench.key, bench.trusted = SigningKey.generate(), (bench.key.public,)  # rotated; the old one still counts
    bench.trusted += (bench.key.public,)
    draft = bench.release()
    assert offered(draft).images == first.images and {i.tag for i in first.images.values()} == {"v1"}
    assert bench.read == [] and not [name for name in draft.files if name.endswith(".img")]


def test_one_that_changed_is_signed_and_the_others_are_kept(bench: Bench) -> None:
    first = offered(bench.release()).images
    bench.contents["model.bin"] = b"TOM1 and so forth"
    draft = bench.release()
    now = offered(draft).images
    assert now["model"].tag == "v2" and now["model"].image != first["model"].image
    assert {slot: now[slot] for slot in SLOTS[1:]} == {slot: first[slot] for slot in SLOTS[1:]}
    assert [name for name in draft.files if name.endswith(".img")] == [f"image.wrist.{NAME}.model.img"]


def test_a_raised_counter_makes_other_images(bench: Bench) -> None:
    first = offered(bench.release()).images
    bench.counting(4)
    draft = bench.release()
    now = offered(draft).images
    assert not {i.image for i in first.values()} & {i.image for i in now.values()}
    data = bench.find(Artifact(now["model"].digest, now["model"].bytes)).read_bytes()
    assert read_image(data, where="it").counter == 4


def grown(bench: Bench, seed: int, name: str = "model.bin") -> None:
    """Contents that are large enough for deltas; of the next seed, one of a few bytes that changed."""
    content = bytearray(np.random.default_rng(5).bytes(6000))
    content[100 * seed : 100 * seed + 9] = b"otherwise"
    bench.contents[name] = b"TOM1" + bytes(content)


def undone(bench: Bench, base: SlotImage, now: SlotImage) -> bool:
    """Whether the delta of an image makes it of another one."""
    (delta,) = now.deltas
    old, made, found = (bench.find(Artifact(f.digest, f.bytes)).read_bytes() for f in (delta, base, now))
    return delta.base == base.image and apply_delta(made, old) == found


def test_a_release_has_deltas_from_what_runs_while_a_slot_is_written(bench: Bench) -> None:
    files = ("model.bin", "firmware.bin", "firmware_b.bin")
    for name in files:
        grown(bench, 1, name)
    first = offered(bench.release()).images
    assert not any(image.deltas for image in first.values())
    for name in files:
        grown(bench, 2, name)
    draft = bench.release()
    now = offered(draft).images
    assert undone(bench, first["model"], now["model"])
    assert undone(bench, first["firmware_b"], now["firmware_a"]) and undone(
        bench, first["firmware_a"], now["firmware_b"]
    )
    assert set(draft.files) >= {f"image.wrist.{NAME}.{slot}.delta" for slot in SLOTS}
    assert all(delta.bytes < 0.2 * image.bytes for image in now.values() for delta in image.deltas)
    ((name, _),) = entries(draft.manifest)
    document = sign_release(draft.manifest, [bench.key]).documents[name]
    entry, _ = read_entry(document, bench.trust, where=name)
    assert [delta.base for delta in entry.images["model"].deltas] == [first["model"].image] and len(document) < 6000


def test_a_delta_stays_while_its_image_does_and_goes_with_it(bench: Bench) -> None:
    drafts = []
    for seed in (1, 2, 2, 3):
        grown(bench, seed)
        drafts.append(bench.release())
    second, third, fourth = (offered(draft).images["model"] for draft in drafts[1:])
    assert second == third and not [name for name in drafts[2].files if name.endswith(".delta")]
    assert undone(bench, second, fourth) and {delta.tag for delta in fourth.deltas} == {"v4"}
    assert second.deltas[0].digest not in drafts[3].manifest.assets, "nothing names it any more"


def test_a_delta_that_saves_little_is_no_asset(bench: Bench) -> None:
    bench.release()
    grown(bench, 1)
    assert offered(bench.release()).images["model"].deltas == ()


def test_what_a_distrusted_key_signed_is_signed_anew(bench: Bench) -> None:
    first, leaked = offered(bench.release()).images, bench.key.public
    bench.key = SigningKey.generate()
    assert distrusted(bench.latest, bench.trust) == {"wrist": [leaked.key_id]}
    now = offered(bench.release()).images
    assert {slot: i.image for slot, i in now.items()} == {slot: i.image for slot, i in first.items()}
    assert {i.signed_by for i in now.values()} == {bench.key.public.key_id}
    assert {i.tag for i in now.values()} == {"v2"} and distrusted(bench.latest, bench.trust) == {}


def test_what_the_twin_did_not_prove_is_not_signed(bench: Bench) -> None:
    records = bench.records()
    twin = records[f"twin:wrist/{NAME}"]
    twin.facts["images"]["firmware_b.img"] = "sha256:" + "5" * 64
    with pytest.raises(ToolError, match=r"twin:wrist/microbit: proved firmware_b.img 5555555555555555, what would be"):
        bench.signed(records)


@pytest.mark.parametrize("wrong", ["another key", "a flipped byte"])
def test_a_release_whose_images_devices_would_refuse_is_not_published(bench: Bench, wrong: str) -> None:
    """Not even when the manifest and its digests agree with each other."""
    other = SigningKey.generate()
    signing = Bench.signed

    def forged(self: Bench, records: Mapping[str, Record]) -> SignedImages:
        if wrong == "another key":
            return Signatures(other, self.trust, self.store, self.find).sign(all_targets(self.specs), records, None)
        images = signing(self, records)
        model = images["wrist", NAME]["model"]
        data = bytearray(self.find(model.artifact).read_bytes())
        data[40] ^= 1
        (self.root / "forged").write_bytes(data)
        changed = type(model)(self.store.add(self.root / "forged"), model.image, model.signed_by)
        return {("wrist", NAME): {**images["wrist", NAME], "model": changed}}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bench, "signed", forged)
        with pytest.raises(RemoteError, match=r"not trusted|not an image of ours: at byte"):
            bench.release()
