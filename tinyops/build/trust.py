"""The public keys that a repository trusts."""

from __future__ import annotations

from pathlib import Path

from tinyops.manifest.keys import Trust, load_trust

TRUSTED_FILES = ("specs/trusted.pem", ".tinyops/trusted.pem")


def find_trust(root: Path) -> Trust | None:
    """The public keys that may sign releases: committed ones, else those made on this machine."""
    for name in TRUSTED_FILES:
        if (root / name).exists():
            return load_trust(root / name)
    return None
