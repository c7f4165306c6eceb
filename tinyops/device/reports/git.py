"""Git without surprises: no prompts, no hooks, no other protocols, a time limit, credentials never in argv."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyops.device.reports.kind import Credential
from tinyops.errors import RemoteError, ToolError
from tinyops.process import Completed, run

GIT_S = 120.0
WHO = "tinyops"
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.attributesFile": "/dev/null",
    "core.autocrlf": "false",
    "gc.autoDetach": "false",
    "gc.pruneExpire": "now",
    "http.followRedirects": "false",
    "protocol.ext.allow": "never",
    "uploadpack.packObjectsHook": "",
}


@dataclass(frozen=True)
class Git:
    """Commands in one bare repository of tinyops' own. `address` is the other one, which `credential` opens: a token
    for https, the file of a private key for ssh."""

    folder: Path
    address: str
    credential: Credential

    def __call__(self, *arguments: str, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
        """What a command prints. Raises RemoteError with Git's own words."""
        done = self.ask(*arguments, stdin=stdin, env=env)
        if done.returncode != 0:
            raise RemoteError(f"{self.address}: git {arguments[0]}: {_said(done)}")
        return done.stdout

    def ask(self, *arguments: str, stdin: str | None = None, env: Mapping[str, str] | None = None) -> Completed:
        """As ended, well or not. Raises RemoteError where it did not end."""
        argv = ["git", "--git-dir", str(self.folder), *arguments]
        try:
            return run(
                argv, timeout_s=GIT_S, stdin=stdin, env={**self._environment(), **(env or {})}, check=False, what="git"
            )
        except ToolError as error:
            raise RemoteError(f"{self.address}: {error.message}", hint=error.hint) from None

    def make(self) -> None:
        """The repository, empty where it is new."""
        if not (self.folder / "HEAD").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self("init", "--quiet", "--bare", str(self.folder))

    def _environment(self) -> dict[str, str]:
        settings = {**_SETTINGS, **self._authorization()}
        counted = {"GIT_CONFIG_COUNT": str(len(settings))}
        for number, (name, value) in enumerate(settings.items()):
            counted |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        named = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()}
        ssh = "ssh -o BatchMode=yes -o ConnectTimeout=20"
        if self.credential.file is not None and not self._is_web:
            ssh += f" -o IdentitiesOnly=yes -i {shlex.quote(str(self.credential.file))}"
        fixed = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "ssh:https:http:file", "LC_ALL": "C.UTF-8"}
        return {**fixed, **counted, **named, "GIT_SSH_COMMAND": ssh}

    @property
    def _is_web(self) -> bool:
        return self.address.startswith(("https://", "http://"))

    def _authorization(self) -> dict[str, str]:
        if not self._is_web or not (token := self.credential.text()):
            return {}
        basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        return {f"http.{self.address}.extraHeader": f"Authorization: Basic {basic}"}


_WHO = {"NAME": WHO, "EMAIL": f"{WHO}@localhost"}


def _said(done: Completed) -> str:
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith("fatal:")]
    return (fatal or lines or [f"exit status {done.returncode}"])[0][:300]
