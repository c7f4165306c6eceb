"""How one agent is set up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tinyops.errors import UsageError
from tinyops.manifest.fields import DeviceName, Name


@dataclass(frozen=True)
class AgentSettings:
    """What a device knows before its first poll.

    `store` is a folder or an http(s) URL, `trust` a PEM file of the public keys that sign releases
    (`threshold` of them must), `state` a folder of the agent's own. `replay` is a CSV recording that
    stands for the sensor, `contract` the contract of what this device is wired for (others are
    refused), `reports` where reports go, `reports_token_file` what lets it write there. `project`,
    where not given, is that of the first entry.
    """

    store: str
    fleet: str
    board: str
    device: str
    state: Path
    trust: Path
    threshold: int = 1
    project: str | None = None
    replay: Path | None = None
    contract: Path | None = None
    reports: str | None = None
    reports_token_file: Path | None = None
    once: bool = False
    interval_s: float = 300.0
    timeout_s: float = 30.0
    prove_timeout_s: float = 60.0
    replay_timeout_s: float = 600.0

    def check(self) -> None:
        """Raises UsageError: names end up in paths, so they are checked before anything else."""
        wanted = {"fleet": Name, "board": Name, "device": DeviceName}
        if self.project is not None:
            wanted["project"] = Name
        for field, kind in wanted.items():
            try:
                TypeAdapter(kind).validate_python(getattr(self, field))
            except ValidationError:
                raise UsageError(
                    f"--{field}: {getattr(self, field)!r} is no name", hint="letters, digits, hyphens"
                ) from None
        for field in ("interval_s", "timeout_s", "prove_timeout_s", "replay_timeout_s"):
            if not 0 < getattr(self, field) < 10_000_000:
                raise UsageError(f"{field}: {getattr(self, field)} is no time in seconds")
