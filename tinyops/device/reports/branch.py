"""Reports on a Git branch of a repository that holds nothing else: one commit a batch, never a checkout.

A branch is read and written by objects: what lies there is nobody's file here, so links, attributes and hooks of the
other repository do nothing.
"""

from __future__ import annotations

import re
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tinyops.device.reports.git import Git
from tinyops.device.reports.kind import Credential, Refusal, SealedReport
from tinyops.device.reports.reading import TOTAL_LIMIT_BYTES, Found
from tinyops.errors import RemoteError, UsageError
from tinyops.manifest.report import REPORT_LIMIT_BYTES, REPORTS_MAX

SPEC_FILE = "specs/project.yaml"
DEFAULT_BRANCH = "reports"
EVERY_S = 60.0
ATTEMPTS = 6
FLEETS_MAX = 1000
_TIP, _HEAD = "refs/reports/tip", "refs/reports/head"
_ADDRESS = re.compile(
    r"git\+(?P<repository>[^#\s]+)(?:#(?P<branch>[A-Za-z0-9_][A-Za-z0-9_-]*(?:[./][A-Za-z0-9_-]+)*))?"
)
_ID = re.compile(r"[0-9a-f]{40,64}")
_ENTRY = re.compile(r"(\d{6}) (\w+) ([0-9a-f]{40,64})\s+(-|\d+)\t(.*)")


class Branch:
    """One branch of another repository, and a bare repository of our own, which holds as little of it as it can."""

    def __init__(self, repository: str, branch: str, folder: Path, credential: Credential) -> None:
        self.branch = branch
        self.git = Git(folder, repository, credential)
        self._checked = False

    def fetch(self) -> str | None:
        """Brings the branch's newest commit here; its id, or None where there is no such branch.

        Raises RemoteError, also for a repository that holds specs: no machine in the field may write there.
        """
        self.git.make()
        tip = self._remote(f"refs/heads/{self.branch}")
        if tip is not None and self._local(_TIP) != tip:
            self._bring(f"refs/heads/{self.branch}", _TIP)
            tip = self._local(_TIP)
        if not self._checked:
            self._check(tip)
            self._checked = True
        return tip

    def files(self, commit: str) -> Iterator[Found]:
        """The reports of a commit, bounded as those in a folder."""
        count = total = 0
        wanted: list[tuple[str, str]] = []
        for folder in self._entries(commit)[:FLEETS_MAX]:
            if folder[1] != "tree":
                continue
            for mode, kind, blob, size, name in self._entries(f"{commit}:{folder[4]}"):
                if not name.endswith(".json"):
                    continue
                path = f"{folder[4]}/{name}"
                if kind != "blob" or mode == "120000":
                    yield Found(path, reason="is no plain file")
                elif int(size) > REPORT_LIMIT_BYTES:
                    yield Found(path, reason=f"larger than {REPORT_LIMIT_BYTES:,} bytes")
                elif count >= REPORTS_MAX or total + int(size) > TOTAL_LIMIT_BYTES:
                    yield Found(folder[4], reason=f"after {count:,} reports of {total:,} bytes no more are read")
                    yield from self._contents(wanted)
                    return
                else:
                    count, total = count + 1, total + int(size)
                    wanted.append((path, blob))
        yield from self._contents(wanted)

    def push(self, parent: str | None, reports: Sequence[SealedReport]) -> bool:
        """One commit on top of `parent` with these reports in it; whether the branch took it: another may have come
        before. Raises RemoteError where it is not that."""
        tree = self._tree(parent, reports)
        if parent is not None and tree == self.git("rev-parse", f"{parent}^{{tree}}").strip():
            return True
        above = ("-p", parent) if parent else ()
        commit = self.git("commit-tree", *above, "-m", f"{len(reports)} reports", tree).strip()
        pushed = self.git.ask("push", "--quiet", self.git.address, f"{commit}:refs/heads/{self.branch}")
        if pushed.returncode == 0:
            self.git("update-ref", _TIP, commit)
            return True
        if self._remote(f"refs/heads/{self.branch}") == parent:
            raise RemoteError(
                f"{self.git.address}: the branch {self.branch} takes nothing: {pushed.stderr.strip()[-300:]}",
                hint="may this machine's key write to that repository, and is the branch not protected?",
            )
        return False

    # -- with Git ---------------------------------------------------------------------------------

    def _remote(self, name: str) -> str | None:
        """The commit that a name stands for over there."""
        lines = self.git("ls-remote", "--quiet", self.git.address, name).splitlines()
        found = [line.split("\t") for line in lines if line.endswith(f"\t{name}")]
        return found[0][0] if found and _ID.fullmatch(found[0][0]) else None

    def _local(self, name: str) -> str | None:
        done = self.git.ask("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return done.stdout.strip() if done.returncode == 0 else None

    def _bring(self, name: str, to: str) -> None:
        self.git("fetch", "--quiet", "--depth=1", "--no-tags", self.git.address, f"+{name}:{to}")

    def _check(self, tip: str | None) -> None:
        head = self._remote("HEAD")
        if head is not None and head != tip:
            self._bring("HEAD", _HEAD)
        for commit in (tip, self._local(_HEAD) if head is not None and head != tip else None):
            if commit and self.git("ls-tree", "--name-only", commit, SPEC_FILE).strip():
                raise RemoteError(
                    f"{self.git.address}: holds {SPEC_FILE}: reports do not go where specs are",
                    hint="make a repository for reports alone, and give this machine a deploy key of that one",
                )
        self.git.ask("update-ref", "-d", _HEAD)

    def _entries(self, tree: str) -> list[tuple[str, ...]]:
        """Mode, kind, id, size and name of what a tree holds; odd names, which Git quotes, are nobody's."""
        lines = self.git("ls-tree", "-l", tree).splitlines()
        return [found.groups() for line in lines if (found := _ENTRY.fullmatch(line)) and '"' not in found[5]]

    def _contents(self, wanted: Sequence[tuple[str, str]]) -> Iterator[Found]:
        """Blobs in one go: each begins with a line that none of them can hold, as nobody knows it before."""
        if not wanted:
            return
        mark = f"{secrets.token_hex(16)} "
        text = self.git("cat-file", f"--batch={mark}%(objectsize)", stdin="".join(f"{blob}\n" for _, blob in wanted))
        pieces = text.split(mark)[1:]
        for (path, _), piece in zip(wanted, pieces, strict=True):
            yield Found(path, piece.partition("\n")[2].removesuffix("\n").encode())

    def _tree(self, parent: str | None, reports: Sequence[SealedReport]) -> str:
        with tempfile.TemporaryDirectory(prefix="tinyops-reports-") as folder:
            files = [Path(folder) / str(number) for number in range(len(reports))]
            for file, report in zip(files, reports, strict=True):
                file.write_bytes(report.data)
            listed = "".join(f"{file}\n" for file in files)
            blobs = self.git("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=listed).split()
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            if parent is not None:
                self.git("read-tree", parent, env=index)
            lines = (f"100644 {blob}\t{report.name}\n" for blob, report in zip(blobs, reports, strict=True))
            self.git("update-index", "--index-info", stdin="".join(lines), env=index)
            return self.git("write-tree", env=index).strip()


class BranchSink:
    """Reports to a branch: what others pushed meanwhile stays, for everybody has files of their own there."""

    immediate = False
    batch_max = 1000
    every_s = EVERY_S

    def __init__(self, branch: Branch) -> None:
        self.branch = branch
        self.where = f"{branch.git.address}#{branch.branch}"

    def write(self, reports: Sequence[SealedReport]) -> Sequence[Refusal]:
        for attempt in range(ATTEMPTS):
            if self.branch.push(self.branch.fetch(), reports):
                return ()
            time.sleep(secrets.randbelow(100 << attempt) / 1000)
        raise RemoteError(f"{self.where}: {ATTEMPTS} times others wrote first: tried again later")


def open_branch_sink(address: str, credential: Credential, state: Path) -> BranchSink:
    """`git+ssh://git@host/reports#branch`, `git+https://…`, `git+/folder`. Raises UsageError."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise UsageError(
            f"{address}: names no branch of a repository", hint="git+ssh://git@git.example.com/acme/reports#reports"
        )
    repository = found["repository"].removeprefix("file://")
    return BranchSink(Branch(repository, found["branch"] or DEFAULT_BRANCH, state / "reports.git", credential))


def same_repository(one: str, other: str) -> bool:
    """Whether two addresses name one repository, as far as their spelling tells."""
    return _plain(one) == _plain(other)


def _plain(address: str) -> str:
    """host/path, however it is reached."""
    text = re.sub(r"^[a-z+]+://", "", address.strip().lower())
    text = re.sub(r"^[^@/]+@", "", text)
    text = re.sub(r"^([^/:]+):(?:\d+/)?(?!/)", r"\1/", text)
    return text.rstrip("/").removesuffix(".git")
