"""Reports over the web: to a receiver in batches, and from it. The receiver is `tinyops receive`.

A batch is one sealed report a line. The answer names each that was refused; 429, 503 and 507 ask for patience.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from urllib.parse import urlsplit

import tinyops
from tinyops.device.posting import connection, deadline, describe
from tinyops.device.reports.kind import Credential, Refusal, SealedReport, TryLater
from tinyops.device.reports.reading import TOTAL_LIMIT_BYTES, Found
from tinyops.errors import RemoteError, UsageError
from tinyops.manifest.fields import check_asset_name
from tinyops.manifest.report import REPORT_LIMIT_BYTES, REPORTS_MAX

PATH = "/v1/reports"
CONTENT_TYPE = "application/x-ndjson"
BATCH_LIMIT_BYTES = 1024 * 1024
ANSWER_LIMIT_BYTES = 1024 * 1024
TIMEOUT_S = 30.0
SLOWEST_BYTES_PER_S = 8192
READ_S = 300.0
_BUSY = (429, 503, 507)
_LOCAL = ("localhost", "127.0.0.1", "::1")


class EndpointSink:
    """A receiver at an https:// address, which `credential`'s token opens."""

    immediate = False
    batch_max = 200
    every_s = 0.0

    def __init__(self, address: str, credential: Credential, timeout_s: float = TIMEOUT_S) -> None:
        self.where = address
        self._url, self._credential, self._timeout_s = _url(address), credential, timeout_s

    def write(self, reports: Sequence[SealedReport]) -> Sequence[Refusal]:
        refused: list[Refusal] = []
        batch: list[SealedReport] = []
        for report in reports:
            if batch and sum(len(r.data) for r in [*batch, report]) > BATCH_LIMIT_BYTES:
                refused += self._send(batch)
                batch = []
            batch.append(report)
        return [*refused, *(self._send(batch) if batch else ())]

    def _send(self, batch: Sequence[SealedReport]) -> Sequence[Refusal]:
        body = b"".join(report.data if report.data.endswith(b"\n") else report.data + b"\n" for report in batch)
        limit_s = self._timeout_s + len(body) / SLOWEST_BYTES_PER_S
        with _asked("POST", self._url, self._credential, limit_s, body) as answer:
            if answer.status == 413:
                return self._halves(batch)
            _expect_ok(answer, self.where)
            text = answer.read(ANSWER_LIMIT_BYTES + 1)
        return _refusals(text, self.where, {report.name for report in batch})

    def _halves(self, batch: Sequence[SealedReport]) -> Sequence[Refusal]:
        """What the receiver says is too much, in parts; a single one that is too large is never taken."""
        if len(batch) == 1:
            return [Refusal(batch[0].name, "the receiver says that it is too large")]
        middle = len(batch) // 2
        return [*self._send(batch[:middle]), *self._send(batch[middle:])]


def open_endpoint_sink(address: str, credential: Credential, _: Path) -> EndpointSink:
    """Raises UsageError for an address to which a token would go in the clear."""
    return EndpointSink(address, credential)


def endpoint_files(address: str, token: str) -> Iterator[Found]:
    """All reports of a receiver: a name and a sealed report a line. Raises RemoteError."""
    count = total = 0
    with _asked("GET", _url(address), token, READ_S) as answer:
        _expect_ok(answer, address)
        while line := answer.readline(REPORT_LIMIT_BYTES + 300):
            name, _, data = line.partition(b" ")
            count, total = count + 1, total + len(data)
            if not line.endswith(b"\n"):
                raise RemoteError(f"{address}: ends in the middle of its reports, after {count - 1:,}")
            if count > REPORTS_MAX or total > TOTAL_LIMIT_BYTES:
                yield Found("reports", reason=f"after {count - 1:,} reports of {total:,} bytes no more are read")
                return
            yield _named(name, data)


def _named(name: bytes, data: bytes) -> Found:
    text = name.decode("ascii", errors="replace")
    fleet, _, file = text.partition("/")
    try:
        check_asset_name(fleet)
        check_asset_name(file.replace("@", "."))
    except ValueError:
        return Found("reports", reason=f"{text[:80]!r} is no name of a report")
    return Found(text, data)


def _url(address: str) -> str:
    parts = urlsplit(address)
    local = parts.scheme == "http" and parts.hostname in _LOCAL
    if not (parts.scheme == "https" or local) or not parts.hostname or "@" in parts.netloc or parts.query:
        raise UsageError(
            f"{address}: reports go to an https:// address", hint="over http:// anybody reads the token; TLS is free"
        )
    return address.rstrip("/") + PATH


@contextlib.contextmanager
def _asked(
    method: str, url: str, credential: Credential | str, limit_s: float, body: bytes | None = None
) -> Iterator[http.client.HTTPResponse]:
    """One answer, the whole of it within a time limit. Raises RemoteError."""
    token = credential.text() if isinstance(credential, Credential) else credential
    headers = {"User-Agent": f"tinyops/{tinyops.__version__}", "Connection": "close", "Accept-Encoding": "identity"}
    if body is not None:
        headers["Content-Type"] = CONTENT_TYPE
    if token:
        headers["Authorization"] = f"Bearer {token}"
    link = connection(url, TIMEOUT_S)
    answer = None
    try:
        link.connect()
        with deadline(link.sock, limit_s):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before the end
                link.request(method, urlsplit(url).path, body=body, headers=headers)
            answer = link.getresponse()
            yield answer
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise RemoteError(f"{url}: {describe(error)}") from error
    finally:
        if answer is not None:
            answer.close()
        link.close()


def _expect_ok(answer: http.client.HTTPResponse, where: str) -> None:
    if answer.status == 200:
        return
    said = f"{where}: the receiver answered {answer.status} {http.client.responses.get(answer.status, '')}".rstrip()
    if answer.status in _BUSY:
        later = TryLater(said, hint="tried again when it said")
        later.after_s = retry_after_s(answer.headers.get("Retry-After", ""), time.time())
        raise later
    hint = "is it in --reports-token-file, and the receiver's own?" if answer.status in (401, 403) else ""
    raise RemoteError(said, hint=hint)


def retry_after_s(text: str, now_s: float) -> float | None:
    """Seconds until the moment that a header names; None where it names none."""
    if text.isascii() and text.isdecimal() and len(text) <= 9:
        return float(text)
    with contextlib.suppress(ValueError, OverflowError):
        moment = email.utils.parsedate_to_datetime(text)
        return max((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now_s, 0.0)
    return None


def _refusals(text: bytes, where: str, names: set[str]) -> list[Refusal]:
    """What the receiver did not take, of what was sent. Raises RemoteError for an answer that says nothing."""
    try:
        value = json.loads(text) if len(text) <= ANSWER_LIMIT_BYTES else None
        said = [Refusal(str(r["name"]), str(r["reason"])[:300], bool(r.get("later"))) for r in value["refused"]]  # type: ignore[index]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RemoteError(
            f"{where}: not a receiver's answer", hint="does the address name `tinyops receive`?"
        ) from None
    return [refusal for refusal in said if refusal.name in names]
