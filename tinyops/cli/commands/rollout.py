"""`tinyops rollout`: the next step of rollouts in waves, where they stand, and what people say of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_lock, add_repository, repository_root
from tinyops.cli.output import Output
from tinyops.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from tinyops.reconcile.rollout.stepping import Choose, Stepped
    from tinyops.reconcile.world import World

NO_ROLLOUT = (
    "No fleet has a rollout under way: every device takes what is released.\n"
    "One begins with the next release that changes a fleet whose spec has `rollout`; its first is for all at once."
)
HEADERS = ("wave", "devices", "well", "pending", "failed", "silent", "")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    add_lock(parser)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    step = verbs.add_parser("step", help="let the next wave begin, wait, or halt: for a schedule, every hour or so")
    step.add_argument("fleets", nargs="*", metavar="FLEET", help="this fleet's rollout only (default: all)")
    status = verbs.add_parser("status", help="where each rollout stands, and what the next step would do")
    status.add_argument("fleets", nargs="*", metavar="FLEET", help="this fleet's rollout only (default: all)")
    for name, text in (
        ("hold", "let no further wave begin until `resume`"),
        ("resume", "end a hold; or try a halted rollout once more"),
        ("halt", "let nobody take the new content any more, and quarantine it; also when all have it"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("fleet", metavar="FLEET", help="whose rollout")
        verb.add_argument("--reason", required=True, metavar="TEXT", help="why; devices and logs show it")
        verb.add_argument("--author", metavar="NAME", help="who says so (default: Git's user.name)")
    for verb in verbs.choices.values():
        verb.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.reconcile.observed import clock
    from tinyops.reconcile.rollout.stepping import step
    from tinyops.reconcile.world import observe

    world = observe(repository_root(arguments), lock_file=arguments.lock)
    if arguments.verb not in ("step", "status"):
        return _choose(world, arguments, output, clock())
    done = step(world, clock(), arguments.fleets, write=arguments.verb == "step", warn=output.note)
    output.result({"fleets": [fleet.to_json() for fleet in done]}, _text(done, output, arguments.verb))
    return 0


def _choose(world: World, arguments: argparse.Namespace, output: Output, now: datetime) -> int:
    from tinyops.reconcile.edits import author_of
    from tinyops.reconcile.rollout.stepping import choose, halt, hold, resume

    author = arguments.author or author_of(world)
    if author is None:
        raise UsageError(
            f"nobody is named who says {arguments.verb}", hint="--author NAME, or `git config user.name NAME`"
        )
    verbs = {"hold": hold, "resume": resume, "halt": halt}
    why = f"{author}: {arguments.reason}"[:500]
    choice: Choose = verbs[arguments.verb](now, why)
    made = choose(world, arguments.fleet, choice, now, f"{arguments.verb} by {why}")
    text = f"{arguments.fleet}: the rollout of v{made.rollout} is {made.state}. {_follows(made.state)}"
    output.result({"fleet": arguments.fleet, "progress": made.to_json()}, text)
    return 0


def _follows(state: str) -> str:
    return {
        "holding": "No further wave begins until `tinyops rollout resume`.",
        "halted": "Nobody takes its content any more, and plans hold it.",
    }.get(state, "The next `tinyops rollout step` goes on with it.")


def _text(done: tuple[Stepped, ...], output: Output, verb: str) -> str:
    if not done:
        return NO_ROLLOUT
    return "\n".join(line for fleet in done for line in _lines(fleet, output, verb))


def _lines(fleet: Stepped, output: Output, verb: str) -> list[str]:
    progress = fleet.progress
    state = f"{progress.state}, wave {progress.waves} of {len(fleet.rollout.waves)}" if progress else "not begun"
    if progress is not None and progress.rollout != fleet.rollout.id:
        state = "not begun"
    lines = [f"{fleet.fleet}: rollout of v{fleet.rollout.id} from v{fleet.rollout.base.version}: {state}"]
    lines.append(f"  {'next: ' if verb == 'status' and fleet.decision.progress else ''}{fleet.decision.says}")
    if verb == "status" and fleet.decision.waves:
        rows = [_row(wave) for wave in fleet.decision.waves]
        lines += [f"  {line}" for line in output.table(HEADERS, rows, folded=6).splitlines()]
    return lines


def _row(wave: object) -> tuple[str, ...]:
    from tinyops.reconcile.rollout.decide import WaveCount

    assert isinstance(wave, WaveCount)
    named = [f"{d.name}: {d.why}" for d in wave.judged if d.standing in ("failed", "silent")][:3]
    counts = (wave.number, wave.devices, wave.well, wave.pending, wave.failed, wave.silent)
    return (*(f"{count:,}" for count in counts), "; ".join(named))
