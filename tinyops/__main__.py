"""`python -m tinyops` and the `tinyops` command."""

from __future__ import annotations

import sys


def main() -> int:
    from tinyops.cli import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
