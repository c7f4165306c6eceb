"""What users write of the project: where releases, artifacts and reports lie, who signs, which limits hold."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from tinyops.documents import Name, Secret, Strict
from tinyops.specs.artifact_store import ArtifactStore
from tinyops.specs.fields import (
    GitBranch,
    GitHubRepository,
    GitHubUrl,
    GitRepository,
    Path_,
    Share,
    WebAddress,
)
from tinyops.specs.gates import LimitOverride
from tinyops.specs.trust import MetadataHost, Signing


class DirectoryReleases(Strict):
    """Releases in a folder, relative to this file; any static file server may show it to devices."""

    kind: Literal["directory"]
    path: Path_
    ephemeral: bool = Field(
        default=False,
        description="The folder lies in the checkout and may vanish with it: without this, `apply` in CI refuses it.",
    )


class GitHubReleases(Strict):
    """Releases of a repository on GitHub, best one that holds nothing else: devices fetch from its latest release."""

    kind: Literal["github"]
    repository: GitHubRepository = Field(description="owner/name")
    url: GitHubUrl = Field(default="https://github.com", description="Of a GitHub Enterprise: https://ghe.example.com.")
    token: Secret | None = Field(
        default=None,
        description="Token that may read, and for `apply` write, the repository's contents. Absent: GITHUB_TOKEN or "
        "GH_TOKEN.",
    )


class DirectoryReports(Strict):
    """Where devices leave their reports: a folder, relative to this file."""

    kind: Literal["directory"]
    path: Path_


class HttpReports(Strict):
    """Reports that a receiver keeps, `tinyops receive`, read over the web."""

    kind: Literal["http"]
    url: WebAddress = Field(description="The receiver's address: https://reports.example.com.")
    token: Secret = Field(description="The token that may read all reports: of the receiver's --read-token-file.")


class BranchReports(Strict):
    """Reports on a Git branch of another repository: what may write there must not write here."""

    kind: Literal["branch"]
    repository: GitRepository = Field(description="Its address; a folder, relative to this file.")
    branch: GitBranch = "reports"
    token: Secret | None = Field(default=None, description="Token that reads it, over https. Absent: as Git is set up.")


class Limits(Strict):
    destroy_share: Share = Field(
        default=0.1,
        description="Largest share of a fleet's boards that one release takes out of it; another model counts as all.",
    )
    shrink_share: Share = Field(
        default=0.2, description="Largest share of a dataset's recordings that may go before its fleets are held."
    )


class Retired(Strict):
    """A fleet that was deleted on purpose: what becomes of its devices, and until when its entry stays."""

    fleet: Name = Field(description="The fleet whose spec is gone.")
    action: Literal["keep", "erase"] = Field(default="keep", description="What its devices do with the model they run.")
    until: date = Field(description="Last day on which its entry is still released.")


class ProjectSpec(Strict):
    releases: Annotated[DirectoryReleases | GitHubReleases, Field(discriminator="kind")] = Field(
        description="Where releases are published."
    )
    artifacts: ArtifactStore = Field(
        default=ArtifactStore(url="../.tinyops/store"),
        description="What steps made, by digest: a cache, all of it can be made or fetched again.",
    )
    reports: Annotated[DirectoryReports | HttpReports | BranchReports, Field(discriminator="kind")] | None = Field(
        default=None, description="Where devices' reports are read. Without it the fleet is open-loop."
    )
    metadata: MetadataHost | None = Field(
        default=None,
        description="Where TUF metadata for gateways and Linux devices goes, and how far rollouts are.",
    )
    signing: Signing
    limits: Limits = Limits()
    overrides: tuple[LimitOverride, ...] = Field(default=(), max_length=100, description="Limits lifted by name.")
    retired: tuple[Retired, ...] = Field(default=(), description="Fleets that were deleted on purpose.")
