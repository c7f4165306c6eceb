"""Where metadata for devices is published, and the online key that signs what changes between releases."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from tinyops.documents import Matching, Secret, Strict
from tinyops.specs.fields import GitHubRepository, Path_

HttpUrl: TypeAlias = Annotated[
    str,
    Matching(r"^https?://[A-Za-z0-9][A-Za-z0-9._~!$&()*+=:@%/?-]*$", "an address reads https://…", max_length=180),
]
_URL = "Where devices fetch it from; absent: their own settings say."


class DirectoryMetadata(Strict):
    """A folder, relative to this file, that a static web server shows."""

    kind: Literal["directory"]
    path: Path_
    url: HttpUrl | None = Field(default=None, description=_URL)


class BranchMetadata(Strict):
    """A branch of a repository on GitHub, such as gh-pages."""

    kind: Literal["branch"]
    repository: GitHubRepository = Field(description="owner/name")
    branch: Annotated[str, Field(min_length=1, max_length=200)] = "gh-pages"
    url: HttpUrl | None = Field(default=None, description=_URL)


MetadataHost: TypeAlias = Annotated[DirectoryMetadata | BranchMetadata, Field(discriminator="kind")]


class OnlineSigner(Strict):
    """The key of scheduled jobs: what it signs can only wait, go on or halt among releases already signed."""

    key: Secret = Field(description="An Ed25519 key that `tinyops keys new` makes; its public half is in specs/trust.")
