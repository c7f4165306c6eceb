"""`tinyops show`: the last release as a table."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output
from tinyops.files import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.build.measurements import FOLDER
    from tinyops.reconcile.trusting import offered_json
    from tinyops.reconcile.world import last_release
    from tinyops.report.table import FOOTNOTE, HEADERS, figure_json, rows, time_lines

    root = repository_root(arguments)
    release, waiting = last_release(root)
    if release is None:
        output.result({"version": 0, "figures": []}, "Nothing released yet. `tinyops apply` makes the first release.")
        return 0
    manifest = release.manifest
    head = f"{manifest.project} {manifest.tag}, {manifest.created}, manifest {release.digest[:19]}"
    value = {"version": manifest.version, "digest": release.digest, "figures": figure_json(manifest, root / FOLDER)}
    value |= {"offered": offered_json(waiting, manifest.version)}
    cuts = {step.partition(":")[2]: r.facts for step, r in manifest.steps.items() if step.startswith("split:")}
    value |= {"chains": cuts} if cuts else {}
    times = time_lines(manifest, root / FOLDER)
    lines = [head, *([waiting.sentence] if waiting else []), ""]
    chains = [line for fleet, facts in cuts.items() for line in ("", f"{fleet}:", *_indented(facts["explanation"]))]
    output.result(value, "\n".join([*lines, output.table(HEADERS, rows(manifest)), *times, FOOTNOTE, *chains]))
    return 0


def _indented(lines: Iterable[str]) -> Iterator[str]:
    yield from (f"  {printable(str(line))}" for line in lines)
