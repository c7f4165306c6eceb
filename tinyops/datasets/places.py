"""What a dataset's spec says of where its files lie, opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tinyops.datasets.objects import Far, Folder, Objects, Place, data_folder
from tinyops.errors import SpecError
from tinyops.remote.files import Limits, Patience
from tinyops.remote.secrets import secret_options
from tinyops.specs.model import RecordingsSource
from tinyops.specs.store_rules import is_url

if TYPE_CHECKING:
    from tinyops.remote.fsspec_files import FsspecFiles

WEB = ("http", "https")
AUTHORIZATION = "Authorization"
LIMITS = Limits()


def open_objects(source: RecordingsSource, index: Path, dataset: str, limits: Limits = LIMITS) -> Objects:
    """The files that a source's index names; nothing is asked of a network before one is missing here.

    Raises SpecError for a bad url, ToolError for a secret that is missing and for packages that are not installed.
    """
    if source.url is None:
        return Objects(Folder(data_folder(index)), dataset)
    return Objects(open_place(source.url, index.parent, options_of(source, index), limits), dataset)


def options_of(source: RecordingsSource, index: Path) -> dict[str, Any]:
    """The options of a source's URL, with those that its secret holds. Raises ToolError."""
    secret = source.credentials and secret_options(source.credentials.secret, repository_of(index))
    return {**source.options, **(secret or {})}


def folder_of(url: str, beside: Path) -> Path | None:
    """The folder that a url means, relative to `beside`; None for what is behind a network."""
    if not is_url(url):
        return beside / url
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def open_place(url: str, beside: Path, options: Mapping[str, Any], limits: Limits = LIMITS) -> Place:
    """A folder, relative to `beside`, or what is behind a URL."""
    folder = folder_of(url, beside)
    if folder is not None:
        return Folder(folder)
    if "@" in urlsplit(url).netloc and urlsplit(url).password is not None:
        raise SpecError(
            "the URL holds a password, which messages would repeat",
            hint="`credentials: {secret: NAME}` of the dataset's source names a secret instead",
        )
    patience = Patience(limits, list(options.values()))
    if urlsplit(url).scheme in WEB:
        from tinyops.remote.web_files import WebFiles

        unknown = sorted(set(options) - {AUTHORIZATION})
        if unknown:
            raise SpecError(
                f"{url}: {', '.join(unknown)}: a web server is given nothing but a header {AUTHORIZATION}",
                hint=f'the secret reads {{"{AUTHORIZATION}": "Bearer …"}}',
            )
        return Far(WebFiles(url, options), patience)
    return Far(open_files(url, options), patience)


def open_files(url: str, options: Mapping[str, Any]) -> FsspecFiles:
    """What is behind any URL that fsspec knows, to read and to write."""
    from tinyops.remote.fsspec_files import FsspecFiles

    return FsspecFiles(url, options)


def repository_of(index: Path) -> Path:
    """The repository that an index lies in, for secrets of this machine: the nearest folder above with specs."""
    return next((p for p in index.resolve().parents if (p / "specs").is_dir()), index.parent)
