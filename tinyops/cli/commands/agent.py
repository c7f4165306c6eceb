"""`tinyops agent`: keep this device's model what the newest release says."""

from __future__ import annotations

import argparse
import socket
from pathlib import Path

from tinyops.cli.output import Output

DEFAULT_STATE = Path("/var/lib/tinyops")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--store",
        required=True,
        metavar="DIR|URL",
        help="where releases are: a folder, an http(s) URL or github:OWNER/REPOSITORY",
    )
    add("--fleet", required=True, help="the fleet that this device belongs to")
    add("--board", required=True, help="what this device is, as the catalogue names it")
    add("--device", default=socket.gethostname(), help="this device's name (default: the host's)")
    add("--metadata", metavar="DIR|URL", help="where the TUF metadata is, and the progress of rollouts")
    add("--root", type=Path, metavar="FILE", help="the first root.json: believe what the metadata says")
    add("--trust", type=Path, metavar="FILE", help="PEM file of the public keys that sign releases")
    add("--threshold", type=int, default=1, metavar="N", help="how many of them must have signed (default 1)")
    add("--token-file", type=Path, metavar="FILE", help="a token that reads a private store; mode 0600")
    add("--mirror", metavar="DIR|URL", help="ask there for files first, then the store")
    add("--chain", metavar="ID", help="the chain that this device is a part of: its place in waves")
    add("--state", type=Path, default=DEFAULT_STATE, metavar="DIR", help=f"the agent's own folder ({DEFAULT_STATE})")
    add("--reports", metavar="DIR|URL", help="bring signed reports there: a folder, or a receiver's https:// address")
    add("--reports-token-file", type=Path, metavar="FILE", help="the token, or the key, that lets this machine do so")
    add("--replay", type=Path, metavar="CSV", help="a recording that stands for the sensor")
    add("--contract", type=Path, metavar="FILE", help="what this device is wired for: other contracts are refused")
    add("--project", help="accept releases of this project only (default: that of the first one)")
    add("--once", action="store_true", help="poll once and end: for cron and tests")
    add("--interval", type=float, default=300.0, metavar="S", help="seconds between polls (default 300)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.device.agent import run_agent
    from tinyops.device.settings import AgentSettings

    settings = AgentSettings(
        store=arguments.store,
        fleet=arguments.fleet,
        board=arguments.board,
        device=arguments.device,
        state=arguments.state,
        trust=arguments.trust,
        threshold=arguments.threshold,
        metadata=arguments.metadata,
        root=arguments.root,
        token_file=arguments.token_file,
        mirror=arguments.mirror,
        chain=arguments.chain,
        project=arguments.project,
        replay=arguments.replay,
        contract=arguments.contract,
        reports=arguments.reports,
        reports_token_file=arguments.reports_token_file,
        once=arguments.once,
        interval_s=arguments.interval,
    )
    report = run_agent(settings, on_event=output.note)
    running = report.running
    lines = [f"{report.device}: slot {report.slot.state}"]
    if running is not None:
        lines.append(f"runs model {running.model[:19]} of release v{running.version}, since {running.since}")
    if report.health.inferences:
        counts = ", ".join(f"{name} {count}" for name, count in report.health.classes.items())
        lines.append(f"{report.health.inferences} inferences: {counts}")
    output.result(report.to_json(), "\n".join(lines))
    return 0
