"""Collectors with Arduino's cores: they compile without a warning, and answer on the way that asked."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from test_arduino_acts import BOARDS, C_FLAGS, FLAGS, THIN, call

from fakes.collectors import IMU, Recorder, request_for
from fakes.esp32_device import unpack
from tinyops.firmware.forms.registry import form_of
from tinyops.link import Decoder, Frame, Type, encode
from tinyops.link.protocol import REPLIES, REPLY, REQUESTS
from tinyops.link.ways import BLE_NOTIFY, BLE_SERVICE, BLE_WRITE, NETWORK_PORT

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
WAYS = RUNTIME / "port/arduino/ways"
SANITIZE = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
NOTIFIED_MAX = 20
WAIT_S = 20


@pytest.mark.parametrize("board", ["nano33ble-radio", "esp32", "teensy41"])
def test_rendered_collectors_compile_and_lack_nothing_of_ours(board: str, tmp_path: Path) -> None:
    tools, cpu, core, _ = BOARDS[board]
    request = request_for(board, IMU, framework="arduino")
    files = {n: data for n, data in form_of(request.spec).render(request).items() if not n.startswith("twin/")}
    unpack(files, tmp_path)
    places = (tmp_path / "include", tmp_path / "src/arduino", THIN)
    common = [*cpu, f"-D{core}", "-DTINYOPS_BAUD=1000000", *(word for place in places for word in ("-I", place))]
    objects = []
    for source in sorted([*tmp_path.glob("src/**/*.cpp"), *tmp_path.glob("src/**/*.c")]):
        objects.append(tmp_path / f"{source.parent.name}-{source.stem}{source.suffix}.o")
        compiler = (f"{tools}g++", *FLAGS) if source.suffix == ".cpp" else (f"{tools}gcc", *C_FLAGS)
        call(*compiler, *common, "-c", source, "-o", objects[-1])
    call(f"{tools}g++", *cpu, "-nostdlib", "-r", *objects, "-o", tmp_path / "whole.o")
    symbols = call(f"{tools}nm", tmp_path / "whole.o")
    assert ("tinyops_arduino_open_ble" in symbols) == (board != "teensy41")
    assert ("tinyops_arduino_add_wifi" in symbols) == (board == "esp32")
    missing = [line.split()[-1] for line in call(f"{tools}nm", "-u", tmp_path / "whole.o").splitlines()]
    assert not [name for name in missing if name.startswith("tinyops_")]


def test_firmware_and_host_have_the_same_service() -> None:
    text = (WAYS / "ble.cpp").read_text()
    assert [text.count(f'"{uuid}"') for uuid in (BLE_SERVICE, BLE_WRITE, BLE_NOTIFY)] == [1, 1, 1]


def make(folder: Path, *sources: Path) -> Path:
    """A collector on the host, of the board's own sources and what stands for its radio."""
    include = ("-I", RUNTIME / "include")
    objects = []
    for source in [*sorted((RUNTIME / "collect").glob("*.c")), RUNTIME / "app/frame.c", RUNTIME / "app/kept.c"]:
        objects.append(folder / f"{source.stem}.o")
        call("gcc", *C_FLAGS, *SANITIZE, *include, "-c", source, "-o", objects[-1])
    places = ("-I", THIN, *include, "-I", WAYS, "-I", RUNTIME / "port/arduino", "-I", RUNTIME / "port/arduino/sensors")
    call("g++", *FLAGS, *SANITIZE, *places, WAYS / "ways.cpp", *sources, *objects, "-o", folder / "ways")
    return folder / "ways"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("ble"), WAYS / "ble.cpp", THIN / "collect_ways.cpp")


@pytest.fixture(scope="module")
def wireless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("wifi"), WAYS / "wifi_esp32.cpp", THIN / "collect_wifi.cpp")


@contextmanager
def on_air(program: Path) -> Iterator[dict[str, int]]:
    """The ports of one that serves its network."""
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            said = [child.stdout.readline().strip() for _ in range(5)]
            assert said[:2] == ["joins plant with secret", f"asked for {NETWORK_PORT}"] and said[-1] == "2 ways"
            yield {name: int(number) for name, _, number in (line.partition(" ") for line in said[2:4])}
        finally:
            child.kill()


def record(told: Recorder, take: int) -> None:
    assert told.ask(Type.COLLECT_START, take, 0) == (50_000, 6)
    told.until(1000, 6, take)
    assert told.ask(Type.COLLECT_STOP) == (1000, 0)
    whole = told.whole(6)
    assert len(whole) == 1000 and all(values == [n * 7 + i for i in range(6)] for n, values in whole.items())


def test_over_wi_fi_one_host_after_another_records_and_udp_beside_tcp(wireless: Path) -> None:
    with on_air(wireless) as ports:
        for take in (1, 2):
            with closing(socket.create_connection(("127.0.0.1", ports["tcp"]), WAIT_S)) as host:
                record(Recorder(partial(host.recv, 65536), host.sendall), take)
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as host:
            host.settimeout(WAIT_S)
            host.connect(("127.0.0.1", ports["udp"]))
            record(Recorder(partial(host.recv, 65536), host.send), 3)


def ask(way: str, kind: Type, *values: int, sequence: int) -> str:
    return f"{way} {encode(Frame(kind, sequence, REQUESTS[kind].pack(*values))).hex()}"


def play(program: Path, *script: str, name: str = "desk") -> tuple[dict[str, list[Frame]], list[bytes]]:
    """What came over each way, and the notifications as they were."""
    argv = [program, name]
    done = subprocess.run(argv, input="\n".join(script), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[:3000]
    sent: dict[str, list[bytes]] = {"serial": [], "ble": []}
    for line in done.stdout.splitlines():
        way, _, digits = line.partition(" ")
        sent[way].append(bytes.fromhex(digits))
    return {way: list(Decoder().feed(b"".join(pieces))) for way, pieces in sent.items()}, sent["ble"]


def test_answers_and_samples_go_where_the_last_request_came_from(program: Path) -> None:
    frames, notified = play(
        program,
        ask("serial", Type.HELLO, sequence=1),
        ask("ble", Type.COLLECT_START, 5, 0, sequence=2),
        "serial ff00ff0041",  # noise on the line
        "run 30",
        ask("ble", Type.COLLECT_STOP, sequence=3),
        ask("serial", Type.HELLO, sequence=4),
    )
    assert [f.sequence for f in frames["serial"]] == [1, 4]
    kinds = [f.type for f in frames["ble"]]
    assert kinds[0] == Type.COLLECT_START | REPLY and kinds[-1] == Type.COLLECT_STOP | REPLY
    assert set(kinds[1:-1]) == {Type.SAMPLES} and len(kinds) > 30
    values = b"".join(REPLIES[Type.SAMPLES].unpack(f.payload)[1] for f in frames["ble"][1:-1])
    assert values == b"".join((i % 65536).to_bytes(2, "little") for i in range(len(values) // 2))
    assert max(map(len, notified)) == NOTIFIED_MAX and all(notified)


def test_a_request_may_come_in_pieces_over_the_air(program: Path) -> None:
    whole = ask("ble", Type.COLLECT_START, 5, 0, sequence=2).removeprefix("ble ")
    frames, _ = play(program, f"ble {whole[:6]}", f"ble {whole[6:10]}", f"ble {whole[10:]}", "run 3")
    assert frames["ble"][0].type == Type.COLLECT_START | REPLY and len(frames["ble"]) > 2 and not frames["serial"]


def test_the_end_of_every_frame_leaves_at_once(program: Path) -> None:
    """Whatever its length: also where its last byte begins a notification."""
    lengths = set()
    for length in range(NOTIFIED_MAX):
        _, notified = play(program, ask("ble", Type.HELLO, sequence=1), name="n" * length)
        lengths.add(len(notified[-1]))
        assert notified[-1][-1] == 0 and b"".join(notified).count(0) == 2
    assert lengths == set(range(1, NOTIFIED_MAX + 1))
