"""How one agent is set up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tinyops.errors import UsageError
from tinyops.manifest.fields import DeviceName, Name


@dataclass(frozen=True)
class PartSettings:
    """How the program of a part of a chain is connected: streams as tinyops/link/streams names them; `pipe` is where
    another program writes the frames of a first part's sensor."""

    line: str
    upstream: str | None = None
    bridge: str | None = None
    pipe: str | None = None

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """The options of the program that are streams, each with its own."""
        named = {"--line": self.line, "--upstream": self.upstream, "--bridge": self.bridge}
        return tuple((option, name) for option, name in named.items() if name is not None)


@dataclass(frozen=True)
class AgentSettings:
    """What a device knows before its first poll.

    `store` is a folder or an http(s) URL, `state` a folder of the agent's own. Releases are believed by `root`, TUF's
    first root, with the metadata at `metadata` (a folder or URL), or by `trust` alone, a PEM file of the public keys
    that sign them (`threshold` of them must); with both, by both. `replay` is a CSV recording that stands for the
    sensor, `contract` the contract of what this device is wired for (others are refused), `reports` where reports go,
    `reports_token_file` what lets it write there. `project`, where not given, is that of the first entry. `chain` is
    the id of the chain that the device is a part of, `part` says that the agent runs the part's program, and how.
    `token_file` holds a token that reads a private store, `mirror` is
    asked for files before the store.
    """

    store: str
    fleet: str
    board: str
    device: str
    state: Path
    trust: Path | None = None
    threshold: int = 1
    metadata: str | None = None
    root: Path | None = None
    token_file: Path | None = None
    mirror: str | None = None
    chain: str | None = None
    part: PartSettings | None = None
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
        optional = {"project": Name, "chain": DeviceName}
        wanted |= {field: kind for field, kind in optional.items() if getattr(self, field) is not None}
        for field, kind in wanted.items():
            try:
                TypeAdapter(kind).validate_python(getattr(self, field))
            except ValidationError:
                raise UsageError(
                    f"--{field}: {getattr(self, field)!r} is no name", hint="letters, digits, hyphens"
                ) from None
        if self.trust is None and self.root is None:
            raise UsageError("nothing says whom to believe", hint="--metadata and --root for TUF, or --trust")
        if self.root is not None and self.metadata is None:
            raise UsageError("--root: wants --metadata, the address of the metadata that it is the root of")
        for field in ("interval_s", "timeout_s", "prove_timeout_s", "replay_timeout_s"):
            if not 0 < getattr(self, field) < 10_000_000:
                raise UsageError(f"{field}: {getattr(self, field)} is no time in seconds")
