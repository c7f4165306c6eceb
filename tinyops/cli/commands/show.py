"""`tinyops show`: the last release or one fleet of it as a table, or what int8 cost one of its models."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output
from tinyops.files import printable

if TYPE_CHECKING:
    from tinyops.files import JsonObject
    from tinyops.manifest.document import Manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    cost = "what int8 cost it: each class before and after, its calibration, the layers that lose most"
    told = f"a fleet, alone; or of a model {cost}"
    parser.add_argument("model", metavar="NAME", nargs="?", help=told)


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
    models = {step.partition(":")[2].partition("/")[0] for step in manifest.steps if step.startswith("squeeze:")}
    if arguments.model in manifest.fleets and arguments.model not in models:
        return _show_fleet(manifest, arguments.model, output)
    if arguments.model is not None:
        return _show_model(manifest, arguments.model, output)
    head = f"{manifest.project} {manifest.tag}, {manifest.created}, manifest {release.digest[:19]}"
    value = {"version": manifest.version, "digest": release.digest, "figures": figure_json(manifest, root / FOLDER)}
    value |= {"offered": offered_json(waiting, manifest.version)}
    cuts = {step.partition(":")[2]: r.facts for step, r in manifest.steps.items() if step.startswith("split:")}
    value |= {"chains": cuts} if cuts else {}
    times = time_lines(manifest, root / FOLDER)
    lines = [head, *([waiting.sentence] if waiting else []), ""]
    chains = [line for fleet in cuts for line in _chain_lines(manifest, fleet)]
    output.result(value, "\n".join([*lines, output.table(HEADERS, rows(manifest)), *times, FOOTNOTE, *chains]))
    return 0


def _show_fleet(manifest: Manifest, fleet: str, output: Output) -> int:
    from tinyops.report.table import FOOTNOTE, HEADERS, figure_json, rows

    figures = [row for row in figure_json(manifest) if row["fleet"] == fleet]
    table = output.table(HEADERS, [row for row in rows(manifest) if row[0] == fleet])
    text = "\n".join([table, FOOTNOTE, *_chain_lines(manifest, fleet)])
    output.result({"version": manifest.version, "fleet": fleet, "figures": figures}, text)
    return 0


def _chain_lines(manifest: Manifest, fleet: str) -> Iterator[str]:
    """How the fleet's model is cut; nothing where it is not."""
    from tinyops.report.cuts import cut_lines

    if lines := [*cut_lines(manifest, fleet)]:
        yield from ("", f"{fleet}:", *_indented(lines))


def _show_model(manifest: Manifest, model: str, output: Output) -> int:
    from tinyops.report.squeezed import squeezed_facts

    variants = squeezed_facts(manifest, model)
    texts = ["\n".join(_variant_lines(f"{model}/{name}", facts, output)) for name, facts in variants.items()]
    output.result({"version": manifest.version, "model": model, "variants": variants}, "\n\n".join(texts))
    return 0


def _variant_lines(name: str, facts: JsonObject, output: Output) -> Iterator[str]:
    from tinyops.report.squeezed import (
        CLASS_HEADERS,
        LAYER_HEADERS,
        calibration_lines,
        class_rows,
        layer_line,
        layer_rows,
    )

    yield f"{name}, {facts['model_bytes']:,} bytes"
    if classes := class_rows(facts):
        yield output.table(CLASS_HEADERS, classes)
    yield from calibration_lines(facts)
    if line := layer_line(facts):
        yield line
    if layers := layer_rows(facts):
        yield output.table(LAYER_HEADERS, layers)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    yield from (f"  {printable(str(line))}" for line in lines)
