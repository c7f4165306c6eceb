"""Whom a repository's specs take reports from: its fleets, and their lists of devices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tinyops.device.reports.enrolment import Enrolment
from tinyops.receiver.admission import FleetRule, Rules
from tinyops.reconcile.device_lists import read_list
from tinyops.reconcile.world import load_world_catalog, parse_cache
from tinyops.specs.loader import load_repository

FILES_MAX = 10_000


def rules_of_repository(root: Path) -> Rules:
    """Raises SpecError for specs or lists that are wrong."""
    repository = load_repository(root, catalog=load_world_catalog(root), cache=parse_cache(root))
    fleets, lists = {}, {}
    for name, entry in repository.fleets.items():
        devices = entry.document.spec.devices
        fleets[name] = FleetRule(open=devices.enrol == "open", max=devices.max)
        if devices.file is not None:
            lists[name] = read_list(repository.resolve(entry, devices.file))
    return Rules(fleets, Enrolment(lists))


def spec_files(root: Path) -> Iterator[Path]:
    """What those are read from, so far as it lies among the specs."""
    for number, path in enumerate(sorted((root / "specs").rglob("*"))):
        if number >= FILES_MAX:
            return
        if path.suffix in (".yaml", ".yml", ".csv"):
            yield path
