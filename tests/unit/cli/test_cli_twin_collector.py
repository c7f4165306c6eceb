"""`tinyops twin BOARD FOLDER`: which folders are collectors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyops.boards import load_catalog
from tinyops.cli.commands.twin import _collector
from tinyops.errors import UsageError

CATALOG = load_catalog()


def folder(tmp_path: Path, *names: str) -> Path:
    for name in names:
        (tmp_path / name).write_text("{}")
    return tmp_path


def test_a_collector_has_its_contract_and_what_its_twin_runs(tmp_path: Path) -> None:
    files = _collector(folder(tmp_path, "collector.json", "twin.elf", "firmware.bin"), CATALOG["nano33ble"])
    assert files["twin.elf"] == tmp_path / "twin.elf"
    assert files["contract.json"] == tmp_path / "collector.json"


@pytest.mark.parametrize(
    ("board", "names", "missing"),
    [
        ("nano33ble", ("twin.elf",), "collector.json"),
        ("nano33ble", ("collector.json", "firmware.elf"), "twin.elf"),
        ("microbit", ("collector.json", "twin.elf"), "firmware.elf"),
    ],
)
def test_another_folder_is_refused(tmp_path: Path, board: str, names: tuple[str, ...], missing: str) -> None:
    with pytest.raises(UsageError, match=f"no collector of {board}: it holds no {missing}"):
        _collector(folder(tmp_path, *names), CATALOG[board])
