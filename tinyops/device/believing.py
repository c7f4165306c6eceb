"""How an agent comes to believe what a store offers, as it was set up."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from tinyops.device.folder import open_source
from tinyops.device.memory import Memory
from tinyops.device.offers import Offers
from tinyops.device.origins import open_origin
from tinyops.device.signed_entries import SignedEntries
from tinyops.device.source import Source
from tinyops.device.token import read_token
from tinyops.errors import ToolError, UsageError
from tinyops.files import read_bounded
from tinyops.manifest.keys import Trust, load_trust
from tinyops.trust.origin import Origin


class Setup(Protocol):
    """What has to be known of a store and of whom to believe, as `AgentSettings` has it: a gateway's file says the
    same."""

    @property
    def store(self) -> str: ...
    @property
    def state(self) -> Path: ...
    @property
    def trust(self) -> Path | None: ...
    @property
    def threshold(self) -> int: ...
    @property
    def root(self) -> Path | None: ...
    @property
    def metadata(self) -> str | None: ...
    @property
    def token_file(self) -> Path | None: ...
    @property
    def mirror(self) -> str | None: ...
    @property
    def timeout_s(self) -> float: ...


def open_store(settings: Setup) -> Source:
    """Where files are fetched. Raises UsageError, SpecError, ToolError."""
    return open_source(settings.store, settings.timeout_s, token=_token(settings), mirror=settings.mirror)


def open_offers(settings: Setup, source: Source, memory: Memory) -> Offers:
    """Raises UsageError, SpecError."""
    trust = load_trust(settings.trust, settings.threshold) if settings.trust is not None else None
    metadata = _open_metadata(settings)
    if settings.root is not None and metadata is not None:
        return _open_tuf(settings.root, settings.state / "metadata", metadata, memory, trust)
    if trust is None:
        raise UsageError("nothing says whom to believe", hint="--metadata and --root for TUF, or --trust")
    return SignedEntries(
        source,
        settings.store,
        trust,
        memory,
        settings.state,
        lambda url: open_origin(url, settings.timeout_s),
        metadata,
    )


def _open_metadata(settings: Setup) -> Origin | None:
    if settings.metadata is None:
        return None
    token = _token(settings) if _same_host(settings.metadata, settings.store) else ""
    return open_origin(settings.metadata, settings.timeout_s, token)


def _open_tuf(root: Path, folder: Path, metadata: Origin, memory: Memory, trust: Trust | None) -> Offers:
    try:
        from tinyops.device.tuf_offers import TufOffers
        from tinyops.trust.client import ROOT_LIMIT_BYTES, MetadataClient
    except ModuleNotFoundError as error:
        raise ToolError(f"TUF metadata wants the package {error.name}", hint='pip install "tinyops[agent]"') from None
    client = MetadataClient(read_bounded(root, ROOT_LIMIT_BYTES), folder, metadata, memory.now)
    return TufOffers(client, metadata, memory, trust)


def _token(settings: Setup) -> str:
    return read_token(settings.token_file) if settings.token_file is not None else ""


def _same_host(one: str, other: str) -> bool:
    """A token goes to the store's own host alone."""
    return "://" in one and urlsplit(one)[:2] == urlsplit(other)[:2]
