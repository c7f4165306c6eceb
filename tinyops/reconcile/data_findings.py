"""What the checks say of datasets by their indexes: no files, no network. What did not change is not judged again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.artifacts import Record
from tinyops.datasets.findings import Finding, read_finding
from tinyops.documents import ParseCache, shown_path
from tinyops.files import JsonObject, digest_json, read_bounded
from tinyops.plan import Action, Plan
from tinyops.plan.findings import DataFinding, merged
from tinyops.specs.loader import Loaded, Repository, read_documents
from tinyops.specs.model import Dataset, Model, RecordingsSource
from tinyops.specs.recorded import Recorded
from tinyops.specs.window import window_samples

if TYPE_CHECKING:
    from tinyops.datasets.index import IndexRow

REVISION = 1  # raise it when the same index is judged otherwise
CACHE_NAME = "checks"
MADE = (Action.CREATE, Action.UPDATE, Action.REPLACE)


def judge_indexes(
    repository: Repository, records: Mapping[str, Record], cache: Path | None = None
) -> dict[str, tuple[Finding, ...]]:
    """The findings of each dataset that has an index, `records` being those of the last release; `cache` is a folder.

    Raises SpecError for an index that cannot be read.
    """
    known = ParseCache(cache, CACHE_NAME) if cache is not None else None
    found = {
        name: _judge(repository, entry, records.get(f"collect:{name}"), known)
        for name, entry in repository.datasets.items()
        if _sources(entry.document)
    }
    if known is not None:
        known.save()
    return found


def judge_dataset(repository: Repository, name: str, records: Mapping[str, Record]) -> tuple[Finding, ...]:
    """The findings of one dataset. Raises KeyError for an unknown one, SpecError."""
    return _judge(repository, repository.datasets[name], records.get(f"collect:{name}"), None)


def _sources(dataset: Dataset) -> list[RecordingsSource]:
    return [source for source in dataset.spec.sources if isinstance(source, RecordingsSource)]


def _judge(
    repository: Repository, entry: Loaded[Dataset], record: Record | None, known: ParseCache | None
) -> tuple[Finding, ...]:
    released = record.facts.get("population") if record is not None else None
    windows = _windows((model.document for model in repository.models.values()), entry.document)
    files = [(source, repository.source(entry, source.index)) for source in _sources(entry.document)]
    indexes = [[shown_path(file.path), file.digest] for _, file in files]
    key = _key(entry.document, indexes, windows, released)
    if known is not None and (values := known.get(key)) is not None and (found := _read(values)) is not None:
        return found
    found = _look(entry.document, [(source, file.path) for source, file in files], windows, released)
    if known is not None:
        known.put(key, [asdict(finding) for finding in found])
    return found


def _key(dataset: Dataset, indexes: Sequence[Sequence[str]], windows: Mapping[str, int], released: object) -> str:
    spec, digests = dataset.spec.model_dump(mode="json"), [*map(list, indexes)]
    return digest_json(
        {"revision": REVISION, "spec": spec, "indexes": digests, "windows": {**windows}, "released": released}
    )


def _read(values: Sequence[JsonObject]) -> tuple[Finding, ...] | None:
    try:
        return tuple(read_finding(value) for value in values)
    except ValueError:
        return None


def _look(
    dataset: Dataset,
    indexes: Sequence[tuple[RecordingsSource, Path]],
    windows: Mapping[str, int],
    released: object,
) -> tuple[Finding, ...]:
    from tinyops.datasets.checks import Evidence, judge  # not for those who find everything in the cache
    from tinyops.datasets.population import read_population

    rows = [row for source, path in indexes for row in _rows(source, path)]
    complete = len(indexes) == len(dataset.spec.sources)
    return judge(Evidence(dataset.spec, tuple(rows), complete, windows, read_population(released)))


def _windows(models: Iterable[Model], dataset: Dataset) -> dict[str, int]:
    """Samples in a window of each model that is trained on the dataset."""
    windows = {m.name: window_samples(m.spec, dataset.spec.signal) for m in models if m.spec.dataset == dataset.name}
    return {name: samples for name, samples in windows.items() if samples is not None}


def judge_added(root: Path, dataset: Recorded, ids: Collection[str]) -> tuple[Finding, ...]:
    """The findings about some recordings of a dataset, for whoever has just added them. Raises SpecError."""
    from tinyops.datasets.checks import judge_new
    from tinyops.datasets.checks.kind import Evidence

    models = [e.document for e in read_documents(root, None).entries if isinstance(e.document, Model)]
    rows = _rows(dataset.source, dataset.index)
    evidence = Evidence(dataset.spec, rows, windows=_windows(models, dataset.entry.document))
    return judge_new(evidence, ids)


def _rows(source: RecordingsSource, path: Path) -> tuple[IndexRow, ...]:
    from tinyops.datasets.index import INDEX_LIMIT_BYTES
    from tinyops.datasets.rows import source_rows

    return source_rows(source, read_bounded(path, INDEX_LIMIT_BYTES), shown_path(path))


def findings_of(plan: Plan, judged: Mapping[str, Sequence[Finding]]) -> tuple[DataFinding, ...]:
    """As a plan shows them: an error of data that is released already stops nothing any more, so it is a warning."""
    changed = {c.subject for c in plan.changes if c.kind == "collect" and c.action in MADE}
    return merged(
        DataFinding(name, found if name in changed else _softened(found))
        for name, findings in judged.items()
        for found in findings
    )


def _softened(finding: Finding) -> Finding:
    return replace(finding, level="warning")


def built_findings(records: Mapping[str, Record], released: Mapping[str, Record]) -> Iterator[DataFinding]:
    """The warnings of datasets that were read anew."""
    for step, record in sorted(records.items()):
        kind, _, name = step.partition(":")
        if kind == "collect" and released.get(step) != record:
            for value in record.facts.get("warnings", []):
                yield DataFinding(name, read_finding(value))
