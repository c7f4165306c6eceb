"""`tinyops collect record --push`: takes lie in the dataset here, and at the receiver."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fakes.collecting import TOKEN, Forge
from fakes.collecting_device import CollectingDevice, on_terminal
from fakes.recorded import Repo, repo
from tinyops.cli import main
from tinyops.collect.capture.block import Block
from tinyops.collect.capture.journal import FOLDER, Heading, Journal
from tinyops.datasets.editing import read_index
from tinyops.datasets.take import Clock, TakeFacts
from tinyops.errors import ExitCode
from tinyops.specs.model import Signal

__all__ = ["repo"]
NUMBERS = "".join(f"{n / 100},{n % 3}\n" for n in range(60))


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "mine"
    path.write_text(TOKEN + "\n")
    return path


def record(repo: Repo, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tinyops", "collect", "wrist", *map(str, arguments)]
    return subprocess.run(command, input=NUMBERS, capture_output=True, cwd=repo.root, text=True)


def test_what_is_recorded_is_at_the_receiver_as_well(
    repo: Repo, tmp_path: Path, collectors: Forge, token: Path
) -> None:
    with collectors.collecting(tmp_path) as collector:
        where = f"http://127.0.0.1:{collector.port}"
        facts = ("--label", "shake", "--subject", "anna", "--device", "d-9", "--seconds", "2", "--count", "3")
        done = record(repo, "--stdin", *facts, "--push", where, "--token-file", token)
        assert (done.returncode, f"3 recordings are at {where}" in done.stderr) == (0, True), done.stderr
        collector.stop()
    there = read_index(collector.root / "wrist.csv")
    assert len(there) == 3
    assert {(e.sha256, e.label, e.subject, e.device) for e in there} == {
        (e.sha256, "shake", "anna", "d-9") for e in repo.entries
    }


@pytest.fixture
def nowhere() -> str:
    """The address of a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        return f"http://127.0.0.1:{nobody.getsockname()[1]}"


def test_a_receiver_that_does_not_answer_costs_no_recording(repo: Repo, token: Path, nowhere: str) -> None:
    done = record(repo, "--stdin", "--label", "shake", "--push", nowhere, "--token-file", token, "--patience", "0")
    assert done.returncode == ExitCode.REMOTE, done.stderr
    assert f"what was recorded is in {repo.index}" in done.stderr
    assert f"tinyops collect push --index {repo.index} --dataset wrist --to {nowhere}" in done.stderr
    assert len(repo.entries) == 1


def test_a_take_that_fails_is_pushed_and_its_failure_is_said(repo: Repo, token: Path, nowhere: str) -> None:
    signal = Signal(sensor="imu", channels=("ax", "ay"), units=("g", "g"), full_scale=(4, 4), rate_hz=10)
    pushed = ("--push", nowhere, "--token-file", token, "--patience", "0")
    with on_terminal(CollectingDevice(signal, limit=400, fails=True)) as port:
        done = record(repo, "--port", port, "--label", "shake", "--seconds", "600", *pushed)
    assert "ended the take: the board's sensor does not answer" in done.stderr
    assert done.returncode not in (ExitCode.OK, ExitCode.REMOTE), "it is the sensor's failure, not the receiver's"
    assert f"what was recorded is in {repo.index}" in done.stderr, "and why it is not at the receiver"
    (entry,) = repo.entries
    assert entry.frames and entry.frames > 300


def test_a_take_that_was_recovered_is_pushed_though_no_device_is_there(
    repo: Repo, tmp_path: Path, collectors: Forge, token: Path
) -> None:
    facts = TakeFacts(
        sensor="imu",
        channels=("ax", "ay"),
        units=("g", "g"),
        rate_hz=10,
        clock=Clock(source="host"),
        started="2026-11-29T20:15:00Z",
    )
    left = Journal(repo.index.parent / "wrist" / FOLDER, Heading(facts=facts, values=2, label="shake", name="one"))
    left.add(Block(np.zeros((20, 2), np.float32), 1.0))
    left.close()
    with collectors.collecting(tmp_path) as collector:
        pushed = ("--push", f"http://127.0.0.1:{collector.port}", "--token-file", token)
        done = record(repo, "--port", tmp_path / "no-device", "--label", "shake", *pushed)
        collector.stop()
    assert done.returncode not in (ExitCode.OK, ExitCode.REMOTE), done.stderr
    (there,) = read_index(collector.root / "wrist.csv")
    assert (there.take, there.sha256) == ("one-recovered", repo.entries[0].sha256)


def test_what_no_receiver_takes_is_refused_before_anything_is_recorded(
    repo: Repo, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in (
        (["--push", "http://collect.example.org", "--token-file", str(token)], "https://"),
        (["--push", "https://collect.example.org"], "--token-file says what lets this machine in"),
        (["--token-file", str(token)], "do nothing without --push"),
    ):
        code = main(["collect", "wrist", "--repository", str(repo.root), "--udp", "127.0.0.1:9", *arguments])
        assert (code, said in capsys.readouterr().err) == (ExitCode.USAGE, True), said
    assert not repo.index.exists()
