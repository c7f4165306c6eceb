"""Which datasets of a repository take recordings, and where those go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tinyops.datasets.places import open_objects
from tinyops.receiver.recordings.shelves import Dataset
from tinyops.reconcile.world import parse_cache
from tinyops.specs.recorded import recorded_dataset, recorded_names


def datasets_of_repository(root: Path) -> Mapping[str, Dataset]:
    """Those with one source of recordings. Raises SpecError for specs that are wrong, ToolError for a secret that is
    missing."""
    cache = parse_cache(root)
    found = {}
    for name in recorded_names(root, cache=cache):
        dataset = recorded_dataset(root, name, cache=cache)
        objects = open_objects(dataset.source, dataset.index, name)
        found[name] = Dataset(dataset.spec.signal, dataset.spec.classes, dataset.index, objects)
    return found
