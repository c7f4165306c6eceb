"""All boards end to end: firmware built by PlatformIO, booted in its twin, fed, compared, measured."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fakes.reversing import board_spec, build_firmware, compile_image, contract_of
from tinyops import twin
from tinyops.artifacts import Progress, Step
from tinyops.errors import ToolError
from tinyops.files import digest_file
from tinyops.firmware.slots import takes_deltas
from tinyops.firmware.uf2 import FAMILIES, pack_uf2
from tinyops.link import LinkTimeout, Refused, Status, Tensor, Type
from tinyops.link.smp.definition import MESSAGE_LARGE
from tinyops.report.boards import firmware_proof, model_proof
from tinyops.toolchain import installed
from tinyops.twin.released import segments

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("test_twin_reverse.c")
SCRIPT = SOURCE.with_suffix(".ld")
INCLUDE = ROOT / "tinyops/runtime/include"
VECTORS = tuple(bytes((first, *range(first + 1, first + 8))) for first in (1, 40, 0x55, 0xF0))


def ignore(_: Progress) -> None:
    pass


def golden_file(path: Path, wrong: int | None = None) -> Path:
    size = len(VECTORS[0])
    body = b""
    for index, vector in enumerate(VECTORS):
        wanted = bytearray(reversed(vector))
        if index == wrong:
            wanted[5] ^= 0x10
        body += vector + wanted
    path.write_bytes(b"TOG1" + struct.pack("<3I", len(VECTORS), size, size) + body)
    return path


def stream_file(path: Path) -> Path:
    frames = [(i, -i) for i in range(12)]
    results = []
    for end in range(4, len(frames) + 1, 2):
        window = b"".join(bytes((x & 0xFF, y & 0xFF)) for x, y in frames[end - 4 : end])
        results.append(window[::-1])
    head = struct.pack("<4I", len(frames), 2, len(results), 8)
    path.write_bytes(b"TOS1" + head + b"".join(struct.pack("<2h", *f) for f in frames) + b"".join(results))
    return path


@dataclass
class Bench:
    """One board's released files in a folder, and how to run its twin step on them."""

    name: str
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)

    def prove(self, **replaced: Path) -> dict[str, Any]:
        spec = board_spec(self.name)
        out = Path(self.folder / "proof")
        out.mkdir(exist_ok=True)
        emulator = spec.emulator
        step = Step(
            "twin",
            f"wrist/{self.name}",
            {"board": self.name, "facts": spec.model_dump(mode="json")},
            {"emulator": {"name": emulator, "version": installed(emulator).version}} if emulator else {},
        )
        inputs = self.files | {name.replace("_", "."): path for name, path in replaced.items()}
        facts = twin.run(step, inputs, out, ignore)
        proof = json.loads((out / "proof.json").read_text())
        assert proof["facts"] == facts
        return proof

    def image(self, folder: Path, contract: dict[str, Any] | None = None, **macros: int) -> dict[str, Path]:
        folder.mkdir(exist_ok=True)
        return compile_image(self.name, folder, contract or contract_of(self.name), **macros)


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bench]:
    @cache
    def make(name: str) -> Bench:
        folder = tmp_path_factory.mktemp(name)
        contract = contract_of(name)
        (folder / "contract.json").write_text(json.dumps(contract, indent=1))
        files = {
            "contract.json": folder / "contract.json",
            "golden.bin": golden_file(folder / "golden.bin"),
            "stream.bin": stream_file(folder / "stream.bin"),
        }
        files |= compile_image(name, folder, contract)
        if board_spec(name).model_form != "linked":
            files |= build_firmware(name, folder, contract)
        return Bench(name, folder, files)

    return make


BOARDS = ("microbit", "nano33ble", "pico", "linux", "raspberrypi4", "teensy41", "pico2", "esp32c3")
# The Cortex-M7 again: a board whose RAM lies elsewhere in its twin, and one that has the model linked in.
ALL_BOARDS = (*BOARDS, "nucleo-h743zi", "coral-micro")
OWN_FIRMWARE = {"microbit": "same-bytes", "nano33ble": "same-source", "pico": "same-bytes"}  # the others' is rendered
OWN_FIRMWARE |= {"microbit-v2": "same-source", "pico-w": "same-bytes"}


def test_a_linked_model_gives_the_same_bytes_in_two_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = []
    for name in ("one", "another-much-longer-name"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / name / "cache"))
        files = compile_image("esp32c3", tmp_path / name, contract_of("esp32c3"))
        digests.append({name: digest_file(path) for name, path in files.items()})
        assert str(tmp_path).encode() not in files["twin.elf"].read_bytes()
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", [*ALL_BOARDS, "microbit-v2", "pico-w", "uno-r4"])
def test_a_board_is_bit_exact_and_measured(name: str, bench: Callable[[str], Bench]) -> None:
    board = bench(name)
    proof = board.prove()
    facts = proof["facts"]
    assert facts["bit_exact"] is True and facts["vectors"] == len(VECTORS)
    form = board_spec(name).model_form
    other = "model.so" if form == "shared-object" else "twin.elf"
    booted = {"microbit": "firmware.elf", "pico": "firmware.bin", "pico-w": "firmware.bin"}.get(name, other)
    assert proof["ran"][booted] == digest_file(board.files[booted])
    model = "same-source" if form == "linked" else "same-bytes"
    firmware = "none" if form == "shared-object" else OWN_FIRMWARE.get(name, "rendered")
    assert facts["proof"] == {"model": model, "firmware": firmware}
    assert (model, firmware.replace("none", "-")) == (model_proof(board_spec(name)), firmware_proof(board_spec(name)))
    if form == "shared-object":
        assert facts["flash_bytes"] == board.files["model.so"].stat().st_size
        assert (facts["instructions"] is None) == any("instructions" in text for text in facts["not_covered"])
    else:
        images = [board.files[n].stat().st_size for n in ("model.bin", "firmware.bin") if n in board.files]
        assert facts["flash_bytes"] == sum(images) or (not images and 2048 < facts["flash_bytes"] < 24000)
        assert any("own firmware takes" in text for text in facts["not_covered"]) == ("firmware.bin" not in board.files)
        assert 0 < facts["instructions"] < 2000
    assert 0 < facts["stack_bytes"] < 2048
    kept_free = 4096 if "rp2040" in board_spec(name).port else 0  # of its RAM's last bank, which its boot ROM uses
    deltas = 1024 if takes_deltas(board_spec(name)) else 0
    assert facts["stack_bytes"] < facts["ram_bytes"] < 4096 + MESSAGE_LARGE + kept_free + deltas


@pytest.mark.parametrize("name", [name for name in BOARDS if name != "linux"])
def test_two_runs_of_a_twin_measure_the_same(name: str, bench: Callable[[str], Bench]) -> None:
    board = bench(name)
    assert board.prove() == board.prove()


@pytest.mark.parametrize("name", BOARDS)
def test_a_wrong_output_byte_is_named(name: str, bench: Callable[[str], Bench], tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=rf"{name}: vector 2: output byte 5 is .* \(1 of 8 bytes differ\)"):
        bench(name).prove(golden_bin=golden_file(tmp_path / "golden.bin", wrong=2))


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize(
    ("fault", "said"), [(1, "crashed"), (3, "stack overflowed|killed by signal 11"), (4, "output byte 4 is")]
)
def test_a_bad_image_is_named_with_board_and_vector(
    name: str, fault: int, said: str, bench: Callable[[str], Bench], tmp_path: Path
) -> None:
    board = bench(name)
    files = board.image(tmp_path, fault=fault)
    with pytest.raises(ToolError, match=f"{name}: vector 2: .*{said}"):
        Bench(name, tmp_path, board.files | files).prove()


@pytest.mark.parametrize("name", BOARDS)
def test_a_hanging_image_ends_at_the_time_limit(
    name: str, bench: Callable[[str], Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = bench(name)
    monkeypatch.setattr("tinyops.twin.prove.INVOKE_TIMEOUT_S", 1.0)
    files = board.image(tmp_path, fault=2)
    with pytest.raises(ToolError, match=f"{name}: vector 2: the board hangs"):
        Bench(name, tmp_path, board.files | files).prove()


@pytest.mark.parametrize("name", ["microbit", "nano33ble", "pico"])
def test_what_is_wrong_with_a_slot_is_said_and_refused(
    name: str, bench: Callable[[str], Bench], tmp_path: Path
) -> None:
    board, good = bench(name), bench(name).files["model.bin"].read_bytes()
    foreign = board.image(tmp_path / "foreign", contract_of(name, abi=2))["model.bin"].read_bytes()
    slot = board_spec(name).layout.model[0].bytes
    damaged = {
        Status.ABSENT: b"\xff" * 256,
        Status.IMAGE: b"garbage!" * 32,
        Status.ABI: good[:4] + b"\x07\x00" + good[6:],
        Status.IMAGE_BYTES: good[:8] + struct.pack("<I", slot + 4) + good[12:],
        Status.ARENA_BYTES: good[:12] + struct.pack("<I", 1 << 24) + good[16:],
        Status.FRAME_BYTES: good[:32] + struct.pack("<I", 3) + good[36:],
        Status.CONTRACT: foreign,
    }
    for status, data in damaged.items():
        path = tmp_path / "model.bin"
        path.write_bytes(data)
        with twin.open_twin(name, board_spec(name), board.files | {"model.bin": path}) as virtual:
            assert virtual.link.hello().state == status
            for ask in (virtual.link.invoke, lambda v=virtual: v.link.write_input(b"1"), virtual.link.reset_state):
                with pytest.raises(Refused) as refused:
                    ask()
                assert refused.value.status == status
            assert virtual.link.stats().inferences == 0


def test_entry_points_outside_the_image_are_refused(bench: Callable[[str], Bench], tmp_path: Path) -> None:
    board = bench("microbit")
    good = board.files["model.bin"].read_bytes()
    for entry in range(44, 60, 4):
        for bad in (0, 1, 0x5C, len(good) + 1, 0xFFFFFFFF):
            (tmp_path / "model.bin").write_bytes(good[:entry] + struct.pack("<I", bad) + good[entry + 4 :])
            files = board.files | {"model.bin": tmp_path / "model.bin"}
            with twin.open_twin("microbit", board_spec("microbit"), files) as virtual:
                assert virtual.link.hello().state == Status.IMAGE, (entry, bad)


@pytest.mark.parametrize("name", BOARDS)
def test_a_live_board_serves_every_request_and_refuses_bad_ones(name: str, bench: Callable[[str], Bench]) -> None:
    with twin.open_twin(name, board_spec(name), bench(name).files) as virtual:
        link = virtual.link
        assert link.hello().board == name
        bad = {
            (0x3F, b""): Status.TYPE,
            (Type.HELLO, b"x"): Status.REQUEST,
            (Type.TENSOR_WRITE, struct.pack("<I", 7) + b"ab"): Status.RANGE,
            (Type.TENSOR_WRITE, struct.pack("<I", 0xFFFFFFFF) + b"ab"): Status.RANGE,
            (Type.TENSOR_WRITE, b"ab"): Status.REQUEST,
            (Type.TENSOR_READ, struct.pack("<BIH", 2, 0, 1)): Status.RANGE,
            (Type.TENSOR_READ, struct.pack("<BIH", 1, 1, 8)): Status.RANGE,
            (Type.TENSOR_READ, struct.pack("<BIH", 1, 0, 257)): Status.RANGE,
            (Type.SAMPLE, struct.pack("<Ihh", 1, 1, 2)): Status.RANGE,
            (Type.SAMPLE, struct.pack("<Ih", 1, 1)): Status.ORDER,
            (Type.SAMPLE, struct.pack("<I", 0)): Status.REQUEST,
            (Type.SAMPLE, struct.pack("<Ib", 0, 1)): Status.REQUEST,
        }
        for (kind, payload), status in bad.items():
            with pytest.raises(Refused) as refused:
                link.request(kind, payload)
            assert refused.value.status == status, (kind, payload)
        link.write_input(b"12345678")
        link.invoke()
        assert link.read_tensor(Tensor.OUTPUT, 8) == b"87654321"
        assert link.read_tensor(Tensor.INPUT, 8) == b"12345678"


@pytest.mark.parametrize("name", [name for name in BOARDS if name != "linux"])
def test_the_stopwatch_starts_from_nought_each_time(name: str, bench: Callable[[str], Bench]) -> None:
    with twin.open_twin(name, board_spec(name), bench(name).files) as virtual:
        ticks = [twin.prove.feed(virtual.link, VECTORS[0]).ticks for _ in range(5)]
    assert len(set(ticks)) == 1 and 0 < ticks[0] < 100


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_survives_garbage_on_its_line(name: str, bench: Callable[[str], Bench]) -> None:
    with twin.open_twin(name, board_spec(name), bench(name).files) as virtual:
        link = virtual.link
        link.hello()
        garbage = (b"\x06\x09AQAAAA==\n\0", b"\0\0\0", b"\xff" * 1000 + b"\0", bytes(range(1, 256)) + b"\0")
        for piece in garbage:
            link._stream.write(piece, 1.0)
        assert link.stats().bad_frames == 2  # what lies outside of frames is for the console


def test_the_native_stack_and_the_boards_grow_with_the_model(bench: Callable[[str], Bench], tmp_path: Path) -> None:
    board = bench("microbit")
    with twin.open_twin("microbit", board_spec("microbit"), board.files) as virtual:
        virtual.link.hello()
        before = virtual.link.stats()
        assert before.stack_bytes == board_spec("microbit").layout.stack_bytes
        virtual.link.write_input(VECTORS[0])
        virtual.link.invoke()
        assert before.stack_used <= virtual.link.stats().stack_used < before.stack_bytes


def test_no_emulator_is_left_behind(bench: Callable[[str], Bench]) -> None:
    board = bench("microbit")
    with pytest.raises(LinkTimeout), twin.open_twin("microbit", board_spec("microbit"), board.files) as virtual:
        process = virtual.process
        virtual.link.hello()
        virtual.link._stream.write(b"\0", 1.0)
        virtual.link._next(0.0, Type.HELLO)
    assert process.returncode is not None


@pytest.mark.parametrize("at", [40, 508, 20, 512 * 3 + 45])
def test_a_uf2_file_that_holds_other_bytes_is_refused(at: int, bench: Callable[[str], Bench], tmp_path: Path) -> None:
    board = bench("pico")
    origin = min(segments(board.files["firmware.elf"]))
    data = bytearray(pack_uf2(board.files["firmware.bin"].read_bytes(), origin, FAMILIES["RP2040"]))
    data[at] ^= 1
    (tmp_path / "firmware.uf2").write_bytes(data)
    with pytest.raises(ToolError, match=r"firmware\.uf2"):
        board.prove(firmware_uf2=tmp_path / "firmware.uf2")
