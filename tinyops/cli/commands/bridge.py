"""`tinyops bridge`: two streams of bytes joined, for boards that reach each other through this machine alone."""

from __future__ import annotations

import argparse
import asyncio
import signal
from dataclasses import asdict
from typing import TYPE_CHECKING

from tinyops.cli.output import Output
from tinyops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from tinyops.files import JsonObject
    from tinyops.link.streams.joint import Event, Joint

IDLE_MAX_S = 10_000_000.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from tinyops.link.streams.registry import KINDS

    forms = "; ".join(f"{kind.form}: {kind.about}" for kind in KINDS)
    parser.epilog = f"Streams are written as the program of a part takes them. {forms}."
    parser.add_argument("one", metavar="ONE", help="a stream, such as /dev/ttyACM0@1000000")
    parser.add_argument("other", metavar="OTHER", help="another one, such as ws-listen:0.0.0.0:7602")
    parser.add_argument(
        "--idle-s", type=float, metavar="S", help="end after so many seconds in which no byte came (default: never)"
    )
    parser.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="URL",
        help="of ws-listen: let pages of this origin connect, beside those of this machine; may be given again",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.link.streams.joint import Joint, event_text
    from tinyops.link.streams.kind import Wishes
    from tinyops.link.streams.registry import check_apart, kind_of, stream_of

    idle_s, wishes = arguments.idle_s, Wishes(tuple(arguments.origin))
    if idle_s is not None and not 0 < idle_s < IDLE_MAX_S:
        raise UsageError(f"--idle-s {idle_s:g}: is no time in seconds", hint="more than 0, or leave it away: never")
    if wishes.origins and not any(kind_of(name).pages for name in (arguments.one, arguments.other)):
        raise UsageError("--origin is for pages, and neither stream is ws-listen", hint="leave it away")
    one, other = stream_of(arguments.one, wishes), stream_of(arguments.other, wishes)
    check_apart(one, other)

    def tell(event: Event) -> None:
        if output.json:
            output.item(lambda: _event_json(event), "")
        else:
            output.note(event_text(event))

    joint, told_end = Joint(one, other, tell), False
    try:
        asyncio.run(_until_signalled(joint, idle_s))
        told_end = True
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    finally:
        if told_end or any(end.counts.connections for end in joint.ends):
            output.item(lambda: _end_json(joint), _end_text(joint))
    return 0


async def _until_signalled(joint: Joint, idle_s: float | None) -> None:
    """SIGTERM, with which systemd ends services, ends it as it should end. Ctrl-C raises KeyboardInterrupt."""
    task = asyncio.create_task(joint.run(idle_s))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task])
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
    if not task.cancelled():
        task.result()


def _event_json(event: Event) -> JsonObject:
    found: JsonObject = {"event": event.what, "stream": event.stream, "peer": event.peer or None}
    if event.what != "connected":
        found["why"] = event.why
    if event.what == "lost":
        found |= {"received": event.received, "sent": event.sent}
    return found


def _end_json(joint: Joint) -> JsonObject:
    return {"event": "ended", "streams": [{"stream": end.stream.name, **asdict(end.counts)} for end in joint.ends]}


def _end_text(joint: Joint) -> str:
    return "\n".join(
        f"{end.stream.name}: {end.counts.received:,} bytes from it, {end.counts.sent:,} to it, "
        f"{end.counts.dropped:,} dropped as nobody took them"
        for end in joint.ends
    )
