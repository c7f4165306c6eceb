"""`tinyops drift`: what devices report that they run, beside what the last release wants of them."""

from __future__ import annotations

import argparse

from tinyops.cli.arguments import add_lock, add_repository, repository_root
from tinyops.cli.output import Output, printable_lines
from tinyops.errors import ExitCode

HEADERS = ("fleet", "board", "device", "state", "runs", "should run", "last report", "")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    add_lock(parser)
    parser.add_argument("--all", action="store_true", help="list devices that run what they should, too")
    parser.add_argument("--detailed-exitcode", action="store_true", help="exit 2 when a device drifted")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.reconcile.observed import clock, observed_devices
    from tinyops.reconcile.states import DRIFTED, Observed, by_state
    from tinyops.reconcile.trusting import metadata_notes
    from tinyops.reconcile.world import observe

    world = observe(repository_root(arguments), lock_file=arguments.lock)
    now = clock()
    devices, unreadable = observed_devices(world, now)

    def row(device: Observed) -> tuple[str, ...]:
        runs, wanted = (
            digest.removeprefix("sha256:")[:12] if digest else "-" for digest in (device.running, device.wanted)
        )
        seen = f"v{device.version} {runs}" if device.version else runs
        return (
            device.fleet,
            device.board,
            device.device,
            device.state,
            seen,
            wanted,
            device.reported or "-",
            device.why,
        )

    shown = [d for d in devices if arguments.all or d.state not in ("converged", "waiting")]
    counts = ", ".join(f"{count:,} {state}" for state, count in by_state(devices)) or "no device reports yet"
    lines = [output.table(HEADERS, [row(d) for d in shown], folded=7), ""] if shown else []
    released = world.manifest.tag if world.manifest else "nothing released"
    lines += [f"{released}: {counts}."]
    notes = metadata_notes(world, now)
    lines += notes
    for wrong in unreadable:
        output.note(printable_lines(f"not a report: {wrong.path}: {wrong.reason}"))
    value = {
        "released": world.manifest.version if world.manifest else 0,
        "devices": [device.to_json() for device in devices],
        "unreadable": [{"path": str(wrong.path), "reason": wrong.reason} for wrong in unreadable],
        "metadata": notes,
    }
    output.result(value, "\n".join(lines))
    drifted = any(device.state in DRIFTED for device in devices)
    return int(ExitCode.CHANGES if drifted and arguments.detailed_exitcode else ExitCode.OK)
