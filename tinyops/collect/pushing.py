"""Pushing recordings to a receiver, `tinyops collect serve`, over lines that break: what it has is not sent again.

`Receiver` asks one thing until it is answered; `PushedTake` is a take whose bytes come little by little, `LiveTake` one
that is measured at this moment, `push_file` a whole file. HTTP is the standard library's: a gateway needs nothing else.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import json
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

import tinyops
from tinyops.collect.wire import CHUNK_LIMIT_BYTES, CONTENT_TYPE, PATH, Closing, Opening, Receipt
from tinyops.datasets.index import IndexEntry
from tinyops.errors import RemoteError, SpecError, UsageError
from tinyops.files import digest_bytes, printable

ANSWER_LIMIT_BYTES = 256 * 1024
TIMEOUT_S = 30.0
PIECE_BYTES = 64 * 1024
BACK_OFF_S, BACK_OFF_MAX_S = 0.25, 30.0
WAIT_MAX_S = 600.0
UNCLEAR_MAX = 5  # answers that are none, and asked for again
DAMAGED_MAX = 5  # chunks of one piece of work that come damaged
UNSENT_LIMIT_BYTES = 32 * 1024 * 1024
LOCAL = ("localhost", "127.0.0.1", "::1")
LATER = (408, 429, 500, 502, 503, 504, 507)


class TakeGone(RemoteError):
    """The receiver knows the take no more, or has closed it: `receipt` if it said so."""

    receipt: Receipt | None = None


@dataclass(frozen=True)
class Told:
    """An answer: what it says, as far as that is JSON."""

    status: int
    value: Mapping[str, Any]
    after_s: float | None = None

    @property
    def error(self) -> str:
        return printable(str(self.value.get("error", "")))[:300]


@dataclass
class Receiver:
    """One connection, made anew where it breaks. `patience_s` without an answer, and it is given up."""

    url: str
    token: str
    patience_s: float = 600.0
    is_insecure: bool = False  # a token may go over http:// to other machines
    on_event: Callable[[str], None] = lambda _: None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _link: http.client.HTTPConnection | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        known = parts.scheme == "https" or (parts.scheme == "http" and (self.is_insecure or parts.hostname in LOCAL))
        if not known or not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
            raise UsageError(
                f"{self.url}: recordings go to an https:// address",
                hint="over http:// anybody reads along; --insecure for a network of your own",
            )
        if not self.token.isascii() or not self.token.isprintable() or not self.token:
            raise UsageError("the receiver's token is not printable ASCII")

    def ask(self, method: str, target: str, body: bytes = b"") -> Told:
        """Until it is answered for good. Raises RemoteError when nobody does in time."""
        deadline, pause_s, why, unclear = self.clock() + self.patience_s, BACK_OFF_S, "", 0
        while True:
            try:
                told = self._once(method, target, body)
                unclear += not told.value and told.status != 204  # cut off, which cannot be told from a page
                if told.status not in LATER and (told.value or told.status == 204 or unclear > UNCLEAR_MAX):
                    return told
                why = f"answered {told.status}: {told.error}"
                wait_s = pause_s if told.after_s is None else min(told.after_s, WAIT_MAX_S)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if isinstance(error, ssl.SSLCertVerificationError):
                    raise RemoteError(f"{self.url}: its certificate is not trusted: {error.verify_message}") from error
                why, wait_s = f"cannot be reached: {error or type(error).__name__}", pause_s
            if self.clock() + wait_s > deadline:
                raise RemoteError(f"{self.url}: {why}", hint="what was not sent is still here: push it again")
            self.on_event(f"{self.url}: {why}: again in {wait_s:.3g} s")
            self.sleep(wait_s)
            pause_s = min(2 * pause_s, BACK_OFF_MAX_S)

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _once(self, method: str, target: str, body: bytes) -> Told:
        parts = urlsplit(self.url)
        link = self._link = self._link or self._connected()
        headers = {
            "Authorization": f"Bearer {self.token}",
            "User-Agent": f"tinyops/{tinyops.__version__}",
            "Content-Type": CONTENT_TYPE,
            "Accept-Encoding": "identity",
        }
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before the end
            link.request(method, parts.path.rstrip("/") + target, body, headers)
        answer = link.getresponse()
        text = answer.read(ANSWER_LIMIT_BYTES)
        if not answer.isclosed() or answer.will_close:
            self.close()
        return Told(answer.status, _json(text), _after_s(answer.headers.get("Retry-After", "")))

    def _connected(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, parts.port or 443, timeout=TIMEOUT_S, context=context)
        return http.client.HTTPConnection(host, parts.port or 80, timeout=TIMEOUT_S)


class PushedTake:
    """A take whose bytes come little by little; `offset` of them are on the receiver's disk."""

    def __init__(self, receiver: Receiver, opening: Opening) -> None:
        """Opens it. Raises TakeGone for one that was closed under this name, RemoteError for one that is refused."""
        self._receiver, self.opening = receiver, opening
        told = receiver.ask("POST", PATH, opening.model_dump_json(exclude_defaults=True).encode())
        self._name = str(_expect(told, receiver.url).get("take", ""))
        self.offset = _count(told, "offset", receiver.url)
        limit = told.value.get("chunk_bytes")
        self._piece_bytes = min(limit if isinstance(limit, int) and limit > 0 else CHUNK_LIMIT_BYTES, PIECE_BYTES)

    def send(self, data: bytes, at: int, *, lost: int = 0) -> None:
        """The bytes from `at` on; what the receiver has already is not sent again. `lost` frames are missing before."""
        end, damaged = at + len(data), 0
        if at > self.offset:
            raise ValueError(f"bytes from {self.offset} on are missing")
        while self.offset < end:
            begin = self.offset
            piece = data[begin - at : begin - at + self._piece_bytes]
            target = f"{PATH}/{self._name}?offset={begin}&crc32={zlib.crc32(piece):08x}"
            if lost and begin == at:
                target += f"&lost={lost}"
            told = self._receiver.ask("PUT", target, piece)
            if told.status == 409 and told.value.get("offset") != begin and "sha256" not in told.value:
                self.offset = self._agreed(told, at)
            elif told.status == 400 and "CRC" in told.error and damaged < DAMAGED_MAX:
                damaged += 1  # on its way: once more
            else:
                _expect(told, self._receiver.url)
                self.offset = _count(told, "offset", self._receiver.url)

    def close(self, closing: Closing) -> Receipt:
        """Raises RemoteError where what came is no recording, or not what was sent."""
        text = closing.model_dump_json(exclude_defaults=True).encode()
        told = self._receiver.ask("POST", f"{PATH}/{self._name}/close", text)
        return _receipt(_expect(told, self._receiver.url), self._receiver.url)

    def drop(self) -> None:
        """The receiver forgets it."""
        self._receiver.ask("DELETE", f"{PATH}/{self._name}")

    def _agreed(self, told: Told, at: int) -> int:
        """Where the receiver is, which may be behind what it said before it lost its disk. Raises RemoteError where
        that cannot be sent any more."""
        offset = _count(told, "offset", self._receiver.url)
        if offset < at:
            raise RemoteError(f"{self._receiver.url}: it has lost what it had taken: {told.error}")
        return offset


class LiveTake:
    """A take that is pushed while it is made. What is not sent yet is held, at most `UNSENT_LIMIT_BYTES`."""

    def __init__(self, receiver: Receiver, opening: Opening, *, piece_bytes: int = PIECE_BYTES) -> None:
        self._take = PushedTake(receiver, opening)
        self._held = bytearray()
        self._begin = self._take.offset
        self._piece_bytes = piece_bytes

    def add(self, data: bytes) -> None:
        """Sends when there is enough. Raises RemoteError, after which it may be added to and sent again."""
        if len(self._held) + len(data) > UNSENT_LIMIT_BYTES:
            raise RemoteError(f"{UNSENT_LIMIT_BYTES:,} bytes wait to be pushed: the receiver is too slow")
        self._held += data
        if len(self._held) >= self._piece_bytes:
            self.flush()

    def flush(self) -> None:
        """All that is held."""
        self._take.send(bytes(self._held), self._begin)
        self._begin += len(self._held)
        self._held.clear()

    def close(self, closing: Closing | None = None) -> Receipt:
        self.flush()
        return self._take.close(closing or Closing(bytes=self._begin))


def push_entries(
    receiver: Receiver, dataset: str, entries: Iterable[IndexEntry], read: Callable[[IndexEntry], bytes]
) -> list[Receipt]:
    """The files of an index's lines, each once, with their labels. `read` is `Objects.read`. Raises what `push_file`
    and `read` raise; those before are there."""
    entries = list(entries)
    told, one = openings(entries, dataset), {entry.path: entry for entry in entries}
    return [push_file(receiver, read(one[path]), opening) for path, opening in told.items()]


def openings(entries: Iterable[IndexEntry], dataset: str, device: str = "") -> dict[str, Opening]:
    """What a receiver is told of an index's files, by their paths. Of a file with several pieces the label is left to
    its people. Raises SpecError for facts that no receiver takes."""
    files: dict[str, list[IndexEntry]] = {}
    for entry in entries:
        files.setdefault(entry.path, []).append(entry)
    found = {}
    for path, (entry, *others) in files.items():
        facts = {
            "dataset": dataset,
            "encoding": "file",
            "ending": entry.kind,
            "device": device or entry.device or "unknown",
            "label": "" if others or entry.begin is not None else entry.label,
            "subject": entry.subject,
            "take": entry.take,
            "started": entry.time,
        }
        found[path] = file_opening(facts, path)
    return found


def file_opening(facts: Mapping[str, str], where: str) -> Opening:
    """Raises SpecError for what no receiver would take."""
    try:
        return Opening.model_validate(facts)
    except ValidationError as error:
        first = error.errors()[0]
        said = str(first["msg"]).removeprefix("Value error, ")
        raise SpecError(f"{where}: {'.'.join(map(str, first['loc'])) or 'it'}: {said}") from error


def push_file(receiver: Receiver, data: bytes, opening: Opening) -> Receipt:
    """A whole file, once however often it is pushed. Raises RemoteError, UsageError."""
    digest = digest_bytes(data)
    opening = opening.model_copy(update={"key": digest.removeprefix("sha256:")[:32]})
    for _ in range(2):
        try:
            take = PushedTake(receiver, opening)
            take.send(data, 0)
            return take.close(Closing(bytes=len(data), sha256=digest))
        except TakeGone as gone:
            if gone.receipt is not None:
                return gone.receipt
    raise RemoteError(f"{receiver.url}: forgets what it has taken", hint="is its clock, or its --idle, wrong?")


def _expect(told: Told, where: str) -> Mapping[str, Any]:
    """What a good answer says. Raises RemoteError."""
    if told.status in (200, 201, 204):
        return told.value
    said = f"{where}: {told.error or f'answered {told.status}'}"
    if told.status == 404 and told.error.startswith("no such take"):
        raise TakeGone(said)
    if told.status == 409 and "sha256" in told.value:
        gone = TakeGone(said)
        gone.receipt = _receipt({**told.value, "error": ""}, where)
        raise gone
    hints = {401: "is it the receiver's token?", 403: "this token is good for something else"}
    raise RemoteError(said, hint=hints.get(told.status, ""))


def _receipt(value: Mapping[str, Any], where: str) -> Receipt:
    try:
        receipt = Receipt.model_validate({k: v for k, v in value.items() if k in Receipt.model_fields})
    except ValidationError as error:
        raise RemoteError(f"{where}: not a receiver's answer") from error
    if receipt.problem:
        raise RemoteError(f"{where}: {printable(receipt.problem)[:300]}")
    return receipt


def _count(told: Told, name: str, where: str) -> int:
    value = told.value.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise RemoteError(f"{where}: not a receiver's answer", hint="does the address name `tinyops collect serve`?")
    return value


def _json(text: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _after_s(text: str) -> float | None:
    """Seconds that a header asks for; None where it asks for none."""
    if text.isascii() and text.isdecimal() and len(text) <= 9:
        return float(text)
    with contextlib.suppress(ValueError, OverflowError, TypeError):
        return max(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    return None
