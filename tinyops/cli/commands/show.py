"""`tinyops show`: the last release as a table."""

from __future__ import annotations

import argparse

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output


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
    times = time_lines(manifest, root / FOLDER)
    lines = [head, *([waiting.sentence] if waiting else []), ""]
    output.result(value, "\n".join([*lines, output.table(HEADERS, rows(manifest)), *times, FOOTNOTE]))
    return 0
