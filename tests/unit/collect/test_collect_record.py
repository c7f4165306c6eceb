"""`tinyops collect`: the command as people and schedules run it, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.capturing import SIGNAL
from fakes.collecting_device import CollectingDevice, on_terminal
from tinyops.cli import main
from tinyops.datasets.editing import read_index

WAIT_S = 60.0
SPEC = """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: wrist}
spec:
  classes: [still, shake]
  signal: {sensor: imu, channels: [ax, ay, az], units: [g, g, g], full_scale: [4, 4, 4], rate_hz: 2000}
  sources: [{kind: recordings, index: ../data/wrist.csv}]
"""
NUMBERS = "".join(f"{n},{n % 3},1\n" for n in range(200)).encode()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "wrist.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tinyops", "collect", "wrist", *arguments]


@contextlib.contextmanager
def running(*arguments: str, **options: object) -> Iterator[subprocess.Popen[str]]:
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    child = subprocess.Popen(command(*arguments), text=True, **streams)  # type: ignore[call-overload]
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def until(true: object, what: str) -> None:
    """Waits for what a process does in its own time."""
    deadline = time.monotonic() + WAIT_S
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def journal_bytes(repository: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return sum(p.stat().st_size for p in (repository / "data/wrist/.unfinished").glob("*.journal"))
    return 0


def test_a_pipe_becomes_a_take_and_an_object_of_json(repository: Path) -> None:
    done = subprocess.run(command("--stdin", "--json", "--label", "shake"), input=NUMBERS, capture_output=True)
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    (line,) = read_index(repository / "data" / "wrist.csv")
    assert (value["frames"], value["label"], value["sha256"]) == (200, "shake", line.sha256)
    assert (repository / "data" / "wrist" / value["path"]).stat().st_size == value["bytes"]


def test_whoever_records_is_told_what_the_checks_make_of_it(repository: Path) -> None:
    done = subprocess.run(command("--stdin", "--label", "shake"), input=NUMBERS, capture_output=True)
    assert done.returncode == 0
    assert b"warning: clipping: 1 recording" in done.stderr, "its first column is beyond full scale"
    low = "".join(f"{n % 3},1,1\n" for n in range(200)).encode()
    done = subprocess.run(command("--stdin", "--label", "still"), input=low, capture_output=True)
    assert done.returncode == 0 and b"warning: clipping" not in done.stderr


def test_seconds_and_count_cut_a_pipe_into_takes(repository: Path) -> None:
    arguments = command("--stdin", "--json", "--seconds", "0.02", "--count", "3")
    done = subprocess.run(arguments, input=NUMBERS, capture_output=True)
    assert [json.loads(line)["frames"] for line in done.stdout.splitlines()] == [40, 40, 40]


def test_ctrl_c_ends_the_take_and_keeps_it(repository: Path) -> None:
    with on_terminal(CollectingDevice(SIGNAL)) as port, running("--port", port, "--label", "still") as child:
        until(lambda: journal_bytes(repository) > 2000, "nothing was recorded")
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=WAIT_S)
    assert child.returncode == 0, err
    assert "still" in out and "frames" in out
    assert len(read_index(repository / "data" / "wrist.csv")) == 1


def test_ctrl_c_before_the_time_is_over_keeps_the_take_and_says_so(repository: Path) -> None:
    with on_terminal(CollectingDevice(SIGNAL)) as port, running("--port", port, "--seconds", "600") as child:
        until(lambda: journal_bytes(repository) > 2000, "nothing was recorded")
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=WAIT_S)
    assert child.returncode == 130
    assert len(read_index(repository / "data" / "wrist.csv")) == 1


def test_killed_in_the_middle_the_next_start_recovers_the_take(repository: Path) -> None:
    with on_terminal(CollectingDevice(SIGNAL)) as port, running("--port", port, "--label", "shake") as child:
        until(lambda: journal_bytes(repository) > 4000, "nothing was recorded")
        child.kill()
        child.wait()
        assert not (repository / "data" / "wrist.csv").exists()
        left = journal_bytes(repository)
        done = subprocess.run(command("--stdin"), input=NUMBERS, capture_output=True)
    assert done.returncode == 0
    assert b"recovered the take" in done.stderr
    recovered, *_ = sorted(read_index(repository / "data" / "wrist.csv"), key=lambda e: e.take.endswith("0"))
    found = [e for e in read_index(repository / "data" / "wrist.csv") if e.take.endswith("-recovered")]
    assert recovered and [e.label for e in found] == ["shake"]
    assert (found[0].frames or 0) * 6 > left / 2
    assert journal_bytes(repository) == 0


def test_two_collectors_of_one_dataset_lose_no_take(repository: Path) -> None:
    children = [
        subprocess.Popen(command("--stdin", "--take", name, "--count", "5", "--seconds", "0.02"), stdin=subprocess.PIPE)
        for name in "ab"
    ]
    for number, child in enumerate(children):
        child.communicate("".join(f"{n},{number},1\n" for n in range(200)).encode(), timeout=WAIT_S)
    assert len(read_index(repository / "data" / "wrist.csv")) == 10


def test_commit_is_one_commit_of_what_was_recorded(repository: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "init", "-q", "."], check=True)
    subprocess.run([*git, "config", "user.name", "Anna"], check=True)
    subprocess.run([*git, "config", "user.email", "anna@example.com"], check=True)
    (repository / "unrelated").write_text("not yet")
    subprocess.run([*git, "add", "unrelated"], check=True)
    arguments = command("--stdin", "--label", "shake", "--subject", "anna", "--commit")
    done = subprocess.run(arguments, input=NUMBERS, capture_output=True)
    assert done.returncode == 0, done.stderr
    shown = subprocess.run([*git, "show", "--stat=200", "--format=%s"], capture_output=True, text=True).stdout
    assert "wrist: 1 recording of anna" in shown and "1 shake" in shown
    assert "data/wrist.csv" in shown and ".take" in shown and "unrelated" not in shown
    status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True).stdout
    assert sorted(status.splitlines()) == ["?? specs/", "A  unrelated"]


def test_a_commit_brings_the_files_of_earlier_takes_that_its_index_names(repository: Path) -> None:
    subprocess.run(["git", "init", "-q", "."], check=True)
    subprocess.run(["git", "config", "user.name", "Anna"], check=True)
    subprocess.run(["git", "config", "user.email", "anna@example.com"], check=True)
    for take, more in (("a", []), ("b", ["--commit"])):
        arguments = command("--stdin", "--label", "shake", "--take", take, *more)
        done = subprocess.run(arguments, input=NUMBERS + b"1,2,3\n" * len(more), capture_output=True)
        assert done.returncode == 0, done.stderr
    (repository / "data" / "wrist" / "notes.txt").write_text("of nobody's index")
    tracked = subprocess.run(["git", "ls-files", "data"], capture_output=True, text=True).stdout.split()
    named = {f"data/wrist/{entry.path}" for entry in read_index(repository / "data" / "wrist.csv")}
    assert len(named) == 2 and set(tracked) == {"data/wrist.csv", *named}


def test_a_commit_that_git_refuses_loses_nothing_and_says_what_to_do(repository: Path) -> None:
    arguments = command("--stdin", "--label", "shake", "--commit")
    done = subprocess.run(arguments, input=NUMBERS, capture_output=True)
    assert done.returncode == 70
    assert b"in no Git repository" in done.stderr and b"`git init`" in done.stderr
    assert len(read_index(repository / "data" / "wrist.csv")) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--label", "shaek"], 65, "did you mean shake?"),
        (["--label", "a/b"], 64, "is no label"),
        (["--label", "x" * 300], 64, "is no label"),
        (["--label", "schütteln"], 64, "is no label"),
        (["--subject", "../anna"], 64, "is no name"),
        (["--take", "a\nb"], 64, "is no name"),
        (["--seconds", "0"], 64, "not above 0"),
        (["--seconds", "nan"], 64, "not above 0"),
        (["--count", "0"], 64, "--count 0"),
        (["--columns", "1,2"], 64, "does not name 3 columns"),
        (["--columns", "0,1,2"], 64, "counted from 1"),
        (["--scale", "1,2"], 64, "has 2 entries"),
        (["--scale", "x"], 64, "no number to multiply by"),
        (["--units", "m/s"], 64, "cannot be told in g"),
        (["--baud", "9600"], 64, "--baud does nothing with --udp"),
        (["--rate", "2"], 64, "--rate does nothing with --udp"),
    ],
)
def test_what_nobody_can_mean_is_refused_before_anything_is_recorded(
    repository: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    assert main(["collect", "wrist", "--udp", "127.0.0.1:9", *arguments]) == code
    assert message in capsys.readouterr().err
    assert not (repository / "data").exists()


def test_a_dataset_without_an_index_of_recordings_is_named(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["collect", "wirst", "--udp", "127.0.0.1:9"]) == 64
    assert "did you mean wrist?" in capsys.readouterr().err


def read_until(terminal: int, wanted: str, seen: list[str]) -> None:
    deadline = time.monotonic() + WAIT_S
    while wanted not in "".join(seen):
        assert time.monotonic() < deadline, "".join(seen)[-2000:]
        if select.select([terminal], [], [], 0.1)[0]:
            seen.append(os.read(terminal, 65_536).decode("utf-8", "replace"))


def test_at_a_terminal_keys_begin_and_end_takes_and_a_picture_lives(repository: Path) -> None:
    far, near = os.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    with on_terminal(CollectingDevice(SIGNAL)) as port:
        child = subprocess.Popen(
            command("--port", port, "--label", "shake"), stdin=near, stdout=near, stderr=near, env=environment
        )
        seen: list[str] = []
        read_until(far, "Enter starts", seen)
        os.write(far, b"\n")
        read_until(far, "recording shake", seen)
        read_until(far, "▁", seen)
        os.write(far, b" ")
        read_until(far, "take ", seen)
        os.write(far, b"l")
        read_until(far, "label [shake]:", seen)
        os.write(far, b"stil\n")
        read_until(far, "did you mean still?", seen)
        os.write(far, b"r")
        read_until(far, "dropped take", seen)
        os.write(far, b"q")
        assert child.wait(WAIT_S) == 0
    os.close(near)
    os.close(far)
    assert read_index(repository / "data" / "wrist.csv") == ()
