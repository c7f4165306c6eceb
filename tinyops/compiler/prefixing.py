"""A library whose every symbol has a prefix of its own, so that several models can be linked into one program.

Sources stay as they are: a header that all of them include renames what they define.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tinyops.errors import UsageError

PUBLIC_HEADER = "include/tinyops/model.h"
NAMES_HEADER = "src/tinyops/names.h"
GUARD = "#define TINYOPS_INTERNAL_H\n"
MODEL_INCLUDE = '#include "tinyops/model.h"\n'
VALID = re.compile(r"[a-z][a-z0-9_]{0,39}")
KERNEL = re.compile(r"^TINYOPS_INTERNAL [^;{}(]*?(\w+)\(", re.MULTILINE)
ARRAY = re.compile(r"^extern TINYOPS_INTERNAL [^;]*?(\w+)\[", re.MULTILINE)
ENTRY = re.compile(r"^(?:extern const \w+ (tinyops_model);|int32_t (tinyops_model_\w+)\([^;]*\);)$", re.MULTILINE)


def check_prefix(prefix: str) -> str:
    """The prefix. Raises UsageError for one that no symbol may begin with."""
    if not VALID.fullmatch(prefix) or prefix.startswith("tinyops"):
        raise UsageError(
            f"prefix {prefix!r} cannot begin a C name of yours",
            hint="letters in lower case, digits and _, for example kws",
        )
    return prefix


def with_prefix(texts: Mapping[str, str], prefix: str, header: str) -> dict[str, str]:
    """A library's files with `prefix` before every symbol; `header` is the public one that declares them."""
    found = dict(texts)
    declared = list(ENTRY.finditer(found[PUBLIC_HEADER]))
    entries = [match[1] or match[2] for match in declared]
    inner = [text for path, text in found.items() if path.startswith("src/") and path.endswith(".h")]
    names = sorted({name for text in inner for pattern in (KERNEL, ARRAY) for name in pattern.findall(text)})
    renamed = {name: f"{prefix}_{name.removeprefix('tinyops_')}" for name in (*entries, *names)}
    prototypes = "\n".join(match[0] for match in declared)
    found[NAMES_HEADER] = _names_header(renamed, prototypes)
    internal = "src/tinyops/internal.h"
    found[internal] = found[internal].replace(GUARD, f'{GUARD}\n#include "tinyops/names.h"\n', 1)
    found["src/model.h"] = found["src/model.h"].replace(
        MODEL_INCLUDE, f'{MODEL_INCLUDE}#include "tinyops/names.h"\n', 1
    )
    public = {old: new for old, new in renamed.items() if old in entries}
    for path in (header, "README.md", "examples/run/main.c"):
        found[path] = _replaced(found[path], public)
    found[header] = _declared(found[header], _replaced(prototypes, public))
    return found


def _names_header(renamed: Mapping[str, str], prototypes: str) -> str:
    defines = "".join(f"#define {old} {new}\n" for old, new in renamed.items())
    return (
        "/* This library's own names, so that several can be linked into one program. Generated: edits are lost. */\n"
        "#ifndef TINYOPS_NAMES_H\n#define TINYOPS_NAMES_H\n\n"
        f"{MODEL_INCLUDE}\n{defines}\n{_in_c(prototypes)}\n#endif\n"
    )


def _declared(header: str, prototypes: str) -> str:
    """The public header with the model's entry points under their names in it."""
    return header.replace(MODEL_INCLUDE, f"{MODEL_INCLUDE}\n{_in_c(prototypes)}", 1)


def _in_c(prototypes: str) -> str:
    return f'#ifdef __cplusplus\nextern "C" {{\n#endif\n{prototypes}\n#ifdef __cplusplus\n}}\n#endif\n'


def _replaced(text: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\btinyops_model\w*", lambda found: names.get(found[0], found[0]), text)
