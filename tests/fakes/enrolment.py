"""The example's repository with a file for a fleet's devices and two trusted keys, as `tinyops enrol` wants it."""

from __future__ import annotations

import shutil
from pathlib import Path

from tinyops.manifest.keys import SigningKey

ROOT = Path(__file__).parents[2]
MORE = ("mega2560",)


def enrolling_repository(root: Path) -> Path:
    """Made at `root`, which must not be there; fleet `wrist` has the empty file wrist.csv, and some boards more."""
    shutil.copytree(ROOT / "specs", root / "specs")
    fleets = root / "specs/fleets.yaml"
    text = fleets.read_text().replace("devices: {enrol: open, max: 20}", "devices: {file: wrist.csv}", 1)
    more = "".join(f"    {board}: {{sensor: {{kind: stream, port: serial}}, transport: usb}}\n" for board in MORE)
    fleets.write_text(text.replace("    pico: ", f"{more}    pico: ", 1))
    (root / "specs/wrist.csv").touch()
    keys = [SigningKey.generate().public.to_pem() for _ in range(2)]
    (root / "specs/trusted.pem").write_bytes(b"".join(keys))
    return root
