"""`tinyops update`: new firmware or models onto devices that run, over their line, network or radio."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_repository, up_to
from tinyops.cli.output import Output
from tinyops.errors import ToolError, UsageError

if TYPE_CHECKING:
    from tinyops.boards.model import Board
    from tinyops.device.update.many import Outcome
    from tinyops.device.update.session import Done, Offers
    from tinyops.files import JsonObject

JOBS = 16
DEVICES_MAX = 1000
TIMEOUT_MAX_S = 86_400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    parser.add_argument(
        "devices",
        nargs="*",
        metavar="PORT|ADDRESS",
        help="a serial line, udp://HOST[:PORT], tcp://HOST[:PORT], ble://ADDRESS or ble://NAME; several at once",
    )
    parser.add_argument("--all", action="store_true", help="every board of the catalogue that answers on USB")
    parser.add_argument(
        "--image",
        type=Path,
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="this image, or a folder's for the device's board, instead of the last release's; may be given again",
    )
    parser.add_argument("--fleet", metavar="FLEET", help="whose images (default: the fleet that the device names)")
    parser.add_argument("--part", default="", metavar="NAME", help="of a chain, where its board may be several parts")
    parser.add_argument("--release", type=int, metavar="N", help="those of release N instead of the last one's")
    parser.add_argument("--no-confirm", action="store_true", help="leave them on trial: the next reset ends it")
    parser.add_argument(
        "--anyway", action="store_true", help="also send what this computer sees that the device will refuse"
    )
    parser.add_argument(
        "--jobs", type=up_to(DEVICES_MAX), default=JOBS, metavar="N", help="devices at once (default 16)"
    )
    parser.add_argument(
        "--timeout",
        type=up_to(TIMEOUT_MAX_S, "seconds"),
        default=3600,
        metavar="S",
        help="seconds for one device in all",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.cli.transfers import transfers
    from tinyops.device.transports import transport_of
    from tinyops.device.update.many import exit_code, update_all
    from tinyops.device.update.session import Desk
    from tinyops.device.update.settings import Patience, Stop, Wish

    _check(arguments)
    catalog = _catalog(arguments)
    offers = _offers(arguments)
    addresses = [*arguments.devices, *(_found(catalog, output) if arguments.all else ())]
    devices = {address: transport_of(address) for address in addresses}
    wish = Wish(not arguments.no_confirm, arguments.anyway, Patience(in_all_s=arguments.timeout))

    def origins(board: str) -> tuple[int, ...]:
        layout = catalog[board].spec.layout if board in catalog else None
        return tuple(slot.origin for slot in layout.firmware) if layout else ()

    with transfers(json=output.json) as watch:
        desk = Desk(offers, origins, wish, watch, Stop())
        outcomes = update_all(devices, desk, jobs=arguments.jobs, settle_s=_settling(devices, catalog))
    if len(outcomes) == 1 and outcomes[0].error is not None:
        raise outcomes[0].error
    output.result({"devices": [_json(outcome) for outcome in outcomes]}, _text(outcomes))
    return int(exit_code(outcomes))


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.devices and not arguments.all:
        raise UsageError("no device is named", hint="name its PORT or ADDRESS, or --all; `tinyops identify` lists them")
    if len(set(arguments.devices)) != len(arguments.devices) or len(arguments.devices) > DEVICES_MAX:
        raise UsageError("a device is named twice, or too many are")
    if arguments.image and (arguments.fleet is not None or arguments.release is not None):
        raise UsageError("--image names files, --fleet and --release what was released", hint="give one or the other")


def _catalog(arguments: argparse.Namespace) -> Mapping[str, Board]:
    from tinyops.cli.models import boards_here
    from tinyops.reconcile.world import load_world_catalog

    if arguments.repository is not None:
        return load_world_catalog(arguments.repository.resolve())
    return boards_here()


def _offers(arguments: argparse.Namespace) -> Offers:
    if arguments.image:
        from tinyops.device.update.files import Files

        return Files(arguments.image).offers
    from tinyops.cli.arguments import repository_root
    from tinyops.reconcile.updatable import Released

    return Released(repository_root(arguments), arguments.fleet, arguments.release, arguments.part).offers


def _found(catalog: Mapping[str, Board], output: Output) -> list[str]:
    """The ports at which a board answers that may be asked. Raises ToolError when there is none."""
    from tinyops.device.identify import connected, identify

    found = identify(connected(), catalog)
    for one in found:
        if one.answer is None and one.asked:
            output.note(f"  {one.port}: left out: {one.problem}")
    ports = [one.port for one in found if one.answer is not None and one.port is not None]
    if not ports:
        raise ToolError("no board answers on USB", hint="`tinyops identify` says what is connected and why")
    return ports


def _settling(addresses: Sequence[str] | Mapping[str, object], catalog: Mapping[str, Board]) -> dict[str, float]:
    """How long lines are left alone after they were opened, where that resets the board."""
    from tinyops.device.identify.match import settle_s
    from tinyops.device.identify.usb import connected

    at = {port: device for device in connected() for port in device.ports}
    return {address: settle_s(at.get(address), catalog) for address in addresses}


def _text(outcomes: Sequence[Outcome]) -> str:
    lines = [line for outcome in outcomes for line in _lines(outcome)]
    failed = sum(outcome.error is not None for outcome in outcomes)
    if len(outcomes) > 1:
        lines.append(f"{len(outcomes) - failed} of {len(outcomes)} devices are up to date.")
    return "\n".join(lines)


def _lines(outcome: Outcome) -> list[str]:
    if outcome.error is not None:
        return [str(outcome.error)]
    assert outcome.done is not None
    if not outcome.done.images:
        return [f"{outcome.address}: {outcome.done.board}: nothing is offered for it"]
    return [f"{outcome.address}: {outcome.done.board}: {_done(one)}" for one in outcome.done.images]


def _done(done: Done) -> str:
    from tinyops.device.update.decide import label

    text = f"{label(done.kind, done.digest)} {'runs, confirmed' if done.result == 'confirmed' else done.result}"
    if done.sent and done.seconds:
        rate = done.sent / done.seconds / 1000
        instead = f" instead of {done.instead_of:,}" if done.instead_of else ""
        text += f"; {done.sent:,} bytes{instead} in {done.seconds:.1f} s ({rate:.1f} kB/s)"
        text += f", from {done.resumed_at:,} on" if done.resumed_at else ""
    return text


def _json(outcome: Outcome) -> JsonObject:
    error, done = outcome.error, outcome.done
    images = [
        {
            "image": one.kind.name.lower(),
            "digest": f"sha256:{one.digest.hex()}",
            "from": one.where,
            "result": one.result,
            "sent_bytes": one.sent,
            "seconds": round(one.seconds, 3),
            "resumed_at": one.resumed_at,
            "breaks": one.breaks,
            "instead_of_bytes": one.instead_of,
            "swap_gap_ms": one.gap_ms,
        }
        for one in (done.images if done else ())
    ]
    return {
        "device": outcome.address,
        "board": done.board if done else None,
        "images": images,
        "error": error
        and {
            "kind": type(error).__name__,
            "message": error.message,
            "hint": error.hint,
            "exit_code": int(error.exit_code),
        },
    }
