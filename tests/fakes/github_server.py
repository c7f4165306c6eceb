"""GitHub as far as releases and refs go: stateful, on three hosts of loopback, with faults that a test switches on.

Releases and refs live at the API's address, uploads go to another port, downloads are redirected to
another host name with a long address that expires. `exchanges` has every request and answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fakes import github_shapes as shapes
from fakes.openapi import Exchange

TOKEN = "ghs_canary0123456789abcdefghijklmnop"
READ_TOKEN = "ghs_readonly123456789abcdefghijklmno"
REPOSITORY = "acme/wearables-releases"
TREE = hashlib.sha1(b"tree").hexdigest()  # noqa: S324 as Git does
HEAD = hashlib.sha1(b"head").hexdigest()  # noqa: S324
_KEPT = re.compile(r"[^A-Za-z0-9._+@-]")


@dataclass
class Asset:
    id: int
    release: int
    tag: str
    name: str
    content: bytes
    state: str = "uploaded"
    told: str = ""  # another digest than that of the content, as after damage

    @property
    def digest(self) -> str:
        return self.told or "sha256:" + hashlib.sha256(self.content).hexdigest()


@dataclass
class Release:
    id: int
    tag: str
    name: str
    body: str
    draft: bool
    prerelease: bool = False


@dataclass
class Refused(Exception):
    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def invalid(resource: str, name: str, code: str = "already_exists") -> Refused:
    errors = [{"resource": resource, "code": code, "field": name}]
    return Refused(422, {"message": "Validation Failed", "errors": errors, "documentation_url": "https://docs/x"})


@dataclass
class Fault:
    """What happens to requests that `when` picks, `times` times. `after`: the request is carried out first."""

    kind: str  # drop, status, truncate, stall, garbage, half, kill
    when: Callable[[str, str, int], bool]  # method, path, number of the request from 1
    times: int = 1
    after: bool = False
    status: int = 502
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"message": "trouble"}'
    pid: Callable[[], int] = lambda: 0


class State:
    """What GitHub holds; a test looks at it and changes it."""

    def __init__(self) -> None:
        self.repository = REPOSITORY
        self.api = self.uploads = self.objects = self.web = ""
        self.releases: dict[int, Release] = {}
        self.assets: dict[int, Asset] = {}
        self.latest: int | None = None
        self.refs: dict[str, str] = {"refs/heads/main": HEAD}
        self.commits: dict[str, tuple[str, str]] = {HEAD: ("first", TREE)}
        self.runs: dict[int, dict[str, Any]] = {}
        self.tokens = {TOKEN: "write", READ_TOKEN: "read"}
        self.private = False
        self.immutable = False
        self.tells_digests = True
        self.embedded_max = 1000
        self.damaged_uploads = 0  # how many of the next uploads arrive with another byte
        self.address_uses = 1000  # how often the long address of a download may be used
        self.rate_remaining: int | None = None
        self.rate_reset = 0
        self.addresses: dict[str, tuple[int, int]] = {}
        self.next_id = 100

    @property
    def repository_url(self) -> str:
        return f"{self.api}/repos/{self.repository}"

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id

    def assets_of(self, release: int) -> list[Asset]:
        return [a for a in self.assets.values() if a.release == release]

    def published(self) -> dict[str, Release]:
        return {r.tag: r for r in self.releases.values() if not r.draft}

    def drafts(self) -> list[Release]:
        return [r for r in self.releases.values() if r.draft]

    def asset(self, tag: str, name: str) -> Asset:
        return next(a for a in self.assets_of(self.published()[tag].id) if a.name == name)

    def latest_tag(self) -> str:
        return self.releases[self.latest].tag if self.latest is not None else ""


class GitHub:
    """The running server."""

    def __init__(self) -> None:
        self.state = State()
        self.faults: list[Fault] = []
        self.exchanges: list[Exchange] = []
        self.asked: list[tuple[str, str, str]] = []  # place, method, path
        self.leaks: list[str] = []
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self._servers = {p: _Server(p, self) for p in ("api", "uploads", "objects")}
        ports = {place: server.server_address[1] for place, server in self._servers.items()}
        self.url = f"http://127.0.0.1:{ports['api']}"
        self.state.api, self.state.web = f"{self.url}/api/v3", self.url
        self.state.uploads = f"http://127.0.0.1:{ports['uploads']}/api/uploads"
        self.state.objects = f"http://localhost:{ports['objects']}"

    def __enter__(self) -> GitHub:
        self._threads = [
            threading.Thread(target=s.serve_forever, kwargs={"poll_interval": 0.01}) for s in self._servers.values()
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for server in self._servers.values():
            server.shutdown()
        for thread in self._threads:
            thread.join()
        for server in self._servers.values():
            server.server_close()

    def fault(self, kind: str, method: str = "", path: str = "", **options: Any) -> Fault:
        """A fault for requests of a method whose path matches a pattern; `number` picks one by its number instead."""
        number = options.pop("number", 0)

        def when(asked: str, at: str, count: int) -> bool:
            if number:
                return count == number
            return (not method or asked == method) and re.search(path, at) is not None

        fault = Fault(kind, when, **options)
        self.faults.append(fault)
        return fault

    def take_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.when(method, path, len(self.asked)):
                fault.times -= 1
                return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, place: str, github: GitHub) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.place, self.github = place, github

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no news."""


class _Request(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer in two parts would wait 40 ms for an acknowledgement
    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its name in the base class
        pass

    def _any(self) -> None:
        github, place = self.server.github, self.server.place
        prefix = {"api": "/api/v3", "uploads": "/api/uploads", "objects": ""}[place]
        path = self.path.removeprefix(prefix)
        with github.lock:
            github.asked.append((place, self.command, path))
            fault = github.take_fault(self.command, path)
        if fault is not None and fault.kind == "half":
            return self._half(path)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if len(body) < int(self.headers.get("Content-Length", "0")):
            return self._gave_up(path, body)
        if fault is not None and not fault.after and self._spoil(fault, b"", {}):
            return None
        with github.lock:
            status, headers, answer = self._answer(place, path, body)
            if place != "objects":
                sent_as = self.headers.get("Content-Type", "")
                github.exchanges.append(
                    Exchange(
                        place, self.command, path, sent_as, body, status, headers, answer if status != 302 else b""
                    )
                )
        if fault is not None and self._spoil(fault, answer, headers):
            return None
        return self._send(status, answer, headers)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _any

    def _answer(self, place: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        state = self.server.github.state
        try:
            if place == "objects":
                return _object(self.server.github, self)
            level = _authorise(state, self)
            status, value, headers = _route(state, self, path, body, level)
        except Refused as refused:
            status, value, headers = refused.status, refused.body, refused.headers
        if state.rate_remaining is not None:
            headers = {**headers, "X-RateLimit-Remaining": str(state.rate_remaining)}
        if value is None:
            return status, headers, b""
        answer = json.dumps(value).encode()
        return status, {"Content-Type": "application/json; charset=utf-8", "ETag": '"e"', **headers}, answer

    def _send(self, status: int, answer: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def _spoil(self, fault: Fault, answer: bytes, headers: dict[str, str]) -> bool:
        """Whether the answer has been taken care of."""
        if fault.kind == "kill":
            os.kill(fault.pid(), signal.SIGKILL)
        elif fault.kind == "stall":
            self.server.github.stopping.wait(20)
        elif fault.kind == "status":
            self._send(fault.status, fault.body, {"Content-Type": "application/json", **fault.headers})
            return True
        elif fault.kind == "json":
            self._send(200, fault.body, {"Content-Type": "application/json"})
            return True
        elif fault.kind == "garbage":
            self._send(200, b"<!doctype html><title>Please log in</title>", {"Content-Type": "text/html"})
            return True
        elif fault.kind == "truncate":
            if not fault.after:
                return False  # the answer is needed
            self.send_response(206 if "Content-Range" in headers else 200)
            for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer[: len(answer) // 2])
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(2)
        return True

    def _half(self, path: str) -> None:
        """An upload of which half arrives."""
        length = int(self.headers["Content-Length"])
        self._gave_up(path, self.rfile.read(length // 2))
        self.connection.shutdown(2)

    def _gave_up(self, path: str, content: bytes) -> None:
        """The client went away in the middle of its upload."""
        github = self.server.github
        with github.lock:
            release = int(path.split("/releases/")[1].split("/")[0])
            _add_asset(github.state, release, _query(path)["name"], content, "starter")
        self.close_connection = True


# -- who may ------------------------------------------------------------------------------------


def _authorise(state: State, request: Any) -> str:
    """none, read or write."""
    given = request.headers.get("Authorization", "")
    token = given.removeprefix("Bearer ").removeprefix("token ")
    level = state.tokens.get(token, "") if given else "none"
    if given and not level:
        raise Refused(401, {"message": "Bad credentials", "documentation_url": "https://docs/rest"})
    if state.rate_remaining == 0:
        headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(state.rate_reset)}
        raise Refused(403, {"message": "API rate limit exceeded", "documentation_url": "https://docs/rest"}, headers)
    if f"/repos/{state.repository}/" not in request.path and "/actions/runs/" not in request.path:
        raise Refused(404, {"message": "Not Found", "documentation_url": "https://docs/rest"})
    if state.private and level == "none":
        raise Refused(404, {"message": "Not Found", "documentation_url": "https://docs/rest"})
    if request.command != "GET" and level != "write":
        raise Refused(
            403 if level == "read" else 401,
            {"message": "Resource not accessible by integration", "documentation_url": "https://docs/rest"},
            {"X-Accepted-GitHub-Permissions": "contents=write"},
        )
    return level


def _route(state: State, request: Any, path: str, body: bytes, level: str) -> tuple[int, Any, dict[str, str]]:
    bare = urlsplit(path).path.split(f"/repos/{state.repository}", 1)[-1]
    for method, pattern, function in ROUTES:
        match = re.fullmatch(pattern, bare)
        if method == request.command and match:
            call = Call(state, request, path, body, level)
            return function(call, *match.groups())
    raise Refused(404, {"message": "Not Found"})


@dataclass
class Call:
    state: State
    request: Any
    path: str
    body: bytes
    level: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    def page(self, items: list[Any]) -> tuple[int, Any, dict[str, str]]:
        query = _query(self.path)
        size, number = int(query.get("per_page", "30")), int(query.get("page", "1"))
        headers = {}
        if number * size < len(items):
            bare = urlsplit(self.path).path
            headers["Link"] = f'<{self.state.api}{bare}?per_page={size}&page={number + 1}>; rel="next"'
        return 200, items[(number - 1) * size : number * size], headers


def _query(path: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}


def _missing() -> Refused:
    return Refused(404, {"message": "Not Found", "documentation_url": "https://docs/rest"})


# -- releases -----------------------------------------------------------------------------------


def _list_releases(call: Call) -> Any:
    seen = [r for r in call.state.releases.values() if not r.draft or call.level == "write"]
    return call.page([shapes.release(call.state, r) for r in reversed(seen)])


def _create_release(call: Call) -> Any:
    value, state = call.json, call.state
    if not state.commits:
        raise invalid("Release", "tag_name", "custom")
    made = Release(state.new_id(), value["tag_name"], value.get("name", ""), value.get("body", ""), True)
    state.releases[made.id] = made
    if not value.get("draft", False):
        _publish(state, made, value)
    return 201, shapes.release(state, made), {"Location": "x"}


def _publish(state: State, release: Release, value: dict[str, Any]) -> None:
    if release.tag in state.published():
        raise invalid("Release", "tag_name")
    release.draft = False
    state.refs[f"refs/tags/{release.tag}"] = HEAD
    if value.get("make_latest", "true") == "true" and not release.prerelease:
        state.latest = release.id


def _edit_release(call: Call, number: str) -> Any:
    state, value = call.state, call.json
    release = state.releases.get(int(number))
    if release is None:
        raise _missing()
    release.body = value.get("body", release.body)
    release.name = value.get("name", release.name)
    release.prerelease = value.get("prerelease", release.prerelease)
    if release.draft and value.get("draft") is False:
        _publish(state, release, value)
    elif value.get("make_latest") == "true":
        if release.draft or release.prerelease:
            raise invalid("Release", "make_latest", "custom")
        state.latest = release.id
    return 200, shapes.release(state, release), {}


def _delete_release(call: Call, number: str) -> Any:
    state = call.state
    if state.releases.pop(int(number), None) is None:
        raise _missing()
    state.assets = {i: a for i, a in state.assets.items() if a.release != int(number)}
    return 204, None, {}


def _latest_release(call: Call) -> Any:
    release = call.state.releases.get(call.state.latest or 0)
    if release is None:
        raise _missing()
    return 200, shapes.release(call.state, release), {}


def _release_by_tag(call: Call, tag: str) -> Any:
    release = call.state.published().get(tag)
    if release is None:
        raise _missing()
    return 200, shapes.release(call.state, release), {}


# -- assets -------------------------------------------------------------------------------------


def _list_assets(call: Call, number: str) -> Any:
    return call.page([shapes.asset(call.state, a) for a in call.state.assets_of(int(number))])


def _upload(call: Call, number: str) -> Any:
    state, name = call.state, _query(call.path)["name"]
    release = state.releases.get(int(number))
    if release is None:
        raise _missing()
    if state.immutable and not release.draft:
        raise Refused(
            422, {"message": "Cannot upload assets to an immutable release.", "documentation_url": "https://d"}
        )
    if not call.body:
        raise invalid("ReleaseAsset", "size", "custom")
    if any(a.name == _KEPT.sub(".", name) for a in state.assets_of(release.id)):
        raise invalid("ReleaseAsset", "name")
    return 201, shapes.asset(state, _add_asset(state, release.id, name, call.body)), {}


def _add_asset(state: State, release: int, name: str, content: bytes, how: str = "uploaded") -> Asset:
    if how == "uploaded" and state.damaged_uploads:
        state.damaged_uploads -= 1
        content = content[:-1] + bytes([content[-1] ^ 1])
    made = Asset(state.new_id(), release, state.releases[release].tag, _KEPT.sub(".", name), content, how)
    state.assets[made.id] = made
    return made


def _get_asset(call: Call, number: str) -> Any:
    state, asset = call.state, call.state.assets.get(int(number))
    if asset is None or asset.state != "uploaded":
        raise _missing()
    if call.request.headers.get("Accept") != "application/octet-stream":
        return 200, shapes.asset(state, asset), {}
    key = secrets.token_hex(24)
    state.addresses[key] = (asset.id, state.address_uses)
    address = f"{state.objects}/objects/{asset.id}?key={key}&se=2027-01-01T00%3A05%3A00Z&padding={'x' * 1500}"
    return 302, None, {"Location": address}


def _delete_asset(call: Call, number: str) -> Any:
    asset = call.state.assets.get(int(number))
    if asset is None:
        raise _missing()
    if call.state.immutable and not call.state.releases[asset.release].draft:
        raise Refused(
            422, {"message": "Cannot delete assets of an immutable release.", "documentation_url": "https://d"}
        )
    del call.state.assets[asset.id]
    return 204, None, {}


def _object(github: GitHub, request: Any) -> tuple[int, dict[str, str], bytes]:
    """The second host: knows nothing of tokens, serves ranges, and each address so often."""
    state = github.state
    if "Authorization" in request.headers:
        github.leaks.append(request.path)
        return 400, {}, b"<Error><Code>InvalidArgument</Code></Error>"
    key = _query(request.path).get("key", "")
    number, left = state.addresses.get(key, (0, 0))
    if not left or number not in state.assets:
        return 403, {}, b"<Error><Code>AuthenticationFailed</Code></Error>"
    state.addresses[key] = (number, left - 1)
    content = state.assets[number].content
    match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    if match is None:
        return 200, {"Accept-Ranges": "bytes"}, content
    start = int(match.group(1))
    if start >= len(content):
        return 416, {}, b""
    return 206, {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}, content[start:]


# -- refs and commits ---------------------------------------------------------------------------


def _matching_refs(call: Call, prefix: str) -> Any:
    names = sorted(n for n in call.state.refs if n.startswith(f"refs/{prefix}"))
    return 200, [shapes.ref(call.state, n, call.state.refs[n]) for n in names], {}


def _create_ref(call: Call) -> Any:
    state, name, sha = call.state, call.json["ref"], call.json["sha"]
    if not name.startswith("refs/") or name.count("/") < 2 or sha not in state.commits:
        raise Refused(422, {"message": "Object does not exist", "documentation_url": "https://docs/rest"})
    if name in state.refs:
        raise Refused(422, {"message": "Reference already exists", "documentation_url": "https://docs/rest"})
    state.refs[name] = sha
    return 201, shapes.ref(state, name, sha), {}


def _move_ref(call: Call, name: str) -> Any:
    state, sha = call.state, call.json["sha"]
    if name not in state.refs or sha not in state.commits:
        raise Refused(422, {"message": "Reference does not exist", "documentation_url": "https://docs/rest"})
    if not call.json.get("force"):
        raise Refused(422, {"message": "Update is not a fast forward", "documentation_url": "https://docs/rest"})
    state.refs[name] = sha
    return 200, shapes.ref(state, name, sha), {}


def _delete_ref(call: Call, name: str) -> Any:
    if call.state.refs.pop(name, None) is None:
        raise Refused(422, {"message": "Reference does not exist", "documentation_url": "https://docs/rest"})
    return 204, None, {}


def _create_commit(call: Call) -> Any:
    state, value = call.state, call.json
    if value["tree"] != TREE:
        raise Refused(422, {"message": "Tree SHA does not exist", "documentation_url": "https://docs/rest"})
    sha = hashlib.sha1(json.dumps(value).encode()).hexdigest()  # noqa: S324
    state.commits[sha] = (value["message"], value["tree"])
    return 201, shapes.git_commit(state, sha, *state.commits[sha]), {}


def _get_commit(call: Call, sha: str) -> Any:
    if sha not in call.state.commits:
        raise _missing()
    return 200, shapes.git_commit(call.state, sha, *call.state.commits[sha]), {}


def _list_commits(call: Call) -> Any:
    if not call.state.commits:
        raise Refused(409, {"message": "Git Repository is empty.", "documentation_url": "https://docs/rest"})
    return call.page([shapes.listed_commit(call.state, HEAD, *call.state.commits[HEAD])])


def _get_run(call: Call, number: str) -> Any:
    if int(number) not in call.state.runs:
        raise _missing()
    return 200, call.state.runs[int(number)], {}


ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", r"/releases", _list_releases),
    ("POST", r"/releases", _create_release),
    ("GET", r"/releases/latest", _latest_release),
    ("GET", r"/releases/tags/([^/]+)", _release_by_tag),
    ("PATCH", r"/releases/(\d+)", _edit_release),
    ("DELETE", r"/releases/(\d+)", _delete_release),
    ("GET", r"/releases/(\d+)/assets", _list_assets),
    ("POST", r"/releases/(\d+)/assets", _upload),
    ("GET", r"/releases/assets/(\d+)", _get_asset),
    ("DELETE", r"/releases/assets/(\d+)", _delete_asset),
    ("GET", r"/git/matching-refs/(.+)", _matching_refs),
    ("POST", r"/git/refs", _create_ref),
    ("PATCH", r"/git/(refs/.+)", _move_ref),
    ("DELETE", r"/git/(refs/.+)", _delete_ref),
    ("POST", r"/git/commits", _create_commit),
    ("GET", r"/git/commits/([0-9a-f]+)", _get_commit),
    ("GET", r"/commits", _list_commits),
    ("GET", r"/repos/[^/]+/[^/]+/actions/runs/(\d+)", _get_run),
    ("GET", r"/actions/runs/(\d+)", _get_run),
]


@contextlib.contextmanager
def serving_github() -> Iterator[GitHub]:
    with GitHub() as github:
        yield github
