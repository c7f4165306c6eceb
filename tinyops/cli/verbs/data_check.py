"""`tinyops data check`: what the checks say of datasets, by their indexes, and on request by their files."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output
from tinyops.documents import closest
from tinyops.errors import ExitCode, TinyopsError, UsageError

if TYPE_CHECKING:
    from tinyops.artifacts import Record
    from tinyops.plan.findings import DataFinding
    from tinyops.specs.loader import Repository


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    parser.add_argument("dataset", nargs="*", metavar="DATASET", help="default: all")
    parser.add_argument("--files", action="store_true", help="read every file, too, as a build does")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.datasets.checks.kind import number_of
    from tinyops.plan.findings import finding_lines, merged
    from tinyops.reconcile.world import load_world_catalog, parse_cache
    from tinyops.specs.loader import load_repository

    root = repository_root(arguments)
    repository = load_repository(root, catalog=load_world_catalog(root), cache=parse_cache(root))
    names = _chosen(arguments.dataset, repository)
    records = _released(repository, output)
    found: list[DataFinding] = []
    for name in names:
        found += _by_index(repository, name, records)
        if arguments.files:
            found += _by_files(repository, name, output)
    findings = merged(found)
    errors = sum(f.finding.level == "error" for f in findings)
    counts = (number_of(errors, "error"), number_of(len(findings) - errors, "warning"))
    said = ", ".join(counts) if findings else "nothing to say"
    text = [*finding_lines(findings), f"{', '.join(names)}: {said}."]
    output.result({"datasets": names, "findings": [f.to_json() for f in findings]}, "\n".join(text))
    return int(ExitCode.SPEC if errors else ExitCode.OK)


def _chosen(names: list[str], repository: Repository) -> list[str]:
    if unknown := [name for name in names if name not in repository.datasets]:
        raise UsageError(f"there is no dataset {unknown[0]!r}"[:100], hint=closest(unknown[0], repository.datasets))
    if not repository.datasets:
        raise UsageError("there are no datasets", hint="docs/my-data.md says how one begins")
    return names or [*repository.datasets]


def _released(repository: Repository, output: Output) -> Mapping[str, Record]:
    """What drift is measured from. That it cannot be had is no reason to judge nothing."""
    from tinyops.reconcile.opening import open_releases

    try:
        releases = open_releases(repository)
        release = releases.latest() if releases else None
    except TinyopsError as error:
        output.note(f"drift is not judged: {error.message.splitlines()[0]}")
        return {}
    return release.manifest.steps if release else {}


def _by_index(repository: Repository, name: str, records: Mapping[str, Record]) -> list[DataFinding]:
    from tinyops.plan.findings import DataFinding
    from tinyops.reconcile.data_findings import judge_dataset

    return [DataFinding(name, found) for found in judge_dataset(repository, name, records)]


def _by_files(repository: Repository, name: str, output: Output) -> list[DataFinding]:
    """As the collect step does it; what stops it is an error among the others."""
    from tinyops.cli.working import working
    from tinyops.collect.step import judge_dataset_files
    from tinyops.plan.findings import DataFinding

    entry = repository.datasets[name]
    inputs: dict[str, Path] = {
        f"index-{number}": repository.resolve(entry, index)
        for number, source in enumerate(entry.document.spec.sources)
        if (index := getattr(source, "index", None)) is not None
    }
    with working(output) as report:
        findings = judge_dataset_files(name, entry.document.spec, inputs, report)
    return [DataFinding(name, found) for found in findings]
