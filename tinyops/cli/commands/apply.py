"""`tinyops apply`: build what changed, prove it, publish one signed release."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_build, add_lock, add_repository, repository_root, runner_of
from tinyops.cli.missed import report
from tinyops.cli.output import Output
from tinyops.cli.variants import write_page
from tinyops.errors import SpecError, UsageError
from tinyops.files import read_bounded

if TYPE_CHECKING:
    from tinyops.plan import Plan
    from tinyops.reconcile.apply import Applied


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    add_lock(parser)
    add_build(parser)
    parser.add_argument("plan", nargs="?", type=Path, metavar="PLAN", help="apply this saved plan and nothing else")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.cli.progress import watcher
    from tinyops.plan.findings import finding_lines
    from tinyops.reconcile.apply import apply
    from tinyops.reconcile.approving import approval_path, load_approval

    if arguments.plan and (arguments.replace or arguments.only):
        raise UsageError("a saved plan says itself what it replaces and which fleets move", hint="plan again with them")
    saved = read_plan(arguments.plan) if arguments.plan else None
    with watcher(json=output.json) as watching, runner_of(arguments) as runner:
        applied = apply(
            repository_root(arguments),
            watching,
            runner=runner,
            lock_file=arguments.lock,
            saved=saved,
            replace=arguments.replace,
            only=arguments.only,
            approval=load_approval(approval_path(arguments.plan)) if arguments.plan else None,
        )
    _show(applied, output, write_page(repository_root(arguments), applied.manifest))
    for line in finding_lines(applied.findings):
        output.note(line)
    return report(applied.judged, applied.errors, output)


def read_plan(path: Path) -> Plan:
    """A plan that `tinyops plan --out` saved. Raises UsageError for anything else."""
    from tinyops.plan.document import PLAN_LIMIT_BYTES
    from tinyops.plan.document import read_plan as read

    hint = "`tinyops plan --out FILE` saves a plan"
    try:
        return read(read_bounded(path, PLAN_LIMIT_BYTES)).plan
    except SpecError as error:  # missing, unreadable or too long
        raise UsageError(error.message, hint=hint) from None
    except ValueError as error:
        raise UsageError(f"{path}: {error}", hint=hint) from None


def _show(applied: Applied, output: Output, page: list[str]) -> None:
    from tinyops.report.table import FOOTNOTE, HEADERS, figure_json, rows

    manifest = applied.manifest
    missed = {fleet: list(reasons) for fleet, reasons in applied.judged.reasons.items()}
    errors = {step: error.message for step, error in applied.errors.items()}
    value = {"published": applied.published, "version": manifest.version if manifest else 0, "missed": missed}
    value |= {"errors": errors, "figures": figure_json(manifest) if manifest else []}
    value |= {"findings": [found.to_json() for found in applied.findings]} if applied.findings else {}
    value |= {"offered": applied.delivery.to_json()} if applied.delivery else {}
    if manifest is None:
        output.result(value, "Nothing was published.")
        return
    kept = "No changes. Still released:" if not missed else "Nothing new was published. Still released:"
    head = f"Published {manifest.tag} of {manifest.project}." if applied.published else f"{kept} {manifest.tag}"
    lines = [head, *_offered(applied), *_begins(applied), "", output.table(HEADERS, rows(manifest)), FOOTNOTE]
    lines += page
    output.result(value, "\n".join(lines))


def _begins(applied: Applied) -> list[str]:
    """What starts the rollouts that a new release brings."""
    manifest = applied.manifest
    if manifest is None or not applied.published:
        return []
    begun = {n: e.rollout for n, e in sorted(manifest.fleets.items()) if e.rollout and e.rollout.id == manifest.version}
    after = "`tinyops rollout step` begins the first, and no device takes it before."
    return [
        f"{name}: in {len(r.waves)} {'wave' if len(r.waves) == 1 else 'waves'}: {after}" for name, r in begun.items()
    ]


def _offered(applied: Applied) -> list[str]:
    """What devices with metadata are offered, where that is not as before."""
    delivery = applied.delivery
    if delivery is None:
        return []
    if delivery.awaiting is not None:
        return [delivery.awaiting.sentence]
    return [f"Devices are offered v{delivery.offered}."] if delivery.changed else []
