"""Where a project's reports are read, by their kind in the specs: the one place that knows them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tinyops.device.reports.branch import Branch, same_repository
from tinyops.device.reports.endpoint import endpoint_files
from tinyops.device.reports.kind import Credential
from tinyops.device.reports.reading import Found, folder_files
from tinyops.documents import Secret
from tinyops.errors import SpecError
from tinyops.process import run
from tinyops.reconcile.world import World
from tinyops.remote.secrets import resolve_secret
from tinyops.specs.project import BranchReports, DirectoryReports, HttpReports

MEMORY_FILE = Path(".tinyops") / "reports-read.json"
BRANCH_FOLDER = Path(".tinyops") / "reports.git"
GIT_S = 20.0


@dataclass(frozen=True)
class Place:
    """`root` is what reports are named by; `files` reads them all, and raises RemoteError."""

    root: Path
    files: Callable[[], Iterable[Found]]


Opener: TypeAlias = Callable[[World, Any], Place]


def reports_place(world: World) -> Place | None:
    """None where the project names none. Raises SpecError for a branch of the repository of specs itself."""
    spec = world.repository.project.document.spec.reports
    return None if spec is None else OPENERS[type(spec)](world, spec)


def _directory(world: World, spec: DirectoryReports) -> Place:
    folder = world.repository.resolve(world.repository.project, spec.path)
    return Place(folder, lambda: folder_files(folder))


def _http(world: World, spec: HttpReports) -> Place:
    token = _token(world, spec.token)
    return Place(Path(spec.url), lambda: endpoint_files(spec.url, token))


def _branch(world: World, spec: BranchReports) -> Place:
    local = ":" not in spec.repository
    entry = world.repository.project
    address = str(world.repository.resolve(entry, spec.repository)) if local else spec.repository
    if any(same_repository(address, own) for own in _remotes(world.root)):
        raise SpecError(
            f"{entry.file}: reports: {spec.repository} is the repository of these specs",
            hint="whatever may write reports there could write specs: make a repository for reports alone",
        )
    credential = Credential(value=_token(world, spec.token)) if spec.token else Credential()
    branch = Branch(address, spec.branch, world.root / BRANCH_FOLDER, credential)
    return Place(Path(f"{spec.repository}#{spec.branch}"), lambda: _files(branch))


def _token(world: World, secret: Secret) -> str:
    return resolve_secret(secret.secret, world.root).value.decode(errors="replace").strip()


def _files(branch: Branch) -> Iterable[Found]:
    commit = branch.fetch()
    return branch.files(commit) if commit is not None else ()


def _remotes(root: Path) -> list[str]:
    """Addresses of the repository that is checked out here, its folder among them."""
    done = run(["git", "-C", root, "remote", "-v"], timeout_s=GIT_S, check=False, what="git")
    listed = [line.split() for line in done.stdout.splitlines()]
    return [str(root), *(words[1] for words in listed if len(words) > 1)]


OPENERS: Mapping[type, Opener] = {DirectoryReports: _directory, HttpReports: _http, BranchReports: _branch}
