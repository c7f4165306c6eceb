"""Workflow runs: whether one has ended, and who let it into a protected environment."""

from __future__ import annotations

import contextlib
import re

from tinyops.errors import RemoteError
from tinyops.release.github.remote import Remote, name_of

REVIEWS_MAX = 1_000
_RUN = re.compile(r"(https?://[^/\s]+)/([\w.-]+/[\w.-]+)/actions/runs/(\d{1,20})/attempts/(\d{1,6})")


def run_is_over(remote: Remote, address: str, mine: str) -> bool:
    """Whether a workflow run, or that attempt of it, is known to have ended. Not to be told counts as no."""
    match, ours = _RUN.fullmatch(address), _RUN.fullmatch(mine)
    if match is None or match.group(1) != remote.place.url:
        return False
    if ours is not None and ours.group(1, 2, 3) == match.group(1, 2, 3):
        return int(match.group(4)) < int(ours.group(4))  # an earlier attempt of our own run
    repository, run, attempt = match.group(2, 3, 4)
    with contextlib.suppress(RemoteError), remote.asking("reading the state of a workflow run"):
        value = remote.read_object("get", f"{remote.place.api}/repos/{repository}/actions/runs/{run}")
        if str(value.get("id")) == run and isinstance(value.get("run_attempt"), int):
            return bool(value.get("status") == "completed" or value["run_attempt"] > int(attempt))
    return False


def reviewers(remote: Remote, run: str) -> frozenset[str]:
    """Who let a run of the repository's past the protection of an environment, by login."""
    doing = "reading who approved this workflow run"
    reviews = remote.listed(f"actions/runs/{run}/approvals", REVIEWS_MAX, doing)
    with remote.asking(doing):
        return frozenset(name_of(review["user"]["login"]) for review in reviews if review["state"] == "approved")
    raise AssertionError("asking raises or returns")
