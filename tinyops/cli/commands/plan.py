"""`tinyops plan`: what would change, and why."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_build, add_lock, add_repository, repository_root, runner_of
from tinyops.cli.missed import report
from tinyops.cli.output import Output, log
from tinyops.cli.variants import write_page
from tinyops.errors import ExitCode
from tinyops.files import pretty_json, write_atomic
from tinyops.plan import Plan, Wish
from tinyops.plan.render import plan_text

if TYPE_CHECKING:
    from tinyops.plan.prices import PlanFile
    from tinyops.reconcile.judging import Judgement
    from tinyops.reconcile.world import World


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    add_lock(parser)
    add_build(parser)
    parser.add_argument("--all", action="store_true", help="list what is kept too")
    parser.add_argument("--build", action="store_true", help="run the stale steps up to the twins, publish nothing")
    parser.add_argument("--markdown", action="store_true", help="print it as the comment of a pull request")
    parser.add_argument("--out", type=Path, metavar="FILE", help="save the plan for `tinyops apply FILE`")
    parser.add_argument("--detailed-exitcode", action="store_true", help="exit 2 when there are changes")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.plan.chains import chain_cuts
    from tinyops.plan.findings import merged
    from tinyops.plan.markdown import plan_comment
    from tinyops.plan.prices import PlanFile
    from tinyops.reconcile.data_changes import data_changes
    from tinyops.reconcile.data_findings import findings_of
    from tinyops.reconcile.judging import foreseen
    from tinyops.reconcile.planning import plan_of
    from tinyops.reconcile.pricing import priced
    from tinyops.reconcile.selection import wish_of
    from tinyops.reconcile.trusting import awaiting_of
    from tinyops.reconcile.world import observe

    world = observe(repository_root(arguments), lock_file=arguments.lock, say=log)
    wish = wish_of(world.repository, replace=arguments.replace, only=arguments.only)
    plan = plan_of(world, wish)
    if arguments.build and plan.pending:
        return _build(arguments, output, world, plan, wish)
    findings = merged((*data_changes(world, plan), *findings_of(plan, world.data_findings)))
    judged = foreseen(world, plan, findings)
    chains = chain_cuts(plan, world.fleets, world.released_records, {})
    file = PlanFile(plan, priced(world, plan, judged=judged), awaiting_of(world), findings, chains)
    _save(arguments, file)
    output.result(file.to_json, plan_comment(file) if arguments.markdown else _text(arguments, file))
    return _status(arguments, file, judged)


def _text(arguments: argparse.Namespace, file: PlanFile) -> str:
    return plan_text(
        file.plan,
        verbose=arguments.all,
        awaiting=file.awaiting,
        findings=file.findings,
        prices=file.prices,
        chains=file.chains,
    )


def _save(arguments: argparse.Namespace, file: PlanFile) -> None:
    if arguments.out is not None:
        write_atomic(arguments.out, pretty_json(file.to_json()))


def _status(arguments: argparse.Namespace, file: PlanFile, judged: Judgement) -> int:
    plan = file.plan
    if any(found.finding.level == "error" for found in file.findings):
        return int(ExitCode.SPEC)
    if judged.missed and not plan.pending:
        return int(ExitCode.GATE)
    return int(ExitCode.CHANGES if arguments.detailed_exitcode and plan.pending else ExitCode.OK)


def _build(arguments: argparse.Namespace, output: Output, world: World, plan: Plan, wish: Wish) -> int:
    from tinyops.build.measurements import FOLDER
    from tinyops.cli.progress import watcher
    from tinyops.plan.chains import chain_cuts
    from tinyops.plan.findings import merged
    from tinyops.plan.markdown import plan_comment
    from tinyops.plan.prices import PlanFile
    from tinyops.reconcile.apply import preview
    from tinyops.reconcile.data_changes import data_changes
    from tinyops.reconcile.data_findings import findings_of
    from tinyops.reconcile.pricing import priced
    from tinyops.reconcile.trusting import awaiting_of
    from tinyops.report.table import FOOTNOTE, HEADERS, figure_json, rows, time_lines

    measurements = repository_root(arguments) / FOLDER
    with watcher(json=output.json) as watching, runner_of(arguments) as runner:
        built = preview(world, plan, watching, runner=runner, wish=wish)
    findings = merged((*data_changes(world, plan), *findings_of(plan, world.data_findings), *built.findings))
    chains = chain_cuts(plan, world.fleets, world.released_records, built.cuts)
    prices = priced(world, plan, built=built.manifest, judged=built.judged)
    file = PlanFile(plan, prices, awaiting_of(world), findings, chains)
    _save(arguments, file)
    page = write_page(repository_root(arguments), built.manifest)
    text = [_text(arguments, file), ""]
    value = {**file.to_json(), "missed": {f: list(r) for f, r in built.judged.reasons.items()}}
    if built.manifest is not None:
        times = time_lines(built.manifest, measurements)
        text += [output.table(HEADERS, rows(built.manifest)), *times, FOOTNOTE, *page, ""]
        value["figures"] = figure_json(built.manifest, measurements)
    output.result(value, plan_comment(file) if arguments.markdown else "\n".join([*text, "Nothing was published."]))
    failed = report(built.judged, built.errors, output)
    return failed or _status(arguments, file, built.judged)
