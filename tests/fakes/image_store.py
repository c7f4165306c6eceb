"""A release store in a folder with images for microcontrollers, signed entries and all: what an agent polls.

store = ImageStore(tmp_path)
store.release("wrist", "microbit", {"model": image})
store.config(addresses=["udp://127.0.0.1:1337"])
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes.models import contract_bytes
from tinyops.images import read_image
from tinyops.manifest.document import entry_asset
from tinyops.manifest.entry import Entry, EntryFile, EntryImage, EntryModel
from tinyops.manifest.envelope import seal
from tinyops.manifest.keys import SigningKey


@dataclass
class ImageStore:
    """One project's releases, the file of an agent, and where it reports."""

    folder: Path
    key: SigningKey = field(default_factory=SigningKey.generate)
    version: int = 0

    def __post_init__(self) -> None:
        (self.folder / "trusted.pem").write_bytes(self.key.public.to_pem())

    @property
    def root(self) -> Path:
        return self.folder / "releases"

    def release(self, fleet: str, board: str, images: Mapping[str, bytes], *, contract: bytes) -> Entry:
        """The next release, which offers these images by slot to a fleet's board."""
        self.version += 1
        tag = f"v{self.version}"
        (self.root / tag).mkdir(parents=True)
        found = {
            slot: EntryImage(
                **self._file(tag, f"{fleet}.{board}.{slot}.img", data), image=read_image(data, where=slot).digest.hex()
            )
            for slot, data in images.items()
        }
        body = hashlib.sha256(b"".join(images.values())).digest()
        entry = Entry(
            project="wearables",
            fleet=fleet,
            board=board,
            version=self.version,
            security_counter=1,
            contract=contract.hex(),
            contract_file=EntryFile(**self._file(tag, "contract.json", contract_bytes())),
            model=EntryModel(**self._file(tag, "model.bin", body), kind="image"),
            golden=EntryFile(**self._file(tag, "golden.bin", b"golden")),
            images=found,
        )
        name = entry_asset(fleet, board)
        latest = self.root / "latest"
        before = list(latest.iterdir()) if latest.exists() else []
        for old in before:
            (self.root / tag / old.name).exists() or (self.root / tag / old.name).write_bytes(old.read_bytes())
        (self.root / tag / name).write_bytes(seal(entry.to_json(), [self.key]).to_bytes())
        latest.unlink(missing_ok=True)
        latest.symlink_to(tag)
        return entry

    def _file(self, tag: str, name: str, data: bytes) -> dict[str, Any]:
        (self.root / tag / name).write_bytes(data)
        return {"tag": tag, "asset": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}

    def config(self, *, gateway: Mapping[str, Any] | None = None, **more: Any) -> Path:
        """The agent's file; JSON is YAML."""
        spec = {
            "store": "releases",
            "trust": {"keys": "trusted.pem"},
            "state": "state",
            "reports": {"to": "reports"},
            **({"gateway": gateway} if gateway is not None else {}),
            **more,
        }
        path = self.folder / "agent.yaml"
        document = {"apiVersion": "tinyops/v1", "kind": "Agent", "metadata": {"name": "hall-3"}, "spec": spec}
        path.write_text(json.dumps(document, indent=1))
        return path
