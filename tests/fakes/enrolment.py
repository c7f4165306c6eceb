"""The example's repository with a file for a fleet's devices and two trusted keys, as `tinyops enrol` wants it."""

from __future__ import annotations

import shutil
from pathlib import Path

from tinyops.manifest.keys import SigningKey

ROOT = Path(__file__).parents[2]


def enrolling_repository(root: Path) -> Path:
    """Made at `root`, which must not be there; fleet `wrist` has the empty file wrist.csv."""
    shutil.copytree(ROOT / "specs", root / "specs")
    fleets = root / "specs/fleets.yaml"
    fleets.write_text(fleets.read_text().replace("devices: {enrol: open, max: 20}", "devices: {file: wrist.csv}", 1))
    (root / "specs/wrist.csv").touch()
    keys = [SigningKey.generate().public.to_pem() for _ in range(2)]
    (root / "specs/trusted.pem").write_bytes(b"".join(keys))
    return root
