"""`python -m tinyops` and the `tinyops` command."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """What a service manager sends ends a command as cleanly as Ctrl-C does."""
    raise KeyboardInterrupt


def main() -> int:
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for plugins costs a tenth of a start
    gc.set_threshold(100_000, 20, 100)  # what a command reads it keeps: looking through it costs a third of a plan
    from tinyops.cli import main as run

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return run(sys.argv[1:])
    finally:
        gc.freeze()  # nor is it looked through at the end


if __name__ == "__main__":
    raise SystemExit(main())
