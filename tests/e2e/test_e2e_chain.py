"""Fleets whose model is spread over chains of boards: planned, applied, run together as twins, and nothing to do after.

A repository with real models: persons (VWW) on two boards of 384 KB of flash and 48 KB of RAM, and whole on one of
64 KB of RAM; keywords over a micro:bit, a Nano and a Raspberry Pi.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fakes.chained import chain_document, repository_of
from fakes.projects import STREAM, Repository, fleet

pytestmark = pytest.mark.build

SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
MODELS = {"person": "vww_96_int8.tflite", "keyword": "kws_ref_model.tflite"}
APPLY_S = 900
LOSSY = "kind: uart, baud: 1000000, loss: 0.1"
BOARD = """\
apiVersion: tinyops/v1
kind: Board
metadata: {{name: {name}}}
extends: nano33ble
spec:
  title: {name}
  memory:
    flash:
      - origin: 0x0
        bytes: {flash}
        erase_bytes: 4096
        program_bytes: 4
        reprogram: 2
        during_write: stall
        erase_ms: 85
    ram: {{origin: 0x20000000, bytes: {ram}}}
  layout:
    bootloader: null
    own_bootloader: {{origin: 0x0, bytes: 16384}}
    firmware: [{{origin: 0x4000, bytes: {firmware}}}, {{origin: {firmware_b:#x}, bytes: {firmware}}}]
    model: [{{origin: {model_a:#x}, bytes: {model}}}, {{origin: {model_b:#x}, bytes: {model}}}]
    settings: {{origin: {settings:#x}, bytes: 8192}}
    state: {{origin: {state:#x}, bytes: 8192}}
    arena_bytes: {arena}
    stack_bytes: 4096
"""


def board(name: str, flash_kb: int, ram_kb: int, arena: int) -> str:
    """A board with slots for two firmwares of 40 KB and two models in what is left."""
    firmware, start = 40 * 1024, 0x4000
    flash = flash_kb * 1024
    models = start + 2 * firmware
    model = (flash - models - 2 * 8192) // 2 // 4096 * 4096
    return BOARD.format(
        name=name,
        flash=flash,
        ram=ram_kb * 1024,
        firmware=firmware,
        firmware_b=start + firmware,
        model=model,
        model_a=models,
        model_b=models + model,
        settings=flash - 2 * 8192,
        state=flash - 8192,
        arena=arena,
    )


def documents() -> list[str]:
    return [
        chain_document("bell", "person", "half", "half"),
        chain_document("hall", "keyword", "microbit", "nano33ble", "raspberrypi4", link=LOSSY),
        fleet("door", "person", {"small": STREAM}),
    ]


def models() -> dict[str, bytes]:
    return {name: (SHARED / "models/mlperf_tiny" / file).read_bytes() for name, file in MODELS.items()}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    if not (SHARED / "models").is_dir():
        pytest.skip("the shared models are not on this machine")
    boards = {"half": board("half", 384, 48, 32768), "small": board("small", 768, 64, 40960)}
    made = repository_of(tmp_path_factory.mktemp("chain") / "bench", models(), *documents(), boards=boards)
    done = made.run("apply", timeout_s=APPLY_S)
    assert done.code == 0, done.out + done.err
    return made


def proof_of(bench: Repository, fleet_name: str) -> Any:
    return bench.manifest()["steps"][f"chain:{fleet_name}"]["facts"]


@pytest.mark.parametrize("name", ["bell", "hall"])
def test_all_parts_together_give_what_the_whole_model_gives(bench: Repository, name: str) -> None:
    facts = proof_of(bench, name)
    assert facts["bit_exact"] is True and facts["vectors"] >= 4
    assert all(link["tensor_bytes"] > 0 for link in facts["links"])
    assert all(memory["arena_bytes"] <= memory["ram_bytes"] for memory in facts["memory"].values())


def test_frames_checks_and_answers_cost_at_most_five_percent_of_the_tensors(bench: Repository) -> None:
    facts = proof_of(bench, "hall")
    assert facts["links"][0]["tensor_bytes"] >= 8000
    assert 0 < facts["overhead"] <= 5


def test_a_declared_loss_changes_no_answer(bench: Repository) -> None:
    lossy = proof_of(bench, "hall")["with_loss"]
    assert lossy["bit_exact"] is True
    assert sum(link["lost_frames"] for link in lossy["links"]) > 0


def test_persons_fit_two_boards_of_48_kb_and_one_of_64(bench: Repository) -> None:
    split = bench.manifest()["steps"]["split:bell"]["facts"]
    assert "one board would do" not in "\n".join(split["explanation"])
    for memory in proof_of(bench, "bell")["memory"].values():
        assert memory["ram_bytes"] <= 48 * 1024
    figures = bench.manifest()["fleets"]["door"]["boards"]["small"]["figures"]
    assert figures["bit_exact"] is True and figures["ram_bytes"] <= 64 * 1024


def test_nothing_is_left_to_do(bench: Repository) -> None:
    done = bench.run("plan", "--detailed-exitcode")
    assert done.code == 0, done.out + done.err
    assert "No changes." in done.out


def test_a_chain_is_asked_as_one_board(bench: Repository) -> None:
    with bench.write("commands", "parts\ninfer\nlinks\n").open() as commands:
        done = subprocess.run(
            bench.command("twin", "hall", "--json"),
            cwd=bench.root,
            env=bench.environment(),
            stdin=commands,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert said[0]["chain"] == "hall"
    assert [part["board"] for part in said[1]["parts"]] == ["microbit", "nano33ble", "raspberrypi4"]
    assert len(said[2]["output"]) == 12
    assert said[3]["links"][0]["down"] > 0
