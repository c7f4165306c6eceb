"""What the programs that take pictures of phones share: a project that is applied, and the size of a picture."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tinyops.process import run

ROOT = Path(__file__).resolve().parents[1]
PICTURE_BYTES_MAX = 150_000
SCREEN = {"width": 390, "height": 844}
APPLY_LIMIT_S = 900


@contextlib.contextmanager
def applied(fleet: str) -> Iterator[Path]:
    """The example's project with another fleet, released, in a folder that goes again."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        shutil.copytree(ROOT / "specs", root / "specs")
        (root / "specs" / "fleets.yaml").write_text(fleet)
        for arguments in ("keys new TINYOPS_IMAGE_KEY", "lock", "apply"):
            run([sys.executable, "-m", "tinyops", *arguments.split()], timeout_s=APPLY_LIMIT_S, cwd=root)
        yield root


def check(picture: Path, most: int = PICTURE_BYTES_MAX) -> None:
    """Says how large it is; ends the program where that is too much."""
    size = picture.stat().st_size
    assert size < most, f"{picture} has {size:,} bytes"
    print(f"{picture}: {size:,} bytes. Look at it before you commit it.")
