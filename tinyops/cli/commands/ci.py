"""`tinyops ci`: what workflows run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_jobs, add_lock, add_repository, repository_root
from tinyops.cli.output import Output
from tinyops.errors import SpecError, UsageError
from tinyops.files import MIB, read_bounded

if TYPE_CHECKING:
    from tinyops.plan.prices import PlanFile
    from tinyops.release.github.issues import Discussions

COMMENT_PLAN_LIMIT_BYTES = 16 * MIB
SAID = {
    "posted": "posted",
    "updated": "updated",
    "unchanged": "says this already",
    "closed": "is closed: nothing is written there",
    "stale": "has moved on to another commit: nothing is written there",
    "none": "not needed",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    comment = verbs.add_parser("comment", help="make a plan the one comment of its pull request")
    comment.add_argument(
        "plan", type=Path, metavar="PLAN", help="what `tinyops plan --out FILE` saved; read as hostile"
    )
    number = comment.add_mutually_exclusive_group()
    number.add_argument("--pull", type=_number, metavar="N", help="the pull request (default: the event's)")
    number.add_argument("--pull-from", type=Path, metavar="FILE", help="a file with its number, as in an artifact")
    comment.add_argument("--head", metavar="COMMIT", help="post only while this is its tip (default: the event's)")
    _add_github(comment)
    matrix = verbs.add_parser("matrix", help="print the jobs that build what is stale, for GITHUB_OUTPUT")
    matrix.add_argument("--most", type=_number, default=None, metavar="N", help="jobs of each sort (at most 256)")
    build = verbs.add_parser("build", help="build some steps and what they need, publish nothing")
    build.add_argument("steps", nargs="+", metavar="STEP", help="such as twin:wrist/microbit")
    build.add_argument("--out", type=Path, metavar="DIR", help="put what was made here, for `tinyops ci take`")
    add_jobs(build)
    take = verbs.add_parser("take", help="take what jobs handed on into the store, checked")
    take.add_argument("folder", type=Path, metavar="DIR", help="one of theirs, or a folder of them")
    take.add_argument(
        "--vouch", action="store_true", help="sign what this very run made, so that apply in this run may release it"
    )
    packages = verbs.add_parser("packages", help="print the Debian packages of the programs that the lock names")
    drift = verbs.add_parser("drift", help="keep one issue open while devices or releases drift")
    _add_github(drift)
    for verb in (matrix, build, take, packages, drift):
        add_repository(verb)
        add_lock(verb)
    for verb in (comment, matrix, build, take, packages, drift):
        verb.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def _add_github(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repo", metavar="OWNER/NAME", help="on GitHub (default: the workflow's own)")
    parser.add_argument("--url", help="of a GitHub Enterprise (default: the workflow's)")
    parser.add_argument("--author", metavar="LOGIN", help="who the token writes as (default: github-actions[bot])")
    parser.add_argument("--dry-run", action="store_true", help="print the text and post nothing")


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) < 10**10:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def run(arguments: argparse.Namespace, output: Output) -> int:
    verbs = {"comment": _comment, "matrix": _matrix, "build": _build, "take": _take}
    return {**verbs, "packages": _packages, "drift": _drift}[arguments.verb](arguments, output)


def _comment(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.plan.markdown import plan_comment

    body = plan_comment(_plan_file(arguments.plan))
    if arguments.dry_run:
        output.result({"body": body}, body)
        return 0
    from tinyops.ci.comment import ACTIONS_AUTHOR, post_comment
    from tinyops.ci.event import COMMIT, read_event, read_number

    event = read_event(os.environ)
    number = read_number(arguments.pull_from) if arguments.pull_from else arguments.pull or event.pull
    head = arguments.head or event.head
    if not number:
        raise UsageError("no pull request is named", hint="--pull N, or --pull-from FILE")
    if head and not COMMIT.fullmatch(head):
        raise UsageError(f"--head {head!r}: not the full name of a commit")
    if arguments.pull_from and not head:
        raise UsageError(
            "a number out of a file is anybody's, and no commit says whose pull request it is",
            hint="--head COMMIT, in a workflow_run event it is read from there",
        )
    with _github(arguments, output) as github:
        posted = post_comment(github, number, body, author=arguments.author or ACTIONS_AUTHOR, head=head)
        text = f"The comment of pull request {number} on {github.place}: {posted.how}."
        if posted.how in ("closed", "stale"):
            text = f"Pull request {number} on {github.place} {SAID[posted.how]}."
    output.result({"how": posted.how, "pull_request": number, "comment": posted.number}, text)
    return 0


def _plan_file(path: Path) -> PlanFile:
    from tinyops.plan.document import read_plan

    try:
        return read_plan(read_bounded(path, COMMENT_PLAN_LIMIT_BYTES))
    except SpecError as error:
        raise UsageError(error.message, hint="`tinyops plan --out FILE` saves a plan") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}", hint="`tinyops plan --out FILE` saves a plan") from None


@contextmanager
def _github(arguments: argparse.Namespace, output: Output) -> Iterator[Discussions]:
    from tinyops.ci.event import find_place
    from tinyops.ci.opening import open_discussions

    github = open_discussions(find_place(arguments.repo, arguments.url, os.environ), Path.cwd(), output.note)
    try:
        yield github
    finally:
        github.close()


def _matrix(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.ci.matrix import JOBS_MAX, matrix_of
    from tinyops.reconcile.planning import plan_of
    from tinyops.reconcile.world import observe

    world = observe(repository_root(arguments), lock_file=arguments.lock)
    matrix = matrix_of(plan_of(world), world.steps_by_id, min(arguments.most or JOBS_MAX, JOBS_MAX))
    output.result(matrix.to_json, matrix.outputs())
    return 0


def _build(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.ci.building import build_steps, hand_on_new
    from tinyops.cli.missed import report
    from tinyops.cli.progress import watcher
    from tinyops.reconcile.judging import Judgement
    from tinyops.reconcile.world import observe

    world = observe(repository_root(arguments), lock_file=arguments.lock)
    with watcher(json=output.json) as watching:
        outcome = build_steps(world, arguments.steps, watching, jobs=arguments.jobs)
    handed = hand_on_new(world, outcome, arguments.out) if arguments.out else 0
    text = f"{len(outcome.records):,} steps are there, {len(outcome.errors):,} failed"
    text += f"; {handed:,} records handed on in {arguments.out}." if arguments.out else "."
    errors = {step: error.message for step, error in outcome.errors.items()}
    output.result({"records": len(outcome.records), "handed_on": handed, "errors": errors}, text)
    return report(Judgement({}, {}), outcome.errors, output)


def _take(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.ci.passing import take
    from tinyops.reconcile.apply import signing_key
    from tinyops.reconcile.storing import open_store
    from tinyops.reconcile.world import observe

    world = observe(repository_root(arguments), lock_file=arguments.lock)
    if arguments.vouch:
        signing_key(world)  # or it says here what is missing
    store = open_store(world.repository, publishing=arguments.vouch, warn=output.note)
    with store.using():
        taken = take(store, arguments.folder, vouch=arguments.vouch)
    for line in taken.refused:
        output.note(f"not taken: {line}")
    left = f", {len(taken.refused):,} files left out" if taken.refused else ""
    text = f"{len(taken.keys):,} records taken{left}."
    output.result({"taken": list(taken.keys), "refused": list(taken.refused)}, text)
    return 0


def _packages(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.specs.lock import LOCK_FILE, load_lock
    from tinyops.toolchain import debian_packages

    lock = load_lock(arguments.lock or repository_root(arguments) / LOCK_FILE)
    packages = debian_packages([*lock.compilers, *lock.emulators])
    output.result({"packages": list(packages)}, " ".join(packages))
    return 0


def _drift(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.ci.comment import ACTIONS_AUTHOR, keep_issue
    from tinyops.ci.drifting import TITLE, drift_issue
    from tinyops.reconcile.fleets import fleet_status, missed_today
    from tinyops.reconcile.observed import clock
    from tinyops.reconcile.planning import plan_of
    from tinyops.reconcile.world import observe

    world = observe(repository_root(arguments), lock_file=arguments.lock)
    body, drifted = drift_issue(plan_of(world), fleet_status(world, clock()), missed_today(world))
    if arguments.dry_run:
        output.result({"body": body, "drifted": drifted}, body)
        return 0
    with _github(arguments, output) as github:
        posted = keep_issue(github, TITLE, body, wanted=drifted, author=arguments.author or ACTIONS_AUTHOR)
        where = f"#{posted.number} on {github.place}" if posted.number else f"on {github.place}"
    said = {"closed": "closed", "none": "not needed, there is no drift"}.get(posted.how, SAID[posted.how])
    output.result({"how": posted.how, "issue": posted.number, "drifted": drifted}, f"The issue {where}: {said}.")
    return 0
