"""A repository's releases, assets and refs as values: the one place that calls github3.py."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
from github3.exceptions import GitHubError, GitHubException, NotFoundError, UnprocessableEntity, error_for
from github3.git import Reference
from github3.repos.release import Asset as GitHubAsset
from github3.repos.release import Release as GitHubRelease
from github3.repos.repo import Repository
from github3.structs import GitHubIterator

from tinyops.errors import RemoteError
from tinyops.release.github.patience import Patience
from tinyops.release.github.place import Place
from tinyops.release.github.problems import SCOPES, Unsure, nonsense, printable, refusal
from tinyops.release.github.session import BROKEN, Session
from tinyops.release.github.uploading import Outgoing

RELEASES_PER_PAGE = 50  # each comes with its assets
RELEASES_MAX = 10_000  # GitHub lists no more
ASSETS_MAX = 1_000
REFS_MAX = 1_000
NAME_CHARACTERS_MAX = 300
UPLOADED = "uploaded"
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class RemoteAsset:
    """An asset as GitHub describes it; `digest` is its own, empty on servers that tell none."""

    id: int
    name: str
    bytes: int
    state: str
    digest: str
    handle: Any = field(repr=False, compare=False)

    @property
    def url(self) -> str:
        return str(self.handle.url)

    def may_be(self, length: int, digest: str) -> bool:
        """Whether nothing that GitHub says speaks against this content."""
        return self.state == UPLOADED and self.bytes == length and self.digest in ("", digest)


@dataclass(frozen=True)
class RemoteRelease:
    """A release as GitHub describes it, with the assets that came along: perhaps not all."""

    id: int
    tag: str
    draft: bool
    body: str
    embedded: tuple[RemoteAsset, ...]
    handle: Any = field(repr=False, compare=False)


@dataclass(frozen=True)
class RemoteCommit:
    sha: str
    message: str
    tree: str


class _Repository(Repository):  # type: ignore[misc]  # github3 has no types
    """A repository known by its address alone: one request fewer, and none of thirty fields that may go away."""

    def _update_attributes(self, repo: dict[str, str]) -> None:
        self.url = self._api = repo["url"]
        self.full_name = repo["full_name"]


class _Pages(GitHubIterator):  # type: ignore[misc]  # github3 has no types
    """A list in pages. What is no list is no empty one, either."""

    def _get_json(self, response: requests.Response) -> list[Any]:
        value = super()._get_json(response)
        if not isinstance(value, list):
            raise ValueError("wants a list")
        return value


class _Item:
    """One of a list, as it came."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Remote:
    """Every method raises RemoteError, Unreachable when GitHub did not answer, Unsure when a change may have been made.

    `token_origin` says where the token came from; empty when there is none. `scopes` says what it must be allowed.
    """

    def __init__(
        self, place: Place, token: str, token_origin: str, patience: Patience, *, scopes: str = SCOPES
    ) -> None:
        self.place = place
        self.patience = patience
        self.session = Session(place, token, patience)
        self._token_origin = token_origin if token else ""
        self._scopes = scopes
        address = f"{place.api}/repos/{place.owner}/{place.name}"
        self._repository = _Repository({"url": address, "full_name": f"{place.owner}/{place.name}"}, self.session)
        self._refused: Any = None

    def close(self) -> None:
        self.session.close()

    # -- releases ------------------------------------------------------------------------------

    def latest(self) -> RemoteRelease | None:
        """The one that GitHub's `latest` points to; None when there is none, or no such repository."""
        with self.asking("reading the latest release"):
            return self._or_none(self._repository.latest_release)

    def by_tag(self, tag: str) -> RemoteRelease | None:
        """A published release."""
        with self.asking(f"reading release {tag}"):
            return self._or_none(lambda: self._repository.release_from_tag(tag))

    def releases(self) -> tuple[RemoteRelease, ...]:
        """All of them; drafts, too, where the token may write."""
        url = f"{self._repository.url}/releases"
        with self.asking("listing the releases"):
            listed = _Pages(RELEASES_MAX, url, GitHubRelease, self.session, {"per_page": RELEASES_PER_PAGE})
            return tuple(_release(found) for found in listed)

    def create_draft(self, tag: str, body: str) -> RemoteRelease:
        with self.asking(f"making a draft of {tag}"):
            return _release(self._repository.create_release(tag, name=tag, body=body, draft=True))

    def edit_body(self, release: RemoteRelease, body: str) -> RemoteRelease:
        return self._patch(release, f"writing the notes of {release.tag}", body=body)

    def publish(self, release: RemoteRelease, *, latest: bool = True) -> RemoteRelease:
        """Turns a draft into a release, the latest unless told, in one request."""
        return self._patch(
            release,
            f"publishing {release.tag}",
            tag_name=release.tag,
            draft=False,
            prerelease=False,
            make_latest="true" if latest else "false",
        )

    def make_latest(self, release: RemoteRelease) -> RemoteRelease:
        return self._patch(release, f"making {release.tag} the latest release", make_latest="true")

    def delete_draft(self, release: RemoteRelease) -> None:
        with self.asking(f"deleting a dead draft of {release.tag}"):
            release.handle.delete()

    def _patch(self, release: RemoteRelease, doing: str, **fields: Any) -> RemoteRelease:
        # Release.edit of github3.py knows no make_latest.
        with self.asking(doing):
            return _release(
                GitHubRelease(self.read_object("patch", release.handle.url, data=json.dumps(fields)), self.session)
            )

    # -- assets --------------------------------------------------------------------------------

    def assets(self, release: RemoteRelease) -> tuple[RemoteAsset, ...]:
        """All assets of a release as they are now."""
        with self.asking(f"listing the files of {release.tag}"):
            listed = _Pages(
                ASSETS_MAX + 1, f"{release.handle.url}/assets", GitHubAsset, self.session, {"per_page": 100}
            )
            return tuple(_asset(found) for found in listed)

    def upload(self, release: RemoteRelease, name: str, outgoing: Outgoing) -> RemoteAsset:
        """One attempt. Raises Unsure when the answer got lost or the name is taken: it may be there, or half of it."""
        doing = f"uploading {name} to {release.tag}"
        with self.asking(doing), self._upload_patience():
            try:
                return _asset(release.handle.upload_asset("application/octet-stream", name, outgoing))
            except UnprocessableEntity as error:
                if not any(isinstance(e, dict) and e.get("code") == "already_exists" for e in error.errors):
                    raise
                problem = self._explained(error, doing)
        raise Unsure(problem.message, hint=problem.hint)

    def delete_asset(self, asset: RemoteAsset) -> None:
        with self.asking(f"deleting a half-uploaded or other {asset.name}"):
            asset.handle.delete()

    @contextlib.contextmanager
    def _upload_patience(self) -> Iterator[None]:
        before, self.patience.read_s = self.patience.read_s, max(self.patience.upload_read_s, self.patience.read_s)
        try:
            yield
        finally:
            self.patience.read_s = before

    # -- refs and commits ----------------------------------------------------------------------

    def refs(self, prefix: str) -> dict[str, str]:
        """What the refs below `refs/<prefix>` point to, by full name."""
        url = f"{self._repository.url}/git/matching-refs/{prefix}"
        with self.asking(f"reading refs/{prefix}"):
            listed = _Pages(REFS_MAX, url, Reference, self.session)
            return {str(ref.ref): _sha(ref.object.sha) for ref in listed}

    def create_ref(self, name: str, sha: str) -> bool:
        """Makes a ref, atomically; False when GitHub refuses it, as it does when the ref exists."""
        with self.asking(f"making {name}"):
            try:
                self._repository.create_ref(name, sha)
            except UnprocessableEntity as error:
                self._refused = error
                return False
            return True

    def why_refused(self, name: str) -> RemoteError:
        """Of the last ref that GitHub refused although it does not exist."""
        return self._explained(self._refused, f"making {name}")

    def move_ref(self, name: str, sha: str) -> None:
        with self.asking(f"writing {name}"):
            self.read_object("patch", self._ref_url(name), data=json.dumps({"sha": sha, "force": True}))

    def delete_ref(self, name: str) -> None:
        """A ref that is gone already is no error."""
        with self.asking(f"deleting {name}"), contextlib.suppress(UnprocessableEntity, NotFoundError):
            response = self.session.delete(self._ref_url(name))
            if response.status_code >= 400:
                raise error_for(response)

    def commit(self, sha: str) -> RemoteCommit:
        with self.asking(f"reading commit {sha[:12]}"):
            return _commit(self._repository.git_commit(sha))

    def create_tree(self, name: str, content: str) -> str:
        """A tree of one file."""
        entry = {"path": name, "mode": "100644", "type": "blob", "content": content}
        with self.asking("writing the lease's record"):
            return _sha(self._repository.create_tree([entry]).sha)

    def create_commit(self, message: str, tree: str) -> str:
        """A commit that no branch holds: a record for a ref to point to."""
        with self.asking("writing the lease's record"):
            return _commit(self._repository.create_commit(message, tree, [])).sha

    # -- the seam ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def asking(self, doing: str) -> Iterator[None]:
        """Turns what github3.py and a malformed answer raise into RemoteError."""
        self.session.doing = doing
        try:
            yield
        except GitHubError as error:
            problem = self._explained(error, doing)
        except GitHubException as error:
            problem = nonsense(self.place, doing, type(error).__name__)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            problem = nonsense(self.place, doing, f"{type(error).__name__}: {printable(error, 80)}")
        else:
            return
        raise problem from None

    def _explained(self, error: Any, doing: str) -> RemoteError:
        response = getattr(error, "response", None)
        if isinstance(response, requests.Response) and 400 <= response.status_code < 500:
            return self.refusal(doing, response)
        return nonsense(self.place, doing, "not JSON, or fields are missing")

    def refusal(self, doing: str, response: requests.Response) -> RemoteError:
        """What an answer from 400 to 499 means."""
        try:
            body = response.json()
        except (ValueError, RecursionError, *BROKEN):
            body = None
        token, scopes = self._token_origin, self._scopes
        return refusal(self.place, doing, response.status_code, response.headers, body, token=token, scopes=scopes)

    def listed(self, path: str, limit: int, doing: str, **options: str | int) -> list[dict[str, Any]]:
        """A list of objects below the repository's address, page by page, at most `limit` of them."""
        url = f"{self._repository.url}/{path}"
        with self.asking(doing):
            return [_object(found) for found in _Pages(limit, url, _Item, self.session, {"per_page": 100, **options})]

    def changed(self, method: str, path: str, doing: str, **fields: Any) -> dict[str, Any]:
        """What is at an address below the repository's, after the fields were sent there; without any, as it is."""
        with self.asking(doing):
            options = {"data": json.dumps(fields)} if fields else {}
            return self.read_object(method, f"{self._repository.url}/{path}", **options)

    def delete(self, path: str, doing: str) -> None:
        """What is gone already is no error."""
        with self.asking(doing):
            response = self.session.delete(f"{self._repository.url}/{path}")
            if response.status_code >= 400 and response.status_code != 404:
                raise error_for(response)

    def read_object(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        """An object that GitHub answers, within `asking`."""
        response = self.session.request(method, url, **options)
        if response.status_code >= 400:
            raise error_for(response)
        value = response.json()
        if not isinstance(value, dict):
            raise ValueError("wants an object")
        return value

    def _ref_url(self, name: str) -> str:
        return f"{self._repository.url}/git/{name}"

    def _or_none(self, ask: Any) -> RemoteRelease | None:
        try:
            found = ask()
        except NotFoundError:
            return None
        if found is None:
            raise ValueError("wants an object")
        return _release(found)


def _release(found: Any) -> RemoteRelease:
    assets = tuple(_asset(asset) for asset in found.original_assets)
    return RemoteRelease(
        _int(found.id), name_of(found.tag_name), _bool(found.draft), _text(found.body or ""), assets, found
    )


def _asset(found: Any) -> RemoteAsset:
    digest = found.as_dict().get("digest") or ""
    return RemoteAsset(
        _int(found.id), name_of(found.name), _int(found.size), _text(found.state), _text(digest).lower(), found
    )


def _commit(found: Any) -> RemoteCommit:
    return RemoteCommit(_sha(found.sha), _text(found.message), _sha(found.tree.sha))


def _object(found: _Item) -> dict[str, Any]:
    if not isinstance(found.value, dict):
        raise TypeError("wants an object")
    return found.value


def _sha(value: object) -> str:
    text = _text(value)
    if not _SHA.fullmatch(text):
        raise ValueError("wants a Git object's name")
    return text


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("wants a text")
    return value


def name_of(value: object) -> str:
    """A name for people, bounded. Raises ValueError."""
    text = _text(value)
    if not text.isprintable() or len(text) > NAME_CHARACTERS_MAX:
        raise ValueError("wants a name")
    return text


def _int(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("wants a number")
    return value


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("wants true or false")
    return value
