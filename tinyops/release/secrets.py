"""The signing keys among secrets. Values are read where they are used, and never shown."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyops.errors import TinyopsError, ToolError
from tinyops.files import read_bounded, sync_folder, writing
from tinyops.manifest.keys import PublicKey, SigningKey, write_private
from tinyops.remote.secrets import SECRET_LIMIT_BYTES, SECRET_NAME, resolve_secret, secret_path


@dataclass(frozen=True)
class NewKey:
    """A key that was just made: `path` holds the private half, mode 0600."""

    name: str
    path: Path
    public: PublicKey


def load_signing_key(name: str, root: Path, environment: Mapping[str, str] | None = None) -> SigningKey:
    """The Ed25519 key of that name. Raises ToolError when it is missing, SpecError when it is no key."""
    secret = resolve_secret(name, root, environment)
    return SigningKey.from_pem(secret.value, where=f"secret {name} ({secret.origin})")


def new_key(name: str, root: Path) -> NewKey:
    """Makes a signing key below `.tinyops/secrets`. Raises SpecError when there is one of that name."""
    path = secret_path(name, root)
    key = SigningKey.generate()
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, key.to_pem())
    return NewKey(name, path, key.public)


def swap_key(name: str, root: Path, key: SigningKey) -> Path | None:
    """Puts a key in the place of the one of that name, whose file is kept beside it; returns where, None without one.

    There is one or the other under the name at every moment. Raises ToolError when a variable gives the key, not its
    file here.
    """
    path = secret_path(name, root)
    for variable in (name, f"{name}_FILE"):
        if os.environ.get(variable):
            raise ToolError(
                f"secret {name} comes from the variable {variable}: what lies below .tinyops/secrets is not used",
                hint=f"unset it, write the key in use to {path} (mode 0600), and try again",
            )
    former = _keep_former(name, root, path) if path.exists() else None
    replace_key(path, key)
    return former


def replace_key(path: Path, key: SigningKey) -> None:
    """Writes a key in the place of what is there, at once, readable by its owner only."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = _beside(path, key)
        if not fresh.exists():
            write_private(fresh, key.to_pem())
        os.replace(fresh, path)
        sync_folder(path.parent)


def _keep_former(name: str, root: Path, path: Path) -> Path:
    old = _beside(path, SigningKey.from_pem(resolve_secret(name, root).value, where=str(path)))
    if not old.exists():
        os.link(path, old)
    return old


def _beside(path: Path, key: SigningKey) -> Path:
    return path.with_name(f"{path.name}_{key.public.key_id[:8].upper()}")


def keys_at_hand(root: Path) -> dict[str, str]:
    """The names of the secrets of this machine that are signing keys, by the ids of their public halves."""
    found: dict[str, str] = {}
    folder = root / ".tinyops" / "secrets"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if SECRET_NAME.fullmatch(path.name) and path.is_file():
            with contextlib.suppress(TinyopsError):
                key = SigningKey.from_pem(read_bounded(path, SECRET_LIMIT_BYTES), where=path.name)
                found.setdefault(key.public.key_id, path.name)
    return found
