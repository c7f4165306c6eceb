"""The project's release store, by its kind in the specs: the one place that knows them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from tinyops.build.trust import TRUSTED_FILES, find_trust
from tinyops.errors import ToolError, UsageError
from tinyops.manifest.keys import Trust
from tinyops.release.directory import DirectoryStore
from tinyops.release.github.patience import Patience, Say, nobody
from tinyops.release.github.place import Place
from tinyops.release.store import ReleaseStore
from tinyops.remote.secrets import SecretValue, resolve_secret, secret_path
from tinyops.specs.loader import Repository
from tinyops.specs.model import DirectoryReleases, GitHubReleases

Opener: TypeAlias = Callable[[Repository, Any, Trust, Say], ReleaseStore]

DEFAULT_TOKENS = ("GITHUB_TOKEN", "GH_TOKEN")
GITHUB_CACHE = Path(".tinyops") / "github"


def open_releases(repository: Repository, say: Say = nobody) -> ReleaseStore | None:
    """The project's release store; None while no key is trusted, for then nothing can be released."""
    trust = find_trust(repository.root)
    spec = repository.project.document.spec.releases
    store = OPENERS[type(spec)](repository, spec, trust or Trust({}), say)
    if trust is not None:
        return store
    if store.has_releases():
        raise UsageError(
            f"{store}: holds releases, but no key is trusted here",
            hint=f"put the public keys into {TRUSTED_FILES[0]}, or make a key with `tinyops keys new NAME`",
        )
    return None


def _directory(repository: Repository, spec: DirectoryReleases, trust: Trust, _: Say) -> ReleaseStore:
    entry = repository.project
    folder = (entry.path.parent / spec.path).resolve()
    return DirectoryStore(folder, entry.document.metadata.name, trust, waits=people_sign(repository))


def people_sign(repository: Repository) -> bool:
    """Whether a release is offered only once people have signed it."""
    spec = repository.project.document.spec
    return spec.metadata is not None and spec.signing.targets.by == "people"


def _github(repository: Repository, spec: GitHubReleases, trust: Trust, say: Say) -> ReleaseStore:
    try:
        from tinyops.release.github.store import GitHubStore
    except ModuleNotFoundError as error:
        raise ToolError(f"releases on GitHub need {error.name}", hint="pip install 'tinyops[github]'") from error
    place = Place.of(spec.repository, spec.url)
    return GitHubStore(
        place,
        repository.project.document.metadata.name,
        trust,
        cache=repository.root / GITHUB_CACHE / place.folder,
        token=find_token(spec, repository.root),
        need_token=lambda: need_token(spec, repository.root),
        patience=Patience(say=say),
        waits=people_sign(repository),
    )


def find_token(spec: GitHubReleases, root: Path) -> SecretValue | None:
    """The token that there is; None where there is none, for reading a public repository works without."""
    return first_token(_token_names(spec), root)


def first_token(names: Sequence[str], root: Path) -> SecretValue | None:
    """The first of some secrets that is there. Raises ToolError for one that others may read."""
    for name in names:
        try:
            return resolve_secret(name, root)
        except ToolError:
            if secret_path(name, root).exists():  # readable for others: that is to be mended, not stepped over
                raise
    return None


def need_token(spec: GitHubReleases, root: Path) -> SecretValue:
    """The token. Raises ToolError naming the ways to give one."""
    found = find_token(spec, root)
    return found if found is not None else resolve_secret(_token_names(spec)[0], root)


def _token_names(spec: GitHubReleases) -> tuple[str, ...]:
    return (spec.token.secret,) if spec.token else DEFAULT_TOKENS


OPENERS: Mapping[type, Opener] = {DirectoryReleases: _directory, GitHubReleases: _github}
