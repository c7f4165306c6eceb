"""How an agent comes to believe what a store offers, as it was set up."""

from __future__ import annotations

from urllib.parse import urlsplit

from tinyops.device.folder import open_source
from tinyops.device.memory import Memory
from tinyops.device.offers import Offers
from tinyops.device.origins import open_origin
from tinyops.device.settings import AgentSettings
from tinyops.device.signed_entries import SignedEntries
from tinyops.device.source import Source
from tinyops.device.token import read_token
from tinyops.manifest.keys import load_trust


def open_store(settings: AgentSettings) -> Source:
    """Where files are fetched. Raises UsageError, SpecError, ToolError."""
    return open_source(settings.store, settings.timeout_s, token=_token(settings), mirror=settings.mirror)


def open_offers(settings: AgentSettings, source: Source, memory: Memory) -> Offers:
    """Raises UsageError, SpecError."""
    assert settings.trust is not None
    metadata = None
    if settings.metadata is not None:
        token = _token(settings) if _same_host(settings.metadata, settings.store) else ""
        metadata = open_origin(settings.metadata, settings.timeout_s, token)
    return SignedEntries(
        source,
        settings.store,
        load_trust(settings.trust, settings.threshold),
        memory,
        settings.state,
        lambda url: open_origin(url, settings.timeout_s),
        metadata,
    )


def _token(settings: AgentSettings) -> str:
    return read_token(settings.token_file) if settings.token_file is not None else ""


def _same_host(one: str, other: str) -> bool:
    """A token goes to the store's own host alone."""
    return "://" in one and urlsplit(one)[:2] == urlsplit(other)[:2]
