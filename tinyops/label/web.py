"""The page and what it asks for, as a web application on this machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tinyops.datasets.index import IndexEntry
from tinyops.errors import SpecError, TinyopsError, ToolError
from tinyops.files import JsonObject
from tinyops.label.actions import parse_action
from tinyops.label.admission import LIMITS, OnlyThisPage
from tinyops.label.envelope import envelope, spectrogram
from tinyops.label.guesses import Guesses
from tinyops.label.pixels import pixels
from tinyops.label.session import Done, Session
from tinyops.label.signals import Shown
from tinyops.label.sound import wav
from tinyops.label.suggestions import Suggestions
from tinyops.receiver.guard import Door, Guard, Refused, read_body, refusal
from tinyops.specs.model import DatasetSpec

PAGE = Path(__file__).resolve().parent / "page"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
BYTES = "application/octet-stream"
GUESSES_AT_ONCE = 500
COLUMNS = (
    *("id", "path", "label", "subject", "device", "take", "time", "begin", "end"),
    *("frames", "rate_hz", "lost", "clipped", "kind"),
)

Answer = Callable[[Request], Response]


@dataclass(frozen=True)
class About:
    """What the page says of the dataset: its name and spec, where its classes stand."""

    name: str
    spec: DatasetSpec
    classes_at: str


class Labelling:
    """Answers to the page: each is a plain function that runs beside the others."""

    def __init__(self, about: About, session: Session, suggestions: Suggestions) -> None:
        self.about, self.session, self.suggestions = about, session, suggestions

    def index(self, request: Request) -> Response:
        """Everything about the dataset and its lines; nothing when the page has them already."""
        state = self.session.state()
        if request.query_params.get("known") == state.digest:
            return JSONResponse({"same": True})
        spec = self.about.spec
        return JSONResponse(
            {
                "dataset": self.about.name,
                "classes": list(spec.classes),
                "classes_at": self.about.classes_at,
                "signal": spec.signal.model_dump(mode="json"),
                "index": self.session.index.name,
                "digest": state.digest,
                "columns": list(COLUMNS),
                "rows": [_row(entry) for entry in state.entries],
                **self._history(),
            }
        )

    def facts(self, request: Request) -> Response:
        """What is known of one file before any of it is drawn."""
        shown = self._shown(request)
        return JSONResponse(
            {
                "frames": shown.frames,
                "slots": shown.slots.total,
                "gaps": [list(gap) for gap in shown.slots.gaps],
                "rate_hz": shown.rate_hz,
                "limits": list(shown.limits),
                "facts": shown.facts,
            }
        )

    def signal(self, request: Request) -> Response:
        part = envelope(self._shown(request), *_numbers(request, "begin", "end", "columns"))
        return Response(part.astype("<f4").tobytes(), media_type=BYTES)

    def spectrogram(self, request: Request) -> Response:
        part = spectrogram(self._shown(request), *_numbers(request, "channel", "begin", "end", "columns"))
        return Response(part.tobytes(), media_type=BYTES)

    def sound(self, request: Request) -> Response:
        return Response(
            wav(self._shown(request), *_numbers(request, "channel", "begin", "end")), media_type="audio/wav"
        )

    def pixels(self, request: Request) -> Response:
        size = self.about.spec.signal.size
        if size is None:
            raise SpecError("the dataset has no images")
        (frame,) = _numbers(request, "frame")
        return Response(pixels(self._shown(request), frame, size), media_type=BYTES)

    def guesses(self, request: Request) -> Response:
        """What the model found since the page asked last."""
        (after,) = _numbers(request, "after")
        opinion, found = self.suggestions.after(after)
        part = [[path, _guesses(one)] for path, one in found[:GUESSES_AT_ONCE]]
        return JSONResponse({**asdict(opinion), "found": part, "next": after + len(part)})

    def act(self, body: bytes) -> Response:
        return self._done(self.session.act(parse_action(body, self.about.spec.classes)))

    def undo(self, _: bytes) -> Response:
        return self._done(self.session.undo())

    def redo(self, _: bytes) -> Response:
        return self._done(self.session.redo())

    def _shown(self, request: Request) -> Shown:
        return self.session.shown(request.query_params.get("path", ""))

    def _done(self, done: Done) -> Response:
        return JSONResponse(
            {
                "what": done.change.what,
                "before": done.before,
                "after": done.after,
                "removed": [entry.id for entry in done.change.removed],
                "added": [_row(entry) for entry in done.change.added],
                **self._history(),
            }
        )

    def _history(self) -> JsonObject:
        done, undone = self.session.history.done, self.session.history.undone
        return {
            "undo": [len(done), done[-1].what if done else ""],
            "redo": [len(undone), undone[-1].what if undone else ""],
        }


def label_app(labelling: Labelling, token: str) -> OnlyThisPage:
    """The page at `/TOKEN/`; whoever does not know the token finds nothing."""
    home = f"/{token}/"
    reads: Mapping[str, Answer] = {
        name: getattr(labelling, name)
        for name in ("index", "facts", "signal", "spectrogram", "sound", "pixels", "guesses")
    }
    writes: Mapping[str, Callable[[bytes], Response]] = {
        name: getattr(labelling, name) for name in ("act", "undo", "redo")
    }
    routes = [Route(home + name, _reading(answer), methods=["GET"]) for name, answer in reads.items()]
    routes += [Route(home + name, _writing(answer), methods=["POST"]) for name, answer in writes.items()]
    files = sorted(path for path in PAGE.iterdir() if path.suffix in TYPES)
    routes += [Route(home + ("" if f.name == "page.html" else f.name), _file(f), methods=["GET"]) for f in files]
    app = Starlette(routes=routes, exception_handlers={Refused: _refused, TinyopsError: _failed})
    doors = {
        (method, route.path): Door(None)
        for route in routes
        for method in ("GET", "POST")
        if method in (route.methods or ())
    }
    return OnlyThisPage(Guard(app, doors, LIMITS), home)


def _reading(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answer, request)

    return endpoint


def _writing(answer: Callable[[bytes], Response]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = await read_body(request.receive)
        return await run_in_threadpool(answer, body)

    return endpoint


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_: Request) -> Response:
        return Response(path.read_bytes(), media_type=TYPES[path.suffix])

    return endpoint


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refusal(error)


async def _failed(_: Request, error: Exception) -> Response:
    """What cannot be, or could not be saved, in a sentence."""
    assert isinstance(error, TinyopsError)
    status = 500 if isinstance(error, ToolError) else 422
    return JSONResponse({"error": error.message, "hint": error.hint}, status)


def _row(entry: IndexEntry) -> list[Any]:
    return [getattr(entry, column) for column in COLUMNS]


def _guesses(found: Guesses | str) -> JsonObject:
    return {"problem": found} if isinstance(found, str) else asdict(found)


def _numbers(request: Request, *names: str) -> list[int]:
    """Raises SpecError for what is no count."""
    found = []
    for name in names:
        text = request.query_params.get(name, "")
        if not (text.isascii() and text.isdecimal()) or len(text) > 15:
            raise SpecError(f"{name}={text[:40]!r} is no count")
        found.append(int(text))
    return found
