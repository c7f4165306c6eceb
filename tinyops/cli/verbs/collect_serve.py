"""`tinyops collect serve`: take in recordings that many devices and gateways push, each durable once it is answered."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.data_notes import NotesLater
from tinyops.cli.output import Output
from tinyops.errors import ToolError, UsageError
from tinyops.files import MIB

if TYPE_CHECKING:
    from tinyops.receiver.guard import Limits
    from tinyops.receiver.recordings.admission import Bounds
    from tinyops.receiver.recordings.desk import Desk
    from tinyops.receiver.recordings.shelves import Shelves

STATE = ".tinyops/receiver"
CHUNKS_AT_ONCE = 1024
KEEP_ALIVE_S = 75  # a handshake of TLS costs a microcontroller a second
SLOWEST_BYTES_PER_S = 1024  # there are radios like that; what waits for them is bounded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--repository", type=Path, metavar="DIR", help="put recordings into its datasets that have an index")
    add("--inbox", type=Path, metavar="DIR", help="keep recordings there instead, until `tinyops data add` takes them")
    add("--state", type=Path, metavar="DIR", help="of takes that are coming in (default: below the two)")
    add("--listen", default="127.0.0.1:8444", metavar="HOST:PORT", help="default 127.0.0.1:8444")
    add(
        "--token-file",
        required=True,
        type=Path,
        metavar="FILE",
        help="tokens, one a line; DATASET or DATASET/DEVICE behind one says what it is good for",
    )
    add("--cert", type=Path, metavar="FILE", help="TLS: the certificate and its chain, PEM")
    add("--key", type=Path, metavar="FILE", help="TLS: its private key, PEM (default: in the same file)")
    add("--insecure", action="store_true", help="without TLS on a network where everybody may read along")
    add("--connections", type=int, default=1024, metavar="N", help="most connections at a time (default 1024)")
    add("--rate", type=float, default=500.0, metavar="N", help="requests a second of one address (default 500)")
    add("--patience", type=float, default=10.0, metavar="S", help="seconds that a slow client has to ask (default 10)")
    add("--take-mb", type=int, default=32, metavar="N", help="largest take (default 32)")
    add("--device-kb-s", type=float, default=1024, metavar="N", help="KB a second of one device (default 1024)")
    add("--takes", type=int, default=2000, metavar="N", help="most takes open at a time (default 2000)")
    add("--takes-per-device", type=int, default=4, metavar="N", help="of one device (default 4)")
    add("--keep-free-mb", type=int, default=64, metavar="N", help="of the disk, left free (default 64)")
    add("--idle", type=float, default=600.0, metavar="S", help="close a take of which nothing comes (default 600)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    try:
        from tinyops.receiver.recordings.app import recordings_app
        from tinyops.receiver.serving import Listening, parse_listen, serve
    except ModuleNotFoundError as error:
        raise ToolError(f"the receiver needs {error.name}", hint="pip install 'tinyops[receiver]'") from error
    from tinyops.receiver.recordings.desk import Desk
    from tinyops.receiver.recordings.journal import Journal
    from tinyops.receiver.tokens import Tokens

    host, port = parse_listen(arguments.listen)
    _check(arguments, host)
    notes = None if arguments.repository is None else NotesLater(arguments.repository.resolve(), output.note)
    shelves, state = _shelves(arguments, output, notes)
    tokens = Tokens(arguments.token_file, scoped=True)
    journal = Journal(state, output.note)
    desk = Desk(journal, shelves, _bounds(arguments), output.note)
    app = recordings_app(desk, tokens, _limits(arguments))
    bounds = (arguments.connections, arguments.patience, KEEP_ALIVE_S)
    listening = Listening(host, port, arguments.cert, arguments.key, *bounds)

    def ready(address: str) -> None:
        open_takes = len(journal.ledger.takes)
        if output.json:
            start = {"listening": address, "port": int(address.rpartition(":")[2]), "open": open_takes}
            sys.stdout.write(json.dumps(start) + "\n")
            sys.stdout.flush()
        output.note(f"takes recordings at {address}, {open_takes:,} takes go on")

    try:
        serve(app, listening, ready, desk.tend)
    finally:
        desk.keeper.close()
        journal.close()
        if notes is not None:
            notes.close()
    _sum_up(app.answered, desk, output)
    return 0


def _sum_up(statuses: Mapping[int, int], desk: Desk, output: Output) -> None:
    answered = {str(status): count for status, count in sorted(statuses.items())}
    said = ", ".join(f"{count:,} times {status}" for status, count in answered.items()) or "nobody came"
    value = {"answered": answered, "kept": desk.keeper.kept, "refused": desk.keeper.refused, "bytes": desk.taken_bytes}
    output.result(value, f"answered {said}; {desk.keeper.kept:,} takes kept, {desk.keeper.refused:,} refused")


def _check(arguments: argparse.Namespace, host: str) -> None:
    """Raises UsageError for what cannot be meant."""
    if (arguments.repository is None) == (arguments.inbox is None):
        raise UsageError("either --repository or --inbox says where recordings go")
    if arguments.key and not arguments.cert:
        raise UsageError("--key without --cert", hint="--cert FILE is the certificate of that key")
    counts = ("connections", "take_mb", "takes", "takes_per_device")
    if any(getattr(arguments, name) < 1 for name in counts) or arguments.keep_free_mb < 0:
        raise UsageError(f"{', '.join('--' + name.replace('_', '-') for name in counts)} are 1 or more")
    if any(not getattr(arguments, name) > 0 for name in ("rate", "patience", "device_kb_s", "idle")):
        raise UsageError("--rate, --patience, --device-kb-s and --idle are more than 0")
    if arguments.cert is None and not arguments.insecure and host not in ("127.0.0.1", "::1", "localhost"):
        hint = "--cert and --key; --insecure for a network of your own; or listen at 127.0.0.1 behind a server with TLS"
        raise UsageError(f"--listen {arguments.listen}: tokens would pass in the clear without TLS", hint=hint)


def _shelves(arguments: argparse.Namespace, output: Output, notes: NotesLater | None) -> tuple[Shelves, Path]:
    """Where closed takes go, and where open ones lie."""
    from tinyops.receiver.recordings.shelves import Datasets, Inbox

    if arguments.inbox is not None:
        root = arguments.inbox.resolve()
        return Inbox(root), arguments.state or root / ".receiver"
    from tinyops.receiver.lists import Watched
    from tinyops.reconcile.collecting import datasets_of_repository
    from tinyops.reconcile.receiving import spec_files

    root = arguments.repository.resolve()
    watched = Watched(lambda: datasets_of_repository(root), lambda: spec_files(root), output.note, what="the specs")
    if not watched():
        raise UsageError(
            f"{root}: no dataset has an index that recordings go into",
            hint="sources: [{kind: recordings, index: ../data/wrist.csv}]",
        )
    return Datasets(watched) if notes is None else Datasets(watched, notes.add), arguments.state or root / STATE


def _bounds(arguments: argparse.Namespace) -> Bounds:
    from tinyops.receiver.recordings.admission import Bounds

    per_s = arguments.device_kb_s * 1024
    return Bounds(
        take_bytes=arguments.take_mb * MIB,
        takes_per_device=arguments.takes_per_device,
        takes=arguments.takes,
        device_bytes_per_s=per_s,
        device_burst_bytes=max(8 * per_s, MIB),
        keep_free_bytes=arguments.keep_free_mb * MIB,
        idle_s=arguments.idle,
    )


def _limits(arguments: argparse.Namespace) -> Limits:
    from tinyops.receiver.guard import Limits

    return Limits(
        body_bytes=4 * MIB,  # of what is refused, and taken in so that its sender sees why
        bodies_max=CHUNKS_AT_ONCE,
        bodies_per_client=CHUNKS_AT_ONCE // 2,
        bodies_bytes=32 * MIB,
        per_client_s=arguments.rate,
        burst=3 * arguments.rate,
        patience_s=arguments.patience,
        slowest_bytes_per_s=SLOWEST_BYTES_PER_S,
        streams_max=arguments.connections // 2,
    )
