"""The lease as Git refs: `refs/tinyops/lease/<project>/00000007`, each pointing to a commit that says who has it.

As with the lease of a folder the highest number counts, and making the next ref is atomic: GitHub
refuses one that exists. No branch or tag is touched, so no workflow starts and no clone fetches it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from tinyops.errors import Leased, RemoteError
from tinyops.release.github.problems import Unsure
from tinyops.release.github.remote import Remote, RemoteCommit
from tinyops.release.github.runs import run_is_over
from tinyops.release.holder import Holder, is_free, lost_error, myself, read_holder, taken_error

ATTEMPTS = 10
SWEPT_MAX = 20  # dead refs removed by one take; there is one, unless somebody was killed in between
FILE = ("README.md", "Who holds the right to publish here: see the commit's message, and docs of tinyops.\n")
HEADLINE = "tinyops lease"  # of the commit; the record follows


@dataclass(frozen=True)
class GitHubLease:
    """A lease that this process took; `sha` is the commit that its ref points to."""

    remote: Remote
    project: str
    fence: int
    sha: str
    tree: str
    holder: Holder

    def check(self) -> None:
        """Raises Leased when another process took over since, or somebody broke the lease."""
        refs = _refs(self.remote, self.project)
        newest = max(refs, default=0)
        if newest != self.fence or refs[newest] != self.sha:
            holder = _holder(self.remote.commit(refs[newest])) if newest else None
            raise lost_error(holder, newest, self.fence)

    def release(self) -> None:
        """Gives the lease back; its number stays used. Says so when that fails: nothing else depends on it."""
        try:
            self.check()
            record = _record(self.holder.given_back())
            self.remote.move_ref(_ref(self.project, self.fence), self.remote.create_commit(record, self.tree))
        except Leased:
            return
        except RemoteError as error:
            self.remote.patience.say(f"the lease could not be given back: {error.message}")


@contextlib.contextmanager
def holding(remote: Remote, project: str, purpose: str) -> Iterator[GitHubLease]:
    """Holds the lease of a project while the block runs. Raises Leased (owner, age) when it is taken."""
    lease = take(remote, project, purpose)
    try:
        yield lease
    except BaseException:
        with remote.patience.short():  # what ended the block may be the network, or a person who presses Ctrl-C
            lease.release()
        raise
    lease.release()


def take(remote: Remote, project: str, purpose: str) -> GitHubLease:
    """Takes the lease, also from an owner that is known to be dead. Raises Leased naming owner and age."""
    me = myself(purpose)
    made: RemoteCommit | None = None
    for _ in range(ATTEMPTS):
        refs = _refs(remote, project)
        fence = max(refs, default=0)
        if made is not None and refs.get(fence) == made.sha:  # the answer to an earlier attempt got lost
            return _taken(remote, project, fence, made, me, refs)
        before = remote.commit(refs[fence]) if fence else None
        if before is not None:
            _refuse_held(remote, project, fence, before, me)
        if made is None:
            made = _write(remote, _record(me), before.tree if before else "")
        with contextlib.suppress(Unsure):
            if _create(remote, project, fence + 1, made.sha):
                return _taken(remote, project, fence + 1, made, me, refs)
    raise Leased(f"{remote.place}: many processes want the lease at once", hint="run the same command again")


def _refuse_held(remote: Remote, project: str, fence: int, commit: RemoteCommit, me: Holder) -> None:
    holder = _holder(commit)
    if is_free(holder) or (holder is not None and holder.run and run_is_over(remote, holder.run, me.run)):
        return
    place, name = remote.place, _ref(project, fence)
    command = f"gh api -X DELETE{place.command_options} repos/{place.owner}/{place.name}/git/{name}"
    raise taken_error(
        holder, fence, where=f"{place} {name}", hint=f"wait for it; if it is gone for good, break the lease: {command}"
    )


def _write(remote: Remote, record: str, tree: str) -> RemoteCommit:
    """A commit of its own tree: one with the repository's workflows in it would want the permission to write those."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            tree = tree or remote.create_tree(*FILE)
            return RemoteCommit(remote.create_commit(record, tree), record, tree)
        except Unsure as error:  # a record that nothing points to does no harm
            if attempt == ATTEMPTS:
                raise
            remote.patience.back_off(attempt, error.message)
    raise AssertionError("unreachable")


def _create(remote: Remote, project: str, fence: int, sha: str) -> bool:
    """False when another was faster. Raises RemoteError when GitHub refuses such a ref altogether."""
    name = _ref(project, fence)
    if remote.create_ref(name, sha):
        refs = _refs(remote, project)
        if max(refs, default=0) <= fence:
            return True
        remote.delete_ref(name)  # our number was used, given back and swept while we looked
        return False
    if not _refs(remote, project).get(fence):
        raise remote.why_refused(name)
    return False


def _taken(
    remote: Remote, project: str, fence: int, made: RemoteCommit, me: Holder, before: dict[int, str]
) -> GitHubLease:
    for number in sorted(number for number in before if number < fence)[:SWEPT_MAX]:
        remote.delete_ref(_ref(project, number))
    return GitHubLease(remote, project, fence, made.sha, made.tree, me)


def _refs(remote: Remote, project: str) -> dict[int, str]:
    """Commit of each number."""
    prefix = f"tinyops/lease/{project}/"
    found = {}
    for name, sha in remote.refs(prefix).items():
        number = name.removeprefix(f"refs/{prefix}")
        if number.isdecimal() and number.isascii() and len(number) <= 12:
            found[int(number)] = sha
    return found


def _ref(project: str, fence: int) -> str:
    return f"refs/tinyops/lease/{project}/{fence:08}"


def _record(holder: Holder) -> str:
    return f"{HEADLINE}\n\n{holder.to_bytes().decode()}"


def _holder(commit: RemoteCommit) -> Holder | None:
    headline, _, record = commit.message.partition("\n\n")
    return read_holder(record.encode()) if headline == HEADLINE else None
