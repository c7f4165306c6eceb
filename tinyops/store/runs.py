"""Who runs tinyops: a job of CI, or a person on a machine. Written into every record that a run makes."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tinyops.manifest.fields import Tolerant

LONGEST = 200
_OFF = ("", "0", "false", "no")
_CONTROL = dict.fromkeys(i for i in range(0x20)) | {0x7F: None}
_VARIABLES = {
    "github": {
        "id": "GITHUB_RUN_ID",
        "repository": "GITHUB_REPOSITORY",
        "ref": "GITHUB_REF",
        "commit": "GITHUB_SHA",
        "event": "GITHUB_EVENT_NAME",
        "actor": "GITHUB_ACTOR",
    },
    "gitlab": {
        "id": "CI_PIPELINE_ID",
        "repository": "CI_PROJECT_PATH",
        "ref": "CI_COMMIT_REF_NAME",
        "commit": "CI_COMMIT_SHA",
        "event": "CI_PIPELINE_SOURCE",
        "actor": "GITLAB_USER_LOGIN",
    },
}


def _plain(value: object) -> object:
    """Text without what would steer a terminal or a log; others read it who did not write it."""
    return value.translate(_CONTROL)[:LONGEST] if isinstance(value, str) else value


Shown = Annotated[str, BeforeValidator(_plain), Field(max_length=LONGEST)]


class Run(Tolerant):
    """A run: `ci` is empty for one outside CI, which has no more than its machine, `user@host`.

    What it says of itself is a claim: only a signature of a trusted key vouches for it.
    """

    ci: Literal["", "github", "gitlab", "other"] = ""
    id: Shown = ""
    repository: Shown = ""
    ref: Shown = ""
    commit: Shown = ""
    event: Shown = ""
    actor: Shown = ""
    machine: Shown = ""

    def is_same(self, other: Run) -> bool:
        """Whether both claim to be one run of CI, or one person on one machine."""
        if self.ci or other.ci:
            mine = (self.ci, self.repository, self.id)
            return bool(self.id) and mine == (other.ci, other.repository, other.id)
        return bool(self.machine) and self.machine == other.machine

    def __str__(self) -> str:
        if not self.ci:
            return self.machine or "somebody"
        more = [f"{word} {text}" for word, text in (("on", self.event), ("by", self.actor), ("of", self.ref)) if text]
        run = f"run {self.id or 'without a number'} of {self.repository or 'a repository without a name'}"
        return " ".join([run, *more])


def in_ci(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the variable CI says so: any value but 0, false and no."""
    variables = os.environ if environment is None else environment
    return variables.get("CI", "").lower() not in _OFF


def this_run(environment: Mapping[str, str] | None = None) -> Run:
    """The run that this process belongs to."""
    variables = os.environ if environment is None else environment
    machine = f"{_user()}@{socket.gethostname()}"
    if not in_ci(variables):
        return Run(machine=machine)
    for name, marker in (("github", "GITHUB_ACTIONS"), ("gitlab", "GITLAB_CI")):
        if variables.get(marker, "").lower() not in _OFF:
            named = {field: variables.get(variable, "") for field, variable in _VARIABLES[name].items()}
            return Run.model_validate({"ci": name, "machine": machine, **named})
    return Run(ci="other", machine=machine)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
