"""Small, real, signed releases for tests of stores and agents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes.models import FakeModel, contract_bytes, contract_digest, golden_bytes
from tinyops.artifacts import Artifact, Record
from tinyops.files import digest_bytes
from tinyops.manifest.document import (
    Asset,
    BoardEntry,
    FileRef,
    FleetEntry,
    Manifest,
    ModelFile,
    Posting,
    Proofs,
    asset_name,
)
from tinyops.manifest.keys import SigningKey, Trust
from tinyops.release.directory import DirectoryStore
from tinyops.release.store import Release, SignedRelease, sign_release

PROJECT, FLEET, BOARD = "wearables", "wrist", "linux"
LOCK = digest_bytes(b"lock")
INERT = FakeModel(b"\x7fELF of a model", golden_bytes(), contract_bytes())


def record(step: str, outputs: dict[str, bytes]) -> Record:
    made = {name: Artifact(digest_bytes(data), len(data)) for name, data in outputs.items()}
    return Record(step, digest_bytes(step.encode()), {"epochs": 3}, {}, {}, {}, made, {"accuracy": 0.9})


@dataclass
class Publisher:
    """Builds one release after the other into a store, a directory unless told, as `tinyops apply` would."""

    root: Path
    fleet: str = FLEET
    board: str = BOARD
    project: str = PROJECT
    keys: list[SigningKey] = field(default_factory=lambda: [SigningKey.generate()])
    threshold: int = 1
    open_store: Callable[[Path, str, Trust], Any] = lambda root, project, trust: DirectoryStore(
        root / "releases", project, trust
    )

    def __post_init__(self) -> None:
        self.trust = Trust.of([key.public for key in self.keys], self.threshold)
        self.store = self.open_store(self.root, self.project, self.trust)
        self.trust_file = self.root / "trusted.pem"
        self.root.mkdir(parents=True, exist_ok=True)
        self.trust_file.write_bytes(b"# the release keys\n" + b"".join(key.public.to_pem() for key in self.keys))

    def build(
        self, model: FakeModel, *, counter: int = 0, kind: str = "shared-object", post: str = "", **changes: Any
    ) -> Manifest:
        """The manifest of the next release: what is in the last one already keeps its tag."""
        latest = self.store.latest()
        version = latest.manifest.version + 1 if latest else 1
        known = dict(latest.manifest.assets) if latest else {}
        named = {f"image.activity.{self.board}.model.so": model.library, "compile.contract.json": model.contract}
        if model.program:
            named[asset_name(f"firmware:{self.fleet}/{self.board}", "part")] = model.program
        named["squeeze.activity.golden.bin"] = model.golden
        weights = b"weights of a model"
        named[asset_name("train:activity", "float.tflite")] = weights
        assets: dict[str, Asset] = {}
        for name, data in named.items():
            digest = digest_bytes(data)
            assets[digest] = known.get(digest) or Asset(tag=f"v{version}", asset=name, bytes=len(data))
            self.content(data)
        fields: dict[str, Any] = {
            "project": self.project,
            "version": version,
            "tag": f"v{version}",
            "previous": latest.digest if latest else None,
            "commit": None,
            "created": "2027-01-02T03:04:05Z",
            "plan": LOCK,
            "lock": LOCK,
            "specs": LOCK,
            "steps": {"train:activity": record("train:activity", {"float.tflite": weights})},
            "assets": assets,
            "fleets": {self.fleet: self._fleet(model, assets, counter, kind, post)},
        }
        return Manifest(**{**fields, **changes})

    def _fleet(self, model: FakeModel, assets: dict[str, Asset], counter: int, kind: str, post: str) -> FleetEntry:
        def ref(data: bytes) -> dict[str, Any]:
            return {"digest": digest_bytes(data), **assets[digest_bytes(data)].to_json()}

        entry = BoardEntry(
            contract=contract_digest(model.contract),
            contract_file=FileRef(**ref(model.contract)),
            model=ModelFile(**ref(model.library), kind=kind),
            firmware=FileRef(**ref(model.program)) if model.program else None,
            golden=FileRef(**ref(model.golden)),
            proof=Proofs(model="same-bytes", firmware="same-bytes" if model.program else None),
            figures={"accuracy": 0.9, "flash_bytes": 1000},
            post=Posting(url=post) if post else None,
        )
        return FleetEntry(model="activity", security_counter=counter, boards={self.board: entry})

    def content(self, data: bytes) -> Path:
        path = self.root / "built" / digest_bytes(data).removeprefix("sha256:")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def files(self, manifest: Manifest) -> dict[str, tuple[Path, str]]:
        built = self.root / "built"
        return {n: (built / d.removeprefix("sha256:"), d) for n, d in manifest.own_assets().items()}

    def sign(self, manifest: Manifest, expires: str | None = None) -> SignedRelease:
        return sign_release(manifest, self.keys, expires=expires)

    def publish(self, model: FakeModel = INERT, *, expires: str | None = None, notes: str = "", **more: Any) -> Release:
        manifest = self.build(model, **more)
        with self.store.lease("a test") as lease:
            return self.store.publish(self.sign(manifest, expires), self.files(manifest), lease, notes)
