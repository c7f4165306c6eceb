"""An Arduino Mega end to end: Debian's core and avr-gcc for real, its model linked in, the very chip in simavr."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from test_twin_boards import Bench, golden_file, ignore, stream_file

from fakes.firmware_edits import Edit, Files, as_rendered, build_edited
from fakes.reversing import board_spec, contract_of, digits
from fakes.tflite import dense
from tinyops import twin
from tinyops.artifacts import Step
from tinyops.boards.loader import load_catalog
from tinyops.build.bench import bench
from tinyops.errors import DoesNotFit, SpecError, ToolError
from tinyops.files import digest_file
from tinyops.link import Status
from tinyops.specs.locking import own_pins
from tinyops.toolchain import AVR_CORE_VARIABLE, installed
from tinyops.twin.simavr import AvrBoard

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
MODEL = Path(__file__).with_name("test_twin_reverse.c")
NAME = "mega2560"
MODELS = Path(os.environ.get("TINYOPS_SHARED_DATA", ROOT.parent / "shared/data")) / "models"
POWER_ON, PIN, WATCHDOG, SOFTWARE = 1, 2, 3, 4  # tinyops_reset_cause


def write_model(folder: Path, contract: dict[str, Any], **macros: int) -> dict[str, Path]:
    """The reversing model as a compile step would give it: C, to be linked in."""
    defines = {"SHARED": 1, "CONTRACT": digits(contract), **macros}
    head = "".join(f"#define {name} {value}\n" for name, value in defines.items())
    (folder / "model.c").write_text(head + MODEL.read_text())
    return {"model.c": folder / "model.c"}


def build(
    folder: Path, contract: dict[str, Any], model: dict[str, Path], edit: Edit = as_rendered, **facts: Any
) -> dict[str, Path]:
    """The board's files after its firmware step."""
    spec = board_spec(NAME)
    lock = {
        "compiler": {"name": spec.compiler, "version": installed(spec.compiler).version},
        "platformio": "6.2.0",
        "scons": "4.11.1",
        "firmware": own_pins().firmware,
    }
    settings = {"board": NAME, "fleet": "wrist", "sensor": "stream", "facts": spec.model_dump(mode="json") | facts}
    (folder / "contract.json").write_text(json.dumps(contract))
    out = folder / "firmware"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    step = Step("firmware", f"wrist/{NAME}", settings, lock)
    build_edited(step, {"contract.json": folder / "contract.json", **model}, out, edit)
    return {"contract.json": folder / "contract.json"} | {path.name: path for path in out.iterdir()}


def with_vectors(folder: Path, files: dict[str, Path]) -> Bench:
    vectors = {
        "golden.bin": golden_file(folder / "golden.bin"),
        "stream.bin": stream_file(folder / "stream.bin"),
    }
    return Bench(NAME, folder, files | vectors)


@pytest.fixture(scope="module")
def mega(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp(NAME)
    contract = contract_of(NAME)
    return with_vectors(folder, build(folder, contract, write_model(folder, contract)))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_boards_own_bytes_are_bit_exact_and_measured(mega: Bench) -> None:
    proof = mega.prove()
    facts = proof["facts"]
    assert facts["bit_exact"] is True and facts["proof"] == {"model": "same-bytes", "firmware": "same-bytes"}
    assert proof["ran"] == {"firmware.elf": digest_file(mega.files["firmware.elf"])}
    assert facts["flash_bytes"] == mega.files["firmware.bin"].stat().st_size < 40 << 10
    assert 0 < facts["stack_bytes"] < board_spec(NAME).layout.stack_bytes
    assert facts["instructions"] is None and "instructions: the twin counts core cycles" in facts["not_covered"]
    assert facts["ram_bytes"] < 6144


def test_a_wrong_output_byte_is_named(mega: Bench, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=rf"{NAME}: vector 2: output byte 5 is .* \(1 of 8 bytes differ\)"):
        mega.prove(golden_bin=golden_file(tmp_path / "golden.bin", wrong=2))


def test_a_reset_is_survived_and_a_power_cut_too(mega: Bench) -> None:
    with twin.open_twin(NAME, board_spec(NAME), mega.files) as virtual:
        assert isinstance(virtual, AvrBoard)
        for end in (virtual.reset, virtual.power_cut):
            virtual.link.hello()
            virtual.link.write_input(b"12345678")
            virtual.link.invoke()
            assert virtual.link.stats().inferences == 1
            end()
            assert virtual.link.hello(timeout_s=20).state == Status.OK
            assert virtual.link.stats().inferences == 0
        counted = virtual.measure()
        assert (counted.resets, counted.watchdog) == (2, 0)
        assert counted.cycles > 0 and counted.stack > 0


@pytest.mark.parametrize(("fault", "said"), [(3, "the stack grew into static data"), (4, "output byte 4 is")])
def test_a_bad_model_is_named(fault: int, said: str, cache: Path, tmp_path: Path) -> None:
    contract = contract_of(NAME)
    files = build(tmp_path, contract, write_model(tmp_path, contract, FAULT=fault))
    with pytest.raises(ToolError, match=f"{NAME}: vector 2: .*{said}"):
        with_vectors(tmp_path, files).prove()


def test_two_folders_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contract, digests = contract_of(NAME), []
    for folder in (tmp_path / "one", tmp_path / "another-much longer-name"):
        monkeypatch.setenv("TINYOPS_CACHE", str(folder / "cache"))
        folder.mkdir()
        files = build(folder, contract, write_model(folder, contract))
        digests.append({name: digest_file(path) for name, path in files.items()})
        for path in files.values():
            assert str(tmp_path).encode() not in path.read_bytes()
    assert digests[0] == digests[1] and {"firmware.elf", "firmware.bin", "firmware.hex"} < set(digests[0])


def test_a_model_with_more_ram_than_there_is_is_told_by_bytes(cache: Path, tmp_path: Path) -> None:
    contract = contract_of(NAME)
    contract["input"]["frame_values"] = 5000
    with pytest.raises(DoesNotFit, match=rf"{NAME}: .*RAM: [\d,]+ of 8,192 bytes .* too many"):
        build(tmp_path, contract, write_model(tmp_path, contract))


def test_a_slot_that_is_too_small_is_told_by_bytes(cache: Path, tmp_path: Path) -> None:
    layout = board_spec(NAME).layout.model_dump(mode="json")
    layout["firmware"][0]["bytes"] = 4096
    contract = contract_of(NAME)
    with pytest.raises(DoesNotFit, match=r"firmware slot: [\d,]+ of 4,096 bytes, [\d,]+ too many"):
        build(tmp_path, contract, write_model(tmp_path, contract), layout=layout)


def test_a_missing_core_is_named_at_once(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AVR_CORE_VARIABLE, str(tmp_path / "nowhere"))
    contract = contract_of(NAME)
    with pytest.raises(ToolError, match=r"Arduino core for AVR is missing: .*nowhere has no platform\.txt") as error:
        build(tmp_path, contract, write_model(tmp_path, contract))
    assert "apt-get install arduino-core-avr" in (error.value.hint or "")


def test_without_the_models_source_nothing_is_built(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"model\.c is missing among the inputs"):
        build(tmp_path, contract_of(NAME), {})


@dataclass
class Talk:
    """A virtual Mega that says numbers, a line each; see test_twin_mega.cpp."""

    board: AvrBoard
    said: bytes = b""

    def number(self) -> int:
        while b"\n" not in self.said:
            piece = self.board.link._stream.read(60.0)
            assert piece, f"no answer: {self.board.how_it_ended()}"
            self.said += piece
        first, _, self.said = self.said.partition(b"\n")
        return int(first)

    def ask(self, letter: bytes) -> int:
        self.board.link._stream.write(letter, 1.0)
        return self.number()


def test_the_port_tells_why_it_started_and_what_time_it_is(cache: Path, tmp_path: Path) -> None:
    def with_our_program(files: Files) -> Files:
        return {**files, "src/main.cpp": Path(__file__).with_suffix(".cpp").read_bytes()}

    contract = contract_of(NAME)
    files = build(tmp_path, contract, write_model(tmp_path, contract), with_our_program)
    with twin.open_twin(NAME, board_spec(NAME), files) as virtual:
        assert isinstance(virtual, AvrBoard)
        talk = Talk(virtual)
        assert talk.number() == POWER_ON
        assert 80_000 <= talk.ask(b"c") < 81_000  # 5 ms at 16 MHz
        assert [talk.ask(b"l"), talk.number()] == [1, 0]
        assert talk.ask(b"m") >= 5
        assert talk.ask(b"x") == SOFTWARE
        virtual.reset()
        assert talk.number() == PIN
        assert talk.ask(b"w") == WATCHDOG
        assert virtual.measure().watchdog == 2  # the port resets itself with the watchdog, too
        virtual.power_cut()
        assert talk.number() == POWER_ON


def test_a_real_model_is_bit_exact_in_8_kb_of_ram(cache: Path, tmp_path: Path) -> None:
    catalog = load_catalog()
    model, small = MODELS / "tflm/hello_world_int8.tflite", tmp_path / "small.tflite"
    if not model.is_file():
        small.write_bytes(dense(8, 16).build([0], [3]))
        model = small
    found = bench(model, catalog[NAME], catalog, prefer="balanced", inputs=None, report=ignore)
    assert found.bit_exact, found.differences
    assert found.vectors == 16 and found.twin.startswith("simavr")
    assert 0 < found.ram.stack < 1024
