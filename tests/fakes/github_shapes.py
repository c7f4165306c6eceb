"""The JSON that GitHub answers with, field by field, for the fake server."""

from __future__ import annotations

from typing import Any

WHEN = "2027-01-02T03:04:05Z"
LOGIN = "acme-bot"


def user(api: str, web: str) -> dict[str, Any]:
    names = {
        "followers_url": "/followers",
        "following_url": "/following{/other_user}",
        "gists_url": "/gists{/gist_id}",
        "starred_url": "/starred{/owner}{/repo}",
        "subscriptions_url": "/subscriptions",
        "organizations_url": "/orgs",
        "repos_url": "/repos",
        "events_url": "/events{/privacy}",
        "received_events_url": "/received_events",
    }
    return {
        "login": LOGIN,
        "id": 1,
        "node_id": "U1",
        "avatar_url": f"{web}/avatar",
        "gravatar_id": "",
        "url": f"{api}/users/{LOGIN}",
        "html_url": f"{web}/{LOGIN}",
        "type": "User",
        "site_admin": False,
        **{name: f"{api}/users/{LOGIN}{path}" for name, path in names.items()},
    }


def asset(state: Any, found: Any) -> dict[str, Any]:
    return {
        "url": f"{state.repository_url}/releases/assets/{found.id}",
        "id": found.id,
        "node_id": f"RA{found.id}",
        "name": found.name,
        "label": None,
        "uploader": user(state.api, state.web),
        "content_type": "application/octet-stream",
        "state": found.state,
        "size": len(found.content),
        "digest": found.digest if state.tells_digests and found.state == "uploaded" else None,
        "download_count": 0,
        "created_at": WHEN,
        "updated_at": WHEN,
        "browser_download_url": f"{state.web}/{state.repository}/releases/download/{found.tag}/{found.name}",
    }


def release(state: Any, found: Any) -> dict[str, Any]:
    url = f"{state.repository_url}/releases/{found.id}"
    embedded = [asset(state, a) for a in state.assets_of(found.id)][: state.embedded_max]
    return {
        "url": url,
        "html_url": f"{state.web}/{state.repository}/releases/tag/{found.tag}",
        "assets_url": f"{url}/assets",
        "upload_url": f"{state.uploads}/repos/{state.repository}/releases/{found.id}/assets{{?name,label}}",
        "tarball_url": None if found.draft else f"{state.repository_url}/tarball/{found.tag}",
        "zipball_url": None if found.draft else f"{state.repository_url}/zipball/{found.tag}",
        "id": found.id,
        "node_id": f"RE{found.id}",
        "tag_name": found.tag,
        "target_commitish": "main",
        "name": found.name,
        "body": found.body,
        "draft": found.draft,
        "prerelease": found.prerelease,
        "immutable": state.immutable and not found.draft,
        "created_at": WHEN,
        "published_at": None if found.draft else WHEN,
        "author": user(state.api, state.web),
        "assets": embedded,
    }


def ref(state: Any, name: str, sha: str) -> dict[str, Any]:
    return {
        "ref": name,
        "node_id": "REF",
        "url": f"{state.repository_url}/git/{name}",
        "object": {"type": "commit", "sha": sha, "url": f"{state.repository_url}/git/commits/{sha}"},
    }


def git_commit(state: Any, sha: str, message: str, tree: str) -> dict[str, Any]:
    who = {"name": LOGIN, "email": "bot@acme.example", "date": WHEN}
    unsigned = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}
    return {
        "sha": sha,
        "node_id": f"C{sha}",
        "url": f"{state.repository_url}/git/commits/{sha}",
        "html_url": f"{state.web}/{state.repository}/commit/{sha}",
        "author": who,
        "committer": who,
        "tree": {"sha": tree, "url": f"{state.repository_url}/git/trees/{tree}"},
        "message": message,
        "parents": [],
        "verification": unsigned,
    }


def tree(state: Any, sha: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    url = f"{state.repository_url}/git"
    listed = [
        {"path": e["path"], "mode": e["mode"], "type": e["type"], "sha": sha, "size": 1, "url": f"{url}/blobs/{sha}"}
        for e in entries
    ]
    return {"sha": sha, "url": f"{url}/trees/{sha}", "tree": listed, "truncated": False}
