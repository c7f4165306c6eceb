"""Who approved the workflow run that this process belongs to: GitHub says, by the run's number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tinyops.errors import ToolError
from tinyops.reconcile.opening import DEFAULT_TOKENS, first_token
from tinyops.release.github.place import PUBLIC, Place

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
_RUN = re.compile(r"[0-9]{1,20}")


def run_reviewers(root: Path, environment: Mapping[str, str]) -> frozenset[str]:
    """The people who let this run into a protected environment, as `github:LOGIN`; nobody outside of GitHub Actions.

    The token needs `actions: read`. Raises ToolError without one, RemoteError for what GitHub answers.
    """
    repository, run = environment.get("GITHUB_REPOSITORY", ""), environment.get("GITHUB_RUN_ID", "")
    if environment.get("GITHUB_ACTIONS") != "true" or not _REPOSITORY.fullmatch(repository) or not _RUN.fullmatch(run):
        return frozenset()
    try:
        from tinyops.release.github.patience import Patience
        from tinyops.release.github.remote import Remote
        from tinyops.release.github.runs import reviewers
        from tinyops.release.github.store import token_text
    except ModuleNotFoundError as error:
        raise ToolError(
            f"asking GitHub who approved this run needs {error.name}", hint="pip install 'tinyops[github]'"
        ) from error
    token = first_token(DEFAULT_TOKENS, root)
    if token is None:
        raise ToolError(
            "a fleet is protected, and no token can ask GitHub who approved this run",
            hint="env: GITHUB_TOKEN: ${{ github.token }}, with permission actions: read",
        )
    place = Place.of(repository, environment.get("GITHUB_SERVER_URL") or PUBLIC)
    remote = Remote(place, token_text(token), token.origin, Patience())
    try:
        return frozenset(f"github:{login}" for login in reviewers(remote, run))
    finally:
        remote.close()
