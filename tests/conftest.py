"""What holds for every test."""

from __future__ import annotations

import signal
from functools import cache, lru_cache

import pytest

from tinyops.documents import events
from tinyops.specs import schema

# A shell starts what runs in its background with Ctrl-C ignored, and children inherit that; tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Both are pure, and hundreds of tests read the catalogue or write a repository: the same bytes are parsed once a run,
# the schemas made once.
events.parse_events = lru_cache(maxsize=128)(events.parse_events)
schema.schemas = cache(schema.schemas)

COUNTING = ("count_faults", "report_faults")  # of fakes.faults


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever counts faults is among the tests that `make faults` runs."""
    for item in items:
        module = item.getparent(pytest.Module)
        if module is not None and any(hasattr(module.obj, name) for name in COUNTING):
            item.add_marker(pytest.mark.faults)
