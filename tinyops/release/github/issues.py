"""Issues, pull requests and what is written below them, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tinyops.release.github.patience import Patience
from tinyops.release.github.place import Place
from tinyops.release.github.problems import nonsense
from tinyops.release.github.remote import Remote

COMMENTS_MAX = 10_000
ISSUES_MAX = 10_000  # pull requests are counted, too
SCOPES = (
    "it wants write access to pull requests (comments) or issues: `permissions: {pull-requests: write}` or "
    "`{issues: write}` in a workflow, the same in a fine-grained token, repo in a classic one"
)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Comment:
    """One comment. `author` is empty when the account is gone."""

    id: int
    author: str
    body: str


@dataclass(frozen=True)
class Issue:
    number: int
    author: str
    title: str
    body: str


@dataclass(frozen=True)
class PullRequest:
    """`head` is the commit at its tip now."""

    number: int
    open: bool
    head: str


class Discussions:
    """What tinyops reads and writes below issues and pull requests.

    Every method raises RemoteError, Unreachable when GitHub did not answer, Unsure when a change may have been made.
    """

    def __init__(self, place: Place, token: str, token_origin: str, patience: Patience) -> None:
        self._remote = Remote(place, token, token_origin, patience, scopes=SCOPES)
        self.place = place

    def close(self) -> None:
        self._remote.close()

    def pull_request(self, number: int) -> PullRequest:
        doing = f"reading pull request {number}"
        return self._read(_pull_request, self._remote.changed("get", f"pulls/{number}", doing), doing)

    def comments(self, number: int) -> list[Comment]:
        """Of an issue or a pull request, the oldest first."""
        doing = f"listing the comments of #{number}"
        found = self._remote.listed(f"issues/{number}/comments", COMMENTS_MAX, doing)
        return sorted((self._read(_comment, value, doing) for value in found), key=lambda comment: comment.id)

    def add_comment(self, number: int, body: str) -> Comment:
        doing = f"commenting on #{number}"
        return self._read(_comment, self._remote.changed("post", f"issues/{number}/comments", doing, body=body), doing)

    def edit_comment(self, comment: Comment, body: str) -> Comment:
        doing = "updating the comment"
        value = self._remote.changed("patch", f"issues/comments/{comment.id}", doing, body=body)
        return self._read(_comment, value, doing)

    def delete_comment(self, comment: Comment) -> None:
        self._remote.delete(f"issues/comments/{comment.id}", "deleting a second comment")

    def open_issues(self) -> list[Issue]:
        """The oldest first, no pull requests."""
        doing = "listing the open issues"
        found = self._remote.listed("issues", ISSUES_MAX, doing, state="open")
        issues = (self._read(_issue, value, doing) for value in found if "pull_request" not in value)
        return sorted(issues, key=lambda issue: issue.number)

    def open_issue(self, title: str, body: str) -> Issue:
        doing = "opening an issue"
        return self._read(_issue, self._remote.changed("post", "issues", doing, title=title, body=body), doing)

    def edit_issue(self, issue: Issue, **fields: str) -> Issue:
        doing = f"updating issue #{issue.number}"
        return self._read(_issue, self._remote.changed("patch", f"issues/{issue.number}", doing, **fields), doing)

    def _read(self, read: Callable[[dict[str, Any]], _T], value: dict[str, Any], doing: str) -> _T:
        try:
            return read(value)
        except (KeyError, TypeError, AttributeError) as error:
            raise nonsense(
                self.place, doing, f"{type(error).__name__}: fields are missing or of another kind"
            ) from None


def _comment(value: dict[str, Any]) -> Comment:
    return Comment(_number(value["id"]), _login(value), _text(value.get("body")))


def _issue(value: dict[str, Any]) -> Issue:
    return Issue(_number(value["number"]), _login(value), _text(value["title"]), _text(value.get("body")))


def _pull_request(value: dict[str, Any]) -> PullRequest:
    return PullRequest(_number(value["number"]), value["state"] == "open", _text(value["head"]["sha"]))


def _login(value: dict[str, Any]) -> str:
    user = value["user"]
    return _text(user["login"]) if user is not None else ""


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("wants a text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("wants a number")
    return value
