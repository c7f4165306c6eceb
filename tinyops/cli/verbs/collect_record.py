"""`tinyops collect record`: takes from one device, each a recording of the dataset when it ends."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.data_notes import note_added, note_unpushed
from tinyops.cli.output import Output, log
from tinyops.cli.receiver_access import add_receiver, open_receiver
from tinyops.collect.capture.ways.registry import WAYS
from tinyops.errors import ExitCode, RemoteError, TinyopsError, ToolError, UsageError
from tinyops.files import JsonObject

if TYPE_CHECKING:
    from tinyops.collect.capture.finishing import Destination, Kept
    from tinyops.collect.capture.session import Operator
    from tinyops.collect.capture.source import Source
    from tinyops.collect.capture.wanted import Wanted
    from tinyops.collect.capture.ways.kind import Way
    from tinyops.collect.pushing import Receiver
    from tinyops.specs.recorded import Recorded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="which has one source of kind recordings")
    add_repository(parser)
    ways = parser.add_argument_group("ways in, one of them").add_mutually_exclusive_group(required=True)
    for way in WAYS:
        _add_way(ways, way)
    reading = parser.add_argument_group("how what comes is read")
    reading.add_argument("--baud", type=int, metavar="N", help="of a serial line (default: found out)")
    reading.add_argument("--rate", type=float, metavar="HZ", help="images a second of a camera (default: 1)")
    reading.add_argument("--format", choices=("auto", "framed", "lines"), default="auto", help="default: looked at")
    reading.add_argument("--columns", default="", metavar="N,N,…", help="which columns of a line are the channels")
    reading.add_argument("--scale", default="", metavar="X[,X…]", help="what values of a line are multiplied by")
    reading.add_argument(
        "--units", default="", metavar="U[,U…]", help="of a line's values, such as mg (default: the signal's)"
    )
    takes = parser.add_argument_group("takes")
    takes.add_argument("--label", default="", metavar="CLASS", help="what is recorded (default: none yet)")
    takes.add_argument("--subject", default="", metavar="WHO", help="who or what moves; splits keep them together")
    takes.add_argument("--device", default="", metavar="NAME", help="which device (default: its number on USB)")
    takes.add_argument("--take", default="", metavar="NAME", help="name of the take (default: the time)")
    takes.add_argument("--seconds", type=float, metavar="N", help="length of a take (default: until Enter or Ctrl-C)")
    takes.add_argument("--count", type=int, metavar="N", help="takes (default: one, or until q)")
    takes.add_argument("--now", action="store_true", help="begin at once, also at a terminal")
    parser.add_argument("--commit", action="store_true", help="commit the index and the recordings, and nothing else")
    add_receiver(parser.add_argument_group("push to a receiver, `tinyops collect serve`, as well"), "--push")


def _add_way(ways: argparse._MutuallyExclusiveGroup, way: Way) -> None:
    if not way.metavar:
        ways.add_argument(way.option, action="store_const", const="", help=way.about)
    elif way.default is None:
        ways.add_argument(way.option, metavar=way.metavar, help=way.about)
    else:
        ways.add_argument(way.option, metavar=way.metavar, nargs="?", const=way.default, help=way.about)


def run(arguments: argparse.Namespace, output: Output) -> int:
    _check_packages()
    from tinyops.collect.capture.finishing import Destination, recover
    from tinyops.collect.capture.wanted import check_wanted, described
    from tinyops.datasets.places import open_objects
    from tinyops.specs.recorded import recorded_dataset

    way, address = _way(arguments)
    way.check(address)
    _check_fitting(arguments, way)
    dataset = recorded_dataset(repository_root(arguments), arguments.dataset)
    wanted = _wanted(arguments)
    check_wanted(wanted, dataset.spec)
    receiver = _receiver(arguments)
    destination = Destination(dataset.index, open_objects(dataset.source, dataset.index, dataset.name))
    kept = recover(destination, log)
    for found in kept:
        _report(output)(found)
    with _pushing(receiver, dataset, destination, kept):
        if way.traits.waits:
            output.note(f"waiting for a device at {address} …")
        with contextlib.closing(_open(arguments, way, address, dataset)) as source:
            output.note(f"{source.name}: {source.dialect.name}; {described(dataset.spec.signal)}")
            with _operator(arguments, dataset, output) as operator:
                return _sit(arguments, source, destination, wanted, dataset, operator, kept)


def _check_packages() -> None:
    """Raises ToolError; what single ways need they say themselves."""
    if importlib.util.find_spec("numpy") is None:
        raise ToolError("numpy is not installed", hint="pip install 'tinyops[collect]'")


def _sit(
    arguments: argparse.Namespace,
    source: Source,
    destination: Destination,
    wanted: Wanted,
    dataset: Recorded,
    operator: Operator,
    kept: list[Kept],
) -> int:
    """Runs the takes, adds them to `kept` and commits them, also those before a failure."""
    from tinyops.collect.capture.session import Session

    session = Session(source, destination, wanted, dataset.spec, operator)
    try:
        session.run()
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED if wanted.seconds is not None else ExitCode.OK)
    finally:
        kept += session.kept
        if not arguments.json:
            added = [k.entry for k in kept]
            note_unpushed(dataset, added, log)
            note_added(repository_root(arguments), dataset, added, log)
        _commit(arguments, dataset, kept)
    return int(ExitCode.OK if session.kept or operator.present else ExitCode.TOOL)


def _commit(arguments: argparse.Namespace, dataset: Recorded, kept: list[Kept]) -> None:
    from tinyops.collect.capture.committing import commit

    if arguments.commit and kept:
        commit(dataset.name, dataset.index, kept, beside=dataset.source.url is None)


def _receiver(arguments: argparse.Namespace) -> Receiver | None:
    """Before anything is recorded. Raises UsageError for an address or a token that cannot be meant."""
    if arguments.push is not None:
        return open_receiver(arguments, arguments.push, log)
    if arguments.token_file is not None or arguments.insecure:
        raise UsageError("--token-file and --insecure do nothing without --push", hint="leave them out")
    return None


@contextlib.contextmanager
def _pushing(
    receiver: Receiver | None, dataset: Recorded, destination: Destination, kept: list[Kept]
) -> Iterator[None]:
    """Pushes what is kept at the end, also before a failure, which an error of the receiver does not hide."""
    try:
        yield
    except BaseException:
        try:
            _push(receiver, dataset, destination, kept)
        except TinyopsError as error:
            log(str(error))
        raise
    _push(receiver, dataset, destination, kept)


def _push(receiver: Receiver | None, dataset: Recorded, destination: Destination, kept: Sequence[Kept]) -> None:
    """Raises RemoteError, with the command that sends the same again."""
    from tinyops.collect.pushing import push_entries

    if receiver is None or not kept:
        return
    try:
        push_entries(receiver, dataset.name, [one.entry for one in kept], destination.objects.read)
    except RemoteError as error:
        again = f"tinyops collect push --index {dataset.index} --dataset {dataset.name} --to {receiver.url}"
        raise RemoteError(f"{error.message}; what was recorded is in {dataset.index}", hint=again) from error
    finally:
        receiver.close()
    log(f"{len(kept):,} recordings are at {receiver.url}")


def _way(arguments: argparse.Namespace) -> tuple[Way, str]:
    for way in WAYS:
        address = getattr(arguments, way.option.removeprefix("--").replace("-", "_"))
        if address is not None:
            return way, address
    raise UsageError("no way in")


def _check_fitting(arguments: argparse.Namespace, way: Way) -> None:
    """Raises UsageError for options that would do nothing."""
    own = way.traits.format
    useless = {
        "--baud": arguments.baud is not None and arguments.port is None,
        "--rate": arguments.rate is not None and own != "pixels",
        "--format": arguments.format != "auto" and bool(own),
        "--columns": bool(arguments.columns) and bool(own),
        "--scale": bool(arguments.scale) and bool(own),
        "--units": bool(arguments.units) and bool(own),
    }
    for option, idle in useless.items():
        if idle:
            raise UsageError(f"{option} does nothing with {way.option}", hint="leave it out")


def _wanted(arguments: argparse.Namespace) -> Wanted:
    from tinyops.collect.capture.wanted import Wanted
    from tinyops.link.serial_port import serial_number

    device = arguments.device
    if not device and arguments.port not in (None, "auto"):
        device = _usual_name(serial_number(arguments.port))
    count = arguments.count
    if count is None and not _has_keys(arguments):
        count = 1
    return Wanted(arguments.label, arguments.subject, device, arguments.take, arguments.seconds, count)


def _usual_name(text: str | None) -> str:
    """A number of USB, if it may stand in an index."""
    from tinyops.datasets import index_cells

    try:
        return index_cells.name(text or "")
    except ValueError:
        return ""


def _open(arguments: argparse.Namespace, way: Way, address: str, dataset: Recorded) -> Source:
    from tinyops.collect.capture.opening import Form, open_source
    from tinyops.collect.capture.wanted import line_form
    from tinyops.collect.capture.ways.kind import Opening

    signal = dataset.spec.signal
    form = Form(arguments.format, line_form(signal, arguments.columns, arguments.scale, arguments.units))
    return open_source(way, address, Opening(signal, arguments.baud, arguments.rate), form)


def _has_keys(arguments: argparse.Namespace) -> bool:
    """Whether a person sits at the terminal and nothing else comes in there."""
    free = arguments.stdin is None and not arguments.now and not arguments.json
    return free and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


@contextlib.contextmanager
def _operator(arguments: argparse.Namespace, dataset: Recorded, output: Output) -> Iterator[Operator]:
    from tinyops.cli.capture_screen import Attended, Unattended
    from tinyops.collect.capture.wanted import check_label

    if arguments.json or not sys.stderr.isatty():
        yield Unattended(_report(output), quiet=arguments.json)
        return
    attended = Attended(
        dataset.spec.signal.channels,
        _report(output),
        lambda label: check_label(label, dataset.spec),
        keys=_has_keys(arguments),
    )
    with attended.on_screen():
        yield attended


def _report(output: Output) -> Callable[[Kept], None]:
    """Prints a take: an object in a line with --json, else text."""
    from tinyops.cli.capture_screen import summary

    return lambda kept: output.item(lambda: kept_json(kept), summary(kept))


def kept_json(kept: Kept) -> JsonObject:
    """One take, for programs."""
    from dataclasses import asdict

    measured = kept.measured
    value = {name: cell for name, cell in asdict(kept.entry).items() if cell not in ("", None, ())}
    change = None if measured.change is None else asdict(measured.change)
    return value | {
        "path": kept.entry.path,
        "jitter_ms": measured.jitter_ms,
        "rate_change": change,
        "notes": list(kept.notes),
        "repeated": kept.repeated,
    }
