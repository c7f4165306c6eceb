"""Which datasets of a repository take recordings, and where their indexes are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tinyops.receiver.recordings.shelves import Dataset
from tinyops.reconcile.world import load_world_catalog, parse_cache
from tinyops.specs.loader import load_repository
from tinyops.specs.model import RecordingsSource


def datasets_of_repository(root: Path) -> Mapping[str, Dataset]:
    """Those with one source of recordings whose files lie in the repository. Raises SpecError for specs that are
    wrong."""
    repository = load_repository(root, catalog=load_world_catalog(root), cache=parse_cache(root))
    found = {}
    for name, entry in repository.datasets.items():
        sources = [s for s in entry.document.spec.sources if isinstance(s, RecordingsSource) and s.url is None]
        if len(sources) == 1:
            found[name] = Dataset(entry.document.spec.signal, repository.resolve(entry, sources[0].index))
    return found
