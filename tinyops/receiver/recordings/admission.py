"""Who may open how many takes, and where a chunk belongs: decided without disk or network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyops.collect.wire import CHUNK_LIMIT_BYTES, Opening
from tinyops.files import MIB
from tinyops.receiver.guard import Refused
from tinyops.receiver.recordings.ledger import Incoming, Ledger
from tinyops.specs.model import Signal

CROWDED_S = 60.0


@dataclass(frozen=True)
class Bounds:
    """How much is taken. `device_bytes_per_s` holds in the long run, `device_burst_bytes` at once; `spool_bytes` may be
    open in all, and `keep_free_bytes` of the disk stay free; a take of which nothing came for `idle_s` is closed."""

    chunk_bytes: int = CHUNK_LIMIT_BYTES
    take_bytes: int = 32 * MIB
    takes_per_device: int = 4
    takes: int = 2000
    device_bytes_per_s: float = 1.0 * MIB
    device_burst_bytes: float = 8.0 * MIB
    spool_bytes: int = 16 * 1024 * MIB
    keep_free_bytes: int = 64 * MIB
    idle_s: float = 600.0

    def facts(self) -> Mapping[str, Any]:
        """What a device is told when it opens a take."""
        return {"chunk_bytes": self.chunk_bytes, "take_bytes": self.take_bytes, "idle_s": self.idle_s}


def check_scope(scope: str, opening: Opening) -> None:
    """Raises Refused where a token is good for another dataset, or device."""
    if scope and scope not in (opening.dataset, f"{opening.dataset}/{opening.device}"):
        raise Refused(403, f"this token is good for {scope}, not for {opening.dataset}/{opening.device}")


def check_room(ledger: Ledger, bounds: Bounds, opening: Opening, pending: int) -> None:
    """Raises Refused where there are too many takes, with those `pending` that are being opened."""
    if ledger.of_device[opening.dataset, opening.device] >= bounds.takes_per_device:
        sentence = f"{opening.device} has {bounds.takes_per_device} takes open: close one"
        raise Refused.busy(429, sentence, CROWDED_S)
    if len(ledger.takes) + pending >= bounds.takes:
        raise Refused.busy(503, f"{bounds.takes:,} takes are open", CROWDED_S)


def check_space(ledger: Ledger, bounds: Bounds, free_bytes: int) -> None:
    """Raises Refused where the disk is nearly full, or the open takes have what they may."""
    if free_bytes < bounds.keep_free_bytes:
        raise Refused.busy(507, "the disk is full: keep what you have", CROWDED_S)
    if ledger.bytes >= bounds.spool_bytes:
        raise Refused.busy(507, f"open takes have {bounds.spool_bytes:,} bytes: close some", CROWDED_S)


def completed(opening: Opening, signal: Signal | None) -> Opening:
    """With what the dataset says of its signal where the device says nothing. Raises Refused where they differ."""
    if signal is not None:
        _check_signal(opening, signal)
        opening = opening.model_copy(
            update={
                "sensor": opening.sensor or signal.sensor,
                "channels": signal.channels,
                "units": signal.units,
                "full_scale": opening.full_scale or signal.full_scale,
                "rate_hz": opening.rate_hz or signal.rate_hz,
            }
        )
    if opening.encoding == "file":
        return opening
    missing = [name for name in ("channels", "units") if not getattr(opening, name)]
    if opening.encoding != "csv" and not opening.full_scale:
        missing.append("full_scale")
    if missing:
        raise Refused(422, f"{', '.join(missing)}: missing, and no spec says it")
    return opening


def _check_signal(opening: Opening, signal: Signal) -> None:
    if signal.size is not None and opening.encoding != "file":
        raise Refused(422, f"{opening.dataset} has images: send files")
    for field in ("channels", "units"):
        said, wanted = getattr(opening, field), getattr(signal, field)
        if said and said != wanted:
            raise Refused(422, f"{field}: {', '.join(said)}; the dataset's are {', '.join(wanted)}")


@dataclass(frozen=True)
class Placed:
    """A chunk: its first `known` bytes were taken before and must be the same, the rest goes to the end."""

    known: int
    rest: bytes


def place(incoming: Incoming, offset: int, data: bytes, bounds: Bounds) -> Placed:
    """Raises Refused, naming the offset that is expected, for a gap, a closed take, or one that grows too large."""
    facts = {"offset": incoming.bytes}
    if offset > incoming.bytes:
        raise Refused(409, f"bytes from {incoming.bytes:,} are missing", facts=facts)
    known = min(incoming.bytes - offset, len(data))
    if known < len(data):
        if incoming.closing is not None:
            raise Refused(409, "the take is closed", facts=facts)
        if offset + len(data) > bounds.take_bytes:
            raise Refused(413, f"a take has at most {bounds.take_bytes:,} bytes: close it, open another", facts=facts)
    return Placed(known, data[known:])


def same_take(incoming: Incoming, opening: Opening) -> None:
    """Raises Refused where a device opens a take again with other facts."""
    if incoming.opening != replace_started(opening, incoming.opening.started):
        raise Refused(409, f"take {opening.called} is open with other facts")


def replace_started(opening: Opening, started: str) -> Opening:
    """When it began is set by the receiver, where the device has no clock."""
    return opening if opening.started else opening.model_copy(update={"started": started})
