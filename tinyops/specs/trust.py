"""Who signs, and where the metadata of gateways and Linux devices is put."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from tinyops.documents import Matching, Secret, Strict
from tinyops.specs.fields import Path_

KEYS_MAX = 20

Days: TypeAlias = Annotated[int, Field(ge=1, le=3650)]
WebAddress: TypeAlias = Annotated[
    str,
    Matching(
        r"^https?://[A-Za-z0-9][A-Za-z0-9._~:/-]*$",
        "an address reads https://acme.github.io/wearables: without a query",
        max_length=160,
    ),
]
GitRepository: TypeAlias = Annotated[
    str,
    Matching(
        r"^([A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9_-][A-Za-z0-9._-]*|https?://[^@\s]+|ssh://\S+|[a-z]+@[^:\s]+:\S+|\.{0,2}/\S*)$",
        "a repository reads owner/name, https://HOST/PATH without a password, git@HOST:PATH, or a path with ./ or /",
        max_length=500,
    ),
]
Branch: TypeAlias = Annotated[
    str,
    Matching(
        r"^[A-Za-z0-9_]([A-Za-z0-9_/-]|\.[A-Za-z0-9_/-])*$",
        "a branch is letters, digits and - _ / . between them",
        max_length=100,
    ),
]


class Signer(Strict):
    """Who signs, and with which key: an Ed25519 key that `tinyops keys new` makes."""

    by: Literal["ci"] = "ci"
    key: Secret | None = Field(default=None, description="The signing key. Without one, `apply` refuses.")


class TargetsSigner(Strict):
    """Who says which release gateways and Linux devices take: CI, or people whose keys specs/trust/root.json names."""

    by: Literal["ci", "people"] = "ci"
    threshold: Annotated[int, Field(ge=1, le=KEYS_MAX)] = Field(default=1, description="How many people must sign.")
    key: Secret | None = Field(default=None, description="CI's key; absent: that of `image`. People have their own.")


class OnlineSigner(Strict):
    """CI's key for what is signed again and again: snapshot, timestamp and the progress of rollouts."""

    key: Secret


class Signing(Strict):
    image: Signer = Field(description="Signs manifests and entries.")
    targets: TargetsSigner = Field(
        default=TargetsSigner(),
        description="Signs which release the metadata offers.",
    )
    online: OnlineSigner | None = Field(default=None, description="Needed by `metadata` and by rollouts.")


class Expiry(Strict):
    """For how many days metadata may be used after it was signed; afterwards nothing new is installed by it."""

    root_d: Days = Field(default=365, description="Which keys are trusted.")
    targets_d: Days = Field(default=365, description="Which release is offered.")
    snapshot_d: Days = Field(default=7, description="Which files belong together, and the progress of rollouts.")
    timestamp_d: Days = Field(default=3, description="What is newest: how long somebody can hide news from a device.")


class DirectoryMetadata(Strict):
    """Metadata in a folder, relative to this file; a web server shows it to devices."""

    kind: Literal["directory"]
    path: Path_
    url: WebAddress | None = Field(default=None, description="Where devices find it.")
    expiry: Expiry = Expiry()


class BranchMetadata(Strict):
    """Metadata on a branch of a Git repository that a static host shows, such as the pages of GitHub."""

    kind: Literal["branch"]
    repository: GitRepository = Field(description="owner/name on GitHub, an address, or a path relative to this file.")
    branch: Branch = Field(default="gh-pages", description="Holds nothing but the metadata.")
    url: WebAddress | None = Field(default=None, description="Where devices find it.")
    token: Secret | None = Field(
        default=None, description="Token that may push to an https address. Absent: what Git has by itself."
    )
    expiry: Expiry = Expiry()


MetadataHost: TypeAlias = Annotated[DirectoryMetadata | BranchMetadata, Field(discriminator="kind")]
