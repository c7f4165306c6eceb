"""YAML documents that people write: read within bounds, refused with file, line and column.

`read` gives plain values with positions, `validate` a frozen pydantic object, and both report
everything that is wrong in a file as `Problem`s. The parser is imported only when a file is not in
the parse cache, positions are computed only when something is wrong.
"""

from tinyops.documents.cache import ParseCache
from tinyops.documents.fields import Digest, Matching, Misplaced, Name, Secret, Strict
from tinyops.documents.problems import NotYet, closest, validate
from tinyops.documents.reading import (
    FILE_LIMIT_BYTES,
    YamlDocument,
    parse,
    read,
    shown_path,
)

__all__ = [
    "FILE_LIMIT_BYTES",
    "Digest",
    "Matching",
    "Misplaced",
    "Name",
    "NotYet",
    "ParseCache",
    "Secret",
    "Strict",
    "YamlDocument",
    "closest",
    "parse",
    "read",
    "shown_path",
    "validate",
]
