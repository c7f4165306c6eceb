"""What tests of flashing begin with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fakes.usb_tree import UsbTree


@pytest.fixture
def tree(tmp_path: Path) -> UsbTree:
    return UsbTree(tmp_path / "sys")


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    folder = tmp_path / "RPI-RP2"
    folder.mkdir()
    (folder / "INFO_UF2.TXT").write_text("UF2 Bootloader v2.0\n")
    return folder


@pytest.fixture
def uf2(tmp_path: Path) -> Path:
    path = tmp_path / "firmware.uf2"
    path.write_bytes(os.urandom(200_000))
    return path
