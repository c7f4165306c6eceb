"""GitHub's refusals and failures as sentences that say what to do."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from typing import Any

from tinyops.errors import RemoteError
from tinyops.release.github.place import Place
from tinyops.release.store import Unreachable

SHOWN_CHARACTERS = 200
_PERMISSIONS = re.compile(r"[a-z_]{1,40}=[a-z]{1,10}(?:[,;] ?[a-z_]{1,40}=[a-z]{1,10}){0,8}")

CARRY_ON = "run the same command again: it goes on where it stopped"
NETWORK = "check the network, a proxy's settings (HTTPS_PROXY), and https://www.githubstatus.com"
SCOPES = (
    "it wants read and write access to the repository's contents: `permissions: {contents: write}` in a workflow, "
    "Contents: read and write in a fine-grained token, repo in a classic one"
)


class Unsure(Unreachable):
    """A request may or may not have been carried out: the answer got lost."""


def refusal(
    place: Place,
    doing: str,
    status: int,
    headers: Mapping[str, str],
    body: Any,
    *,
    token: str,
    scopes: str = SCOPES,
) -> RemoteError:
    """What a status from 400 to 499 means. `token` names where the token came from; empty without one.

    `scopes` says what the token must be allowed.
    """
    head = f"{place}: {doing}: GitHub answered {status} {http.client.responses.get(status, '')}".rstrip()
    said = _said(body)
    if status == 401:
        return RemoteError(f"{head}: it does not know the token from {token}", hint="expired or revoked: make another")
    if status == 403:
        needed = headers.get("X-Accepted-GitHub-Permissions", "")
        asked = f" (needed: {needed})" if _PERMISSIONS.fullmatch(needed) else ""
        who = f"the token from {token}" if token else "without a token that"
        return RemoteError(f"{head}: {who} is not allowed{asked}{said}", hint=scopes)
    if status == 404:
        who = f"the token from {token} may not see it" if token else "it is private, for there is no token"
        return RemoteError(f"{head}: there is no such repository or file, or {who}", hint=scopes)
    if status == 409:
        hint = "an empty repository can hold no release: make a first commit, a README for one"
        return RemoteError(f"{head}{said}", hint=hint)
    return RemoteError(f"{head}{said}", hint=CARRY_ON if status == 422 else "")


def failure(place: Place, doing: str, reason: str, *, sent: bool, attempts: int = 1) -> Unreachable:
    """A connection that broke or a server that failed. `sent`: a request that changes things may have arrived."""
    times = f", {attempts} times" if attempts > 1 else ""
    kind = Unsure if sent else Unreachable
    return kind(f"{place}: {doing}: {reason}{times}", hint=f"{NETWORK}; then {CARRY_ON}")


def nonsense(place: Place, doing: str, reason: str) -> Unreachable:
    """An answer that is none."""
    return Unreachable(
        f"{place}: {doing}: what came is no answer of GitHub's API: {reason}",
        hint="a login page or a proxy in between, or releases.url in the project's spec is not that of a GitHub",
    )


def printable(text: object, limit: int = SHOWN_CHARACTERS) -> str:
    """A server's text, fit for a terminal."""
    return "".join(c if c.isprintable() else " " for c in str(text)[:limit])


def _said(body: Any) -> str:
    """What GitHub says about it: its message, and which field is wrong how."""
    if not isinstance(body, dict):
        return ""
    parts = [printable(body["message"])] if isinstance(body.get("message"), str) else []
    errors = body.get("errors")
    for error in errors[:3] if isinstance(errors, list) else ():
        if isinstance(error, dict):
            words = (error.get("field"), error.get("code"), error.get("message"))
            parts.append(" ".join(printable(word) for word in words if isinstance(word, str)))
    return f": {'; '.join(parts)}" if parts else ""
