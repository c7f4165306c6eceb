"""`tinyops receive`: take in signed reports over the web, and keep the newest of each device in a folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.output import Output
from tinyops.errors import ToolError, UsageError

if TYPE_CHECKING:
    from tinyops.receiver.admission import Rules
    from tinyops.receiver.lists import Watched


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--dir", required=True, type=Path, metavar="DIR", help="keep reports there: what `reports` in the project names"
    )
    add("--listen", default="127.0.0.1:8443", metavar="HOST:PORT", help="default 127.0.0.1:8443")
    add("--repository", type=Path, metavar="DIR", help="take reports of the fleets in its specs, by their lists")
    add("--devices", nargs="+", default=[], metavar="FLEET=FILE", help="take reports of the devices of these lists")
    add("--open", nargs="+", default=[], metavar="FLEET", help="take whoever reports; the first key of each is pinned")
    add("--token-file", required=True, type=Path, metavar="FILE", help="tokens of those who may send, one a line")
    add(
        "--read-token-file",
        type=Path,
        metavar="FILE",
        help="tokens of those who may read all reports (default: nobody)",
    )
    add("--cert", type=Path, metavar="FILE", help="TLS: the certificate and its chain, PEM")
    add("--key", type=Path, metavar="FILE", help="TLS: its private key, PEM (default: in the same file)")
    add("--connections", type=int, default=512, metavar="N", help="most connections at a time (default 512)")
    add("--rate", type=float, default=20.0, metavar="N", help="requests a second of one address (default 20)")
    add("--patience", type=float, default=10.0, metavar="S", help="seconds that a slow client has to ask (default 10)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    try:
        from tinyops.receiver.reports import reports_app
        from tinyops.receiver.serving import Listening, parse_listen, serve
    except ModuleNotFoundError as error:
        raise ToolError(f"the receiver needs {error.name}", hint="pip install 'tinyops[receiver]'") from error
    from tinyops.receiver.guard import Limits
    from tinyops.receiver.store import ReportStore
    from tinyops.receiver.tokens import Tokens

    host, port = parse_listen(arguments.listen)
    _check(arguments, host)
    watched = _rules(arguments, output)
    readers = Tokens(arguments.read_token_file) if arguments.read_token_file else None
    store = ReportStore(arguments.dir, watched)
    limits = Limits(per_client_s=arguments.rate, burst=3 * arguments.rate, patience_s=arguments.patience)
    app = reports_app(store, Tokens(arguments.token_file), readers, limits)
    listening = Listening(host, port, arguments.cert, arguments.key, arguments.connections, arguments.patience)

    def ready(address: str) -> None:
        output.note(f"takes reports at {address}, {len(store.index.kept):,} are kept in {arguments.dir}")

    serve(app, listening, ready)
    answered = {str(status): count for status, count in sorted(app.answered.items())}
    said = ", ".join(f"{count:,} times {status}" for status, count in answered.items()) or "nobody came"
    output.result({"answered": answered, "reports": len(store.index.kept)}, f"answered {said}")
    return 0


def _check(arguments: argparse.Namespace, host: str) -> None:
    """Raises UsageError for what cannot be meant."""
    if arguments.key and not arguments.cert:
        raise UsageError("--key without --cert", hint="--cert FILE is the certificate of that key")
    if arguments.connections < 1 or not arguments.rate > 0 or not arguments.patience > 0:
        raise UsageError("--connections, --rate and --patience are more than 0")
    if arguments.cert is None and host not in ("127.0.0.1", "::1", "localhost"):
        hint = "--cert and --key; or listen at 127.0.0.1 behind a web server that has TLS"
        raise UsageError(f"--listen {arguments.listen}: tokens would pass in the clear without TLS", hint=hint)
    if arguments.repository and (arguments.devices or arguments.open):
        raise UsageError("--repository names the fleets already", hint="leave --devices and --open away")


def _rules(arguments: argparse.Namespace, output: Output) -> Watched[Rules]:
    from tinyops.receiver.lists import Watched, parse_lists, rules_of_files

    if arguments.repository is not None:
        from tinyops.reconcile.receiving import rules_of_repository, spec_files

        root = arguments.repository.resolve()
        return Watched(lambda: rules_of_repository(root), lambda: spec_files(root), output.note)
    files, fleets = parse_lists(arguments.devices, arguments.open)
    return Watched(lambda: rules_of_files(files, fleets), files.values, output.note)
