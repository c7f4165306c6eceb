"""What the tests of the GitHub store share: a published release, and no token in any log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.github_server import READ_TOKEN, TOKEN
from fakes.release_stores import GitHubBench, github_bench


@pytest.fixture
def released(tmp_path: Path) -> Iterator[GitHubBench]:
    with github_bench(tmp_path) as made:
        made.publisher.publish()
        made.waits.clear()
        made.waits.said.clear()
        made.github.asked.clear()
        yield made


@pytest.fixture
def no_token_in_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    lines = [record.getMessage() for when in ("setup", "call") for record in caplog.get_records(when)]
    assert any("/repos/acme/" in line for line in lines)
    assert not [line for line in lines if TOKEN in line or READ_TOKEN in line]
