"""The datasets that people record into: each has one source of kind recordings, whose index may not exist yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyops.documents import closest
from tinyops.errors import Problem, SpecError, UsageError
from tinyops.specs.dataset import DatasetSpec, RecordingsSource
from tinyops.specs.faults import Fault
from tinyops.specs.loader import Loaded, read_documents
from tinyops.specs.model import Dataset
from tinyops.specs.store_rules import recordings_faults

EXAMPLE = "sources: [{kind: recordings, index: ../data/NAME.csv}] holds what people record and label"


@dataclass(frozen=True)
class Recorded:
    """A dataset and its one index; `index` is absolute and need not exist."""

    name: str
    spec: DatasetSpec
    source: RecordingsSource
    index: Path
    entry: Loaded[Dataset]

    def problem(self, field: str, message: str, hint: str = "") -> Problem:
        """A Problem at a field of the spec."""
        return self.entry.problem(Fault(("spec", field), message, hint))


def recorded_dataset(root: Path, name: str, *, cache: Path | None = None) -> Recorded:
    """A dataset by its name. What is wrong elsewhere in the repository does not keep anybody from recording.

    Raises UsageError for one that does not exist or that nobody records into, SpecError for one that is wrong.
    """
    root = root.resolve()
    return recorded(root, dataset_named(root, name, cache=cache))


def dataset_named(root: Path, name: str, *, cache: Path | None = None) -> Loaded[Dataset]:
    """A dataset of any sources; their files need not be there. Raises UsageError, SpecError."""
    found = read_documents(root.resolve(), cache)
    datasets: dict[str, Loaded[Any]] = {e.document.name: e for e in found.entries if isinstance(e.document, Dataset)}
    if name not in datasets:
        if found.problems:
            raise SpecError(found.problems)
        hint = closest(name, datasets) or f"datasets: {', '.join(sorted(datasets)) or 'none'}"
        raise UsageError(f"there is no dataset {name!r}"[:100], hint=hint)
    return datasets[name]


def recorded(root: Path, entry: Loaded[Dataset]) -> Recorded:
    """The same of a dataset that was read already."""
    name, spec = entry.document.name, entry.document.spec
    sources = [(n, s) for n, s in enumerate(spec.sources) if isinstance(s, RecordingsSource)]
    if len(sources) != 1:
        raise UsageError(f"{name}: has {len(sources) or 'no'} sources of kind recordings, wanted one", hint=EXAMPLE)
    number, source = sources[0]
    faults = list(recordings_faults(source, ("spec", "sources", number)))
    index = (entry.path.parent / source.index).resolve()
    if not index.is_relative_to(root):
        hint = "bring the index into the repository"
        faults.append(Fault(("spec", "sources", number, "index"), f"{source.index} lies outside the repository", hint))
    if faults:
        raise SpecError([entry.problem(fault) for fault in faults])
    return Recorded(name, spec, source, index, entry)


def recorded_names(root: Path, *, cache: Path | None = None) -> list[str]:
    """The datasets that have one source of kind recordings."""
    found = read_documents(root.resolve(), cache)
    if found.problems:
        raise SpecError(found.problems)
    specs = {e.document.name: e.document.spec for e in found.entries if isinstance(e.document, Dataset)}
    return [n for n, s in sorted(specs.items()) if sum(isinstance(x, RecordingsSource) for x in s.sources) == 1]
