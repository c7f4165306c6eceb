"""`tinyops collect firmware` as people type it: what it writes, what it says to do next, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tinyops.cli import main
from tinyops.files import digest_json

ROOT = Path(__file__).parents[3]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["collect", "firmware", "-C", str(ROOT), *arguments])
    done, said = capsys.readouterr()
    return status, done, said


def test_a_project_is_written_with_its_contract_and_the_next_step_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "wrist"
    status, done, said = run(capsys, "motions", "nano33ble", "--out", str(out))
    assert status == 0 and "build it with --build" in done and "1,000,000 baud" in done
    assert "onboard-imu: ax reaches 39.2 m/s2, not 40" in said, "why its own sensor is not read"
    assert {path.name for path in out.iterdir()} == {"collector.json", "project"}
    assert (out / "project/platformio.ini").is_file() and (out / "project/src/main.c").is_file()
    digest = digest_json(json.loads((out / "collector.json").read_text()))
    assert f"Contract {digest}" in (out / "project/include/collector.h").read_text()


@pytest.mark.parametrize(
    ("board", "next_step"),
    [
        ("phone", "on a web server with https"),
        ("coral-micro", "CMakeLists.txt says how"),
        ("linux", "or by its Makefile"),
        ("esp32", "build it with --build"),
    ],
)
def test_what_to_do_next_is_the_form_s(
    board: str, next_step: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, done, _ = run(capsys, "motions", board, "--out", str(tmp_path / "out"))
    assert status == 0 and next_step in done


def test_with_json_there_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, done, _ = run(capsys, "motions", "phone", "--json", "--out", str(tmp_path / "out"))
    value = json.loads(done)
    assert (
        status == 0 and value["board"] == "phone" and value["sensor"] is None and value["files"] == ["collector.json"]
    )
    assert value["contract"] == digest_json(json.loads((tmp_path / "out/collector.json").read_text()))


@pytest.mark.parametrize(
    ("words", "status", "fault"),
    [
        (("motion", "nano33ble"), 64, "there is no dataset 'motion'"),
        (("motions", "nano"), 64, "board 'nano' is not in the catalogue"),
        (("motions", "nano33ble", "--sensor", "onboard-imu"), 65, "does not deliver the dataset's signal"),
        (("motions", "nano33ble", "--sensor", "gyro"), 65, "has no sensor 'gyro'"),
        (("motions", "mega2560", "--framework", "library"), 64, "no library firmware for mega2560"),
        (("motions", "linux", "--framework", "arduino"), 64, "it runs an operating system"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    words: tuple[str, ...], status: int, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, _, said = run(capsys, *words, "--out", str(tmp_path / "out"))
    assert found == status and fault in said and not (tmp_path / "out").exists()


def test_a_folder_is_made_anew_and_what_is_a_person_s_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(capsys, "motions", "nano33ble", "--out", str(out))[0] == 0
    for name in ("firmware.hex", "notes.txt"):
        (out / name).write_text("x")
    status, done, _ = run(capsys, "motions", "mega2560", "--out", str(out))
    assert status == 0 and "tinyops flash" not in done
    assert {path.name for path in out.iterdir()} == {"collector.json", "notes.txt", "project"}
    assert not (out / "project/src/main.c").exists() and (out / "project/src/main.cpp").is_file()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project/thesis.txt").write_text("x")
    status, _, said = run(capsys, "motions", "phone", "--out", str(tmp_path))
    assert status == 64 and "no collector is" in said and (tmp_path / "project/thesis.txt").is_file()
