"""Receivers of recordings are forked off one interpreter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakes.collecting import Forge, forge


@pytest.fixture(scope="session")
def collectors() -> Iterator[Forge]:
    with forge() as running:
        yield running
