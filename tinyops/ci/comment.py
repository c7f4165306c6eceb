"""The one comment of a pull request and the one issue of drift: found again by a hidden mark, updated in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tinyops.release.github.issues import Comment, Issue, PullRequest
from tinyops.release.github.problems import Unsure

ACTIONS_AUTHOR = "github-actions[bot]"  # who a workflow's own token writes as


@dataclass(frozen=True)
class Posted:
    """What became of it: posted, updated, unchanged, closed, stale or none; and its number or id, 0 for none."""

    how: str
    number: int = 0


class PullRequests(Protocol):
    """What GitHub must be able to do for a comment; see Discussions."""

    def pull_request(self, number: int) -> PullRequest: ...
    def comments(self, number: int) -> list[Comment]: ...
    def add_comment(self, number: int, body: str) -> Comment: ...
    def edit_comment(self, comment: Comment, body: str) -> Comment: ...
    def delete_comment(self, comment: Comment) -> None: ...


class Issues(Protocol):
    """What GitHub must be able to do for an issue; see Discussions."""

    def open_issues(self) -> list[Issue]: ...
    def open_issue(self, title: str, body: str) -> Issue: ...
    def edit_issue(self, issue: Issue, **fields: str) -> Issue: ...


def post_comment(
    github: PullRequests, number: int, body: str, *, author: str = ACTIONS_AUTHOR, head: str = ""
) -> Posted:
    """Makes `body`, whose first line is its mark, the one comment of its kind by its author.

    With `head` it is posted only where that is still the tip of the pull request: the number may come from an
    artifact that a fork wrote. What others wrote is left alone, marked or not. Two runs at once leave one comment:
    each looks again after creating one, and both keep the oldest.
    """
    if (refused := _refused(github.pull_request(number), head)) is not None:
        return refused
    mine = _marked(github.comments(number), body, author)
    if mine:
        return _keep_one(github, mine, body)
    lost: Unsure | None = None
    try:
        author = github.add_comment(number, body).author or author  # whoever the token is
    except Unsure as error:
        lost = error  # it may be there nevertheless
    mine = _marked(github.comments(number), body, author)
    if not mine:
        if lost is not None:
            raise lost
        return Posted("posted")  # somebody deleted it at once: so be it
    kept = _keep_one(github, mine, body)
    return Posted("posted", kept.number) if len(mine) == 1 else kept


def _refused(pull: PullRequest, head: str) -> Posted | None:
    """Why nothing is posted: it is closed, or its tip is another than the plan was made of."""
    if head and pull.head != head:
        return Posted("stale")
    return None if pull.open else Posted("closed")


def _marked(comments: Sequence[Comment], body: str, author: str) -> list[Comment]:
    mark = first_line(body)
    return [c for c in comments if c.author == author and first_line(c.body) == mark]


def _keep_one(github: PullRequests, mine: Sequence[Comment], body: str) -> Posted:
    """The oldest, with this text; the others go."""
    kept, *others = mine
    for other in others:
        github.delete_comment(other)
    if same_text(kept.body, body):
        return Posted("unchanged", kept.id)
    github.edit_comment(kept, body)
    return Posted("updated", kept.id)


def keep_issue(github: Issues, title: str, body: str, *, wanted: bool, author: str = ACTIONS_AUTHOR) -> Posted:
    """One open issue with this text while it is wanted, and none when it is not: it is closed with its last text.

    Others' issues are left alone, marked or not. Two runs at once leave one, as with comments.
    """
    mine = _marked_issues(github, body, author)
    if not wanted:
        for issue in mine:
            github.edit_issue(issue, body=body, state="closed", state_reason="completed")
        return Posted("closed", mine[0].number) if mine else Posted("none")
    if mine:
        return _keep_one_issue(github, mine, title, body)
    made = github.open_issue(title, body)
    mine = _marked_issues(github, body, made.author) or [made]
    kept = _keep_one_issue(github, mine, title, body)
    return Posted("posted", made.number) if kept.number == made.number else kept


def _marked_issues(github: Issues, body: str, author: str) -> list[Issue]:
    mark = first_line(body)
    return [i for i in github.open_issues() if i.author == author and first_line(i.body) == mark]


def _keep_one_issue(github: Issues, mine: Sequence[Issue], title: str, body: str) -> Posted:
    kept, *others = mine
    for other in others:
        github.edit_issue(other, state="closed", state_reason="not_planned")
    if same_text(kept.body, body) and kept.title == title:
        return Posted("unchanged", kept.number)
    github.edit_issue(kept, title=title, body=body)
    return Posted("updated", kept.number)


def first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip()


def same_text(one: str, other: str) -> bool:
    """GitHub hands line ends back as it likes, and no trailing space."""
    return one.replace("\r\n", "\n").rstrip() == other.rstrip()
