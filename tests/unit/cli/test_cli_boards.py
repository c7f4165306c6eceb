"""`tinyops boards`: the table, one board in full, JSON, the user's own boards, narrow terminals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tinyops.boards import load_catalog
from tinyops.cli import main
from tinyops.cli.commands import boards as command
from tinyops.cli.output import Output
from tinyops.report.boards import HEADERS, columns_that_fit, firmware_proof, full_text, model_proof, row

CATALOG = load_catalog()
OWN = """\
apiVersion: tinyops/v1
kind: Board
metadata: {name: wrist}
extends: nano33ble
spec: {title: Wrist, layout: {arena_bytes: 65536}}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "specs/boards").mkdir(parents=True)
    (tmp_path / "specs/boards/wrist.yaml").write_text(OWN)
    return tmp_path


def test_every_board_has_its_row(capsys: pytest.CaptureFixture[str], repository: Path) -> None:
    assert main(["boards", "-C", str(repository)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["board", "mcu"]
    names = [line.split()[0] for line in lines[2:] if line and not line.startswith(("slots", "*", "model", "Never"))]
    assert names == sorted([*CATALOG, "wrist*"])
    assert "* of this repository, in specs/boards/." in lines
    assert f"Never run on silicon: {len(CATALOG)} of {len(CATALOG) + 1} boards." in lines


def test_outside_a_repository_the_catalogue_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["boards", "pico"]) == 0
    said = capsys.readouterr().out
    assert "model 0        0x10040000 0x10110000    851,968" in said
    assert "silicon     never run" in said
    assert "USB 2e8a:0003 bootloader" in said
    assert "erased by 4,096 bytes in 45 ms, programmed by 256, each once between erases" in said


def test_json_has_every_fact(capsys: pytest.CaptureFixture[str], repository: Path) -> None:
    assert main(["boards", "-C", str(repository), "--json"]) == 0
    value = {board["name"]: board for board in json.loads(capsys.readouterr().out)["boards"]}
    assert value.keys() == {*CATALOG, "wrist"}
    assert (value["wrist"]["own"], value["wrist"]["extends"]) == (True, "nano33ble")
    assert value["pico"]["spec"]["layout"]["arena_bytes"] == 196_608
    assert value["esp32"]["proof"] == {"model": "rendered", "firmware": "rendered"}
    assert main(["boards", "wrist", "-C", str(repository), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == value["wrist"]


@pytest.mark.parametrize(("name", "hint"), [("pcio", "did you mean pico?"), ("zzzzzz", "there is: ")])
def test_an_unknown_board_is_refused(capsys: pytest.CaptureFixture[str], name: str, hint: str) -> None:
    assert main(["boards", name]) == 64
    assert hint in capsys.readouterr().err


def test_a_wrong_board_file_is_an_error_with_its_place(capsys: pytest.CaptureFixture[str], repository: Path) -> None:
    (repository / "specs/boards/wrist.yaml").write_text(OWN.replace("65536", "6553600"))
    assert main(["boards", "-C", str(repository)]) == 65
    assert "wrist.yaml:5:44: spec.layout.arena_bytes: arena and stack together are larger" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "model", "firmware"),
    [
        ("linux", "same-bytes", "-"),
        ("phone", "same-bytes", "same-bytes"),
        ("microbit", "same-bytes", "same-bytes"),
        ("mega2560", "same-bytes", "same-bytes"),
        ("nano33ble", "same-bytes", "same-source"),
        ("uno-r4", "same-bytes", "rendered"),
        ("esp32", "rendered", "rendered"),
        ("coral-micro", "same-source", "rendered"),
        ("esp32c3", "same-source", "rendered"),
        ("raspberrypi4", "same-bytes", "-"),
    ],
)
def test_proof_is_the_best_that_a_twin_here_gives(name: str, model: str, firmware: str) -> None:
    spec = CATALOG[name].spec
    assert (model_proof(spec), firmware_proof(spec)) == (model, firmware)


def test_a_narrow_terminal_loses_columns_never_the_board() -> None:
    rows = [row(board) for board in CATALOG.values()]
    assert columns_that_fit(rows, None) == len(HEADERS)
    assert columns_that_fit(rows, 10) == 3
    output = Output(json=False)
    for width in (60, 80, 100, 120):
        lines = command._table(rows, width, output).splitlines()
        assert all(len(line) <= width for line in lines), width
        assert any(line.startswith("No room for: ") for line in lines)
        assert lines[2].startswith("coral-dev-board")


@pytest.mark.parametrize("name", CATALOG)
@pytest.mark.parametrize("width", [50, 100])
def test_one_board_in_full_keeps_to_the_width(name: str, width: int) -> None:
    board = CATALOG[name]
    text = full_text(board, width=width)
    assert "never run" in text or board.spec.silicon.run
    assert all(fact in text for fact in board.spec.twin.not_covered) or width < 100
    if board.spec.layout is not None:
        assert all(f"\n{region} " in text for region, _ in board.spec.layout.named())
