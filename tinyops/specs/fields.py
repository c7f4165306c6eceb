"""Field types of specs."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from tinyops.documents import Matching

Seed: TypeAlias = Annotated[int, Field(ge=0, le=2**31 - 1)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Path_: TypeAlias = Annotated[str, Field(min_length=1, max_length=1024)]
Label: TypeAlias = Annotated[
    str,
    Matching(
        r"^[A-Za-z0-9]([A-Za-z0-9 ._+-]*[A-Za-z0-9.+])?$",
        "a class is letters, digits, spaces and . _ + -, at most 63 characters",
        max_length=63,
    ),
]
Channel: TypeAlias = Annotated[
    str,
    Matching(r"^[A-Za-z][A-Za-z0-9_]*$", "a channel begins with a letter; letters, digits and _ follow", max_length=31),
]
GitHubRepository: TypeAlias = Annotated[
    str,
    Matching(
        r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?/[A-Za-z0-9_-][A-Za-z0-9._-]*$",
        "a repository reads owner/name, such as acme/wearables-releases",
        max_length=140,
    ),
]
GitHubUrl: TypeAlias = Annotated[
    str,
    Matching(
        r"^(https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|http://(localhost|127\.0\.0\.1))(:[0-9]{1,5})?$",
        "a GitHub's address reads https://ghe.example.com: encrypted, without a path",
        max_length=255,
    ),
]
Unit: TypeAlias = Annotated[
    str,
    Matching(r"^[A-Za-z0-9%°µ/*^.-]+$", 'a unit is written like m/s2, rad/s, g, dps or "1"', max_length=15),
]
GitRepository: TypeAlias = Annotated[
    str,
    Matching(
        r"^[A-Za-z0-9./~_][A-Za-z0-9@:/._~+-]*$",
        "a repository is an address such as https://git.example.com/acme/reports or git@git.example.com:acme/reports, "
        "or a folder",
        max_length=500,
    ),
]
GitBranch: TypeAlias = Annotated[
    str,
    Matching(
        r"^[A-Za-z0-9_][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)*$",
        "a branch is letters, digits, _ and -, and single . or / between them",
        max_length=100,
    ),
]
WebAddress: TypeAlias = Annotated[
    str,
    Matching(
        r"^(https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|http://(localhost|127\.0\.0\.1))(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$",
        "an address reads https://reports.example.com: encrypted, or of this machine",
        max_length=255,
    ),
]
