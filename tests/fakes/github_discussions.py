"""Issues, pull requests and comments of the fake GitHub, shaped as GitHub describes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fakes import github_shapes as shapes
from fakes.github_routes import ROUTES, Call
from fakes.github_server import GitHub
from fakes.github_state import HEAD, Refused

BOT = "github-actions[bot]"
REPOSITORY_PATHS = (
    *("archive", "assignees", "blobs", "branches", "collaborators", "comments", "commits", "compare", "contents"),
    *("contributors", "deployments", "downloads", "events", "forks", "git_commits", "git_refs", "git_tags", "hooks"),
    *("issue_comment", "issue_events", "issues", "keys", "labels", "languages", "merges", "milestones"),
    *("notifications", "pulls", "releases", "stargazers", "statuses", "subscribers", "subscription", "tags", "teams"),
    "trees",
)


@dataclass
class Comment:
    id: int
    author: str | None  # None: the account is gone
    body: str
    issue: int


@dataclass
class Issue:
    number: int
    author: str
    title: str
    body: str
    state: str = "open"
    head: str = ""  # of a pull request
    reason: str | None = None


@dataclass
class Discussions:
    """What the server holds of them; a test looks at it and changes it."""

    issues: dict[int, Issue] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    locked: set[int] = field(default_factory=set)
    login: str = BOT  # who the token writes as
    edits: int = 0

    def pull(self, number: int, head: str = HEAD) -> Issue:
        return self.issues.setdefault(number, Issue(number, "mia", "A change", "", head=head))

    def say(self, state: Any, number: int, author: str | None, body: str) -> Comment:
        made = Comment(state.new_id(), author, body, number)
        self.comments[made.id] = made
        return made

    def of(self, number: int) -> list[Comment]:
        return [c for c in self.comments.values() if c.issue == number]


def discussing(github: GitHub) -> Discussions:
    """The server's discussions."""
    if not hasattr(github.state, "discussions"):
        github.state.discussions = Discussions()  # type: ignore[attr-defined]
    found: Discussions = github.state.discussions  # type: ignore[attr-defined]
    return found


def _of(call: Call) -> Discussions:
    found: Discussions = call.state.discussions  # type: ignore[attr-defined]
    return found


def _missing() -> Refused:
    return Refused(404, {"message": "Not Found", "documentation_url": "https://docs/rest"})


def _issue(call: Call, number: str) -> Issue:
    found = _of(call).issues.get(int(number))
    if found is None:
        raise _missing()
    return found


def _user(state: Any, login: str | None) -> dict[str, Any] | None:
    return {**shapes.user(state.api, state.web), "login": login} if login is not None else None


def _comment(state: Any, found: Comment) -> dict[str, Any]:
    return {
        "id": found.id,
        "node_id": f"IC{found.id}",
        "url": f"{state.repository_url}/issues/comments/{found.id}",
        "html_url": f"{state.web}/{state.repository}/pull/{found.issue}#issuecomment-{found.id}",
        "issue_url": f"{state.repository_url}/issues/{found.issue}",
        "body": found.body,
        "user": _user(state, found.author),
        "created_at": shapes.WHEN,
        "updated_at": shapes.WHEN,
        "author_association": "CONTRIBUTOR",
    }


def _shape(state: Any, found: Issue) -> dict[str, Any]:
    url = f"{state.repository_url}/issues/{found.number}"
    page = f"{state.web}/{state.repository}/issues/{found.number}"
    pull = {"url": url, "html_url": page, "diff_url": f"{page}.diff", "patch_url": f"{page}.patch"}
    return {
        "id": found.number + 5000,
        "node_id": f"I{found.number}",
        "number": found.number,
        "url": url,
        "repository_url": state.repository_url,
        "html_url": page,
        **{f"{name}_url": f"{url}/{name}" for name in ("labels", "comments", "events")},
        "state": found.state,
        "state_reason": found.reason,
        "title": found.title,
        "body": found.body,
        "user": _user(state, found.author),
        "labels": [],
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "locked": False,
        "comments": 0,
        "closed_at": None if found.state == "open" else shapes.WHEN,
        "created_at": shapes.WHEN,
        "updated_at": shapes.WHEN,
        "author_association": "CONTRIBUTOR",
        **({"pull_request": pull} if found.head else {}),
    }


def _repository(state: Any) -> dict[str, Any]:
    name = state.repository.partition("/")[2]
    flags = ("has_issues", "has_projects", "has_wiki", "has_pages", "has_downloads", "has_discussions")
    counts = ("forks", "forks_count", "open_issues", "open_issues_count", "stargazers_count", "watchers")
    return {
        "id": 7,
        "node_id": "R7",
        "name": name,
        "full_name": state.repository,
        "owner": shapes.user(state.api, state.web),
        "private": state.private,
        "html_url": f"{state.web}/{state.repository}",
        "description": None,
        "fork": False,
        "url": state.repository_url,
        **{f"{path}_url": f"{state.repository_url}/{path}" for path in REPOSITORY_PATHS},
        **{f"{kind}_url": f"{state.web}/{state.repository}.git" for kind in ("clone", "git", "ssh", "svn")},
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "license": None,
        "default_branch": "main",
        **dict.fromkeys(flags, False),
        **dict.fromkeys(counts, 0),
        "watchers_count": 0,
        "size": 1,
        "archived": False,
        "disabled": False,
        "visibility": "public",
        **dict.fromkeys(("pushed_at", "created_at", "updated_at"), shapes.WHEN),
    }


def _pull(state: Any, found: Issue) -> dict[str, Any]:
    url = f"{state.repository_url}/pulls/{found.number}"
    page = f"{state.web}/{state.repository}/pull/{found.number}"
    names = ("issue", "commits", "review_comments", "review_comment", "comments", "statuses")
    links = ("self", "html", "issue", "comments", "review_comments", "review_comment", "commits", "statuses")
    user = shapes.user(state.api, state.web)
    base = {"label": "acme:main", "ref": "main", "sha": HEAD, "user": user, "repo": _repository(state)}
    none = ("assignee", "milestone", "closed_at", "merged_at", "merged_by", "merge_commit_sha", "auto_merge")
    counts = ("comments", "review_comments", "commits", "additions", "deletions", "changed_files")
    return {
        "id": found.number + 9000,
        "node_id": f"PR{found.number}",
        "number": found.number,
        "url": url,
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        **{f"{name}_url": f"{url}/{name}" for name in names},
        "state": found.state,
        "locked": False,
        "title": found.title,
        "body": found.body,
        "labels": [],
        "user": _user(state, found.author),
        **dict.fromkeys(none),
        **dict.fromkeys(counts, 0),
        "created_at": shapes.WHEN,
        "updated_at": shapes.WHEN,
        "author_association": "CONTRIBUTOR",
        "merged": False,
        "mergeable": True,
        "mergeable_state": "clean",
        "maintainer_can_modify": False,
        "head": {**base, "label": "mia:change", "ref": "change", "sha": found.head},
        "base": base,
        "_links": {link: {"href": url} for link in links},
    }


def _get_pull(call: Call, number: str) -> Any:
    found = _issue(call, number)
    if not found.head:
        raise _missing()
    return 200, _pull(call.state, found), {}


def _list_comments(call: Call, number: str) -> Any:
    _issue(call, number)
    return call.page([_comment(call.state, c) for c in _of(call).of(int(number))])


def _add_comment(call: Call, number: str) -> Any:
    found, body = _issue(call, number), call.json["body"]
    if found.number in _of(call).locked:
        raise Refused(403, {"message": "Unable to create comment because issue is locked.", "documentation_url": "x"})
    if len(body) > 65_536:
        raise Refused(422, {"message": "Validation Failed", "documentation_url": "x", "errors": []})
    made = _of(call).say(call.state, found.number, _of(call).login, body)
    return 201, _comment(call.state, made), {"Location": "x"}


def _edit_comment(call: Call, number: str) -> Any:
    found = _of(call).comments.get(int(number))
    if found is None:
        raise _missing()
    found.body = call.json["body"]
    _of(call).edits += 1
    return 200, _comment(call.state, found), {}


def _delete_comment(call: Call, number: str) -> Any:
    if _of(call).comments.pop(int(number), None) is None:
        raise _missing()
    return 204, None, {}


def _list_issues(call: Call) -> Any:
    return call.page([_shape(call.state, i) for i in reversed(_of(call).issues.values()) if i.state == "open"])


def _open_issue(call: Call) -> Any:
    value = call.json
    made = Issue(call.state.new_id(), _of(call).login, value["title"], value.get("body", ""))
    _of(call).issues[made.number] = made
    return 201, _shape(call.state, made), {"Location": "x"}


def _edit_issue(call: Call, number: str) -> Any:
    found, value = _issue(call, number), call.json
    found.title, found.body = value.get("title", found.title), value.get("body", found.body)
    found.state, found.reason = value.get("state", found.state), value.get("state_reason", found.reason)
    _of(call).edits += 1
    return 200, _shape(call.state, found), {}


ROUTES += [
    ("GET", r"/pulls/(\d+)", _get_pull),
    ("GET", r"/issues/(\d+)/comments", _list_comments),
    ("POST", r"/issues/(\d+)/comments", _add_comment),
    ("PATCH", r"/issues/comments/(\d+)", _edit_comment),
    ("DELETE", r"/issues/comments/(\d+)", _delete_comment),
    ("GET", r"/issues", _list_issues),
    ("POST", r"/issues", _open_issue),
    ("PATCH", r"/issues/(\d+)", _edit_issue),
]
