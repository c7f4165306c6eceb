"""A release that goes in waves, as devices see it: the signed entry with its rollout, and progress beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fakes.releases import Publisher
from tinyops.manifest.document import entry_asset
from tinyops.manifest.entry import Entry, EntryRollout, read_entry
from tinyops.manifest.envelope import seal
from tinyops.manifest.fields import time_text
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.progress import POSITIONS, Progress, progress_file

LAST = POSITIONS - 1


@dataclass
class Waves:
    """Rewrites the newest entry of a publisher's directory store; the online key signs progress below `metadata`."""

    publisher: Publisher
    online: SigningKey = field(default_factory=SigningKey.generate)
    sequence: int = 0

    @property
    def metadata(self) -> Path:
        return self.publisher.root / "metadata"

    @property
    def entry_path(self) -> Path:
        return self.publisher.store.root / "latest" / entry_asset(self.publisher.fleet, self.publisher.board)

    def entry(self) -> Entry:
        return read_entry(self.entry_path.read_bytes(), self.publisher.trust, where="x")[0]

    def spread(self, base: Entry | None, *, waves: tuple[int, ...] = (LAST,), **changes: Any) -> Entry:
        """The newest release's content goes in waves; `base` is what the fleet had before."""
        entry = self.entry()
        fields: dict[str, Any] = {"id": entry.version, "on_failure": "revert", "keys": (self.online.public.raw.hex(),)}
        content = base.content if base else None
        fields = {**fields, "waves": waves, "base": content, **changes}
        made = entry.model_copy(update={"rollout": EntryRollout(**fields)})
        self.write_entry(made)
        return made

    def write_entry(self, entry: Entry) -> None:
        path = self.entry_path
        path.chmod(0o644)
        path.write_bytes(seal(entry.to_json(), self.publisher.keys).to_bytes())

    def progress(self, key: SigningKey | None = None, **changes: Any) -> bytes:
        """Signs the next progress and puts it beside the metadata."""
        self.sequence += 1
        now = datetime.now(UTC)
        fields: dict[str, Any] = {
            "project": self.publisher.project,
            "fleet": self.publisher.fleet,
            "rollout": self.entry().version,
            "sequence": self.sequence,
            "state": "advancing",
            "waves": 1,
            "since": time_text(now),
            "time": time_text(now),
            "expires": time_text(now + timedelta(days=3)),
        }
        data = seal(Progress(**{**fields, **changes}).to_json(), [key or self.online]).to_bytes()
        path = self.metadata / progress_file(self.publisher.fleet)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return data
