"""What the Arduino port tells others: it compiles for its boards without a warning, and on the host its own sources
say what docs/act.md says, and post to a real server, whatever that does."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fakes import web
from fakes.esp32_device import compile_program, powered, unpack
from fakes.models import CONTRACT, SOURCE, contract_digest
from tinyops.boards import load_catalog
from tinyops.device.posting import Post
from tinyops.device.provision.format import Settings, encode_values
from tinyops.firmware import render_project
from tinyops.link import Link
from tinyops.link.serial_port import SerialStream
from tinyops.link.smp import BoardManager
from tinyops.specs.acts import BleAct, HttpAct
from tinyops.toolchain import CPU_FLAGS

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
PORT = ROOT / "tinyops/runtime/port/arduino"
ACTS, THIN = PORT / "acts", ROOT / "tests/runtime/arduino"
FLAGS = ("-std=gnu++11", "-Os", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
C_FLAGS = ("-std=c99", "-Os", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
INCLUDES = ("-I", THIN, "-I", ROOT / "tinyops/runtime/include", "-I", PORT, "-I", PORT / "sensors", "-I", ACTS)
HOST = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-pthread")
M4, M7 = CPU_FLAGS["cortex-m4f"], CPU_FLAGS["cortex-m7"]
# The ESP32s' own compiler is not here: the host's stands for it.
BOARDS = {
    "nano33ble-radio": ("arm-none-eabi-", M4, "ARDUINO_ARCH_MBED", ("ble",)),
    "uno-r4": ("arm-none-eabi-", M4, "ARDUINO_ARCH_RENESAS", ("ble",)),
    "esp32": ("", (), "ARDUINO_ARCH_ESP32", ("ble", "http")),
    # These tell nobody; their models lie in slots that the application fills.
    "teensy41": ("arm-none-eabi-", M7, "__IMXRT1062__", ()),
    "pico2": ("arm-none-eabi-", CPU_FLAGS["cortex-m33"], "ARDUINO_ARCH_RP2040", ()),
    "nucleo-h743zi": ("arm-none-eabi-", M7, "ARDUINO_ARCH_STM32", ()),
}
URL = "http://plant.example:8080/results"


def call(*argv: object) -> str:
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(board: str, kinds: tuple[str, ...], contract: dict[str, Any] | None = None) -> dict[str, bytes]:
    spec = load_catalog()[board].spec.model_copy(update={"port": "arduino"})
    assert spec.layout is not None
    given = {"sensor": "imu", "channels": ["ax"], "full_scale": [1.0], "frame_values": 1}
    output = {"classes": ["still", "walk fast"], "type": "int8", "bytes": 2}
    known = {"ble": BleAct(kind="ble"), "http": HttpAct(kind="http", url=URL, only_changes=True)}
    return render_project(
        board=board,
        spec=spec,
        fleet="f",
        sensor={"kind": "stream"},
        contract=contract or {"abi": 1, "input": given, "output": output, "arena_bytes": spec.layout.arena_bytes},
        acts=tuple(known[kind] for kind in kinds),
    )


@pytest.mark.parametrize("board", BOARDS)
def test_rendered_programs_compile_and_lack_nothing_of_ours(board: str, tmp_path: Path) -> None:
    tools, cpu, core, kinds = BOARDS[board]
    files = rendered(board, kinds)
    unpack(files, tmp_path)
    places = (tmp_path / "include", tmp_path / "src/arduino", tmp_path / "fetched", THIN)
    common = [*cpu, f"-D{core}", *(argument for place in places for argument in ("-I", place))]
    objects = []
    for source in sorted([*tmp_path.glob("src/**/*.cpp"), *tmp_path.glob("src/**/*.c")]):
        objects.append(tmp_path / f"{source.parent.name}-{source.stem}{source.suffix}.o")
        compiler = (f"{tools}g++", *FLAGS) if source.suffix == ".cpp" else (f"{tools}gcc", *C_FLAGS)
        call(*compiler, *common, "-c", source, "-o", objects[-1])
    call(f"{tools}g++", *cpu, "-nostdlib", "-r", *objects, "-o", tmp_path / "whole.o")
    slots = "src/update/slots.c" in files
    assert slots == (board != "uno-r4") and ("tinyops_vendor_open" in call(f"{tools}nm", tmp_path / "whole.o")) == (
        board == "esp32"
    )
    missing = [line.split()[-1] for line in call(f"{tools}nm", "-u", tmp_path / "whole.o").splitlines()]
    assert not [name for name in missing if name.startswith("tinyops_") and not name.startswith("tinyops_model")]


def test_a_firmware_holds_only_what_its_fleet_asks_for() -> None:
    plain, both = rendered("esp32", ()), rendered("esp32", ("ble", "http"))
    added = sorted(set(both) - set(plain))
    names = ["act.h", "ble.cpp", "esp32wifi.cpp", "library.h", "report.cpp"]
    assert added == [f"src/arduino/{name}" for name in names]
    assert "arduino-libraries/ArduinoBLE@" in both["platformio.ini"].decode()
    assert "ArduinoBLE" not in plain["platformio.ini"].decode()
    main = both["src/main.cpp"].decode()
    assert f'"{URL}"' in main and '"still", "walk fast"' in main and "port.show = 0" in main
    ini = rendered("nano33ble-radio", ("ble",))["platformio.ini"].decode()
    assert "board_upload.maximum_size = 393216" in ini, "it may not reach into the model's slot"
    without = render_default("esp32")
    assert "port.show = 0" not in without["src/main.cpp"].decode() and set(without) == set(plain)


def render_default(board: str) -> dict[str, bytes]:
    spec = load_catalog()[board].spec
    assert spec.layout is not None
    contract = {"abi": 1, "input": {}, "output": {}, "arena_bytes": spec.layout.arena_bytes}
    return render_project(board=board, spec=spec, fleet="f", sensor={"kind": "stream"}, contract=contract)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("acts") / "acting"
    sources = (ACTS / "report.cpp", ACTS / "esp32wifi.cpp", THIN / "acting.cpp", THIN / "esp32_host.cpp")
    call("g++", *FLAGS, *HOST, *INCLUDES, "-DARDUINO_ARCH_ESP32", *sources, "-o", made)
    return made


def report(index: int, best: int, scores: bytes, *, outputs: int | None = None, kind: int = 0x40) -> str:
    count = len(scores) if outputs is None else outputs
    return (struct.pack("<BBIIHH", kind, index & 255, index, 77, best, count) + scores).hex()


def told(program: Path, labels: str, text: str, device: str = "esp-1") -> tuple[dict[str, Any], bytes]:
    body, packed = call(program, "json", device, labels, 3, text).splitlines()
    return json.loads(body), bytes.fromhex(packed)


def test_a_board_s_body_is_the_agent_s(program: Path) -> None:
    body, packed = told(program, "still,walk", report(70_000, 1, bytes([0x80, 0x7F])))
    agent = Post("", False, device="esp-1", board="esp32", fleet="wrist", model="", sequence=70_000)
    assert body == {**json.loads(agent.body(0, 3, 1234, 1, [-128, 127], "walk")), "model": None}
    assert list(body) == list(json.loads(agent.body(0, 3, 1234, 1, [-128, 127], "walk")))
    assert packed == struct.pack("<IHBB", 70_000, 1, 255, 1)


def test_bodies_of_models_without_names_or_with_many_outputs(program: Path) -> None:
    body, _ = told(program, "-", report(1, 0, bytes([5, 4])))
    assert (body["label"], body["scores"], body["scale"], body["zero_point"]) == (None, [5, 4], None, None)
    body, packed = told(program, "-", report(2, 64, bytes(65)))
    assert body["scores"] is None and packed == struct.pack("<IHBB", 2, 64, 128, 1)
    body, packed = told(program, "-", report(3, 300, bytes(200), outputs=900))
    assert (body["class"], body["scores"], packed[6]) == (300, None, 0), "its score was not reported"
    body, _ = told(program, "-", report(4, 63, bytes([0x80] * 64)), device='a"\\\x01b' + "c" * 80)
    assert body["device"] == "a???b" + "c" * 58 and body["scores"] == [-128] * 64


@pytest.mark.parametrize("text", ["", report(1, 0, b"")[:26], report(1, 0, b"ab", kind=0x41)])
def test_what_is_no_result_is_told_nobody(program: Path, text: str) -> None:
    assert call(program, "json", "d", "-", 0, text) == "none\n"


@contextmanager
def posting(program: Path, url: str, count: int, *, only_changes: bool = False) -> Iterator[None]:
    argv = [str(program), "post", url, str(int(only_changes)), str(count)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdin is not None and child.stderr is not None
        assert child.stdout.readline() == b"offered\n", child.stderr.read().decode()
        try:
            yield
            child.stdin.close()
            assert child.wait(timeout=20) == 0, child.stderr.read().decode()
        finally:
            child.kill()


def until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not seen():
        assert time.monotonic() < end, "never seen"
        time.sleep(0.005)


def wait_for(server: web.FakeServer, count: int) -> list[Any]:
    until(lambda: len(server.taken) >= count)
    return server.taken


def test_a_board_posts_and_asks_again_while_the_server_is_in_trouble(program: Path, tmp_path: Path) -> None:
    with web.serving(tmp_path) as server:
        server.faults["plant"] = web.at_first(3, web.status(503))
        with posting(program, f"{server.url}/plant", 4):
            taken = wait_for(server, 4)
        assert [(r["sequence"], r["label"], r["lost"]) for r in taken] == [
            (0, "still", 0),
            (1, "still", 0),
            (2, "still", 0),
            (3, "walk", 0),
        ]
        assert len(server.asked) == 7


def test_a_board_s_full_queue_loses_the_oldest_and_says_how_many(program: Path, tmp_path: Path) -> None:
    with web.serving(tmp_path) as server:
        gate = threading.Event()

        def hold(request: web.Request, body: bytes) -> None:
            gate.wait(20)
            web.status(503)(request, body)

        server.faults["plant"] = web.at_first(1, hold)
        with posting(program, f"{server.url}/plant", 30):
            gate.set()  # all are offered by now
            taken = wait_for(server, 16)
            until(lambda: taken[-1]["sequence"] == 29)
        numbers = [r["sequence"] for r in taken]
        assert numbers[-16:] == list(range(14, 30)), "and before them the one that was on its way, if any"
        assert len(numbers) + taken[-1]["lost"] == 30


def test_a_board_posts_changes_only_where_it_is_told_to(program: Path, tmp_path: Path) -> None:
    with web.serving(tmp_path) as server, posting(program, f"{server.url}/plant", 9, only_changes=True):
        assert [r["sequence"] for r in wait_for(server, 3)] == [0, 3, 6]


def test_a_board_drops_what_the_server_refuses(program: Path, tmp_path: Path) -> None:
    with web.serving(tmp_path) as server:
        server.faults["plant"] = web.at_first(2, web.status(404))
        with posting(program, f"{server.url}/plant", 4):
            taken = wait_for(server, 2)
        assert [(r["sequence"], r["lost"]) for r in taken] == [(2, 2), (3, 2)]


@pytest.fixture(scope="module")
def esp32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole rendered program with a model, for this machine; where its fleet posts is where PLANT leads."""
    folder = tmp_path_factory.mktemp("esp32")
    layout = load_catalog()["esp32"].spec.layout
    assert layout is not None
    contract = json.dumps({**CONTRACT, "arena_bytes": layout.arena_bytes}).encode()
    files = rendered("esp32", ("ble", "http"), json.loads(contract))
    digest = bytes.fromhex(contract_digest(contract).removeprefix("sha256:"))
    files["src/model.c"] = f"#define CONTRACT_BYTES {','.join(map(str, digest))}\n{SOURCE}".encode()
    return compile_program(files, folder)


def test_an_esp32_s_whole_program_notifies_and_once_it_is_enrolled_posts(esp32: Path, tmp_path: Path) -> None:
    flash, windows = tmp_path / "flash", [[0x4000, 0x4000]] * 4 + [[-0x4000, -0x4000]] * 4
    keys = tuple(bytes([number]) * 32 for number in range(2))
    settings = Settings(
        device="esp-9",
        fleet="f",
        board="esp32",
        image_keys=keys,
        report_public_key=bytes(32),
        report_key=bytes(32),
        wifi_ssid="plant-7",
        wifi_password="correct horse",
    )
    with web.serving(tmp_path) as server:
        with powered(esp32, flash, PLANT=server.url) as port:
            with BoardManager.open(port) as manager:
                assert manager.read_settings() == b""
                manager.write_settings(encode_values(settings))
            assert feed(port, windows) == [0, 0, 1]
        assert server.asked == [], "its network is known from the next start"
        with powered(esp32, flash, PLANT=server.url) as port:
            assert feed(port, windows) == [0, 0, 1]
            taken = wait_for(server, 2)
    changes = [(0, "up", [64, -64]), (2, "down", [-64, 64])]
    assert [(r["sequence"], r["label"], r["scores"]) for r in taken] == changes
    assert {(r["device"], r["board"], r["fleet"], r["model"]) for r in taken} == {("esp-9", "esp32", "f", None)}
    assert server.asked[0][0] == "/results"
    advertised, *notified = (tmp_path / "flash.ble").read_text().splitlines()
    assert advertised == " ".join(re.findall(r"`(6f2b[0-9a-f-]{32})`", (ROOT / "docs/act.md").read_text()))
    wanted = [(0, 0, 192, 1), (1, 0, 128, 1), (2, 1, 192, 1)]
    assert [struct.unpack("<IHBB", bytes.fromhex(line)) for line in notified] == wanted


def feed(port: str, frames: list[list[int]]) -> list[int]:
    """The classes of what the board makes of frames."""
    with closing(SerialStream(port)) as stream:
        client = Link(stream, name="esp32")
        assert client.hello().state == 0
        found = [client.sample(frame) for frame in frames]
        return [result.best for result in found if result is not None]
