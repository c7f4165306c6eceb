"""The project's artifact store, opened: its folder here, what is behind its URL, who signs, whose records are taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tinyops.build.trust import find_trust
from tinyops.errors import SpecError, ToolError
from tinyops.manifest.keys import SigningKey, Trust, load_trust
from tinyops.release.secrets import load_signing_key
from tinyops.remote.files import Limits, Patience
from tinyops.remote.secrets import secret_options
from tinyops.specs.loader import Loaded, Repository
from tinyops.specs.model import DirectoryReleases, Project
from tinyops.specs.store_rules import is_url
from tinyops.store import Folder, Notary, Shared, Store, in_ci, this_run

WORKING_FOLDER = Path(".tinyops") / "store"


def open_store(
    repository: Repository,
    *,
    publishing: bool = False,
    remote: bool = True,
    warn: Callable[[str], None] = lambda _: None,
) -> Store:
    """The store; nothing is asked of a network before something is missing in the folder.

    With `publishing`, a run of CI takes only records that a trusted key signed. Raises SpecError for a
    bad key or trust file, ToolError when the URL's file system is not installed.
    """
    entry = repository.project
    trust, key = _trust(entry, repository.root), _key(entry, repository.root)
    notary = Notary(entry.document.name, this_run(), trust, key, publishing)
    shared = open_shared(repository, warn) if remote else None
    return Store(store_folder(repository), notary, shared, warn)


def store_folder(repository: Repository) -> Folder:
    """What steps work in: the store itself, or with a URL the copy on this machine."""
    entry = repository.project
    url = entry.document.spec.artifacts.url
    return Folder(repository.root / WORKING_FOLDER if is_url(url) else repository.resolve(entry, url))


def open_shared(repository: Repository, warn: Callable[[str], None]) -> Shared | None:
    """What is behind the store's URL; None for a folder."""
    spec = repository.project.document.spec.artifacts
    if not is_url(spec.url):
        return None
    from tinyops.remote.fsspec_files import FsspecFiles

    secret = secret_options(spec.credentials.secret, repository.root) if spec.credentials is not None else {}
    files = FsspecFiles(spec.url, {**spec.options, **secret})
    return Shared(files, Patience(Limits(), list(secret.values())), warn)


def _trust(entry: Loaded[Project], root: Path) -> Trust | None:
    """One trusted signature is enough for a record."""
    named = entry.document.spec.artifacts.trusted
    found = load_trust((entry.path.parent / named).resolve()) if named is not None else find_trust(root)
    return Trust(found.keys) if found is not None else None


def _key(entry: Loaded[Project], root: Path) -> SigningKey | None:
    """The key that signs records; None where the secret is not, as on a fork's runner."""
    spec = entry.document.spec
    secret = spec.artifacts.key or spec.signing.image.key
    if secret is None:
        return None
    try:
        return load_signing_key(secret.secret, root)
    except ToolError:
        return None


def refuse_fleeting_releases(repository: Repository) -> None:
    """Raises SpecError where CI would publish into its own checkout, which is gone when the job has ended."""
    entry = repository.project
    releases = entry.document.spec.releases
    if not in_ci() or not isinstance(releases, DirectoryReleases) or releases.ephemeral:
        return
    checkout = _checkout(repository.root)
    if not repository.resolve(entry, releases.path).is_relative_to(checkout):
        return
    problem = repository.problem_at(
        "Project",
        entry.document.name,
        ("spec", "releases", "path"),
        f"{releases.path}: lies in the checkout, and CI is set: the release would be gone with the job",
        "publish outside the checkout; or write ephemeral: true, and let CI keep the folder, as with a cache",
    )
    raise SpecError([problem])


def _checkout(root: Path) -> Path:
    """The top of the Git checkout that holds the specs; without Git, the folder of the specs."""
    found = (folder for folder in (root, *root.parents) if (folder / ".git").exists())
    return next(found, root).resolve()
