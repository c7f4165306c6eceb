"""Metadata on a branch of a Git repository: a commit is an edition, pushed only onto the commit that was looked at."""

from __future__ import annotations

import base64
import fcntl
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tinyops.errors import RemoteError
from tinyops.files import writing
from tinyops.process import Completed, find_tool, run
from tinyops.trust.places import Moved
from tinyops.trust.roles import METADATA_LIMIT_BYTES

GIT_S = 60
NETWORK_S = 300
NAMES_MAX = 200_000
NO_JEKYLL = ".nojekyll"  # pages of GitHub: these files are served as they are
_SAFE = ("-c", "core.autocrlf=false", "-c", "core.hooksPath=/dev/null", "-c", "core.attributesFile=/dev/null")


@dataclass(frozen=True)
class BranchView:
    """The tree of one commit, in the local copy; empty without one."""

    git: Callable[..., Completed]
    revision: str

    def read(self, name: str) -> bytes | None:
        if not self.revision:
            return None
        found = self.git("cat-file", "-s", f"{self.revision}:{name}", check=False)
        if found.returncode != 0:
            return None
        if int(found.stdout) > METADATA_LIMIT_BYTES:
            raise RemoteError(f"{name}: larger than {METADATA_LIMIT_BYTES:,} bytes")
        return self.git("cat-file", "blob", f"{self.revision}:{name}").stdout.encode()

    def names(self) -> Collection[str]:
        if not self.revision:
            return frozenset()
        found = self.git("ls-tree", "-r", "--name-only", "-z", self.revision).stdout.split("\0")
        if len(found) > NAMES_MAX:
            raise RemoteError(f"the branch holds more than {NAMES_MAX:,} files", hint="keep metadata on one of its own")
        return frozenset(name for name in found if name and not name.startswith("."))


@dataclass(frozen=True)
class BranchPlace:
    """`url` is what Git fetches from and pushes to; `cache` is a bare repository of our own. `token` is for an https
    address: Git gets it in its environment, never on its command line."""

    url: str
    branch: str
    cache: Path
    token: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.url} ({self.branch})"

    def look(self) -> BranchView:
        with self._locked():
            revision = self._remote_head()
            if revision and self._git("cat-file", "-e", f"{revision}^{{commit}}", check=False).returncode != 0:
                self._network("fetch", "--depth=1", "--no-tags", "--force", self.url, self._ref)
        return BranchView(self._git, revision)

    def change(self, files: Mapping[str, bytes], gone: Collection[str], revision: str, why: str) -> None:
        with self._locked():
            commit = self._commit(files, gone, revision, why)
            ours = f"--force-with-lease={self._ref}:{revision}"
            pushed = self._network(
                "push", "--quiet", "--no-verify", ours, self.url, f"{commit}:{self._ref}", check=False
            )
            if pushed.returncode == 0:
                return
            now = self._remote_head()
            if now == commit:  # it arrived, and the answer got lost
                return
            if now != revision:
                raise Moved(f"{self}: somebody else published metadata just now", hint="run the same again")
            raise _refused(self, pushed)

    @property
    def _ref(self) -> str:
        return f"refs/heads/{self.branch}"

    def _remote_head(self) -> str:
        found = self._network("ls-remote", "--heads", self.url, self._ref)
        return found.stdout.partition("\t")[0].strip()

    def _commit(self, files: Mapping[str, bytes], gone: Collection[str], revision: str, why: str) -> str:
        with tempfile.TemporaryDirectory(prefix="tinyops-metadata-") as name:
            work = Path(name)
            written = files if revision else {**files, NO_JEKYLL: b""}
            for path, data in written.items():
                with writing(work / path):
                    (work / path).parent.mkdir(parents=True, exist_ok=True)
                    (work / path).write_bytes(data)
            env = {"GIT_INDEX_FILE": str(work / ".index"), "GIT_WORK_TREE": str(work)}
            if revision:
                self._git("read-tree", revision, env=env)
            self._git("update-index", "--add", "-z", "--stdin", env=env, stdin=_listed(written), cwd=work)
            self._git("update-index", "--force-remove", "-z", "--stdin", env=env, stdin=_listed(gone), cwd=work)
            tree = self._git("write-tree", env=env).stdout.strip()
        parent = ("-p", revision) if revision else ()
        return self._git("commit-tree", tree, *parent, "-m", why, env=_AUTHOR).stdout.strip()

    def _network(self, *argv: str, check: bool = True) -> Completed:
        done = self._git(*argv, env=self._credentials(), check=False, timeout_s=NETWORK_S)
        if check and done.returncode != 0:
            raise _refused(self, done)
        return done

    def _credentials(self) -> dict[str, str]:
        if not self.token or not self.url.startswith("https://"):
            return {}
        host = "/".join(self.url.split("/")[:3])
        basic = base64.b64encode(f"x-access-token:{self.token}".encode()).decode()
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{host}/.extraheader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
        }

    def _git(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout_s: float = GIT_S,
        stdin: str | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        git = find_tool("git", hint="metadata on a branch needs Git")
        quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "https:http:ssh:file:git", "LC_ALL": "C"}
        straight = ("-c", "http.followRedirects=false") if self.token else ()  # Git would take the token along
        return run(
            [git, f"--git-dir={self.cache}", *_SAFE, *straight, *argv],
            timeout_s=timeout_s,
            env={**quiet, **(env or {})},
            inherit=lambda name: not name.startswith("GIT_") or name.startswith("GIT_SSH"),
            stdin=stdin,
            cwd=cwd,
            check=check,
            what=f"git {argv[0]}",
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time uses the local copy; made when it is not there."""
        with writing(self.cache):
            self.cache.parent.mkdir(parents=True, exist_ok=True)
            stream = self.cache.with_suffix(".lock").open("a")
        with stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if not (self.cache / "HEAD").exists():
                self._git("init", "--quiet", "--bare")
            yield


_AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "tinyops"), ("EMAIL", "tinyops@localhost"))
}


def _listed(names: Collection[str]) -> str:
    return "".join(f"{name}\0" for name in names)


def _refused(place: BranchPlace, done: Completed) -> RemoteError:
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
    text = "; ".join(line.strip() for line in said) or f"exit status {done.returncode}"
    hint = "it wants write access to that repository: `metadata.token` in the Project, or what Git has by itself"
    return RemoteError(f"{place}: Git says: {text}", hint=hint)
