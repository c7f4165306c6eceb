"""`tinyops collect` and real collectors: a Linux one over TCP and UDP, an emulated Nano's over a serial port."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fakes.collectors import IMU, request_for
from fakes.pty_board import port_of
from tinyops.artifacts import Progress
from tinyops.build.collector import CONTRACT, make_collector
from tinyops.datasets.editing import read_index
from tinyops.datasets.objects import Folder, data_folder, read_entry
from tinyops.datasets.take import Take, read_take
from tinyops.firmware.forms.program import INCLUDES
from tinyops.firmware.forms.registry import form_of
from tinyops.specs.dataset import Signal
from tinyops.twin import Replay, VirtualBoard, open_twin

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
FRAMES, RATE_HZ, WAIT_S = 400, 400.0, 120.0
SIGNAL = IMU.model_copy(update={"rate_hz": RATE_HZ})


@pytest.fixture
def counts() -> np.ndarray:
    return np.random.default_rng(5).integers(-32768, 32768, (FRAMES, 6)).astype("<i2")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "specs").mkdir()
    write_spec(tmp_path, SIGNAL)
    return tmp_path


def write_spec(root: Path, signal: Signal) -> None:
    source = {"kind": "recordings", "index": "../data/motions.csv"}
    spec = {"classes": ["still", "shake"], "signal": signal.model_dump(mode="json", exclude_none=True)}
    document = {"apiVersion": "tinyops/v1", "kind": "Dataset", "metadata": {"name": "motions"}}
    (root / "specs" / "motions.yaml").write_text(json.dumps(document | {"spec": spec | {"sources": [source]}}))


def collect(root: Path, *arguments: str) -> Take:
    """Runs the command in a process of its own; the one take that it leaves."""
    argv = [
        sys.executable,
        "-m",
        "tinyops",
        "collect",
        "motions",
        "-C",
        str(root),
        "--seconds",
        "1",
        "--label",
        "shake",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([*argv, *arguments], capture_output=True, text=True, timeout=WAIT_S, env=environment)
    assert done.returncode == 0, done.stderr
    index = root / "data" / "motions.csv"
    (line,) = read_index(index)
    assert (line.label, line.frames, line.lost) == ("shake", FRAMES, 0)
    return read_take(read_entry(Folder(data_folder(index)), line), line.path)


def quiet(_: Progress) -> None:
    pass


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collector of Linux, as its project's sources make it."""
    folder = tmp_path_factory.mktemp("hosted")
    request = request_for("linux", SIGNAL)
    for name, data in form_of(request.spec).render(request).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    includes = [word if word == "-I" else folder / word for word in INCLUDES]
    argv = ["gcc", "-std=c99", "-D_GNU_SOURCE", "-O1", *includes, *sorted(folder.glob("src/*/*.c"))]
    subprocess.run([*argv, "-o", folder / "collector"], check=True, timeout=WAIT_S)
    return folder / "collector"


@pytest.mark.parametrize("way", ["tcp", "udp"])
def test_a_linux_machine_is_recorded_over_its_network(
    way: str, program: Path, repository: Path, counts: np.ndarray
) -> None:
    (repository / "recording").write_bytes(Replay(counts.tobytes(), 6, round(RATE_HZ * 1000)).file())
    argv = [program, "--replay", repository / "recording", f"--{way}", "0"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as child:
        try:
            assert child.stderr is not None
            address = child.stderr.readline().decode().strip().removeprefix("listening at ")
            take = collect(repository, f"--{way}", address)
        finally:
            child.kill()
    assert np.array_equal(take.values, counts)
    assert take.facts.clock.measured_hz == pytest.approx(RATE_HZ, rel=0.05)


def test_an_emulated_nano_is_recorded_over_a_serial_port(
    repository: Path, counts: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))
    request = request_for("nano33ble", SIGNAL)
    made = make_collector(request, tmp_path / "out", build=True, report=quiet)
    files = {path.name: path for path in made.files} | {"contract.json": made.folder / CONTRACT}
    with open_twin("nano33ble", request.spec, files, replay=Replay(counts.tobytes(), 6)) as virtual:
        assert isinstance(virtual, VirtualBoard)
        with port_of(virtual) as port:
            take = collect(repository, "--port", port)
    assert np.array_equal(take.values, counts)
    assert take.facts.board == "nano33ble"
    assert take.facts.clock.measured_hz == pytest.approx(RATE_HZ, rel=0.05)
