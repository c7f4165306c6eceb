"""The collector of Linux, with sanitizers: over standard input and output, TCP and UDP, from a recording and a pipe."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from fakes.collectors import IMU, SOUND, Recorder, request_for
from tinyops.artifacts import Progress
from tinyops.build.collector import make_collector
from tinyops.cli import main
from tinyops.datasets.index import parse_index
from tinyops.datasets.take import read_take
from tinyops.firmware.forms.form import Request
from tinyops.firmware.forms.program import INCLUDES
from tinyops.firmware.forms.registry import form_of
from tinyops.link import Status, Type
from tinyops.specs.dataset import Signal
from tinyops.twin import Replay

pytestmark = pytest.mark.build

FLAGS = ["-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-g", "-O1"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
RAW = 2 * 16000  # bytes of sound in a second
WAIT_S = 20


def compile_for(signal: Signal, folder: Path) -> Path:
    request = request_for("linux", signal)
    for name, data in form_of(request.spec).render(request).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    sources = sorted(folder.glob("src/*/*.c"))
    includes = [word if word == "-I" else folder / word for word in INCLUDES]
    subprocess.run(["gcc", *FLAGS, *SANITIZE, *includes, *sources, "-o", folder / "collector"], check=True, timeout=120)
    return folder / "collector"


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_for(IMU, tmp_path_factory.mktemp("motion"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_for(SOUND, tmp_path_factory.mktemp("sound"))


@contextmanager
def running(program: Path, *options: object, **files: object) -> Iterator[subprocess.Popen[bytes]]:
    argv = [program, *map(str, options)]
    given = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | files
    with subprocess.Popen(argv, **given) as child:  # type: ignore[call-overload]
        try:
            yield child
        finally:
            child.kill()


def piped(child: subprocess.Popen[bytes]) -> Recorder:
    assert child.stdin is not None and child.stdout is not None
    write, out = child.stdin, child.stdout.fileno()

    def send(data: bytes) -> None:
        write.write(data)
        write.flush()

    return Recorder(lambda: os.read(out, 65536), send)


def port_of(child: subprocess.Popen[bytes]) -> int:
    assert child.stderr is not None
    said = child.stderr.readline().decode()
    found = re.fullmatch(r"listening at 127\.0\.0\.1:(\d+)\n", said)
    assert found, said
    return int(found[1])


def recording(folder: Path, samples: int, values: int, rate_millihz: int) -> tuple[Path, bytes]:
    counts = np.random.default_rng(3).integers(-32768, 32768, (samples, values), np.int16).astype("<i2").tobytes()
    (folder / "recording").write_bytes(Replay(counts, values, rate_millihz).file())
    return folder / "recording", counts


def data_of(told: Recorder, take: int) -> bytes:
    return b"".join(values for number, _, _, values in told.samples if number == take)


def test_what_a_recording_holds_arrives_over_standard_output(motion: Path, tmp_path: Path) -> None:
    path, counts = recording(tmp_path, 3000, 6, 0)  # as fast as it is taken
    with running(motion, "--replay", path) as child:
        told = piped(child)
        assert told.ask(Type.COLLECT_START, 1, 0) == (50_000, 6)
        told.until(3000, 6, 1)
        assert told.ask(Type.COLLECT_STOP) == (3000, 0) and data_of(told, 1) == counts
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(WAIT_S) == 0, "it ends with its input"


def test_without_a_sensor_it_says_so(motion: Path) -> None:
    with running(motion) as child:
        assert piped(child).ask(Type.COLLECT_START, 1, 0) == (Status.NO_SENSOR,)


def over_tcp(port: int) -> tuple[socket.socket, Recorder]:
    host = socket.create_connection(("127.0.0.1", port), WAIT_S)
    return host, Recorder(lambda: host.recv(65536), host.sendall)


def test_one_host_after_another_records_over_tcp(motion: Path, tmp_path: Path) -> None:
    path, counts = recording(tmp_path, 2000, 6, 0)
    with running(motion, "--replay", path, "--tcp", 0) as child:
        port = port_of(child)
        for take in (1, 2):
            host, told = over_tcp(port)
            with closing(host):
                assert told.ask(Type.COLLECT_START, take, 0) == (50_000, 6)
                told.until(2000, 6, take)
                assert told.ask(Type.COLLECT_STOP) == (2000, 0) and data_of(told, take) == counts
        assert child.poll() is None


def test_a_datagram_holds_a_whole_frame(motion: Path, tmp_path: Path) -> None:
    path, _ = recording(tmp_path, 20, 6, 0)
    with running(motion, "--replay", path, "--udp", 0) as child:
        port = port_of(child)
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as host:
            host.settimeout(WAIT_S)
            host.connect(("127.0.0.1", port))
            seen: list[bytes] = []

            def receive() -> bytes:
                seen.append(host.recv(65536))
                return seen[-1]

            host.send(b"")  # says nothing, ends nothing
            told = Recorder(receive, host.send)
            assert told.ask(Type.COLLECT_START, 1, 0) == (50_000, 6)
            told.until(20, 6, 1)
            assert told.ask(Type.COLLECT_STOP) == (20, 0)
        assert all(d[0] == d[-1] == 0 and b"\0" not in d[1:-1] and len(d) > 3 for d in seen)


def test_what_another_program_writes_is_collected(sound: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "microphone")
    counts = np.random.default_rng(4).integers(-32768, 32768, 3 * RAW // 2, np.int16).astype("<i2").tobytes()
    with running(sound, "--pipe", tmp_path / "microphone") as child:
        told = piped(child)
        assert told.ask(Type.COLLECT_START, 1, 0) == (16_000_000, 1), "before anybody writes"
        with (tmp_path / "microphone").open("wb", buffering=0) as pipe:
            for at in range(0, len(counts), 4096 + 1):  # samples are torn apart
                pipe.write(counts[at : at + 4096 + 1])
            told.until(len(counts) // 2, 1, 1)
            assert told.ask(Type.COLLECT_STOP) == (len(counts) // 2, 0) and data_of(told, 1) == counts


def test_a_pipe_that_ends_ends_its_take(sound: Path) -> None:
    with running(sound, "--pipe", "/dev/stdin", "--tcp", 0) as child:
        port = port_of(child)
        assert child.stdin is not None
        host, told = over_tcp(port)
        with closing(host):
            assert told.ask(Type.COLLECT_START, 1, 0) == (16_000_000, 1)
            child.stdin.write(bytes(range(200)))
            child.stdin.close()
            error = next(frames[0] for frames in iter(told.more, None) if frames)
            assert error.type == Type.ERROR and error.payload == bytes([256 + Status.SENSOR])
            assert told.ask(Type.COLLECT_STOP) == (100, 0) and data_of(told, 1) == bytes(range(200))
            assert told.ask(Type.COLLECT_START, 2, 0) == (16_000_000, 1), "and fails again"


def test_a_host_that_takes_nothing_for_long_misses_frames_and_knows_which(sound: Path) -> None:
    with running(sound, "--pipe", "/dev/stdin", "--tcp", 0) as child:
        port = port_of(child)
        assert child.stdin is not None
        host = socket.socket()
        host.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host.settimeout(WAIT_S)
        host.connect(("127.0.0.1", port))
        told = Recorder(lambda: host.recv(65536), host.sendall)
        with closing(host):
            assert told.ask(Type.COLLECT_START, 1, 0) == (16_000_000, 1)
            total = 4 << 20  # samples: eight MiB, of which sockets and ring hold less, while nobody reads
            counts = (np.arange(total, dtype=np.uint32) % 65521).astype("<u2").tobytes()
            child.stdin.write(counts)
            child.stdin.flush()
            told.until(total, 1, 1)
            frames, missed = told.ask(Type.COLLECT_STOP)
        assert frames == total and int(missed) > 0
        at = 0
        for _, number, _, data in told.samples:
            assert number >= at and data == counts[2 * number : 2 * number + len(data)], "no gap is anywhere else"
            at = number + len(data) // 2
        assert sum(len(data) // 2 for *_, data in told.samples) == total - int(missed)


def repository(root: Path) -> Path:
    """Of one dataset that people record into."""
    signal = {name: list(v) if isinstance(v, tuple) else v for name, v in IMU.model_dump(exclude_none=True).items()}
    source = {"kind": "recordings", "index": "../data/wrist.csv"}
    spec = {"task": "classification", "classes": ["up", "down"], "signal": signal, "sources": [source]}
    project = {"releases": {"kind": "directory", "path": "../r"}, "artifacts": {"url": "../s"}}
    (root / "specs").mkdir(parents=True)
    (root / "data").mkdir()
    (root / "data/wrist.csv").write_text("sha256,label\n")
    for kind, name, body in (("Project", "p", project), ("Dataset", "wrist", spec)):
        document = {"apiVersion": "tinyops/v1", "kind": kind, "metadata": {"name": name}, "spec": body}
        (root / f"specs/{name}.yaml").write_text(json.dumps(document))
    return root


@pytest.mark.parametrize("way", ["tcp", "udp"])
def test_the_recorder_makes_a_take_of_what_it_sends(motion: Path, way: str, tmp_path: Path) -> None:
    root = repository(tmp_path / "repository")
    path, counts = recording(tmp_path, 500, 6, 50_000)
    with running(motion, "--replay", path, f"--{way}", 0) as child:
        there = [f"--{way}", f"127.0.0.1:{port_of(child)}"]
        given = ["--label", "up", "--seconds", "0.6", "--count", "1", "--now"]
        assert main(["collect", "record", "-C", str(root), "wrist", *there, *given]) == 0
    (entry,) = parse_index((root / "data/wrist.csv").read_bytes(), "wrist.csv")
    take = read_take((root / "data/wrist" / entry.path).read_bytes(), entry.path)
    assert (entry.label, entry.lost, take.facts.board) == ("up", 0, "linux")
    assert len(take.values) >= 30 and counts.startswith(take.values.astype("<i2").tobytes())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--replay", "/nowhere"], "No such file"),
        (["--pipe", __file__], "a file, no pipe"),
        (["--tcp", "70000"], "no port number"),
        (["--udp", "x"], "no port number"),
        (["--tcp", "0", "--address", "here"], "not an address"),
        (["--quickly"], "unknown option"),
        (["--replay"], "No such file"),
    ],
)
def test_what_cannot_start_says_why(motion: Path, options: list[str], said: str) -> None:
    done = subprocess.run([motion, *options], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 2 and said in done.stderr


def quiet(_: Progress) -> None:
    pass


@pytest.mark.parametrize("board", ["linux", "raspberrypi4"])
def test_it_is_built_as_one_file_for_the_board_s_core(board: str, tmp_path: Path) -> None:
    request: Request = request_for(board)
    made = make_collector(request, tmp_path, build=True, report=quiet)
    assert made.facts is not None and made.facts["program_bytes"] > 0
    program = (tmp_path / "collector").read_bytes()
    assert program[:4] == b"\x7fELF" and program[18] == {"linux": 62, "raspberrypi4": 183}[board]
    with (tmp_path / "collector").open("rb") as stream:
        assert "PT_INTERP" not in {segment["p_type"] for segment in ELFFile(stream).iter_segments()}
    assert str(tmp_path).encode() not in program
