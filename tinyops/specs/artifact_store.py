"""What users write of the artifact store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import Field

from tinyops.documents import Matching, Secret, Strict
from tinyops.specs.fields import Path_

OptionName: TypeAlias = Annotated[
    str, Matching(r"^[A-Za-z_][A-Za-z0-9_]*$", "an option is letters, digits and _", max_length=63)
]
OptionText: TypeAlias = Annotated[str, Field(max_length=1024)]


class ArtifactStore(Strict):
    """Where steps leave what they made. Behind a URL many machines share it, and take only records that are signed."""

    url: Path_ = Field(
        description="A folder, relative to this file; or a URL that fsspec knows, such as s3://bucket/prefix."
    )
    options: Mapping[OptionName, OptionText] = Field(
        default={}, max_length=20, description="Of the URL's file system, as fsspec names them. No credentials."
    )
    credentials: Secret | None = Field(
        default=None,
        description="A secret that holds more options, as a JSON object. Absent: what the file system finds by itself.",
    )
    key: Secret | None = Field(
        default=None, description="Signs records. Absent: the key of signing.image, whose public half is trusted."
    )
    trusted: Path_ | None = Field(
        default=None, description="With `key`: the PEM file of the public keys whose records are taken."
    )
