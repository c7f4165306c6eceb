"""What a gateway makes of offers between two polls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.herd import Herd
from fakes.updates import offer
from fakes.waves import LAST
from tinyops.errors import RemoteError
from tinyops.manifest.entry import EntryRollout
from tinyops.manifest.fields import time_text
from tinyops.manifest.progress import Progress


@pytest.fixture
def herd(tmp_path: Path) -> Iterator[Herd]:
    found = Herd(tmp_path)
    yield found
    found.close()


def test_progress_expires_while_the_network_is_down(herd: Herd) -> None:
    """Nobody takes new content by it any more; the entry, which does not expire, is still known."""
    rollout = EntryRollout(id=1, waves=(LAST,), on_failure="revert", keys=("ab" * 32,))
    entry = herd.release(offer(body=b"new"), rollout=rollout)
    now, end = time_text(herd.time), time_text(herd.time + timedelta(days=3))
    times = {"since": now, "time": now, "expires": end}
    fields = {"project": "wearables", "fleet": "wrist", "rollout": 1, "sequence": 1, "state": "advancing", "waves": 1}
    herd.offers.progress["wrist"] = Progress.model_validate({**fields, **times})
    standings = herd.ward().standings
    known = standings.of("wrist", "microbit").offered
    assert known is not None and known.progress is not None
    herd.offers.problem = RemoteError("the network is down")
    herd.time += timedelta(days=30)
    with pytest.raises(RemoteError):
        standings.refresh()
    known = standings.of("wrist", "microbit").offered
    assert known is not None and (known.entry, known.progress) == (entry, None)
