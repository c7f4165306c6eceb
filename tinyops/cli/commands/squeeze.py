"""`tinyops squeeze`: which variant of its model each board has, what the others cost, and why they lost."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinyops.cli.arguments import add_lock, add_repository, repository_root
from tinyops.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="models, fleets, boards, or as wrist/microbit")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with the Pareto fronts")
    parser.add_argument("--svg", type=Path, metavar="DIR", help="write each front as a picture")
    add_repository(parser)
    add_lock(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.files import write_atomic
    from tinyops.reconcile.chosen import found_choices, only_named
    from tinyops.reconcile.world import observe
    from tinyops.report.choices_page import FOOTNOTE, HEADERS, choice_rows, choices_of, choices_page
    from tinyops.report.front_drawing import front_svg

    world = observe(repository_root(arguments), lock_file=arguments.lock)
    found = only_named(world, found_choices(world), arguments.names)
    chosen = choices_of(found.records)
    lines = []
    for one in chosen:
        lines += [f"{one.title}: {one.choice.picked}: {one.choice.why}", ""]
        lines += [output.table(HEADERS, choice_rows(one), folded=len(HEADERS) - 1), ""]
    written = []
    if arguments.svg is not None:
        for one in chosen:
            path = arguments.svg / f"{one.fleet}-{one.board}.svg"
            write_atomic(path, front_svg(one.choice, one.title).encode())
            written.append(path)
    if arguments.html is not None:
        title = world.repository.project.document.name
        write_atomic(arguments.html, choices_page(title, chosen).encode())
        written.append(arguments.html)
    value = {"origin": found.origin, "choices": [one.to_json() for one in chosen]}
    value |= {"files": [str(path) for path in written]} if written else {}
    output.result(
        value, "\n".join([*lines, FOOTNOTE, f"These are {found.origin}.", *(f"Written: {p}" for p in written)])
    )
    return 0
