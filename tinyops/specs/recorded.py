"""The dataset that people record into, read from its spec alone: the rest of the repository may be unfinished."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinyops.documents import closest
from tinyops.errors import SpecError
from tinyops.specs.loader import SPECS_FOLDER, dataset_documents
from tinyops.specs.model import DatasetSpec, RecordingsSource


@dataclass(frozen=True)
class RecordedDataset:
    """`index` is absolute, and need not exist; `url` is where the files lie, if not beside it."""

    name: str
    spec: DatasetSpec
    index: Path
    url: str | None


def recorded_dataset(root: Path, name: str) -> RecordedDataset:
    """A dataset by name, and the one index that recordings of it go into. Raises SpecError."""
    found = dataset_documents(root)
    if name not in found:
        raise SpecError(f"{root / SPECS_FOLDER}: there is no Dataset {name!r}", hint=closest(name, found))
    entry = found[name]
    spec = entry.document.spec
    sources = [source for source in spec.sources if isinstance(source, RecordingsSource)]
    if len(sources) != 1:
        line, _ = entry.yaml.locate(("spec", "sources"))
        raise SpecError(
            f"{entry.file}:{line}: dataset {name} has {len(sources)} sources of kind recordings: "
            "exactly one says where recordings go",
            hint=f"sources: [{{kind: recordings, index: ../data/{name}.csv}}]",
        )
    return RecordedDataset(name, spec, (entry.path.parent / sources[0].index).resolve(), sources[0].url)
