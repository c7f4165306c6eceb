"""The step: read the sources, check, split, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tinyops.artifacts import Progress, Step
from tinyops.collect.evidence import judge_files
from tinyops.collect.kind import Reading
from tinyops.collect.sources import read_source
from tinyops.datasets.contents import check_recordings
from tinyops.datasets.findings import PLACES_SHOWN, Finding, errors_of
from tinyops.datasets.population import Population, population_of
from tinyops.datasets.recording import RawRecording
from tinyops.datasets.split import Piece, choose_test, unique_recordings
from tinyops.errors import SpecError
from tinyops.features.values import counts_from_values
from tinyops.files import JsonObject, digest_bytes, pretty_json, write_atomic
from tinyops.recordings import Counts, Recordings, save
from tinyops.specs.model import DatasetSpec

SCHEMA = 1
COPIES_SHOWN = 20
WARNINGS_KEPT = 20
GROUPS_SHOWN = 100  # of subjects or takes of each side, in the manifest


@dataclass(frozen=True)
class Collected:
    """A dataset after its checks: what is written, and what is said about it."""

    recordings: Recordings
    digests: tuple[str, ...]
    copies: tuple[str, ...]
    clipped_share: float
    groups: tuple[str, ...]
    population: Population
    warnings: tuple[Finding, ...]


def collect(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """Makes `recordings.npz` and `dataset.json`, and `groups.json` where a model holds whole groups back.

    Inputs: `index-<n>` is the index of source n.
    """
    spec = DatasetSpec.model_validate(step.settings["dataset"])
    raw = list(_read_all(step.subject, spec, inputs, report))
    report(Progress(0, 0, f"checking {len(raw)} recordings"))
    collected = arrange(raw, spec)
    save(collected.recordings, out / "recordings.npz")
    description = describe(collected, spec)
    write_atomic(out / "dataset.json", pretty_json(description))
    if step.settings.get("groups"):
        groups = {"schema": SCHEMA, "by": spec.split.by, "groups": list(collected.groups)}
        write_atomic(out / "groups.json", pretty_json(groups))
    return {
        "recordings": len(collected.recordings),
        "frames": len(collected.recordings.counts),
        "counts": description["counts"],
        "clipped_share": collected.clipped_share,
        "copies": list(collected.copies[:COPIES_SHOWN]),
        "copies_total": len(collected.copies),
        "licence": spec.licence,
        "origin": spec.origin,
        **_group_facts(collected, spec),
        "population": collected.population.to_json(),
        **({"warnings": [asdict(found) for found in collected.warnings[:WARNINGS_KEPT]]} if collected.warnings else {}),
    }


def judge_dataset_files(
    name: str, spec: DatasetSpec, inputs: Mapping[str, Path], report: Callable[[Progress], None]
) -> tuple[Finding, ...]:
    """What the step would say of a dataset; what would stop it is a finding too. Raises RemoteError."""
    try:
        return arrange(list(_read_all(name, spec, inputs, report)), spec).warnings
    except SpecError as error:
        first, *more = error.message.splitlines()
        return (Finding("files", "error", first, tuple(more[:PLACES_SHOWN]), len(more), error.hint),)


def _group_facts(collected: Collected, spec: DatasetSpec) -> JsonObject:
    """Which subjects or takes lie on which side: the first names, and how many there are."""
    if spec.split.by == "recording":
        return {}
    found: dict[bool, set[str]] = {False: set(), True: set()}
    for group, test in zip(collected.groups, collected.recordings.test.tolist(), strict=True):
        found[test].add(group)
    sides = {"train": sorted(found[False]), "test": sorted(found[True])}
    shown = {side: names[:GROUPS_SHOWN] for side, names in sides.items()}
    return {f"{spec.split.by}s": shown, f"{spec.split.by}s_total": {side: len(names) for side, names in sides.items()}}


def _read_all(
    name: str, spec: DatasetSpec, inputs: Mapping[str, Path], report: Callable[[Progress], None]
) -> Iterator[RawRecording]:
    for number, source in enumerate(spec.sources):
        report(Progress(number, len(spec.sources), f"reading source {number + 1} of {len(spec.sources)}"))
        yield from read_source(source, Reading(spec, inputs.get(f"index-{number}"), report, name))


def arrange(raw: Sequence[RawRecording], spec: DatasetSpec) -> Collected:
    """Checks the recordings, leaves copies out, splits, and turns values into counts. Raises SpecError."""
    check_recordings(raw, spec)
    counts = [_counts(r, spec) for r in raw]
    digests = [digest_bytes(c.tobytes()) for c in counts]
    kept = unique_recordings([r.id for r in raw], [r.label for r in raw], digests)
    chosen = [raw[i] for i in kept]
    if len(kept) < len(raw):
        check_recordings(chosen, spec)  # copies are no new evidence: the least number counts without them
    ids = [r.id for r in chosen]
    repeated = [i for i, n in Counter(ids).items() if n > 1]
    if repeated:
        raise SpecError(f"two recordings are called {repeated[0]}", hint="do not name the same file in two sources")
    pieces = [Piece(raw[i].label, raw[i].group, digests[i]) for i in kept]
    test = choose_test(pieces, spec.split, spec.test_only)
    lengths = [len(r.values) for r in chosen]
    recordings = Recordings(
        np.concatenate([counts[i] for i in kept]),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.array([spec.classes.index(r.label) for r in chosen], np.int32),
        np.array(test, np.bool_),
        tuple(ids),
    )
    described, warnings = _judged(raw, digests, spec)
    copies = tuple(raw[i].id for i in sorted(set(range(len(raw))) - set(kept)))
    groups = tuple(piece.unit for piece in pieces)
    kept_digests, clipped = tuple(digests[i] for i in kept), _clipped_share(chosen, spec)
    return Collected(recordings, kept_digests, copies, clipped, groups, described, warnings)


def _judged(
    raw: Sequence[RawRecording], digests: Sequence[str], spec: DatasetSpec
) -> tuple[Population, tuple[Finding, ...]]:
    """What the dataset is made of, and what is to be known of it. Raises SpecError for what stops."""
    evidence, findings = judge_files(raw, digests, spec)
    if errors := errors_of(findings):
        raise SpecError("\n".join(map(str, errors)))
    entries = (row.entry for row in evidence.labelled)
    return population_of(entries, spec.classes, spec.signal.channels), tuple(findings)


def _counts(recording: RawRecording, spec: DatasetSpec) -> Counts:
    """Counts [T, V]; the last axis of a frame is the channel."""
    values = recording.values.reshape(-1, len(spec.signal.channels))
    return counts_from_values(values, spec.signal.full_scale).reshape(recording.values.shape)


def _clipped_share(recordings: Sequence[RawRecording], spec: DatasetSpec) -> float:
    """The share of values beyond full scale, which a board's sensor would not send either."""
    limit = np.array(spec.signal.full_scale)
    clipped = sum(int((np.abs(r.values.reshape(-1, len(limit))) > limit).sum()) for r in recordings)
    return round(clipped / sum(r.values.size for r in recordings), 6)


def describe(collected: Collected, spec: DatasetSpec) -> JsonObject:
    """`dataset.json`: what later steps must know, and nothing else: editing a licence retrains nothing."""
    recordings = collected.recordings
    sides = ["test" if t else "train" for t in recordings.test]
    listed = [
        {
            "id": recordings.ids[i],
            "label": spec.classes[recordings.labels[i]],
            "frames": int(recordings.offsets[i + 1] - recordings.offsets[i]),
            "side": sides[i],
            "digest": collected.digests[i],
        }
        for i in range(len(recordings))
    ]
    counts = {
        side: {c: sum(r["label"] == c and r["side"] == side for r in listed) for c in spec.classes}
        for side in ("train", "test")
    }
    return {
        "schema": SCHEMA,
        "task": spec.task,
        "classes": list(spec.classes),
        **({"normal": spec.normal} if spec.normal is not None else {}),
        "signal": spec.signal.model_dump(mode="json"),
        "recordings": listed,
        "counts": counts,
        "clipped_share": collected.clipped_share,
    }
