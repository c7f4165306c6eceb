"""Labels, subjects and takes out of the names of files."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from tinyops.errors import UsageError

FOLDER = "folder"
COLUMN = "column:"
MARK = "{}"
PATTERN_MAX = 200


def name_rule(text: str, option: str) -> re.Pattern[str]:
    """What `folder` or a pattern says of paths: `{}` is the name wanted, `*` anything, both within one part.

    A pattern is compared with as many parts of a path as it has, from the last. Raises UsageError.
    """
    pattern = f"{MARK}/*" if text == FOLDER else text
    if pattern.count(MARK) != 1 or len(pattern) > PATTERN_MAX:
        raise UsageError(
            f"{option} {text[:40]!r}: is neither folder nor a pattern with one {MARK}",
            hint=f"such as '{MARK}_*.wav' or '*/{MARK}/*.csv', or {COLUMN}NAME for a table's column",
        )
    parts = {MARK: "([^/]+?)", "*": "[^/]*"}
    inner = "".join(parts.get(piece, re.escape(piece)) for piece in re.split(r"(\{\}|\*)", pattern))
    return re.compile(f"(?:.*/)?{inner}")


def name_of(path: PurePosixPath, rule: re.Pattern[str], option: str) -> str:
    """What a rule finds in a path. Raises UsageError when it does not fit."""
    found = rule.fullmatch(path.as_posix())
    if found is None:
        raise UsageError(f"{path}: {option} does not fit its name", hint="name the files that it fits, one call a kind")
    return found[1]
