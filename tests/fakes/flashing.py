"""Programs that flash, and boards that answer afterwards, without either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fakes.usb_tree import UsbTree
from tinyops.device.flashing.session import Surroundings
from tinyops.device.identify.usb import connected
from tinyops.link.smp import BoardInfo

DIGEST, CONTRACT = b"\x02" * 32, b"\x01" * 32


FAKE_AVRDUDE = """#!/bin/sh
# Behaves as avrdude does towards its caller: progress on both outputs, an exit status.
echo "$@" > "{log}"
printf 'Writing | ######          | 50%%\\n'
{middle}
printf 'Writing | ################ | 100%%\\n'
"""


def info(board: str = "mega2560", firmware: bytes | None = DIGEST, contract: bytes = CONTRACT) -> BoardInfo:
    return BoardInfo(board, "wrist", "1.0", contract, firmware, None, 0, 1, 0, 1000, 2000, 0)


def put_program(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, middle: str) -> Path:
    binaries = folder / "bin"
    binaries.mkdir(exist_ok=True)
    program, log = binaries / name, folder / "argv"
    program.write_text(FAKE_AVRDUDE.format(log=log, middle=middle))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{binaries}:/usr/bin:/bin")
    return log


def around_board(tree: UsbTree, **changes: Any) -> Surroundings:
    """Surroundings whose USB is the tree, and all of whose serial lines can be opened."""
    return Surroundings(**{"devices": lambda: connected(tree.root), "port_fault": lambda _: "", **changes})
