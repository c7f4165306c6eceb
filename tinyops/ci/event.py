"""What the variables of a CI run say: which repository, which pull request, which commit. Read as hostile input."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyops.errors import SpecError, UsageError
from tinyops.files import MIB, read_bounded
from tinyops.release.github.place import PUBLIC, Place

EVENT_LIMIT_BYTES = 32 * MIB  # GitHub sends at most 25
NUMBER_LIMIT_BYTES = 64
REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NUMBER = re.compile(rb"\s*([1-9][0-9]{0,9})\s*")
_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+/?")


@dataclass(frozen=True)
class Event:
    """Why the run was started. `pull` is 0 and `head` empty where the event names none."""

    pull: int = 0
    head: str = ""


def read_event(environment: Mapping[str, str]) -> Event:
    """The event of a GitHub workflow; nothing outside one. Raises UsageError for a file that is none."""
    path = environment.get("GITHUB_EVENT_PATH", "")
    if not path:
        return Event()
    try:
        value = json.loads(read_bounded(Path(path), EVENT_LIMIT_BYTES))
    except (ValueError, RecursionError, SpecError) as error:
        raise UsageError(f"{path}: not the event of a workflow: {error}", hint="unset GITHUB_EVENT_PATH") from None
    pull, started_by = _object(value, "pull_request"), _object(value, "workflow_run")
    number = pull.get("number")
    head = _object(pull, "head").get("sha") or started_by.get("head_sha") or ""
    known = number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else 0
    return Event(known, head if isinstance(head, str) and COMMIT.fullmatch(head) else "")


def read_number(path: Path) -> int:
    """The number in a file of an artifact, and nothing else. Raises UsageError."""
    try:
        match = _NUMBER.fullmatch(read_bounded(path, NUMBER_LIMIT_BYTES))
    except SpecError as error:
        raise UsageError(error.message) from None
    if match is None:
        raise UsageError(f"{path}: not the number of a pull request", hint="one decimal number and nothing else")
    return int(match.group(1))


def find_place(repository: str | None, url: str | None, environment: Mapping[str, str]) -> Place:
    """The repository that was named, or the workflow's own. Raises UsageError."""
    name = repository or environment.get("GITHUB_REPOSITORY", "")
    where = url or environment.get("GITHUB_SERVER_URL", "") or PUBLIC
    if not name:
        raise UsageError("no repository is named", hint="--repo OWNER/NAME, or GITHUB_REPOSITORY as workflows set it")
    if not REPOSITORY.fullmatch(name) or name.endswith(("/.", "/..")):
        raise UsageError(f"{name!r} is no repository on GitHub", hint="OWNER/NAME")
    if not _URL.fullmatch(where):
        raise UsageError(f"{where!r} is no address of a GitHub", hint=f"--url {PUBLIC}, or that of your own")
    return Place.of(name, where)


def _object(value: Any, name: str) -> dict[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
