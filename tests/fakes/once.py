"""What takes long to make, once for all workers of a test run; each works on a copy of its own."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

RUN = "PYTEST_TINYOPS_RUN"  # the environment's, which workers inherit: names the run


def run_folder() -> Path:
    """Of this run: whoever started it makes its name, and removes it in the end."""
    return Path(tempfile.gettempdir()) / f"tinyops-test-{os.environ.setdefault(RUN, str(os.getpid()))}"


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """A copy of what `make` leaves in the folder that it is given; the first worker makes it, the others wait."""
    shared = run_folder()
    shared.mkdir(mode=0o700, exist_ok=True)
    whole = shared / f"{name}.whole"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(shared / name, ignore_errors=True)  # of a worker that failed
            make(shared / name)
            whole.touch()
    own = Path(tempfile.mkdtemp(prefix="tinyops-test-"))
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    shutil.copytree(shared / name, own / name, symlinks=True)
    return own / name
