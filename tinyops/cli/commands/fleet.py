"""`tinyops fleet`: where fleets and devices stand, as text, JSON or a page."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinyops.cli.arguments import add_lock, add_repository, repository_root
from tinyops.cli.output import Output, printable_lines

LIMIT = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    status = verbs.add_parser("status", help="waves, boards, what runs, health; first who needs a person and why")
    status.add_argument("fleet", nargs="?", metavar="FLEET", help="only this one")
    log = verbs.add_parser("log", help="what befell one device, in order of time")
    log.add_argument("device", metavar="DEVICE")
    log.add_argument("--fleet", metavar="FLEET", help="where several fleets have a device of this name")
    log.add_argument("--limit", type=int, default=LIMIT, metavar="N", help=f"releases to look back (default: {LIMIT})")
    page = verbs.add_parser("page", help="write the status as a page that needs no server and nothing from elsewhere")
    page.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets index.html and fleet.json")
    for verb in (status, log, page):
        add_repository(verb)
        add_lock(verb)
        verb.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace, output: Output) -> int:
    return {"status": _status, "log": _log, "page": _page}[arguments.verb](arguments, output)


def _status(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.cli.fleet_text import status_text
    from tinyops.reconcile.fleet_status import status_json
    from tinyops.reconcile.fleets import fleet_status
    from tinyops.reconcile.observed import clock
    from tinyops.reconcile.world import observe

    world = observe(repository_root(arguments), lock_file=arguments.lock)
    status = fleet_status(world, clock()).only(arguments.fleet)
    for warning in status.warnings:
        output.note(f"note: {printable_lines(warning)}")
    output.result(lambda: status_json(status), "" if output.json else status_text(status, output))
    return 0


def _log(arguments: argparse.Namespace, output: Output) -> int:
    from dataclasses import asdict

    from tinyops.cli.fleet_text import log_text
    from tinyops.reconcile.device_log import device_log, find_device
    from tinyops.reconcile.fleet_status import device_json
    from tinyops.reconcile.observed import clock, judging, reports_of
    from tinyops.reconcile.states import judge_reports
    from tinyops.reconcile.world import observe

    world = observe(repository_root(arguments), lock_file=arguments.lock)
    by = judging(world, clock())
    devices = judge_reports(reports_of(world, by.lists)[0], by)
    device = find_device(devices, arguments.device, arguments.fleet)
    lines = device_log(device, by, world.past, max(arguments.limit, 1))
    head = f"{device.device}, {device.board} of fleet {device.fleet}: {device.state}"
    text = f"{head}\n\n{log_text(lines, output)}"
    output.result({"device": device_json(device), "log": [asdict(line) for line in lines]}, text)
    return 0


def _page(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.reconcile.fleet_status import status_json
    from tinyops.reconcile.fleets import fleet_status
    from tinyops.reconcile.observed import clock
    from tinyops.reconcile.world import observe
    from tinyops.report.fleet_page import write_page

    world = observe(repository_root(arguments), lock_file=arguments.lock)
    written = write_page(status_json(fleet_status(world, clock())), arguments.out)
    output.result({"files": [str(path) for path in written]}, f"Written: {', '.join(map(str, written))}")
    return 0
