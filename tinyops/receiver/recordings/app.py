"""The receiver of recordings as a web application, behind its guard.

POST   /v1/takes                        facts as JSON: opens a take
GET    /v1/takes/ID                     how far it came, or its receipt
PUT    /v1/takes/ID?offset=&crc32=      a chunk
POST   /v1/takes/ID/stream?offset=&close=   a chunk without an end: taken as it comes
POST   /v1/takes/ID/close               makes a recording of it
DELETE /v1/takes/ID                     forgets it
POST   /v1/files?dataset=&device=&ending=&sha256=   a whole file at once
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tinyops.collect.wire import FACTS_LIMIT_BYTES, FILES_PATH, PATH, Closing, Opening, Receipt
from tinyops.documents import Strict
from tinyops.receiver.guard import App, Door, Guard, Limits, Refused, read_body, refusal
from tinyops.receiver.recordings.desk import Desk
from tinyops.receiver.recordings.ledger import Incoming
from tinyops.receiver.recordings.pages import health_page, metrics_page
from tinyops.receiver.tokens import Tokens

PIECE_BYTES = 64 * 1024
BUSY_S = 0.05
FAULTS_SHOWN = 3
_CRC = re.compile(r"[0-9A-Fa-f]{8}")
DocumentT = TypeVar("DocumentT", bound=Strict)


def recordings_app(desk: Desk, tokens: Tokens, limits: Limits) -> Guard:
    """Behind its guard, whose `answered` its metrics show."""

    async def health(_: Request) -> Response:
        return health_page(desk)

    async def metrics(_: Request) -> Response:
        return metrics_page(desk, guard.answered)

    answers = _Answers(desk)
    take = PATH + "/{take}"
    routes: Mapping[tuple[str, str], tuple[Any, Door]] = {
        ("POST", PATH): (answers.open, Door(tokens, FACTS_LIMIT_BYTES)),
        ("GET", take): (answers.look, Door(tokens, 0)),
        ("PUT", take): (answers.append, Door(tokens, desk.bounds.chunk_bytes)),
        ("DELETE", take): (answers.drop, Door(tokens, 0)),
        ("POST", take + "/stream"): (answers.stream, Door(tokens, streams=True)),
        ("POST", take + "/close"): (answers.close, Door(tokens, FACTS_LIMIT_BYTES)),
        ("POST", FILES_PATH): (answers.file, Door(tokens, streams=True)),
        ("GET", "/healthz"): (health, Door(None, 0)),
        ("GET", "/metrics"): (metrics, Door(None, 0)),
    }
    app: App = Starlette(
        routes=[Route(path, answer, methods=[method]) for (method, path), (answer, _) in routes.items()],
        exception_handlers={Refused: _refused},
    )
    guard = Guard(app, {place: door for place, (_, door) in routes.items()}, limits)
    return guard


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refusal(error)


class _Answers:
    """A function for each path."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def open(self, request: Request) -> Response:
        opening = _document(Opening, await read_body(request.receive))
        incoming, is_new = await self._desk.open(opening, request.state.scope)
        facts = {"take": incoming.name, "offset": incoming.bytes, **self._desk.bounds.facts()}
        return JSONResponse(facts, 201 if is_new else 200)

    async def look(self, request: Request) -> Response:
        found = self._desk.find(request.path_params["take"], request.state.scope)
        if isinstance(found, Receipt):
            return JSONResponse({"state": "closed", **found.model_dump()})
        state = "open" if found.closing is None else "closing"
        return JSONResponse({"state": state, "take": found.name, "offset": found.bytes, "lost": found.lost})

    async def append(self, request: Request) -> Response:
        body = await read_body(request.receive)
        incoming = self._incoming(request)
        crc = _crc(request, incoming)
        offset, lost = _count(request, "offset"), _count(request, "lost", 0)
        return JSONResponse({"offset": await self._desk.append(incoming, offset, body, crc=crc, lost=lost)})

    async def stream(self, request: Request) -> Response:
        incoming, offset = self._incoming(request), _count(request, "offset")
        if offset > incoming.bytes:
            raise Refused(409, f"bytes from {incoming.bytes:,} are missing", facts={"offset": incoming.bytes})
        await self._pour(request, incoming, offset)
        if request.query_params.get("close"):
            return _receipt(await self._desk.close(incoming, Closing()))
        return JSONResponse({"offset": incoming.bytes})

    async def close(self, request: Request) -> Response:
        body = await read_body(request.receive)
        closing = _document(Closing, body or b"{}")
        found = self._desk.find(request.path_params["take"], request.state.scope)
        return _receipt(found if isinstance(found, Receipt) else await self._desk.close(found, closing))

    async def drop(self, request: Request) -> Response:
        await self._desk.drop(self._incoming(request))
        return Response(status_code=204)

    async def file(self, request: Request) -> Response:
        """A take that is one file: as a stream, then closed; forgotten where it did not come whole."""
        facts = dict(request.query_params)
        digest = facts.pop("sha256", "")
        closing = _validated(Closing, {"sha256": f"sha256:{digest.removeprefix('sha256:')}"})
        opening = _validated(Opening, {"encoding": "file", **facts})
        incoming, _ = await self._desk.open(opening, request.state.scope)
        try:
            await self._pour(request, incoming, 0)
            return _receipt(await self._desk.close(incoming, closing))
        except BaseException:
            if incoming.closing is None:
                with contextlib.suppress(Refused):
                    await asyncio.shield(self._desk.drop(incoming))
            raise

    def _incoming(self, request: Request) -> Incoming:
        return self._desk.find_open(request.path_params["take"], request.state.scope)

    async def _pour(self, request: Request, incoming: Incoming, offset: int) -> None:
        """A body as it comes: the next piece is read when the one before is on the disk, and not faster than the
        device may send, so that a slow disk slows the sender down."""
        async for piece in _pieces(request, self._desk.ending):
            for part in _parts(piece, self._desk.bounds.take_bytes - offset):
                while (wait_s := self._desk.wait_s(incoming, len(part))) > 0:
                    await asyncio.sleep(wait_s)
                while self._desk.journal.is_busy:
                    await asyncio.sleep(BUSY_S)
                await self._desk.append(incoming, offset, part, is_counted=True)
                offset += len(part)


def _parts(piece: bytes, room: int) -> Iterator[bytes]:
    """Of a size that the disk takes at once; what still fits into a take is apart from what does not."""
    for half in (piece[: max(room, 0)], piece[max(room, 0) :]):
        for begin in range(0, len(half), PIECE_BYTES):
            yield half[begin : begin + PIECE_BYTES]


async def _pieces(request: Request, ending: asyncio.Event) -> AsyncIterator[bytes]:
    """Raises Refused where the client goes away, or the receiver ends."""
    end = asyncio.ensure_future(ending.wait())
    try:
        while True:
            message = asyncio.ensure_future(request.receive())
            await asyncio.wait((message, end), return_when=asyncio.FIRST_COMPLETED)
            if not message.done():
                message.cancel()
                raise Refused.busy(503, "the receiver ends: go on later", 10)
            found = message.result()
            if found["type"] != "http.request":
                raise Refused(400, "the client went away")
            yield found.get("body", b"")
            if not found.get("more_body"):
                return
    finally:
        end.cancel()


def _document(kind: type[DocumentT], body: bytes) -> DocumentT:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise _wrong(error) from error


def _validated(kind: type[DocumentT], facts: Mapping[str, Any]) -> DocumentT:
    try:
        return kind.model_validate(facts)
    except ValidationError as error:
        raise _wrong(error) from error


def _wrong(error: ValidationError) -> Refused:
    faults = [
        f"{'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg'].removeprefix('Value error, ')}"[:200]
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    more = f"; {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
    return Refused(422, "; ".join(faults[:FAULTS_SHOWN]) + more)


def _count(request: Request, name: str, default: int | None = None) -> int:
    text = request.query_params.get(name, "" if default is None else str(default))
    if not (text.isascii() and text.isdecimal()) or len(text) > 15:
        raise Refused(400, f"{name}=: wants a count of bytes" if name == "offset" else f"{name}=: wants a count")
    return int(text)


def _crc(request: Request, incoming: Incoming) -> int | None:
    """Frames of the link carry their own."""
    text = request.query_params.get("crc32", "")
    if not text and incoming.opening.encoding == "frames":
        return None
    if not _CRC.fullmatch(text):
        raise Refused(400, "crc32=: wants the CRC-32 of the chunk, 8 hex digits, as zlib's crc32")
    return int(text, 16)


def _receipt(receipt: Receipt) -> Response:
    facts = receipt.model_dump()
    if receipt.problem:
        return JSONResponse({"error": receipt.problem, **facts}, 422)
    return JSONResponse(facts)
