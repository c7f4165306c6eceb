"""Secrets by name. Values are read where they are used, and never shown."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinyops.errors import ToolError, UsageError
from tinyops.files import read_bounded

SECRET_LIMIT_BYTES = 64 * 1024
WORD_MIN = 8  # a shorter one of several is no secret by itself, such as Bearer
SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,99}")


@dataclass(frozen=True)
class SecretValue:
    """A secret and where it came from. Printing it shows the name only."""

    name: str
    origin: str
    value: bytes = field(repr=False)


def secret_path(name: str, root: Path) -> Path:
    """Where a repository keeps a secret on this machine; `.tinyops` is ignored by Git."""
    if not SECRET_NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a secret", hint="capital letters, digits and _, such as IMAGE_KEY")
    return root / ".tinyops" / "secrets" / name


def resolve_secret(name: str, root: Path, environment: Mapping[str, str] | None = None) -> SecretValue:
    """The value of a secret: variable NAME, else the file that NAME_FILE names, else `.tinyops/secrets/NAME`.

    Raises ToolError that names the three ways when there is none, and when others may read the file.
    """
    variables = os.environ if environment is None else environment
    path = secret_path(name, root)
    if variables.get(name):
        return SecretValue(name, f"environment variable {name}", variables[name].encode())
    named = variables.get(f"{name}_FILE")
    if named:
        return SecretValue(name, named, read_bounded(Path(named), SECRET_LIMIT_BYTES))
    if not path.exists():
        raise ToolError(
            f"secret {name} is nowhere to be found",
            hint=f"set {name}, or set {name}_FILE to a file's name, or write {path} (mode 0600); "
            f"`tinyops keys new {name}` makes a signing key there",
        )
    if path.stat().st_mode & 0o077:
        raise ToolError(f"{path}: others than its owner may read it", hint=f"chmod 600 {path}")
    return SecretValue(name, str(path), read_bounded(path, SECRET_LIMIT_BYTES))


def secret_options(name: str, root: Path) -> dict[str, Any]:
    """The options of a file system that a secret holds as JSON. Raises ToolError, which never quotes it."""
    secret = resolve_secret(name, root)
    hint = 'such as {"key": "…", "secret": "…"}: the options of the URL\'s file system, as fsspec names them'
    try:
        value = json.loads(secret.value)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ToolError(f"secret {secret.name} ({secret.origin}): not a JSON object", hint=hint)
    return value


def hidden(text: str, secrets: Iterable[object]) -> str:
    """Text of others without secrets, however it quotes them: as they are, escaped, without what stands around."""
    for form in sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True):
        text = text.replace(form, "…")
    return text


def _forms(secret: object) -> Iterator[str]:
    """What text may show of a secret; of a mapping or a list, all that is in it."""
    if isinstance(secret, str):
        words = secret.split()
        yield from filter(None, (secret, secret.strip(), repr(secret)[1:-1], json.dumps(secret)[1:-1], " ".join(words)))
        yield from (word for word in words if len(word) >= WORD_MIN)
    elif isinstance(secret, Mapping):
        for value in secret.values():
            yield from _forms(value)
    elif isinstance(secret, list | tuple):
        for value in secret:
            yield from _forms(value)
