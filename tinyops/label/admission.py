"""Only this page talks to this server: the token in its address, and headers that no other page can forge.

An ASGI application around another one. A page of another site may send requests to 127.0.0.1, but not choose `Origin`;
a name that leads here (DNS rebinding) shows in `Host`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyops.receiver.guard import App, Limits, Message, Receive, Refused, Scope, Send, refusal

LIMITS = Limits(bodies_max=64, bodies_per_client=48, per_client_s=1000.0, burst=5000.0, patience_s=20.0)
NAMES = ("127.0.0.1", "localhost")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    b"content-security-policy": POLICY.encode(),
    b"referrer-policy": b"no-referrer",  # the address holds the token
    b"x-content-type-options": b"nosniff",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cache-control": b"no-store",
}


class OnlyThisPage:
    """Refuses what does not come from the page at `home`, or from a person who opens it."""

    def __init__(self, app: App, home: str) -> None:
        self._app, self._home = app, home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS.items()]
            await send(message)

        try:
            check(scope, self._home)
        except Refused as refused:
            await refusal(refused)(scope, receive, dressed)
            return
        await self._app(scope, receive, dressed)


def check(scope: Scope, home: str) -> None:
    """Raises Refused by the request's headers."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    port = (scope.get("server") or ("", 0))[1]
    if headers.get("host", "") not in {f"{name}:{port}" for name in NAMES}:
        raise Refused(421, "this server has another name")
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{headers['host']}":
        raise Refused(403, "another page may not do that")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and scope["path"] != home:
        raise Refused(403, "another page may not do that")
    if scope["method"] != "GET":
        _check_write(headers)


def _check_write(headers: Mapping[str, str]) -> None:
    if "origin" not in headers:
        raise Refused(403, "no origin: only the page may change something")
    if headers.get("content-type") != "application/json":
        raise Refused(415, "wanted application/json")
