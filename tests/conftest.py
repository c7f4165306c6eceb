"""What holds for every test."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path

import hypothesis
import pytest

from fakes.once import RUN, run_folder
from tinyops.artifacts import Progress
from tinyops.documents import events
from tinyops.fetching import Package, kept
from tinyops.firmware import fetched
from tinyops.specs import schema

# A shell starts what runs in its background with Ctrl-C ignored, and children inherit that; tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says what else the machine does.
hypothesis.settings.register_profile("tinyops", deadline=None)
hypothesis.settings.load_profile("tinyops")

# Both are pure, and hundreds of tests read the catalogue or write a repository: the same bytes are parsed once a run,
# the schemas made once.
events.parse_events = lru_cache(maxsize=128)(events.parse_events)
schema.schemas = cache(schema.schemas)

Fetch = Callable[[Package, Callable[[Progress], None]], Path]


def fetch_once(fetch: Fetch) -> Fetch:
    """Sources that are pinned by their digests are fetched once a run, however many tests have a cache of their own."""
    found: dict[Package, bytes] = {}

    def fetch_source(package: Package, report: Callable[[Progress], None]) -> Path:
        place = kept(package)
        if package in found and not place.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(found[package])
        path = fetch(package, report)  # which looks at the digest, as ever
        found.setdefault(package, path.read_bytes())
        return path

    return fetch_source


fetched.fetch_source = fetch_once(fetched.fetch_source)

run_folder()  # named here, before workers are started


def pytest_unconfigure(config: pytest.Config) -> None:
    if os.environ[RUN] == str(os.getpid()):  # the run has ended, not a worker of it
        shutil.rmtree(run_folder(), ignore_errors=True)


COUNTING = ("count_faults", "report_faults")  # of fakes.faults


# Files that take a minute or more: where files go to workers one by one, none of these must be the last.
LONG = frozenset(
    f"test_{name}"
    for name in (
        *("e2e_search", "e2e_plan", "e2e_damage", "e2e_fleet", "e2e_killed", "e2e_history", "e2e_exit_codes"),
        *("train_squeeze", "train_techniques", "twin_boards", "twin_console", "chain_agents", "bench_models"),
        *("compiler_platforms", "compiler_overlapping_buffers", "compiler_movement", "firmware_makers"),
    )
)


def rank(item: pytest.Item) -> tuple[bool, bool]:
    return item.path.stem not in LONG, "e2e" not in item.path.parts


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest come first. Whoever counts faults is among the tests that `make faults` runs."""
    items.sort(key=rank)
    for item in items:
        module = item.getparent(pytest.Module)
        if module is not None and any(hasattr(module.obj, name) for name in COUNTING):
            item.add_marker(pytest.mark.faults)
