"""The receiver of reports, as a web application: POST takes a batch, GET gives all, both with a token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tinyops.device.reports.endpoint import CONTENT_TYPE, PATH
from tinyops.receiver.guard import Door, Guard, Limits, Refused, read_body, refusal
from tinyops.receiver.store import ReportStore
from tinyops.receiver.tokens import Tokens

ALIVE = "/v1/alive"


def reports_app(store: ReportStore, writers: Tokens, readers: Tokens | None, limits: Limits) -> Guard:
    """Behind its guard. Who may read all reports need not be who may send some; without `readers` nobody may."""

    async def post(request: Request) -> Response:
        body = await read_body(request.receive)
        stored = await run_in_threadpool(store.take, body)
        return JSONResponse({"stored": stored.stored, "refused": [asdict(refusal) for refusal in stored.refused]})

    async def get(_: Request) -> Response:
        return StreamingResponse(_pieces(store), media_type=CONTENT_TYPE)

    async def alive(_: Request) -> Response:
        return JSONResponse({"alive": True})

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return refusal(error)

    routes = [
        Route(PATH, post, methods=["POST"]),
        Route(PATH, get, methods=["GET"]),
        Route(ALIVE, alive, methods=["GET"]),
    ]
    app = Starlette(routes=routes, exception_handlers={Refused: refused})
    doors = {("POST", PATH): Door(writers), ("GET", ALIVE): Door(None)}
    if readers is not None:
        doors["GET", PATH] = Door(readers)
    return Guard(app, doors, limits)


def _pieces(store: ReportStore) -> Iterator[bytes]:
    """Some reports at a time: a chunk for each would cost more than it holds."""
    piece = bytearray()
    for line in store.lines():
        piece += line
        if len(piece) > 64 * 1024:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)
