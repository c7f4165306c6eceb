"""`python -m tinyops` and the `tinyops` command."""

from __future__ import annotations

import os
import sys


def main() -> int:
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for plugins costs a tenth of a start
    from tinyops.cli import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
