"""The endpoints of the fake GitHub: what each does to its state, and what it answers."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fakes import github_shapes as shapes
from fakes.github_state import HEAD, KEPT, TREE, Asset, Refused, Release, State, invalid

# -- who may ------------------------------------------------------------------------------------


def authorise(state: State, request: Any) -> str:
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


def route(state: State, request: Any, path: str, body: bytes, level: str) -> tuple[int, Any, dict[str, str]]:
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
        query = query_of(self.path)
        size, number = int(query.get("per_page", "30")), int(query.get("page", "1"))
        headers = {}
        if number * size < len(items):
            bare = urlsplit(self.path).path
            headers["Link"] = f'<{self.state.api}{bare}?per_page={size}&page={number + 1}>; rel="next"'
        return 200, items[(number - 1) * size : number * size], headers


def query_of(path: str) -> dict[str, str]:
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
    if state.immutable and not release.draft and "tag_name" in value:
        raise invalid("Release", "tag_name", "custom")
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
    state, name = call.state, query_of(call.path)["name"]
    release = state.releases.get(int(number))
    if release is None:
        raise _missing()
    if state.immutable and not release.draft:
        raise Refused(
            422, {"message": "Cannot upload assets to an immutable release.", "documentation_url": "https://d"}
        )
    if not call.body:
        raise invalid("ReleaseAsset", "size", "custom")
    if any(a.name == KEPT.sub(".", name) for a in state.assets_of(release.id)):
        raise invalid("ReleaseAsset", "name")
    return 201, shapes.asset(state, add_asset(state, release.id, name, call.body)), {}


def add_asset(state: State, release: int, name: str, content: bytes, how: str = "uploaded") -> Asset:
    if how == "uploaded" and state.damaged_uploads:
        state.damaged_uploads -= 1
        content = content[:-1] + bytes([content[-1] ^ 1])
    made = Asset(state.new_id(), release, state.releases[release].tag, KEPT.sub(".", name), content, how)
    state.assets[made.id] = made
    return made


def _get_asset(call: Call, number: str) -> Any:
    state, asset = call.state, call.state.assets.get(int(number))
    if asset is None or asset.state != "uploaded":
        raise _missing()
    if call.request.headers.get("Accept") != "application/octet-stream":
        return 200, shapes.asset(state, asset), {}
    return 302, None, {"Location": _address(state, asset)}


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


def answer_page(state: State, path: str) -> tuple[int, dict[str, str], bytes]:
    """What devices fetch, without any token: the newest release's file by name, and a release's file."""
    page = f"/{state.repository}/releases"
    latest = re.fullmatch(rf"{page}/latest/download/([^/]+)", path)
    if latest and state.latest is not None:
        return 302, {"Location": f"{state.web}{page}/download/{state.latest_tag()}/{latest.group(1)}"}, b""
    tagged = re.fullmatch(rf"{page}/download/([^/]+)/([^/]+)", path)
    release = state.published().get(tagged.group(1)) if tagged else None
    for asset in state.assets_of(release.id) if release and not state.private else ():
        if tagged and asset.name == tagged.group(2):
            return 302, {"Location": _address(state, asset)}, b""
    return 404, {"Content-Type": "text/html"}, b"<title>Page not found</title>"


def _address(state: State, asset: Asset) -> str:
    key = secrets.token_hex(24)
    state.addresses[key] = (asset.id, state.address_uses)
    return f"{state.objects}/objects/{asset.id}?key={key}&se=2027-01-01T00%3A05%3A00Z&padding={'x' * 1500}"


def answer_object(github: Any, request: Any) -> tuple[int, dict[str, str], bytes]:
    """The second host: knows nothing of tokens, serves ranges, and each address so often."""
    state = github.state
    if "Authorization" in request.headers:
        github.leaks.append(request.path)
        return 400, {}, b"<Error><Code>InvalidArgument</Code></Error>"
    github.ranges.append(request.headers.get("Range", ""))
    key = query_of(request.path).get("key", "")
    number, left = state.addresses.get(key, (0, 0))
    if not left or number not in state.assets:
        return 403, {}, b"<Error><Code>AuthenticationFailed</Code></Error>"
    state.addresses[key] = (number, left - 1)
    content = state.assets[number].content
    etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    if request.headers.get("If-None-Match") == etag:
        return 304, {"ETag": etag}, b""
    match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    if match is None:
        return 200, {"Accept-Ranges": "bytes", "ETag": etag}, content
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
    if state.commits[sha][1] == TREE and sha != HEAD:  # a commit beside the main branch that brings workflows
        headers = {"X-Accepted-GitHub-Permissions": "contents=write,workflows=write"}
        raise Refused(403, {"message": "Resource not accessible by integration"}, headers)
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
    if value["tree"] not in state.trees:
        raise Refused(422, {"message": "Tree SHA does not exist", "documentation_url": "https://docs/rest"})
    sha = hashlib.sha1(json.dumps(value).encode()).hexdigest()  # noqa: S324
    state.commits[sha] = (value["message"], value["tree"])
    return 201, shapes.git_commit(state, sha, *state.commits[sha]), {}


def _get_commit(call: Call, sha: str) -> Any:
    if sha not in call.state.commits:
        raise _missing()
    return 200, shapes.git_commit(call.state, sha, *call.state.commits[sha]), {}


def _create_tree(call: Call) -> Any:
    state, entries = call.state, call.json["tree"]
    if not state.commits:
        raise Refused(409, {"message": "Git Repository is empty.", "documentation_url": "https://docs/rest"})
    sha = hashlib.sha1(json.dumps(entries).encode()).hexdigest()  # noqa: S324
    state.trees.add(sha)
    return 201, shapes.tree(state, sha, entries), {}


def _get_run(call: Call, number: str) -> Any:
    if int(number) not in call.state.runs:
        raise _missing()
    return 200, call.state.runs[int(number)], {}


def _get_approvals(call: Call, number: str) -> tuple[int, Any, dict[str, str]]:
    """As GitHub's documentation shows it: the description at hand leaves this operation out."""
    environment = {"id": 7, "node_id": "E7", "name": "production", "url": "x", "html_url": "x"}
    found = [
        {
            "state": state,
            "comment": "",
            "environments": [environment],
            "user": {"login": login, "id": 1, "type": "User"},
        }
        for login, state in call.state.approvals.get(int(number), [])
    ]
    return 200, found, {}


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
    ("POST", r"/git/trees", _create_tree),
    ("GET", r"/repos/[^/]+/[^/]+/actions/runs/(\d+)", _get_run),
    ("GET", r"/actions/runs/(\d+)", _get_run),
    ("GET", r"/actions/runs/(\d+)/approvals", _get_approvals),
]
