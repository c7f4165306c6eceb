"""`tinyops enrol`: gives devices their identity; the public half goes into the fleet's file of devices."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.output import Output
from tinyops.errors import ExitCode, TinyopsError, UsageError

if TYPE_CHECKING:
    from tinyops.device.provision.bulk import Row
    from tinyops.device.provision.devices_file import Device
    from tinyops.device.provision.enrolling import Network
    from tinyops.reconcile.enrolment import FleetFile

PASSWORD_VARIABLE = "TINYOPS_WIFI_PASSWORD"  # noqa: S105 -- its name, not its value
PASSWORD_FILE_LIMIT = 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from tinyops.cli.arguments import add_repository

    add_repository(parser)
    parser.add_argument("port", nargs="?", metavar="PORT", help="the serial line of the device")
    parser.add_argument("--fleet", required=True, metavar="FLEET", help="the fleet that it belongs to")
    parser.add_argument("--id", metavar="ID", help="what it is called (default: its board and its chip's number)")
    parser.add_argument("--labels", default="", metavar="TEXT", help="for the fleet's file")
    parser.add_argument("--part", default="", metavar="NAME", help="of a chain, where its board may be several parts")
    parser.add_argument("--chain", default="", metavar="ID", help="the chain that it is a part of")
    parser.add_argument("--wifi", default="", metavar="SSID", help="its network")
    parser.add_argument(
        "--wifi-password-file",
        type=Path,
        metavar="FILE",
        help=f"the network's password (default: ${PASSWORD_VARIABLE}, else it is asked for)",
    )
    parser.add_argument("--endpoint", default="", metavar="URL", help="where releases are, for a device that polls")
    parser.add_argument(
        "--roots", type=Path, metavar="FILE", help="PEM: who may certify that place, for a device that polls over TLS"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="enrol many: port,serial,id,labels,replace")
    parser.add_argument(
        "--replace", default="", metavar="ID", help="the device that this one replaces; its own id: enrol it again"
    )
    parser.add_argument(
        "--public-key",
        metavar="HEX",
        help="a machine with Linux, such as a gateway, by what `tinyops agent --identity` printed there",
    )
    parser.add_argument("--board", metavar="BOARD", help="with --public-key: what the catalogue or the chain calls it")
    parser.add_argument("--revoke", metavar="ID", help="only mark a device as revoked: no report of it counts any more")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.cli.arguments import repository_root
    from tinyops.reconcile.enrolment import find_fleet

    root = repository_root(arguments)
    _check(arguments)
    fleet = find_fleet(root, arguments.fleet)
    today = date.today()
    if arguments.revoke is not None:
        from tinyops.reconcile.enrolment import revoke

        device = revoke(fleet, arguments.revoke, today)
        output.result(_json(device), f"{device.id}: revoked. Commit {fleet.path.name}.")
        return 0
    if arguments.public_key is not None:
        from tinyops.reconcile.enrolment import Machine, enrol_machine

        machine = Machine(*(arguments.id, arguments.board, arguments.public_key, arguments.labels), _chain(arguments))
        device = enrol_machine(root, fleet, machine, arguments.replace or None, today)
        output.result(_json(device), f"{device.id}: enrolled in {fleet.fleet}. Review and commit {fleet.path.name}.")
        return 0
    fleet.read()  # its faults are better known before a device is touched
    return _enrol(arguments, root, fleet, _rows(arguments), today, output)


def _check(arguments: argparse.Namespace) -> None:
    given = [name for name in ("port", "csv", "revoke", "public_key") if getattr(arguments, name) is not None]
    if len(given) != 1:
        raise UsageError("one of PORT, --csv FILE, --public-key HEX and --revoke ID is wanted")
    if (arguments.public_key is not None) != (arguments.board is not None):
        raise UsageError("--public-key and --board go together", hint="a board on a PORT says itself what it is")
    if arguments.csv is not None and (arguments.id or arguments.replace or arguments.part or arguments.chain):
        raise UsageError("--id, --replace, --part and --chain are columns of the file that --csv names")


def _rows(arguments: argparse.Namespace) -> tuple[Row, ...]:
    from tinyops.device.provision.bulk import Row, read_bulk

    if arguments.csv is not None:
        return read_bulk(arguments.csv)
    named = (arguments.id or "", arguments.labels, arguments.replace, arguments.part, _chain(arguments))
    return (Row(0, arguments.port, "", *named),)


def _chain(arguments: argparse.Namespace) -> str:
    from tinyops.device.provision.enrolling import checked_id

    return checked_id(arguments.chain) if arguments.chain else ""


def _enrol(
    arguments: argparse.Namespace, root: Path, fleet: FleetFile, rows: tuple[Row, ...], today: date, output: Output
) -> int:
    from tinyops.device.identify.usb import connected
    from tinyops.reconcile.enrolment import enrol_row, prepare
    from tinyops.reconcile.world import load_world_catalog

    wanted = prepare(root, fleet, _network(arguments))
    done: list[Device] = []
    failed: list[tuple[str, TinyopsError]] = []
    usb, catalog = connected(), load_world_catalog(root)
    for row in rows:
        called = row.id or row.port or row.serial
        output.note(f"enrolling {called} …")
        try:
            device, port = enrol_row(row, fleet, wanted, usb, catalog, today)
        except TinyopsError as error:
            if len(rows) == 1:
                raise
            failed.append((f"line {row.line}, {called}", error))
            output.note(f"  failed: {error}")
            continue
        done.append(device)
        output.note(f"  {port}: {device.id}, key {device.public_key[:16]}…")
    value = {
        "enrolled": [_json(device) for device in done],
        "failed": [{"device": name, "message": error.message, "hint": error.hint} for name, error in failed],
        "file": str(fleet.path),
    }
    text = f"{len(done)} enrolled in {fleet.fleet}. Review and commit {fleet.path.name}."
    if failed:
        text = f"{text} {len(failed)} failed: {'; '.join(name for name, _ in failed)}."
    output.result(value, text)
    return int(failed[0][1].exit_code if failed else ExitCode.OK)


def _json(device: Device) -> dict[str, str | None]:
    return {
        "id": device.id,
        "board": device.board,
        "chain": device.chain or None,
        "public_key": device.public_key or None,
        "enrolled": device.enrolled or None,
        "revoked": device.revoked or None,
        "silicon": device.silicon or None,
    }


def _network(arguments: argparse.Namespace) -> Network:
    from tinyops.device.provision.enrolling import Network

    password = _password(arguments) if arguments.wifi else ""
    roots: tuple[bytes, ...] = ()
    if arguments.roots is not None:
        from tinyops.device.provision.roots import read_roots

        roots = read_roots(arguments.roots)
    return Network(arguments.endpoint, arguments.wifi, password, roots)


def _password(arguments: argparse.Namespace) -> str:
    """From a file, the environment, or a person. Never from the command line, which others can see."""
    from tinyops.files import read_bounded

    if arguments.wifi_password_file is not None:
        try:
            return read_bounded(arguments.wifi_password_file, PASSWORD_FILE_LIMIT).decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise UsageError(f"{arguments.wifi_password_file}: is not UTF-8") from None
    if (password := os.environ.get(PASSWORD_VARIABLE)) is not None:
        return password
    if not sys.stdin.isatty():
        raise UsageError(
            f"the password of {arguments.wifi} is missing",
            hint=f"set {PASSWORD_VARIABLE}, name a file with --wifi-password-file, or run this on a terminal",
        )
    import getpass

    return getpass.getpass(f"Password of {arguments.wifi}: ", stream=sys.stderr)
