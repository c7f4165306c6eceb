"""`tinyops agent`: keep this machine's model, and the devices behind it, what the newest release says."""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.output import Output
from tinyops.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from tinyops.device.gateway.status import Status
    from tinyops.device.update.settings import Stop
    from tinyops.files import JsonObject

DEFAULT_STATE = Path("/var/lib/tinyops")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--config", type=Path, metavar="FILE", help="all settings from this file, a gateway's devices among them")
    add("--systemd-unit", action="store_true", help="print the unit that runs it with --config FILE, and end")
    add(
        "--identity", action="store_true", help="print this machine's name and public key, for `tinyops enrol`, and end"
    )
    add("--bluetooth", action="store_true", help="with --systemd-unit: let it use this machine's Bluetooth")
    add(
        "--store",
        metavar="DIR|URL",
        help="where releases are: a folder, an http(s) URL or github:OWNER/REPOSITORY",
    )
    add("--fleet", help="the fleet that this device belongs to")
    add("--board", help="what this device is, as the catalogue names it")
    add("--device", default=socket.gethostname(), help="this device's name (default: the host's)")
    add("--metadata", metavar="DIR|URL", help="where the TUF metadata is, and the progress of rollouts")
    add("--root", type=Path, metavar="FILE", help="the first root.json: believe what the metadata says")
    add("--trust", type=Path, metavar="FILE", help="PEM file of the public keys that sign releases")
    add("--threshold", type=int, default=1, metavar="N", help="how many of them must have signed (default 1)")
    add("--token-file", type=Path, metavar="FILE", help="a token that reads a private store; mode 0600")
    add("--mirror", metavar="DIR|URL", help="ask there for files first, then the store")
    add("--chain", metavar="ID", help="the chain that this device is a part of: its place in waves")
    add("--state", type=Path, default=DEFAULT_STATE, metavar="DIR", help=f"the agent's own folder ({DEFAULT_STATE})")
    add(
        "--reports",
        metavar="DIR|URL",
        help="bring signed reports there: a folder, a receiver's https:// address, or git+…#BRANCH",
    )
    add("--reports-token-file", type=Path, metavar="FILE", help="the token, or the key, that lets this machine do so")
    add("--replay", type=Path, metavar="CSV", help="a recording that stands for the sensor")
    add("--contract", type=Path, metavar="FILE", help="what this device is wired for: other contracts are refused")
    add("--project", help="accept releases of this project only (default: that of the first one)")
    add("--once", action="store_true", help="poll once and end: for cron and tests")
    add(
        "--listen",
        metavar="HOST:PORT",
        help='where health and metrics are served (default 127.0.0.1:9110; "": nowhere)',
    )
    add("--interval", type=float, default=300.0, metavar="S", help="seconds between polls (default 300)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    if arguments.config is not None:
        _check_alone(arguments)
        if arguments.identity:
            return _identity(*_of_file(arguments.config), output)
        return _unit(arguments, output) if arguments.systemd_unit else _run_file(arguments, output)
    if arguments.identity:
        return _identity(arguments.device, arguments.state, arguments.fleet, arguments.board, output)
    if arguments.systemd_unit or arguments.bluetooth:
        raise UsageError("--systemd-unit wants --config, the file that the unit runs it with")
    for name in ("store", "fleet", "board"):
        if getattr(arguments, name) is None:
            raise UsageError(f"--{name} is missing", hint="give --store, --fleet and --board, or --config FILE")
    return _run_flags(arguments, output)


def _run_flags(arguments: argparse.Namespace, output: Output) -> int:
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
    with contextlib.nullcontext() if settings.once else _pages(arguments, output):
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


def _pages(arguments: argparse.Namespace, output: Output) -> AbstractContextManager[None]:
    from tinyops.device.document import LISTEN, listen_at
    from tinyops.device.pages import own_snapshot, pages
    from tinyops.documents import Misplaced

    listen = LISTEN if arguments.listen is None else arguments.listen
    try:
        listen and listen_at(listen)
    except Misplaced as error:
        raise UsageError(f"--listen: {error}", hint=error.hint) from None
    snapshot = own_snapshot(arguments.device, arguments.state, arguments.interval)
    return pages(listen, snapshot, output.note, chosen=arguments.listen is not None)


def _check_alone(arguments: argparse.Namespace) -> None:
    """Raises UsageError for a setting that the file has, too: nobody should wonder which one counts."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    own = {"config", "identity", "systemd_unit", "bluetooth", "once", "json"}
    usual = vars(parser.parse_args([]))
    for name, value in vars(arguments).items():
        if name in usual and name not in own and value != usual[name]:
            raise UsageError(f"--{name.replace('_', '-')}: with --config all settings are in the file")


def _identity(name: str, state: Path, fleet: str | None, board: str | None, output: Output) -> int:
    """The machine's own key, made now where it never ran, and the command that enrols it."""
    from tinyops.device.agent import device_key
    from tinyops.files import writing

    with writing(state):
        state.mkdir(parents=True, exist_ok=True)
    key = device_key(state).public.raw.hex()
    command = f"tinyops enrol --fleet {fleet or 'FLEET'} --id {name} --board {board or 'BOARD'} --public-key {key}"
    text = f"{name}: public key {key}\nEnrol it: {command}"
    output.result({"device": name, "fleet": fleet, "board": board, "public_key": key}, text)
    return 0


def _of_file(path: Path) -> tuple[str, Path, str | None, str | None]:
    """Name, state, and of a device that runs a model itself fleet and board."""
    from tinyops.device.document import read_document

    document = read_document(path)
    name, state, device = document.metadata.name, path.parent / document.spec.state, document.spec.device
    return (name, state, device.fleet, device.board) if device else (name, state, None, None)


def _unit(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.device.document import read_document
    from tinyops.device.service import unit

    document = read_document(arguments.config)
    state = Path(document.spec.state)
    if state.parent != Path("/var/lib"):
        raise UsageError(f"state: {state}: a unit's folder lies in /var/lib", hint="state: /var/lib/tinyops")
    program = Path(sys.argv[0]).resolve()
    config = arguments.config.resolve()
    spec = document.spec
    files = [spec.token_file, spec.reports.token_file if spec.reports else None]
    secrets = [config.parent / name for name in dict.fromkeys(files) if name is not None]
    text = unit(program, config, state.name, bluetooth=arguments.bluetooth, secrets=secrets)
    output.result({"unit": text}, text.rstrip())
    return 0


def _run_file(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.device.assemble import Assembly
    from tinyops.device.document import read_document
    from tinyops.device.update.settings import Stop, Stopped

    document = read_document(arguments.config)
    stop = Stop()
    _stop_on_signals(stop)
    statuses = Assembly(document, arguments.config.parent, output.note).run(stop, once=arguments.once)
    if arguments.once and stop.is_set():
        raise Stopped("stopped", hint="devices run what they ran; the next run goes on from there")
    output.result({"devices": [_json(status) for status in statuses]}, _text(statuses))
    return 0


def _stop_on_signals(stop: Stop) -> None:
    """What is under way ends between two requests; a second signal ends it at once."""

    def end(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)


def _text(statuses: Sequence[Status]) -> str:
    lines = [_line(status) for status in statuses]
    counts = ", ".join(f"{number} {state}" for state, number in Counter(s.state for s in statuses).items())
    if not statuses:
        return "no devices behind it"
    return "\n".join([*lines, f"{len(statuses):,} {'device' if len(statuses) == 1 else 'devices'}: {counts}"])


def _line(status: Status) -> str:
    text = status.text.removeprefix(f"{status.address}: ")
    return f"{status.device or status.address}: {status.state}{f': {text}' if text else ''}"


def _json(status: Status) -> JsonObject:
    return {
        "address": status.address,
        "device": status.device,
        "fleet": status.identity.fleet if status.identity is not None else None,
        "board": status.board or None,
        "silicon": status.silicon or None,
        "state": status.state,
        "trouble": status.trouble,
        "text": status.text or None,
        "image": f"sha256:{status.runs.model}" if status.runs.model else None,
    }
